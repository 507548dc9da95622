/* SPDX-License-Identifier: Apache-2.0 */
/* Topics, offsets and scans of a real cluster. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_admin.h"
#include "kafka_producer.h"
#include "kdirect/kafka.h"
#include "tmpdir.h"
#include "wait.h"

enum { MS = 20000, ALL = KD_OFFSETS_LOW | KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH };

static kd_kafka *open_kafka(const char *isolation)
{
	const char *const names[] = {"bootstrap.servers", "isolation.level"};
	const char *const values[] = {kt_env("KD_TEST_KAFKA"), isolation};
	kd_kafka *kafka = NULL;
	kd_error err = {0};
	if (kd_kafka_open(names, values, 2, NULL, MS, &kafka, &err) != KD_OK)
		kt_fail("could not open: %s", err.message);
	return kafka;
}

static kd_offsets ask(kd_kafka *kafka, const char *topic)
{
	kd_offsets row = {.topic = topic};
	kd_error err = {0};
	cr_assert_eq(kd_kafka_offsets(kafka, &row, 1, ALL, MS, &err), KD_OK, "%s", err.message);
	return row;
}

typedef struct stable_at {
	kd_kafka *kafka;
	const char *topic;
	int64_t offset;
} stable_at;

static bool is_stable(void *opaque)
{
	const stable_at *wanted = opaque;
	return ask(wanted->kafka, wanted->topic).last_stable == wanted->offset;
}

Test(offsets, tells_the_last_stable_offset_apart_from_the_high_watermark, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("lso");
	kt_topic_create(admin, topic, 1, NULL);
	kt_producer *plain = kt_producer_open(NULL, NULL);
	kt_produce_many(plain, topic, 0, 100, kt_fill_numbers, NULL);
	kt_producer_flush(plain);
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", topic, NULL);
	kt_txn_begin(producer);
	kt_produce_many(producer, topic, 0, 10, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_records_delete(admin, topic, 0, 40);
	kd_kafka *committed = open_kafka("read_committed"), *uncommitted = open_kafka("read_uncommitted");
	const kd_offsets row = ask(committed, topic), raw = ask(uncommitted, topic);
	cr_assert_eq(row.native, 0);
	cr_assert_eq(row.low, 40);
	cr_assert_eq(row.last_stable, 100);
	cr_assert_eq(row.high, 110);
	cr_assert_eq(raw.last_stable, 110);
	kt_txn_commit(producer);
	/* A commit is answered before its marker is in the log. */
	kt_await(is_stable, &(stable_at) {committed, topic, 111}, MS, "the commit's marker");
	kd_kafka_close(committed);
	kd_kafka_close(uncommitted);
	kt_producer_close(producer);
	kt_producer_close(plain);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

typedef struct many {
	kd_kafka *kafka;
	kd_offsets *rows;
	size_t n;
} many;

/* A broker takes some seconds to make a thousand logs. */
static bool all_answer(void *opaque)
{
	many *m = opaque;
	kd_error err = {0};
	if (kd_kafka_offsets(m->kafka, m->rows, m->n, KD_OFFSETS_HIGH, MS, &err) != KD_OK)
		return false;
	for (size_t i = 0; i < m->n; i++)
		if (m->rows[i].native)
			return false;
	return true;
}

