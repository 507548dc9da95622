/* SPDX-License-Identifier: Apache-2.0 */
/* What others write into Kafka about a job, or leave open there: its mirror group edited by hand, and transactions that
 * nobody ends. */
#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_faults.h"
#include "tmpdir.h"

/* ---- the mirror ---- */

/* As an operator's tool does it. */
static void edit_group(const char *group, const char *topic, int64_t offset)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	char reason[512];

	rd_kafka_conf_set(conf, "bootstrap.servers", kt_env("KD_TEST_KAFKA"), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
	kt_check(rk, "%s", reason);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
	kt_check(!rd_kafka_commit(rk, list, 0), "could not edit the group");
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
}

/* What kdirect offsets says: both ends of the log, and the group beside them. */
static void must_show(kt_job *job, const char *group, int end, int offset)
{
	char *all = kt_format(",%d,%d,%d,", end, end, offset);
	kt_process *process = kt_kdirect(job->dir, NULL, "offsets", job->path, "-g", group, "--csv", NULL);

	cr_assert_eq(kt_process_wait(process, 60000), 0, "%s", kt_process_stderr(process));
	cr_assert(strstr(kt_process_stdout(process), all), "\"%s\" is not in:\n%s", all, kt_process_stdout(process));
	kt_process_free(process);
	free(all);
}

/* F33, I1, I2, I3 */
Test(kafka_group, a_mirror_group_that_was_edited_by_hand_is_shown_and_never_read, .timeout = 240)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	char *group = kt_format("mirror-%s", job.topic), *set = kt_format("mirror_group=%s", group);
	kf_fill_at_once(&job, 0, 0, 100);
	kt_job_catch_up(&job, set);
	must_show(&job, group, 100, 100);
	edit_group(group, job.topic, 10);
	must_show(&job, group, 100, 10);
	kf_fill_at_once(&job, 0, 100, 50);
	kt_job_catch_up(&job, set);
	kt_judge_clean(&job.store, "t", job.topic);
	must_show(&job, group, 150, 150);

	edit_group(group, job.topic, 5000);
	must_show(&job, group, 150, 5000);
	kf_fill_at_once(&job, 0, 150, 50);
	kt_process *process = kt_job_start(&job, NULL, "--set", set, NULL);
	kt_job_await(&job, 200, KF_RUN_MS, "select count(*) from t");
	edit_group(group, job.topic, 0);
	kf_fill_at_once(&job, 0, 200, 50);
	kt_job_await(&job, 250, KF_RUN_MS, "select count(*) from t");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 20000);
	kt_judge_clean(&job.store, "t", job.topic);
	must_show(&job, group, 250, 250);
	free(set);
	free(group);
	kt_job_close(&job);
}

/* ---- transactions that hang ---- */

/* 50 records of a transaction that is left open, and 30 records behind it. */
static kt_producer *leave_open(kt_job *job, int partition, const char *timeout_ms)
{
	char *id = kt_format("%s-%d", job->topic, partition);
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", id, "transaction.timeout.ms", timeout_ms, NULL);

	kt_txn_begin(producer);
	kt_produce_many(producer, job->topic, partition, 50, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kf_fill_at_once(job, partition, 0, 30);
	free(id);
	return producer;
}

/* F22, I1, I8: one partition waits for an abort, one for the broker's patience to end, and the third goes on. */
Test(kafka_group, an_open_transaction_holds_its_partition_alone_until_it_is_aborted_or_times_out, .timeout = 240)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 3);
	for (int p = 0; p < 3; p++)
		kf_fill_at_once(&job, p, 0, 100);
	kt_producer *aborts = leave_open(&job, 0, "600000"), *vanishes = leave_open(&job, 1, "20000");
	kt_process *process = kt_job_start(&job, NULL, NULL);
	kt_job_await(&job, 300, KF_RUN_MS, "select count(*) from t");
	cr_assert(kt_process_says(process, "open transactions hold", KF_RUN_MS), "%s", kt_process_stderr(process));
	kf_fill_at_once(&job, 2, 100, 100);
	kt_job_await(&job, 200, KF_RUN_MS, "select count(*) from t where kafka_partition = 2");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where kafka_partition = 0"), 100);

	kt_txn_abort(aborts);
	kt_job_await(&job, 130, KF_RUN_MS, "select count(*) from t where kafka_partition = 0");
	kt_producer_close(vanishes);
	kt_job_await(&job, 130, KF_RUN_MS, "select count(*) from t where kafka_partition = 1");
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 20000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_producer_close(aborts);
	kt_job_close(&job);
}
