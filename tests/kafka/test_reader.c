/* SPDX-License-Identifier: Apache-2.0 */
/* The reader against a real broker: transactions, compaction, compression, retention, big records, many partitions.
 * What must come is told by an oracle that is a plain consumer (tests/support/oracle.h). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_admin.h"
#include "kafka_producer.h"
#include "oracle.h"
#include "reader_private.h"
#include "reading.h"
#include "tmpdir.h"
#include "wait.h"

typedef struct topic {
	kt_admin *admin;
	char *name;
} topic;

static topic new_topic(int partitions)
{
	topic t = {kt_admin_open(NULL), kt_own_name("reader")};
	kt_topic_create(t.admin, t.name, partitions, NULL);
	return t;
}

static void drop_topic(topic t)
{
	kt_topic_delete(t.admin, t.name);
	kt_admin_close(t.admin);
	free(t.name);
}

static int64_t high_of(topic t, int partition)
{
	int64_t low, high;
	kt_topic_watermarks(t.admin, t.name, partition, &low, &high);
	return high;
}

typedef struct high_at {
	topic t;
	int64_t offset;
} high_at;

static bool is_high(void *opaque)
{
	const high_at *wanted = opaque;
	return high_of(wanted->t, 0) == wanted->offset;
}

/* A transaction's end is answered before its marker is in the log. */
static void await_high(topic t, int64_t offset)
{
	kt_await(is_high, &(high_at) {t, offset}, 20000, "the last marker");
}

static void produce(topic t, int64_t n, const char *compression)
{
	kt_producer *producer = kt_producer_open(NULL, "compression.type", compression, "linger.ms", "5", NULL);
	kt_produce_many(producer, t.name, 0, n, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

/* Reads partition 0 up to `until` in steps; what came must be what the oracle found. */
static void compare_with_oracle(topic t, int64_t until, int64_t step)
{
	kt_oracle oracle = kt_oracle_read(NULL, t.name, true);
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	size_t seen = 0;
	for (int64_t from = 0; from < until; from += step) {
		kt_reading_range(reading, slot, from, from + step < until ? from + step : until, NULL);
		for (size_t i = 0; i < reading->n; i++, seen++) {
			cr_assert_lt(seen, oracle.n, "offset %" PRId64 " is not in the log", reading->offsets[i]);
			cr_assert_eq(reading->offsets[i], oracle.rows[seen].offset);
		}
	}
	cr_assert_eq(seen, oracle.n, "%zu of %zu with ranges of %" PRId64, seen, oracle.n, step);
	kt_reading_close(reading);
	kt_oracle_done(&oracle);
}

static const int64_t steps[] = {7, 100, 100000};

Test(reader, skips_aborted_records_and_markers_in_ranges_of_any_size, .timeout = 120)
{
	topic t = new_topic(1);
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", t.name, NULL);
	for (int i = 0; i < 12; i++) {
		kt_txn_begin(producer);
		kt_produce_many(producer, t.name, 0, 10 + 20 * (i % 4), kt_fill_numbers, NULL);
		if (i % 3 == 1)
			kt_txn_abort(producer);
		else
			kt_txn_commit(producer);
	}
	kt_producer_close(producer);
	await_high(t, 3 * (10 + 30 + 50 + 70) + 12);
	for (size_t i = 0; i < 3; i++)
		compare_with_oracle(t, high_of(t, 0), steps[i]);
	drop_topic(t);
}

Test(reader, ends_a_range_that_holds_nothing_but_aborted_records_and_markers, .timeout = 60)
{
	topic t = new_topic(1);
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", t.name, NULL);
	for (int i = 0; i < 5; i++) {
		kt_txn_begin(producer);
		kt_produce_many(producer, t.name, 0, 20, kt_fill_numbers, NULL);
		kt_txn_abort(producer);
	}
	kt_producer_close(producer);
	const int64_t until = 5 * (20 + 1);
	await_high(t, until);
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	for (int64_t from = 0; from < until; from += 5)
		cr_assert_eq(kt_reading_range(reading, slot, from, from + 5, NULL), 0);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, reads_up_to_an_open_transaction_and_on_when_it_is_committed, .timeout = 60)
{
	topic t = new_topic(1);
	produce(t, 50, "none");
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", t.name, NULL);
	kt_txn_begin(producer);
	kt_produce_many(producer, t.name, 0, 30, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 0, 50, NULL), 50);
	kt_reading_begin(reading, slot, 50, 81);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(kt_reading_poll(reading, slot, 100, &err), KD_OK);
		cr_assert_eq(reading->status.delivered, 0);
		cr_assert_not(reading->status.complete);
		cr_assert_eq(kd_reader_wait(reading->reader, 20, &err), KD_OK);
	}
	kt_txn_commit(producer);
	cr_assert_eq(kt_reading_range(reading, slot, 50, 81, NULL), 30);
	kt_producer_close(producer);
	kt_reading_close(reading);
	drop_topic(t);
}

