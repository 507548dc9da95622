/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that decode and transform, in the test's process, against librdkafka's mock brokers and SQLite: what is kept,
 * changed, dropped and split, what is refused, and rows that depend on tables of the sink, also when their transaction
 * is repeated or larger than the memory. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_store.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

enum { RUN_MS = 40000 };

typedef struct world {
	kt_mock *mock;
	char *dir;
	kt_store store;
} world;

static void open_world(world *w, int partitions, const char *tables)
{
	w->mock = kt_mock_open(1);
	kt_mock_topic(w->mock, "topic", partitions);
	w->dir = kt_tmpdir();
	kt_store_open(&w->store, KT_SQLITE, w->dir);
	kt_store_exec(&w->store, "%s", tables);
}

static void close_world(world *w)
{
	kt_store_close(&w->store);
	kt_mock_close(w->mock);
	kt_tmpdir_remove(w->dir);
}

static void produce(world *w, const char *const *values, size_t n)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(w->mock), NULL);

	for (size_t i = 0; i < n; i++)
		kt_produce_text(producer, "topic", 0, "k", values[i]);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static kt_embedded *start(world *w, const char *more, const char *more_of_sink, const kd_sink_ops *sink,
	const kd_decoder_ops *decoder, const kd_transform_ops *transform)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			       " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\","
			       " \"batch\": {\"interval_ms\": 20, \"max_records_per_batch\": %d}, %s"
			       " \"sink\": {%s, \"table\": \"t\"%s}}",
		kt_mock_bootstrap(w->mock), strstr(more, "memory") ? 100000 : 300, more, w->store.sink, more_of_sink);
	kd_job_options options = {.until_latest = true, .decoder = decoder, .transform = transform};
	kt_embedded *job = kt_embedded_start_with(text, sink ? sink : &kd_sqlite_sink, &options);

	free(text);
	return job;
}

static void run(world *w, const char *more_of_sink, const kd_decoder_ops *decoder, const kd_transform_ops *transform)
{
	kt_embedded *job = start(w, "", more_of_sink, NULL, decoder, transform);

	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
}

static void expect_int(world *w, const char *sql, int64_t expected)
{
	cr_expect_eq(kt_store_int(&w->store, "%s", sql), expected, "%s: %" PRId64 ", not %" PRId64, sql,
		kt_store_int(&w->store, "%s", sql), expected);
}

static void expect_text(world *w, const char *sql, const char *expected)
{
	char *text = kt_store_text(&w->store, "%s", sql);

	cr_expect_str_eq(text, expected, "%s", sql);
	free(text);
}

/* ---- ahead of the transaction ---- */

/* Odd numbers are dropped; the others are told twice over; 5 is refused. */
static kd_code double_even(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value n;
	int64_t number;

	(void) state;
	if (!kd_row_get(row, "n", &n) || !kd_value_int(&n, &number))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "no number n");
	if (number % 2)
		return KD_OK;
	kd_row_set_int(row, "twice", 2 * number);
	kd_row_set_int(row, "p", batch->partition);
	return kd_emit(out, row, err);
}

static const kd_transform_ops doubler = {.abi = KD_TRANSFORM_ABI, .name = "double", .apply = double_even};

static void fill_numbers(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	m->value = m->value_space;
	m->value_size = (size_t) sprintf(m->value_space, "{\"n\":%" PRId64 ",\"note\":\"as it \\u0077as\"}", i);
}

static void fill(world *w, int partition, int64_t n, kt_fill_fn *fn)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(w->mock), NULL);

	kt_produce_many(producer, "topic", partition, n, fn, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

Test(transform, keeps_changes_and_drops_and_the_ledger_counts_it, .timeout = 60)
{
	world w;

	open_world(&w, 2, "create table t(n integer, twice integer, note text, p integer)");
	fill(&w, 0, 1000, fill_numbers);
	fill(&w, 1, 501, fill_numbers);
	for (int i = 0; i < 2; i++) {
		run(&w, "", NULL, &doubler);
		expect_int(&w, "select count(*) from t", 500 + 251);
		expect_int(&w, "select count(*) from t where twice = 2 * n and n % 2 = 0 and note = 'as it was'", 751);
		expect_int(&w, "select count(distinct n) from t where p = 0", 500);
		expect_int(&w, "select sum(records) from @batch_partition", 1501);
		expect_int(&w, "select sum(rows) from @batch_partition", 751);
		expect_int(&w, "select sum(dropped) from @batch_partition", 750);
		expect_int(&w, "select sum(committed_until) from @position", 1501);
	}
	close_world(&w);
}

static kd_code split(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value items, id, item;
	size_t at = 0;
	kd_code code;

	(void) state, (void) batch;
	if (!kd_row_get(row, "items", &items) || !kd_row_get(row, "id", &id))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "an order without id and items");
	kd_row_remove(row, "items");
	code = kd_emit(out, row, err);
	while (code == KD_OK && kd_value_element(&items, &at, &item)) {
		kd_row_clear(row);
		kd_row_set_value(row, "id", &id);
		kd_row_read_object(row, &item);
		kd_row_set_table(row, "items");
		code = kd_emit(out, row, err);
	}
	return code;
}

