/* SPDX-License-Identifier: Apache-2.0 */
/* The look at the target's columns while the server misbehaves. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "check.h"
#include "pg_values_twin.h"
#include "sinks/postgres/pg_columns.h"
#include "wait.h"

enum { ANSWER_MS = 300 };

/* F26, I8: the session's process is frozen and its connection stays as it is: no keepalive sees that. */
Test(pg_columns, a_server_that_falls_silent_is_given_up_in_a_bounded_time, .timeout = 60)
{
	kt_pg pg;
	struct pg_columns *columns = NULL;
	kd_error err = {0};

	kt_pg_open(&pg);
	kt_pg_exec(&pg, "create table t (id int)");
	pg_session session = twin_session(&pg);
	session.limits.answer_ms = ANSWER_MS;
	session.limits.lock_wait_ms = ANSWER_MS / 2;
	kt_check(kill(PQbackendPID(pg.conn), SIGSTOP) == 0, "could not freeze the session");
	int64_t began = kt_now_ms();
	kd_code code = pg_columns_load(&session, NULL, "t", &columns, &err);
	printf("  columns: a silent server given up after %d ms, the limit being %d\n", (int) (kt_now_ms() - began), ANSWER_MS);
	kt_check(kill(PQbackendPID(pg.conn), SIGCONT) == 0, "could not wake the session");
	cr_assert_eq(code, KD_ESINK, "%s", err.message);
	cr_assert_eq(err.action, KD_RETRY, "%s", err.message);
	cr_assert_null(columns);
	kt_pg_close(&pg);
}
