/* SPDX-License-Identifier: Apache-2.0 */
/* pg_call: several statements in one round trip, by libpq's pipeline mode and unnamed statements.
 *
 *	pg_call call;
 *	pg_call_init(&call, session, "append the plan");
 *	pg_call_begin(&call, PG_WRITE);
 *	size_t moved = pg_call_sql(&call, "update @position set ... where job = $1");
 *	pg_call_text(&call, job);
 *	code = pg_call_run(&call, err);         then PQgetvalue(call.statement[moved].result, ...)
 *	pg_call_done(&call);
 *
 * In SQL "@name" is a table of the ledger: it becomes the ledger's schema, a dot and the name.  Values are always
 * parameters.  Memory that runs out while a call is put together is reported by pg_call_run. */
#ifndef PG_CALL_H
#define PG_CALL_H

#include <stddef.h>
#include <stdint.h>

#include <kdirect/types.h>

#include "pg_conn.h"

#define PG_CALL_STATEMENTS 12
#define PG_CALL_VALUES 16

typedef enum pg_access { PG_WRITE, PG_SNAPSHOT } pg_access;

typedef struct pg_statement {
	char *sql;
	int n_values;
	char *value[PG_CALL_VALUES]; /* as text; NULL: SQL's null */
	bool answer_now;             /* the server is not to keep this answer until the next ones are ready */
	PGresult *result;
} pg_statement;

typedef struct pg_call {
	pg_session *session;
	const char *doing;
	size_t n;
	pg_statement statement[PG_CALL_STATEMENTS];
	bool no_memory;
	bool commits; /* ends with COMMIT */
	size_t settings; /* the statement that tells the backend's pid */
	bool begins;
} pg_call;

void pg_call_init(pg_call *call, pg_session *session, const char *doing);
void pg_call_done(pg_call *call);

/* Opens a transaction: isolation level, time-outs, a safe search_path, and the backend's pid told before anything can
 * wait.  PG_SNAPSHOT: repeatable read, read only. */
void pg_call_begin(pg_call *call, pg_access access);

/* Adds a statement, returns its number; the following values are its parameters. */
size_t pg_call_sql(pg_call *call, const char *sql);
/* The same for SQL that names the user's table: taken as it stands. */
size_t pg_call_plain(pg_call *call, const char *sql);
void pg_call_text(pg_call *call, const char *value);
void pg_call_int(pg_call *call, int64_t value);
/* Moves the buffer's text in. */
void pg_call_take(pg_call *call, kd_buf *text);

/* The call's last statement is COMMIT: from sending it on, a lost connection means an unknown outcome.  COMMIT's tag is
 * checked. */
void pg_call_commit(pg_call *call);

/* Sends everything, then takes all results.  fault: a fault point passed between the two, or NULL.  The first error
 * wins; the transaction is then still open. */
kd_code pg_call_run(pg_call *call, const char *fault, kd_error *err) KD_CHECK;

/* A statement's first value as a number; 0 where there is no row. */
int64_t pg_call_number(const pg_call *call, size_t statement);
/* Rows that a statement returned, or changed. */
int64_t pg_call_rows(const pg_call *call, size_t statement);

/* Statements without parameters (DDL), in one simple query. */
kd_code pg_script(pg_session *session, const char *sql, const char *doing, kd_error *err) KD_CHECK;

/* COMMIT by itself. */
kd_code pg_session_commit(pg_session *session, const char *doing, const char *fault, kd_error *err) KD_CHECK;
/* ROLLBACK, where a transaction is open.  Cannot fail: where it does, the session is lost. */
void pg_session_rollback(pg_session *session);

/* One field of a result. */
int64_t pg_int(const PGresult *result, int row, int column);
char *pg_dup(const PGresult *result, int row, int column); /* NULL: SQL's null, or no memory */

/* Appends a value to an array literal that `text` holds ("{" ... "}"). */
bool pg_array_int(kd_buf *text, int64_t value) KD_CHECK;
bool pg_array_text(kd_buf *text, const char *value) KD_CHECK;
bool pg_array_end(kd_buf *text) KD_CHECK;

/* "@name" replaced by the ledger's schema and name; NULL without memory. */
char *pg_expand(const char *sql, const char *ledger);

#endif
