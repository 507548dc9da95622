// SPDX-License-Identifier: Apache-2.0
// A record as fields: what is read, what is set, and the document that comes of it.
#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/row_private.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define LIT(text) text, sizeof(text) - 1

static kd_row *row;
static kd_record record;
static kd_error err;

/* The row is this document, in memory of exactly its size. */
static bool begin_bytes(const void *document, size_t size)
{
	static char *copy;
	size_t good;
	if (!row)
		row = kd_row_new();
	free(copy);
	copy = malloc(size ? size : 1);
	cr_assert(row && copy);
	memcpy(copy, document, size);
	record = (kd_record) {.offset = 42, .timestamp_ms = 1, .value = copy, .value_size = size};
	kd_row_begin(row, &record);
	return kd_row_read(row, copy, size, &good);
}

static void begin(const char *document)
{
	cr_assert(begin_bytes(document, strlen(document)), "%s", document);
}

static void expect_value(const char *expected)
{
	kd_record result;
	err = (kd_error) {0};
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK, "%s", err.message);
	cr_expect(result.value_size == strlen(expected) && memcmp(result.value, expected, result.value_size) == 0,
		"%.*s, not %s", (int) result.value_size, (const char *) result.value, expected);
}

static void expect_refusal(const char *words)
{
	kd_record result;
	err = (kd_error) {0};
	cr_assert_eq(kd_row_result(row, &result, &err), KD_ERECORD, "%s", words);
	cr_expect_eq(err.action, KD_STOP);
	cr_expect_eq(err.offset, 42);
	cr_expect(strstr(err.message, words), "\"%s\" in: %s", words, err.message);
}

static bool is_text(const kd_value *value, const char *text)
{
	return value->size == strlen(text) && memcmp(value->text, text, value->size) == 0;
}

Test(row, gives_fields_as_they_mean)
{
	static const struct {
		const char *document, *name;
		kd_value_type type;
		const char *text;
	} cases[] = {
		{"{\"a\":1}", "a", KD_VALUE_NUMBER, "1"},
		{" { \"a\" : -1.50e+7 } ", "a", KD_VALUE_NUMBER, "-1.50e+7"},
		{"{\"a\":12345678901234567890123456789}", "a", KD_VALUE_NUMBER, "12345678901234567890123456789"},
		{"{\"a\":null}", "a", KD_VALUE_NULL, NULL},
		{"{\"a\":\"\"}", "a", KD_VALUE_TEXT, ""},
		{"{\"a\":\"x y\"}", "a", KD_VALUE_TEXT, "x y"},
		{"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a", KD_VALUE_TEXT, "\"\\/\b\f\n\r\t"},
		{"{\"a\":\"\\u00e9\\ud83d\\ude00\"}", "a", KD_VALUE_TEXT, "\xC3\xA9\xF0\x9F\x98\x80"},
		{"{\"a\":[1, \"\\n\"]}", "a", KD_VALUE_ARRAY, "[1, \"\\n\"]"},
		{"{\"a\":{\"b\" :{}}}", "a", KD_VALUE_OBJECT, "{\"b\" :{}}"},
		{"{\"\":7}", "", KD_VALUE_NUMBER, "7"},
		{"{\"\\u0061\\t\":7}", "a\t", KD_VALUE_NUMBER, "7"},
		{"{\"\xD0\xB6\":7}", "\xD0\xB6", KD_VALUE_NUMBER, "7"},
		{"{\"a\":1,\"b\":2,\"a\":3}", "a", KD_VALUE_NUMBER, "3"},
		{"{\"a\":1,\"b\":2,\"\\u0061\":\"\\u0062\"}", "a", KD_VALUE_TEXT, "b"},
		{"{\"\\u0061\":1,\"b\":2,\"a\":4}", "a", KD_VALUE_NUMBER, "4"},
	};
	kd_value value;
	for (size_t i = 0; i < N(cases); i++) {
		begin(cases[i].document);
		cr_assert(kd_row_get(row, cases[i].name, &value), "%s", cases[i].document);
		cr_expect_eq(value.type, cases[i].type, "%s", cases[i].document);
		cr_expect(cases[i].text ? is_text(&value, cases[i].text) : !value.text, "%s", cases[i].document);
		expect_value(cases[i].document); // what was only read is the record's own
	}
	begin("{\"a\":true,\"b\":false}");
	cr_expect(kd_row_get(row, "a", &value) && value.type == KD_VALUE_BOOL && value.boolean);
	cr_expect(kd_row_get(row, "b", &value) && value.type == KD_VALUE_BOOL && !value.boolean);
	cr_expect_not(kd_row_get(row, "c", &value));
}

