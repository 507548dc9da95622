/* SPDX-License-Identifier: Apache-2.0 */
/* What the program reads from a command line and writes in a line: places, words, times, advice, folded faults. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tools/advice.h"
#include "tools/fold.h"
#include "tools/progress_line.h"
#include "tools/range_arg.h"
#include "tools/rate_window.h"
#include "tools/suggest.h"
#include "tools/times.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

Test(range_arg, reads_a_place_or_says_what_is_wrong_with_it)
{
	static const struct {
		const char *text;
		bool ok;
		const char *topic;
		int32_t partition;
		kd_range range;
		const char *why;
	} table[] = {
		{"orders/3@4711", true, "orders", 3, {4711, 4712}, NULL},
		{"orders/3@4711..4720", true, "orders", 3, {4711, 4720}, NULL},
		{"a.b_c-d/0@0", true, "a.b_c-d", 0, {0, 1}, NULL},
		{"o/2147483647@9223372036854775805", true, "o", 2147483647, {9223372036854775805, 9223372036854775806}, NULL},
		{"o/1@9223372036854775806..9223372036854775807", true, "o", 1, {9223372036854775806, INT64_MAX}, NULL},
		{"", false, NULL, 0, {0}, "a topic"},
		{"orders", false, NULL, 0, {0}, "a topic"},
		{"/3@1", false, NULL, 0, {0}, "a topic"},
		{"or ders/3@1", false, NULL, 0, {0}, "a topic"},
		{"orders/x@1", false, NULL, 0, {0}, "the partition"},
		{"orders/3", false, NULL, 0, {0}, "the partition"},
		{"orders/2147483648@1", false, NULL, 0, {0}, "the partition"},
		{"orders/3@", false, NULL, 0, {0}, "the offset must"},
		{"orders/3@-1", false, NULL, 0, {0}, "the offset must"},
		{"orders/3@9223372036854775808", false, NULL, 0, {0}, "the offset must"},
		{"orders/3@5..", false, NULL, 0, {0}, "the offset behind"},
		{"orders/3@5..5", false, NULL, 0, {0}, "empty"},
		{"orders/3@5..4", false, NULL, 0, {0}, "empty"},
		{"orders/3@5 ", false, NULL, 0, {0}, "nothing may follow"},
		{"orders/3@5.6", false, NULL, 0, {0}, "nothing may follow"},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		struct range_arg at;
		const char *why = "";

		cr_expect_eq(range_arg_parse(table[i].text, &at, &why), table[i].ok, "\"%s\": %s", table[i].text, why);
		if (!table[i].ok) {
			cr_expect(strstr(why, table[i].why), "\"%s\": %s", table[i].text, why);
			continue;
		}
		cr_expect_str_eq(at.topic, table[i].topic);
		cr_expect_eq(at.partition, table[i].partition);
		cr_expect_eq(at.range.from, table[i].range.from);
		cr_expect_eq(at.range.until, table[i].range.until, "\"%s\"", table[i].text);
	}
}

Test(range_arg, finds_the_place_in_a_message)
{
	struct range_arg at;

	cr_assert(range_arg_find("could not store \"orders/3@4711\": column \"id\": not a number", &at));
	cr_expect_str_eq(at.topic, "orders");
	cr_expect_eq(at.partition, 3);
	cr_expect_eq(at.range.from, 4711);
	cr_assert(range_arg_find("at 1/2 of a.b-c/0@7", &at));
	cr_expect_str_eq(at.topic, "a.b-c");
	cr_expect_not(range_arg_find("user@host 1/2 /x@3", &at));
	cr_expect_not(range_arg_find("", &at));
}

Test(range_arg, a_list_of_partitions_holds_what_it_names)
{
	static const char *const bad[] = {"", ",", "1,", ",1", "1-", "-1", "3-1", "1,,2", "a", "1-2-3", "2147483648"};

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(partitions_valid(bad[i]), "\"%s\"", bad[i]);
	cr_expect(partitions_valid("0,3,8-11"));
	for (int32_t p = 0; p < 13; p++)
		cr_expect_eq(partitions_hold("0,3,8-11", p), p == 0 || p == 3 || (p >= 8 && p <= 11), "%d", (int) p);
	cr_expect(partitions_hold(NULL, 5));
}

Test(suggest, names_the_word_that_was_meant)
{
	static const char *const words[] = {"run", "check", "plan", "offsets", "batches", "audit", "until-latest"};
	static const struct {
		const char *word, *meant;
	} table[] = {
		{"rnu", "run"}, {"chekc", "check"}, {"ofsets", "offsets"}, {"offset", "offsets"},
		{"until-lastest", "until-latest"}, {"aud", "audit"}, {"unt", "until-latest"},
		{"zzzzzz", NULL}, {"x", NULL}, {"", NULL},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		const char *near = suggest(table[i].word, words, COUNT(words));

		if (table[i].meant)
			cr_expect(near && strcmp(near, table[i].meant) == 0, "\"%s\": %s", table[i].word, near ? near : "none");
		else
			cr_expect_null(near, "\"%s\": %s", table[i].word, near);
	}
}

Test(times, are_written_as_people_read_them)
{
	char text[TIME_SIZE], span[SPAN_SIZE];

	cr_expect_str_eq(time_text(0, text), "-");
	cr_expect_str_eq(time_text(1, text), "1970-01-01T00:00:00.001Z");
	cr_expect_str_eq(time_text(1767225599999, text), "2025-12-31T23:59:59.999Z");
	cr_expect_str_eq(span_text(-1, span), "-");
	cr_expect_str_eq(span_text(999, span), "999 ms");
	cr_expect_str_eq(span_text(4200, span), "4.2 s");
	cr_expect_str_eq(span_text(185000, span), "3 min 5 s");
	cr_expect_str_eq(span_text(7800000, span), "2 h 10 min");
	cr_expect_str_eq(span_text(90000000, span), "1 d 1 h");
	cr_expect_str_eq(count_text(0, text), "0");
	cr_expect_str_eq(count_text(999, text), "999");
	cr_expect_str_eq(count_text(1234567, text), "1,234,567");
	cr_expect_str_eq(count_text(-1000, text), "-1,000");
	cr_expect_str_eq(count_text(INT64_MIN, text), "-9,223,372,036,854,775,808");
}

Test(progress_line, tells_rate_lag_and_eta)
{
	kd_progress progress = {.records = 1234567, .records_per_second = 250000, .lag = 500000, .target = -1};
	char text[256];

	cr_expect_str_eq(progress_line(&progress, text, sizeof text, 200),
		"1,234,567 records, 250,000/s, lag 500,000, ETA 2.0 s");
	progress.target = 2500000;
	progress.blocked = 7;
	cr_expect_str_eq(progress_line(&progress, text, sizeof text, 200),
		"1,234,567 records, 250,000/s, lag 500,000, 7 behind an open transaction, ETA 10.0 s");
	cr_expect_eq(strlen(progress_line(&progress, text, sizeof text, 40)), 39u);
	progress = (kd_progress){.target = -1};
	cr_expect_str_eq(progress_line(&progress, text, sizeof text, 200), "0 records, 0/s, lag 0");
}

Test(rate_window, is_the_rate_of_the_last_seconds)
{
	struct rate_window window = {0};
	int64_t at_ms = 1000, count = 0;

	cr_expect_eq(rate_window_add(&window, at_ms, count), 0);
	for (int i = 0; i < 100; i++)
		cr_expect_float_eq(rate_window_add(&window, at_ms += 250, count += 500), 2000, 1e-9);
	for (int i = 0; i < 25; i++)
		(void) rate_window_add(&window, at_ms += 250, count);
	cr_expect_eq(rate_window_add(&window, at_ms + 250, count), 0);
	cr_expect_float_eq(rate_window_add(&window, at_ms + 60000, count + 7), 0, 1e-9);
}

Test(advice, gives_the_command_that_leads_on)
{
	static const struct {
		kd_error err;
		const char *job, *says;
	} table[] = {
		{{.code = KD_ERECORD, .message = "could not store orders/3@4711: no number"}, "my job.json",
		 "kdirect skip 'my job.json' orders/3@4711 --reason \"why\" --execute"},
		{{.code = KD_ERECORD, .message = "could not deliver orders/3@4711: no JSON object"}, "j.json",
		 "mend what refused the record (the message says what) and start again, or"},
		{{.code = KD_ERECORD, .message = "no place"}, "j.json", "kdirect skip"},
		{{.code = KD_EFENCED}, "j.json", "do not restart"},
		{{.code = KD_ELOSS}, "j.json", "kdirect offsets j.json"},
		{{.code = KD_ELEDGER}, "j.json", "kdirect audit j.json"},
		{{.code = KD_ETARGET}, "j.json", "kdirect check j.json"},
		{{.code = KD_EBROKER, .action = KD_RETRY}, "j.json", "start it again"},
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		char text[1024];

		advice_text(&table[i].err, table[i].job, text, sizeof text);
		cr_expect(strstr(text, table[i].says), "%s: \"%s\"", kd_code_name(table[i].err.code), text);
		cr_expect_null(strchr(text, '\n'));
	}
}

Test(fold, tells_a_fault_once_in_a_period_and_counts_the_rest)
{
	struct fold fold = {.period_ms = 10000};
	int64_t left_out = -1;

	cr_expect(fold_tell(&fold, "broker 1 at port 9092 is down", 1, 1000, &left_out));
	cr_expect_eq(left_out, 0);
	for (int i = 1; i <= 5; i++)
		cr_expect_not(fold_tell(&fold, "broker 2 at port 9093 is down", 1, 1000 + i, &left_out));
	cr_expect(fold_tell(&fold, "another fault", 1, 1001, &left_out));
	cr_expect_null(fold_next(&fold, 10999));
	cr_expect(fold_tell(&fold, "broker 7 at port 1 is down", 1, 11000, &left_out));
	cr_expect_eq(left_out, 5);
}

Test(fold, hands_out_what_was_left_out_when_its_period_is_over)
{
	struct fold fold = {.period_ms = 10000};
	struct fold_slot *slot;
	int64_t left_out;

	cr_expect(fold_tell(&fold, "fault 1", 1, 1000, &left_out));
	cr_expect_not(fold_tell(&fold, "fault 2", 2, 2000, &left_out));
	slot = fold_next(&fold, 11000);
	cr_assert(slot);
	cr_expect_str_eq(slot->text, "fault 2");
	cr_expect_eq(slot->tag, 2);
	cr_expect_eq(slot->left_out, 1);
	slot->left_out = 0;
	cr_expect_null(fold_next(&fold, INT64_MAX));
}

Test(fold, forgets_the_oldest_fault_rather_than_a_new_one)
{
	struct fold fold = {.period_ms = 10000};
	int64_t left_out;
	char line[32];

	for (int i = 0; i < 2 * FOLD_SLOTS; i++) {
		snprintf(line, sizeof line, "fault %c%c", 'a' + i / 26, 'a' + i % 26);
		cr_expect(fold_tell(&fold, line, 1, 1000 + i, &left_out), "%s", line);
	}
	cr_expect_not(fold_tell(&fold, line, 1, 2000, &left_out));
}

Test(fold, a_period_of_zero_tells_every_line)
{
	struct fold fold = {0};
	int64_t left_out;

	for (int i = 0; i < 3; i++)
		cr_expect(fold_tell(&fold, "fault", 1, 1000, &left_out));
}
