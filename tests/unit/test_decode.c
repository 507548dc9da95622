// SPDX-License-Identifier: Apache-2.0
// The decoders that the library brings: what they take, what fields they make of it, and what they refuse, saying why.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kdirect/transform.h"
#include "lib/row_private.h"

#define N(array) (sizeof(array) / sizeof *(array))

static const kd_batch_partition batch = {.job = "j", .topic = "t", .range = {0, 100}};
static kd_row *row;
static kd_error err;

static void complain(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	cr_log_error("%s", diagnostic->message);
}

static kd_config *make_config(const kd_decoder_ops *decoder, const char *keys)
{
	char text[512];
	kd_config *config = kd_config_new(&(kd_options) {decoder->options, decoder->n_options}, 1);
	snprintf(text, sizeof text, "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:9092\"},"
		" \"topics\": [\"t\"], \"sink\": {\"type\": \"null\"}%s%s}", *keys ? ", \"decode\": " : "", keys);
	kd_error wrong = {0};
	cr_assert(config && kd_config_parse(config, text, strlen(text), "job", complain, NULL, &wrong) == KD_OK &&
		kd_config_check(config, complain, NULL, &wrong) == KD_OK, "%s: %s", text, wrong.message);
	return config;
}

/* Decodes a value of exactly this size; the caller looks at the row. */
static kd_code decode(const kd_decoder_ops *decoder, void *state, const void *bytes, size_t size)
{
	static char *copy;
	if (!row)
		row = kd_row_new();
	free(copy);
	copy = malloc(size ? size : 1);
	cr_assert(row && copy);
	memcpy(copy, bytes, size);
	kd_record record = {.offset = 7, .value = copy, .value_size = size};
	kd_row_begin(row, &record);
	err = (kd_error) {0};
	return decoder->decode(state, &batch, &row->record, row, &err);
}

static void expect_document(const char *expected, const char *what)
{
	kd_record result;
	row->changed = true;
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK, "%s: %s", what, err.message);
	cr_expect(result.value_size == strlen(expected) && memcmp(result.value, expected, result.value_size) == 0,
		"%s: %.*s, not %s", what, (int) result.value_size, (const char *) result.value, expected);
}

Test(decode, the_librarys_decoders_are_found_by_name)
{
	static const char *const names[] = {"raw", "text", "json", "csv"};
	for (size_t i = 0; i < N(names); i++) {
		const kd_decoder_ops *decoder = kd_decoder_find(names[i]);
		cr_assert_not_null(decoder, "%s", names[i]);
		cr_expect_eq(decoder, kd_decoder_at(i));
		cr_expect_str_eq(decoder->name, names[i]);
		cr_expect_eq(decoder->abi, KD_DECODER_ABI);
		cr_expect(decoder->summary && *decoder->summary && decoder->decode);
	}
	cr_expect_null(kd_decoder_at(N(names)));
	cr_expect_null(kd_decoder_find("avro"));
	cr_expect_null(kd_decoder_find(""));
}

Test(decode, raw_takes_any_bytes_and_gives_no_fields)
{
	cr_expect_eq(decode(&kd_raw_decoder, NULL, "\0\xFF{", 3), KD_OK);
	cr_expect_eq(row->n, 0);
	cr_expect_not(row->changed);
}

Test(decode, text_must_be_utf_8_without_nul_bytes)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *reason; // NULL: it is text
	} cases[] = {{"", 0, NULL}, {"abc", 3, NULL}, {"\xC3\xA9\n", 3, NULL}, {"abc\xFF", 4, "byte 3 is not UTF-8"},
		{"abcdefgh\0x", 10, "byte 8 is NUL"}, {"\xED\xA0\x80", 3, "byte 0"}, {"x\xC3", 2, "byte 1"}};
	for (size_t i = 0; i < N(cases); i++) {
		kd_code code = decode(&kd_text_decoder, NULL, cases[i].bytes, cases[i].size);
		cr_expect_eq(code, cases[i].reason ? KD_ERECORD : KD_OK, "case %zu", i);
		if (cases[i].reason)
			cr_expect(strstr(err.message, cases[i].reason) && err.action == KD_STOP, "%s", err.message);
		cr_expect_eq(row->n, 0);
	}
}

Test(decode, json_must_be_one_object)
{
	static const struct {
		const char *value, *reason; // NULL: it is
	} cases[] = {{"{}", NULL}, {" {\"a\":[{}]} ", NULL}, {"", "empty"}, {"[1]", "byte 0"},
		{"{\"a\":1}}", "not one JSON object"},
		{"{\"a\":1,\"b\":x}", "byte 11"}, {"{\"a\":\"\xFF\"}", "byte 6 is not UTF-8"}, {"{\"a\":\"\\u0000\"}", "byte 5"}};
	for (size_t i = 0; i < N(cases); i++) {
		kd_code code = decode(&kd_json_decoder, NULL, cases[i].value, strlen(cases[i].value));
		cr_expect_eq(code, cases[i].reason ? KD_ERECORD : KD_OK, "%s", cases[i].value);
		if (cases[i].reason)
			cr_expect(strstr(err.message, cases[i].reason) && err.action == KD_STOP, "%s: %s", cases[i].value,
				err.message);
		cr_expect_not(row->changed);
	}
}

static void *open_csv(const char *keys, kd_config **ret_config)
{
	void *state = NULL;
	*ret_config = make_config(&kd_csv_decoder, keys);
	kd_part_context context = {.config = *ret_config};
	err = (kd_error) {0};
	cr_assert_eq(kd_csv_decoder.open(&context, &state, &err), KD_OK, "%s", err.message);
	return state;
}

