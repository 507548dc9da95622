/* SPDX-License-Identifier: Apache-2.0 */
/* What Kafka no longer has (I10): retention that overtakes a job, planned or not; a topic made anew, smaller or larger
 * than before.  Stop and explain, or record it and go on; never silence. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "job_fixture.h"
#include "job_judge.h"
#include "wait.h"

enum { RUN_MS = 60000 };

static const char record[] = "on_data_loss=record";
static const char lost[] = "select coalesce(sum(until_offset - from_offset), 0) from @gap";

static void must_stop(kt_job *job, const char *says)
{
	kt_process *process = kt_job_run(job, NULL, RUN_MS);
	const char *said = kt_process_stderr(process);

	cr_assert(strstr(said, "on_data_loss"), "it does not say what to do:\n%s", said);
	cr_assert(strstr(said, job->topic), "it does not say where:\n%s", said);
	kt_job_must_end(process, 1, says, 0);
}

/* ---- retention ---- */

static void retention_eats_what_was_not_planned(kt_store_kind kind)
{
	kt_job job;

	kt_job_open(&job, kind, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_job_fill(&job, 0, 200);
	kt_records_delete(job.admin, job.topic, 0, 250);
	must_stop(&job, "150 offsets were deleted");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	kt_job_catch_up(&job, record);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 150);
	cr_assert_eq(kt_store_int(&job.store, "select min(kafka_offset) from t where kafka_offset >= 100"), 250);
	cr_assert_eq(kt_store_int(&job.store, lost), 150);
	cr_assert_eq(kt_store_int(&job.store, "select sum(gap) from @batch_partition"), 150);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from @gap where who like 'policy%%' and reason <> ''"), 1);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_job_close(&job);
}

Test(job_loss, retention_that_eats_what_was_not_planned_stops_or_is_recorded, .timeout = 240)
{
	retention_eats_what_was_not_planned(KT_SQLITE);
	retention_eats_what_was_not_planned(KT_POSTGRES);
}

/* Leaves [100, 300) planned and not committed: the table is locked while the job is killed. */
static void leave_a_plan(kt_job *job)
{
	kt_process *process;

	kt_job_open(job, KT_POSTGRES, 1);
	kt_job_fill(job, 0, 100);
	kt_job_catch_up(job, NULL);
	kt_store_exec(&job->store, "begin; lock table t in access exclusive mode");
	kt_job_fill(job, 0, 200);
	process = kt_job_start(job, NULL, NULL);
	kt_job_await(job, 300, 30000, "select max(until_offset) from @batch_partition where committed_at is null");
	kt_process_signal(process, SIGKILL);
	kt_job_must_end(process, 128 + SIGKILL, NULL, 5000);
	kt_store_exec(&job->store, "commit");
	cr_assert_eq(kt_store_int(&job->store, "select sum(planned_until) from @partition"), 300);
}

Test(job_loss, retention_that_eats_a_part_of_a_plan_stops_or_is_recorded, .timeout = 240)
{
	kt_job job;

	leave_a_plan(&job);
	kt_records_delete(job.admin, job.topic, 0, 250);
	must_stop(&job, NULL);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	kt_job_catch_up(&job, record);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 150);
	cr_assert_eq(kt_store_int(&job.store, lost), 150);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_job_close(&job);
}

Test(job_loss, retention_that_eats_a_whole_plan_stops_or_is_recorded, .timeout = 240)
{
	kt_job job;

	leave_a_plan(&job);
	kt_job_fill(&job, 0, 100);
	kt_records_delete(job.admin, job.topic, 0, 350);
	must_stop(&job, NULL);
	kt_job_catch_up(&job, record);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 150);
	cr_assert_eq(kt_store_int(&job.store, lost), 250);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_job_close(&job);
}

/* The log's start moves to its very end: nothing is there to be read, and still something was lost. */
Test(job_loss, a_log_that_was_emptied_stops_or_is_recorded, .timeout = 240)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_job_fill(&job, 0, 50);
	kt_records_delete(job.admin, job.topic, 0, 150);
	must_stop(&job, NULL);
	kt_job_catch_up(&job, record);
	cr_assert_eq(kt_store_int(&job.store, lost), 50);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 110);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_job_close(&job);
}

