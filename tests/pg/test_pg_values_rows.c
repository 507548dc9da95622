/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of whole records: defaults, coordinates, layouts, order, and the encoder's talk with the server. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_values_twin.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* One table and one encoder in one batch partition. */
typedef struct bench {
	kt_pg pg;
	struct pg_columns *columns;
	pg_table table; /* the same one */
	struct pg_encoder *encoder;
	struct pg_encoder_conf conf;
	kd_batch_partition batch;
	kd_buf out;
	int64_t offset;
	int logged;
} bench;

static void count_lines(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) level, (void) batch_time_ms, (void) line;
	++*(int *) opaque;
}

static kd_code load(bench *b, enum pg_layout layout, enum pg_format format, kd_error *err)
{
	pg_session session = twin_session(&b->pg);
	kd_code code = pg_columns_load(&session, NULL, "t", &b->columns, err);
	return code ? code : pg_columns_choose(b->columns, layout, format, err);
}

static void bench_open(bench *b, const char *table_sql)
{
	*b = (bench) {0};
	kt_pg_open(&b->pg);
	kt_pg_exec(&b->pg, "set timezone = 'UTC'; set client_min_messages = 'error'");
	kt_pg_exec(&b->pg, "%s", table_sql);
	b->batch = (kd_batch_partition) {.job = "j", .topic = "orders", .partition = 3, .batch_time_ms = 1,
		.range = {0, 1000000}};
}

static void point_at_table(bench *b)
{
	b->table = (pg_table) {.written = (char *) "t", .columns = b->columns};
	b->conf.tables = &b->table;
	b->conf.n_tables = 1;
}

/* conf's switches are set by the caller. */
static void start(bench *b, enum pg_layout layout, enum pg_format format)
{
	kd_error err = {0};
	cr_assert(!load(b, layout, format, &err), "%s", err.message);
	point_at_table(b);
	b->conf.connect = twin_connect;
	b->conf.opaque = b->pg.dsn;
	cr_assert(!pg_encoder_open(&b->conf, &b->encoder, &err), "%s", err.message);
}

static void bench_close(bench *b)
{
	pg_encoder_close(b->encoder);
	pg_columns_free(b->columns);
	kd_buf_done(&b->out);
	kt_pg_close(&b->pg);
}

static kd_code put_record(bench *b, const kd_record *record, uint32_t *ret_rows, kd_error *err)
{
	return pg_encode(b->encoder, &b->batch, record, &b->out, ret_rows, err);
}

static kd_code put_code(bench *b, const char *text, kd_error *err)
{
	uint32_t rows;
	kd_record record = {.offset = b->offset++, .timestamp_ms = 1000, .value = text, .value_size = strlen(text)};
	return put_record(b, &record, &rows, err);
}

static void put(bench *b, const char *text)
{
	kd_error err = {0};
	cr_assert(!put_code(b, text, &err), "%s: %s", text, err.message);
}

static int64_t land(bench *b)
{
	kd_error err = {0};
	cr_assert(!pg_flush(b->encoder, &b->batch, &b->out, &err), "%s", err.message);
	int64_t rows = twin_land(b->pg.conn, b->columns, &b->out);
	b->out.size = 0;
	return rows;
}

static void expect_value(bench *b, const char *expected, const char *sql)
{
	char *value = kt_pg_value(&b->pg, "%s", sql);
	cr_expect_str_eq(value, expected, "%s", sql);
	free(value);
}

static int64_t judged(const bench *b)
{
	return pg_encoder_stats(b->encoder)->judged;
}