static const kd_transform_ops splitter = {.abi = KD_TRANSFORM_ABI, .name = "split", .apply = split};
static const char two_tables[] = "create table t(id integer, customer text);"
				 "create table items(id integer, sku text, qty integer)";

Test(transform, splits_a_record_into_rows_of_two_tables_of_one_transaction, .timeout = 60)
{
	static const char *const orders[] = {
		"{\"id\":1,\"customer\":\"a\",\"items\":[{\"sku\":\"x\",\"qty\":2},{\"sku\":\"y\"}]}",
		"{\"id\":2,\"items\":[]}", "{\"items\":[{\"qty\":7}],\"customer\":\"\\u00e9\",\"id\":3}"};
	world w;

	open_world(&w, 1, two_tables);
	produce(&w, orders, 3);
	run(&w, ", \"tables\": [\"items\"]", NULL, &splitter);
	expect_text(&w, "select group_concat(id || coalesce(customer, '-'), ' ') from (select * from t order by id)",
		"1a 2- 3\xC3\xA9");
	expect_text(&w, "select group_concat(id || coalesce(sku, '-') || coalesce(qty, '-'), ' ') from"
			" (select * from items order by id, sku)", "1x2 1y- 3-7");
	expect_int(&w, "select sum(rows) from @batch_partition", 6);
	expect_int(&w, "select sum(records) from @batch_partition", 3);
	close_world(&w);
}

static void expect_refusal(world *w, const kd_decoder_ops *decoder, const kd_transform_ops *transform,
	const char *const *reasons)
{
	kt_embedded *job = start(w, "", "", NULL, decoder, transform);

	cr_expect_eq(kt_embedded_join(job, RUN_MS), KD_ERECORD);
	cr_expect_eq(kd_exit_code(job->code, &job->err), 1);
	for (; *reasons; reasons++)
		cr_expect(strstr(job->err.message, *reasons), "\"%s\" in: %s", *reasons, job->err.message);
	kt_embedded_free(job);
}

Test(transform, refuses_a_record_by_its_place_and_names_the_way_out, .timeout = 60)
{
	static const char *const values[] = {"{\"n\":0}", "{\"n\":2}", "{\"n\":true}", "{\"n\":4}"};
	static const char *const broken[] = {"{\"n\":0}", "{\"n\":2", "{\"n\":4}"};
	world w;

	open_world(&w, 1, "create table t(n integer, twice integer, p integer)");
	produce(&w, values, 4);
	for (int i = 0; i < 2; i++)
		expect_refusal(&w, NULL, &doubler, (const char *[]) {"could not deliver topic/0@2", "no number n",
			"nothing of its batch partition was committed", "skip JOB topic/0@2 --reason TEXT --execute", NULL});
	expect_int(&w, "select count(*) from t", 0);
	close_world(&w);
	open_world(&w, 1, "create table t(n integer, twice integer, p integer)");
	produce(&w, broken, 3);
	expect_refusal(&w, NULL, &doubler, (const char *[]) {"topic/0@1", "not one JSON object", "skip JOB topic/0@1", NULL});
	expect_refusal(&w, &kd_json_decoder, NULL, (const char *[]) {"topic/0@1", "skip JOB topic/0@1", NULL});
	close_world(&w);
}

Test(transform, csv_lands_in_columns_with_and_without_a_transform, .timeout = 60)
{
	static const char *const lines[] = {"1,\"a,b\"", "2,", "4,\"say \"\"hi\"\"\"\r\n"};
	const kd_transform_ops *const transforms[] = {NULL, &doubler};

	for (int i = 0; i < 2; i++) {
		world w;
		kt_embedded *job;

		open_world(&w, 1, "create table t(n integer, note text, twice integer, p integer)");
		produce(&w, lines, 3);
		job = start(&w, "\"decode\": {\"type\": \"csv\", \"columns\": [\"n\", \"note\"]},", "", NULL, &kd_csv_decoder,
			transforms[i]);
		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
		kt_embedded_free(job);
		expect_text(&w, "select group_concat(n || coalesce(note, '-') || coalesce(twice, ''), ' ') from t",
			i ? "2-4 4say \"hi\"8" : "1a,b 2- 4say \"hi\"");
		close_world(&w);
	}
}

