/* SPDX-License-Identifier: Apache-2.0 */
/* The whole job on a real broker: where it starts, how much it takes at once, and what happens around it while it runs:
 * partitions come, a broker restarts, a group mirrors it, a record is bad. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "servers.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 60000 };

static const char rows[] = "select count(*) from t";

static void must_end(kt_job *job, const char *set, int code, const char *says)
{
	kt_job_must_end(kt_job_run(job, set, RUN_MS), code, says, 0);
}

/* ---- where it starts ---- */

Test(job_run, starts_where_it_is_told_to_and_stores_it, .timeout = 180)
{
	static const struct {
		const char *start;
		int64_t first[2]; /* by partition */
	} cases[] = {
		{"earliest", {0, 0}},
		{"latest", {100, 50}},
		{"{\"timestamp\": \"2023-11-14T22:13:20Z\"}", {60, 50}},
		{"{\"timestamp\": \"2001-01-01\"}", {0, 0}},
		{"{\"TOPIC\": {\"0\": 42, \"1\": 50}}", {42, 50}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kt_job job;
		char *start, *quoted;
		kt_producer *producer = kt_producer_open(NULL, NULL);

		kt_job_open(&job, KT_SQLITE, 2);
		for (int64_t k = 0; k < 150; k++)
			kt_produce(producer, job.topic, k >= 100, &(kt_message) {.value = "v", .value_size = 1,
				.timestamp_ms = k < 60 ? 1600000000000 + k : k < 100 ? 1700000000000 + k : 1600000000000});
		kt_producer_flush(producer);
		quoted = strstr(cases[i].start, "TOPIC") ? kt_format("{\"%s%s", job.topic, strstr(cases[i].start, "TOPIC") + 5)
							  : strdup(cases[i].start);
		start = kt_format("start=%s", quoted);
		kt_job_catch_up(&job, start);
		for (int p = 0; p < 2; p++)
			cr_assert_eq(kt_store_int(&job.store, "select start_offset from @partition where partition_index = %d", p),
				cases[i].first[p], "partition %d with %s", p, start);
		for (int p = 0; p < 2; p++)
			kt_produce_text(producer, job.topic, p, NULL, "more");
		kt_producer_flush(producer);
		kt_job_catch_up(&job, "start=earliest");
		cr_assert_eq(kt_store_int(&job.store, rows), 152 - cases[i].first[0] - cases[i].first[1], "with %s", start);
		cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
		kt_producer_close(producer);
		free(start);
		free(quoted);
		kt_job_close(&job);
	}
}

Test(job_run, refuses_start_offsets_that_the_log_does_not_hold, .timeout = 120)
{
	static const struct {
		const char *offsets, *says;
	} cases[] = {
		{"{\"0\": 101, \"1\": 0}", "holds [20, 100)"},
		{"{\"0\": 19, \"1\": 0}", "holds [20, 100)"},
		{"{\"0\": 50}", "every partition must be named"},
	};
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, 100);
	kt_records_delete(job.admin, job.topic, 0, 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *set = kt_format("start={\"%s\": %s}", job.topic, cases[i].offsets);

		must_end(&job, set, 2, cases[i].says);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from @partition"), 0);
		free(set);
	}
	kt_job_close(&job);
}

/* ---- how much at once ---- */

Test(job_run, plans_no_batch_above_the_limit_and_serves_every_partition, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 4);
	for (int p = 0; p < 4; p++)
		kt_job_fill(&job, p, 1000);
	kt_job_catch_up(&job, "batch.max_records_per_batch=100");
	cr_assert_leq(kt_store_int(&job.store, "select max(n) from (select sum(until_offset - from_offset) as n"
					       " from @batch_partition group by batch_time) as b"), 100);
	cr_assert_eq(kt_store_int(&job.store, "select count(distinct partition_index) from (select * from @batch_partition"
					      " order by batch_time limit 16) as b"), 4);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(job_run, keeps_to_the_rate_of_a_partition, .timeout = 120)
{
	kt_job job;
	int64_t began_ms = kt_now_ms();

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 1000);
	kt_job_catch_up(&job, "batch.max_rate_per_partition=400");
	cr_assert_eq(kt_store_int(&job.store, "select max(until_offset - from_offset) from @batch_partition"), 20);
	cr_assert_geq(kt_now_ms() - began_ms, 2000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

Test(job_run, slows_down_with_backpressure_behind_a_slow_table, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 2);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_store_exec(&job.store, "create function slow() returns trigger language plpgsql as"
				  " $$ begin perform pg_sleep(0.001); return new; end $$;"
				  "create trigger slow before insert on t for each row execute function slow()");
	kt_job_fill(&job, 0, 2000);
	kt_job_fill(&job, 1, 2000);
	kt_job_must_end(kt_job_start(&job, NULL, "--until-latest", "--set", "batch.backpressure=true", "--set",
				"batch.max_records_per_batch=1000", NULL), 0, NULL, RUN_MS);
	cr_assert_geq(kt_store_int(&job.store, "select max(until_offset - from_offset) from @batch_partition"), 250);
	cr_assert_leq(kt_store_int(&job.store, "select max(until_offset - from_offset) from @batch_partition"
					       " where batch_time = (select max(batch_time) from @batch_partition)"), 200);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

/* ---- partitions ---- */

Test(job_run, reads_a_partition_that_was_added_while_it_was_down_from_its_beginning, .timeout = 120)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		kt_job_fill(&job, 0, 100);
		kt_job_catch_up(&job, "start=latest");
		cr_assert_eq(kt_store_int(&job.store, rows), 0);
		kt_topic_grow(job.admin, job.topic, 3);
		kt_job_fill(&job, 1, 70);
		kt_job_fill(&job, 2, 30);
		kt_job_catch_up(&job, "start=latest");
		cr_assert_eq(kt_store_int(&job.store, rows), 100);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from @partition where partition_index in (0, 1, 2)"), 3);
		kt_job_close(&job);
	}
}