Test(row, refuses_what_is_not_one_object_and_every_beginning_of_one)
{
	static const char *const bad[] = {"", " ", "1", "[]", "\"a\"", "null", "{}x", "{}{}", "{\"a\":1,}", "{a:1}",
		"{\"a\":01}", "{\"a\":\"\xFF\"}", "{\"a\":\"\\u0000\"}", "{\"a\":\"\\ud800\"}", "{\"a\" 1}", "{\"a\":tru}"};
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_not(begin_bytes(bad[i], strlen(bad[i])), "%s", bad[i]);
	static const char good[] = "{\"a\":[1,{\"b\":\"\\u00e9\"}],\"c\":\"\xC3\xA9\",\"d\":-1.5e3}";
	for (size_t size = 0; size < sizeof good - 1; size++)
		cr_expect_not(begin_bytes(good, size), "%zu bytes", size);
	cr_expect(begin_bytes(LIT(good)));
}

Test(row, lists_fields_in_order_and_the_last_of_a_repeated_name)
{
	const char *name;
	size_t size;
	kd_value value;
	begin("{\"b\":1,\"a\":2,\"c\":{},\"a\":3}");
	static const char *const names[] = {"b", "a", "c"}, *const texts[] = {"1", "3", "{}"};
	for (size_t i = 0; i < 3; i++) {
		cr_assert(kd_row_at(row, i, &name, &size, &value));
		cr_expect(size == 1 && *name == *names[i]);
		cr_expect(is_text(&value, texts[i]));
	}
	cr_expect_not(kd_row_at(row, 3, &name, &size, &value));
}

/* The order of names is remembered from document to document: whatever came before, a document reads the same. */
Test(row, reads_a_document_the_same_whatever_came_before)
{
	static const char *const documents[] = {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}", "{\"c\":3,\"a\":1}",
		"{\"a\":1,\"a\":2}", "{}", "{\"a\":1,\"x\":0,\"b\":2,\"c\":3,\"x\":9}", "{\"b\":1,\"\\u0062\":2}",
		"{\"b\":1,\"a\":5,\"b\":2,\"c\":1,\"a\":6}", "{\"c\":1,\"c\":2,\"c\":3}"};
	static const char *const written[] = {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}", "{\"c\":3,\"a\":1}",
		"{\"a\":2}", "{}", "{\"a\":1,\"x\":9,\"b\":2,\"c\":3}", "{\"b\":2}", "{\"b\":2,\"a\":6,\"c\":1}", "{\"c\":3}"};
	for (size_t i = 0; i < N(documents); i++)
		for (size_t k = 0; k < N(documents); k++) {
			begin(documents[i]);
			begin(documents[k]);
			kd_row_set_null(row, "n");
			kd_row_remove(row, "n");
			expect_value(written[k]);
		}
}

