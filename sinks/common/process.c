// SPDX-License-Identifier: Apache-2.0
// process: see the header.  All is read from /proc (proc(5)).
#include "process.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool read_line(const char *path, char *ret_line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool ok = file && fgets(ret_line, (int) size, file);
	if (file)
		fclose(file);
	if (ok)
		ret_line[strcspn(ret_line, "\n")] = '\0';
	return ok;
}

/* What all processes that can see each other's numbers have in common: "boot/namespace/". */
static bool mark_place(char ret_mark[PROCESS_MARK_SIZE])
{
	char boot[64], space[64];
	ssize_t size = readlink("/proc/self/ns/pid", space, sizeof space - 1);
	*ret_mark = '\0';
	if (size < 0 || !read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		return false;
	space[size] = '\0';
	snprintf(ret_mark, PROCESS_MARK_SIZE, "%s/%s/", boot, space);
	return true;
}

/* State and start time (fields 3 and 22); the name before them may hold spaces and brackets. */
static bool read_stat(int64_t pid, char *ret_state, unsigned long long *ret_start)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
	const char *rest = read_line(path, line, sizeof line) ? strrchr(line, ')') : NULL;
	return rest && sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		ret_state, ret_start) == 2;
}

void process_mark(int64_t pid, char ret_mark[PROCESS_MARK_SIZE])
{
	char state;
	unsigned long long start;
	size_t size = mark_place(ret_mark) ? strlen(ret_mark) : 0;
	if (size && read_stat(pid, &state, &start) && state != 'Z' && state != 'X')
		snprintf(ret_mark + size, PROCESS_MARK_SIZE - size, "%llu", start);
	else
		*ret_mark = '\0';
}

bool process_mark_is_here(const char *mark)
{
	char place[PROCESS_MARK_SIZE];
	return mark_place(place) && !strncmp(mark, place, strlen(place));
}

bool process_is_stopped(int64_t pid)
{
	char state;
	unsigned long long start;
	return read_stat(pid, &state, &start) && state == 'T';
}

void process_describe(int64_t pid, const char *host, int64_t started_at_ms, char *ret_who, size_t size)
{
	char since[32];
	time_t seconds = (time_t) (started_at_ms / 1000);
	struct tm utc;
	gmtime_r(&seconds, &utc);
	strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", &utc);
	snprintf(ret_who, size, "pid %" PRId64 " on host %s since %s", pid, host, since);
}
