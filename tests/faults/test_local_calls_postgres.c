/* SPDX-License-Identifier: Apache-2.0 */
/* F28: a system call on a connection to PostgreSQL fails at its n-th time, n = 1, 2, 3 ... until a run survives without
 * one, by strace.  send and recv are libpq's alone in the program (librdkafka has sendmsg and recvmsg); poll is
 * everybody's.  A network is no person's business: a run outlasts the failure or ends with exit code 4, and then the
 * next run lands every record exactly once (I1, I2, I8).
 *
 * A send that fails alone, on a connection that is otherwise well, is no kernel's doing: libpq keeps the failure to
 * itself until the connection ends.  It is noticed by the server's idle time-out within a transaction, else by the
 * job's own limit for an answer (half of retry_timeout_ms, and 15 s): so CI tries two places, a connect and a late
 * one in the middle of batches. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "job_judge.h"
#include "local_trace.h"

enum { RECORDS = 8, LATE = 22 };

#define LONG "retry_timeout_ms=30000"
#define SHORT "retry_timeout_ms=2000" /* so is what waits for the server */

static int next_of_two(int nth)
{
	return getenv("KD_LOCAL_ALL") ? nth + 1 : nth < LATE ? LATE : 0;
}

/* next: 0 ends the campaign. */
static void outlasts(const char *calls, const char *error, const char *patience, int (*next)(int nth))
{
	kt_job job;
	int runs = 0, failed = 0, fed = 0;
	bool injected = true;

	local_trace_or_skip();
	kt_job_open(&job, KT_POSTGRES, 1);
	for (int nth = 1; injected && nth; nth = next(nth)) {
		local_trace trace = {.calls = calls, .error = error, .nth = nth, .codes = "4"};

		kt_job_fill(&job, 0, RECORDS);
		fed += RECORDS;
		int code = local_trace_run(&job, &trace, &injected, patience, "batch.max_records_per_batch=2", NULL);
		runs += injected;
		failed += code != 0;
		if (code != 0)
			kt_job_catch_up(&job, NULL);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), fed, "%s %s, the %d.", calls, error, nth);
	}
	kt_judge_clean(&job.store, "t", job.topic);
	printf("  calls: %s %s: %d runs, %d of them ended with 4\n", calls, error, runs, failed);
	fflush(stdout);
	cr_assert_gt(runs, 0, "%s never failed", calls);
	kt_job_close(&job);
}

/* F28, I1, I2, I8 */
Test(local_calls_postgres, a_receive_that_fails_is_outlasted, .timeout = 900)
{
	outlasts("recvfrom", "ECONNRESET", LONG, local_trace_next);
}

/* F28, I1, I2, I8 */
Test(local_calls_postgres, a_send_that_fails_is_outlasted, .timeout = 900)
{
	outlasts("sendto", "EPIPE", SHORT, next_of_two);
}

/* F28, I1, I2, I8: in each thread, those of librdkafka among them. */
Test(local_calls_postgres, a_wait_that_is_interrupted_is_outlasted, .timeout = 900)
{
	outlasts("poll", "EINTR", LONG, local_trace_next);
}

Test(local_calls_postgres, where_strace_may_not_trace_it_is_said)
{
	local_trace_tell();
}
