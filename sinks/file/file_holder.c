// SPDX-License-Identifier: Apache-2.0
// file_holder: who holds the lock for too long, and whether a process of the ledger still lives.
//
// The kernel tells who has a flock: /proc/locks has process and inode.  The ledger's instances say which job it runs.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/process.h"
#include "file_sink.h"

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
	char mark[PROCESS_MARK_SIZE];
	const char *job;
	journal_instance instance;
	process_mark(pid, mark);
	for (size_t i = 0; j && (job = journal_job_at(j, i)); i++) {
		if (!journal_owner(j, job, &instance) || instance.pid != pid || strcmp(instance.process, mark) != 0)
			continue;
		char who[256];
		process_describe(instance.pid, instance.host, instance.started_at_ms, who, sizeof who);
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
	char who[384];
	if (!find_instance(j, pid, who, sizeof who))
		snprintf(who, sizeof who, "pid %" PRId64, pid);
	snprintf(ret_who, size, "it is held by %s%s; \"kill -9 %" PRId64 "\" ends it", who,
		process_is_stopped(pid) ? ", which is stopped" : "", pid);
}