static bool was_compacted(void *opaque)
{
	topic *t = opaque;
	kt_oracle oracle = kt_oracle_read(NULL, t->name, true);
	const size_t n = oracle.n;
	kt_oracle_done(&oracle);
	return n < 300;
}

static void fill_ten_keys(void *opaque, int64_t i, kt_message *message)
{
	(void) opaque;
	message->key_size = (size_t) snprintf(message->key_space, sizeof message->key_space, "k%" PRId64, i % 10);
	message->key = message->key_space;
	message->value_size = (size_t) snprintf(message->value_space, sizeof message->value_space, "%" PRId64, i);
	message->value = message->value_space;
}

Test(reader, reads_over_the_holes_of_a_compacted_log, .timeout = 120)
{
	topic t = {kt_admin_open(NULL), kt_own_name("compacted")};
	kt_topic_create(t.admin, t.name, 1, "cleanup.policy", "compact", "segment.ms", "200", "min.cleanable.dirty.ratio",
		"0.01", "max.compaction.lag.ms", "500", NULL);
	for (int i = 0; i < 6; i++) {
		kt_producer *producer = kt_producer_open(NULL, "batch.num.messages", "50", NULL);
		kt_produce_many(producer, t.name, 0, 500, fill_ten_keys, NULL);
		kt_producer_flush(producer);
		kt_producer_close(producer);
		const int64_t later_ms = kt_now_ms() + 250;
		while (kt_now_ms() < later_ms)
			kt_pause();
	}
	produce(t, 1, "none");
	kt_await(was_compacted, &t, 60000, "compaction");
	for (size_t i = 0; i < 3; i++)
		compare_with_oracle(t, high_of(t, 0), steps[i]);
	drop_topic(t);
}

Test(reader, reads_every_compression, .timeout = 60)
{
	const char *const compressions[] = {"gzip", "snappy", "lz4", "zstd"};
	topic t = new_topic(1);
	for (size_t i = 0; i < 4; i++)
		produce(t, 1000, compressions[i]);
	cr_assert_eq(high_of(t, 0), 4000);
	compare_with_oracle(t, 4000, 300);
	drop_topic(t);
}

typedef struct seen {
	int null_keys, empty_keys, null_values, empty_values, headers;
	uint64_t sum;
} seen;

static void look_at_headers(seen *s, const kd_record *record)
{
	kd_header header;
	for (size_t i = 0; kd_record_header(record, i, &header); i++) {
		const char *const names[] = {"a", "b", "a"}, *const values[] = {"1", "", "2"};
		cr_assert_lt(i, 3);
		cr_assert_str_eq(header.name, names[i]);
		cr_assert_eq(header.value_size, strlen(values[i]));
		cr_assert_eq(memcmp(header.value, values[i], header.value_size), 0);
		s->headers++;
	}
}

static kd_code look(void *opaque, const kd_record *record, kd_error *err)
{
	seen *s = opaque;
	(void) err;
	s->null_keys += record->key == NULL;
	s->empty_keys += record->key && record->key_size == 0;
	s->null_values += record->value == NULL;
	s->empty_values += record->value && record->value_size == 0;
	s->sum += kt_checksum(record->key, record->key_size, record->value, record->value_size);
	cr_assert_gt(record->timestamp_ms, INT64_C(1500000000000));
	look_at_headers(s, record);
	return KD_OK;
}

