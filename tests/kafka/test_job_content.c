/* SPDX-License-Identifier: Apache-2.0 */
/* The whole job on a real broker: Kafka as it is.  Transactions, compaction, compression, null and empty, headers, big
 * records: what lands is what the oracle reads. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "tmpdir.h"
#include "wait.h"

static const char position[] = "select sum(committed_until) from @position";

static int64_t high_of(kt_job *job, int partition)
{
	int64_t low, high;

	kt_topic_watermarks(job->admin, job->topic, partition, &low, &high);
	return high;
}

typedef struct high_at {
	kt_job *job;
	int64_t offset;
} high_at;

static bool is_high(void *opaque)
{
	const high_at *wanted = opaque;

	return high_of(wanted->job, 0) == wanted->offset;
}

/* A transaction's end is answered before its marker is in the log. */
static void await_high(kt_job *job, int64_t offset)
{
	kt_await(is_high, &(high_at) {job, offset}, 20000, "the last marker");
}

static void transaction(kt_producer *producer, const char *topic, int64_t n, bool commit)
{
	kt_txn_begin(producer);
	kt_produce_many(producer, topic, 0, n, kt_fill_numbers, NULL);
	if (commit)
		kt_txn_commit(producer);
	else
		kt_txn_abort(producer);
}

Test(job, lands_nothing_of_aborted_transactions_and_goes_past_them, .timeout = 120)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;
		kt_producer *producer;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		producer = kt_producer_open(NULL, "transactional.id", job.topic, NULL);
		transaction(producer, job.topic, 100, true);
		transaction(producer, job.topic, 300, false);
		transaction(producer, job.topic, 50, true);
		for (int i = 0; i < 20; i++)
			transaction(producer, job.topic, 1, false);
		kt_producer_close(producer);
		await_high(&job, 100 + 300 + 50 + 20 + 23);
		/* Ranges of 7 offsets: many hold nothing but aborted records and markers. */
		kt_job_catch_up(&job, "batch.max_records_per_batch=7");
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 150);
		cr_assert_eq(kt_store_int(&job.store, position), high_of(&job, 0));
		cr_assert_gt(kt_store_int(&job.store, "select count(*) from @batch_partition where rows = 0"), 40);
		kt_judge_clean(&job.store, "t", job.topic);
		kt_job_close(&job);
	}
}

static char *job_text(const kt_job *job)
{
	return kt_read_file(job->path);
}

static bool shows_blocked(void *opaque)
{
	return kt_embedded_progress(opaque).blocked == 80;
}

Test(job, stops_at_an_open_transaction_and_says_so, .timeout = 120)
{
	kt_job job;
	kt_producer *open;
	kt_embedded *embedded;
	char *text;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	open = kt_producer_open(NULL, "transactional.id", job.topic, NULL);
	kt_txn_begin(open);
	kt_produce_many(open, job.topic, 0, 50, kt_fill_numbers, NULL);
	kt_producer_flush(open);
	kt_job_fill(&job, 0, 30);
	kt_job_must_end(kt_job_run(&job, NULL, 60000), 0, "/0 at 100: 80 offsets wait for their end", 60000);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 100);
	cr_assert_eq(kt_store_int(&job.store, position), 100);

	text = job_text(&job);
	embedded = kt_embedded_start(text, &(kd_job_options) {0});
	kt_await(shows_blocked, embedded, 20000, "progress counts what stands behind the open transaction");
	kt_txn_commit(open);
	kt_job_await(&job, 180, 20000, "select count(*) from t");
	kt_embedded_free(embedded);
	kt_producer_close(open);
	kt_judge_clean(&job.store, "t", job.topic);
	free(text);
	kt_job_close(&job);
}

Test(job, reads_uncommitted_records_where_it_is_asked_to, .timeout = 120)
{
	kt_job job;
	kt_producer *producer;

	kt_job_open(&job, KT_SQLITE, 1);
	producer = kt_producer_open(NULL, "transactional.id", job.topic, NULL);
	transaction(producer, job.topic, 100, false);
	kt_txn_begin(producer);
	kt_produce_many(producer, job.topic, 0, 20, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_job_catch_up(&job, "kafka.isolation.level=read_uncommitted");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 120);
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_producer_close(producer);
	kt_job_close(&job);
}

/* ---- compaction ---- */

static void fill_ten_keys(void *opaque, int64_t i, kt_message *message)
{
	(void) opaque;
	message->key_size = (size_t) snprintf(message->key_space, sizeof(message->key_space), "k%" PRId64, i % 10);
	message->key = message->key_space;
	message->value_size = (size_t) snprintf(message->value_space, sizeof(message->value_space), "%" PRId64, i);
	message->value = message->value_space;
}

