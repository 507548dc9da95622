// SPDX-License-Identifier: Apache-2.0
// Whole jobs as they are run where rights are few: as a role with exactly what `check --sql` prints, and through
// pgbouncer in transaction mode, killed on the way.
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "../support/check.h"
#include "../support/job_fixture.h"
#include "../support/job_judge.h"
#include "../support/pooler.h"
#include "../support/process.h"
#include "../support/tmpdir.h"
#include "../support/wait.h"

enum { RECORDS = 3000, KILLS = 4 };

static void connect_with(kt_job *job, const char *dsn, const char *more)
{
	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"%s%s\"", dsn, more);
	kt_job_write(job, NULL);
}

static void must_end_well(kt_process *process)
{
	kt_job_must_end(process, 0, NULL, 60000);
}

/* What a DBA does: looks at what the job wants, and runs it. */
static void grant(kt_job *job)
{
	kt_pg_exec(&job->store.pg, "do 'begin create role kdirect_job login; exception when duplicate_object then null; end'");
	kt_process *check = kt_kdirect(job->dir, NULL, "check", job->path, "--sql", NULL);
	cr_assert_eq(kt_process_wait(check, 30000), 0, "%s", kt_process_stderr(check));
	kt_pg_exec(&job->store.pg, "%s", kt_process_stdout(check));
	kt_process_free(check);
}

static void kill_now_and_then(kt_job *job)
{
	for (int i = 1; i <= KILLS; i++) {
		char *sql = kt_format("select (count(*) >= %d)::int from t", i * RECORDS / 6);
		kt_process *process = kt_job_start(job, NULL, "--set", "batch.max_records_per_batch=100", NULL);
		kt_job_await(job, 1, 30000, sql);
		kt_process_signal(process, SIGKILL);
		cr_assert_eq(kt_process_wait(process, 10000), 128 + SIGKILL);
		kt_process_free(process);
		free(sql);
	}
}

static void fill(kt_job *job)
{
	kt_job_fill(job, 0, RECORDS / 2);
	kt_job_fill(job, 1, RECORDS / 2);
}

Test(rights, a_role_with_the_printed_grants_runs_a_whole_job, .timeout = 180)
{
	kt_job job;
	kt_job_open(&job, KT_POSTGRES, 2);
	connect_with(&job, job.store.pg.dsn, " user=kdirect_job");
	grant(&job);
	fill(&job);
	kill_now_and_then(&job);
	kt_job_catch_up(&job, NULL);
	kt_judge_clean(&job.store, "t", job.topic);
	must_end_well(kt_kdirect(job.dir, NULL, "audit", "--deep", job.path, NULL));
	must_end_well(kt_kdirect(job.dir, NULL, "offsets", job.path, NULL));
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from pg_class where relowner = 'kdirect_job'::regrole"), 0,
		"it made nothing of its own");
	kt_job_close(&job);
}

Test(rights, a_whole_job_runs_through_pgbouncer_in_transaction_mode, .timeout = 180)
{
	kt_job job;
	kt_pooler pooler;
	kt_job_open(&job, KT_POSTGRES, 2);
	kt_pooler_start(&pooler, &job.store.pg, 4);
	connect_with(&job, pooler.dsn, "");
	fill(&job);
	kill_now_and_then(&job);
	kt_job_catch_up(&job, NULL);
	kt_judge_clean(&job.store, "t", job.topic);
	must_end_well(kt_kdirect(job.dir, NULL, "audit", "--deep", job.path, NULL));
	kt_pooler_stop(&pooler);
	kt_job_close(&job);
}
