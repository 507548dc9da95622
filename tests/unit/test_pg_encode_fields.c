// SPDX-License-Identifier: Apache-2.0
// A document that was read before its record came to the encoder (a row of a transform) is encoded to the same bytes,
// or refused with the same words, as one that the encoder reads itself.
#include <criterion/criterion.h>
#include <string.h>

#include "lib/row_private.h"
#include "sinks/postgres/pg_encode.h"

#define N(array) (sizeof(array) / sizeof *(array))

/* t(a int, "B" text, n numeric, j jsonb, c bigint default 1), made by hand. */
static struct pg_column made_columns[] = {
	{.name = "a", .quoted = "\"a\"", .type = PG_INT4, .typmod = -1, .type_text = "integer"},
	{.name = "B", .quoted = "\"B\"", .type = PG_TEXT, .typmod = -1, .type_text = "text"},
	{.name = "n", .quoted = "\"n\"", .type = PG_NUMERIC, .typmod = -1, .type_text = "numeric"},
	{.name = "j", .quoted = "\"j\"", .type = PG_JSONB, .typmod = -1, .type_text = "jsonb"},
	{.name = "c", .quoted = "\"c\"", .type = PG_INT8, .typmod = -1, .type_text = "bigint", .default_text = "1"},
};
static struct pg_columns made = {.schema = "public", .table = "t", .qualified = "\"public\".\"t\"",
	.column = made_columns, .n = N(made_columns), .utf8 = true};
static const pg_table made_table = {.written = (char *) "t", .columns = &made};
static const kd_logger silent;

static struct pg_encoder *open_made(bool unknown_is_an_error)
{
	struct pg_encoder_conf conf = {.tables = &made_table, .n_tables = 1, .log = &silent,
		.unknown_fields_error = unknown_is_an_error};
	struct pg_encoder *encoder;
	kd_error err = {0};
	cr_assert(!pg_columns_choose(&made, PG_LAYOUT_AUTO, PG_FORMAT_RAW, &err), "%s", err.message);
	cr_assert(!pg_encoder_open(&conf, &encoder, &err), "%s", err.message);
	return encoder;
}

static kd_code encode(struct pg_encoder *encoder, const kd_record *record, kd_buf *out, kd_error *err)
{
	static const kd_batch_partition batch = {.topic = "t", .range = {0, 100}};
	uint32_t rows;
	*err = (kd_error) {0};
	out->size = 0;
	kd_code code = pg_encode(encoder, &batch, record, out, &rows, err);
	return code ? code : pg_flush(encoder, &batch, out, err);
}

static void compare(const kd_record *record, bool unknown_is_an_error, const char *what)
{
	struct pg_encoder *one = open_made(unknown_is_an_error), *other = open_made(unknown_is_an_error);
	kd_record unread = *record;
	unread.fields = NULL;
	cr_expect(record->fields, "%s was read", what);
	for (int turn = 0; turn < 2; turn++) { /* the second time, keys are guessed */
		kd_buf a = {0}, b = {0};
		kd_error of_a, of_b;
		kd_code code = encode(one, record, &a, &of_a);
		cr_expect_eq(code, encode(other, &unread, &b, &of_b), "%s", what);
		cr_expect_str_eq(of_a.message, of_b.message, "%s", what);
		cr_expect(a.size == b.size && (!a.size || memcmp(a.data, b.data, a.size) == 0), "%s", what);
		cr_expect(code || a.size, "%s", what);
		kd_buf_done(&a);
		kd_buf_done(&b);
		unread.offset++;
		((kd_record *) record)->offset++;
	}
	pg_encoder_close(one);
	pg_encoder_close(other);
}

Test(pg_encode_fields, come_to_the_same_rows_as_the_document)
{
	static const char *const documents[] = {"{\"a\":1,\"B\":\"x\"}", "{ \"B\" : \"\\u00e9\\n\" , \"a\":-7 }", "{}",
		"{\"a\":1,\"a\":2,\"B\":null}", "{\"\\u0061\":5,\"a\":6}", "{\"n\":12345.6700,\"j\":{\"k\":[1, \"\\n\"]}}",
		"{\"n\":1e9999}", "{\"j\":[1e9999]}", "{\"a\":\"7\"}", "{\"a\":\" 7\"}", "{\"a\":1.5}", "{\"c\":3}",
		"{\"x\":1,\"a\":2,\"y\":{}}", "{\"\\u0078\":1}", "{\"B\":\"\xC3\xA9\"}", "{\"B\":{\"k\":1},\"j\":\"t\"}",
		"{\"j\":null,\"n\":null,\"B\":true}"};
	kd_row *row = kd_row_new();
	kd_error err = {0};
	cr_assert(row);
	for (size_t i = 0; i < N(documents); i++) {
		size_t good;
		kd_record record = {.offset = 2, .timestamp_ms = -1, .value = documents[i], .value_size = strlen(documents[i])};
		for (int set = 0; set < 2; set++) {
			kd_record result;
			kd_row_begin(row, &record);
			row->is_document = kd_row_read(row, record.value, record.value_size, &good);
			cr_assert(row->is_document);
			if (set) {
				kd_row_set_int(row, "a", 77);
				kd_row_set_number(row, "n", "1e9999", 6 * (i % 2) + 1 - i % 2);
				kd_row_set_text(row, "new", "plain", 5);
			}
			cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
			compare(&result, i % 3 == 0, documents[i]);
		}
	}
	kd_row_free(row);
}

Test(pg_encode_fields, are_not_handed_on_where_they_are_not_the_value)
{
	static const char document[] = "{\"a\":1}";
	kd_record record = {.value = document, .value_size = sizeof document - 1}, result;
	kd_row *row = kd_row_new();
	kd_error err = {0};
	size_t good;
	cr_assert(row);
	kd_row_begin(row, &record); /* not read: any bytes */
	cr_expect(kd_row_result(row, &result, &err) == KD_OK && !result.fields);
	cr_assert(kd_row_read(row, document, sizeof document - 1, &good));
	kd_row_set_text(row, "b", "\"", 1); /* JSON has another spelling for it */
	cr_expect(kd_row_result(row, &result, &err) == KD_OK && !result.fields);
	kd_row_set_text(row, "b", "c", 1);
	cr_expect(kd_row_result(row, &result, &err) == KD_OK && result.fields && result.fields->n == 2);
	kd_row_set_record_value(row, "x", 1);
	cr_expect(kd_row_result(row, &result, &err) == KD_OK && !result.fields);
	kd_row_free(row);
}
