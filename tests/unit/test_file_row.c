// SPDX-License-Identifier: Apache-2.0
// Rows as lines: what is written, and the coordinates read again.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/file/file_row.h"

static char *ended(kd_buf *buf)
{
	cr_assert(kd_buf_append(buf, "", 1));
	return buf->data;
}

Test(file_row, text_is_text_and_other_bytes_are_base64)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *json;
	} rows[] = {
		{NULL, 0, ",\"v\":null"},
		{"", 0, ",\"v\":\"\""},
		{"a", 1, ",\"v\":\"a\""},
		{"\"\\\n\x01", 4, ",\"v\":\"\\\"\\\\\\n\\u0001\""},
		{"caf\xc3\xa9", 5, ",\"v\":\"caf\xc3\xa9\""},
		{"a\0", 2, ",\"v_base64\":\"YQA=\""},
		{"\xff", 1, ",\"v_base64\":\"/w==\""},
		{"\xff\xfe\xfd", 3, ",\"v_base64\":\"//79\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_buf buf = {0};
		cr_assert(file_put_either(&buf, "v", rows[i].bytes, rows[i].size));
		cr_expect_str_eq(ended(&buf), rows[i].json);
		kd_buf_done(&buf);
	}
}

Test(file_row, a_document_becomes_one_line)
{
	static const struct {
		const char *from, *to;
	} rows[] = {{"{ \"a\" : [ 1 ,\n\t2 ] }", "{\"a\":[1,2]}"}, {"\" a \\\" b \"", "\" a \\\" b \""},
		{"[\"\\\\\" , \" \"]", "[\"\\\\\",\" \"]"}, {"12.50", "12.50"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_buf buf = {0};
		cr_assert(file_put_compact(&buf, rows[i].from, strlen(rows[i].from)));
		cr_expect_str_eq(ended(&buf), rows[i].to);
		kd_buf_done(&buf);
	}
}

Test(file_row, csv_quotes_what_needs_it)
{
	static const struct {
		const char *text, *csv;
	} rows[] = {{"a", "a"}, {"", "\"\""}, {"a,b", "\"a,b\""}, {"say \"x\"", "\"say \"\"x\"\"\""}, {"a\nb", "\"a\nb\""},
		{"a\rb", "\"a\rb\""}, {" a", "\" a\""}, {"a ", "\"a \""}, {"\\.", "\"\\.\""}, {"a b", "a b"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_buf buf = {0};
		cr_assert(file_put_csv(&buf, rows[i].text, strlen(rows[i].text)));
		cr_expect_str_eq(ended(&buf), rows[i].csv);
		kd_buf_done(&buf);
	}
}

Test(file_row, coordinates_of_a_json_line_are_read_again)
{
	static const struct {
		const char *line;
		bool good;
	} rows[] = {
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":3,\"kafka_offset\":17,\"key\":null}\n", true},
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":3,\"kafka_offset\":17}\n", true},
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":3,\"kafka_offset\":17", false},
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":3,\"kafka_offset\":", false},
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":3,\"kafka_offset\":x,\"key\":1}\n", false},
		{"{\"kafka_topic\":\"t\",\"kafka_partition\":99999999999,\"kafka_offset\":17}\n", false},
		{"{\"kafka_topic\":\"t\",\"kafka_offset\":17}\n", false},
		{"{\"a\":1}\n", false},
		{"\n", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		file_coordinates at;
		cr_expect_eq(file_read_coordinates(rows[i].line, strlen(rows[i].line), &at), rows[i].good, "%s", rows[i].line);
		cr_expect(!rows[i].good || (at.partition == 3 && at.offset == 17 && at.topic_size == 1));
	}
}

Test(file_row, coordinates_of_a_csv_line_are_read_again)
{
	const char *header = "name,kafka_offset,kafka_topic,kafka_partition\n";
	size_t column[3];
	file_coordinates at;
	cr_assert(file_read_csv_header(header, strlen(header), column));
	const char *line = "\"a,\"\"b\"\"\nc\",17,t,3\nnext";
	cr_assert_eq(file_csv_line_end(line, strlen(line)), strstr(line, "next"));
	cr_assert_null(file_csv_line_end(line, 10), "a line feed in quotes ends no line");
	cr_assert(file_read_csv_coordinates(line, strlen(line) - 4, column, &at));
	cr_assert_eq(at.offset, 17);
	cr_assert_eq(at.partition, 3);
	cr_assert_eq(at.topic_size, 1);
	cr_assert_not(file_read_csv_coordinates("a,,t,3\n", 7, column, &at));
	cr_assert_not(file_read_csv_header("a,b\n", 4, column));
}
