/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect offsets on a real cluster: without a job, and the state words with one. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cli.h"
#include "tmpdir.h"
#include "wait.h"

static json_t *offsets_of(const kt_job *job, const char *option, const char *value)
{
	return cli_json(NULL, 0, "offsets", "-b", kt_env("KD_TEST_KAFKA"), "-t", job->topic, option, value, NULL);
}

Test(offsets, needs_no_job_and_prints_one_array_of_flat_objects)
{
	kt_job job;
	json_t *rows, *row, *value;
	const char *name;

	kt_job_open(&job, KT_SQLITE, 3);
	kt_job_fill(&job, 1, 10);
	kt_records_delete(job.admin, job.topic, 1, 4);
	rows = offsets_of(&job, NULL, NULL);
	cr_assert_eq(json_array_size(rows), 3u);
	row = cli_row(rows, 1);
	cr_expect_str_eq(cli_text(row, "topic"), job.topic);
	cr_expect_eq(cli_int(row, "low"), 4);
	cr_expect_eq(cli_int(row, "last_stable"), 10);
	cr_expect_eq(cli_int(row, "high"), 10);
	cr_expect_eq(cli_int(row, "offsets"), 6);
	json_object_foreach(row, name, value)
		cr_expect_not(json_is_object(value) || json_is_array(value), "\"%s\" is not flat", name);
	json_decref(rows);
	kt_job_close(&job);
}

Test(offsets, finds_the_offsets_of_a_time_and_of_a_group)
{
	kt_job job;
	json_t *rows;
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_job_open(&job, KT_SQLITE, 1);
	for (int i = 0; i < 5; i++)
		kt_produce(producer, job.topic, 0, &(kt_message){.value = "x", .value_size = 1,
			.timestamp_ms = 1767225600000 + i * 1000});
	kt_producer_flush(producer);
	kt_producer_close(producer);
	rows = offsets_of(&job, "--at", "2026-01-01T00:00:03Z");
	cr_expect_eq(cli_int(cli_row(rows, 0), "at_time"), 3);
	json_decref(rows);
	rows = offsets_of(&job, "--group", "a-group-that-never-was");
	cr_expect(json_is_null(json_object_get(cli_row(rows, 0), "group_committed")));
	json_decref(rows);
	kt_job_close(&job);
}

Test(offsets, names_a_topic_that_is_not_there)
{
	cli_run run = cli_verb(NULL, "offsets", "-b", kt_env("KD_TEST_KAFKA"), "-t", "no-such-topic-at-all", NULL);

	cr_expect_eq(run.code, 1, "%s", run.err);
	cr_expect(strstr(run.err, "no-such-topic-at-all"), "%s", run.err);
	cr_expect_str_empty(run.out);
	cli_done(&run);
}

Test(offsets, of_a_thousand_partitions_take_less_than_a_second)
{
	kt_job job;
	int64_t best_ms = INT64_MAX, deadline_ms = kt_now_ms() + 60000;

	kt_job_open(&job, KT_SQLITE, 0);
	kt_topic_create(job.admin, job.topic, 1000, NULL);
	/* The first answers wait until every leader is there. */
	while (best_ms >= 1000 && kt_now_ms() < deadline_ms) {
		int64_t start_ms = kt_now_ms();
		json_t *rows = offsets_of(&job, NULL, NULL);

		best_ms = kt_now_ms() - start_ms < best_ms ? kt_now_ms() - start_ms : best_ms;
		cr_expect_eq(json_array_size(rows), 1000u);
		json_decref(rows);
	}
	cr_expect_lt(best_ms, 1000, "%d ms", (int) best_ms);
	kt_topic_delete(job.admin, job.topic);
	kt_job_close(&job);
}

