/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_new: writes the project of a connector or of a sink, ready to build, to run and to be edited.  Nothing that is
 * there already is touched: the folder must be absent or empty. */
#include "cmd_new.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kdirect/types.h>

#include "new_files.h"

static const char placeholder[] = "@NAME@";
enum { PLACEHOLDER_SIZE = sizeof placeholder - 1, MOST_NAME = 60 };

/* The name is a program's, a folder's, a job's and stands in C strings, in JSON and in shell. */
static bool name_fits(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz", more[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t size = strlen(name);

	return size > 0 && size <= MOST_NAME && strchr(letters, name[0]) && strspn(name, more) == size &&
		strcmp(name, "test") != 0 && strcmp(name, "main") != 0 && strcmp(name, "install") != 0 &&
		strcmp(name, "clean") != 0 && strcmp(name, "sink") != 0;
}

/* "make install" of such a project would put it over a program of kdirect. */
static bool is_installed_name(const char *name)
{
	static const char *const names[] = {"kdirect", "kdirect-sink-conformance", "kafka-files", "kafka-kafka",
		"kafka-postgres", "kafka-sqlite"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* The file's text with the name in place of each placeholder. */
static bool fill_in(const struct new_file *file, const char *name, kd_buf *out)
{
	const char *at = file->text, *hit;

	while ((hit = memmem(at, (size_t) (file->end - at), placeholder, PLACEHOLDER_SIZE))) {
		if (!kd_buf_append(out, at, (size_t) (hit - at)) || !kd_buf_append(out, name, strlen(name)))
			return false;
		at = hit + PLACEHOLDER_SIZE;
	}
	return kd_buf_append(out, at, (size_t) (file->end - at));
}

/* errno says why not. */
static bool write_text(int dir, const struct new_file *file, const kd_buf *text)
{
	int fd = openat(dir, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
	FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!to) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	bool ok = fwrite(text->data, 1, text->size, to) == text->size;
	return fclose(to) == 0 && ok;
}

static bool write_file(int dir, const struct new_file *file, const char *name)
{
	kd_buf text = {0};
	bool ok = fill_in(file, name, &text);

	if (!ok)
		errno = ENOMEM;
	ok = ok && write_text(dir, file, &text);
	if (!ok)
		fprintf(stderr, "kdirect new: could not write \"%s\": %s\n", file->name, strerror(errno));
	kd_buf_done(&text);
	return ok;
}

static bool is_empty(int fd)
{
	int own = dup(fd);
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	bool empty = dir != NULL;

	if (!dir && own >= 0)
		close(own);
	for (struct dirent *entry; empty && (entry = readdir(dir));)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return empty;
}

/* The folder, made where it is absent; -1 after a line that says why not. */
static int open_folder(const char *path)
{
	int dir = mkdir(path, 0777) == 0 || errno == EEXIST ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir < 0) {
		fprintf(stderr, "kdirect new: could not make \"%s\": %s\n", path, strerror(errno));
		return -1;
	}
	if (is_empty(dir))
		return dir;
	fprintf(stderr, "kdirect new: \"%s\" is not empty, and nothing is overwritten: give another --dir\n", path);
	close(dir);
	return -1;
}

static int write_project(const struct args *args)
{
	const char *name = args->operands[0], *path = args->dir ? args->dir : name;
	int dir;

	if (!name_fits(name)) {
		fprintf(stderr, "kdirect new: \"%s\" cannot be a project's name: a letter, then up to %d of a-z 0-9 - _, "
			"and not a word of the Makefile's\n", name, MOST_NAME - 1);
		return 2;
	}
	if (is_installed_name(name)) {
		fprintf(stderr, "kdirect new: \"%s\" is a program of kdirect, which \"make install\" of the project would "
			"overwrite: give another name\n", name);
		return 2;
	}
	if ((dir = open_folder(path)) < 0)
		return 2;
	bool ok = true;
	for (const struct new_file *file = args->sink ? new_sink : new_connector; ok && file->name; file++)
		ok = write_file(dir, file, name);
	close(dir);
	if (!ok)
		return 4;
	printf("%s is ready:\n\n    cd %s\n    make test\n\nREADME.md says what is where.\n", path, path);
	return 0;
}

static const struct arg_option own[] = {
	{ARG_TEXT, 0, "dir", "DIR", NULL, NULL, 0, 0,
	 "the folder to write into instead of NAME; it must be absent or empty", offsetof(struct args, dir)},
	{ARG_FLAG, 0, "sink", NULL, NULL, NULL, 0, 0,
	 "a project for a sink of one's own, for a target that takes puts by key", offsetof(struct args, sink)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, NULL};

static int cmd_new(int argc, char **argv)
{
	return args_run(&verb_new, argc, argv, write_project);
}

const struct verb verb_new = {
	.name = "new",
	.group = "Try it",
	.summary = "write a connector of your own: a project that builds and passes its test",
	.usage = "NAME [OPTION]...",
	.examples =
		"kdirect new orders && make -C orders test\n"
		"    a program \"orders\" with a transform of its own, and every verb that kdirect has\n"
		"kdirect new --sink shop\n"
		"    a program with a sink of its own\n",
	.text =
		"Writes a Makefile, C code, a job file and a test with its input and expected output. The Makefile finds "
		"kdirect's libraries by pkg-config. The test needs neither Kafka nor a database. Nothing is overwritten.\n\n"
		"docs/WRITING-A-CONNECTOR.md and docs/WRITING-A-SINK.md go on from there.",
	.options = options,
	.exits =
		"0  ok\n"
		"2  usage, or the folder is not empty\n"
		"4  a file could not be written\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_new,
};
