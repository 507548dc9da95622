/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON scanner by itself; against PostgreSQL it is tried in tests/pg/test_pg_values.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kdirect/json.h"

#define N(array) (sizeof(array) / sizeof *(array))

static kd_json json;

/* Copies to memory of exactly this size, so that a sanitizer sees a read beyond it. */
static bool is_whole(const char *text, size_t size, kd_json_value *ret_value)
{
	char *copy = malloc(size ? size : 1);
	cr_assert(copy);
	memcpy(copy, text, size);
	bool whole = kd_json_whole(&json, copy, size, ret_value);
	free(copy);
	return whole;
}

static int read_fields(const char *text, const char *guess)
{
	kd_json_key key;
	kd_json_value value;
	kd_json_step step;
	int n = 0;
	kd_json_open(&json, text, strlen(text));
	while ((step = kd_json_read_key(&json, guess, guess ? strlen(guess) : SIZE_MAX, &key)) == KD_JSON_FIELD) {
		if (!kd_json_read_value(&json, &value))
			return -1;
		n++;
	}
	return step == KD_JSON_END ? n : -1;
}

Test(json_scan, takes_what_is_json)
{
	static const char *const good[] = {"1", "-0", "0.5", "1e5", "1E-05", "\"\"", "\"a\\n\\u0041\\ud83d\\ude00\"",
		"true",
		"false", "null", " [ 1 , [ ] , { } ] ", "{\"a\":{\"b\":[null,\"\xC3\xA9\"]}}\n", "\"\x7F\"", "[[[[]]]]"};
	kd_json_value value;
	for (size_t i = 0; i < N(good); i++)
		cr_expect(is_whole(good[i], strlen(good[i]), &value), "%s", good[i]);
}

Test(json_scan, refuses_what_is_not_and_every_beginning_of_what_is)
{
	static const char *const bad[] = {"", " ", "01", "1.", ".5", "-", "+1", "1e", "tru", "truex", "nul", "\"",
		"\"\\", "\"\\x\"",
		"\"\\u12\"", "\"\\u0000\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\n\"", "\"\x80\"",
		"\"\xC0\x80\"",
		"\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"", "[", "]", "[1", "[1,]", "[,]", "[1 2]",
		"{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{a:1}", "{\"a\":1]", "[1}", "1 2", "[] []", "/**/1", "'a'", "NaN"};
	static const char document[] = "{\"a\":[1.5e-3,\"\\u00e9\\\"\",{\"b\":true}],\"c\":null}";
	kd_json_value value;
	for (size_t i = 0; i < N(bad); i++)
		cr_expect_not(is_whole(bad[i], strlen(bad[i]), &value), "%s", bad[i]);
	for (size_t size = 0; size < sizeof document - 1; size++)
		cr_expect_not(is_whole(document, size, &value), "%.*s", (int) size, document);
	cr_expect(is_whole(document, sizeof document - 1, &value));
}

Test(json_scan, keeps_tokens_as_they_are_written)
{
	static const struct {
		const char *text, *token;
		kd_json_kind kind;
		unsigned flags;
	} values[] = {
		{" -1.50e+007 ", "-1.50e+007", KD_JSON_NUMBER, 0},
		{"1e1000", "1e1000", KD_JSON_NUMBER, KD_JSON_WIDE},
		{"\"a\\u0041\"", "a\\u0041", KD_JSON_STRING, KD_JSON_ESCAPED},
		{"\"\\u00e9\"", "\\u00e9", KD_JSON_STRING, KD_JSON_ESCAPED | KD_JSON_NON_ASCII},
		{"\"\xC3\xA9\"", "\xC3\xA9", KD_JSON_STRING, KD_JSON_NON_ASCII},
		{"[ 1, {\"x\" : 1e9999} ]", "[ 1, {\"x\" : 1e9999} ]", KD_JSON_ARRAY, KD_JSON_WIDE},
		{"{\"\\n\":0}", "{\"\\n\":0}", KD_JSON_OBJECT, KD_JSON_ESCAPED},
	};
	for (size_t i = 0; i < N(values); i++) {
		kd_json_value value;
		cr_assert(kd_json_whole(&json, values[i].text, strlen(values[i].text), &value), "%s", values[i].text);
		cr_expect(value.size == strlen(values[i].token) && memcmp(value.text, values[i].token, value.size) == 0, "%s",
			values[i].text);
		cr_expect_eq(value.kind, values[i].kind);
		cr_expect_eq(value.flags, values[i].flags, "%s", values[i].text);
	}
}

Test(json_scan, steps_through_fields_whatever_the_guess)
{
	static const char *const guesses[] = {NULL, "a", "b", "longer than any key", ""};
	for (size_t i = 0; i < N(guesses); i++) {
		cr_expect_eq(read_fields("{}", guesses[i]), 0);
		cr_expect_eq(read_fields(" {\"a\":1,\"b\" : [2] , \"a\":\"3\"} ", guesses[i]), 3);
		cr_expect_eq(read_fields("{\"a\":1,\"b\":2}x", guesses[i]), -1);
		cr_expect_eq(read_fields("{\"a\":1,}", guesses[i]), -1);
		cr_expect_eq(read_fields("[1]", guesses[i]), -1);
		cr_expect_eq(read_fields("{\"a", guesses[i]), -1);
	}
}

Test(json_scan, bounds_its_depth_and_tells_of_deep_values)
{
	size_t deep = KD_JSON_MAX_DEPTH + 1;
	char *text = malloc(2 * deep);
	kd_json_value value;
	cr_assert(text);
	for (size_t depth = 1; depth <= deep; depth = depth < deep - 2 ? depth * 2 : depth + 1) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		cr_expect_eq(kd_json_whole(&json, text, 2 * depth, &value), depth <= KD_JSON_MAX_DEPTH, "%zu", depth);
		if (depth <= KD_JSON_MAX_DEPTH)
			cr_expect_eq((value.flags & KD_JSON_DEEP) != 0, depth >= KD_JSON_DEEP_LEVELS, "%zu", depth);
	}
	free(text);
}

