/* SPDX-License-Identifier: Apache-2.0 */
/* The independent reader: see oracle.h. */
#include "oracle.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "wait.h"

#define TIMEOUT_MS 60000 /* without any progress */

static uint64_t hash(uint64_t state, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < size; i++)
		state = (state ^ at[i]) * UINT64_C(0x100000001b3);
	return state;
}

/* FNV-1a over a mark for null, the size and the bytes of each part. */
uint64_t kt_checksum(const void *key, size_t key_size, const void *value, size_t value_size)
{
	uint64_t sizes[2] = {key ? key_size : UINT64_MAX, value ? value_size : UINT64_MAX};
	uint64_t state = hash(UINT64_C(0xcbf29ce484222325), sizes, sizeof(sizes));

	return hash(hash(state, key, key ? key_size : 0), value, value ? value_size : 0);
}

static rd_kafka_t *open_consumer(const char *bootstrap, bool committed)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	const char *const settings[][2] = {
		{"bootstrap.servers", bootstrap ? bootstrap : kt_env("KD_TEST_KAFKA")},
		{"group.id", "oracle"},
		{"enable.auto.commit", "false"},
		{"enable.partition.eof", "true"},
		{"auto.offset.reset", "error"},
		{"isolation.level", committed ? "read_committed" : "read_uncommitted"},
		{"message.max.bytes", "20971520"},
		{"fetch.message.max.bytes", "20971520"},
		{"log_level", "2"},
	};
	char reason[512];
	rd_kafka_t *consumer;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		kt_check(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], reason, sizeof(reason)) ==
				 RD_KAFKA_CONF_OK,
			"%s", reason);
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof(reason));
	kt_check(consumer, "could not make a consumer: %s", reason);
	rd_kafka_poll_set_consumer(consumer);
	return consumer;
}

/* Assigns all partitions at their beginning; returns how many there are. */
static int assign_all(rd_kafka_t *consumer, const char *topic)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(consumer, topic, NULL);
	const struct rd_kafka_metadata *all;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
	rd_kafka_resp_err_t code = rd_kafka_metadata(consumer, 0, rkt, &all, TIMEOUT_MS);
	int n;

	kt_check(!code && !all->topics[0].err, "could not look at \"%s\": %s", topic,
		rd_kafka_err2str(code ? code : all->topics[0].err));
	n = all->topics[0].partition_cnt;
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, topic, all->topics[0].partitions[i].id)->offset =
			RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_metadata_destroy(all);
	rd_kafka_topic_destroy(rkt);
	code = rd_kafka_assign(consumer, list);
	kt_check(!code, "could not assign \"%s\": %s", topic, rd_kafka_err2str(code));
	rd_kafka_topic_partition_list_destroy(list);
	return n;
}

static void hand_out(const rd_kafka_message_t *message, kt_oracle_fn *fn, void *opaque)
{
	kt_oracle_record record = {
		.partition = message->partition,
		.offset = message->offset,
		.timestamp_ms = rd_kafka_message_timestamp(message, NULL),
		.key = message->key,
		.key_size = message->key_len,
		.value = message->payload,
		.value_size = message->len,
		.message = message,
	};

	fn(opaque, &record);
}

void kt_oracle_each(const char *bootstrap, const char *topic, bool committed, kt_oracle_fn *fn, void *opaque)
{
	rd_kafka_t *consumer = open_consumer(bootstrap, committed);
	int open = assign_all(consumer, topic);
	bool *ended = calloc((size_t) open + 1, sizeof(*ended));
	int64_t deadline = kt_now_ms() + TIMEOUT_MS;

	kt_check(ended, "no memory");
	while (open > 0) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);

		kt_check(message || kt_now_ms() < deadline, "the oracle gets nothing from \"%s\"", topic);
		if (!message)
			continue;
		deadline = kt_now_ms() + TIMEOUT_MS;
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			open -= !ended[message->partition];
			ended[message->partition] = true;
		} else if (!message->err && !ended[message->partition]) {
			hand_out(message, fn, opaque);
		}
		kt_check(message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, "the oracle lost its place in \"%s\"", topic);
		rd_kafka_message_destroy(message);
	}
	free(ended);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
}

static void add_row(void *opaque, const kt_oracle_record *record)
{
	kt_oracle *oracle = opaque;

	if ((oracle->n & (oracle->n - 1)) == 0) {
		size_t capacity = oracle->n ? 2 * oracle->n : 1;
		oracle->rows = realloc(oracle->rows, capacity * sizeof(*oracle->rows));
		kt_check(oracle->rows, "no memory");
	}
	oracle->rows[oracle->n++] = (kt_oracle_row) {record->partition, record->offset,
		kt_checksum(record->key, record->key_size, record->value, record->value_size)};
}

static int by_place(const void *left, const void *right)
{
	const kt_oracle_row *a = left, *b = right;

	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

kt_oracle kt_oracle_read(const char *bootstrap, const char *topic, bool committed)
{
	kt_oracle oracle = {0};

	kt_oracle_each(bootstrap, topic, committed, add_row, &oracle);
	if (oracle.n)
		qsort(oracle.rows, oracle.n, sizeof(*oracle.rows), by_place);
	return oracle;
}

void kt_oracle_done(kt_oracle *oracle)
{
	free(oracle->rows);
	*oracle = (kt_oracle) {0};
}
