/* SPDX-License-Identifier: Apache-2.0 */
/* One owner: a stop that is asked for, a second instance (I7, I8), and a start that was cut short.  Frozen owners, and
 * many starts at once, are in tests/faults. */
#include <criterion/criterion.h>
#include <signal.h>

#include "crash.h"

enum { STOP_MS = 5000, FENCED_MS = 15000 };

static const char rows[] = "select count(*) from t";

/* A backlog that lasts for a while in small batches. */
static void open_with_backlog(kt_job *job, kt_store_kind kind)
{
	kt_job_open(job, kind, 2);
	kt_job_fill(job, 0, 30000);
	kt_job_fill(job, 1, 30000);
}

static kt_process *start(kt_job *job, const char *fault)
{
	return kt_job_start(job, fault, "--set", "batch.max_records_per_batch=200", NULL);
}

/* ---- asked to stop ---- */

static void stop_in_mid_backlog(kt_store_kind kind, int signal)
{
	kt_job job;
	kt_process *process;

	open_with_backlog(&job, kind);
	process = start(&job, NULL);
	cr_assert(kt_process_says(process, "owner of job", 20000), "%s", kt_process_stderr(process));
	kt_job_await(&job, 1, 20000, "select count(*) from @batch_partition where committed_at is not null");
	kt_process_signal(process, signal);
	kt_job_must_end(process, 0, NULL, STOP_MS);
	cr_assert_lt(kt_store_int(&job.store, rows), 60000, "there was no backlog left to stop in");
	kt_job_catch_up(&job, NULL);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(crash_rivals, sigterm_and_sigint_end_cleanly_in_mid_backlog, .timeout = 240)
{
	stop_in_mid_backlog(KT_SQLITE, SIGTERM);
	stop_in_mid_backlog(KT_SQLITE, SIGINT);
	stop_in_mid_backlog(KT_POSTGRES, SIGTERM);
	stop_in_mid_backlog(KT_POSTGRES, SIGINT);
}

/* Somebody holds the table, and the stop is asked for while the job waits. */
static void stop_while_blocked(kt_store_kind kind, const char *hold)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, kind, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	process = start(&job, NULL);
	cr_assert(kt_process_says(process, "owner of job", 20000));
	kt_store_exec(&job.store, "%s", hold);
	kt_job_fill(&job, 0, 100);
	if (kind == KT_POSTGRES)
		kt_job_await(&job, 1, 20000, "select count(*) from @batch_partition where committed_at is null");
	else
		cr_assert(kt_process_says(process, "its write lock is held", 20000), "%s", kt_process_stderr(process));
	cr_assert(kt_process_running(process), "it ended:\n%s", kt_process_stderr(process));
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, STOP_MS);
	kt_store_exec(&job.store, "commit");
	kt_job_catch_up(&job, NULL);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(crash_rivals, sigterm_ends_within_5_s_while_the_database_makes_it_wait, .timeout = 120)
{
	stop_while_blocked(KT_POSTGRES, "begin; lock table t in access exclusive mode");
	stop_while_blocked(KT_SQLITE, "begin immediate");
}

/* ---- a second instance ---- */

static void second_instance(kt_store_kind kind)
{
	kt_job job;
	kt_process *older, *newer;

	open_with_backlog(&job, kind);
	older = start(&job, NULL);
	kt_process_says(older, "owner of job", 20000);
	kt_job_await(&job, 1, 20000, "select count(*) from @batch_partition where committed_at is not null");
	newer = start(&job, NULL);
	kt_job_must_end(older, 3, "taken over by a newer instance", FENCED_MS);
	cr_assert(kt_process_running(newer), "%s", kt_process_stderr(newer));
	kt_process_signal(newer, SIGTERM);
	kt_job_must_end(newer, 0, NULL, STOP_MS);
	kt_job_catch_up(&job, NULL);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(crash_rivals, the_older_of_two_instances_ends_with_exit_code_3, .timeout = 240)
{
	second_instance(KT_SQLITE);
	second_instance(KT_POSTGRES);
}

Test(crash_rivals, an_idle_instance_notices_its_successor, .timeout = 120)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;
		kt_process *older;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		kt_job_fill(&job, 0, 10);
		older = start(&job, NULL);
		cr_assert(kt_process_says(older, "owner of job", 20000));
		kt_job_await(&job, 10, 20000, "select sum(rows) from @batch_partition");
		kt_job_catch_up(&job, NULL);
		kt_job_must_end(older, 3, NULL, FENCED_MS);
		kt_judge_clean(&job.store, "t", job.topic);
		kt_job_close(&job);
	}
}

/* ---- a start at latest ---- */

static void killed_before_the_topic_fills(kt_store_kind kind, int64_t before)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, kind, 2);
	kt_job_fill(&job, 0, before);
	process = kt_job_start(&job, NULL, "--set", "start=latest", NULL);
	cr_assert(kt_process_says(process, "start positions of 2 partitions are stored", 20000), "%s",
		kt_process_stderr(process));
	kt_process_signal(process, SIGKILL);
	kt_job_must_end(process, 128 + SIGKILL, NULL, 5000);
	kt_job_fill(&job, 0, 700);
	kt_job_fill(&job, 1, 300);
	kt_job_catch_up(&job, "start=latest");
	cr_assert_eq(kt_store_int(&job.store, rows), 1000);
	cr_assert_eq(kt_store_int(&job.store, "select min(kafka_offset) from t where kafka_partition = 0"), before);
	cr_assert_eq(kt_store_int(&job.store, "select count(distinct kafka_partition * 1000000 + kafka_offset) from t"), 1000);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_job_close(&job);
}

Test(crash_rivals, a_start_at_latest_that_was_killed_loses_nothing_that_came_later, .timeout = 120)
{
	killed_before_the_topic_fills(KT_SQLITE, 0);
	killed_before_the_topic_fills(KT_SQLITE, 55);
	killed_before_the_topic_fills(KT_POSTGRES, 0);
	killed_before_the_topic_fills(KT_POSTGRES, 55);
}