Test(job_run, reads_a_partition_that_is_added_while_it_runs_within_10_s, .timeout = 120)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, KT_POSTGRES, 1);
	process = kt_job_start(&job, NULL, "--set", "start=latest", NULL);
	cr_assert(kt_process_says(process, "owner of job", 20000), "%s", kt_process_stderr(process));
	kt_topic_grow(job.admin, job.topic, 2);
	kt_job_fill(&job, 1, 100);
	kt_job_await(&job, 100, 10000, rows);
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 5000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

static void fill_all_partitions(kt_job *job, int partitions, int64_t each)
{
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "50", NULL);

	for (int p = 0; p < partitions; p++)
		kt_produce_many(producer, job->topic, p, each, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

Test(job_run, reads_a_thousand_partitions, .timeout = 240)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1000);
	fill_all_partitions(&job, 1000, 10);
	kt_job_catch_up(&job, NULL);
	fill_all_partitions(&job, 1000, 5);
	kt_job_catch_up(&job, "workers=3");
	cr_assert_eq(kt_store_int(&job.store, rows), 15000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_topic_delete(job.admin, job.topic);
	kt_job_close(&job);
}

/* ---- a broker that goes and comes ---- */

Test(job_run, outlives_a_restart_of_the_broker, .timeout = 240)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;
		kt_process *process;

		kt_job_open(&job, (kt_store_kind) kind, 2);
		fill_all_partitions(&job, 2, 20000);
		process = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=500", NULL);
		kt_job_await(&job, 500, 30000, rows);
		kt_server_do("kafka.sh", "restart", kt_env("KD_TEST_KAFKA_DIR"), kind == KT_SQLITE ? "kill" : "stop", NULL);
		fill_all_partitions(&job, 2, 1000);
		kt_job_await(&job, 42000, RUN_MS, rows);
		cr_assert(kt_process_running(process), "%s", kt_process_stderr(process));
		kt_process_signal(process, SIGTERM);
		kt_job_must_end(process, 0, NULL, 5000);
		kt_judge_clean(&job.store, "t", job.topic);
		kt_job_close(&job);
	}
}

/* ---- the mirror ---- */

static rd_kafka_t *group_handle(const char *group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[512];
	rd_kafka_t *rk;

	rd_kafka_conf_set(conf, "bootstrap.servers", kt_env("KD_TEST_KAFKA"), NULL, 0);
	rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
	rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
	rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	kt_check(rk, "%s", reason);
	rd_kafka_poll_set_consumer(rk);
	return rk;
}

static int64_t group_offset(const char *group, const char *topic, int partition)
{
	rd_kafka_t *rk = group_handle(group);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t offset;

	rd_kafka_topic_partition_list_add(list, topic, partition);
	kt_check(rd_kafka_committed(rk, list, 20000) == RD_KAFKA_RESP_ERR_NO_ERROR, "could not ask for the group's offsets");
	offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
	return offset;
}

Test(job_run, shows_its_positions_in_the_group_that_mirrors_it, .timeout = 120)
{
	kt_job job;
	char *set;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, 100);
	set = kt_format("mirror_group=mirror-%s", job.topic);
	kt_job_catch_up(&job, set);
	cr_assert_eq(group_offset(strchr(set, '=') + 1, job.topic, 0), 100);
	kt_job_fill(&job, 0, 10);
	kt_job_fill(&job, 1, 7);
	kt_job_catch_up(&job, set);
	cr_assert_eq(group_offset(strchr(set, '=') + 1, job.topic, 0), 110);
	cr_assert_eq(group_offset(strchr(set, '=') + 1, job.topic, 1), 7);
	free(set);
	kt_job_close(&job);
}

