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

#include "sqlite_sink.h"
#include "sqlite_text.h"

#define WRITE_LOCK_BYTE 120

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

void sqlite_process_mark(int64_t pid, char *ret_mark, size_t size)
{
	char state, boot[64];
	unsigned long long start;
	*ret_mark = '\0';
	if (read_stat(pid, &state, &start) && state != 'Z' && state != 'X' &&
		read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
		snprintf(ret_mark, size, "%s/%llu", boot, start);
}

void sqlite_instance_describe(int64_t pid, const char *host, int64_t started_at_ms, char *ret_who, size_t size)
{
	char since[SQLITE_TIME_SIZE];
	sqlite_time_text(started_at_ms, since);
	snprintf(ret_who, size, "pid %" PRId64 " on host %s since %s", pid, host, since);
}

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
	char mark[96];
	sqlite_process_mark(pid, mark, sizeof mark);
	if (sqlite_conn_query(conn, &stmt,
			"select job, host, started_at from kdirect_instance where pid = ?1 and process = ?2"
			" order by taken_over_at desc limit 1", SQLITE_ARGS(sqlite_int(pid), sqlite_text(mark))) != SQLITE_OK)
		return false;
	bool found = sqlite3_step(stmt) == SQLITE_ROW;
	if (found) {
		char instance[256];
		sqlite_instance_describe(pid, (const char *) sqlite3_column_text(stmt, 1), sqlite3_column_int64(stmt, 2), instance,
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
	char state = '?';
	unsigned long long start;
	(void) read_stat(pid, &state, &start);
	snprintf(ret_who, size, "its write lock is held by %s%s; \"kill -9 %" PRId64 "\" ends it", who,
		state == 'T' ? ", which is stopped" : "", pid);
}