Test(row, writes_what_was_set)
{
	kd_value value;
	begin("{ \"a\" : 1.0 , \"s\":\"\\u00e9\\/\", \"o\":{ \"x\":1 } }");
	kd_row_set_int(row, "i", INT64_MIN);
	kd_row_set_int(row, "a", 0);
	kd_row_set_bool(row, "t", true);
	kd_row_set_bool(row, "f", false);
	kd_row_set_null(row, "n");
	expect_value("{\"a\":0,\"s\":\"\\u00e9\\/\",\"o\":{ \"x\":1 },\"i\":-9223372036854775808,\"t\":true,\"f\":false,"
		"\"n\":null}");
	kd_row_clear(row);
	expect_value("{}");
	kd_row_set_text(row, "plain", LIT("a b"));
	kd_row_set_text(row, "odd", LIT("\"\\\b\f\n\r\t\x01\x1f\x7f/"));
	kd_row_set_text(row, "wide", LIT("\xC3\xA9\xF0\x9F\x98\x80"));
	kd_row_set_text(row, "na\"me\n", LIT("\xC3\xA9\""));
	kd_row_set_bytes(row, "bytes", "\x00\xFFz", 3);
	expect_value("{\"plain\":\"a b\",\"odd\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\","
		"\"wide\":\"\xC3\xA9\xF0\x9F\x98\x80\",\"na\\\"me\\n\":\"\xC3\xA9\\\"\",\"bytes\":\"\\\\x00ff7a\"}");
	cr_expect(kd_row_get(row, "odd", &value) && is_text(&value, "\"\\\b\f\n\r\t\x01\x1f\x7f/"));
	cr_expect(kd_row_get(row, "bytes", &value) && is_text(&value, "\\x00ff7a"));
	kd_row_clear(row);
	kd_row_set_number(row, "n", LIT("-1.50e+007"));
	kd_row_set_json(row, "j", LIT(" [1, \"\\n\"] "));
	kd_row_set_json(row, "s", LIT("\"\\n\""));
	kd_row_set_json(row, "z", LIT("null"));
	expect_value("{\"n\":-1.50e+007,\"j\":[1, \"\\n\"],\"s\":\"\\n\",\"z\":null}");
	cr_expect(kd_row_get(row, "s", &value) && is_text(&value, "\n"));
}

Test(row, writes_doubles_that_read_back_and_no_locale_changes_them)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {{0.1, "0.1"}, {-0.0, "-0"}, {1e300, "1e+300"}, {1.0 / 3, "0.3333333333333333"}, {NAN, "null"},
		{INFINITY, "null"}, {DBL_MAX, "1.7976931348623157e+308"}, {5e-324, "4.94065645841247e-324"}, {1e15, "1e+15"}};
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < N(cases); i++) {
			char expected[64];
			kd_value value;
			double number;
			begin("{}");
			kd_row_set_double(row, "d", cases[i].number);
			snprintf(expected, sizeof expected, "{\"d\":%s}", cases[i].text);
			expect_value(expected);
			if (isfinite(cases[i].number))
				cr_expect(kd_row_get(row, "d", &value) && kd_value_double(&value, &number) &&
					number == cases[i].number, "%s", cases[i].text);
		}
		if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
			break;
	}
	setlocale(LC_NUMERIC, "C");
}

Test(row, writes_times_as_rfc_3339)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {{0, "1970-01-01T00:00:00.000Z"}, {1767225600123, "2026-01-01T00:00:00.123Z"},
		{-2, "1969-12-31T23:59:59.998Z"}, {-62135596800000, "0001-01-01T00:00:00.000Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"}, {951782400000, "2000-02-29T00:00:00.000Z"}};
	for (size_t i = 0; i < N(cases); i++) {
		kd_value value;
		begin("{}");
		kd_row_set_time(row, "t", cases[i].ms);
		cr_expect(kd_row_get(row, "t", &value) && kd_value_is(&value, cases[i].text), "%.*s", (int) value.size,
			value.text);
	}
	kd_value none;
	begin("{}");
	kd_row_set_time(row, "t", -1);
	cr_expect(kd_row_get(row, "t", &none) && none.type == KD_VALUE_NULL, "a record without a timestamp has no time");
	static const int64_t bad[] = {-62135596800001, 253402300800000, INT64_MIN, INT64_MAX};
	for (size_t i = 0; i < N(bad); i++) {
		begin("{}");
		kd_row_set_time(row, "t", bad[i]);
		expect_refusal("field \"t\"");
	}
}

Test(row, keeps_the_first_problem_until_it_is_handed_on)
{
	static const struct {
		const char *text;
		size_t size;
	} bad[] = {{LIT("\xFF")}, {LIT("a\0b")}, {LIT("\xC0\x80")}, {LIT("\xED\xA0\x80")}, {LIT("aaaaaaaaaaaa\xC3")}};
	for (size_t i = 0; i < N(bad); i++) {
		begin("{\"a\":1}");
		kd_row_set_text(row, "bad", bad[i].text, bad[i].size);
		kd_row_set_number(row, "worse", LIT("x"));
		expect_refusal("field \"bad\"");
		expect_value("{\"a\":1}"); // told once
	}
	static const char *const numbers[] = {"", "x", "01", "1.", "+1", "\"1\"", "true", "1 2", "NaN"};
	for (size_t i = 0; i < N(numbers); i++) {
		begin("{}");
		kd_row_set_number(row, "n", numbers[i], strlen(numbers[i]));
		expect_refusal("field \"n\"");
	}
	begin("{}");
	kd_row_set_json(row, "j", LIT("{\"a\":}"));
	expect_refusal("field \"j\"");
	begin("{}");
	kd_row_set_int(row, "\xFF", 1);
	expect_refusal("name");
	begin("{\"a\":1}");
	kd_row_rename(row, "a", "\xFF");
	expect_refusal("field \"a\"");
	begin("{\"a\":1}");
	expect_value("{\"a\":1}");
}

