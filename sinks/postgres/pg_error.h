/* SPDX-License-Identifier: Apache-2.0 */
/* pg_error: what a PostgreSQL error means for the caller.
 *
 * The SQLSTATE decides, never the text (texts are translated).  A table maps it, or its class, to a verdict; where in
 * a transaction we are turns the verdict into an action.  What the table does not know is STOP. */
#ifndef PG_ERROR_H
#define PG_ERROR_H

#include <stdbool.h>
#include <libpq-fe.h>

#include <kdirect/error.h>

typedef enum pg_verdict {
	PG_VERDICT_STOP,  /* repetition cannot help */
	PG_VERDICT_AGAIN, /* the server refused, for now; the transaction is gone */
	PG_VERDICT_LOST   /* the connection ends with it */
} pg_verdict;

/* Where we are when the error is seen. */
typedef enum pg_phase {
	PG_PHASE_CALL,        /* connecting, or in a ledger transaction whose COMMIT was not sent */
	PG_PHASE_DATA,        /* in a data transaction whose COMMIT was not sent */
	PG_PHASE_CALL_COMMIT, /* a ledger transaction's COMMIT was sent */
	PG_PHASE_DATA_COMMIT  /* a data transaction's COMMIT was sent */
} pg_phase;

typedef struct pg_rule {
	const char *sqlstate; /* five characters, or a class of two */
	kd_code code;
	pg_verdict verdict;
} pg_rule;

/* The rule for a SQLSTATE: its own row before its class's; never NULL. */
const pg_rule *pg_error_rule(const char *sqlstate);

kd_action pg_error_action(pg_verdict verdict, pg_phase phase);

/* Fills *err from a failed result.  conn_lost: the connection did not survive it.  Names no parameter values. */
kd_code pg_error_result(kd_error *err, const PGresult *result, bool conn_lost, pg_phase phase, const char *doing);

/* Fills *err for a connection that broke without an answer. */
kd_code pg_error_lost(kd_error *err, const char *why, pg_phase phase, const char *doing);

/* Fills *err from a connection attempt that failed: its SQLSTATE is read out of the verbose message. */
kd_code pg_error_connect(kd_error *err, const char *message);

/* The row that COPY's CONTEXT names ("COPY orders, line 7, column price: ..."); 0: none.  In every language it is the
 * first number behind the table's name. */
int64_t pg_error_copy_line(const char *context, const char *table);

#endif
