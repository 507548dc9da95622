/* SPDX-License-Identifier: Apache-2.0 */
/* A clock that is set back, set forward, and that stands still, by libfaketime under the running program: batch times
 * stay strictly increasing, and everything lands once. */
#include <criterion/criterion.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_faults.h"
#include "tmpdir.h"
#include "wait.h"

static const char latest[] = "select max(last_batch_time) from @partition";

/* Where Debian and others keep the library; to be freed. */
static char *library(void)
{
	glob_t found;

	kt_check(glob("/usr/lib*/faketime/libfaketimeMT.so.1", 0, NULL, &found) == 0 ||
			glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found) == 0,
		"libfaketime is not installed: tests/support/deps.sh test");
	char *path = kt_format("LD_PRELOAD=%s", found.gl_pathv[0]);
	globfree(&found);
	return path;
}

/* "+0", "-3600": so many seconds off; "2030-01-01 00:00:00": stands there. */
static void set_clock(kt_job *job, const char *to)
{
	char *path = kt_path(job->dir, "clock"), *next = kt_write_file(job->dir, "clock.new", "%s\n", to);

	kt_check(rename(next, path) == 0, "could not set the clock");
	free(next);
	free(path);
}

static kt_process *start(kt_job *job, const char *arg)
{
	char *preload = library(), *clock = kt_format("FAKETIME_TIMESTAMP_FILE=%s/clock", job->dir);
	const char *env[] = {preload, clock, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", NULL};
	const char *argv[] = {kt_env("KD_BIN"), "run", job->path, arg, NULL};
	kt_process *process = kt_process_start(job->dir, env, argv);

	free(clock);
	free(preload);
	return process;
}

/* The 50 records up to `until` land, whatever the clock says; gives the batch time of the last of them. */
static int64_t land_more(kt_job *job, int64_t until)
{
	kf_fill_at_once(job, 0, until - 50, 50);
	kt_job_await(job, until, KF_RUN_MS, "select max(committed_until) from @position");
	return kt_store_int(&job->store, latest);
}

/* The same where the clock gives no time that is later than the last: each batch is one millisecond after the one before. */
static void land_without_time(kt_job *job, int64_t until)
{
	int64_t before = kt_store_int(&job->store, latest), now = land_more(job, until);
	int64_t batches = kt_store_int(&job->store, "select count(*) from @batch_partition where from_offset >= %ld",
		(long) until - 50);

	cr_assert_eq(now, before + batches, "%ld ms later after %ld batches: the clock gave a later time", (long) (now - before),
		(long) batches);
}

/* Were the batches planned in the order of their times, and no time used twice? */
static void must_increase(kt_job *job)
{
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from (select batch_time, lag(batch_time) over (order by"
		" from_offset) as before from @batch_partition) as b where batch_time <= before"), 0);
	kt_judge_clean(&job->store, "t", job->topic);
}

static void stop(kt_process *process)
{
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 20000);
}

static void stands_and_goes_back(kt_store_kind kind)
{
	enum { HOUR_MS = 3600000 };
	kt_job job;

	kt_job_open(&job, kind, 1);
	set_clock(&job, "+0");
	kt_process *process = start(&job, NULL);
	int64_t first = land_more(&job, 50);
	set_clock(&job, "-7200");
	land_without_time(&job, 100);
	set_clock(&job, "+7200");
	cr_assert_gt(land_more(&job, 150), first + HOUR_MS, "the clock was not set forward");
	set_clock(&job, "2040-01-01 00:00:00");
	(void) land_more(&job, 200);
	land_without_time(&job, 250);
	land_without_time(&job, 300);
	stop(process);
	must_increase(&job);

	/* Set back by years while it was down: the ledger remembers.  (librdkafka's start fails where libfaketime itself
	 * sets the clock back from the first.) */
	set_clock(&job, "+0");
	process = start(&job, NULL);
	land_without_time(&job, 350);
	stop(process);
	must_increase(&job);
	kt_job_close(&job);
}

/* F27, I6, I1, I2 */
Test(kafka_clock, batch_times_increase_where_the_clock_goes_back_or_stands_still, .timeout = 300)
{
	stands_and_goes_back(KT_SQLITE);
	stands_and_goes_back(KT_POSTGRES);
}

/* ---- what the program tells ---- */

/* How many records it has told of. */
static bool has_told_of(void *opaque, long records)
{
	const char *at = kt_process_stderr(opaque);

	while ((at = strstr(at, "msg=\"committed\""))) {
		at = strstr(at, " records=");
		records -= at ? strtol(at + 9, NULL, 10) : 0;
		if (!at)
			break;
	}
	return records <= 0;
}

static bool has_told_of_50(void *process)
{
	return has_told_of(process, 50);
}

static bool has_told_of_100(void *process)
{
	return has_told_of(process, 100);
}

/* F27, I8: what comes every so often is timed by a clock that nobody sets. */
Test(kafka_clock, progress_is_told_and_a_stop_obeyed_while_the_clock_stands, .timeout = 300)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	set_clock(&job, "+0");
	kt_process *process = start(&job, "--log-every=1");
	(void) kt_process_says(process, "owner of job", KF_RUN_MS);
	set_clock(&job, "2040-01-01 00:00:00");
	(void) land_more(&job, 50);
	kt_await(has_told_of_50, process, KF_RUN_MS, "50 records to be told of");
	(void) land_more(&job, 100);
	kt_await(has_told_of_100, process, KF_RUN_MS, "50 more to be told of");
	stop(process);
	must_increase(&job);
	kt_job_close(&job);
}