Test(row, removes_and_renames_in_place)
{
	begin("{\"a\":1,\"b\":2,\"c\":3}");
	kd_row_remove(row, "none");
	kd_row_rename(row, "none", "x");
	kd_row_rename(row, "a", "a");
	expect_value("{\"a\":1,\"b\":2,\"c\":3}");
	cr_expect_not(row->changed);
	kd_row_rename(row, "b", "B\"");
	expect_value("{\"a\":1,\"B\\\"\":2,\"c\":3}");
	kd_row_rename(row, "c", "a");
	expect_value("{\"B\\\"\":2,\"a\":3}");
	kd_row_rename(row, "B\"", "a");
	expect_value("{\"a\":2}");
	kd_row_remove(row, "a");
	expect_value("{}");
	kd_row_set_int(row, "a", 9);
	expect_value("{\"a\":9}");
}

Test(row, copies_what_setters_are_given)
{
	char name[] = "name", text[] = "text";
	kd_value value;
	begin("{\"a\":\"\\u0062\"}");
	kd_row_set_text(row, name, text, 4);
	memset(name, 'x', 4);
	memset(text, 'x', 4);
	expect_value("{\"a\":\"\\u0062\",\"name\":\"text\"}");
	// From one field into another of the same row, and into itself.
	cr_assert(kd_row_get(row, "a", &value));
	kd_row_set_value(row, "b", &value);
	cr_assert(kd_row_get(row, "name", &value));
	for (int i = 0; i < 2000; i++)
		kd_row_set_value(row, "name", &value);
	cr_assert(kd_row_get(row, "name", &value));
	kd_row_set_value(row, "a", &value);
	expect_value("{\"a\":\"text\",\"name\":\"text\",\"b\":\"b\"}");
}

Test(row, sets_every_kind_of_value_from_another)
{
	static const char document[] = "{\"a\":null,\"b\":true,\"c\":false,\"d\":-1.50,\"e\":\"\\n\",\"f\":[1, 2],\"g\":{}}";
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
	kd_value value;
	begin(document);
	for (size_t i = 0; i < N(names); i++) {
		cr_assert(kd_row_get(row, names[i], &value));
		kd_row_set_value(row, names[i], &value);
	}
	expect_value(document);
}

Test(row, reads_an_object_into_fields_and_replaces_those_that_are_there)
{
	kd_value value;
	begin("{\"id\":7,\"item\":{\"sku\":\"\\u0061\",\"id\":8},\"n\":1}");
	cr_assert(kd_row_get(row, "item", &value));
	kd_row_read_object(row, &value);
	kd_row_remove(row, "item");
	expect_value("{\"id\":8,\"n\":1,\"sku\":\"\\u0061\"}");
	kd_row_clear(row);
	char own[] = "{\"x\":[1],\"y\":\"z\"}";
	value = (kd_value) {.type = KD_VALUE_OBJECT, .text = own, .size = sizeof own - 1, .row = row};
	kd_row_read_object(row, &value);
	memset(own, 'x', sizeof own - 1);
	expect_value("{\"x\":[1],\"y\":\"z\"}");
	value = (kd_value) {.type = KD_VALUE_OBJECT, .text = "{\"x\":", .size = 5, .row = row};
	kd_row_read_object(row, &value);
	expect_refusal("not a JSON object");
	value.type = KD_VALUE_ARRAY;
	kd_row_read_object(row, &value);
	expect_refusal("not a JSON object");
}

