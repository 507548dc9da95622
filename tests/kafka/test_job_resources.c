// SPDX-License-Identifier: Apache-2.0
// I12: what a job took it gives back: descriptors, threads, the database's sessions and locks.
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/job_embedded.h"
#include "../support/job_fixture.h"
#include "../support/job_judge.h"
#include "../support/tmpdir.h"
#include "../support/wait.h"

enum { RECORDS = 2000, RUNS = 4 };

static int entries_of(const char *path)
{
	int n = 0;
	DIR *dir = opendir(path);
	cr_assert_not_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void run_job(kt_job *job, int64_t rows)
{
	char *text = kt_read_file(job->path);
	kt_embedded *embedded = kt_embedded_start(text, &(kd_job_options) {0});
	kt_job_await(job, rows, 30000, "select count(*) from t");
	kt_embedded_free(embedded);
	free(text);
}

static bool sessions_are_gone(void *store)
{
	return kt_store_int(store, "select count(*) from pg_stat_activity where application_name like 'kdirect/%%'") == 0;
}

static bool threads_are_gone(void *before)
{
	return entries_of("/proc/self/task") <= *(int *) before;
}

static void returns_to_the_base_line(kt_store_kind kind)
{
	kt_job job;
	kt_job_open(&job, kind, 4);
	int descriptors = 0, threads = 0;
	for (int run = 1; run <= RUNS; run++) {
		kt_job_fill(&job, run % 4, RECORDS);
		run_job(&job, run * RECORDS);
		if (run == 1) { /* the libraries' own, made once */
			descriptors = entries_of("/proc/self/fd");
			threads = entries_of("/proc/self/task");
		}
	}
	kt_await(threads_are_gone, &threads, 10000, "the job's threads to end");
	cr_assert_leq(entries_of("/proc/self/fd"), descriptors, "descriptors are left open");
	if (kind == KT_POSTGRES) {
		kt_await(sessions_are_gone, &job.store, 10000, "the job's sessions to end");
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from pg_locks l join pg_database d on d.oid = l.database"
			" where d.datname = current_database() and l.pid <> pg_backend_pid()"), 0, "locks are left");
	}
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(resources, I12_a_job_on_postgres_returns_to_the_base_line, .timeout = 120)
{
	returns_to_the_base_line(KT_POSTGRES);
}

Test(resources, I12_a_job_on_sqlite_returns_to_the_base_line, .timeout = 120)
{
	returns_to_the_base_line(KT_SQLITE);
}
