/* SPDX-License-Identifier: Apache-2.0 */
/* parse: see parse.h; and kd_parse_time of kdirect/config.h. */
#include "parse.h"

#include <string.h>

#include "kdirect/config.h"

#define LONGEST_NAME 127

bool kd_parse_int(const char *text, int64_t *ret_value)
{
	bool negative = *text == '-';
	int64_t value = 0;

	text += negative;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		int digit = *text - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	*ret_value = value;
	return true;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t kd_parse_distance(const char *a, const char *b, size_t limit)
{
	size_t rows[3][LONGEST_NAME + 1];
	size_t *before = rows[0], *previous = rows[1], *current = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST_NAME || m > LONGEST_NAME)
		return limit + 1;
	for (size_t j = 0; j <= m; j++)
		current[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *oldest = before;
		before = previous;
		previous = current;
		current = oldest;
		current[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t replaced = previous[j - 1] + (a[i - 1] != b[j - 1]);

			current[j] = least(replaced, least(previous[j], current[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				current[j] = least(current[j], before[j - 2] + 1);
		}
	}
	return current[m] <= limit ? current[m] : limit + 1;
}

size_t kd_parse_slip(const char *name)
{
	size_t size = strlen(name);

	return size < 4 ? 1 : size < 9 ? 2 : 3;
}

/* Reads exactly `digits` digits; false where there are fewer. */
static bool take_number(const char **text, int digits, int64_t *ret_value)
{
	int64_t value = 0;

	for (int i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret_value = value;
	return true;
}

static bool take_char(const char **text, const char *allowed)
{
	if (!**text || !strchr(allowed, **text))
		return false;
	(*text)++;
	return true;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years from 0. */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
	static const int before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int64_t past = year - 1; /* whole years that lie before it, from year 0 on, which was a leap year */
	int64_t leap_days = year == 0 ? 0 : past / 4 - past / 100 + past / 400 + 1;

	return year * 365 + leap_days + before_month[month - 1] + (month > 2 && is_leap(year)) + day - 1 - 719528;
}

static bool take_date(const char **text, int64_t *ret_days)
{
	static const int days_in[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t year, month, day;

	if (!take_number(text, 4, &year) || !take_char(text, "-") || !take_number(text, 2, &month) ||
	    !take_char(text, "-") || !take_number(text, 2, &day))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > days_in[month - 1])
		return false;
	if (month == 2 && day == 29 && !is_leap(year))
		return false;
	*ret_days = days_to(year, month, day);
	return true;
}

/* ".5", ".123456": digits after the third are dropped.  No fraction is fine. */
static bool take_fraction(const char **text, int64_t *ret_ms)
{
	int64_t scale = 100;

	*ret_ms = 0;
	if (!take_char(text, "."))
		return true;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10)
		*ret_ms += (**text - '0') * scale;
	return true;
}

/* "Z" or "+01:30"; an absent zone is refused: local time is somebody else's. */
static bool take_zone(const char **text, int64_t *ret_minutes)
{
	int64_t hours, minutes;
	int sign;

	*ret_minutes = 0;
	if (take_char(text, "Zz"))
		return true;
	sign = **text == '-' ? -1 : 1;
	if (!take_char(text, "+-") || !take_number(text, 2, &hours) || !take_char(text, ":") ||
	    !take_number(text, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

static bool parse_absolute(const char *text, int64_t *ret_ms)
{
	int64_t days, hour, minute, second, ms, zone;

	if (!take_date(&text, &days))
		return false;
	if (!*text) {
		*ret_ms = days * 86400000;
		return true;
	}
	if (!take_char(&text, "Tt ") || !take_number(&text, 2, &hour) || !take_char(&text, ":") ||
	    !take_number(&text, 2, &minute) || !take_char(&text, ":") || !take_number(&text, 2, &second) ||
	    !take_fraction(&text, &ms) || !take_zone(&text, &zone) || *text)
		return false;
	if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second */
		return false;
	*ret_ms = ((days * 24 + hour) * 60 + minute - zone) * 60000 + second * 1000 + ms;
	return true;
}

/* "-90s", "-30m", "-1h", "-2d", "-1w" */
static bool parse_relative(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	static const struct {
		char name;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
	int64_t count = 0, span;

	text++;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(count, 10, &count) || __builtin_add_overflow(count, *text - '0', &count))
			return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (text[0] == units[i].name && !text[1])
			return !__builtin_mul_overflow(count, units[i].ms, &span) &&
			       !__builtin_sub_overflow(now_ms, span, ret_ms);
	return false;
}

bool kd_parse_time(const char *text, int64_t now_ms, int64_t *ret_ms)
{
	int64_t ms = 0;

	if (!(text[0] == '-' ? parse_relative(text, now_ms, &ms) : parse_absolute(text, &ms)))
		return false;
	*ret_ms = ms;
	return true;
}