Test(decode, csv_lines_become_fields)
{
	static const char comma[] = "{\"columns\": [\"a\", \"b\"]}";
	static const struct {
		const char *keys, *line, *document;
	} cases[] = {
		{comma, "1,2", "{\"a\":\"1\",\"b\":\"2\"}"},
		{comma, "1,2\n", "{\"a\":\"1\",\"b\":\"2\"}"},
		{comma, "1,2\r\n", "{\"a\":\"1\",\"b\":\"2\"}"},
		{comma, ",", "{\"a\":null,\"b\":null}"},
		{comma, "\"\",x", "{\"a\":\"\",\"b\":\"x\"}"},
		{comma, " x , y ", "{\"a\":\" x \",\"b\":\" y \"}"},
		{comma, "\"a,b\",\"c\"", "{\"a\":\"a,b\",\"b\":\"c\"}"},
		{comma, "\"say \"\"hi\"\"\",\"\"\"\"", "{\"a\":\"say \\\"hi\\\"\",\"b\":\"\\\"\"}"},
		{comma, "\"two\r\nlines\",3\r\n", "{\"a\":\"two\\r\\nlines\",\"b\":\"3\"}"},
		{comma, "\xC3\xA9,\"\xC3\xA9\"", "{\"a\":\"\xC3\xA9\",\"b\":\"\xC3\xA9\"}"},
		{comma, "back\\slash,\t", "{\"a\":\"back\\\\slash\",\"b\":\"\\t\"}"},
		{"{\"columns\": [\"a\"]}", "", "{\"a\":null}"},
		{"{\"columns\": [\"a\"]}", "1", "{\"a\":\"1\"}"},
		{"{\"columns\": [\"a\", \"b\"], \"delimiter\": \"\\t\"}", "1,2\t3", "{\"a\":\"1,2\",\"b\":\"3\"}"},
		{"{\"columns\": [\"a\", \"b\"], \"delimiter\": \";\"}", "1;\"2;3\"", "{\"a\":\"1\",\"b\":\"2;3\"}"},
		{"{\"columns\": [\"a\", \"b\"], \"null\": \"NULL\"}", "NULL,\"NULL\"", "{\"a\":null,\"b\":\"NULL\"}"},
		{"{\"columns\": [\"a\", \"b\"], \"null\": \"NULL\"}", ",nULL", "{\"a\":\"\",\"b\":\"nULL\"}"},
		{"{\"columns\": [\"a \\\"\", \"\xC3\xA9\"]}", "1,2", "{\"a \\\"\":\"1\",\"\xC3\xA9\":\"2\"}"},
	};
	for (size_t i = 0; i < N(cases); i++) {
		kd_config *config;
		void *state = open_csv(cases[i].keys, &config);
		cr_assert_eq(decode(&kd_csv_decoder, state, cases[i].line, strlen(cases[i].line)), KD_OK, "%s: %s",
			cases[i].line, err.message);
		cr_expect(row->changed);
		expect_document(cases[i].document, cases[i].line);
		kd_csv_decoder.close(state);
		kd_config_free(config);
	}
}

Test(decode, csv_refuses_what_is_not_one_line_of_its_columns)
{
	static const struct {
		const char *line;
		size_t size;
		const char *reason;
	} cases[] = {{"1", 1, "has 1 fields, and decode.columns names 2"}, {"1,2,3", 5, "has 3 fields"},
		{"", 0, "has 1 fields"}, {"\"1,2", 4, "never closed at byte 0"}, {"1,\"2\"\"", 6, "never closed at byte 2"},
		{"\"1\"x,2", 6, "behind a closing quote at byte 3"}, {"1\"2\",3", 6, "quote within a field"},
		{"1,2\n3,4", 7, "line break outside of quotes at byte 3"}, {"1,2\n\n", 5, "line break"},
		{"1,\xFF", 3, "not UTF-8 at byte 2"}, {"1,\0", 3, "NUL at byte 2"}};
	kd_config *config;
	void *state = open_csv("{\"columns\": [\"a\", \"b\"]}", &config);
	for (size_t i = 0; i < N(cases); i++) {
		cr_expect_eq(decode(&kd_csv_decoder, state, cases[i].line, cases[i].size), KD_ERECORD, "%s", cases[i].line);
		cr_expect(strstr(err.message, cases[i].reason) && err.action == KD_STOP, "%s: %s", cases[i].line, err.message);
	}
	kd_csv_decoder.close(state);
	kd_config_free(config);
}

Test(decode, csv_refuses_a_configuration_that_means_nothing)
{
	static const struct {
		const char *keys, *reason;
	} cases[] = {{"{\"columns\": [\"a\", \"b\", \"a\"]}", "\"a\" twice"},
		{"{\"columns\": [\"a\"], \"delimiter\": \",,\"}", "one ASCII character"},
		{"{\"columns\": [\"a\"], \"delimiter\": \"\\\"\"}", "one ASCII character"},
		{"{\"columns\": [\"a\"], \"delimiter\": \"\\n\"}", "one ASCII character"},
		{"{\"columns\": [\"a\"], \"delimiter\": \"\xC3\xA9\"}", "one ASCII character"}};
	for (size_t i = 0; i < N(cases); i++) {
		void *state = NULL;
		kd_config *config = make_config(&kd_csv_decoder, cases[i].keys);
		kd_part_context context = {.config = config};
		err = (kd_error) {0};
		cr_expect_eq(kd_csv_decoder.open(&context, &state, &err), KD_ECONFIG, "%s", cases[i].keys);
		cr_expect(strstr(err.message, cases[i].reason), "%s: %s", cases[i].keys, err.message);
		cr_expect_null(state);
		kd_config_free(config);
	}
}