Test(pg_rows, plain_values_never_need_the_server)
{
	static const char *const documents[] = {
		"{\"b\":true,\"i2\":-5,\"i4\":2147483647,\"i8\":0,\"f4\":1.5,\"f8\":-1.25e-3,"
		"\"n\":123.4500,\"t\":\"a\\u00e9\\n\"}",
		"{\"ts\":\"2026-01-01T00:00:00.123Z\","
		"\"tz\":\"2026-01-01 00:00:00+02:00\",\"d\":\"2026-02-28\",\"ti\":\"23:59:59.5\"}",
		"{\"u\":\"123e4567-e89b-12d3-a456-426614174000\",\"by\":\"\\\\x00ff\","
		"\"j\":{\"a\":[1]},\"jb\":[1,\"\\ud83d\\ude00\"]}",
		"{\"t\":{\"a\":1},\"n\":\"12.50\",\"i8\":\"7\",\"f8\":\"0.1\",\"b\":\"false\",\"v\":\"five5\",\"c\":\"ab\"}",
		"{ \"b\" : null , \"unread\" : [ { \"x\" : \"\\\"\" } , 1e5 ] }", "{}"};
	bench b;
	bench_open(&b, "create table t(b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text, v "
		"varchar(5), "
		"c char(5), by bytea, u uuid, d date, ti time, ts timestamp, tz timestamptz, j json, jb jsonb)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (size_t i = 0; i < N(documents); i++)
		put(&b, documents[i]);
	cr_expect_eq(land(&b), N(documents));
	cr_expect_eq(judged(&b), 0);
	expect_value(&b, "123.4500", "select n from t where i2 = -5");
	expect_value(&b, "2025-12-31 22:00:00+00", "select tz from t where d is not null");
	bench_close(&b);
}

Test(pg_rows, odd_values_are_asked_of_the_server_once_for_a_batch_and_rows_keep_their_order)
{
	bench b;
	bench_open(&b, "create table t(kafka_offset bigint, i int, ts timestamptz, pos bigserial)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int i = 0; i < 3000; i++)
		put(&b, i % 3 == 1 ? "{\"i\":\" +5 \",\"ts\":\"Jan 1 2026 12:00 PST\"}" : "{\"i\":6,\"ts\":null}");
	cr_expect_eq(land(&b), 3000);
	cr_expect_eq(judged(&b), 1000);
	expect_value(&b, "3000", "select count(*) from t where pos = kafka_offset + 1");
	expect_value(&b, "1000", "select count(*) from t where i = 5 and ts = '2026-01-01 20:00+00' and kafka_offset % 3 "
		"= 1");
	bench_close(&b);
}

Test(pg_rows, an_absent_field_is_the_columns_default_and_an_explicit_null_is_null)
{
	bench b;
	bench_open(&b, "create table t(kafka_offset bigint, a int default 7, s text default 'it''s', at timestamptz "
		"default now(), "
		"id serial, ia int generated always as identity, \"Id B\" bigint generated by default as identity, "
		"n numeric(12,2) default 1.5, plain int, g int generated always as (plain * 2) stored)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	put(&b, "{\"plain\":1}");
	put(&b, "{\"plain\":2,\"a\":null,\"s\":\"x\"}"); /* from here on COPY has the columns a and s */
	put(&b, "{}");
	put(&b, "{\"a\":\" 9 \"}"); /* judged, and with defaults */
	put(&b, "{\"id\":100,\"ia\":200,\"Id B\":300,\"at\":null,\"n\":null,\"s\":null,\"a\":1,\"g\":77}");
	put(&b, "{}");
	cr_expect_eq(land(&b), 6);
	expect_value(&b, "0 7 it's now 1.50 1 2; 1 - x now 1.50 2 4; 2 7 it's now 1.50 - -; 3 9 it's now 1.50 - -; "
		"4 1 - - - - -; 5 7 it's now 1.50 - -",
		"select string_agg(concat_ws(' ', kafka_offset, coalesce(a::text, '-'), coalesce(s, '-'), case when at is "
		"null then '-' "
		"when at > now() - interval '1 hour' then 'now' end, coalesce(n::text, '-'), coalesce(plain::text, '-'), "
		"coalesce(g::text, '-')), '; ' order by kafka_offset) from t");
	expect_value(&b, "6 6 6", "select concat_ws(' ', count(distinct id), count(distinct ia), count(distinct \"Id "
		"B\")) from t");
	expect_value(&b, "4", "select kafka_offset from t where id = 100 and ia = 200 and \"Id B\" = 300");
	bench_close(&b);
}

Test(pg_rows, the_columns_of_copy_change_only_when_a_new_one_turns_up)
{
	bench b;
	bench_open(&b, "create table t(x int, a int default 7, b int default 8)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int i = 0; i < 900; i++)
		put(&b, i < 300 ? "{\"x\":1}" : i % 2 ? "{\"a\":1}" : "{\"a\":2,\"x\":1}");
	kd_error err = {0};
	cr_assert(!pg_flush(b.encoder, &b.batch, &b.out, &err));
	struct pg_frame frame, first;
	size_t position = 0, frames = 0;
	for (; pg_frame_next(b.out.data, b.out.size, &position, &frame); frames++)
		first = frames ? first : frame;
	cr_expect_eq(frames, 2);
	cr_expect_eq(first.rows, 300);
	cr_expect_not(pg_frame_same_columns(&first, &frame));
	cr_expect_eq(land(&b), 900);
	expect_value(&b, "300 300 900", "select concat_ws(' ', sum((a = 7)::int), sum((a = 2)::int), sum((b = 8)::int)) "
		"from t");
	bench_close(&b);
}

Test(pg_rows, a_table_whose_columns_all_have_defaults_gets_rows)
{
	bench b;
	bench_open(&b, "create table t(id serial, a int default 7)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	put(&b, "{}");
	put(&b, "{\"a\":1}");
	cr_expect_eq(land(&b), 2);
	expect_value(&b, "7 1", "select string_agg(a::text, ' ' order by id) from t");
	bench_close(&b);
}

Test(pg_rows, names_in_any_case_and_script_match_their_fields)
{
	bench b;
	bench_open(&b, "create schema \"S x\"; create table \"S x\".t(\"Mixed\" int, \"select\" int, \"größe\" int, "
		"\"a\"\"b\" int, "
		"\"日本\" int default 1); set search_path = \"S x\"");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	put(&b, "{\"Mixed\":1,\"mixed\":9,\"select\":\" 2\",\"größe\":3,\"a\\\"b\":4}");
	put(&b, "{\"Mixed\":1,\"select\":2,\"gr\\u00f6\\u00dfe\":3,\"a\\u0022b\":4,\"\\u65e5\\u672c\":5}");
	cr_expect_eq(land(&b), 2);
	expect_value(&b, "1 2 3 4 1; 1 2 3 4 5", "select string_agg(concat_ws(' ', \"Mixed\", \"select\", \"größe\", "
		"\"a\"\"b\", "
		"\"日本\"), '; ' order by \"日本\") from t");
	bench_close(&b);
}

Test(pg_rows, unknown_fields_are_counted_and_each_name_is_logged_once)
{
	bench b;
	kd_logger log = {count_lines, &b.logged, KD_LOG_DEBUG};
	bench_open(&b, "create table t(x int)");
	b.conf.log = &log;
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int i = 0; i < 10; i++)
		put(&b, "{\"u\":1,\"x\":1,\"v\":{\"x\":2},\"kafka_offset\":3}");
	char text[64];
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof text, "{\"unknown%d\":1,\"x\":1}", i);
		put(&b, text);
	}
	cr_expect_eq(land(&b), 510);
	cr_expect_eq(pg_encoder_stats(b.encoder)->unknown_fields, 530);
	cr_expect_eq(b.logged, 100);
	expect_value(&b, "510", "select sum(x) from t");
	bench_close(&b);
}

Test(pg_rows, unknown_fields_and_null_values_stop_where_asked_to)
{
	bench b;
	kd_error err = {0};
	uint32_t rows = 1;
	bench_open(&b, "create table t(x int)");
	b.conf.unknown_fields_error = true;
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	put(&b, "{\"x\":1}");
	cr_expect_eq(put_code(&b, "{\"x\":1,\"u\":2}", &err), KD_ERECORD);
	cr_expect_eq(err.offset, 1);
	cr_expect(strstr(err.message, "\"u\""));
	kd_error_clear(&err);
	kd_record tombstone = {.offset = 5, .timestamp_ms = -1};
	cr_expect_eq(put_record(&b, &tombstone, &rows, &err), KD_ERECORD);
	cr_expect_eq(err.offset, 5);
	cr_expect_eq(rows, 0);
	bench_close(&b);
}

Test(pg_rows, null_values_are_skipped_where_asked_to)
{
	bench b;
	kd_error err = {0};
	uint32_t rows = 1;
	bench_open(&b, "create table t(x int)");
	b.conf.null_value_skip = true;
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	kd_record tombstone = {.offset = 5, .timestamp_ms = -1};
	cr_expect_eq(put_record(&b, &tombstone, &rows, &err), KD_OK);
	cr_expect_eq(rows, 0);
	cr_expect_eq(land(&b), 0);
	kd_record empty = {.offset = 6, .timestamp_ms = -1, .value = ""};
	cr_expect_eq(put_record(&b, &empty, &rows, &err), KD_ERECORD);
	bench_close(&b);
}

Test(pg_rows, coordinates_come_from_the_record)
{
	bench b;
	kd_error err = {0};
	uint32_t rows;
	bench_open(&b, "create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp "
		"timestamptz, "
		"kafka_key bytea, kafka_headers jsonb, key text, x int)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	cr_expect_eq(b.columns->layout, PG_LAYOUT_FIELDS);
	cr_expect(pg_columns_have_offsets(b.columns));
	kd_record one = {.offset = 41, .timestamp_ms = 1767225600123, .key = "k\xFF", .key_size = 2,
		.value = "{\"x\":\" 1\",\"key\":\"v\"}", .value_size = 20};
	kd_record two = {.offset = 42, .timestamp_ms = -1, .value = "{\"x\":2}", .value_size = 7};
	cr_assert(!put_record(&b, &one, &rows, &err));
	cr_assert(!put_record(&b, &two, &rows, &err));
	kd_record late = {.offset = 43, .timestamp_ms = INT64_MAX, .value = "{}", .value_size = 2};
	cr_expect_eq(put_record(&b, &late, &rows, &err), KD_ERECORD);
	cr_expect(strstr(err.message, "kafka_timestamp"), "%s", err.message);
	cr_expect_eq(land(&b), 2);
	expect_value(&b, "orders 3 41 2026-01-01 00:00:00.123+00 \\x6bff - v 1; orders 3 42 - - - - 2",
		"select string_agg(concat_ws(' ', kafka_topic, kafka_partition, kafka_offset, coalesce(kafka_timestamp::text, "
		"'-'), "
		"coalesce(kafka_key::text, '-'), coalesce(kafka_headers::text, '-'), coalesce(key, '-'), x), '; ' "
		"order by kafka_offset) from t");
	bench_close(&b);
}

#define RAW_TABLE(type) "create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, " \
	"kafka_timestamp timestamptz, key " type ", value " type ", headers jsonb)"

static void put_raw(bench *b, const char *key, size_t key_size, const char *value, size_t value_size, kd_code expected)
{
	kd_error err = {0};
	uint32_t rows;
	kd_record record = {.offset = b->offset++, .timestamp_ms = 0, .key = key, .key_size = key_size, .value = value,
		.value_size = value_size};
	cr_expect_eq(put_record(b, &record, &rows, &err), expected, "%s", err.message);
	if (expected)
		cr_expect(err.offset == record.offset && strstr(err.message, "column \"") == err.message, "%s", err.message);
}

Test(pg_rows, the_raw_layout_keeps_every_byte)
{
	bench b;
	bench_open(&b, RAW_TABLE("bytea"));
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	cr_expect_eq(b.columns->layout, PG_LAYOUT_RAW);
	put_raw(&b, NULL, 0, NULL, 0, KD_OK);
	put_raw(&b, "", 0, "", 0, KD_OK);
	put_raw(&b, "\0\xFF", 2, "not { json\0", 11, KD_OK);
	cr_expect_eq(land(&b), 3);
	expect_value(&b, "- -; \\x \\x; \\x00ff \\x6e6f74207b206a736f6e00", "select string_agg(concat_ws(' ', "
		"coalesce(key::text, '-'), coalesce(value::text, '-')), '; ' order by kafka_offset) from t");
	bench_close(&b);
}

Test(pg_rows, the_raw_layout_as_text_refuses_what_is_no_text)
{
	bench b;
	bench_open(&b, RAW_TABLE("text"));
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_TEXT);
	put_raw(&b, NULL, 0, "é \\N \t", 7, KD_OK);
	put_raw(&b, NULL, 0, "a\0b", 3, KD_ERECORD);
	put_raw(&b, "\xC3", 1, "a", 1, KD_ERECORD);
	cr_expect_eq(land(&b), 1);
	expect_value(&b, "é \\N \t", "select value from t");
	bench_close(&b);
}

Test(pg_rows, the_raw_layout_as_json_refuses_what_jsonb_refuses)
{
	static const char *const good[] = {"1", " \"x\" ", "{\"a\":[1,{}]}", "null", "1e100", "[1e131071]"};
	static const char *const bad[] = {"", "x", "{\"a\":1", "\"\\u0000\"", "[1e999999]", "\"\\ud83d\"", "\"\xFF\"",
		"1 2"};
	bench b;
	bench_open(&b, RAW_TABLE("jsonb"));
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_JSON);
	for (size_t i = 0; i < N(good); i++)
		put_raw(&b, NULL, 0, good[i], strlen(good[i]), KD_OK);
	for (size_t i = 0; i < N(bad); i++)
		put_raw(&b, NULL, 0, bad[i], strlen(bad[i]), KD_ERECORD);
	cr_expect_eq(land(&b), N(good));
	expect_value(&b, "6", "select count(*) from t where value is not null and key is null and headers is null");
	bench_close(&b);
}

/* A table, what is asked of it, and what the refusal must name. */
static const struct {
	const char *sql;
	enum pg_layout layout;
	enum pg_format format;
	const char *names;
} refused[] = {
	{"create table t(a int, p point)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "\"p\" is of type point"},
	{"create table t(a int[])", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "\"a\" is of type integer[]"},
	{"create domain d as int; create table t(a d)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "\"a\" is of type public.d"},
	{"create table t(a int, i interval default '1 day')", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "interval"},
	{"create table t(a int, kafka_offset int)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "\"kafka_offset\" is of type integer"},
	{"create table t(a int, kafka_topic int)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "\"kafka_topic\""},
	{RAW_TABLE("text"), PG_LAYOUT_AUTO, PG_FORMAT_RAW, "set sink.format to \"text\""},
	{RAW_TABLE("jsonb"), PG_LAYOUT_AUTO, PG_FORMAT_TEXT, "set sink.format to \"json\""},
	{RAW_TABLE("int"), PG_LAYOUT_AUTO, PG_FORMAT_RAW, "sink.layout to \"fields\""},
	{"create table t(a int)", PG_LAYOUT_RAW, PG_FORMAT_RAW, "no column \"kafka_topic\""},
	{"create table t(a int generated always as (1) stored)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "no column to fill"},
	{"create table other(a int)", PG_LAYOUT_AUTO, PG_FORMAT_RAW, "could not find table \"t\""},
};

Test(pg_rows, a_table_that_cannot_be_filled_is_refused_by_name)
{
	for (size_t i = 0; i < N(refused); i++) {
		bench b;
		kd_error err = {0};
		bench_open(&b, refused[i].sql);
		kd_code code = load(&b, refused[i].layout, refused[i].format, &err);
		point_at_table(&b);
		if (!code)
			code = pg_encoder_open(&b.conf, &b.encoder, &err);
		cr_expect_eq(code, KD_ETARGET, "%s", refused[i].sql);
		cr_expect_eq(err.action, KD_STOP);
		cr_expect(strstr(err.message, refused[i].names), "%s: %s", refused[i].sql, err.message);
		bench_close(&b);
	}
}

Test(pg_rows, the_first_refused_record_is_named_whoever_refuses_it)
{
	bench b;
	kd_error err = {0};
	bench_open(&b, "create table t(i int, n numeric(3,1))");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int i = 0; i < 100; i++)
		put(&b, i == 70 ? "{\"i\":\"seven\"}" : i == 90 ? "{\"n\":1000}" : i % 2 ? "{\"i\":\" 1\"}" : "{\"i\":1}");
	cr_expect_eq(put_code(&b, "not json", &err), KD_ERECORD);
	cr_expect_eq(err.offset, 70);
	cr_expect_str_eq(err.message, "column \"i\": invalid input syntax for type integer: \"seven\"");
	cr_expect_str_eq(err.sqlstate, "22P02");
	bench_close(&b);
}

Test(pg_rows, a_range_that_is_read_again_leaves_nothing_behind)
{
	bench b;
	bench_open(&b, "create table t(kafka_offset bigint, i int)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int attempt = 0; attempt < 3; attempt++) {
		b.offset = b.out.size = 0;
		for (int i = 0; i < 10; i++)
			put(&b, i % 2 ? "{\"i\":\" 1\"}" : "{\"i\":1}");
	}
	cr_expect_eq(land(&b), 10);
	put(&b, "{\"i\":\" 1\"}");
	b.batch.batch_time_ms++; /* given up for another batch partition */
	put(&b, "{\"i\":\" 2\"}");
	cr_expect_eq(land(&b), 1);
	expect_value(&b, "11 12", "select concat_ws(' ', count(*), sum(i)) from t");
	bench_close(&b);
}

Test(pg_rows, a_lost_connection_is_opened_again)
{
	bench b;
	bench_open(&b, "create table t(i int)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int i = 0; i < 3; i++) {
		put(&b, "{\"i\":\" 1\"}");
		cr_expect_eq(land(&b), 1);
		kt_pg_exec(&b.pg, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = "
			"current_database() "
			"and pid <> pg_backend_pid()");
	}
	expect_value(&b, "3", "select sum(i) from t");
	bench_close(&b);
}

static bool unreachable;

static kd_code connect_or_fail(void *opaque, PGconn **ret_conn, kd_error *err)
{
	if (unreachable)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "could not connect");
	return twin_connect(opaque, ret_conn, err);
}

