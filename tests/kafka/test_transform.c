/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that decode, transform and look up, on a real broker and PostgreSQL: several tables in one transaction, a record
 * refused and skipped, and rows made from a table that somebody else changes meanwhile. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

enum { RUN_MS = 60000 };

/* A job file of its own: the fixture's knows neither tables nor decoders. */
static kt_embedded *start(kt_job *job, const char *more, const char *more_of_sink, const kd_job_options *options)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],"
			       " \"start\": \"earliest\", %s \"sink\": {%s, \"table\": \"t\"%s}}",
		kt_env("KD_TEST_KAFKA"), job->topic, more, job->store.sink, more_of_sink);
	kt_embedded *embedded = kt_embedded_start_with(text,
		job->store.kind == KT_POSTGRES ? &kd_postgres_sink : &kd_sqlite_sink, options);

	free(text);
	return embedded;
}

static void run(kt_job *job, const char *more, const char *more_of_sink, const kd_transform_ops *transform)
{
	kt_embedded *embedded = start(job, more, more_of_sink,
		&(kd_job_options){.until_latest = true, .transform = transform});

	cr_assert_eq(kt_embedded_join(embedded, RUN_MS), KD_OK, "%s", embedded->err.message);
	kt_embedded_free(embedded);
}

static void expect_int(kt_job *job, const char *sql, int64_t expected)
{
	int64_t found = kt_store_int(&job->store, "%s", sql);

	cr_expect_eq(found, expected, "%s: %" PRId64 ", not %" PRId64, sql, found, expected);
}

static void fill(kt_job *job, int64_t n, kt_fill_fn *fn)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_produce_many(producer, job->topic, 0, n, fn, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

/* ---- several tables ---- */

/* Order i has i % 4 items; those with a number that 5 divides are tests, and dropped. */
static void fill_orders(void *opaque, int64_t i, kt_message *m)
{
	char *p = m->value_space;

	(void) opaque;
	p += sprintf(p, "{\"id\": %" PRId64 ", \"card\": \"4111-%" PRId64 "\", \"test\": %s, \"items\": [", i, i,
		i % 5 ? "false" : "true");
	for (int64_t k = 0; k < i % 4; k++)
		p += sprintf(p, "%s{\"sku\": \"s%" PRId64 "\", \"qty\": %" PRId64 "}", k ? ", " : "", k, i);
	p += sprintf(p, "]}");
	m->value = m->value_space;
	m->value_size = (size_t) (p - m->value_space);
}

static kd_code split(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value items, id, item, test;
	size_t at = 0;
	kd_code code;

	(void) state, (void) batch;
	if (!kd_row_get(row, "items", &items) || !kd_row_get(row, "id", &id))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "an order without id and items");
	if (kd_row_get(row, "test", &test) && test.boolean)
		return KD_OK;
	kd_row_remove(row, "items");
	kd_row_remove(row, "test");
	kd_row_set_text(row, "card", "****", 4);
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

Test(transform, splits_drops_and_redacts_into_two_tables_of_postgresql_and_sqlite, .timeout = 180)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;

		kt_job_open(&job, (kt_store_kind) kind, 1);
		kt_store_exec(&job.store, "create table t(id bigint primary key, card text);"
					  " create table items(id bigint, sku text, qty bigint, primary key (id, sku))");
		fill(&job, 5000, fill_orders);
		for (int i = 0; i < 2; i++) {
			run(&job, "\"batch\": {\"max_records_per_batch\": 700},", ", \"tables\": [\"items\"]", &splitter);
			expect_int(&job, "select count(*) from t where card = '****' and id % 5 <> 0", 4000);
			expect_int(&job, "select count(*) from t", 4000);
			expect_int(&job, "select count(*) from items where qty = id", 6000);
			expect_int(&job, "select count(*) from t where (select count(*) from items where items.id = t.id) <> id % 4", 0);
			expect_int(&job, "select sum(rows) from @batch_partition", 10000);
			expect_int(&job, "select sum(dropped) from @batch_partition", 1000);
			expect_int(&job, "select sum(records) from @batch_partition", 5000);
		}
		kt_job_close(&job);
	}
}

/* ---- a record that is refused ---- */

