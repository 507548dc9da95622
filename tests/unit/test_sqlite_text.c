// SPDX-License-Identifier: Apache-2.0
// Bytes as text, JSON escapes and times, table by table.
#include <criterion/criterion.h>
#include <string.h>

#include "sinks/sqlite/sqlite_text.h"

/* Stands in for the library's: the headers come from an array. */
static const kd_header *all_headers;
static size_t n_headers;

bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header)
{
	(void) record;
	if (i < n_headers)
		*ret_header = all_headers[i];
	return i < n_headers;
}

Test(sqlite_text, headers_keep_their_order_repeats_nulls_and_bytes)
{
	static const kd_header headers[] = {
		{"b", "two", 3},
		{"a", "one", 3},
		{"b", "", 0},
		{"null", NULL, 0},
		{"q\"\\\n", "tab\t\x01", 5},
		{"bytes", "\x00\xff", 2},
		{"three", "\xff\xfe\xfd", 3},
		{"one", "\xff", 1},
		{"\xc3", "caf\xc3\xa9", 5},
	};
	static const char expected[] = "[{\"name\":\"b\",\"text\":\"two\"},{\"name\":\"a\",\"text\":\"one\"},"
		"{\"name\":\"b\",\"text\":\"\"},{\"name\":\"null\",\"text\":null},"
		"{\"name\":\"q\\\"\\\\\\u000a\",\"text\":\"tab\\u0009\\u0001\"},"
		"{\"name\":\"bytes\",\"base64\":\"AP8=\"},{\"name\":\"three\",\"base64\":\"//79\"},"
		"{\"name\":\"one\",\"base64\":\"/w==\"},{\"name_base64\":\"ww==\",\"text\":\"caf\xc3\xa9\"}]";
	kd_buf out = {0};
	kd_record record = {0};
	bool any;
	all_headers = headers;
	n_headers = sizeof headers / sizeof *headers;
	cr_assert(sqlite_headers_json(&record, &out, &any));
	cr_assert(any);
	cr_assert(kd_buf_append(&out, "", 1));
	cr_assert_str_eq(out.data, expected);
	kd_buf_done(&out);
	n_headers = 0;
	cr_assert(sqlite_headers_json(&record, &out, &any));
	cr_assert_not(any);
	cr_assert_eq(out.size, 0);
}

Test(sqlite_text, text_is_utf8_without_nul)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool text;
	} rows[] = {
		{"", 0, true},
		{"plain", 5, true},
		{"longer than eight bytes", 23, true},
		{"\x7f", 1, true},
		{"\xc3\xa9", 2, true},
		{"\xe2\x82\xac", 3, true},
		{"\xed\x9f\xbf", 3, true},
		{"\xee\x80\x80", 3, true},
		{"\xf0\x90\x80\x80", 4, true},
		{"\xf4\x8f\xbf\xbf", 4, true},
		{"eight by\xc3\xa9tes", 12, true},
		{"\0", 1, false},
		{"eight by\0tes", 12, false},
		{"eightby\0", 8, false},
		{"\x80", 1, false},
		{"\xc0\x80", 2, false},         /* overlong NUL */
		{"\xc1\xbf", 2, false},         /* overlong */
		{"\xe0\x9f\xbf", 3, false},     /* overlong */
		{"\xed\xa0\x80", 3, false},     /* a surrogate */
		{"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
		{"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
		{"\xf5\x80\x80\x80", 4, false},
		{"\xff", 1, false},
		{"\xc3", 1, false},             /* cut off */
		{"\xe2\x82", 2, false},
		{"\xf0\x90\x80", 3, false},
		{"\xc3(", 2, false},
		{"1234567\xc3", 8, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(sqlite_is_text(rows[i].bytes, rows[i].size), rows[i].text, "row %zu", i);
}

Test(sqlite_text, an_escaped_nul_is_found_and_an_escaped_backslash_is_not)
{
	static const struct {
		const char *json;
		bool found;
	} rows[] = {
		{"", false},
		{"\"\\u0000\"", true},
		{"\"\\\\u0000\"", false},
		{"\"\\\\\\u0000\"", true},
		{"\"\\u0001\"", false},
		{"\"u0000\"", false},
		{"\"\\\\u0000 \\u0000\"", true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_assert_eq(sqlite_json_escapes_nul(rows[i].json, strlen(rows[i].json)), rows[i].found, "%s", rows[i].json);
}

Test(sqlite_text, a_time_reads_as_sqlite_writes_it)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{0, "1970-01-01 00:00:00.000"},
		{1, "1970-01-01 00:00:00.001"},
		{-2, "1969-12-31 23:59:59.998"},
		{951782400000, "2000-02-29 00:00:00.000"},
		{1709251199999, "2024-02-29 23:59:59.999"},
		{1893456000000, "2030-01-01 00:00:00.000"},
		{4107542400000, "2100-03-01 00:00:00.000"},
		{253402300799999, "9999-12-31 23:59:59.999"},
		{253402300800000, "10000-01-01 00:00:00.000"},
		{INT64_MAX, "292278994-08-17 07:12:55.807"},
		{INT64_MIN, "-292275055-05-16 16:47:04.192"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[SQLITE_TIME_SIZE];
		cr_assert_eq(sqlite_time_text(rows[i].ms, text), strlen(rows[i].text));
		cr_assert_str_eq(text, rows[i].text);
	}
}
