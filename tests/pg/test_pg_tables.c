// SPDX-License-Identifier: Apache-2.0
// A job that writes to several tables: what goes where, and that it commits or fails as one (I2, I5, I9, I10).
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/postgres/pg_conn.h"

TestSuite(pg_tables, .timeout = 60);

#define N(array) (sizeof(array) / sizeof *(array))
#define TABLES "create table orders (id bigint, kafka_offset bigint, place serial);" \
	"create table order_lines (order_id bigint, line int, kafka_offset bigint, place serial);"

static void open_orders(pg_world *w)
{
	pg_world_open(w, "public.orders", "\"tables\": [\"public.order_lines\"]");
	kt_pg_exec(&w->pg, "set client_min_messages = warning");
}

/* A session with a plan that it has begun. */
static instance *begun(pg_world *w, kd_batch_partition *ret_entry, int64_t until)
{
	instance *a = start(w, 'a', 1);
	*ret_entry = entry(0, 1000, 0, until);
	cr_assert_eq(plan(a, ret_entry), KD_CAS_DONE);
	cr_assert_eq(begin(a, ret_entry), KD_CAS_DONE);
	return a;
}

/* Order i / 4: itself, then three lines. */
static made_row split_order(void *opaque, size_t i)
{
	static char value[64];
	int64_t order = (int64_t) i / 4;
	(void) opaque;
	if (i % 4 == 0)
		snprintf(value, sizeof value, "{\"id\": %lld}", (long long) order);
	else
		snprintf(value, sizeof value, "{\"order_id\": %lld, \"line\": %d}", (long long) order, (int) (i % 4));
	return (made_row) {order, i % 4 == 0 ? NULL : "public.order_lines", value};
}

Test(pg_tables, rows_of_one_batch_commit_together_in_all_tables)
{
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES);
	instance *a = begun(&w, &e, 100);
	MUST(write_made(a, &e, 400, split_order, NULL, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from orders"), 0);
	MUST(try_commit_rows(a, &e, 400, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from orders"), 100);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from order_lines"), 300);
	cr_assert_eq(kt_pg_int(&w.pg, "select sum(line) from order_lines where order_id = kafka_offset"), 600);
	cr_assert_eq(kt_pg_int(&w.pg, "select rows from kdirect.batch_partition"), 400);
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, what_one_table_refuses_rolls_all_back_and_names_the_row)
{
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES "alter table order_lines add check (order_id <> 7777 or line <> 2)");
	instance *a = begun(&w, &e, 10000);
	kd_error err = {0};
	kd_code code = write_made(a, &e, 40000, split_order, NULL, &err);
	if (code == KD_OK)
		code = try_commit_rows(a, &e, 40000, &err);
	cr_assert_eq(code, KD_ERECORD, "%s", err.message);
	cr_assert_eq(err.row, 7777 * 4 + 3, "%lld: %s", (long long) err.row, err.message);
	cr_assert(strstr(err.message, "order_lines"), "%s", err.message);
	w.ops->abort(a->session);
	cr_assert(w.ops->usable(a->session));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from orders"), 0);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from order_lines"), 0);
	cr_assert_eq(reread(a, KD_REREAD_DATA, &e).batch, KD_BATCH_PLANNED);
	kt_pg_exec(&w.pg, "alter table order_lines drop constraint order_lines_check");
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	MUST(write_made(a, &e, 40000, split_order, NULL, &failure));
	MUST(try_commit_rows(a, &e, 40000, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from order_lines"), 30000);
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, a_trigger_that_swallows_rows_of_one_table_stops_the_job)
{
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES
		"create function swallow() returns trigger language plpgsql as 'begin return null; end';"
		"create trigger swallows before insert on order_lines for each row when (new.order_id = 3)"
		" execute function swallow()");
	instance *a = begun(&w, &e, 10);
	kd_error err = {0};
	MUST(write_made(a, &e, 40, split_order, NULL, &failure));
	cr_assert_eq(try_commit_rows(a, &e, 40, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "30 rows were sent and public.order_lines stored 27"), "%s", err.message);
	cr_assert(strstr(err.message, "swallows"), "%s", err.message);
	w.ops->abort(a->session);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from orders"), 0);
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, ten_thousand_records_that_alternate_tables_cost_a_few_copies_and_keep_their_order)
{
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES
		"alter table orders add primary key (id);" /* what is there before what refers to it */
		"alter table order_lines add foreign key (order_id) references orders (id)");
	instance *a = begun(&w, &e, 10000);
	const pg_session *session = a->session;
	MUST(write_made(a, &e, 40000, split_order, NULL, &failure));
	int64_t early = session->copies;
	MUST(try_commit_rows(a, &e, 40000, &failure));
	cr_assert_geq(early, 2, "everything waited for the commit");
	cr_assert_leq(session->copies, 20, "%lld", (long long) session->copies);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from orders"), 10000);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from order_lines"), 30000);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from (select id, lag(id) over (order by place) before from orders) o"
		" where before >= id"), 0);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from (select order_id * 4 + line n, lag(order_id * 4 + line)"
		" over (order by place) before from order_lines) l where before >= n"), 0);
	stop(a);
	pg_world_close(&w);
}

