/* SPDX-License-Identifier: Apache-2.0 */
/* A job that makes of each order a row in one table and rows in another, or reads tables for it, on a real broker and a
 * real PostgreSQL: both tables hold what the source says, once, and the ledger says so too (I1, I2, I9, I10, I11). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "kdirect/transform.h"
#include "tmpdir.h"
#include "wait.h"

enum { PARTITIONS = 4, ORDERS = 3000, RUN_MS = 90000 }; /* orders in each partition */

/* ---- the source ---- */

/* Order n has n % 4 lines, and every seventh is cancelled: it goes nowhere. */
static int lines_of(int64_t order)
{
	return (int) (order % 4);
}

static bool is_cancelled(int64_t order)
{
	return order % 7 == 3;
}

static void fill_order(kt_message *m, int64_t order)
{
	size_t room = sizeof m->value_space;
	size_t n = (size_t) snprintf(m->value_space, room, "{\"id\": %" PRId64 ", \"status\": \"%s\", \"lines\": [", order,
		is_cancelled(order) ? "cancelled" : "paid");

	for (int i = 0; i < lines_of(order); i++)
		n += (size_t) snprintf(m->value_space + n, room - n, "%s{\"sku\": \"s%d\", \"quantity\": %" PRId64 "}",
			i ? ", " : "", i, order % 10 + i);
	n += (size_t) snprintf(m->value_space + n, room - n, "]}");
	m->value = m->value_space;
	m->value_size = n;
}

/* What both tables must come to. */
struct sums {
	int64_t orders, ids, lines, quantity, cancelled;
};

static struct sums produce(kt_job *job, int partitions, int64_t orders)
{
	struct sums sums = {0};
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "5", NULL);

	for (int64_t i = 0; i < orders * partitions; i++) {
		kt_message m = {0};
		fill_order(&m, i);
		kt_produce(producer, job->topic, (int) (i % partitions), &m);
		sums.cancelled += is_cancelled(i);
		sums.orders += !is_cancelled(i);
		sums.ids += is_cancelled(i) ? 0 : i;
		for (int k = 0; k < lines_of(i) && !is_cancelled(i); k++, sums.lines++)
			sums.quantity += i % 10 + k;
	}
	kt_producer_flush(producer);
	kt_producer_close(producer);
	return sums;
}

/* ---- the transform ---- */

static kd_code split(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value id, status, lines, line;
	size_t at = 0;
	int64_t order;

	(void) state, (void) batch;
	if (!kd_row_get(row, "id", &id) || !kd_value_int(&id, &order) || !kd_row_get(row, "status", &status) ||
		!kd_row_get(row, "lines", &lines))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "no order");
	if (kd_value_is(&status, "cancelled"))
		return KD_OK;
	kd_row_remove(row, "lines");
	kd_code code = kd_emit(out, row, err);
	for (int64_t number = 1; code == KD_OK && kd_value_element(&lines, &at, &line); number++) {
		kd_row_clear(row);
		kd_row_set_int(row, "order_id", order);
		kd_row_set_int(row, "line", number);
		kd_row_read_object(row, &line);
		kd_row_set_table(row, "public.order_lines");
		code = kd_emit(out, row, err);
	}
	return code;
}

static const kd_transform_ops splits = {.abi = KD_TRANSFORM_ABI, .name = "split", .summary = "orders and lines",
	.apply = split};

/* ---- the job ---- */

#define TABLES \
	"set client_min_messages = warning;" \
	"create table orders (id bigint primary key, status text, kafka_partition int, kafka_offset bigint);" \
	"create table order_lines (order_id bigint references orders, line int, sku text, quantity int," \
	" kafka_partition int, kafka_offset bigint, primary key (order_id, line))"

#define LINES "\"public.order_lines\""

static kt_embedded *start(const kt_job *job, const char *tables, const kd_transform_ops *transform, const char *more)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"], %s"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50, \"max_records_per_batch\": 1000},"
		" \"sink\": {%s, \"table\": \"public.orders\", \"tables\": [%s]}}",
		kt_env("KD_TEST_KAFKA"), job->topic, more, job->store.sink, tables);
	kt_embedded *run = kt_embedded_start(text, &(kd_job_options) {.until_latest = true, .transform = transform});
	free(text);
	return run;
}

static void expect_sums(kt_job *job, const struct sums *sums)
{
	const struct {
		const char *sql;
		int64_t expected;
	} rows[] = {
		{"select count(*) from orders", sums->orders},
		{"select sum(id) from orders", sums->ids},
		{"select count(*) from order_lines", sums->lines},
		{"select sum(quantity) from order_lines", sums->quantity},
		{"select count(*) from orders join order_lines on id = order_id"
		 " where (orders.kafka_partition, orders.kafka_offset) <> (order_lines.kafka_partition, order_lines.kafka_offset)",
			0},
		{"select sum(rows) from @batch_partition where committed_at is not null", sums->orders + sums->lines},
		{"select sum(dropped) from @batch_partition where committed_at is not null", sums->cancelled},
		{"select sum(records) from @batch_partition where committed_at is not null", sums->orders + sums->cancelled},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(kt_store_int(&job->store, "%s", rows[i].sql), rows[i].expected, "%s: %lld, not %lld", rows[i].sql,
			(long long) kt_store_int(&job->store, "%s", rows[i].sql), (long long) rows[i].expected);
	cr_expect_eq(kt_judge_tiling(&job->store, "j"), 0);
}

Test(job_tables, orders_and_their_lines_land_once_each_in_their_table, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, PARTITIONS);
	kt_store_exec(&job.store, TABLES);
	struct sums sums = produce(&job, PARTITIONS, ORDERS);
	kt_embedded *run = start(&job, LINES, &splits, "\"workers\": 2,");
	cr_assert_eq(kt_embedded_join(run, RUN_MS), KD_OK, "%s", run->err.message);
	expect_sums(&job, &sums);
	cr_expect_geq(kt_store_int(&job.store, "select count(*) from @batch_partition"), 8);
	kt_embedded_free(run);
	kt_job_close(&job);
}

