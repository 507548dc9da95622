// SPDX-License-Identifier: Apache-2.0
// set_back: the database as it was: by the hooks, under the feet of connected sessions; or by copying the folder of a
// sink that keeps all in it, closed meanwhile, as a person does who plays a backup back.
#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance.h"
#include "tmpdir.h"

static void each_open(world *w, void (*fn)(instance *i))
{
	for (size_t n = 0; n < sizeof w->open / sizeof *w->open; n++)
		if (w->open[n])
			fn(w->open[n]);
}

/* nftw hands its callback nothing of the caller's: where to copy to, and how much of a path is the folder's. */
static const char *copy_to;
static size_t copy_skip;

static void copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	char piece[4096];
	size_t n;
	kt_check(in && out, "could not copy \"%s\" to \"%s\": %s", from, to, strerror(errno));
	while ((n = fread(piece, 1, sizeof piece, in)) > 0)
		kt_check(fwrite(piece, 1, n, out) == n, "could not write \"%s\": %s", to, strerror(errno));
	fclose(in);
	kt_check(fclose(out) == 0, "could not write \"%s\": %s", to, strerror(errno));
}

static int copy_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void) walk;
	char *to = kt_format("%s%s", copy_to, path + copy_skip);
	if (type == FTW_D)
		kt_check(mkdir(to, 0700) == 0 || errno == EEXIST, "could not make \"%s\": %s", to, strerror(errno));
	else if (S_ISREG(status->st_mode))
		copy_file(path, to);
	free(to);
	return 0;
}

static void copy_folder(const char *from, const char *to)
{
	copy_to = to;
	copy_skip = strlen(from);
	kt_check(nftw(from, copy_entry, 16, FTW_PHYS) == 0, "could not copy \"%s\": %s", from, strerror(errno));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void) status, (void) type;
	return walk->level > 0 ? remove(path) : 0;
}

static void empty_folder(const char *dir)
{
	kt_check(nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0, "could not empty \"%s\": %s", dir, strerror(errno));
}

static char *backup_of(world *w)
{
	return kt_format("%s.backup", w->place.dir);
}

static void play(world *w, bool back)
{
	char *backup = backup_of(w);
	each_open(w, instance_disconnect);
	if (back) {
		empty_folder(w->place.dir);
		copy_folder(backup, w->place.dir);
		kt_tmpdir_remove(backup);
	} else {
		copy_folder(w->place.dir, backup);
		free(backup);
	}
	each_open(w, instance_connect);
}

void save(world *w)
{
	if (w->hooks->save)
		MUST(w->hooks->save(w->db, &e_));
	else
		play(w, false);
}

void restore(world *w)
{
	if (w->hooks->restore)
		MUST(w->hooks->restore(w->db, &e_));
	else
		play(w, true);
}