/* Every hundredth line has a note, which has a default, and every third waits for the server's judgement. */
static made_row uneven_row(void *opaque, size_t i)
{
	static char value[128];
	(void) opaque;
	snprintf(value, sizeof value, i % 3 == 1 ? "{\"n\": \" %zu\"}" : i % 100 == 0 && i > 0 ? "{\"n\": %zu, \"note\": \"x\"}"
		: "{\"n\": %zu}", i);
	return (made_row) {(int64_t) i, i % 2 ? "b" : "a", value};
}

Test(pg_tables, order_is_kept_where_columns_join_and_values_wait_for_the_server)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.a", "\"tables\": [\"b\"]");
	kt_pg_exec(&w.pg, "create table a (n int, note text default 'none', place serial);"
		"create table b (n int, note text default 'none', place serial)");
	instance *a = begun(&w, &e, 3000);
	MUST(write_made(a, &e, 3000, uneven_row, NULL, &failure));
	MUST(try_commit_rows(a, &e, 3000, &failure));
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from %c where n %% 2 = %d", 'a' + i, i), 1500);
		cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from (select n, lag(n) over (order by place) before from %c) x"
			" where before >= n", 'a' + i), 0);
	}
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from a where note = 'x' and n %% 100 = 0"), 19);
	stop(a);
	pg_world_close(&w);
}

/* What goes to b waits for the server, what goes to a does not. */
static made_row lopsided_row(void *opaque, size_t i)
{
	static char value[64];
	(void) opaque;
	snprintf(value, sizeof value, i % 2 ? "{\"n\": \" %zu\"}" : "{\"n\": %zu}", i);
	return (made_row) {(int64_t) i, i % 2 ? "b" : "a", value};
}

Test(pg_tables, a_refused_row_is_named_also_among_rows_that_waited_for_the_server)
{
	static const char tables[] = "ab";
	for (int64_t bad = 1500; bad < 1502; bad++) {
		pg_world w;
		kd_batch_partition e;
		pg_world_open(&w, "public.a", "\"tables\": [\"b\"]");
		kt_pg_exec(&w.pg, "create table a (n int); create table b (n int); alter table %c add check (n <> %lld)",
			tables[bad % 2], (long long) bad);
		instance *a = begun(&w, &e, 3000);
		kd_error err = {0};
		kd_code code = write_made(a, &e, 3000, lopsided_row, NULL, &err);
		if (code == KD_OK)
			code = try_commit_rows(a, &e, 3000, &err);
		cr_assert_eq(code, KD_ERECORD, "%s", err.message);
		cr_assert_eq(err.row, bad + 1, "%lld: %s", (long long) err.row, err.message);
		stop(a);
		pg_world_close(&w);
	}
}

