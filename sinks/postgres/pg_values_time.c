// SPDX-License-Identifier: Apache-2.0
// pg_values_time: ISO 8601 dates and times to PostgreSQL's counts of days and microseconds since 2000-01-01.
//
// Plain are the years 0001 to 9999, times below 24:00:00 and at most six decimals of a second.  A leap second,
// 24:00:00, a fraction to be rounded, names of zones, other orders and separators are the server's.
#include "pg_values.h"
#include "pg_values_wire.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define UNIX_TO_POSTGRES_DAYS 10957 // from 1970-01-01 to 2000-01-01
#define MIN_TIMESTAMP INT64_C(-211813488000000000) // timestamp.h: what the server's receive functions accept
#define END_TIMESTAMP INT64_C(9223371331200000000)

struct text {
	const char *at, *end;
};

// Exactly `digits` digits; -1 where they are not there.
static int number(struct text *text, int digits)
{
	int value = 0;
	if (text->end - text->at < digits)
		return -1;
	for (int i = 0; i < digits; i++) {
		unsigned digit = (unsigned char) text->at[i] - (unsigned) '0';
		if (digit > 9)
			return -1;
		value = value * 10 + (int) digit;
	}
	text->at += digits;
	return value;
}

static bool skip(struct text *text, char c)
{
	if (text->at == text->end || *text->at != c)
		return false;
	text->at++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

// Days since 2000-01-01.  Years are counted from March, so that the leap day is a year's last.
static int32_t days_since_2000(int year, int month, int day)
{
	year -= month <= 2;
	month += month <= 2 ? 9 : -3;
	int days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
	return days - 730425; // the same sum for 2000-01-01
}

static bool parse_date(struct text *text, int32_t *ret_days)
{
	int year = number(text, 4);
	if (year < 1 || !skip(text, '-'))
		return false;
	int month = number(text, 2);
	if (month < 1 || month > 12 || !skip(text, '-'))
		return false;
	int day = number(text, 2);
	if (day < 1 || day > days_in_month(year, month))
		return false;
	*ret_days = days_since_2000(year, month, day);
	return true;
}

// One to six digits, as microseconds.
static bool parse_fraction(struct text *text, int64_t *microseconds)
{
	int64_t unit = SECOND / 10;
	int digit = number(text, 1);
	if (digit < 0)
		return false;
	for (; digit >= 0; digit = number(text, 1), unit /= 10) {
		if (unit == 0)
			return false;
		*microseconds += digit * unit;
	}
	return true;
}

static bool parse_time(struct text *text, int64_t *ret_microseconds)
{
	int hour = number(text, 2);
	if (hour < 0 || hour > 23 || !skip(text, ':'))
		return false;
	int minute = number(text, 2);
	if (minute < 0 || minute > 59 || !skip(text, ':'))
		return false;
	int second = number(text, 2);
	if (second < 0 || second > 59)
		return false;
	*ret_microseconds = (hour * 3600 + minute * 60 + second) * SECOND;
	return !skip(text, '.') || parse_fraction(text, ret_microseconds);
}

// Nothing, Z, or a sign and HH, HHMM or HH:MM.
static bool parse_zone(struct text *text, int64_t *ret_microseconds)
{
	*ret_microseconds = 0;
	if (text->at == text->end || skip(text, 'Z'))
		return true;
	int sign = skip(text, '+') ? 1 : skip(text, '-') ? -1 : 0;
	int hour = number(text, 2), minute = 0;
	if (sign == 0 || hour < 0 || hour > 15)
		return false;
	if (text->at < text->end) {
		skip(text, ':');
		minute = number(text, 2);
		if (minute < 0 || minute > 59)
			return false;
	}
	*ret_microseconds = sign * (hour * 3600 + minute * 60) * SECOND;
	return true;
}

char *pg_value_date(const char *from, size_t size, char *to)
{
	struct text text = {from, from + size};
	int32_t days;
	if (!parse_date(&text, &days) || text.at != text.end)
		return NULL;
	return pg_put32(pg_put32(to, 4), (uint32_t) days);
}

char *pg_value_time(const char *from, size_t size, char *to)
{
	struct text text = {from, from + size};
	int64_t microseconds;
	if (!parse_time(&text, &microseconds) || text.at != text.end)
		return NULL;
	return pg_put64(pg_put32(to, 8), (uint64_t) microseconds);
}

// timestamp (without time zone) reads an offset and takes no notice of it.
char *pg_value_timestamp(uint32_t type, const char *from, size_t size, char *to)
{
	struct text text = {from, from + size};
	int32_t days;
	int64_t microseconds, zone;
	if (!parse_date(&text, &days) || (!skip(&text, 'T') && !skip(&text, ' ')))
		return NULL;
	if (!parse_time(&text, &microseconds) || !parse_zone(&text, &zone) || text.at != text.end)
		return NULL;
	int64_t value = days * DAY + microseconds - (type == PG_TIMESTAMPTZ ? zone : 0);
	return pg_put64(pg_put32(to, 8), (uint64_t) value);
}

bool pg_value_timestamp_ms(int64_t ms, int64_t *ret_microseconds)
{
	if (__builtin_sub_overflow(ms, UNIX_TO_POSTGRES_DAYS * DAY / 1000, ret_microseconds) ||
		__builtin_mul_overflow(*ret_microseconds, INT64_C(1000), ret_microseconds))
		return false;
	return *ret_microseconds >= MIN_TIMESTAMP && *ret_microseconds < END_TIMESTAMP;
}
