/* SPDX-License-Identifier: Apache-2.0 */
/* Positions and identifiers edited by hand (F12, I10): a start refuses what does not tile, before it reads or writes
 * anything, and names the statement that puts it back; so does a running job.  Positions that went back together with
 * the rows are another thing: test_postgres_back.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_faults.h"
#include "tmpdir.h"

enum { RECORDS = 300, MORE = 50 };

#define INDEX " where job = 'j' and partition_index = 0"
#define NEWEST INDEX " and batch_time = (select max(batch_time) from kdirect.batch_partition" INDEX ")"

/* mends: the message holds the statement that undoes it. */
static const struct edit {
	const char *sql, *says;
	bool mends;
} edits[] = {
	{"update kdirect.position set committed_until = committed_until + 20" INDEX, "stands at", true},
	{"update kdirect.position set committed_until = committed_until - 20" INDEX, "stands at", true},
	{"update kdirect.position set committed_until = committed_until + 20" INDEX
	 "; update kdirect.partition set planned_until = planned_until + 20" INDEX, "stands at", true},
	{"update kdirect.position set committed_until = committed_until - 20" INDEX
	 "; update kdirect.partition set planned_until = planned_until - 20" INDEX, "stands at", true},
	{"update kdirect.partition set planned_until = planned_until + 20" INDEX, "is planned until", true},
	{"update kdirect.partition set planned_until = planned_until - 20" INDEX, "is planned until", true},
	{"update kdirect.partition set last_batch_time = last_batch_time - 1" INDEX, "had its newest batch at", false},
	{"delete from kdirect.position" INDEX, "has no row in kdirect.position", true},
	{"delete from kdirect.partition" INDEX, "has rows in", false},
	{"delete from kdirect.position" INDEX "; delete from kdirect.partition" INDEX, "has rows in", false},
	{"delete from kdirect.batch_partition" NEWEST, "had its newest batch at", false},
	{"update kdirect.batch_partition set until_offset = until_offset - 1" NEWEST, "stands at", false},
	{"update kdirect.batch_partition set until_offset = until_offset + 1" NEWEST, "stands at", false},
	{"update kdirect.batch_partition set committed_at = null" NEWEST, "the uncommitted plan", false},
};

static const char save[] =
	"drop table if exists was_partition, was_position, was_batch; create table was_partition as table kdirect.partition;"
	" create table was_position as table kdirect.position; create table was_batch as table kdirect.batch_partition";

static const char put_back[] =
	"delete from kdirect.partition; insert into kdirect.partition select * from was_partition;"
	" delete from kdirect.position; insert into kdirect.position select * from was_position;"
	" delete from kdirect.batch_partition; insert into kdirect.batch_partition select * from was_batch";

/* The statement stands between "(" and the message's end. */
static char *statement_in(const char *said)
{
	const char *from = strstr(said, "put back what was changed (");
	const char *until = from ? strstr(from, ")\"") : NULL;

	kt_check(until, "no statement in: %s", said);
	from += strlen("put back what was changed (");
	return strndup(from, (size_t) (until - from));
}

static void must_refuse(kt_job *job, const struct edit *edit)
{
	int64_t rows = kt_store_int(&job->store, "select count(*) from t");
	kt_process *process = kt_job_run(job, NULL, FAULT_MS);
	const char *said = kt_process_stderr(process);

	cr_assert(strstr(said, "does not tile"), "%s\n%s", edit->sql, said);
	cr_assert(strstr(said, edit->says), "%s\n%s", edit->sql, said);
	cr_assert(strstr(said, "kdirect audit"), "%s\n%s", edit->sql, said);
	cr_assert(strstr(said, "kdirect skip"), "%s\n%s", edit->sql, said);
	char *sql = edit->mends ? statement_in(said) : NULL;
	kt_store_exec(&job->store, "%s", edit->mends ? sql : put_back);
	free(sql);
	kt_job_must_end(process, 1, NULL, 0);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t"), rows);
}

/* F12, I10. */
Test(postgres_edited, a_start_refuses_positions_that_were_changed_by_hand_and_says_how_to_put_them_back, .timeout = 300)
{
	kt_job job;

	pg_job_open(&job, NULL, 2);
	kt_job_fill(&job, 0, RECORDS);
	kt_job_fill(&job, 1, RECORDS);
	pg_job_catch_up(&job);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		kt_job_fill(&job, 0, MORE);
		kt_store_exec(&job.store, save);
		kt_store_exec(&job.store, "%s", edits[i].sql);
		must_refuse(&job, &edits[i]);
		pg_job_catch_up(&job);
		pg_job_judge(&job);
	}
	kt_job_close(&job);
}

/* Idle or at work: what is edited under a running job is no backup that came back, and nothing lands twice. */
static void edit_while_it_runs(const char *sql, bool idle)
{
	kt_job job;

	pg_job_open(&job, NULL, 2);
	kt_job_fill(&job, 0, RECORDS);
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_job_await_rows(&job, process, RECORDS);
	kt_job_await(&job, RECORDS, FAULT_MS, "select sum(rows) from @batch_partition");
	kt_store_exec(&job.store, save);
	kt_store_exec(&job.store, "%s", sql);
	if (!idle)
		kt_job_fill(&job, 0, MORE);
	kt_job_must_end(process, 1, "does not tile", FAULT_MS);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), RECORDS);
	kt_store_exec(&job.store, put_back);
	pg_job_catch_up(&job);
	pg_job_judge(&job);
	kt_job_close(&job);
}

/* F12, I2, I10. */
Test(postgres_edited, a_running_job_stops_at_positions_that_were_changed_by_hand, .timeout = 300)
{
	for (size_t i = 0; i < 4; i++)
		edit_while_it_runs(edits[i].sql, i % 2 == 1);
}