static bool is_member(void *opaque)
{
	rd_kafka_topic_partition_list_t *list = NULL;
	rd_kafka_message_t *message = rd_kafka_consumer_poll(opaque, 10);
	bool assigned = rd_kafka_assignment(opaque, &list) == RD_KAFKA_RESP_ERR_NO_ERROR && list->cnt > 0;

	if (message)
		rd_kafka_message_destroy(message);
	if (list)
		rd_kafka_topic_partition_list_destroy(list);
	return assigned;
}

Test(job_run, goes_on_when_the_mirror_is_refused, .timeout = 120)
{
	kt_job job;
	char *set;
	rd_kafka_t *member;
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	set = kt_format("mirror_group=taken-%s", job.topic);
	/* A group with members takes no offsets from others. */
	member = group_handle(strchr(set, '=') + 1);
	rd_kafka_topic_partition_list_add(topics, job.topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_subscribe(member, topics);
	kt_await(is_member, member, 30000, "the group has a member");
	must_end(&job, set, 0, "could not commit positions to mirror_group");
	cr_assert_eq(kt_store_int(&job.store, rows), 100);
	rd_kafka_topic_partition_list_destroy(topics);
	rd_kafka_consumer_close(member);
	rd_kafka_destroy(member);
	free(set);
	kt_job_close(&job);
}

/* ---- two jobs in one process ---- */

Test(job_run, runs_two_jobs_in_one_process, .timeout = 120)
{
	kt_job jobs[2];
	kt_embedded *embedded[2];

	for (int i = 0; i < 2; i++) {
		kt_job_open(&jobs[i], i ? KT_POSTGRES : KT_SQLITE, 2);
		fill_all_partitions(&jobs[i], 2, 5000);
	}
	for (int i = 0; i < 2; i++) {
		char *text = kt_read_file(jobs[i].path);

		embedded[i] = kt_embedded_start(text, &(kd_job_options) {.until_latest = true});
		free(text);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(kt_embedded_join(embedded[i], RUN_MS), KD_OK, "%s", embedded[i]->err.message);
		cr_assert_eq(kt_embedded_progress(embedded[i]).rows, 10000);
		kt_embedded_free(embedded[i]);
		kt_judge_clean(&jobs[i].store, "t", jobs[i].topic);
		kt_job_close(&jobs[i]);
	}
}

/* ---- a bad record ---- */

static void bad_record(kt_store_kind kind)
{
	kt_job job;
	kt_process *process;
	kt_producer *producer = kt_producer_open(NULL, NULL);
	char *at, *place;

	kt_job_open(&job, kind, 1);
	kt_store_exec(&job.store, "create table t(id integer, name text, kafka_offset bigint)");
	for (int i = 0; i < 100; i++) {
		char value[64];

		snprintf(value, sizeof(value), i == 42 ? "{\"id\": 42, \"name\": " : "{\"id\": %d, \"name\": \"n\"}", i);
		kt_produce_text(producer, job.topic, 0, "k", value);
	}
	kt_producer_flush(producer);
	at = kt_format("%s/0@42", job.topic);
	must_end(&job, NULL, 1, at);
	cr_assert_eq(kt_store_int(&job.store, rows), 0, "a part of the batch partition was committed");
	must_end(&job, NULL, 1, "kdirect skip");

	process = kt_kdirect(job.dir, NULL, "skip", job.path, at, "--reason", "ticket 12", NULL);
	cr_assert_eq(kt_process_wait(process, 30000), 0, "%s", kt_process_stderr(process));
	kt_process_free(process);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from @gap"), 0, "a dry run changed something");
	process = kt_kdirect(job.dir, NULL, "skip", job.path, at, "--reason", "ticket 12", "--execute", NULL);
	cr_assert_eq(kt_process_wait(process, 30000), 0, "%s", kt_process_stderr(process));
	kt_process_free(process);

	kt_produce_text(producer, job.topic, 0, "k", "{\"id\": 100, \"name\": \"n\"}");
	kt_producer_flush(producer);
	kt_job_catch_up(&job, NULL);
	cr_assert_eq(kt_store_int(&job.store, rows), 100);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where id = 42"), 0);
	cr_assert_eq(kt_store_int(&job.store, "select count(distinct id) from t where id = kafka_offset"), 100);
	place = kt_store_text(&job.store, "select from_offset || '-' || until_offset || ' ' || reason from @gap");
	cr_assert_str_eq(place, "42-43 ticket 12");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from @gap where who like '_%%@_%%'"), 1);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	free(place);
	free(at);
	kt_producer_close(producer);
	kt_job_close(&job);
}

Test(job_run, a_bad_record_stops_with_its_place_and_skip_gets_past_it, .timeout = 120)
{
	bad_record(KT_SQLITE);
	bad_record(KT_POSTGRES);
}
