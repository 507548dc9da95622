// SPDX-License-Identifier: Apache-2.0
// Names of files and folders: what comes from outside is never more than a part of a name.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/file/file_name.h"

static const kd_batch_partition BATCH = {.job = "shop", .topic = "orders", .partition = 7, .partition_index = 3,
	.batch_time_ms = 1769903999999, .range = {1000, 2000}};

static char *ended(kd_buf *buf)
{
	cr_assert(kd_buf_append(buf, "", 1));
	return buf->data;
}

Test(file_name, spells_what_comes_from_outside)
{
	static const struct {
		const char *text, *spelled;
	} rows[] = {
		{"orders", "orders"},
		{"a-b_c.d9", "a-b_c.d9"},
		{"..", "%2E."},
		{".", "%2E"},
		{"_schemas", "%5Fschemas"},
		{"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
		{"public.orders", "public.orders"},
		{"a b", "a%20b"},
		{"100%", "100%25"},
		{"caf\xc3\xa9", "caf%C3%A9"},
		{"a\nb\"", "a%0Ab%22"},
		{"{topic}", "%7Btopic%7D"},
		{"a+b=c", "a%2Bb%3Dc"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_buf buf = {0};
		cr_assert(file_spell(&buf, rows[i].text));
		cr_expect_str_eq(ended(&buf), rows[i].spelled);
		kd_buf_done(&buf);
	}
}

Test(file_name, expands_folders_by_the_batch_time_in_utc)
{
	static const struct {
		const char *text, *table, *folders, *prefix;
	} rows[] = {
		{"topic={topic}/date={date}/", "main", "topic=orders/date=2026-01-31/", ""},
		{"topic={topic}/date={date}", "main", "topic=orders/date=2026-01-31/", ""},
		{"{table}/p{partition}/{hour}", "public.orders", "public.orders/p7/23/", "public.orders"},
		{"x{table}y/{topic}", "a/b", "xa%2Fby/orders/", "xa%2Fby"},
		{"fixed/{topic}", "main", "fixed/orders/", "fixed"},
		{"fixed", "main", "fixed/", "fixed"},
		{"{topic}", "main", "orders/", ""},
		{"", "main", "", ""},
	};
	setenv("TZ", "America/New_York", 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		file_template t;
		kd_buf folders = {0}, prefix = {0};
		kd_error err = {0};
		cr_assert_eq(file_template_init(&t, rows[i].text, &err), KD_OK, "%s", err.message);
		cr_assert(file_template_expand(&t, &BATCH, rows[i].table, &folders));
		cr_assert(file_template_prefix(&t, rows[i].table, &prefix));
		cr_expect_str_eq(ended(&folders), rows[i].folders);
		cr_expect_str_eq(ended(&prefix), rows[i].prefix);
		kd_buf_done(&folders);
		kd_buf_done(&prefix);
		file_template_done(&t);
	}
}

Test(file_name, refuses_folders_that_leave_the_path_or_are_not_read)
{
	static const char *const wrong[] = {"/abs", "..", "../x", "a/../b", "a//b", "_x", "a/_kdirect", ".hidden",
		"{topics}", "{topic", "topic}", "a{}b", "caf\xc3\xa9", "a\nb", "{Topic}"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		file_template t;
		kd_error err = {0};
		cr_expect_eq(file_template_init(&t, wrong[i], &err), KD_ECONFIG, "\"%s\"", wrong[i]);
		cr_expect_eq(err.action, KD_STOP);
		file_template_done(&t);
	}
}

Test(file_name, a_file_is_named_by_its_identifier_and_read_back)
{
	kd_buf buf = {0};
	file_identifier id;
	cr_assert(file_name(&buf, &BATCH, NULL, "jsonl.gz"));
	cr_assert_str_eq(ended(&buf), "shop-p3-1000-2000-1769903999999.jsonl.gz");
	cr_assert(file_name_read(buf.data, "shop", &id));
	cr_assert_eq(id.partition_index, 3);
	cr_assert_eq(id.range.from, 1000);
	cr_assert_eq(id.range.until, 2000);
	cr_assert_eq(id.batch_time_ms, 1769903999999);
	buf.size = 0;
	cr_assert(file_name(&buf, &BATCH, "line items", "csv"));
	cr_assert_str_eq(ended(&buf), "shop-p3-1000-2000-1769903999999+line%20items.csv");
	cr_assert(file_name_read(buf.data, "shop", &id));
	kd_buf_done(&buf);
}

Test(file_name, a_job_does_not_take_anothers_files_for_its_own)
{
	static const struct {
		const char *name, *job;
		bool own;
	} rows[] = {
		{"a-p1-0-10-5.jsonl", "a", true},
		{"a-p1-0-10-5.jsonl.0123-1-1", "a", true}, /* in tmp/ */
		{"a-p1-0-10-5.jsonl", "b", false},
		{"a-p1-p0-0-10-5.jsonl", "a", false},
		{"a-p1-p0-0-10-5.jsonl", "a-p1", true},
		{"a-p1-0-10-5-p3-20-30-99.jsonl", "a", false},
		{"a-p1-0-10-5-p3-20-30-99.jsonl", "a-p1-0-10-5", true},
		{"ab-p1-0-10-5.jsonl", "a", false},
		{"%5Fa-p1-0-10-5.jsonl", "_a", true},
		{"a-p-1-0-10-5.jsonl", "a", false},
		{"a-p1-0-10-5", "a", false},
		{"a-p1-0-10.jsonl", "a", false},
		{"a-p99999999999-0-10-5.jsonl", "a", false},
		{"", "a", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		file_identifier id;
		cr_expect_eq(file_name_read(rows[i].name, rows[i].job, &id), rows[i].own, "%s of %s", rows[i].name, rows[i].job);
	}
}

Test(file_name, times_are_of_rfc_3339)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {{0, "1970-01-01T00:00:00.000Z"}, {1769903999999, "2026-01-31T23:59:59.999Z"},
		{-1, "1969-12-31T23:59:59.999Z"}, {951782400000, "2000-02-29T00:00:00.000Z"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[FILE_TIME_SIZE];
		cr_expect_eq(file_time_text(rows[i].ms, text), strlen(rows[i].text));
		cr_expect_str_eq(text, rows[i].text);
	}
}
