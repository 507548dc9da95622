// SPDX-License-Identifier: Apache-2.0
// The layout fields: what lands in the user's own table is what SQLite makes of the same JSON.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tmpdir.h"

typedef struct table {
	char *dir, *path;
	kd_config *config;
	void *sink, *session, *encoder;
	kd_owner me;
	int64_t next;
} table;

static void say_finding(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

static sqlite3 *connect_to(const table *t)
{
	sqlite3 *db;
	kt_check(sqlite3_open(t->path, &db) == SQLITE_OK, "could not open %s", t->path);
	return db;
}

static void execute(const table *t, const char *sql)
{
	sqlite3 *db = connect_to(t);
	kt_check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* The first column of the first row as text; "NULL" where it is; the caller frees it. */
static char *value(const table *t, const char *sql)
{
	sqlite3 *db = connect_to(t);
	sqlite3_stmt *stmt;
	kt_check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	kt_check(sqlite3_step(stmt) == SQLITE_ROW, "%s: no row", sql);
	const char *text = (const char *) sqlite3_column_text(stmt, 0);
	char *copy = strdup(text ? text : "NULL");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return copy;
}

#define ASSERT_VALUE(t, sql, expected) \
	do { \
		char *got = value(t, sql); \
		cr_assert_str_eq(got, expected, "%s: %s", sql, got); \
		free(got); \
	} while (0)

static void must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

static void table_open(table *t, const char *ddl, const char *more_options)
{
	kd_error err = {0};
	*t = (table) {.dir = kt_tmpdir()};
	t->path = kt_path(t->dir, "data.db");
	execute(t, ddl);
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"o\"],"
		" \"sink\": {\"type\": \"sqlite\", \"path\": \"%s\", \"table\": \"t\"%s}}", t->path, more_options);
	t->config = kd_config_new(&(kd_options){kd_sqlite_sink.options, kd_sqlite_sink.n_options}, 1);
	must(kd_config_parse(t->config, text, strlen(text), "job", say_finding, NULL, &err), &err);
	must(kd_config_check(t->config, say_finding, NULL, &err), &err);
	free(text);
	kd_sink_context context = {.config = t->config};
	must(kd_sqlite_sink.open(&context, &t->sink, &err), &err);
	must(kd_sqlite_sink.connect(t->sink, "driver", &t->session, &err), &err);
	must(kd_sqlite_sink.encoder_open(t->sink, &t->encoder, &err), &err);
	kd_take_over request = {.job = "j", .owner_id = "me", .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "h", .version = "1"};
	kd_ledger_image image;
	must(kd_sqlite_sink.take_over(t->session, &request, &image, &err), &err);
	t->me = image.owner;
	kd_ledger_image_done(&image);
	kd_new_partition p = {.topic = "o"};
	kd_segment segment;
	kd_cas cas;
	must(kd_sqlite_sink.add_partitions(t->session, &t->me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
}

static void table_close(table *t)
{
	kd_sqlite_sink.encoder_close(t->encoder);
	kd_sqlite_sink.disconnect(t->session);
	kd_sqlite_sink.close(t->sink);
	kd_config_free(t->config);
	free(t->path);
	kt_tmpdir_remove(t->dir);
}

static kd_batch_partition batch_of(const table *t)
{
	return (kd_batch_partition) {"j", "o", 0, 0, 0, t->next + 1, {t->next, t->next + 1}};
}

static kd_code encode(table *t, const char *json, kd_buf *out, uint32_t *ret_rows, kd_error *err)
{
	kd_batch_partition batch = batch_of(t);
	kd_record record = {.offset = t->next, .timestamp_ms = 1700000000000, .value = json,
		.value_size = json ? strlen(json) : 0, .key = "k", .key_size = 1};
	return kd_sqlite_sink.encode(t->encoder, &batch, &record, out, ret_rows, err);
}

/* One record through plan, encoder and commit.  The code of the write, or of the encoder. */
static kd_code land(table *t, const char *json, kd_error *err)
{
	kd_buf buf = {0};
	uint32_t rows;
	kd_cas cas;
	kd_durability durability;
	kd_batch_partition batch = batch_of(t);
	kd_code code = encode(t, json, &buf, &rows, err);
	if (!code) {
		must(kd_sqlite_sink.append_plan(t->session, &t->me, &batch, 1, &cas, err), err);
		must(kd_sqlite_sink.begin(t->session, &t->me, &batch, &cas, err), err);
		t->next++;
		code = kd_sqlite_sink.write(t->session, buf.data, buf.size, err);
	}
	kd_batch_result result = {.records = 1, .rows = rows, .witness = {.offset = -1}};
	if (!code)
		code = kd_sqlite_sink.commit(t->session, &result, &durability, err);
	if (code)
		kd_sqlite_sink.abort(t->session);
	kd_buf_done(&buf);
	return code;
}

static void must_land(table *t, const char *json)
{
	kd_error err = {0};
	must(land(t, json, &err), &err);
}

/* The corpus goes through the sink into t, and through plain SQL into s: the columns must be the same in type and
 * value. */
Test(sqlite_fields, what_is_stored_is_what_json_extract_gives)
{
	static const char *const corpus[] = {
		"1", "-1", "0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e3", "1E-2", "-0", "-0.0",
		"0.1", "1.10", "123456789.123456789", "1e308", "1e400", "3.0", "true", "false", "null", "\"\"", "\"text\"",
		"\"12\"", "\"1.50\"", "\" 7 \"", "\"caf\xc3\xa9\"", "\"caf\\u00e9\"", "\"\\ud83d\\ude00\"", "\"a\\\"b\\\\c\\/d\"",
		"\"tab\\tnew\\nline\"", "[]", "{}", "[1, 2, {\"a\": null}]", "{\"x\": {\"y\": [true, 1.50]}}", "\"null\"", "\"true\"",
		"\"2026-01-31\"", "\"0x10\"", "\"'; drop table t; --\"",
	};
	static const char columns[] = "a, i integer, x text, r real, n numeric, b blob";
	table t;
	char *ddl = kt_format("create table t (%s); create table s (%s)", columns, columns);
	table_open(&t, ddl, "");
	free(ddl);
	for (size_t c = 0; c < sizeof corpus / sizeof *corpus; c++) {
		char *json = kt_format("{\"a\": %s, \"i\": %s, \"x\": %s, \"r\": %s, \"n\": %s, \"b\": %s}", corpus[c], corpus[c],
			corpus[c], corpus[c], corpus[c], corpus[c]);
		must_land(&t, json);
		sqlite3 *db = connect_to(&t);
		sqlite3_stmt *stmt;
		cr_assert_eq(sqlite3_prepare_v2(db, "insert into s select json_extract(?1, '$.a'), json_extract(?1, '$.i'),"
			" json_extract(?1, '$.x'), json_extract(?1, '$.r'), json_extract(?1, '$.n'), json_extract(?1, '$.b')", -1, &stmt,
			NULL), SQLITE_OK);
		sqlite3_bind_text(stmt, 1, json, -1, SQLITE_STATIC);
		cr_assert_eq(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_finalize(stmt);
		sqlite3_close(db);
		free(json);
	}
	static const char *const names[] = {"a", "i", "x", "r", "n", "b"};
	for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
		char *sql = kt_format("select count(*) from t join s on t.rowid = s.rowid and t.%s is s.%s and"
			" typeof(t.%s) = typeof(s.%s)", names[n], names[n], names[n], names[n]);
		char *expected = kt_format("%zu", sizeof corpus / sizeof *corpus);
		ASSERT_VALUE(&t, sql, expected);
		free(expected);
		free(sql);
	}
	table_close(&t);
}

Test(sqlite_fields, an_absent_field_is_the_default_and_an_explicit_null_is_null)
{
	table t;
	table_open(&t, "create table t (id integer primary key, a default 'none', b default 7, g as (a || 'x'))", "");
	must_land(&t, "{\"a\": \"one\"}");
	must_land(&t, "{\"b\": null}");
	must_land(&t, "{}");
	must_land(&t, "{\"b\": 1, \"a\": null, \"g\": \"mine\"}");
	ASSERT_VALUE(&t, "select group_concat(coalesce(a, 'NULL') || ' ' || coalesce(b, 'NULL'), ', ') from t",
		"one 7, none NULL, none 7, NULL 1");
	ASSERT_VALUE(&t, "select g from t where id = 1", "onex");
	table_close(&t);
}

Test(sqlite_fields, more_shapes_than_statements_are_kept_still_land)
{
	table t;
	table_open(&t, "create table t (a default 'd', b default 'd', c default 'd', d default 'd', e default 'd',"
		" f default 'd')", "");
	for (int twice = 0; twice < 2; twice++)
		for (int shape = 0; shape < 64; shape++) {
			char json[128] = "{", *p = json + 1;
			for (int c = 0; c < 6; c++)
				if (shape >> c & 1)
					p += sprintf(p, "%s\"%c\": %d", p == json + 1 ? "" : ", ", 'a' + c, c);
			strcpy(p, "}");
			must_land(&t, json);
		}
	ASSERT_VALUE(&t, "select count(*) from t", "128");
	ASSERT_VALUE(&t, "select count(*) from t where c = 2 and d = 'd'", "32");
	table_close(&t);
}

Test(sqlite_fields, coordinates_come_from_the_record_and_not_from_the_document)
{
	table t;
	table_open(&t, "create table t (kafka_topic, Kafka_Partition, kafka_offset integer, kafka_timestamp integer,"
		" kafka_key text, kafka_headers, key, \"Odd \"\"Name\")", "");
	cr_assert(kd_sqlite_sink.info(t.sink)->has_offsets);
	cr_assert_str_eq(kd_sqlite_sink.info(t.sink)->layout, "fields");
	must_land(&t, "{\"kafka_topic\": \"forged\", \"key\": \"a field\", \"Odd \\\"Name\": 5}");
	ASSERT_VALUE(&t, "select kafka_topic || kafka_partition || kafka_offset || ' ' || kafka_timestamp from t",
		"o00 1700000000000");
	ASSERT_VALUE(&t, "select kafka_key || ' ' || typeof(kafka_key) || ' ' || key || ' ' || typeof(kafka_headers) from t",
		"k text a field null");
	ASSERT_VALUE(&t, "select \"Odd \"\"Name\" from t", "5");
	table_close(&t);
}

Test(sqlite_fields, what_would_lose_data_is_refused_with_its_place)
{
	static const struct {
		const char *json, *reason;
	} rows[] = {
		{"", "not a JSON object"},
		{"[1]", "not a JSON object"},
		{"7", "not a JSON object"},
		{"\"{}\"", "not a JSON object"},
		{"{", "not valid JSON"},
		{"{\"a\": 1} x", "not valid JSON"},
		{"{\"a\": 01}", "not valid JSON"},
		{"{\"a\": 1,}", "not valid JSON"},
		{"{\"a\": NaN}", "not valid JSON"},
		{"{\"a\": 'x'}", "not valid JSON"},
		{"{a: 1}", "not valid JSON"},
		{"{\"a\": 0x10}", "not valid JSON"},
		{"{\"a\": 1 /* x */}", "not valid JSON"},
		{"{\"unread\": tru}", "not valid JSON"},
		{"{\"a\": \"\xff\"}", "not UTF-8"},
		{"{\"a\": \"x\\u0000y\"}", "\\u0000"},
		{"{\"a\": \"\\ud800\"}", "surrogate"},
	};
	table t;
	table_open(&t, "create table t (a)", "");
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		kd_error err = {0};
		kd_buf buf = {0};
		uint32_t n;
		t.next = 400 + (int64_t) r;
		cr_assert_eq(encode(&t, rows[r].json, &buf, &n, &err), KD_ERECORD, "%s", rows[r].json);
		cr_assert_eq(err.action, KD_STOP);
		cr_assert_eq(err.offset, t.next);
		cr_assert(strstr(err.message, rows[r].reason), "%s: %s", rows[r].json, err.message);
		cr_assert(strstr(err.message, "o/0@4"), "%s", err.message);
		cr_assert_eq(buf.size, 0);
		kd_buf_done(&buf);
	}
	table_close(&t);
}

Test(sqlite_fields, of_a_name_that_comes_twice_the_first_counts_as_in_json_extract)
{
	table t;
	table_open(&t, "create table t (a)", "");
	must_land(&t, "{\"a\": 1, \"a\": 2}");
	ASSERT_VALUE(&t, "select a from t", "1");
	ASSERT_VALUE(&t, "select json_extract('{\"a\": 1, \"a\": 2}', '$.a')", "1");
	table_close(&t);
}

Test(sqlite_fields, a_null_value_is_refused_or_skipped_as_configured)
{
	table t;
	kd_error err = {0};
	kd_buf buf = {0};
	uint32_t n = 9;
	table_open(&t, "create table t (a)", "");
	cr_assert_eq(encode(&t, NULL, &buf, &n, &err), KD_ERECORD);
	table_close(&t);
	table_open(&t, "create table t (a)", ", \"null_value\": \"skip\"");
	must(encode(&t, NULL, &buf, &n, &(kd_error) {0}), &err);
	cr_assert_eq(n, 0);
	cr_assert_eq(buf.size, 0);
	table_close(&t);
}

Test(sqlite_fields, an_unknown_field_is_ignored_or_refused_as_configured)
{
	table t;
	kd_error err = {0};
	table_open(&t, "create table t (a)", "");
	must_land(&t, "{\"a\": 1, \"more\": 2}");
	table_close(&t);
	table_open(&t, "create table t (a)", ", \"unknown_fields\": \"error\"");
	cr_assert_eq(land(&t, "{\"a\": 1, \"more\": 2}", &err), KD_ERECORD);
	cr_assert(strstr(err.message, "more"), "%s", err.message);
	table_close(&t);
}

Test(sqlite_fields, what_the_table_refuses_names_its_reason)
{
	static const struct {
		const char *json, *reason;
	} rows[] = {
		{"{}", "NOT NULL constraint failed: t.a"},
		{"{\"a\": null}", "NOT NULL constraint failed: t.a"},
		{"{\"a\": 1, \"b\": 0}", "CHECK constraint failed"},
		{"{\"a\": \"text\"}", "cannot store TEXT value in INTEGER column t.a"},
	};
	table t;
	table_open(&t, "create table t (a integer not null, b integer check (b > 0)) strict", "");
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		kd_error err = {0};
		cr_assert_eq(land(&t, rows[r].json, &err), KD_ERECORD, "%s", err.message);
		cr_assert_eq(err.row, 1);
		cr_assert(strstr(err.message, rows[r].reason), "%s", err.message);
		t.next--; /* its plan stays */
		execute(&t, "update kdirect_partition set planned_until = 0, last_batch_time = 0;"
			" delete from kdirect_batch_partition");
	}
	ASSERT_VALUE(&t, "select count(*) from t", "0");
	table_close(&t);
}