Test(pg_tables, of_refusals_in_several_tables_the_first_record_is_named)
{
	static const made_row rows[] = {{0, NULL, "{\"id\": \" 1\"}"}, {1, "public.order_lines", "{\"line\": \"one\"}"},
		{2, NULL, "{\"id\": \"two\"}"}, {3, "public.order_lines", "no json"}};
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES);
	instance *a = begun(&w, &e, 4);
	kd_error err = {0};
	cr_assert_eq(write_rows(a, &e, rows, N(rows), &err), KD_ERECORD);
	cr_assert_eq(err.offset, 1, "%s", err.message);
	cr_assert(strstr(err.message, "\"line\""), "%s", err.message);
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, a_table_goes_by_the_names_that_people_write)
{
	static const struct {
		const char *table, *lands_in; /* NULL: refused */
	} rows[] = {
		{NULL, "orders"}, {"", "orders"}, {"orders", "orders"}, {"public.orders", "orders"},
		{"Order_Lines", "order_lines"}, {"order_lines", "order_lines"}, {"public.order_lines", "order_lines"},
		{"s.twice", "s.twice"}, {"public.twice", "public.twice"}, {"\"Mixed Case\"", "\"Mixed Case\""},
		{"Mixed Case", "\"Mixed Case\""},
		{"twice", NULL}, {"elsewhere", NULL}, {"s.orders", NULL}, {"job", NULL},
	};
	pg_world w;
	pg_world_open(&w, "orders", "\"tables\": [\"Order_Lines\", \"s.twice\", \"public.twice\", \"\\\"Mixed Case\\\"\"]");
	kt_pg_exec(&w.pg, "create schema s; create table orders (i int); create table order_lines (i int);"
		"create table s.twice (i int); create table twice (i int); create table elsewhere (i int);"
		"create table s.orders (i int); create table \"Mixed Case\" (i int)");
	instance *a = start(&w, 'a', 1);
	for (size_t k = 0; k < N(rows); k++) {
		kd_batch_partition e = entry(0, 1000 + (int64_t) k, (int64_t) k, (int64_t) k + 1);
		made_row row = {(int64_t) k, rows[k].table, "{\"i\": 1}"};
		kd_error err = {0};
		cr_assert_eq(plan(a, &e), KD_CAS_DONE);
		cr_assert_eq(begin(a, &e), KD_CAS_DONE);
		kd_code code = write_rows(a, &e, &row, 1, &err);
		cr_assert_eq(code, rows[k].lands_in ? KD_OK : KD_ECONFIG, "%s: %s", rows[k].table, err.message);
		if (code != KD_OK) {
			cr_expect(strstr(err.message, rows[k].table) && strstr(err.message, "sink.tables"), "%s", err.message);
			cr_expect_eq(err.action, KD_STOP);
			kd_error_clear(&err);
			cr_assert_eq(write_rows(a, &e, &(made_row) {(int64_t) k, NULL, "{\"i\": 1}"}, 1, &err), KD_OK);
		}
		MUST(try_commit_rows(a, &e, 1, &failure));
		const char *table = rows[k].lands_in ? rows[k].lands_in : "orders";
		cr_expect_eq(kt_pg_int(&w.pg, "with gone as (delete from %s returning 1) select count(*) from gone", table), 1, "%s",
			rows[k].table);
	}
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, the_own_table_may_be_raw_beside_one_with_fields)
{
	static const made_row rows[] = {{0, NULL, "as it came"}, {0, "order_lines", "{\"order_id\": 5, \"line\": 6}"}};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.landed", "\"tables\": [\"order_lines\"]");
	kt_pg_exec(&w.pg, TABLES);
	instance *a = begun(&w, &e, 1);
	MUST(write_rows(a, &e, rows, N(rows), &failure));
	MUST(try_commit_rows(a, &e, 2, &failure));
	char *value = kt_pg_value(&w.pg, "select convert_from(value, 'UTF8') || ' ' || order_id + line from landed, order_lines");
	cr_assert_str_eq(value, "as it came 11");
	free(value);
	stop(a);
	pg_world_close(&w);
}

Test(pg_tables, all_tables_are_locked_before_the_position_moves)
{
	pg_world w;
	kd_batch_partition e;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES);
	instance *a = begun(&w, &e, 1);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from pg_locks where mode = 'RowExclusiveLock' and granted"
		" and relation in ('orders'::regclass, 'order_lines'::regclass)"), 2);
	w.ops->abort(a->session);
	PGconn *stranger = kt_pg_connect(w.pg.dsn);
	PQclear(PQexec(stranger, "begin; lock table order_lines in access exclusive mode"));
	kd_error err = {0};
	kd_cas cas;
	((pg_session *) a->session)->limits.lock_ms = 300;
	cr_assert_eq(w.ops->begin(a->session, &a->me, &e, &cas, &err), KD_EBUSY, "%s", err.message);
	PQfinish(stranger);
	stop(a);
	pg_world_close(&w);
}

