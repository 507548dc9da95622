/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_conn: one SQLite connection: opened with the settings that the guarantee needs, its statements kept prepared,
 * its errors told as kd_error.  One thread at a time.  Knows nothing of ledgers. */
#ifndef KD_SQLITE_CONN_H
#define KD_SQLITE_CONN_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "kdirect/error.h"

#define SQLITE_CACHED 48         /* statements kept by a connection */
#define SQLITE_BUSY_MS 2500      /* how long somebody else's lock is waited for */

/* Where a call stood when it failed; with the result code it decides the action. */
typedef enum sqlite_phase {
	SQLITE_IN_LEDGER,        /* a transaction that the same call may run again as a whole: RETRY */
	SQLITE_IN_LEDGER_COMMIT, /* its COMMIT: an I/O error leaves the outcome open */
	SQLITE_IN_DATA,          /* an open data transaction that other calls filled: REPLAY */
	SQLITE_IN_DATA_COMMIT,   /* its COMMIT, which is also where deferred foreign keys speak */
	SQLITE_IN_ROW            /* a row is being stored: a constraint speaks of the record */
} sqlite_phase;

/* sqlite_error.c: the table.  Pure. */
void sqlite_error_judge(int rc, sqlite_phase phase, kd_code *ret_code, kd_action *ret_action);
/* Sets err from the connection's last error, which rc is: "could not VERB ...: reason".  db may be NULL. */
kd_code sqlite_error_set(kd_error *err, sqlite3 *db, int rc, sqlite_phase phase, const char *format, ...)
	KD_PRINTF(5, 6);

typedef struct sqlite_conn {
	sqlite3 *db; /* NULL: closed */
	dev_t device;
	ino_t inode;
	const atomic_bool *stop; /* where it becomes true, what runs or waits ends soon; NULL: nothing does that */
	int64_t waiting_since_ms; /* for a lock */
	size_t n_cached;
	struct {
		const char *sql; /* a literal: compared by address */
		sqlite3_stmt *stmt;
	} cached[SQLITE_CACHED];
} sqlite_conn;

typedef enum sqlite_open_mode { SQLITE_MODE_CREATE, SQLITE_MODE_WRITE, SQLITE_MODE_READ } sqlite_open_mode;

/* Opens path; *conn is {0} or closed.  READ and WRITE do not create the file. */
kd_code sqlite_conn_open(sqlite_conn *conn, const char *path, sqlite_open_mode mode, kd_error *err) KD_CHECK;
void sqlite_conn_close(sqlite_conn *conn);
/* The folder that a file is in, as a path; to be freed.  NULL without memory. */
char *sqlite_folder_of(const char *path);
/* Is the file under path still the one that is open? */
bool sqlite_conn_is_current(const sqlite_conn *conn, const char *path);

/* A parameter of a statement. */
typedef struct sqlite_arg {
	enum { SQLITE_ARG_INT, SQLITE_ARG_TEXT } type;
	int64_t number;
	const char *text; /* NULL binds NULL */
} sqlite_arg;

static inline sqlite_arg sqlite_int(int64_t number)
{
	return (sqlite_arg) {SQLITE_ARG_INT, number, NULL};
}

static inline sqlite_arg sqlite_text(const char *text)
{
	return (sqlite_arg) {SQLITE_ARG_TEXT, 0, text};
}

#define SQLITE_ARGS(...) \
	(const sqlite_arg[]) {__VA_ARGS__}, sizeof((const sqlite_arg[]) {__VA_ARGS__}) / sizeof(sqlite_arg)

/* The prepared statement of a literal, kept; NULL with *ret_rc set. */
sqlite3_stmt *sqlite_conn_prepare(sqlite_conn *conn, const char *sql, int *ret_rc);
/* Prepares, resets and binds from ?1 on: ready to be stepped.  The caller resets it when done. */
int sqlite_conn_query(sqlite_conn *conn, sqlite3_stmt **ret_stmt, const char *sql, const sqlite_arg *args, size_t n);
/* Runs a statement without rows.  ret_changes: how many rows it changed; may be NULL. */
int sqlite_conn_run(sqlite_conn *conn, int *ret_changes, const char *sql, const sqlite_arg *args, size_t n);
/* Runs a script without parameters. */
int sqlite_conn_script(sqlite_conn *conn, const char *sql);

/* What a row holds: a copy; NULL where it is NULL or without memory. */
char *sqlite_column_copy(sqlite3_stmt *stmt, int column);
/* The same into a fixed field, cut to size. */
void sqlite_column_get(sqlite3_stmt *stmt, int column, char *ret_text, size_t size);

/* Milliseconds since 1970 UTC: the clock of an embedded database is this machine's. */
int64_t sqlite_now_ms(void);

#endif
