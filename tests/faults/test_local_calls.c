/* SPDX-License-Identifier: Apache-2.0 */
/* F28: a system call on the database of the SQLite sink fails at its n-th time, n = 1, 2, 3 ... until a run survives
 * without one, by strace, which injects it only for files in the database's own folder.  A run outlasts it or ends with
 * exit code 1 or 4; the run after it lands every record exactly once (I1, I2, I8).
 *
 * A CI run tries the first few and then fewer and fewer of them; KD_LOCAL_ALL=1 tries all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "job_judge.h"
#include "local_trace.h"
#include "tmpdir.h"

enum { RECORDS = 8 };

/* A run of the job in which strace lets the nth of these calls fail; true: it came to that. */
static bool call_fails(kt_job *job, const char *calls, const char *error, int nth)
{
	char *wal = kt_format("%s-wal", job->store.path), *shm = kt_format("%s-shm", job->store.path);
	const char *const paths[] = {job->store.path, wal, shm, job->dir, NULL};
	local_trace trace = {.calls = calls, .error = error, .nth = nth, .paths = paths, .codes = "14"};
	bool injected;

	(void) local_trace_run(job, &trace, &injected, "retry_timeout_ms=5000", NULL);
	free(wal);
	free(shm);
	return injected;
}

static void outlasts(const char *calls, const char *error)
{
	kt_job job;
	int runs = 0, fed = 0;
	bool injected = true;

	local_trace_or_skip();
	kt_job_open(&job, KT_SQLITE, 1);
	for (int nth = 1; injected; nth = local_trace_next(nth)) {
		kt_job_fill(&job, 0, RECORDS);
		fed += RECORDS;
		injected = call_fails(&job, calls, error, nth);
		runs += injected;
		kt_job_catch_up(&job, NULL);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), fed, "%s %s, the %d.", calls, error, nth);
	}
	kt_judge_clean(&job.store, "t", job.topic);
	printf("  calls: %s %s: %d runs\n", calls, error, runs);
	fflush(stdout);
	cr_assert_gt(runs, 0, "%s never failed", calls);
	kt_job_close(&job);
}

Test(local_calls, a_write_to_the_database_that_fails_is_outlasted, .timeout = 600)
{
	outlasts("pwrite64", "EIO");
	outlasts("pwrite64", "ENOSPC");
}

Test(local_calls, a_sync_of_the_database_that_fails_is_outlasted, .timeout = 600)
{
	outlasts("fsync,fdatasync", "EIO");
}

Test(local_calls, a_read_of_the_database_that_fails_is_outlasted, .timeout = 600)
{
	outlasts("pread64", "EIO");
}

Test(local_calls, where_strace_may_not_trace_it_is_said)
{
	local_trace_tell();
}