Test(pg_rows, after_an_error_nothing_is_held_back_and_the_range_is_read_again)
{
	bench b;
	kd_error err = {0};
	bench_open(&b, "create table t(i int)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	pg_encoder_close(b.encoder);
	b.conf.connect = connect_or_fail;
	cr_assert(!pg_encoder_open(&b.conf, &b.encoder, &err));
	unreachable = true;
	put(&b, "{\"i\":\" 1\"}");
	cr_expect_eq(put_code(&b, "{\"i\":", &err), KD_ESINK);
	cr_expect_eq(err.action, KD_RETRY);
	b.offset = 0; /* a range of one record: its offset comes twice */
	for (int attempt = 0; attempt < 2; attempt++, b.offset--) {
		put(&b, "{\"i\":\" 1\"}");
		kd_error_clear(&err);
		cr_expect_eq(pg_flush(b.encoder, &b.batch, &b.out, &err), KD_ESINK);
		cr_expect_eq(err.action, KD_RETRY);
	}
	unreachable = false;
	put(&b, "{\"i\":\" 1\"}");
	put(&b, "{\"i\":\" 2\"}");
	cr_expect_eq(land(&b), 2);
	expect_value(&b, "3", "select sum(i) from t");
	bench_close(&b);
}

Test(pg_rows, rows_of_one_record_keep_their_order_behind_one_that_waits)
{
	bench b;
	bench_open(&b, "create table t(kafka_offset bigint, i int, place serial)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (int record = 0; record < 3; record++, b.offset++) {
		for (int i = 1; i <= 3; i++, b.offset--) {
			char text[32];
			snprintf(text, sizeof text, i == 1 ? "{\"i\":\" %d\"}" : "{\"i\":%d}", i);
			put(&b, text);
		}
	}
	cr_expect_eq(land(&b), 9);
	expect_value(&b, "0:1 0:2 0:3 1:1 1:2 1:3 2:1 2:2 2:3",
		"select string_agg(kafka_offset || ':' || i, ' ' order by place) from t");
	bench_close(&b);
}

/* The text of a document, and what LATIN1 makes of it; state "": it takes it. */
static const struct {
	const char *text, *state, *hex;
} latin[] = {
	{"{\"t\":\"a\xC3\xA9\"}", "", "61e9"},
	{"{\"t\":\"a\\u00e9\",\"\xC3\xB6\":1}", "", "61e9"},
	{"{\"\xC3\xB6\":2,\"t\":\"plain\"}", "", "706c61696e"},
	{"{\"t\":\"\xE2\x82\xAC\"}", "22P05", NULL},
	{"{\"t\":\"\\u20ac\"}", "22P05", NULL},
	{"{\"t\":\"a\",\"unread\":\"\\u20ac\"}", "22P05", NULL},
	{"{\"t\":\"a\",\"\\u20ac\":1}", "22P05", NULL},
};

Test(pg_rows, a_database_in_another_encoding_takes_what_it_can_hold)
{
	bench b;
	bench_open(&b, "select 1");
	kt_pg_exec(&b.pg, "create database %s_latin1 encoding 'LATIN1' locale 'C' template template0", b.pg.name);
	kt_pg utf8 = b.pg;
	b.pg.dsn = NULL;
	cr_assert(asprintf(&b.pg.dsn, "%s dbname=%s_latin1 client_encoding=UTF8", utf8.dsn, utf8.name) > 0);
	b.pg.conn = kt_pg_connect(b.pg.dsn);
	kt_pg_exec(&b.pg, "create table t(kafka_offset bigint, t text)");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	for (size_t i = 0; i < N(latin); i++) {
		kd_error err = {0};
		b.batch.batch_time_ms++;
		b.offset = (int64_t) i;
		kd_code code = put_code(&b, latin[i].text, &err);
		if (!code)
			code = pg_flush(b.encoder, &b.batch, &b.out, &err);
		cr_expect_str_eq(err.sqlstate, latin[i].state, "%s: %s", latin[i].text, err.message);
		cr_expect_eq(code, *latin[i].state ? KD_ERECORD : KD_OK, "%s: %s", latin[i].text, err.message);
	}
	twin_land(b.pg.conn, b.columns, &b.out);
	for (size_t i = 0; i < N(latin); i++) {
		char *value = kt_pg_value(&b.pg, "select encode(convert_to(t, 'LATIN1'), 'hex') from t where kafka_offset = "
			"%zu", i);
		cr_expect_str_eq(value, latin[i].hex ? latin[i].hex : "", "%s", latin[i].text);
		free(value);
	}
	pg_encoder_close(b.encoder);
	b.encoder = NULL;
	PQfinish(b.pg.conn);
	free(b.pg.dsn);
	b.pg = utf8;
	kt_pg_exec(&b.pg, "drop database %s_latin1 with (force)", b.pg.name);
	bench_close(&b);
}

Test(pg_rows, a_default_that_cannot_be_had_stops_naming_why)
{
	bench b;
	kd_error err = {0};
	bench_open(&b, "create sequence s maxvalue 2; select nextval('s'); create table t(x int, id int default nextval('s'))");
	start(&b, PG_LAYOUT_AUTO, PG_FORMAT_RAW);
	put(&b, "{\"id\":5}");
	put(&b, "{\"x\":1}");
	put(&b, "{\"x\":2}");
	cr_expect_eq(pg_flush(b.encoder, &b.batch, &b.out, &err), KD_ETARGET);
	cr_expect_eq(err.action, KD_STOP);
	cr_expect(strstr(err.message, "defaults of absent fields: nextval: reached maximum value"), "%s", err.message);
	bench_close(&b);
}
