// SPDX-License-Identifier: Apache-2.0
// file_holder: who holds the lock for too long, and whether a process of the ledger still lives.
//
// The kernel tells who has a flock: /proc/locks has process and inode.  The ledger's instances say which job it runs.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "file_sink.h"

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

/* State and start time (proc(5): fields 3 and 22); the name before them may hold spaces and brackets. */
static bool read_stat(int64_t pid, char *ret_state, unsigned long long *ret_start)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
	if (!read_line(path, line, sizeof line))
		return false;
	const char *rest = strrchr(line, ')');
	return rest && sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		ret_state, ret_start) == 2;
}

void file_process_mark(int64_t pid, char *ret_mark, size_t size)
{
	char state, boot[64];
	unsigned long long start;
	*ret_mark = '\0';
	if (read_stat(pid, &state, &start) && state != 'Z' && state != 'X' &&
		read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		snprintf(ret_mark, size, "%s/%llu", boot, start);
}

void file_instance_describe(const journal_instance *instance, char *ret_who, size_t size)
{
	char since[FILE_TIME_SIZE];
	file_time_text(instance->started_at_ms, since);
	snprintf(ret_who, size, "pid %" PRId64 " on host %s since %s", instance->pid, instance->host, since);
}

/* 0 where the kernel does not say: it is on another machine, perhaps. */
static int64_t find_holder(int lock_fd)
{
	char line[256];
	struct stat st;
	FILE *locks = fstat(lock_fd, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
	int64_t holder = 0;
	while (locks && holder == 0 && fgets(line, sizeof line, locks)) {
		long long pid;
		unsigned long long inode;
		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %lld %*[^:]:%*[^:]:%llu", &pid, &inode) == 2 && inode == st.st_ino)
			holder = pid;
	}
	if (locks)
		fclose(locks);
	return holder;
}

/* The job whose newest start is that process, where the ledger has one. */
static bool find_instance(const journal *j, int64_t pid, char *ret_who, size_t size)
{
	char mark[96];
	const char *job;
	journal_instance instance;
	file_process_mark(pid, mark, sizeof mark);
	for (size_t i = 0; j && (job = journal_job_at(j, i)); i++) {
		if (!journal_owner(j, job, &instance) || instance.pid != pid || strcmp(instance.process, mark) != 0)
			continue;
		char who[256];
		file_instance_describe(&instance, who, sizeof who);
		snprintf(ret_who, size, "%s, job \"%s\"", who, job);
		return true;
	}
	return false;
}

void file_holder_describe(int lock_fd, const journal *j, char *ret_who, size_t size)
{
	int64_t pid = find_holder(lock_fd);
	if (pid == 0) {
		snprintf(ret_who, size, "another process holds it; \"fuser -v\" on it lists who has it open on this machine");
		return;
	}
	char who[384], state = '?';
	unsigned long long start;
	if (!find_instance(j, pid, who, sizeof who))
		snprintf(who, sizeof who, "pid %" PRId64, pid);
	(void) read_stat(pid, &state, &start);
	snprintf(ret_who, size, "it is held by %s%s; \"kill -9 %" PRId64 "\" ends it", who,
		state == 'T' ? ", which is stopped" : "", pid);
}
