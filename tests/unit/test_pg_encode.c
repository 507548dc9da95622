/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder without a server: frames, headers, and the bytes of plain values. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sinks/postgres/pg_encode.h"
#include "sinks/postgres/pg_encode_headers.h"
#include "sinks/postgres/pg_values.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* Headers that need no librdkafka: this one is linked in place of the library's. */
static const kd_header *headers;
static size_t n_headers;

bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header)
{
	(void) record;
	if (i >= n_headers)
		return false;
	*ret_header = headers[i];
	return true;
}

static void expect_headers(const kd_header *given, size_t n, const char *expected)
{
	kd_buf out = {0};
	kd_record record = {0};
	headers = given;
	n_headers = n;
	cr_assert(pg_headers_json(&record, &out));
	cr_expect(out.size == strlen(expected) && memcmp(out.data ? out.data : "", expected, out.size) == 0, "%.*s, not %s",
		(int) out.size, out.data ? out.data : "", expected);
	kd_buf_done(&out);
}

Test(pg_encode, headers_keep_order_repeats_nulls_and_bytes)
{
	static const kd_header all[] = {{"a", "x\"\n", 3}, {"a", NULL, 0}, {"a", "", 0}, {"b", "\xFF", 1}, {"b", "\0z", 2},
		{"\xC3\xA9", "\xC3\xA9", 2}, {"\xFF\xFE\xFD", "abcd\xFF", 5}};
	expect_headers(all, 0, "");
	expect_headers(all, N(all), "[{\"name\":\"a\",\"text\":\"x\\\"\\n\"},{\"name\":\"a\",\"text\":null},"
		"{\"name\":\"a\",\"text\":\"\"},{\"name\":\"b\",\"base64\":\"/w==\"},{\"name\":\"b\",\"base64\":\"AHo=\"},"
		"{\"name\":\"\xC3\xA9\",\"text\":\"\xC3\xA9\"},{\"name_base64\":\"//79\",\"base64\":\"YWJjZP8=\"}]");
}

/* The field's bytes in hex, without its length; "odd" where it is not plain. */
static void expect_bytes(uint32_t type, int32_t typmod, const char *token, const char *expected)
{
	static kd_json json;
	struct pg_column column = {.type = type, .typmod = typmod};
	kd_json_value value;
	char to[256], hex[512] = "odd";
	cr_assert(kd_json_whole(&json, token, strlen(token), &value), "%s", token);
	const char *end = pg_value_write(&column, &value, to);
	for (const char *p = to + 4; end && p < end; p++)
		snprintf(hex + 2 * (p - to - 4), 3, "%02x", (unsigned char) *p);
	if (end == to + 4)
		*hex = '\0';
	cr_expect_str_eq(hex, expected, "type %u: %s", type, token);
}

#define NUMERIC(precision, scale) (((precision) << 16 | (scale)) + 4)