/* ---- what a table must be ---- */

Test(pg_tables, what_cannot_give_the_guarantee_is_refused_beside_the_own_table_too)
{
	static const struct {
		const char *sql, *tables, *says;
		kd_code code;
	} rows[] = {
		{"create unlogged table u (i int)", "\"public.u\"", "unlogged", KD_ETARGET},
		{"create view v as select 1 as i", "\"public.v\"", "view without", KD_ETARGET},
		{"create table o (i int, p point)", "\"public.o\"", "point", KD_ETARGET},
		{"create table ok (i int)", "\"public.ok\", \"public.absent\"", "create table public.absent", KD_ETARGET},
		{"create table \"Big\" (i int)", "\"public.Big\"", "public.\"Big\"", KD_ETARGET},
		{"select 1", "\"public.ok\", \"ok\"", "the same table as \"public.ok\"", KD_ECONFIG},
		{"select 1", "\"t\"", "the same table as \"public.t\"", KD_ECONFIG},
		{"select 1", "\"a.b.c\"", "\"sink.tables\": \"a.b.c\" is not a table's name", KD_ECONFIG},
	};
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	for (size_t i = 0; i < N(rows); i++) {
		void *sink = NULL;
		kd_config *config = NULL;
		kd_error err = {0};
		kt_pg_exec(&w.pg, "%s", rows[i].sql);
		snprintf(w.more, sizeof w.more, "\"tables\": [%s]", rows[i].tables);
		cr_assert_eq(try_open(&w, &sink, &config, &err), rows[i].code, "%s: %s", rows[i].tables, err.message);
		cr_assert_eq(err.action, KD_STOP);
		cr_assert(strstr(err.message, rows[i].says), "\"%s\" is not in: %s", rows[i].says, err.message);
		kd_config_free(config);
	}
	pg_world_close(&w);
}

Test(pg_tables, who_only_reads_the_ledger_needs_no_table_beside)
{
	pg_world w;
	open_orders(&w);
	kt_pg_exec(&w.pg, TABLES);
	stop(start(&w, 'a', 1));
	kt_pg_exec(&w.pg, "drop table order_lines");
	kd_config *config = pg_world_config(&w);
	kd_sink_context context = {.config = config, .read_only = true};
	void *sink = NULL;
	MUST(w.ops->open(&context, &sink, &failure));
	cr_assert(strstr(w.ops->info(sink)->summary, "public.order_lines"), "%s", w.ops->info(sink)->summary);
	w.ops->close(sink);
	kd_config_free(config);
	pg_world_close(&w);
}

static void gather(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	FILE *text = opaque;
	fprintf(text, "%s%s: %s\n", level == KD_FINDING_BAD ? "BAD " : "", what, message);
}

static char *check_text(pg_world *w)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	kd_config *config = pg_world_config(w);
	kd_sink_context context = {.config = config, .read_only = true};
	MUST(w->ops->check(&context, gather, file, &failure));
	kd_config_free(config);
	fclose(file);
	return text;
}

Test(pg_tables, check_and_the_printed_rights_tell_of_every_table)
{
	pg_world w;
	open_orders(&w);
	char *text = check_text(&w);
	cr_assert(strstr(text, "BAD table: \"public.order_lines\" is not there: create it"), "%s", text);
	free(text);
	kt_pg_exec(&w.pg, TABLES "alter table order_lines add constraint positive check (line > 0)");
	text = check_text(&w);
	cr_assert_not(strstr(text, "BAD"), "%s", text);
	cr_assert(strstr(text, "\"public\".\"order_lines\", fields layout") && strstr(text, "positive"), "%s", text);
	free(text);
	kd_config *config = pg_world_config(&w);
	kd_sink_context context = {.config = config};
	kd_buf sql = {0};
	MUST(w.ops->ddl(&context, &sql, &failure));
	kt_check(kd_buf_append(&sql, "", 1), "no memory");
	cr_assert(strstr(sql.data, "grant insert on \"public\".\"order_lines\" to kdirect_job;"), "%s", sql.data);
	kd_buf_done(&sql);
	kd_config_free(config);
	pg_world_close(&w);
}
