/* SPDX-License-Identifier: Apache-2.0 */
/* demo_folder: see demo_folder.h. */
#include "demo_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "demo_kafka.h"
#include "out.h"

enum { LAST_LINES = 8, LINE_BYTES = 1000 };

static bool is_empty(const char *path)
{
	DIR *dir = opendir(path);
	bool empty = dir != NULL;

	for (struct dirent *entry; empty && (entry = readdir(dir));)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir)
		closedir(dir);
	return empty;
}

static char *make_temporary(void)
{
	const char *base = getenv("TMPDIR");
	char *path = NULL;

	if (asprintf(&path, "%s/kdirect-demo-XXXXXX", base && *base ? base : "/tmp") < 0)
		return NULL;
	if (mkdtemp(path))
		return path;
	free(path);
	return NULL;
}

static bool make_names(struct demo_folder *folder)
{
	if (asprintf(&folder->job, "%s/orders.json", folder->path) < 0)
		folder->job = NULL;
	if (asprintf(&folder->database, "%s/orders.db", folder->path) < 0)
		folder->database = NULL;
	if (asprintf(&folder->log, "%s/run.log", folder->path) < 0)
		folder->log = NULL;
	return folder->job && folder->database && folder->log;
}

bool demo_folder_make(struct demo_folder *folder, const char *keep, const char **ret_why)
{
	*folder = (struct demo_folder){.keep = keep != NULL};
	if (keep && mkdir(keep, 0777) < 0 && !(errno == EEXIST && is_empty(keep))) {
		*ret_why = errno == EEXIST ? "it is there already, and not an empty folder" : strerror(errno);
		return false;
	}
	folder->path = keep ? realpath(keep, NULL) : make_temporary();
	if (folder->path && make_names(folder))
		return true;
	*ret_why = strerror(errno);
	return false;
}

bool demo_folder_write_job(const struct demo_folder *folder, const char *bootstrap, const char **ret_why)
{
	FILE *file = fopen(folder->job, "we");

	if (!file) {
		*ret_why = strerror(errno);
		return false;
	}
	fprintf(file,
		"{\n"
		"  \"job\": \"demo\",\n"
		"  \"kafka\": { \"bootstrap.servers\": \"%s\" },\n"
		"  \"topics\": [\"" DEMO_TOPIC "\"],\n"
		"  \"start\": \"earliest\",\n"
		"  \"batch\": { \"interval_ms\": 20 },\n"
		"  \"sink\": { \"type\": \"sqlite\", \"table\": \"orders\", \"path\": ", bootstrap);
	out_json_string(file, folder->database);
	fputs(" }\n}\n", file);
	bool ok = !ferror(file);
	ok = fclose(file) == 0 && ok;
	*ret_why = strerror(errno);
	return ok;
}

void demo_folder_show_log(const struct demo_folder *folder, FILE *to)
{
	char lines[LAST_LINES][LINE_BYTES];
	size_t n = 0;
	FILE *file = fopen(folder->log, "re");

	if (!file)
		return;
	while (fgets(lines[n % LAST_LINES], LINE_BYTES, file))
		n++;
	fclose(file);
	for (size_t i = n > LAST_LINES ? n - LAST_LINES : 0; i < n; i++)
		fprintf(to, "    %s", lines[i % LAST_LINES]);
}

/* The folder is flat and our own. */
static void remove_folder(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

void demo_folder_done(struct demo_folder *folder)
{
	if (folder->path && !folder->keep)
		remove_folder(folder->path);
	free(folder->path);
	free(folder->job);
	free(folder->database);
	free(folder->log);
	*folder = (struct demo_folder){0};
}