Test(reader, tells_null_from_empty_and_hands_out_headers_in_order, .timeout = 60)
{
	const char *const headers[] = {"a", "1", "b", "", "a", "2", NULL};
	const kt_message messages[] = {
		{.key = NULL, .value = "v", .value_size = 1},
		{.key = "", .value = "v", .value_size = 1},
		{.key = "k", .key_size = 1, .value = NULL},
		{.key = "k", .key_size = 1, .value = ""},
		{.key = "k", .key_size = 1, .value = "v", .value_size = 1, .headers = headers},
	};
	topic t = new_topic(1);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	for (size_t i = 0; i < 5; i++)
		kt_produce(producer, t.name, 0, &messages[i]);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	seen s = {0};
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	reading->also = look;
	reading->opaque = &s;
	cr_assert_eq(kt_reading_range(reading, kt_reading_add(reading, t.name, 0, 0), 0, 5, NULL), 5);
	cr_assert_eq(s.null_keys, 1);
	cr_assert_eq(s.empty_keys, 1);
	cr_assert_eq(s.null_values, 1);
	cr_assert_eq(s.empty_values, 1);
	cr_assert_eq(s.headers, 3);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, names_the_log_start_when_retention_took_what_was_due, .timeout = 60)
{
	topic t = new_topic(1);
	produce(t, 1000, "none");
	kt_records_delete(t.admin, t.name, 0, 600);
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 100);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 100, 800, &err), -1);
	cr_assert_eq(err.code, KD_ELOSS, "%s", err.message);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(reading->status.log_start, 600);
	cr_assert_eq(reading->n, 0);
	/* With a recorded gap the same slot goes on from there. */
	cr_assert_eq(kt_reading_range(reading, slot, 600, 800, NULL), 200);
	cr_assert_eq(reading->status.log_start, 600);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, notices_retention_that_overtakes_it_while_it_reads, .timeout = 60)
{
	topic t = new_topic(1);
	produce(t, 20000, "none");
	kt_reading *reading = kt_reading_open(NULL, 1, "queued.min.messages", "10", "fetch.message.max.bytes",
		"1000", NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	cr_assert_eq(kt_reading_range(reading, slot, 0, 10, NULL), 10);
	kt_records_delete(t.admin, t.name, 0, 20000);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 10, 20000, &err), -1);
	cr_assert_eq(err.code, KD_ELOSS, "%s", err.message);
	cr_assert_eq(reading->status.log_start, 20000);
	/* What came before the loss is without a hole. */
	for (size_t i = 0; i < reading->n; i++)
		cr_assert_eq(reading->offsets[i], 10 + (int64_t) i);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, calls_a_position_beyond_the_end_another_log, .timeout = 60)
{
	topic t = new_topic(1);
	produce(t, 100, "none");
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 5000);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 5000, 6000, &err), -1);
	cr_assert_eq(err.code, KD_ELOSS);
	cr_assert_not_null(strstr(err.message, "ends at 100"), "%s", err.message);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, calls_a_topic_that_was_deleted_a_loss, .timeout = 90)
{
	topic t = new_topic(1);
	produce(t, 100, "none");
	kt_reading *reading = kt_reading_open(NULL, 1, "topic.metadata.refresh.interval.ms", "500", NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	cr_assert_eq(kt_reading_range(reading, slot, 0, 100, NULL), 100);
	drop_topic(t);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 100, 200, &err), -1);
	cr_assert_eq(err.code, KD_ELOSS, "%s", err.message);
	kt_reading_close(reading);
}

Test(reader, reads_records_of_ten_megabytes, .timeout = 60)
{
	enum { SIZE = 10 * 1000 * 1000 };
	char *big = malloc(SIZE);
	kt_check(big, "no memory");
	memset(big, 'x', SIZE);
	topic t = {kt_admin_open(NULL), kt_own_name("big")};
	kt_topic_create(t.admin, t.name, 1, "max.message.bytes", "12000000", NULL);
	kt_producer *producer = kt_producer_open(NULL, "message.max.bytes", "12000000", NULL);
	for (int i = 0; i < 5; i++)
		kt_produce(producer, t.name, 0, &(kt_message) {.value = big, .value_size = i % 2 ? 5 : SIZE});
	kt_producer_flush(producer);
	kt_producer_close(producer);
	free(big);
	compare_with_oracle(t, 5, 2);
	drop_topic(t);
}

static int64_t add_slots(kt_reading *reading, const char *name, int n, int *slots)
{
	for (int p = 0; p < n; p++)
		slots[p] = kt_reading_add(reading, name, p, 0);
	int64_t records = 0;
	for (int p = 0; p < n; p++)
		records += kt_reading_range(reading, slots[p], 0, 20, NULL);
	return records;
}

Test(reader, reads_a_thousand_partitions, .timeout = 240)
{
	enum { N = 1000 };
	int slots[N];
	topic t = new_topic(N);
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "20", NULL);
	for (int p = 0; p < N; p++)
		kt_produce_many(producer, t.name, p, 20, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	kt_reading *reading = kt_reading_open(NULL, N, NULL);
	cr_assert_eq(add_slots(reading, t.name, N, slots), 20 * N);
	for (int p = 0; p < N; p += 2)
		kd_reader_remove(reading->reader, slots[p]);
	kt_reading_close(reading);
	drop_topic(t);
}

Test(reader, goes_back_and_forth_without_a_stale_record, .timeout = 60)
{
	topic t = new_topic(1);
	produce(t, 20000, "lz4");
	kt_reading *reading = kt_reading_open(NULL, 1, NULL);
	const int slot = kt_reading_add(reading, t.name, 0, 0);
	unsigned seed = 4711;
	for (int i = 0; i < 60; i++) {
		const int64_t from = rand_r(&seed) % 19000;
		cr_assert_eq(kt_reading_range(reading, slot, from, from + 1000, NULL), 1000, "round %d", i);
	}
	cr_assert_eq(kt_reading_range(reading, slot, 19999, 20000, NULL), 1);
	kt_reading_close(reading);
	drop_topic(t);
}