Test(pg_encode, plain_values_have_the_bytes_that_postgresql_sends)
{
	static const struct {
		uint32_t type;
		int32_t typmod;
		const char *token, *bytes;
	} values[] = {
		{PG_BOOL, -1, "true", "01"}, {PG_BOOL, -1, "\"f\"", "00"}, {PG_BOOL, -1, "\"yes\"", "odd"},
		{PG_INT2, -1, "-32768", "8000"}, {PG_INT2, -1, "32768", "odd"}, {PG_INT4, -1, "\"42\"", "0000002a"},
		{PG_INT4, -1, "-0", "odd"}, {PG_INT4, -1, "1.0", "odd"}, {PG_INT4, -1, "1e2", "odd"},
		{PG_INT8, -1, "999999999999999999", "0de0b6b3a763ffff"}, {PG_INT4, -1, "[1]", "odd"},
		{PG_FLOAT8, -1, "-0.0", "8000000000000000"}, {PG_FLOAT8, -1, "0.1", "3fb999999999999a"},
		{PG_FLOAT8, -1, "1e309", "odd"}, {PG_FLOAT4, -1, "16777217", "4b800000"}, {PG_FLOAT4, -1, "1e39", "odd"},
		{PG_NUMERIC, -1, "0.000", "0000000000000003"}, {PG_NUMERIC, -1, "-12345.670", "0003000140000003000109291a2c"},
		{PG_NUMERIC, -1, "1e4", "00010001000000000001"}, {PG_NUMERIC, -1, "\"1e-5\"", "0001fffe0000000503e8"},
		{PG_NUMERIC, NUMERIC(3, 1), "99.9", "000200000000000100632328"}, {PG_NUMERIC, NUMERIC(3, 1), "99.95", "odd"},
		{PG_NUMERIC, -1, "\"NaN\"", "odd"}, {PG_NUMERIC, -1, "1e999", "odd"},
		{PG_TEXT, -1, "\"a\\u00e9\"", "61c3a9"}, {PG_TEXT, -1, "{\"a\": 1}", "7b2261223a20317d"},
		{PG_TEXT, -1, "1.50", "312e3530"},
		{PG_VARCHAR, 7, "\"abc\"", "616263"}, {PG_VARCHAR, 7, "\"abcd\"", "odd"}, {PG_TEXT, -1, "\"\"", ""},
		{PG_BYTEA, -1, "\"\\\\x0aFF\"", "0aff"}, {PG_BYTEA, -1, "\"\\\\x0\"", "odd"},
		{PG_BYTEA, -1, "\"\\\\001\"", "odd"},
		{PG_UUID, -1, "\"123e4567-e89b-12d3-A456-426614174000\"", "123e4567e89b12d3a456426614174000"},
		{PG_UUID, -1, "\"123e4567e89b12d3a456426614174000\"", "odd"},
		{PG_DATE, -1, "\"2000-01-01\"", "00000000"}, {PG_DATE, -1, "\"2024-02-29\"", "00002279"},
		{PG_DATE, -1, "\"2023-02-29\"", "odd"}, {PG_DATE, -1, "\"0001-01-01\"", "fff4dbf9"},
		{PG_DATE, -1, "20260101", "odd"},
		{PG_TIME, -1, "\"00:00:01.5\"", "000000000016e360"}, {PG_TIME, -1, "\"24:00:00\"", "odd"},
		{PG_TIME, -1, "\"23:59:60\"", "odd"}, {PG_TIME, -1, "\"00:00:00.1234567\"", "odd"},
		{PG_TIMESTAMP, -1, "\"2000-01-01T00:00:00+02:00\"", "0000000000000000"},
		{PG_TIMESTAMPTZ, -1, "\"2000-01-01 02:00:00+02:00\"", "0000000000000000"},
		{PG_TIMESTAMPTZ, -1, "\"2000-01-01T00:00:00.000001Z\"", "0000000000000001"},
		{PG_TIMESTAMPTZ, -1, "\"2000-01-01 00:00:00 UTC\"", "odd"}, {PG_TIMESTAMPTZ, -1, "0", "odd"},
		{PG_JSON, -1, "\"\\u0041\\/\"", "22412f22"}, {PG_JSONB, -1, "[1]", "015b315d"},
		{PG_JSONB, -1, "[1e9999]", "odd"},
	};
	for (size_t i = 0; i < N(values); i++)
		expect_bytes(values[i].type, values[i].typmod, values[i].token, values[i].bytes);
}

Test(pg_encode, kafka_timestamps_out_of_range_are_noticed)
{
	int64_t microseconds = 0;
	cr_expect(pg_value_timestamp_ms(946684800000, &microseconds));
	cr_expect_eq(microseconds, 0);
	cr_expect(pg_value_timestamp_ms(9224318015999999, &microseconds));
	cr_expect_not(pg_value_timestamp_ms(9224318016000000, &microseconds));
	cr_expect_not(pg_value_timestamp_ms(INT64_MAX, &microseconds));
	cr_expect_not(pg_value_timestamp_ms(INT64_MIN, &microseconds));
}

/* t(a int, "B" text, c bigint default 1), made by hand. */
static struct pg_column made_columns[] = {
	{.name = "a", .quoted = "\"a\"", .type = PG_INT4, .typmod = -1, .type_text = "integer"},
	{.name = "B", .quoted = "\"B\"", .type = PG_TEXT, .typmod = -1, .type_text = "text"},
	{.name = "c", .quoted = "\"c\"", .type = PG_INT8, .typmod = -1, .type_text = "bigint", .default_text = "1"},
};
static struct pg_columns made = {.schema = "public", .table = "t", .qualified = "\"public\".\"t\"",
	.column = made_columns,
	.n = N(made_columns), .utf8 = true};
static const pg_table made_table = {.written = (char *) "t", .columns = &made};

