/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts into values. */
#include <criterion/criterion.h>

#include "../../lib/json_where.h"
#include "../../lib/parse.h"
#include "kdirect/config.h"

#define NOW INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */

Test(parse, reads_times_of_rfc_3339_and_times_relative_to_now)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01", 0},
		{"2026-01-01T00:00:00Z", NOW},
		{"2026-01-01t00:00:00z", NOW},
		{"2026-01-01 00:00:00Z", NOW},
		{"2026-01-01T00:00:00.5Z", NOW + 500},
		{"2026-01-01T00:00:00.123987Z", NOW + 123},
		{"2026-01-01T01:30:00+01:30", NOW},
		{"2025-12-31T19:00:00-05:00", NOW},
		{"2024-02-29", INT64_C(1709164800000)},
		{"2000-03-01", INT64_C(951868800000)},
		{"1900-03-01", INT64_C(-2203891200000)},
		{"1969-12-31T23:59:59.999Z", -1},
		{"0000-01-01", INT64_C(-62167219200000)},
		{"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
		{"-1h", NOW - 3600000},
		{"-30m", NOW - 1800000},
		{"-2d", NOW - 172800000},
		{"-90s", NOW - 90000},
		{"-1w", NOW - 604800000},
		{"-0s", NOW},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t ms = 1;

		cr_expect(kd_parse_time(rows[i].text, NOW, &ms), "%s", rows[i].text);
		cr_expect_eq(ms, rows[i].ms, "%s: %lld", rows[i].text, (long long) ms);
	}
}

Test(parse, refuses_what_is_no_time)
{
	static const char *const rows[] = {
		"", "now", "2026", "2026-1-1", "2026-13-01", "2026-00-01", "2026-02-30", "2023-02-29", "1900-02-29",
		"2026-01-01T", "2026-01-01T00:00", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00",
		" 2026-01-01", "2026-01-01 ", "-", "-h", "-1", "-1y", "-1hh", "-99999999999999999999h",
		"-9223372036854775807w", "1h", "+1h",
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int64_t ms = 5;

		cr_expect_not(kd_parse_time(rows[i], NOW, &ms), "%s", rows[i]);
		cr_expect_eq(ms, 5, "%s", rows[i]);
	}
}

Test(parse, reads_whole_numbers_and_nothing_else)
{
	int64_t value;

	cr_expect(kd_parse_int("9223372036854775807", &value) && value == INT64_MAX);
	cr_expect(kd_parse_int("-9223372036854775808", &value) && value == INT64_MIN);
	cr_expect(kd_parse_int("0", &value) && value == 0);
	static const char *const rows[] = {"", "-", "+1", " 1", "1 ", "0x1", "1e3", "9223372036854775808"};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect_not(kd_parse_int(rows[i], &value), "%s", rows[i]);
}

Test(parse, counts_slips_of_the_pen)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {{"workers", "workers", 0}, {"worker", "workers", 1}, {"wrokers", "workers", 1},
		{"workres", "workers", 1}, {"w0rkerz", "workers", 2}, {"", "abc", 3}, {"abc", "xyz", 3},
		{"abcdef", "uvwxyz", 5}};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_expect_eq(kd_parse_distance(rows[i].a, rows[i].b, 4), rows[i].distance, "%s", rows[i].a);
}

Test(parse, finds_members_and_their_places_in_a_text)
{
	static const char text[] = "{ \"a\": 1,\n  \"b\\\"}\": [{\"x\":\"]}\"}, 2],\n  \"\xc3\xa4\": null}";
	static const int places[][2] = {{1, 8}, {2, 11}, {3, 8}};
	kd_json_member member;
	kd_json_place place = KD_JSON_START;
	size_t at = 0, n = 0;

	while (kd_json_next(text, sizeof text - 1, &at, &member)) {
		cr_assert(n < 3);
		kd_json_advance(text, sizeof text - 1, &place, member.value);
		cr_expect_eq(place.line, places[n][0]);
		cr_expect_eq(place.column, places[n][1], "%zu: %d", n, place.column);
		n++;
	}
	cr_expect_eq(n, 3);
}