Test(transform, a_decoder_or_transform_that_is_not_there_is_a_configuration_error, .timeout = 60)
{
	static const struct {
		const char *keys, *reason;
	} cases[] = {{"\"decode\": {\"type\": \"avro\"}", "there are raw, text, json, csv"},
		{"\"transform\": {\"type\": \"enrich\"}", "transform.type \"enrich\" is no transform of this program"}};

	for (size_t i = 0; i < 2; i++) {
		char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],"
				       " \"sink\": {\"type\": \"null\"}, %s}", cases[i].keys);
		kd_config *config = kd_config_new(&(kd_options){kd_null_sink.options, kd_null_sink.n_options}, 1);
		kd_error err = {0};
		kd_job *job = NULL;

		cr_assert_eq(kd_config_parse(config, text, strlen(text), "job", NULL, NULL, &err), KD_OK, "%s", err.message);
		cr_assert_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "%s", err.message);
		cr_expect_eq(kd_job_new(config, &kd_null_sink, &(kd_job_options) {0}, &job, &err), KD_ECONFIG);
		cr_expect_null(job);
		cr_expect(strstr(err.message, cases[i].reason), "%s", err.message);
		kd_config_free(config);
		free(text);
	}
}

/* ---- within the transaction ---- */

/* The rate that the transaction sees, asked once for every chunk of records. */
typedef struct rate {
	int64_t value, asked;
} rate;

static kd_code open_rate(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) context;
	*ret_state = calloc(1, sizeof(rate));
	return *ret_state ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

static bool read_rate(void *opaque, const char *const *values, size_t n)
{
	((rate *) opaque)->value = n == 1 && values[0] ? strtoll(values[0], NULL, 10) : -1;
	return true;
}

static kd_code look_up_rate(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	static const char *const names[] = {"eur"};
	rate *r = state;

	(void) batch;
	cr_assert(n > 0 && records[n - 1].offset >= records[0].offset);
	r->value = -1;
	r->asked++;
	return kd_tx_query(tx, "select value from rates where name = $1", names, 1, read_rate, r, err);
}

static kd_code apply_rate(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const rate *r = state;
	kd_value n;
	int64_t number;
	kd_header header;

	(void) batch;
	if (!kd_row_get(row, "n", &n) || !kd_value_int(&n, &number))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "no number n");
	if (number % 10 == 3)
		return KD_OK;
	kd_row_set_int(row, "rate", r->value);
	if (kd_record_header(kd_row_record(row), 1, &header))
		kd_row_set_text(row, "note", header.value, header.value_size);
	return kd_emit(out, row, err);
}

static const kd_transform_ops rater = {.abi = KD_TRANSFORM_ABI, .name = "rate", .open = open_rate, .close = free,
	.look_up = look_up_rate, .apply = apply_rate};

static const char rate_tables[] = "create table t(n integer, rate integer, note text);"
				  "create table rates(name text, value integer); insert into rates values ('eur', 7), ('usd', 8)";

static void fill_with_headers(void *opaque, int64_t i, kt_message *m)
{
	static const char *const headers[] = {"first", "1", "note", "from a header", NULL};

	(void) opaque;
	m->value = m->value_space;
	m->value_size = (size_t) sprintf(m->value_space, "{\"n\":%" PRId64 "}", i);
	m->headers = headers;
}

static void expect_rated(world *w, int64_t n)
{
	expect_int(w, "select count(*) from t where rate = 7 and note = 'from a header' and n % 10 <> 3", n / 10 * 9);
	expect_int(w, "select count(*) from t", n / 10 * 9);
	expect_int(w, "select count(distinct n) from t", n / 10 * 9);
	expect_int(w, "select sum(records) from @batch_partition", n);
	expect_int(w, "select sum(rows) from @batch_partition", n / 10 * 9);
	expect_int(w, "select sum(dropped) from @batch_partition", n / 10);
	expect_int(w, "select sum(committed_until) from @position", n);
}

Test(transform, looks_up_in_the_transaction_of_its_rows, .timeout = 60)
{
	world w;

	open_world(&w, 1, rate_tables);
	fill(&w, 0, 2000, fill_with_headers);
	for (int i = 0; i < 2; i++) {
		run(&w, "", NULL, &rater);
		expect_rated(&w, 2000);
	}
	close_world(&w);
}

Test(transform, refuses_a_record_within_the_transaction_by_its_place, .timeout = 60)
{
	static const char *const values[] = {"{\"n\":0}", "{\"n\":13}", "{\"n\":\"x\"}", "{\"n\":4}"};
	world w;

	open_world(&w, 1, rate_tables);
	produce(&w, values, 4);
	expect_refusal(&w, NULL, &rater, (const char *[]) {"could not deliver topic/0@2", "no number n", "skip JOB topic/0@2",
		NULL});
	expect_int(&w, "select count(*) from t", 0);
	close_world(&w);
}