Test(offsets, of_a_job_tell_lag_and_state)
{
	kt_job job;
	json_t *rows, *row;
	cli_run run;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	kt_job_fill(&job, 0, 7);
	rows = cli_json(&job, 0, "offsets", NULL);
	row = cli_row(rows, 0);
	cr_expect_eq(cli_int(row, "committed"), 10);
	cr_expect_eq(cli_int(row, "planned"), 10);
	cr_expect_eq(cli_int(row, "lag"), 7);
	cr_expect_eq(cli_int(row, "headroom"), 10);
	cr_expect_geq(cli_int(row, "lag_seconds"), 0);
	cr_expect_str_eq(cli_text(row, "state"), "BEHIND");
	cr_expect_str_eq(cli_text(cli_row(rows, 1), "state"), "OK");
	cr_expect_eq(cli_int(cli_row(rows, 1), "lag_seconds"), 0);
	json_decref(rows);
	json_decref(cli_json(&job, 0, "offsets", "--max-lag", "7", NULL));
	json_decref(cli_json(&job, 1, "offsets", "--max-lag", "6", NULL));
	run = cli_verb(&job, "offsets", "--max-lag", "6", NULL);
	cr_expect_eq(run.code, 1);
	cr_expect(strstr(run.err, "is over 6"), "%s", run.err);
	cr_expect(strstr(run.out, "all"), "no total: %s", run.out);
	cli_done(&run);
	kt_job_close(&job);
}

static void must_be(const kt_job *job, const char *state, int code)
{
	json_t *rows = cli_json(job, code, "offsets", "--blocked-after", "1", NULL);

	cr_expect_str_eq(cli_text(cli_row(rows, 0), "state"), state);
	json_decref(rows);
}

Test(offsets, lost_is_what_retention_took_before_it_was_read)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	must_be(&job, "OK", 0);
	kt_job_fill(&job, 0, 10);
	kt_records_delete(job.admin, job.topic, 0, 15);
	must_be(&job, "LOST", 1);
	kt_job_close(&job);
}

Test(offsets, drift_is_a_recreated_topic_also_one_that_has_outgrown_the_position)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	kt_topic_delete(job.admin, job.topic);
	kt_topic_create(job.admin, job.topic, 1, NULL);
	must_be(&job, "DRIFT", 1);
	kt_job_fill(&job, 0, 20);
	must_be(&job, "DRIFT", 1);
	kt_job_close(&job);
}

Test(offsets, blocked_is_an_open_transaction_behind_all_that_is_committed)
{
	kt_job job;
	kt_producer *producer;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 10);
	kt_job_catch_up(&job, NULL);
	producer = kt_producer_open(NULL, "transactional.id", job.topic, NULL);
	kt_txn_begin(producer);
	kt_produce_text(producer, job.topic, 0, NULL, "open");
	kt_producer_flush(producer);
	must_be(&job, "BLOCKED", 0);
	kt_txn_commit(producer);
	kt_producer_close(producer);
	must_be(&job, "BEHIND", 0);
	kt_job_close(&job);
}

static void produce_at(const kt_job *job, int64_t timestamp_ms)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_produce(producer, job->topic, 0, &(kt_message){.value = "x", .value_size = 1, .timestamp_ms = timestamp_ms});
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

Test(offsets, stalled_is_a_lag_without_a_commit_for_a_minute_but_not_news_on_an_idle_topic)
{
	static const int64_t long_ago_ms = 1767225600000;

	for (int news = 0; news < 2; news++) {
		kt_job job;

		kt_job_open(&job, KT_SQLITE, 1);
		produce_at(&job, long_ago_ms);
		kt_job_catch_up(&job, NULL);
		kt_store_exec(&job.store, "update @position set committed_at = committed_at - 600000");
		kt_store_exec(&job.store, "update @instance set started_at = started_at - 600000");
		produce_at(&job, news ? 0 : long_ago_ms + 1);
		must_be(&job, news ? "BEHIND" : "STALLED", news ? 0 : 1);
		kt_job_close(&job);
	}
}