Test(job_loss, retention_behind_the_position_is_no_loss, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_records_delete(job.admin, job.topic, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 110);
	cr_assert_eq(kt_store_int(&job.store, lost), 0);
	kt_job_close(&job);
}

/* ---- another log under the same name ---- */

static void fill_other(void *opaque, int64_t i, kt_message *message)
{
	kt_fill_numbers(opaque, i + 1000000, message);
}

static void recreate(kt_job *job, int64_t records)
{
	kt_producer *producer;

	kt_topic_delete(job->admin, job->topic);
	kt_topic_create(job->admin, job->topic, 1, NULL);
	producer = kt_producer_open(NULL, NULL);
	kt_produce_many(producer, job->topic, 0, records, fill_other, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

/* Under "record" everything of the new log lands as a segment of its own. */
static void lands_as_a_new_segment(kt_job *job, int64_t records)
{
	kt_process *process = kt_job_start(job, NULL, "--set", record, NULL);
	const char *value = job->store.kind == KT_POSTGRES ? "convert_from(value, 'UTF8')" : "cast(value as text)";

	kt_job_await(job, 100 + records, RUN_MS, "select count(*) from t");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, "data loss", 10000);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t"), 100 + records);
	cr_assert_eq(kt_store_int(&job->store, "select count(distinct kafka_offset) from t where %s >= '1000000'"
					       " and length(value) = 7", value), records);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from @partition where segment = 0"
					       " and closed_reason <> ''"), 1);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from @partition where segment = 1 and closed_at is null"), 1);
	cr_assert_eq(kt_judge_tiling(&job->store, "j"), 0);
}

static void recreated(kt_store_kind kind, int64_t records)
{
	kt_job job;

	kt_job_open(&job, kind, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	recreate(&job, records);
	must_stop(&job, "not the log that was read before");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	lands_as_a_new_segment(&job, records);
	kt_job_close(&job);
}

Test(job_loss, a_topic_made_anew_and_smaller_stops_or_begins_a_segment, .timeout = 300)
{
	recreated(KT_SQLITE, 40);
}

Test(job_loss, a_topic_made_anew_that_outgrew_the_old_one_stops_or_begins_a_segment, .timeout = 300)
{
	recreated(KT_SQLITE, 500);
	recreated(KT_POSTGRES, 500);
}

/* Only the next record can tell: Kafka's offsets are as they were. */
Test(job_loss, a_topic_made_anew_with_as_many_records_stops_at_the_next_one, .timeout = 300)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	recreate(&job, 100);
	kt_job_fill(&job, 0, 1);
	must_stop(&job, "another record stands at offset 99");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	kt_job_close(&job);
}

/* The new log grows by and by, past the old position, before the job's eyes. */
static void grow_slowly(kt_job *job, int64_t records)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	for (int64_t i = 0; i < records; i++) {
		kt_produce_text(producer, job->topic, 0, "k", "later");
		kt_producer_flush(producer);
		kt_pause();
	}
	kt_producer_close(producer);
}

static void made_anew_while_it_runs(int64_t at_once, int64_t slowly)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	process = kt_job_start(&job, NULL, NULL);
	kt_job_await(&job, 100, 30000, "select sum(rows) from @batch_partition");
	recreate(&job, at_once);
	grow_slowly(&job, slowly);
	kt_job_must_end(process, 1, "on_data_loss", RUN_MS);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	kt_job_close(&job);
}

Test(job_loss, a_topic_made_anew_and_smaller_while_the_job_runs_stops_it, .timeout = 300)
{
	made_anew_while_it_runs(40, 0);
}

Test(job_loss, a_topic_made_anew_that_outgrows_the_old_one_while_the_job_runs_stops_it, .timeout = 300)
{
	made_anew_while_it_runs(40, 160);
}

Test(job_loss, a_topic_made_anew_and_larger_at_once_while_the_job_runs_stops_it, .timeout = 300)
{
	made_anew_while_it_runs(500, 0);
}