static kd_code encode(struct pg_encoder *encoder, const kd_batch_partition *batch, int64_t offset, const char *text,
	kd_buf *out, kd_error *err)
{
	uint32_t rows;
	kd_record record = {.offset = offset, .timestamp_ms = -1, .value = text, .value_size = strlen(text)};
	return pg_encode(encoder, batch, &record, out, &rows, err);
}

static struct pg_encoder *open_made(void)
{
	struct pg_encoder_conf conf = {.tables = &made_table, .n_tables = 1};
	struct pg_encoder *encoder;
	kd_error err = {0};
	cr_assert(!pg_columns_choose(&made, PG_LAYOUT_AUTO, PG_FORMAT_RAW, &err), "%s", err.message);
	cr_assert(!pg_encoder_open(&conf, &encoder, &err), "%s", err.message);
	return encoder;
}

Test(pg_encode, frames_carry_their_columns_and_grow_in_place)
{
	struct pg_encoder *encoder = open_made();
	kd_batch_partition batch = {.topic = "t", .range = {0, 100}};
	kd_buf out = {0}, sql = {0};
	kd_error err = {0};
	for (int i = 0; i < 5; i++)
		cr_assert(!encode(encoder, &batch, i, "{\"B\":\"x\",\"a\":1}", &out, &err), "%s", err.message);
	cr_assert(!encode(encoder, &batch, 5, "{\"c\":2}", &out, &err), "%s", err.message);
	cr_assert(!pg_flush(encoder, &batch, &out, &err));
	struct pg_frame frame, last;
	size_t position = 0;
	cr_assert(pg_frame_next(out.data, out.size, &position, &frame));
	cr_expect_eq(frame.rows, 5);
	cr_expect_eq(frame.size, 5 * (2 + 8 + 5));
	cr_expect(memcmp(frame.tuples, "\0\2\0\0\0\4\0\0\0\1\0\0\0\1x", 15) == 0);
	cr_assert(pg_frame_next(out.data, out.size, &position, &last));
	cr_expect_eq(last.rows, 1);
	cr_expect_eq(last.n_columns, 3);
	cr_expect_not(pg_frame_same_columns(&frame, &last));
	cr_expect_not(pg_frame_next(out.data, out.size, &position, &last));
	cr_assert(pg_frame_copy_sql(&made, &last, &sql) && kd_buf_append(&sql, "", 1));
	cr_expect_str_eq(sql.data, "COPY \"public\".\"t\" (\"a\", \"B\", \"c\") FROM STDIN (FORMAT binary)");
	kd_buf_done(&sql);
	kd_buf_done(&out);
	pg_encoder_close(encoder);
}

Test(pg_encode, without_a_server_nothing_is_guessed)
{
	static const char *const refused[] = {"{\"a\":\" 1\"}", "{\"a\":1.0}", "{\"a\":99999999999}", "", "[]",
		"{\"a\":1}x",
		"{\"x\":\"\\u0000\"}", "{\"x\":\"\xFF\"}"};
	struct pg_encoder *encoder = open_made();
	kd_batch_partition batch = {.topic = "t", .range = {0, 100}};
	kd_buf out = {0};
	for (size_t i = 0; i < N(refused); i++) {
		kd_error err = {0};
		cr_expect_eq(encode(encoder, &batch, (int64_t) i, refused[i], &out, &err), KD_ERECORD, "%s", refused[i]);
		cr_expect_eq(err.action, KD_STOP);
		cr_expect_eq(err.offset, (int64_t) i);
	}
	/* And once the column c is in the rows, its default is the server's to give. */
	kd_error err = {0};
	cr_expect_eq(encode(encoder, &batch, 20, "{\"c\":2}", &out, &err), KD_OK);
	cr_expect_eq(encode(encoder, &batch, 21, "{\"a\":2}", &out, &err), KD_ERECORD);
	kd_error_clear(&err);
	cr_expect_eq(pg_flush(encoder, &batch, &out, &err), KD_OK);
	struct pg_frame frame;
	size_t position = 0;
	cr_expect(pg_frame_next(out.data, out.size, &position, &frame));
	cr_expect_eq(frame.rows, 1);
	cr_expect_not(pg_frame_next(out.data, out.size, &position, &frame));
	kd_buf_done(&out);
	pg_encoder_close(encoder);
}
