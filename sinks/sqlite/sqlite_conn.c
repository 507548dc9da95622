// SPDX-License-Identifier: Apache-2.0
// sqlite_conn: see the header.
#include "sqlite_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* WAL: readers and the writer do not wait for each other.  FULL: a commit is on disk when it returns.  The checkpoint
 * is put off to 4,000 pages because each one syncs twice; the cache bounds what one connection holds. */
static const char settings[] =
	"pragma synchronous = full;"
	"pragma wal_autocheckpoint = 4000;"
	"pragma journal_size_limit = 67108864;"
	"pragma cache_size = -8000;"
	"pragma foreign_keys = on;";

static int64_t mono_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t sqlite_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int is_stopped(void *opaque)
{
	const sqlite_conn *conn = opaque;
	return conn->stop && atomic_load(conn->stop);
}

/* SQLite's own handler sleeps up to 100 ms between tries, which starves a waiter beside a busy writer. */
static int wait_for_lock(void *opaque, int tries)
{
	sqlite_conn *conn = opaque;
	if (tries == 0)
		conn->waiting_since_ms = mono_ms();
	if (is_stopped(conn) || mono_ms() - conn->waiting_since_ms >= SQLITE_BUSY_MS)
		return 0;
	struct timespec pause = {0, tries < 10 ? 1000000 : 5000000};
	nanosleep(&pause, NULL);
	return 1;
}

/* Changing to WAL needs the file for oneself for a moment; once changed it stays so. */
static int try_wal(sqlite_conn *conn)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(conn->db, "pragma journal_mode = wal", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	bool wal = rc == SQLITE_ROW && !strcmp((const char *) sqlite3_column_text(stmt, 0), "wal");
	int finish = sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW)
		rc = finish;
	return rc != SQLITE_OK ? rc : wal ? SQLITE_OK : SQLITE_READONLY;
}

/* Two that change a new file at once hold each other up, and SQLite tells one of them without asking the busy handler. */
static int use_wal(sqlite_conn *conn)
{
	int64_t end_ms = mono_ms() + SQLITE_BUSY_MS;
	int rc;
	while ((rc = try_wal(conn)) != SQLITE_OK && (rc & 0xff) == SQLITE_BUSY && mono_ms() < end_ms && !is_stopped(conn))
		nanosleep(&(struct timespec) {0, 2000000 + getpid() % 7 * 1000000}, NULL);
	return rc;
}

static int configure(sqlite_conn *conn, sqlite_open_mode mode)
{
	sqlite3_extended_result_codes(conn->db, 1);
	sqlite3_busy_handler(conn->db, wait_for_lock, conn);
	sqlite3_progress_handler(conn->db, 10000, is_stopped, conn);
	/* "name" is always an identifier, never silently a string */
	sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	int rc = sqlite_conn_script(conn, settings);
	if (rc == SQLITE_OK && mode != SQLITE_MODE_READ)
		rc = use_wal(conn);
	/* the first read is what finds out whether this is a database at all */
	if (rc == SQLITE_OK)
		rc = sqlite_conn_script(conn, "select 1 from sqlite_schema limit 1");
	return rc;
}

static int flags_of(sqlite_open_mode mode)
{
	switch (mode) {
	case SQLITE_MODE_CREATE:
		return SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	case SQLITE_MODE_WRITE:
		return SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	default:
		return SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	}
}

char *sqlite_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t) (slash - path));
}

/* A file that is absent and can never be made: SQLite only says that it is absent.  A folder that is away may come. */
static kd_code check_folder(const char *path, kd_error *err)
{
	struct stat st;
	if (stat(path, &st) == 0)
		return KD_OK;
	char *folder = sqlite_folder_of(path);
	kd_code code = KD_OK;
	if (folder && access(folder, W_OK | X_OK) != 0 && errno != ENOENT)
		code = kd_error_set(err, KD_ETARGET, KD_STOP, "could not make \"%s\": could not write to \"%s\": %s", path, folder,
			strerror(errno));
	free(folder);
	return code;
}