Test(transform, a_refused_record_is_named_and_can_be_skipped, .timeout = 180)
{
	kt_job job;
	kt_embedded *embedded;
	kt_producer *producer;
	kd_error err = {0};
	kd_config *config;
	char *text, *place;

	kt_job_open(&job, KT_POSTGRES, 1);
	kt_store_exec(&job.store, "create table t(id bigint, card text); create table items(id bigint, sku text, qty bigint)");
	fill(&job, 10, fill_orders);
	producer = kt_producer_open(NULL, NULL);
	kt_produce_text(producer, job.topic, 0, NULL, "{\"id\": 10}");
	kt_producer_flush(producer);
	kt_producer_close(producer);
	fill(&job, 10, fill_orders);
	embedded = start(&job, "", ", \"tables\": [\"items\"]",
		&(kd_job_options){.until_latest = true, .transform = &splitter});
	cr_assert_eq(kt_embedded_join(embedded, RUN_MS), KD_ERECORD);
	place = kt_format("could not deliver %s/0@10: an order without id and items", job.topic);
	cr_expect(strstr(embedded->err.message, place), "%s", embedded->err.message);
	cr_expect(strstr(embedded->err.message, "to give this record up"), "%s", embedded->err.message);
	cr_expect_eq(embedded->err.offset, 10);
	kt_embedded_free(embedded);
	expect_int(&job, "select count(*) from t", 0);
	/* The way out runs the same transform over the rest of the range. */
	text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],"
			 " \"start\": \"earliest\", \"sink\": {%s, \"table\": \"t\", \"tables\": [\"items\"]}}",
		kt_env("KD_TEST_KAFKA"), job.topic, job.store.sink);
	config = kd_config_new(&(kd_options){kd_postgres_sink.options, kd_postgres_sink.n_options}, 1);
	cr_assert_eq(kd_config_parse(config, text, strlen(text), "job", NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_assert_eq(kd_config_check(config, NULL, NULL, &err), KD_OK, "%s", err.message);
	cr_assert_eq(kd_job_skip(config, &kd_postgres_sink, &(kd_job_options){.transform = &splitter}, job.topic, 0,
		(kd_range){10, 11}, "broken", "test", &err), KD_OK, "%s", err.message);
	run(&job, "", ", \"tables\": [\"items\"]", &splitter);
	expect_int(&job, "select count(*) from t", 16);
	expect_int(&job, "select count(*) from @gap where from_offset = 10 and until_offset = 11", 1);
	expect_int(&job, "select sum(dropped) from @batch_partition", 4);
	kd_config_free(config);
	free(place);
	free(text);
	kt_job_close(&job);
}

/* ---- rows from a table that changes meanwhile ---- */

struct seen {
	int64_t rate;
	char xid[32];
};

static kd_code open_seen(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) context;
	*ret_state = calloc(1, sizeof(struct seen));
	return *ret_state ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

static bool take_seen(void *opaque, const char *const *values, size_t n)
{
	struct seen *seen = opaque;

	seen->rate = n == 2 ? strtoll(values[0], NULL, 10) : -1;
	strncpy(seen->xid, values[1], sizeof(seen->xid) - 1);
	return true;
}

static kd_code look_up(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	static const char *const params[] = {"eur"};

	(void) batch, (void) records, (void) n;
	return kd_tx_query(tx, "select rate::text, (pg_current_xact_id()::text::numeric % 4294967296)::text"
			       " from public.rates where name = $1", params, 1, take_seen, state, err);
}

static kd_code enrich(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const struct seen *seen = state;

	(void) batch;
	kd_row_remove(row, "items");
	kd_row_remove(row, "card");
	kd_row_remove(row, "test");
	kd_row_set_int(row, "rate", seen->rate);
	kd_row_set_number(row, "xid", seen->xid, strlen(seen->xid));
	return kd_emit(out, row, err);
}

static const kd_transform_ops enricher = {.abi = KD_TRANSFORM_ABI, .name = "enrich", .open = open_seen, .close = free,
	.look_up = look_up, .apply = enrich};

static atomic_bool enough;

/* Raises the rate as fast as the server takes it, and writes down which transaction raised it to what. */
static void *raise_rate(void *dsn)
{
	PGconn *conn = kt_pg_connect(dsn);

	while (!atomic_load(&enough))
		PQclear(PQexec(conn, "with r as (update public.rates set rate = rate + 1 returning rate)"
				     " insert into public.history select rate, clock_timestamp() from r"));
	PQfinish(conn);
	return NULL;
}

/* Each row holds the rate that its own transaction read (its xmin proves whose that is), and later records never an
 * older one: what was looked up is what was there when the rows were written. */
Test(transform, rows_agree_with_what_their_transaction_saw_of_a_table_that_changes, .timeout = 180)
{
	kt_job job;
	pthread_t other;

	kt_job_open(&job, KT_POSTGRES, 1);
	kt_store_exec(&job.store, "create table t(id bigint, rate bigint, xid bigint);"
				  " create table rates(name text, rate bigint); insert into rates values ('eur', 1);"
				  " create table history(rate bigint, at timestamptz)");
	fill(&job, 20000, fill_orders);
	cr_assert_eq(pthread_create(&other, NULL, raise_rate, job.store.pg.dsn), 0);
	run(&job, "\"batch\": {\"max_records_per_batch\": 2000},", "", &enricher);
	atomic_store(&enough, true);
	pthread_join(other, NULL);
	expect_int(&job, "select count(*) from t", 20000);
	expect_int(&job, "select count(distinct id) from t", 20000);
	expect_int(&job, "select count(*) from t where xid::text <> xmin::text", 0);
	expect_int(&job, "select count(*) from t where rate > 1 and rate not in (select rate from history)", 0);
	expect_int(&job, "select count(*) from (select rate < lag(rate) over (order by id) as older from t) x where older", 0);
	cr_expect_gt(kt_store_int(&job.store, "select count(distinct rate) from t"), 5);
	cr_expect_geq(kt_store_int(&job.store, "select count(distinct xid) from t"), 10);
	expect_int(&job, "select sum(rows) from @batch_partition", 20000);
	kt_job_close(&job);
}
