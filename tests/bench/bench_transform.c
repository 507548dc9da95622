// SPDX-License-Identifier: Apache-2.0
// What a transform costs: one of 20 lines of C (reads two fields, sets one, drops one record in ten) over JSON orders on
// their way into a typed PostgreSQL table, against the built-in path of the same records into the same encoder, in turn,
// in one run.  CPU of the thread that makes rows; the transform may use up to 0.3 us a record.
// Environment: KD_BENCH_RECORDS (default 1000000), KD_BENCH_ROUNDS (default 9).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/check.h"
#include "../support/measure.h"
#include "../support/pg_fixture.h"
#include "../support/tmpdir.h"
#include "kdirect/sinks.h"
#include "pipeline.h"

enum { ORDERS = 10000, MOST_ROUNDS = 25 };

// ---- the transform ----

static kd_code redact(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value qty, sku;
	int64_t n;
	(void) state, (void) batch;
	if (!kd_row_get(row, "qty", &qty) || !kd_value_int(&qty, &n) || !kd_row_get(row, "sku", &sku))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "an order without qty and sku");
	if (n == 10)
		return KD_OK; // dropped
	kd_row_set_text(row, "note", "****", 4);
	return kd_emit(out, row, err);
}

static const kd_transform_ops transform = {.abi = KD_TRANSFORM_ABI, .name = "redact", .apply = redact};

// ---- orders ----

static kd_record *make_orders(void)
{
	kd_record *orders = calloc(ORDERS, sizeof *orders);
	for (int i = 0; i < ORDERS; i++) {
		char *value = kt_format("{\"id\":%d,\"customer\":%d,\"sku\":\"SKU-%05d\",\"qty\":%d,\"price\":%d.%02d,\"paid\":%s,"
			"\"placed_at\":\"2026-01-01T00:%02d:%02d.%03dZ\",\"note\":\"a note on order number %d\"}", i,
			i * 7919 % 50000, i % 100, i % 10 + 1, i % 999 + 1, i % 100, i % 2 ? "true" : "false", i / 60 % 60, i % 60,
			i % 1000, i);
		orders[i] = (kd_record) {.timestamp_ms = 1767225600000, .value = value, .value_size = strlen(value)};
	}
	return orders;
}

// ---- one encoder, two ways to it ----

static const kd_sink_ops *const ops = &kd_postgres_sink;
static void *encoder;
static kd_pipeline *pipeline;

static kd_code encode(bool transformed, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *rows, kd_error *err)
{
	if (transformed)
		return kd_pipeline_encode(pipeline, batch, record, out, rows, err);
	return ops->encode(encoder, batch, record, out, rows, err);
}

static double cpu_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

/* The CPU of one record on its way, in us. */
static double measure(bool transformed, kd_record *orders, int64_t records, int64_t *ret_rows)
{
	static int64_t batch_time_ms;
	kd_batch_partition batch = {.job = "bench", .topic = "orders", .batch_time_ms = ++batch_time_ms,
		.range = {0, records}};
	kd_buf out = {0};
	kd_error err = {0};
	kd_code code = KD_OK;
	double begin_us = cpu_us();
	*ret_rows = 0;
	for (int64_t i = 0; code == KD_OK && i < records; i++) {
		uint32_t rows;
		kd_record *order = &orders[i % ORDERS];
		order->offset = i;
		code = encode(transformed, &batch, order, &out, &rows, &err);
		*ret_rows += rows;
		if (code == KD_OK && i % 500 == 499) {
			code = ops->flush(encoder, &batch, &out, &err);
			out.size = 0;
		}
	}
	kt_check(code == KD_OK, "%s", err.message);
	double us = (cpu_us() - begin_us) / (double) records;
	kd_buf_done(&out);
	return us;
}

static void run(int64_t records, int rounds)
{
	double plain[MOST_ROUNDS], transformed[MOST_ROUNDS], extra[MOST_ROUNDS];
	kd_record *orders = make_orders();
	for (int i = 0; i < rounds; i++) {
		int64_t rows;
		plain[i] = measure(false, orders, records, &rows);
		kt_check(rows == records, "the built-in path lost a row");
		transformed[i] = measure(true, orders, records, &rows);
		kt_check(rows == records / 10 * 9, "one in ten was to be dropped, %" PRId64 " rows are left", rows);
		extra[i] = transformed[i] - plain[i];
	}
	printf("transform: %" PRId64 " typed orders, median of %d pairs: %.3f us of CPU a record through the encoder alone, "
		"%.3f us with a transform that reads two fields, sets one and drops one record in ten: %.3f us more\n", records,
		rounds, kt_median(plain, rounds), kt_median(transformed, rounds), kt_median(extra, rounds));
	for (int i = 0; i < ORDERS; i++)
		free((void *) orders[i].value);
	free(orders);
}

static void ignore(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	fprintf(stderr, "%s\n", diagnostic->message);
}

int main(void)
{
	const char *records = getenv("KD_BENCH_RECORDS"), *rounds = getenv("KD_BENCH_ROUNDS");
	kd_error err = {0};
	kd_logger log = {0};
	kt_pg pg;
	kt_pg_open(&pg);
	kt_pg_exec(&pg, "create table orders (id bigint, customer int, sku text, qty int, price numeric(12,2), paid boolean, "
		"placed_at timestamptz, note text)");
	char *text = kt_format("{\"job\": \"bench\", \"kafka\": {\"bootstrap.servers\": \"localhost:9092\"}, \"topics\": "
		"[\"orders\"], \"sink\": {\"type\": \"postgres\", \"dsn\": \"%s\", \"table\": \"public.orders\"}}", pg.dsn);
	kd_config *config = kd_config_new(&(kd_options) {ops->options, ops->n_options}, 1);
	kd_sink_context context = {.ops = ops, .config = config, .log = &log};
	void *sink = NULL;
	kt_check(kd_config_parse(config, text, strlen(text), "job", ignore, NULL, &err) == KD_OK &&
		kd_config_check(config, ignore, NULL, &err) == KD_OK && ops->open(&context, &sink, &err) == KD_OK &&
		ops->encoder_open(sink, &encoder, &err) == KD_OK, "%s", err.message);
	kd_pipeline_conf conf = {.part = {.config = config, .log = &log}, .decoder = &kd_json_decoder,
		.transform = &transform, .ops = ops, .encoder = encoder};
	kt_check(kd_pipeline_open(&conf, &pipeline, &err) == KD_OK, "%s", err.message);
	run(records ? strtoll(records, NULL, 10) : 1000000, rounds ? atoi(rounds) : 9);
	kd_pipeline_close(pipeline);
	ops->encoder_close(encoder);
	ops->close(sink);
	kd_config_free(config);
	free(text);
	kt_pg_close(&pg);
	return 0;
}