static bool was_compacted(void *opaque)
{
	kt_oracle oracle = kt_oracle_read(NULL, opaque, true);
	size_t n = oracle.n;

	kt_oracle_done(&oracle);
	return n < 300;
}

Test(job, goes_over_the_holes_of_a_compacted_log, .timeout = 180)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 0);
	kt_topic_create(job.admin, job.topic, 1, "cleanup.policy", "compact", "segment.ms", "200",
		"min.cleanable.dirty.ratio", "0.01", "max.compaction.lag.ms", "500", NULL);
	for (int i = 0; i < 6; i++) {
		kt_producer *producer = kt_producer_open(NULL, "batch.num.messages", "50", NULL);
		int64_t later_ms = kt_now_ms() + 250;

		kt_produce_many(producer, job.topic, 0, 500, fill_ten_keys, NULL);
		kt_producer_flush(producer);
		kt_producer_close(producer);
		while (kt_now_ms() < later_ms)
			kt_pause();
	}
	kt_job_fill(&job, 0, 1);
	kt_await(was_compacted, job.topic, 60000, "compaction");
	kt_job_catch_up(&job, "batch.max_records_per_batch=70");
	cr_assert_lt(kt_store_int(&job.store, "select count(*) from t"), 300);
	cr_assert_eq(kt_store_int(&job.store, position), 3001);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

/* ---- bytes ---- */

Test(job, lands_every_compression, .timeout = 120)
{
	static const char *const compressions[] = {"gzip", "snappy", "lz4", "zstd"};
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 2);
	for (size_t i = 0; i < 4; i++) {
		kt_producer *producer = kt_producer_open(NULL, "compression.type", compressions[i], NULL);

		kt_produce_many(producer, job.topic, KT_ANY_PARTITION, 5000, kt_fill_numbers, NULL);
		kt_producer_flush(producer);
		kt_producer_close(producer);
	}
	kt_job_catch_up(&job, "batch.max_records_per_batch=900");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 20000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}

static void odd_records(kt_job *job)
{
	static const char *const headers[] = {"a", "1", "b", "", "a", "\303\244", NULL};
	static const char bytes[] = {0, 1, (char) 0xff, (char) 0xfe, '\n', '\\', 0};
	const kt_message messages[] = {
		{.key = NULL, .value = "v", .value_size = 1},
		{.key = "", .value = "v", .value_size = 1},
		{.key = "k", .key_size = 1, .value = NULL},
		{.key = "k", .key_size = 1, .value = ""},
		{.key = bytes, .key_size = sizeof(bytes), .value = bytes, .value_size = sizeof(bytes)},
		{.key = "k", .key_size = 1, .value = "v", .value_size = 1, .headers = headers, .timestamp_ms = 1700000000123},
	};
	kt_producer *producer = kt_producer_open(NULL, NULL);

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		kt_produce(producer, job->topic, 0, &messages[i]);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

Test(job, tells_null_from_empty_and_keeps_bytes_headers_and_time, .timeout = 120)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		odd_records(&job);
		kt_job_catch_up(&job, NULL);
		kt_judge_clean(&job.store, "t", job.topic);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where key is null"), 1);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where value is null"), 1);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where length(value) = 0"), 1);
		cr_assert_eq(kt_store_int(&job.store, kind == KT_POSTGRES
			? "select count(*) from t where kafka_offset = 5 and kafka_timestamp = '2023-11-14 22:13:20.123+00' and headers ="
			  " '[{\"name\": \"a\", \"text\": \"1\"}, {\"name\": \"b\", \"text\": \"\"},"
			  "  {\"name\": \"a\", \"text\": \"\303\244\"}]'"
			: "select count(*) from t where kafka_offset = 5 and julianday(kafka_timestamp) ="
			  "  julianday('2023-11-14 22:13:20.123') and json_array_length(headers) = 3"
			  " and headers ->> '$[0].name' = 'a' and headers ->> '$[1].text' = '' and headers ->> '$[2].text' = '\303\244'"),
			1);
		kt_job_close(&job);
	}
}

enum { BIG = 10 << 20 };

static void big_records(kt_job *job, int n)
{
	kt_producer *producer = kt_producer_open(NULL, "message.max.bytes", "20971520", NULL);
	char *value = malloc(BIG);

	kt_check(value, "no memory");
	for (int i = 0; i < n; i++) {
		memset(value, 'a' + i, BIG);
		kt_produce(producer, job->topic, 0, &(kt_message) {.key = "k", .key_size = 1, .value = value, .value_size = BIG});
		kt_producer_flush(producer);
	}
	free(value);
	kt_producer_close(producer);
}