kd_code sqlite_conn_open(sqlite_conn *conn, const char *path, sqlite_open_mode mode, kd_error *err)
{
	*conn = (sqlite_conn) {0};
	int rc = sqlite3_open_v2(path, &conn->db, flags_of(mode), NULL);
	if (rc == SQLITE_OK)
		rc = configure(conn, mode);
	struct stat st;
	if (rc == SQLITE_OK && stat(path, &st) != 0)
		rc = SQLITE_CANTOPEN;
	if (rc != SQLITE_OK) {
		int os = conn->db ? sqlite3_system_errno(conn->db) : 0;
		kd_code code = mode == SQLITE_MODE_CREATE ? check_folder(path, err) : KD_OK;
		if (!code)
			code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not open \"%s\"%s%s", path,
				rc == SQLITE_CANTOPEN && os ? ": " : "", rc == SQLITE_CANTOPEN && os ? strerror(os) : "");
		sqlite_conn_close(conn);
		return code;
	}
	conn->device = st.st_dev;
	conn->inode = st.st_ino;
	return KD_OK;
}

void sqlite_conn_close(sqlite_conn *conn)
{
	for (size_t i = 0; i < conn->n_cached; i++)
		sqlite3_finalize(conn->cached[i].stmt);
	sqlite3_close_v2(conn->db);
	*conn = (sqlite_conn) {0};
}

bool sqlite_conn_is_current(const sqlite_conn *conn, const char *path)
{
	struct stat st;
	return conn->db && stat(path, &st) == 0 && st.st_dev == conn->device && st.st_ino == conn->inode;
}

sqlite3_stmt *sqlite_conn_prepare(sqlite_conn *conn, const char *sql, int *ret_rc)
{
	for (size_t i = 0; i < conn->n_cached; i++)
		if (conn->cached[i].sql == sql) {
			*ret_rc = SQLITE_OK;
			return conn->cached[i].stmt;
		}
	if (conn->n_cached == SQLITE_CACHED) {
		*ret_rc = SQLITE_MISUSE;
		return NULL;
	}
	sqlite3_stmt *stmt = NULL;
	*ret_rc = sqlite3_prepare_v3(conn->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (*ret_rc != SQLITE_OK)
		return NULL;
	conn->cached[conn->n_cached].sql = sql;
	conn->cached[conn->n_cached++].stmt = stmt;
	return stmt;
}

int sqlite_conn_query(sqlite_conn *conn, sqlite3_stmt **ret_stmt, const char *sql, const sqlite_arg *args, size_t n)
{
	int rc;
	sqlite3_stmt *stmt = sqlite_conn_prepare(conn, sql, &rc);
	*ret_stmt = stmt;
	if (!stmt)
		return rc;
	sqlite3_reset(stmt);
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		if (args[i].type == SQLITE_ARG_INT)
			rc = sqlite3_bind_int64(stmt, (int) i + 1, args[i].number);
		else
			rc = sqlite3_bind_text(stmt, (int) i + 1, args[i].text, -1, SQLITE_TRANSIENT);
	}
	return rc;
}

int sqlite_conn_run(sqlite_conn *conn, int *ret_changes, const char *sql, const sqlite_arg *args, size_t n)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, sql, args, n);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_step(stmt);
	if (ret_changes)
		*ret_changes = sqlite3_changes(conn->db);
	return sqlite3_reset(stmt);
}

int sqlite_conn_script(sqlite_conn *conn, const char *sql)
{
	return sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
}

char *sqlite_column_copy(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *) sqlite3_column_text(stmt, column);
	return text ? strdup(text) : NULL;
}

void sqlite_column_get(sqlite3_stmt *stmt, int column, char *ret_text, size_t size)
{
	const char *text = (const char *) sqlite3_column_text(stmt, column);
	size_t length = text ? strlen(text) : 0;
	if (length >= size)
		length = size - 1;
	if (length)
		memcpy(ret_text, text, length);
	ret_text[length] = '\0';
}