Test(row, tells_whole_numbers_exactly)
{
	static const struct {
		const char *text;
		bool is;
		int64_t number;
	} cases[] = {{"0", true, 0}, {"-0", true, 0}, {"42", true, 42}, {"9223372036854775807", true, INT64_MAX},
		{"-9223372036854775808", true, INT64_MIN}, {"9223372036854775808", false, 0},
		{"-9223372036854775809", false, 0}, {"1.0", true, 1}, {"1.50", false, 0}, {"1e2", true, 100}, {"100e-2", true, 1},
		{"15e-1", false, 0}, {"1.25e2", true, 125}, {"1.25e1", false, 0}, {"0e999999999999", true, 0},
		{"1e999999999999", false, 0}, {"0.000e5", true, 0}, {"10e18", false, 0}, {"1E+3", true, 1000},
		{"1e-3", false, 0}, {"92233720368547758070e-1", true, INT64_MAX}, {"true", false, 0}, {"null", false, 0},
		{"\"42\"", true, 42}, {"\"-7.0\"", true, -7}, {"\"\"", false, 0}, {"\" 4\"", false, 0}, {"\"4x\"", false, 0},
		{"\"1.\"", false, 0}, {"\".5\"", false, 0}, {"\"-\"", false, 0}, {"\"1e\"", false, 0}, {"[1]", false, 0}};
	for (size_t i = 0; i < N(cases); i++) {
		char document[128];
		kd_value value;
		int64_t number = 0;
		snprintf(document, sizeof document, "{\"n\":%s}", cases[i].text);
		begin(document);
		cr_assert(kd_row_get(row, "n", &value));
		cr_expect_eq(kd_value_int(&value, &number), cases[i].is, "%s", cases[i].text);
		cr_expect_eq(number, cases[i].number, "%s: %ld", cases[i].text, (long) number);
	}
}

Test(row, tells_doubles_but_not_those_beyond_all)
{
	static const struct {
		const char *text;
		bool is;
		double number;
	} cases[] = {{"0.1", true, 0.1}, {"-1.5e3", true, -1500}, {"1e-999", true, 0}, {"1e999", false, 0},
		{"-1e999", false, 0}, {"\"2.5\"", true, 2.5}, {"\"nan\"", false, 0}, {"\"inf\"", false, 0}, {"\"0x10\"", false, 0},
		{"true", false, 0}};
	for (size_t i = 0; i < N(cases); i++) {
		char document[128];
		kd_value value;
		double number = 0;
		snprintf(document, sizeof document, "{\"n\":%s}", cases[i].text);
		begin(document);
		cr_assert(kd_row_get(row, "n", &value));
		cr_expect_eq(kd_value_double(&value, &number), cases[i].is, "%s", cases[i].text);
		cr_expect_eq(number, cases[i].number, "%s", cases[i].text);
	}
	char digits[5000];
	memset(digits, '0', sizeof digits);
	digits[0] = '3';
	digits[1] = '.';
	kd_value value = {.type = KD_VALUE_NUMBER, .text = digits, .size = sizeof digits};
	double number;
	cr_expect(kd_value_double(&value, &number) && number == 3);
}

Test(row, steps_through_elements_and_members)
{
	kd_value value, element;
	size_t at = 0, n = 0, size;
	const char *name;
	begin("{\"a\":[ 1 , \"\\u0041\",[2,[3]],{\"x\":1} ,null],\"e\":[ ],"
		"\"o\":{ \"\\u0078\" : \"\\n\",\"y\":[1]},\"p\":{}}");
	static const char *const texts[] = {"1", "A", "[2,[3]]", "{\"x\":1}"};
	cr_assert(kd_row_get(row, "a", &value));
	for (; kd_value_element(&value, &at, &element); n++)
		cr_expect(n == 4 ? element.type == KD_VALUE_NULL : is_text(&element, texts[n]), "element %zu", n);
	cr_expect_eq(n, 5);
	at = 0;
	cr_expect_not(kd_value_member(&value, &at, &name, &size, &element));
	at = 0;
	cr_expect(kd_row_get(row, "e", &value) && !kd_value_element(&value, &at, &element));
	cr_assert(kd_row_get(row, "o", &value));
	at = 0;
	cr_expect_not(kd_value_element(&value, &at, &element));
	cr_assert(kd_value_member(&value, &at, &name, &size, &element));
	cr_expect(size == 1 && *name == 'x' && is_text(&element, "\n"));
	cr_assert(kd_value_member(&value, &at, &name, &size, &element));
	cr_expect(size == 1 && *name == 'y' && element.type == KD_VALUE_ARRAY);
	cr_expect_not(kd_value_member(&value, &at, &name, &size, &element));
	at = 0;
	cr_expect(kd_row_get(row, "p", &value) && !kd_value_member(&value, &at, &name, &size, &element));
}

