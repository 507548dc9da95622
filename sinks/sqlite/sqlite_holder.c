// SPDX-License-Identifier: Apache-2.0
// sqlite_holder: who holds the write lock of a file for too long.
//
// SQLite does not tell, but the kernel does: the lock is byte 120 of the -shm file (SQLite's documentation, "WAL-mode
// File Format", 2.3), and /proc/locks has the process.  The file is only looked at with stat: to open and close it
// would drop this process's own locks on it.  The ledger's instance rows say which job the process runs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../common/process.h"
#include "sqlite_sink.h"

#define WRITE_LOCK_BYTE 120

/* The process with the write lock, by the kernel's list; 0 where it does not say. */
static int64_t find_holder(const char *path)
{
	char shm[4096], line[256];
	struct stat st;
	if ((size_t) snprintf(shm, sizeof shm, "%s-shm", path) >= sizeof shm || stat(shm, &st) != 0)
		return 0;
	FILE *locks = fopen("/proc/locks", "re");
	int64_t holder = 0;
	while (locks && holder == 0 && fgets(line, sizeof line, locks)) {
		long long pid;
		unsigned long long inode, from, until;
		if (sscanf(line, "%*d: POSIX ADVISORY WRITE %lld %*[^:]:%*[^:]:%llu %llu %llu", &pid, &inode, &from, &until) == 4 &&
			inode == st.st_ino && from <= WRITE_LOCK_BYTE && until >= WRITE_LOCK_BYTE)
			holder = pid;
	}
	if (locks)
		fclose(locks);
	return holder;
}

/* The newest start of that process, where the ledger has it. */
static bool find_instance(sqlite_conn *conn, int64_t pid, char *ret_who, size_t size)
{
	sqlite3_stmt *stmt;
	char mark[PROCESS_MARK_SIZE];
	process_mark(pid, mark);
	if (sqlite_conn_query(conn, &stmt,
			"select job, host, started_at from kdirect_instance where pid = ?1 and process = ?2"
			" order by taken_over_at desc limit 1", SQLITE_ARGS(sqlite_int(pid), sqlite_text(mark))) != SQLITE_OK)
		return false;
	bool found = sqlite3_step(stmt) == SQLITE_ROW;
	if (found) {
		char instance[256];
		process_describe(pid, (const char *) sqlite3_column_text(stmt, 1), sqlite3_column_int64(stmt, 2), instance,
			sizeof instance);
		snprintf(ret_who, size, "%s, job \"%s\"", instance, (const char *) sqlite3_column_text(stmt, 0));
	}
	sqlite3_reset(stmt);
	return found;
}

void sqlite_holder_describe(const char *path, char *ret_who, size_t size)
{
	int64_t pid = find_holder(path);
	if (pid == 0) {
		snprintf(ret_who, size, "its write lock is held by another process; \"fuser %s\" lists who has it open", path);
		return;
	}
	char who[384];
	snprintf(who, sizeof who, "pid %" PRId64, pid);
	sqlite_conn conn = {0};
	if (sqlite_conn_open(&conn, path, SQLITE_MODE_READ, NULL) == KD_OK)
		(void) find_instance(&conn, pid, who, sizeof who);
	sqlite_conn_close(&conn);
	snprintf(ret_who, size, "its write lock is held by %s%s; \"kill -9 %" PRId64 "\" ends it", who,
		process_is_stopped(pid) ? ", which is stopped" : "", pid);
}