/* Ends all of the job's sessions each time it has come some way, while there is still a batch to plan. */
static void end_sessions(kt_job *job, kt_embedded *run, int64_t orders)
{
	int64_t seen = 0, rows = 0;
	int killed = 0;

	for (; killed < 5 && rows < orders - 5000; kt_pause()) {
		rows = kt_store_int(&job->store, "select count(*) from orders");
		kt_check(!atomic_load(&run->ended), "%s", run->err.message);
		if (rows < seen + 500 || rows >= orders - 5000)
			continue;
		kt_store_exec(&job->store, "select pg_terminate_backend(pid) from pg_stat_activity"
			" where datname = current_database() and application_name like 'kdirect/%%'");
		seen = rows;
		killed++;
	}
	kt_check(killed > 0, "no session was ended");
}

Test(job_tables, sessions_that_end_in_mid_run_leave_no_half_order, .timeout = 150)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, PARTITIONS);
	kt_store_exec(&job.store, TABLES);
	struct sums sums = produce(&job, PARTITIONS, ORDERS);
	kt_embedded *run = start(&job, LINES, &splits, "\"workers\": 2,");
	end_sessions(&job, run, sums.orders);
	cr_assert_eq(kt_embedded_join(run, RUN_MS), KD_OK, "%s", run->err.message);
	expect_sums(&job, &sums);
	kt_embedded_free(run);
	kt_job_close(&job);
}

Test(job_tables, a_line_that_its_table_refuses_names_the_order_and_nothing_of_its_batch_lands, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 1);
	kt_store_exec(&job.store, TABLES);
	kt_store_exec(&job.store, "alter table order_lines add check (order_id <> 777 or line <> 1)");
	produce(&job, 1, 1000);
	kt_embedded *run = start(&job, LINES, &splits, "");
	cr_assert_eq(kt_embedded_join(run, RUN_MS), KD_ERECORD, "%s", run->err.message);
	char *where = kt_format("%s/0@777", job.topic);
	cr_expect(strstr(run->err.message, where), "%s: %s", where, run->err.message);
	cr_expect(strstr(run->err.message, "order_lines"), "%s", run->err.message);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from orders"), 0);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from order_lines"), 0);
	free(where);
	kt_embedded_free(run);
	kt_job_close(&job);
}

Test(job_tables, a_table_that_the_job_does_not_name_stops_it, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 1);
	kt_store_exec(&job.store, TABLES);
	kt_store_exec(&job.store, "create table others (id bigint)");
	produce(&job, 1, 10);
	kt_embedded *run = start(&job, "\"public.others\"", &splits, "");
	cr_assert_eq(kt_embedded_join(run, RUN_MS), KD_ECONFIG, "%s", run->err.message);
	cr_expect(strstr(run->err.message, "public.order_lines") && strstr(run->err.message, "sink.tables"), "%s",
		run->err.message);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from orders"), 0);
	kt_embedded_free(run);
	kt_job_close(&job);
}

/* ---- reading in the transaction ---- */

struct counter {
	int64_t rows;
};

static kd_code open_counter(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) context;
	*ret_state = calloc(1, sizeof(struct counter));
	return *ret_state ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
}

static bool on_count(void *opaque, const char *const *values, size_t n)
{
	struct counter *counter = opaque;

	counter->rows = n == 1 && values[0] ? strtoll(values[0], NULL, 10) : -1;
	return true;
}

static kd_code count_orders(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	(void) batch, (void) records, (void) n;
	return kd_tx_query(tx, "select count(*) from orders", NULL, 0, on_count, state, err);
}

static kd_code number(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	struct counter *counter = state;

	(void) batch;
	kd_row_set_int(row, "number", ++counter->rows);
	return kd_emit(out, row, err);
}

static const kd_transform_ops numbers = {.abi = KD_TRANSFORM_ABI, .name = "number", .summary = "the order's number",
	.open = open_counter, .close = free, .look_up = count_orders, .apply = number};

Test(job_tables, what_a_transform_reads_is_what_its_own_transaction_wrote, .timeout = 150)
{
	kt_job job;

	kt_job_open(&job, KT_POSTGRES, 1);
	kt_store_exec(&job.store, TABLES);
	kt_store_exec(&job.store, "alter table orders add number bigint unique");
	produce(&job, 1, 10000);
	kt_embedded *run = start(&job, LINES, &numbers, "");
	end_sessions(&job, run, 10000);
	cr_assert_eq(kt_embedded_join(run, RUN_MS), KD_OK, "%s", run->err.message);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from orders where number = kafka_offset + 1"), 10000);
	cr_expect_eq(kt_store_int(&job.store, "select sum(rows) from @batch_partition where committed_at is not null"),
		10000);
	cr_expect_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_embedded_free(run);
	kt_job_close(&job);
}