Test(row, replaces_key_value_and_table)
{
	kd_record result;
	begin("{\"a\":1}");
	kd_row_set_record_key(row, "k", 1);
	kd_row_set_table(row, "other");
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
	cr_expect(result.key_size == 1 && *(const char *) result.key == 'k' && strcmp(result.table, "other") == 0);
	cr_expect_eq(result.value, record.value);
	cr_expect_eq(result.offset, 42);
	kd_row_set_record_value(row, "\0\xFF", 2);
	kd_row_set_int(row, "a", 2);
	kd_row_set_table(row, "");
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
	cr_expect(result.value_size == 2 && memcmp(result.value, "\0\xFF", 2) == 0 && !result.table);
	kd_row_set_record_value(row, NULL, 0);
	kd_row_set_record_key(row, NULL, 0);
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
	cr_expect(!result.value && !result.key && !result.value_size);
	kd_row_clear(row);
	expect_value("{}");
	begin("{\"a\":1}"); // nothing of it is left
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
	cr_expect(!result.table && !result.key && result.value == record.value);
}

/* Thousands of fields: found by an index, whatever is added, removed and renamed meanwhile. */
Test(row, finds_a_field_among_many)
{
	enum { MANY = 20000 };
	kd_buf document = {0};
	kd_value value;
	int64_t number;
	char name[32];
	for (int i = 0; i < MANY; i++)
		cr_assert(kd_buf_printf(&document, "%c\"f%d\":%d", i ? ',' : '{', i % (MANY - 1000), i));
	cr_assert(kd_buf_append(&document, "}", 1));
	for (int turn = 0; turn < 2; turn++) {
		cr_assert(begin_bytes(document.data, document.size));
		cr_expect_eq(row->n, MANY - 1000); // the last thousand repeat the first
		kd_row_remove(row, "f5000");
		kd_row_rename(row, "f6000", "renamed");
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof name, "new%d", i);
			kd_row_set_int(row, name, i);
		}
		for (int i = 0; i < MANY - 1000; i++) {
			snprintf(name, sizeof name, "f%d", i);
			bool found = kd_row_get(row, name, &value) && kd_value_int(&value, &number);
			cr_assert_eq(found, i != 5000 && i != 6000, "%s", name);
			cr_assert(!found || number == (i < 1000 ? i + MANY - 1000 : i), "%s", name);
		}
		cr_expect(kd_row_get(row, "renamed", &value) && is_text(&value, "6000"));
		cr_expect(kd_row_get(row, "new999", &value) && is_text(&value, "999"));
	}
	kd_buf_done(&document);
}

Test(row, gives_back_what_a_huge_record_took_and_keeps_what_all_records_take)
{
	char *text = malloc(8 << 20);
	cr_assert_not_null(text);
	memset(text, 'x', 8 << 20);
	begin("{}");
	kd_row_set_text(row, "big", text, 8 << 20);
	kd_record result;
	cr_assert_eq(kd_row_result(row, &result, &err), KD_OK);
	cr_expect_gt(result.value_size, 8u << 20);
	begin("{\"a\":\"\\n\"}");
	cr_expect_null(row->document.data);
	cr_expect_null(row->arena.first);
	kd_value value;
	void *arena = NULL, *fields = NULL, *document = NULL;
	for (int i = 0; i < 3; i++) {
		begin("{\"a\":\"\\n\"}");
		cr_assert(kd_row_get(row, "a", &value));
		kd_row_set_text(row, "b", LIT("c"));
		expect_value("{\"a\":\"\\n\",\"b\":\"c\"}");
		cr_expect(i == 0 || (arena == row->arena.first && fields == row->fields && document == row->document.data));
		arena = row->arena.first;
		fields = row->fields;
		document = row->document.data;
	}
	free(text);
}