Test(offsets, answers_for_a_thousand_partitions_within_a_second, .timeout = 120)
{
	enum { N = 1000 };
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("many");
	kt_topic_create(admin, topic, N, NULL);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	kt_produce_many(producer, topic, 7, 30, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kd_offsets *rows = calloc(N, sizeof *rows);
	for (int p = 0; p < N; p++)
		rows[p] = (kd_offsets) {.topic = topic, .partition = p};
	kd_kafka *kafka = open_kafka("read_committed");
	kd_error err = {0};
	kt_await(all_answer, &(many) {kafka, rows, N}, 40000, "the logs of a thousand partitions");
	const int64_t start_ms = kt_now_ms();
	cr_assert_eq(kd_kafka_offsets(kafka, rows, N, ALL, MS, &err), KD_OK, "%s", err.message);
	cr_expect_lt(kt_now_ms() - start_ms, 1000, "%" PRId64 " ms", kt_now_ms() - start_ms);
	for (int p = 0; p < N; p++) {
		cr_assert_eq(rows[p].native, 0);
		cr_assert_eq(rows[p].low, 0);
		cr_assert_eq(rows[p].last_stable, p == 7 ? 30 : 0);
		cr_assert_eq(rows[p].high, p == 7 ? 30 : 0);
	}
	kd_kafka_close(kafka);
	free(rows);
	kt_producer_close(producer);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

Test(offsets, a_partition_that_does_not_exist_fails_alone, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("alone");
	kt_topic_create(admin, topic, 2, NULL);
	kd_kafka *kafka = open_kafka("read_committed");
	kd_offsets rows[] = {
		{.topic = topic, .partition = 0}, {.topic = topic, .partition = 9}, {.topic = "no-such-topic"},
		{.topic = topic, .partition = 1},
	};
	kd_error err = {0};
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(kd_kafka_offsets(kafka, rows, 4, ALL, MS, &err), KD_OK, "%s", err.message);
		cr_assert_eq(rows[0].native, 0);
		cr_assert_eq(rows[0].high, 0);
		cr_assert_neq(rows[1].native, 0);
		cr_assert_eq(rows[1].high, -1);
		cr_assert_neq(rows[2].native, 0);
		cr_assert_eq(rows[3].native, 0);
		cr_assert_eq(rows[3].last_stable, 0);
	}
	kd_kafka_close(kafka);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

static void fill_by_the_minute(void *opaque, int64_t i, kt_message *message)
{
	(void) opaque;
	kt_fill_numbers(NULL, i, message);
	message->timestamp_ms = INT64_C(1700000000000) + i * 60000;
}

static int64_t at(kd_kafka *kafka, const char *topic, int64_t time_ms)
{
	kd_offsets rows[] = {{.topic = topic}, {.topic = topic, .partition = 1}};
	kd_error err = {0};
	cr_assert_eq(kd_kafka_offsets_at(kafka, rows, 2, time_ms, MS, &err), KD_OK, "%s", err.message);
	cr_assert_eq(rows[0].native, 0);
	cr_assert_eq(rows[1].at_time, 0, "the other partition is empty");
	return rows[0].at_time;
}

Test(offsets, finds_the_first_offset_at_a_time_and_the_end_where_there_is_none, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("time");
	/* These records are years old: retention must not take them. */
	kt_topic_create(admin, topic, 2, "retention.ms", "-1", NULL);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	kt_produce_many(producer, topic, 0, 50, fill_by_the_minute, NULL);
	kt_producer_flush(producer);
	kd_kafka *kafka = open_kafka("read_committed");
	cr_assert_eq(at(kafka, topic, 0), 0);
	cr_assert_eq(at(kafka, topic, -5), 0);
	cr_assert_eq(at(kafka, topic, INT64_C(1700000000000) + 20 * 60000), 20);
	cr_assert_eq(at(kafka, topic, INT64_C(1700000000000) + 20 * 60000 + 1), 21);
	cr_assert_eq(at(kafka, topic, INT64_C(1800000000000)), 50);
	kd_kafka_close(kafka);
	kt_producer_close(producer);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

static void commit_for_group(const char *group, const char *topic, int64_t offset)
{
	char text[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set(conf, "bootstrap.servers", kt_env("KD_TEST_KAFKA"), text, sizeof text);
	rd_kafka_conf_set(conf, "group.id", group, text, sizeof text);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	kt_check(rk, "%s", text);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, 0)->offset = offset;
	const rd_kafka_resp_err_t native = rd_kafka_commit(rk, list, 0);
	kt_check(!native, "could not commit: %s", rd_kafka_err2str(native));
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_destroy(rk);
}

Test(offsets, reads_a_groups_committed_offsets, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("group");
	kt_topic_create(admin, topic, 2, NULL);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	kt_produce_many(producer, topic, 0, 50, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	commit_for_group(topic, topic, 17);
	kd_kafka *kafka = open_kafka("read_committed");
	kd_offsets rows[] = {{.topic = topic, .partition = 0}, {.topic = topic, .partition = 1}};
	kd_error err = {0};
	cr_assert_eq(kd_kafka_group_offsets(kafka, topic, rows, 2, MS, &err), KD_OK, "%s", err.message);
	cr_assert_eq(rows[0].group, 17);
	cr_assert_eq(rows[1].group, -1);
	kd_kafka_close(kafka);
	kt_producer_close(producer);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

Test(offsets, lists_topics_and_refuses_one_that_does_not_exist, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("list");
	kt_topic_create(admin, topic, 3, NULL);
	kd_kafka *kafka = open_kafka("read_committed");
	kd_topic *topics = NULL;
	size_t n = 0;
	kd_error err = {0};
	const char *names[] = {topic, "no-such-topic"};
	cr_assert_eq(kd_kafka_topics(kafka, names, 1, MS, &topics, &n, &err), KD_OK, "%s", err.message);
	cr_assert_eq(n, 1);
	cr_assert_str_eq(topics[0].name, topic);
	cr_assert_eq(topics[0].partitions, 3);
	kd_topics_free(topics, n);
	cr_assert_eq(kd_kafka_topics(kafka, names, 2, MS, &topics, &n, &err), KD_EBROKER);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_not_null(strstr(err.message, "\"no-such-topic\""), "%s", err.message);
	kd_error_clear(&err);
	cr_assert_eq(kd_kafka_topics(kafka, NULL, 0, MS, &topics, &n, &err), KD_OK, "%s", err.message);
	int found = 0;
	for (size_t i = 0; i < n; i++) {
		found += strcmp(topics[i].name, topic) == 0;
		cr_assert_neq(strcmp(topics[i].name, "__consumer_offsets"), 0);
	}
	cr_assert_eq(found, 1);
	kd_topics_free(topics, n);
	cr_assert_gt(strlen(kd_kafka_cluster_id(kafka)), 10);
	kd_kafka_close(kafka);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}

Test(offsets, says_why_no_broker_could_be_reached, .timeout = 60)
{
	const char *const names[] = {"bootstrap.servers"}, *const values[] = {"127.0.0.1:1"};
	kd_kafka *kafka = NULL;
	kd_error err = {0};
	const int64_t start_ms = kt_now_ms();
	cr_assert_eq(kd_kafka_open(names, values, 1, NULL, 1000, &kafka, &err), KD_EBROKER);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert_lt(kt_now_ms() - start_ms, 5000);
	cr_assert_not_null(strstr(err.message, "127.0.0.1:1"), "%s", err.message);
	const char *const wrong[] = {"no.such.property"};
	kd_error_clear(&err);
	cr_assert_eq(kd_kafka_open(wrong, values, 1, NULL, 1000, &kafka, &err), KD_ECONFIG);
	cr_assert_not_null(strstr(err.message, "kafka.no.such.property"), "%s", err.message);
}

typedef struct counter {
	int64_t n, last, end_at;
} counter;

static bool count(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	counter *c = opaque;
	(void) timestamp_ms, (void) key, (void) key_size, (void) value, (void) value_size;
	cr_assert_gt(offset, c->last);
	c->last = offset;
	return ++c->n != c->end_at;
}

Test(offsets, scans_a_range_over_markers_and_ends_early_on_request, .timeout = 60)
{
	kt_admin *admin = kt_admin_open(NULL);
	char *topic = kt_own_name("scan");
	kt_topic_create(admin, topic, 1, NULL);
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", topic, NULL);
	for (int i = 0; i < 4; i++) {
		kt_txn_begin(producer);
		kt_produce_many(producer, topic, 0, 50, kt_fill_numbers, NULL);
		if (i % 2)
			kt_txn_abort(producer);
		else
			kt_txn_commit(producer);
	}
	kd_kafka *kafka = open_kafka("read_committed");
	kt_await(is_stable, &(stable_at) {kafka, topic, 204}, MS, "the last marker");
	kd_error err = {0};
	counter whole = {.last = -1}, part = {.last = -1}, early = {.last = -1, .end_at = 5}, lost = {.last = -1};
	cr_assert_eq(kd_kafka_scan(kafka, topic, 0, 0, 204, count, &whole, MS, &err), KD_OK, "%s", err.message);
	cr_assert_eq(whole.n, 100);
	cr_assert_eq(kd_kafka_scan(kafka, topic, 0, 40, 110, count, &part, MS, &err), KD_OK, "%s", err.message);
	cr_assert_eq(part.n, 10 + 8);
	cr_assert_eq(kd_kafka_scan(kafka, topic, 0, 0, 204, count, &early, MS, &err), KD_OK, "%s", err.message);
	cr_assert_eq(early.n, 5);
	kt_records_delete(admin, topic, 0, 100);
	cr_assert_eq(kd_kafka_scan(kafka, topic, 0, 0, 204, count, &lost, MS, &err), KD_ELOSS, "%s", err.message);
	kd_kafka_close(kafka);
	kt_producer_close(producer);
	kt_topic_delete(admin, topic);
	kt_admin_close(admin);
	free(topic);
}
