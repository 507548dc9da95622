// SPDX-License-Identifier: Apache-2.0
// sqlite_text: see the header.
#include "sqlite_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The length of the character at p, 0 where it is none (Unicode, table 3-7). */
static size_t character(const unsigned char *p, size_t left)
{
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return left >= 2 && is_continuation(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		unsigned char least = p[0] == 0xe0 ? 0xa0 : 0x80, most = p[0] == 0xed ? 0x9f : 0xbf;
		return left >= 3 && p[1] >= least && p[1] <= most && is_continuation(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		unsigned char least = p[0] == 0xf0 ? 0x90 : 0x80, most = p[0] == 0xf4 ? 0x8f : 0xbf;
		return left >= 4 && p[1] >= least && p[1] <= most && is_continuation(p[2]) && is_continuation(p[3]) ? 4 : 0;
	}
	return 0;
}

/* Eight bytes that are all 0x01..0x7f. */
static bool is_plain(const unsigned char *p)
{
	uint64_t eight;
	memcpy(&eight, p, 8);
	return !((eight | (eight - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080));
}

bool sqlite_is_text(const void *bytes, size_t size)
{
	const unsigned char *p = bytes;
	size_t i = 0;
	while (i < size) {
		if (size - i >= 8 && is_plain(p + i)) {
			i += 8;
			continue;
		}
		size_t length = p[i] > 0 && p[i] < 0x80 ? 1 : character(p + i, size - i);
		if (length == 0)
			return false;
		i += length;
	}
	return true;
}

bool sqlite_json_escapes_nul(const void *bytes, size_t size)
{
	const char *start = bytes, *end = start + size, *p = start;
	while (p < end && (p = memmem(p, (size_t) (end - p), "\\u0000", 6)) != NULL) {
		const char *first = p;
		while (first > start && first[-1] == '\\')
			first--;
		if ((p - first) % 2 == 0)
			return true; /* the backslash is not itself escaped */
		p++;
	}
	return false;
}

/* Days since 1970 to a date of the proleptic Gregorian calendar, by eras of 400 years that begin on 1 March. */
static void civil(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t of_era = days - era * 146097;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (int) ((5 * of_year + 2) / 153);
	*ret_day = (int) (of_year - (153 * month + 2) / 5 + 1);
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = year + era * 400 + (*ret_month <= 2);
}

static char *digits(char *to, int64_t number, int n)
{
	for (int i = n - 1; i >= 0; i--, number /= 10)
		to[i] = (char) ('0' + number % 10);
	return to + n;
}

size_t sqlite_time_text(int64_t ms, char ret_text[SQLITE_TIME_SIZE])
{
	const int64_t day_ms = 86400000;
	int64_t days = ms / day_ms, rest = ms % day_ms;
	if (rest < 0) {
		rest += day_ms;
		days--;
	}
	int64_t year;
	int month, day;
	civil(days, &year, &month, &day);
	char *p = ret_text;
	if (year >= 0 && year <= 9999)
		p = digits(p, year, 4);
	else
		p += snprintf(p, SQLITE_TIME_SIZE - 20, "%" PRId64, year);
	*p++ = '-';
	p = digits(p, month, 2);
	*p++ = '-';
	p = digits(p, day, 2);
	*p++ = ' ';
	p = digits(p, rest / 3600000, 2);
	*p++ = ':';
	p = digits(p, rest / 60000 % 60, 2);
	*p++ = ':';
	p = digits(p, rest / 1000 % 60, 2);
	*p++ = '.';
	p = digits(p, rest % 1000, 3);
	*p = '\0';
	return (size_t) (p - ret_text);
}

static bool put_json_string(kd_buf *out, const char *text, size_t size)
{
	char *to = kd_buf_reserve(out, 6 * size + 2);
	if (!to)
		return false;
	char *p = to;
	*p++ = '"';
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char) text[i];
		if (c == '"' || c == '\\') {
			*p++ = '\\';
			*p++ = (char) c;
		} else if (c < 0x20) {
			static const char hex[] = "0123456789abcdef";
			memcpy(p, "\\u00", 4);
			p[4] = hex[c >> 4];
			p[5] = hex[c & 15];
			p += 6;
		} else {
			*p++ = (char) c;
		}
	}
	*p++ = '"';
	out->size += (size_t) (p - to);
	return true;
}

static bool put_base64(kd_buf *out, const unsigned char *in, size_t size)
{
	static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = kd_buf_reserve(out, (size + 2) / 3 * 4 + 2);
	if (!to)
		return false;
	char *p = to;
	*p++ = '"';
	for (size_t i = 0; i < size; i += 3) {
		uint32_t three = (uint32_t) in[i] << 16 | (i + 1 < size ? (uint32_t) in[i + 1] << 8 : 0) |
			(i + 2 < size ? in[i + 2] : 0u);
		*p++ = table[three >> 18];
		*p++ = table[three >> 12 & 63];
		*p++ = i + 1 < size ? table[three >> 6 & 63] : '=';
		*p++ = i + 2 < size ? table[three & 63] : '=';
	}
	*p++ = '"';
	out->size += (size_t) (p - to);
	return true;
}

static bool put_header(kd_buf *out, const kd_header *header)
{
	size_t name_size = strlen(header->name);
	bool text_name = sqlite_is_text(header->name, name_size);
	bool ok = kd_buf_printf(out, text_name ? "{\"name\":" : "{\"name_base64\":") &&
		(text_name ? put_json_string(out, header->name, name_size)
			: put_base64(out, (const unsigned char *) header->name, name_size));
	if (!header->value)
		return ok && kd_buf_append(out, ",\"text\":null}", 13);
	bool text = sqlite_is_text(header->value, header->value_size);
	return ok && kd_buf_printf(out, text ? ",\"text\":" : ",\"base64\":") &&
		(text ? put_json_string(out, header->value, header->value_size)
			: put_base64(out, header->value, header->value_size)) &&
		kd_buf_append(out, "}", 1);
}

bool sqlite_headers_json(const kd_record *record, kd_buf *out, bool *ret_any)
{
	kd_header header;
	bool ok = true;
	size_t n = 0;
	while (ok && kd_record_header(record, n, &header))
		ok = kd_buf_append(out, n++ ? "," : "[", 1) && put_header(out, &header);
	*ret_any = n > 0;
	return ok && (n == 0 || kd_buf_append(out, "]", 1));
}
