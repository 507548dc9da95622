// SPDX-License-Identifier: Apache-2.0
// Several tables in one transaction, and what a transform reads in it.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tmpdir.h"

static const kd_sink_ops *const ops = &kd_sqlite_sink;

static const char ddl[] =
	"create table t(kafka_topic text, kafka_partition integer, kafka_offset integer, kafka_timestamp text, key blob,"
	"  value blob, headers text);"
	"create table \"Lines\"(kafka_offset integer, product text not null, amount integer default 1);"
	"create table alerts(text);"
	"create table customers(id integer primary key, name text);"
	"insert into customers values (7, 'Ada'), (8, null), (9, 'Bob')";

typedef struct world {
	char *dir, *path;
	kd_config *config;
	void *sink, *session, *encoder;
	kd_owner me;
	int64_t next;
	kd_buf rows;
	int64_t n_rows;
} world;

static void say_finding(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

static void must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

static void execute(const world *w, const char *sql)
{
	sqlite3 *db;
	kt_check(sqlite3_open(w->path, &db) == SQLITE_OK, "could not open %s", w->path);
	kt_check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int64_t number(const world *w, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	kt_check(sqlite3_open(w->path, &db) == SQLITE_OK, "could not open %s", w->path);
	kt_check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	kt_check(sqlite3_step(stmt) == SQLITE_ROW, "%s: no row", sql);
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static kd_config *configure(const char *path, const char *more)
{
	kd_error err = {0};
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"o\"],"
		" \"sink\": {\"type\": \"sqlite\", \"path\": \"%s\", \"table\": \"t\"%s}}", path, more);
	kd_config *config = kd_config_new(&(kd_options){ops->options, ops->n_options}, 1);
	must(kd_config_parse(config, text, strlen(text), "job", say_finding, NULL, &err), &err);
	must(kd_config_check(config, say_finding, NULL, &err), &err);
	free(text);
	return config;
}

static world make_file(void)
{
	world w = {.dir = kt_tmpdir()};
	w.path = kt_path(w.dir, "data.db");
	execute(&w, ddl);
	return w;
}

static world open_world(void)
{
	kd_error err = {0};
	world w = make_file();
	w.config = configure(w.path, ", \"tables\": [\"lines\", \"alerts\"]");
	kd_sink_context context = {.ops = ops, .config = w.config};
	must(ops->open(&context, &w.sink, &err), &err);
	must(ops->connect(w.sink, "driver", &w.session, &err), &err);
	must(ops->encoder_open(w.sink, &w.encoder, &err), &err);
	kd_take_over request = {.job = "j", .owner_id = "me", .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "h", .version = "1"};
	kd_ledger_image image;
	must(ops->take_over(w.session, &request, &image, &err), &err);
	w.me = image.owner;
	kd_ledger_image_done(&image);
	kd_new_partition p = {.topic = "o"};
	kd_segment segment;
	kd_cas cas;
	must(ops->add_partitions(w.session, &w.me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	return w;
}

static void close_world(world *w)
{
	ops->encoder_close(w->encoder);
	ops->disconnect(w->session);
	ops->close(w->sink);
	kd_config_free(w->config);
	kd_buf_done(&w->rows);
	free(w->path);
	kt_tmpdir_remove(w->dir);
}

static kd_batch_partition batch_of(const world *w)
{
	return (kd_batch_partition) {"j", "o", 0, 0, 0, w->next + 1, {w->next, w->next + 1}};
}

/* A row of the record at hand for a table. */
static kd_code add(world *w, const char *table, const char *value, kd_error *err)
{
	kd_batch_partition batch = batch_of(w);
	kd_record record = {.offset = w->next, .timestamp_ms = 1, .value = value, .value_size = strlen(value), .table = table};
	uint32_t rows = 0;
	kd_code code = ops->encode(w->encoder, &batch, &record, &w->rows, &rows, err);
	w->n_rows += rows;
	return code;
}

static void must_add(world *w, const char *table, const char *value)
{
	kd_error err = {0};
	must(add(w, table, value, &err), &err);
}

static void begin(world *w)
{
	kd_error err = {0};
	kd_cas cas;
	kd_batch_partition batch = batch_of(w);
	must(ops->append_plan(w->session, &w->me, &batch, 1, &cas, &err), &err);
	must(ops->begin(w->session, &w->me, &batch, &cas, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
}

static kd_code write_and_commit(world *w, kd_error *err)
{
	kd_durability durability;
	kd_batch_result result = {.records = 1, .rows = w->n_rows, .witness = {.offset = -1}};
	kd_code code = ops->write(w->session, w->rows.data, w->rows.size, err);
	if (!code)
		code = ops->commit(w->session, &result, &durability, err);
	if (code)
		ops->abort(w->session);
	w->next += !code;
	w->rows.size = 0;
	w->n_rows = 0;
	return code;
}

Test(sqlite_tables, rows_of_one_record_go_to_several_tables_in_one_transaction)
{
	kd_error err = {0};
	world w = open_world();
	must_add(&w, NULL, "as it is");
	must_add(&w, "lines", "{\"product\": \"pen\", \"amount\": 3}");
	must_add(&w, "LINES", "{\"product\": \"ink\"}");
	must_add(&w, "alerts", "{\"text\": \"much\"}");
	must_add(&w, "t", "by its name");
	must_add(&w, "", "by none");
	begin(&w);
	must(write_and_commit(&w, &err), &err);
	cr_assert_eq(number(&w, "select count(*) from t where kafka_offset = 0"), 3);
	cr_assert_eq(number(&w, "select count(*) from lines where kafka_offset = 0"), 2);
	cr_assert_eq(number(&w, "select amount from lines where product = 'ink'"), 1, "the column's default");
	cr_assert_eq(number(&w, "select count(*) from alerts where text = 'much'"), 1);
	cr_assert_eq(number(&w, "select rows from kdirect_batch_partition"), 6);
	close_world(&w);
}

Test(sqlite_tables, a_row_that_one_table_refuses_is_named_and_none_stays)
{
	kd_error err = {0};
	world w = open_world();
	must_add(&w, NULL, "first");
	must_add(&w, "alerts", "{\"text\": \"second\"}");
	must_add(&w, "lines", "{\"amount\": 1}");
	begin(&w);
	cr_assert_eq(write_and_commit(&w, &err), KD_ERECORD);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(err.row, 3);
	cr_assert(strstr(err.message, "Lines.product"), "%s", err.message);
	cr_assert_eq(number(&w, "select (select count(*) from t) + (select count(*) from alerts)"), 0);
	close_world(&w);
}

Test(sqlite_tables, each_table_must_keep_its_own_rows)
{
	kd_error err = {0};
	world w = open_world();
	execute(&w, "create trigger swallows before insert on alerts begin select raise(ignore); end;"
		"create trigger doubles after insert on \"Lines\" begin insert into customers(name) values ('x'); end");
	must_add(&w, "lines", "{\"product\": \"pen\"}");
	must_add(&w, "alerts", "{\"text\": \"gone\"}");
	begin(&w);
	cr_assert_eq(write_and_commit(&w, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "\"alerts\": it stored 0 of 1 rows"), "%s", err.message);
	cr_assert_eq(number(&w, "select count(*) from lines"), 0);
	close_world(&w);
}

Test(sqlite_tables, a_table_that_is_not_listed_is_a_configuration_error)
{
	kd_error err = {0};
	world w = open_world();
	cr_assert_eq(add(&w, "customers", "{\"id\": 1}", &err), KD_ECONFIG);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "\"o/0@0\"") && strstr(err.message, "\"customers\""), "%s", err.message);
	cr_assert(strstr(err.message, "sink.tables"), "%s", err.message);
	cr_assert_eq(w.rows.size, 0);
	close_world(&w);
}

Test(sqlite_tables, a_listed_table_must_be_there_and_fit)
{
	static const struct {
		const char *tables, *says;
	} refused[] = {
		{"\"lines\", \"nowhere\"", "could not use \"nowhere\" with layout fields: there is no such table"},
		{"\"some\"", "\"some\": it is a view"},
		{"\"kdirect_job\"", "could not use \"kdirect_job\""},
	};
	world w = make_file();
	execute(&w, "create view some as select * from lines");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		for (int read_only = 0; read_only < 2; read_only++) {
			kd_error err = {0};
			char *more = kt_format(", \"tables\": [%s]", refused[i].tables);
			kd_config *config = configure(w.path, more);
			kd_sink_context context = {.ops = ops, .config = config, .read_only = read_only};
			void *sink = NULL;
			cr_assert_neq(ops->open(&context, &sink, &err), KD_OK);
			cr_assert(strstr(err.message, refused[i].says), "%s", err.message);
			kd_config_free(config);
			free(more);
		}
	free(w.path);
	kt_tmpdir_remove(w.dir);
}

static void collect(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	if (!strcmp(what, "table"))
		kt_check(kd_buf_printf(opaque, "%d %s\n", level, message), "no memory");
}

Test(sqlite_tables, check_tells_of_each)
{
	kd_error err = {0};
	kd_buf said = {0};
	world w = make_file();
	kd_config *config = configure(w.path, ", \"tables\": [\"lines\", \"nowhere\"]");
	kd_sink_context context = {.ops = ops, .config = config, .read_only = true};
	must(ops->check(&context, collect, &said, &err), &err);
	kt_check(kd_buf_append(&said, "", 1), "no memory");
	cr_assert_str_eq(said.data, "0 \"t\", layout raw\n0 \"Lines\", layout fields\n"
		"2 could not use \"nowhere\" with layout fields: there is no such table\n");
	kd_buf_done(&said);
	kd_config_free(config);
	free(w.path);
	kt_tmpdir_remove(w.dir);
}

/* ---- reading in the transaction ---- */

typedef struct answer {
	kd_buf text;
	size_t most;
} answer;

static bool take_row(void *opaque, const char *const *values, size_t n)
{
	answer *a = opaque;
	for (size_t i = 0; i < n; i++)
		kt_check(kd_buf_printf(&a->text, "%s%s", values[i] ? values[i] : "null", i + 1 < n ? "," : ";"), "no memory");
	return --a->most > 0;
}

static void must_answer(world *w, const char *sql, const char *const *params, size_t n, size_t most,
	const char *expected)
{
	kd_error err = {0};
	answer a = {.most = most};
	must(ops->query(w->session, sql, params, n, take_row, &a, &err), &err);
	kt_check(kd_buf_append(&a.text, "", 1), "no memory");
	cr_assert_str_eq(a.text.data, expected, "%s: %s", sql, a.text.data);
	kd_buf_done(&a.text);
}

Test(sqlite_tables, a_query_reads_what_the_open_transaction_sees)
{
	kd_error err = {0};
	world w = open_world();
	static const char *const ids[] = {"7", "9"};
	static const char *const nothing[] = {NULL};
	must_add(&w, "alerts", "{\"text\": \"new\"}");
	begin(&w);
	must_answer(&w, "select id, name from customers where id in ($1, $2) order by id", ids, 2, 9, "7,Ada;9,Bob;");
	must_answer(&w, "select id from customers where id = $2 or id = $1 or id = $2 order by id desc", ids, 2, 9, "9;7;");
	must_answer(&w, "select id, name from customers order by id", NULL, 0, 2, "7,Ada;8,null;");
	must_answer(&w, "select $1 is null;", nothing, 1, 9, "1;");
	must_answer(&w, "select count(*) from alerts", NULL, 0, 9, "0;");
	must(ops->write(w.session, w.rows.data, w.rows.size, &err), &err);
	must_answer(&w, "select count(*) from alerts", NULL, 0, 9, "1;");
	cr_assert_eq(number(&w, "select count(*) from alerts"), 0);
	ops->abort(w.session);
	close_world(&w);
}

Test(sqlite_tables, a_query_cannot_touch_the_transaction)
{
	static const char *const refused[] = {"commit", "rollback", "begin", "delete from customers", "select 1; commit",
		"insert into alerts values (1) returning text", "select id from customers where id = $1",
		"select id from customers where id = :id", "select id from nowhere", "attach 'x.db' as x", ""};
	kd_error err = {0};
	world w = open_world();
	answer a = {.most = 9};
	cr_assert_eq(ops->query(w.session, "select 1", NULL, 0, take_row, &a, &err), KD_EINVAL, "nothing is open");
	must_add(&w, "alerts", "{\"text\": \"kept\"}");
	begin(&w);
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		kd_error said = {0};
		cr_assert_neq(ops->query(w.session, refused[i], NULL, 0, take_row, &a, &said), KD_OK, "%s", refused[i]);
		cr_assert_eq(said.action, KD_STOP, "%s", said.message);
	}
	kd_error_clear(&err);
	must(write_and_commit(&w, &err), &err);
	cr_assert_eq(number(&w, "select count(*) from alerts"), 1);
	cr_assert_eq(number(&w, "select count(*) from customers"), 3);
	kd_buf_done(&a.text);
	close_world(&w);
}
