/* SPDX-License-Identifier: Apache-2.0 */
/* pg_judge_ask: one question to the server over a helper connection: a transaction with one statement that has at most
 * one parameter.  Never blocks without a limit; reconnects once. */
#ifndef PG_JUDGE_ASK_H
#define PG_JUDGE_ASK_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <kdirect/error.h>

struct pg_helper {
	kd_code (*connect)(void *opaque, PGconn **ret_conn, kd_error *err);
	void *opaque;
	PGconn *conn; /* NULL: not open */
	atomic_bool interrupted; /* set by any thread: every question fails soon */
};

struct pg_question {
	const char *sql;
	const char *doing;     /* for errors: "judge values" */
	bool writes;           /* may use sequences; names that the expressions leave open are looked up as the role does */
	Oid type;              /* of the parameter, sent in binary; 0: no parameter */
	const char *parameter;
	size_t size;
};

/* The answer in binary, or an error: KD_ERECORD, STOP where the server refuses a value, in the server's words. */
kd_code pg_helper_ask(struct pg_helper *helper, const struct pg_question *question, PGresult **ret_rows,
	kd_error *err) KD_CHECK;

/* Any thread: a question that waits, and every later one, fails soon with RETRY. */
void pg_helper_interrupt(struct pg_helper *helper);

void pg_helper_close(struct pg_helper *helper);

#endif
