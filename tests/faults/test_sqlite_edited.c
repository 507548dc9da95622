/* SPDX-License-Identifier: Apache-2.0 */
/* Positions and identifiers edited by hand in an SQLite file (F12, I10): a start refuses what does not tile before it
 * lands a row, and so does a running job; put back, the job goes on.  But for rows that are gone nothing here is SQLite's
 * alone: what take-over of any sink reads is judged in one place (lib/recover.c).  PostgreSQL: test_postgres_edited.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "check.h"
#include "job_fixture.h"
#include "job_judge.h"

enum { RECORDS = 300, MORE = 50, RUN_MS = 60000 };

#define INDEX " where job = 'j' and partition_index = 0"
#define NEWEST INDEX " and batch_time = (select max(batch_time) from @batch_partition" INDEX ")"

static const struct edit {
	const char *sql, *says;
} edits[] = {
	{"update @position set committed_until = committed_until + 20" INDEX
	 "; update @partition set planned_until = planned_until + 20" INDEX, "but its newest batch"},
	{"update @position set committed_until = committed_until - 20" INDEX
	 "; update @partition set planned_until = planned_until - 20" INDEX, "but its newest batch"},
	{"update @position set committed_until = committed_until + 20" INDEX, "but its newest batch"},
	{"update @partition set planned_until = planned_until + 20" INDEX, "but its newest batch"},
	{"update @partition set last_batch_time = last_batch_time - 1" INDEX, "had its newest batch at"},
	{"update @partition set last_batch_time = 0" INDEX, "never had a batch"},
	{"delete from @batch_partition" NEWEST, "had its newest batch at"},
	{"update @batch_partition set until_offset = until_offset + 1" NEWEST, "but its newest batch"},
	{"update @batch_partition set committed_at = null" NEWEST, "the uncommitted plan"},
	{"delete from @position" INDEX, "has no row in kdirect_position"},
	{"delete from @partition" INDEX, "has no row in kdirect_partition"},
	{"delete from @position" INDEX "; delete from @partition" INDEX, "has no row in kdirect_partition"},
};

static const char save[] =
	"drop table if exists was_partition; drop table if exists was_position; drop table if exists was_batch;"
	" create table was_partition as select * from @partition; create table was_position as select * from @position;"
	" create table was_batch as select * from @batch_partition";

static const char put_back[] =
	"begin immediate; delete from @partition; insert into @partition select * from was_partition;"
	" delete from @position; insert into @position select * from was_position;"
	" delete from @batch_partition; insert into @batch_partition select * from was_batch; commit";

static void edit(kt_job *job, const char *sql)
{
	kt_store_exec(&job->store, save);
	kt_store_exec(&job->store, "begin immediate; %s; commit", sql);
}

/* Exactly once, by the oracle; and `audit` finds nothing. */
static void must_be_once(kt_job *job)
{
	kt_job_catch_up(job, NULL);
	kt_judge_clean(&job->store, "t", job->topic);
	kt_job_must_end(kt_kdirect(job->dir, NULL, "audit", job->path, NULL), 0, NULL, RUN_MS);
}

static void must_refuse(kt_job *job, const struct edit *made)
{
	int64_t rows = kt_store_int(&job->store, "select count(*) from t");
	kt_process *process = kt_job_run(job, NULL, RUN_MS);
	const char *said = kt_process_stderr(process);

	cr_assert(strstr(said, "does not tile"), "%s\n%s", made->sql, said);
	cr_assert(strstr(said, made->says), "%s\n%s", made->sql, said);
	cr_assert(strstr(said, "kdirect audit"), "%s\n%s", made->sql, said);
	kt_job_must_end(process, 1, NULL, 0);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t"), rows);
}

/* F12, I1, I2, I10. */
Test(sqlite_edited, a_start_refuses_positions_that_were_changed_by_hand_until_they_are_put_back, .timeout = 300)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, RECORDS);
	kt_job_fill(&job, 1, RECORDS);
	kt_job_catch_up(&job, NULL);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		kt_job_fill(&job, 0, MORE);
		edit(&job, edits[i].sql);
		must_refuse(&job, &edits[i]);
		kt_store_exec(&job.store, put_back);
		must_be_once(&job);
	}
	kt_job_close(&job);
}

/* F12, I1, I10: the positions are its own, but it finds them elsewhere, and looks at the whole ledger again. */
Test(sqlite_edited, a_running_job_stops_at_positions_that_were_changed_by_hand, .timeout = 300)
{
	for (size_t i = 0; i < 2; i++) {
		kt_job job;

		kt_job_open(&job, KT_SQLITE, 1);
		kt_job_fill(&job, 0, RECORDS);
		kt_process *process = kt_job_start(&job, NULL, NULL);
		kt_job_await(&job, RECORDS, RUN_MS, "select sum(rows) from @batch_partition");
		edit(&job, edits[i].sql);
		kt_job_fill(&job, 0, MORE);
		kt_job_must_end(process, 1, "does not tile", RUN_MS);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), RECORDS);
		kt_store_exec(&job.store, put_back);
		must_be_once(&job);
		kt_job_close(&job);
	}
}
