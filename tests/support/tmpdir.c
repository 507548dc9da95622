/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch folders and files: see tmpdir.h. */
#include "tmpdir.h"

#include <errno.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

char *kt_format(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	kt_check(vasprintf(&text, format, args) >= 0, "no memory");
	va_end(args);
	return text;
}

char *kt_own_name(const char *prefix)
{
	static atomic_uint count;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return kt_format("%s_%x_%llx_%x", prefix, (unsigned) getpid(),
		now.tv_sec * 1000ULL + (unsigned) now.tv_nsec / 1000000, atomic_fetch_add(&count, 1));
}

char *kt_tmpdir(void)
{
	const char *base = getenv("KD_TEST_TMP");
	char *dir = kt_format("%s/kdtest.XXXXXX", base ? base : "/tmp");

	kt_check(mkdtemp(dir), "could not make \"%s\": %s", dir, strerror(errno));
	return dir;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void) status;
	(void) type;
	(void) walk;
	return remove(path);
}

void kt_tmpdir_remove(char *dir)
{
	if (dir)
		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

char *kt_path(const char *dir, const char *name)
{
	return kt_format("%s/%s", dir, name);
}

char *kt_write_file(const char *dir, const char *name, const char *format, ...)
{
	char *path = kt_path(dir, name);
	FILE *file = fopen(path, "w");
	va_list args;

	kt_check(file, "could not write \"%s\": %s", path, strerror(errno));
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	kt_check(fclose(file) == 0, "could not write \"%s\": %s", path, strerror(errno));
	return path;
}

char *kt_read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *copy = open_memstream(&text, &size);
	FILE *file = fopen(path, "r");
	char piece[4096];

	kt_check(copy, "no memory");
	while (file) {
		size_t n = fread(piece, 1, sizeof(piece), file);
		if (n == 0)
			break;
		fwrite(piece, 1, n, copy);
	}
	if (file)
		fclose(file);
	kt_check(fclose(copy) == 0, "no memory");
	return text;
}