/* SQLite's own functions, but for failures put between: of every third write, and of every third commit. */
static atomic_int writes, commits;

static kd_code failing_write(void *session, const void *bytes, size_t size, kd_error *err)
{
	if (atomic_fetch_add(&writes, 1) % 3 == 2)
		return kd_error_set(err, KD_ESINK, KD_REPLAY, "failed as the test asked");
	return kd_sqlite_sink.write(session, bytes, size, err);
}

static kd_code failing_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability,
	kd_error *err)
{
	if (atomic_fetch_add(&commits, 1) % 3 == 2)
		return kd_error_set(err, KD_ESINK, KD_REPLAY, "failed as the test asked");
	return kd_sqlite_sink.commit(session, result, ret_durability, err);
}

Test(transform, makes_the_same_rows_and_counts_when_the_transaction_is_repeated, .timeout = 60)
{
	kd_sink_ops failing = kd_sqlite_sink;
	const kd_transform_ops *const transforms[] = {&rater, &doubler};

	failing.write = failing_write;
	failing.commit = failing_commit;
	for (int i = 0; i < 2; i++) {
		world w;
		kt_embedded *job;

		open_world(&w, 1, i ? "create table t(n integer, twice integer, p integer)" : rate_tables);
		fill(&w, 0, 2000, fill_with_headers);
		job = start(&w, "", "", &failing, NULL, transforms[i]);
		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
		cr_expect_gt(kt_embedded_progress(job).retries, 2);
		kt_embedded_free(job);
		if (i == 0)
			expect_rated(&w, 2000);
		else
			expect_int(&w, "select count(*) from t where twice = 2 * n", 1000);
		expect_int(&w, "select sum(rows) - (select count(*) from t) from @batch_partition", 0);
		close_world(&w);
	}
}

/* One range of several megabytes and a budget of one: looked up, made and written while it is read. */
Test(transform, looks_up_for_a_range_larger_than_the_memory, .timeout = 60)
{
	enum { MANY = 40000 };
	kd_sink_ops failing = kd_sqlite_sink;
	world w;
	kt_embedded *job;

	failing.commit = failing_commit;
	open_world(&w, 1, rate_tables);
	fill(&w, 0, MANY, fill_with_headers);
	atomic_store(&commits, 2); /* the first one fails: what was streamed is read again */
	job = start(&w, "\"memory_mb\": 1,", "", &failing, NULL, &rater);
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	expect_rated(&w, MANY);
	close_world(&w);
}

/* Rows larger than their records, and once, far into a range of which much was landed already, a failure: a service
 * that the transform asks was away for a moment. */
static atomic_int failures;

static kd_code tell_at_length(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	static const char note[5000] = "at length";

	(void) state, (void) batch;
	if (kd_row_record(row)->offset == 800 && atomic_fetch_add(&failures, 1) == 0)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "away as the test asked");
	kd_row_set_bytes(row, "note", note, sizeof note);
	return kd_emit(out, row, err);
}

static const kd_transform_ops lengthy = {.abi = KD_TRANSFORM_ABI, .name = "lengthy", .apply = tell_at_length};

Test(transform, lands_a_large_range_once_when_reading_it_fails_in_between, .timeout = 60)
{
	enum { MANY = 1000 };
	world w;
	kt_embedded *job;

	open_world(&w, 1, "create table t(n integer, note text)");
	fill(&w, 0, MANY, fill_with_headers);
	job = start(&w, "\"memory_mb\": 1,", "", NULL, NULL, &lengthy);
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	cr_expect_geq(kt_embedded_progress(job).retries, 1);
	kt_embedded_free(job);
	expect_int(&w, "select count(*) from @batch_partition", 1);
	expect_int(&w, "select count(*) from t", MANY);
	expect_int(&w, "select count(distinct n) from t", MANY);
	expect_int(&w, "select sum(rows) from @batch_partition", MANY);
	close_world(&w);
}

Test(transform, that_looks_up_needs_a_sink_with_tables, .timeout = 60)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],"
			       " \"sink\": {\"type\": \"null\"}}");
	kd_config *config = kd_config_new(&(kd_options){kd_null_sink.options, kd_null_sink.n_options}, 1);
	kd_error err = {0};
	kd_job *job = NULL;

	cr_assert_eq(kd_config_parse(config, text, strlen(text), "job", NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_assert_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_eq(kd_job_new(config, &kd_null_sink, &(kd_job_options) {.transform = &rater}, &job, &err), KD_ECONFIG);
	cr_expect(strstr(err.message, "sink \"null\" has none to read"), "%s", err.message);
	kd_config_free(config);
	free(text);
}