Test(job, lands_records_of_10_mb, .timeout = 180)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		kt_job_fill(&job, 0, 100);
		big_records(&job, 5);
		kt_job_fill(&job, 0, 100);
		kt_job_must_end(kt_job_start(&job, NULL, "--until-latest", "--set", "kafka.fetch.message.max.bytes=20971520", "-X",
					"fetch.max.bytes=20971520", NULL), 0, NULL, 60000);
		kt_judge_clean(&job.store, "t", job.topic);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where length(value) = %d", BIG), 5);
		kt_job_close(&job);
	}
}

/* ---- poison (F31) ---- */

enum { HEADERS = 10000, LARGE = 3 << 20, LARGEST = (20 << 20) - 1024 /* what the broker takes, with what is around it */ };

/* A JSON document of so many bytes: {"a": "xxx...x"}. */
static void produce_large(kt_job *job, size_t size)
{
	kt_producer *producer = kt_producer_open(NULL, "message.max.bytes", "20971520", NULL);
	char *value = malloc(size);

	kt_check(value, "no memory");
	memset(value, 'x', size);
	memcpy(value, "{\"a\": \"", 7);
	memcpy(value + size - 2, "\"}", 2);
	kt_produce(producer, job->topic, 0, &(kt_message) {.key = "k", .key_size = 1, .value = value, .value_size = size});
	kt_producer_flush(producer);
	free(value);
	kt_producer_close(producer);
}

static void produce_many_headers(kt_job *job)
{
	static const char *headers[2 * HEADERS + 1];
	kt_producer *producer = kt_producer_open(NULL, NULL);
	const char value[] = "{\"a\": \"headers\"}";

	for (int i = 0; i < HEADERS; i++) {
		headers[2 * i] = "name";
		headers[2 * i + 1] = "text";
	}
	kt_produce(producer, job->topic, 0, &(kt_message) {.key = "k", .key_size = 1, .value = value,
		.value_size = sizeof(value) - 1, .headers = headers});
	kt_produce_text(producer, job->topic, 0, "k", "{\"a\": \"after\"}");
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static void open_poisoned(kt_job *job, size_t size)
{
	kt_job_open(job, KT_POSTGRES, 1);
	produce_large(job, size);
	produce_many_headers(job);
}

/* F31: by a job that says nothing of sizes. */
Test(job, lands_a_record_as_large_as_the_broker_takes_and_one_of_ten_thousand_headers, .timeout = 180)
{
	kt_job raw, fields;

	open_poisoned(&raw, LARGEST);
	kt_job_must_end(kt_job_start(&raw, NULL, "--until-latest", NULL), 0, NULL, 60000);
	kt_judge_clean(&raw.store, "t", raw.topic);
	cr_assert_eq(kt_store_int(&raw.store, "select length(value) from t where kafka_offset = 0"), LARGEST);
	cr_assert_eq(kt_store_int(&raw.store, "select jsonb_array_length(headers) from t where kafka_offset = 1"), HEADERS);
	kt_job_close(&raw);

	open_poisoned(&fields, LARGEST);
	kt_store_exec(&fields.store, "create table t (a text, kafka_offset bigint, kafka_headers jsonb)");
	kt_job_must_end(kt_job_start(&fields, NULL, "--until-latest", NULL), 0, NULL, 60000);
	cr_assert_eq(kt_store_int(&fields.store, "select count(distinct kafka_offset) * 10 + count(*) from t"), 33);
	cr_assert_eq(kt_store_int(&fields.store, "select length(a) from t where kafka_offset = 0"), LARGEST - 9);
	cr_assert_eq(kt_store_int(&fields.store, "select jsonb_array_length(kafka_headers) from t where a = 'headers'"), HEADERS);
	kt_job_close(&fields);
}

/* F31: one that the job's own limit keeps out stops it, with its place and the key to set. */
Test(job, a_record_beyond_the_jobs_own_limit_stops_it_with_its_place_and_the_way_out, .timeout = 180)
{
	kt_job job;

	open_poisoned(&job, LARGE);
	kt_process *process = kt_job_start(&job, NULL, "--until-latest", "--set", "kafka.receive.message.max.bytes=1100000",
		"--set", "kafka.fetch.max.bytes=1000000", NULL);
	int code = kt_process_wait(process, 120000);
	cr_assert_eq(code, 1, "%d: %s", code, kt_process_stderr(process));
	char *place = kt_format("%s/0@0", job.topic);
	cr_assert(strstr(kt_process_stderr(process), place), "%s", kt_process_stderr(process));
	cr_assert(strstr(kt_process_stderr(process), "than kafka.receive.message.max.bytes: set that to more"), "%s",
		kt_process_stderr(process));
	free(place);
	kt_process_free(process);
	kt_job_must_end(kt_job_start(&job, NULL, "--until-latest", NULL), 0, NULL, 60000);
	kt_judge_clean(&job.store, "t", job.topic);
	kt_job_close(&job);
}
