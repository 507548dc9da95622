/* SPDX-License-Identifier: Apache-2.0 */
/* What Kafka takes away between a plan and its reading, from under a job that is frozen there: records that retention
 * deletes, and the whole log, made anew under the same name.  Stop with the numbers or record them; never land anything
 * else. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "kafka_faults.h"
#include "wait.h"

static const char planned[] = "plan.after_durable:1:stop", lost[] = "select coalesce(sum(until_offset - from_offset), 0) from @gap";
static const char record[] = "on_data_loss=record";

/* [0, 100) is landed, [100, 300) is planned, and the job is frozen before it reads. */
static kt_process *freeze_with_a_plan(kt_job *job, kt_store_kind kind, const char *set)
{
	kt_process *process;

	kt_job_open(job, kind, 1);
	kf_fill_at_once(job, 0, 0, 100);
	kt_job_catch_up(job, NULL);
	kf_fill_at_once(job, 0, 100, 200);
	process = kf_frozen(job, planned, set);
	cr_assert_eq(kt_store_int(&job->store, "select max(until_offset) from @batch_partition where committed_at is null"), 300);
	return process;
}

/* ---- retention ---- */

static void eaten_before_it_is_read(kt_store_kind kind)
{
	kt_job job;
	kt_process *process = freeze_with_a_plan(&job, kind, NULL);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);

	kt_records_delete(job.admin, job.topic, 0, 250);
	kt_process_signal(process, SIGCONT);
	kf_must_stop_for_loss(&job, process, "the log begins at 250 now, 150 offsets were deleted before they were read");
	kf_judge_but(&job, &noted, 0, 100, KF_THE_END);
	kt_job_catch_up(&job, record);
	kf_judge_but(&job, &noted, 0, 100, 250);
	cr_assert_eq(kt_store_int(&job.store, lost), 150);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}

/* F17, I1, I10 */
Test(kafka_loss, retention_that_eats_what_a_frozen_job_has_planned_stops_it_with_the_numbers, .timeout = 300)
{
	eaten_before_it_is_read(KT_SQLITE);
	eaten_before_it_is_read(KT_POSTGRES);
}

/* F17, I1, I10: the whole plan, and some of what came behind it */
Test(kafka_loss, retention_that_eats_more_than_a_frozen_job_has_planned_is_recorded, .timeout = 300)
{
	kt_job job;
	kt_process *process = freeze_with_a_plan(&job, KT_POSTGRES, record);

	kf_fill_at_once(&job, 0, 300, 100);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);
	kt_records_delete(job.admin, job.topic, 0, 350);
	kt_process_signal(process, SIGCONT);
	kt_job_await(&job, 400, KF_RUN_MS, "select max(committed_until) from @position");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, "data loss", KF_RUN_MS);
	kf_judge_but(&job, &noted, 0, 100, 350);
	cr_assert_eq(kt_store_int(&job.store, lost), 250);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}

/* ---- another log under the same name ---- */

static void made_anew_under_a_plan(int64_t records, int64_t later)
{
	kt_job job;
	kt_process *process = freeze_with_a_plan(&job, KT_SQLITE, NULL);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);

	kf_make_anew(&job, records);
	kt_process_signal(process, SIGCONT);
	if (later)
		kf_fill_at_once(&job, 0, 2000000, later);
	kf_must_stop_for_loss(&job, process, NULL);
	kf_judge_but(&job, &noted, 0, 100, KF_THE_END);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}

/* F18, I4, I10: shorter than the plan, as long, and longer */
Test(kafka_loss, a_topic_made_anew_under_a_frozen_jobs_plan_stops_it_whatever_its_size, .timeout = 300)
{
	made_anew_under_a_plan(40, 0);
	made_anew_under_a_plan(300, 0);
	made_anew_under_a_plan(500, 0);
}

/* F18, I4, I10: no offset tells, as they are the same as before */
Test(kafka_loss, a_topic_made_anew_with_as_many_records_while_the_job_runs_stops_it, .timeout = 300)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kf_fill_at_once(&job, 0, 0, 100);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);
	kt_process *process = kt_job_start(&job, NULL, NULL);
	kt_job_await(&job, 100, KF_RUN_MS, "select count(*) from t");
	kf_make_anew(&job, 100);
	kf_fill_at_once(&job, 0, 2000000, 50);
	kf_must_stop_for_loss(&job, process, NULL);
	kf_judge_but(&job, &noted, 0, 100, KF_THE_END);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}

/* F18, I4, I10: it never rests, and everything happens while it is frozen: no request and no offset shows it. */
Test(kafka_loss, a_busy_job_that_was_frozen_while_its_topic_was_made_anew_lands_nothing_of_the_new_one, .timeout = 300)
{
	enum { BATCH = 500, ALL = 20000 };
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kf_fill_at_once(&job, 0, 0, ALL);
	kt_oracle noted = kt_oracle_read(NULL, job.topic, true);
	kt_process *process = kf_frozen(&job, "plan.after_durable:5:stop", "batch.max_records_per_batch=500");
	int64_t frozen_ms = kt_now_ms();
	kf_make_anew(&job, 3 * ALL);
	while (kt_now_ms() - frozen_ms < 6000)
		kt_pause();
	kt_process_signal(process, SIGCONT);
	kf_must_stop_for_loss(&job, process, "another record stands at offset");
	int64_t landed = kt_store_int(&job.store, "select max(committed_until) from @position");
	kf_judge_but(&job, &noted, 0, landed, KF_THE_END);
	kt_oracle_done(&noted);
	kt_job_close(&job);
}
