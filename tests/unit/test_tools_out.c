/* SPDX-License-Identifier: Apache-2.0 */
/* The same rows as a table, as JSON and as CSV; log lines as logfmt and as JSON. */
#include <criterion/criterion.h>
#include <string.h>

#include "tools/fold.h"
#include "tools/log_out.h"
#include "tools/out.h"
#include "tools/times.h"

static const char *const columns[] = {"topic", "high", "state"};

static char *rows_as(enum out_format format)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct out *out = out_open(to, format, columns, 3);

	cr_assert(out);
	out_text(out, "a, \"b\"\n");
	out_number(out, 1234);
	out_text(out, "OK");
	out_end_row(out);
	out_text(out, "\xc3\xa4");
	out_known(out, -1);
	out_null(out);
	out_end_row(out);
	out_table_only(out, true);
	out_text(out, "all");
	out_number(out, 5);
	out_text(out, "sum");
	out_end_row(out);
	out_table_only(out, false);
	cr_expect(out_close(out));
	fclose(to);
	return text;
}

static void must_print(enum out_format format, const char *want)
{
	char *text = rows_as(format);

	cr_expect_str_eq(text, want);
	free(text);
}

Test(out, json_is_one_array_of_objects)
{
	must_print(OUT_JSON, "[{\"topic\": \"a, \\\"b\\\"\\u000a\", \"high\": 1234, \"state\": \"OK\"},\n"
		" {\"topic\": \"\xc3\xa4\", \"high\": null, \"state\": null}]\n");
}

Test(out, csv_quotes_what_needs_it)
{
	must_print(OUT_CSV, "topic,high,state\r\n\"a, \"\"b\"\"\n\",1234,OK\r\n\xc3\xa4,,\r\n");
}

Test(out, a_table_aligns_its_columns_and_alone_shows_sums)
{
	must_print(OUT_TABLE,
		"TOPIC    HIGH  STATE\n"
		"a, \"b\"\n  1234  OK\n"
		"\xc3\xa4           -  -\n"
		"all         5  sum\n");
}

Test(out, nothing_at_all_is_an_empty_array)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	cr_expect(out_close(out_open(to, OUT_JSON, columns, 3)));
	fclose(to);
	cr_expect_str_eq(text, "[]\n");
	free(text);
}

/* What a log wrote; the time is cut off behind "time=" or "time":. */
static char *logged(const struct log_options *options, void (*write)(struct log_out *log))
{
	struct log_options own = *options;
	char *text = NULL;
	size_t size = 0;
	struct log_out *log;

	own.to = open_memstream(&text, &size);
	log = log_out_open(&own);
	cr_assert(log);
	write(log);
	log_out_close(log);
	fclose(own.to);
	return text;
}

static void write_one(struct log_out *log)
{
	const struct log_field fields[] = {{.name = "topic", .text = "or ders"}, {.name = "rows", .number = 7},
		{.name = "plain", .text = "word"}};

	log_out_job(log, "j");
	log_out_line(log, KD_LOG_WARN, 42, "say \"hi\"\n", fields, 3);
	log_out_line(log, KD_LOG_DEBUG, 0, "not told", NULL, 0);
}

Test(log_out, writes_logfmt)
{
	char *text = logged(&(struct log_options){.level = KD_LOG_INFO}, write_one);

	cr_expect(strncmp(text, "time=20", 7) == 0, "%s", text);
	cr_expect_str_eq(strchr(text, ' '),
		" level=warn job=j batch=42 msg=\"say \\\"hi\\\"\\n\" topic=\"or ders\" rows=7 plain=word\n");
	free(text);
}

Test(log_out, writes_json_lines)
{
	char *text = logged(&(struct log_options){.level = KD_LOG_INFO, .json = true}, write_one);

	cr_expect(strncmp(text, "{\"time\":\"20", 11) == 0, "%s", text);
	cr_expect_str_eq(strchr(text, ','), ",\"level\":\"warn\",\"job\":\"j\",\"batch\":42,\"msg\":\"say \\\"hi\\\"\\n\","
		"\"topic\":\"or ders\",\"rows\":7,\"plain\":\"word\"}\n");
	free(text);
}

static void write_a_storm(struct log_out *log)
{
	const kd_logger *logger = log_out_logger(log);

	for (int i = 0; i < 100; i++) {
		logger->fn(logger->opaque, KD_LOG_WARN, 0, i % 2 ? "broker 1 is down" : "broker 2 is down");
		logger->fn(logger->opaque, KD_LOG_INFO, 0, "a change of state");
	}
}

static int count(const char *text, const char *part)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

Test(log_out, tells_a_storm_of_one_fault_in_two_lines_and_every_change_of_state)
{
	char *text = logged(&(struct log_options){.level = KD_LOG_INFO, .period_ms = 10000}, write_a_storm);

	cr_expect_eq(count(text, "is down"), 2, "%s", text);
	cr_expect_eq(count(text, "repeated=99"), 1, "%s", text);
	cr_expect_eq(count(text, "a change of state"), 100);
	free(text);
	text = logged(&(struct log_options){.level = KD_LOG_INFO}, write_a_storm);
	cr_expect_eq(count(text, "is down"), 100);
	free(text);
}

static void write_under_a_status(struct log_out *log)
{
	log_out_status(log, "50 %");
	log_out_line(log, KD_LOG_INFO, 0, "line", NULL, 0);
}

Test(log_out, keeps_the_status_line_below_the_log)
{
	char *text = logged(&(struct log_options){.level = KD_LOG_INFO, .status = true}, write_under_a_status);
	const char *line = strstr(text, "level=info");

	cr_assert(line);
	cr_expect(strncmp(text, "\r\033[K50 %\r\033[Ktime=", 16) == 0, "%s", text);
	cr_expect(strstr(line, "msg=\"line\"\n50 %"), "%s", text);
	free(text);
	text = logged(&(struct log_options){.level = KD_LOG_INFO}, write_under_a_status);
	cr_expect_null(strstr(text, "50 %"), "without a terminal there is no status: %s", text);
	free(text);
}