Test(json_scan, says_what_strings_mean_and_spells_them_as_postgresql_does)
{
	static const char text[] = "a\\u0041\\/\\\\\\\"\\b\\f\\n\\r\\t\\u0001\\u001F\\u00e9\\ud83d\\ude00\\u0022z";
	static const char meaning[] = "aA/\\\"\b\f\n\r\t\x01\x1F\xC3\xA9\xF0\x9F\x98\x80\"z";
	static const char spelling[] = "aA/\\\\\\\"\\b\\f\\n\\r\\t\\u0001\\u001f\xC3\xA9\xF0\x9F\x98\x80\\\"z";
	char to[256];
	size_t size = (size_t) (kd_json_unescape(text, sizeof text - 1, to) - to);
	cr_expect(size == sizeof meaning - 1 && memcmp(to, meaning, size) == 0);
	size = (size_t) (kd_json_respell(text, sizeof text - 1, to) - to);
	cr_expect(size == sizeof spelling - 1 && memcmp(to, spelling, size) == 0);
	size = (size_t) (kd_json_spell(meaning, sizeof meaning - 1, to) - to);
	cr_expect(size == sizeof spelling - 1 && memcmp(to, spelling, size) == 0);
}

Test(json_scan, finds_the_first_byte_that_is_no_text)
{
	char text[40];
	size_t at = 99;
	memset(text, 'a', sizeof text);
	cr_expect(kd_utf8_is_text(text, sizeof text, &at));
	for (size_t i = 0; i < sizeof text; i++) {
		text[i] = i % 2 ? '\0' : (char) 0xC3;
		cr_expect_not(kd_utf8_is_text(text, sizeof text, &at));
		cr_expect_eq(at, i);
		text[i] = 'a';
	}
}
