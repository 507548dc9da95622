// SPDX-License-Identifier: Apache-2.0
// pg_values_number: decimal text to int2/4/8, float4/8 and numeric, each as exact as PostgreSQL's own input function.
//
// numeric travels as base-10,000 digits with a weight (the power of 10,000 of the first) and the count of decimals to
// show (dscale); no binary floating point is ever in between.
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pg_values.h"
#include "pg_values_wire.h"

#define MAX_DIGITS 100   // longer numbers are the server's
#define MAX_EXPONENT 400 // greater ones too; enough for every float8

// The number is 0.d1d2...dn times ten to the power of `point`.
struct decimal {
	bool negative;
	int n;        // digits, the first one not 0; zero has none
	int point;    // may be negative, or above n
	int decimals; // digits written behind the point, less the exponent: numeric's dscale where positive
	unsigned char digit[MAX_DIGITS];
};

static bool is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

// e or E, a sign or none, digits.
static bool parse_exponent(const char *p, const char *end, int *ret_exponent)
{
	p++;
	bool negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	int exponent = 0;
	if (p == end || end - p > 3)
		return false;
	for (; p < end && is_digit(*p); p++)
		exponent = exponent * 10 + (*p - '0');
	*ret_exponent = negative ? -exponent : exponent;
	return p == end && exponent <= MAX_EXPONENT;
}

// A number in JSON's grammar; the other spellings that PostgreSQL reads in a string (+5, .5, 007, 0x1F) are not plain.
static bool parse_decimal(const char *p, size_t size, struct decimal *ret)
{
	const char *end = p + size;
	ret->negative = size > 0 && *p == '-';
	p += ret->negative;
	if (size > MAX_DIGITS || p == end || !is_digit(*p) || (*p == '0' && p + 1 < end && is_digit(p[1])))
		return false;
	int n = 0, fraction = 0, exponent = 0;
	for (; p < end && is_digit(*p); p++)
		if (n > 0 || *p != '0')
			ret->digit[n++] = (unsigned char) (*p - '0');
	ret->point = n;
	if (p < end && *p == '.') {
		for (p++; p < end && is_digit(*p); p++, fraction++) {
			if (n > 0 || *p != '0')
				ret->digit[n++] = (unsigned char) (*p - '0');
			else
				ret->point--;
		}
		if (fraction == 0)
			return false;
	}
	if (p < end && ((*p != 'e' && *p != 'E') || !parse_exponent(p, end, &exponent)))
		return false;
	ret->n = n;
	ret->point += exponent;
	ret->decimals = fraction - exponent;
	return true;
}

// ---- integers ----

static char *put_int(uint32_t type, int64_t value, char *to)
{
	switch (type) {
	case PG_INT2:
		return value == (int16_t) value ? pg_put16(pg_put32(to, 2), (uint16_t) value) : NULL;
	case PG_INT4:
		return value == (int32_t) value ? pg_put32(pg_put32(to, 4), (uint32_t) value) : NULL;
	default:
		return pg_put64(pg_put32(to, 8), (uint64_t) value);
	}
}

// 18 digits cannot overflow; the few numbers beyond are the server's.
char *pg_value_int(uint32_t type, const char *text, size_t size, char *to)
{
	bool negative = size > 0 && *text == '-';
	const char *p = text + negative, *end = text + size;
	if (p == end || end - p > 18 || (*p == '0' && size > 1))
		return NULL;
	int64_t value = 0;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return NULL;
		value = value * 10 + (*p - '0');
	}
	return put_int(type, negative ? -value : value, to);
}

// ---- floats ----

static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
}

// The digits as a whole number; false where they are more than 15.
static bool mantissa(const struct decimal *d, uint64_t *ret)
{
	*ret = 0;
	for (int i = 0; i < d->n && d->n <= 15; i++)
		*ret = *ret * 10 + d->digit[i];
	return d->n <= 15;
}

// Both operands are exact, so the one operation rounds once, correctly: Clinger's fast path.
static bool exact_double(const struct decimal *d, double *ret)
{
	static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	uint64_t whole;
	int exponent = d->point - d->n;
	if (!mantissa(d, &whole) || exponent < -22 || exponent > 22)
		return false;
	double value = exponent < 0 ? (double) whole / tens[-exponent] : (double) whole * tens[exponent];
	*ret = d->negative ? -value : value;
	return true;
}

static bool exact_float(const struct decimal *d, float *ret)
{
	static const float tens[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f, 1e8f, 1e9f, 1e10f};
	uint64_t whole;
	int exponent = d->point - d->n;
	if (!mantissa(d, &whole) || whole > 1u << 24 || exponent < -10 || exponent > 10)
		return false;
	float value = exponent < 0 ? (float) whole / tens[-exponent] : (float) whole * tens[exponent];
	*ret = d->negative ? -value : value;
	return true;
}

// What libc must round: it does so correctly, and says where the result left the type's range, which is the server's.
static const char *copy_for_libc(const char *text, size_t size, char *copy)
{
	pthread_once(&c_locale_once, make_c_locale);
	memcpy(copy, text, size);
	copy[size] = '\0';
	errno = 0;
	return c_locale ? copy : NULL;
}

static char *write_float8(const struct decimal *d, const char *text, size_t size, char *to)
{
	double value;
	if (!exact_double(d, &value)) {
		char copy[MAX_DIGITS + 1];
		if (!copy_for_libc(text, size, copy))
			return NULL;
		value = strtod_l(copy, NULL, c_locale);
		if (errno != 0 || !isfinite(value))
			return NULL;
	}
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return pg_put64(pg_put32(to, 8), bits);
}

static char *write_float4(const struct decimal *d, const char *text, size_t size, char *to)
{
	float value;
	if (!exact_float(d, &value)) {
		char copy[MAX_DIGITS + 1];
		if (!copy_for_libc(text, size, copy))
			return NULL;
		value = strtof_l(copy, NULL, c_locale);
		if (errno != 0 || !isfinite(value))
			return NULL;
	}
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return pg_put32(pg_put32(to, 4), bits);
}

char *pg_value_float(uint32_t type, const char *text, size_t size, char *to)
{
	struct decimal d;
	if (!parse_decimal(text, size, &d))
		return NULL;
	return type == PG_FLOAT8 ? write_float8(&d, text, size, to) : write_float4(&d, text, size, to);
}

// ---- numeric ----

// Does it fit numeric(precision, scale), whatever rounding does?  PostgreSQL packs both into typmod (numeric.c).
static bool fits(const struct decimal *d, int32_t typmod)
{
	if (typmod < 4 || d->n == 0)
		return true;
	int precision = (typmod - 4) >> 16 & 0xFFFF, scale = (((typmod - 4) & 0x7FF) ^ 1024) - 1024;
	int room = precision - scale;
	return d->point < room || (d->point == room && d->decimals <= scale);
}

// The power of 10,000 that the first base-10,000 digit counts.
static int weight_of(const struct decimal *d)
{
	int tens = d->point - 1; // the power of ten of the first digit
	return tens >= 0 ? tens / 4 : -((3 - tens) / 4);
}

// The i-th base-10,000 digit, where the first begins with `pad` zeros.
static uint16_t group(const struct decimal *d, int pad, int i)
{
	uint16_t value = 0;
	for (int k = i * 4 - pad; k < i * 4 - pad + 4; k++)
		value = (uint16_t) (value * 10 + (k >= 0 && k < d->n ? d->digit[k] : 0));
	return value;
}

char *pg_value_numeric(int32_t typmod, const char *text, size_t size, char *to)
{
	struct decimal d;
	if (!parse_decimal(text, size, &d) || !fits(&d, typmod))
		return NULL;
	while (d.n > 0 && d.digit[d.n - 1] == 0)
		d.n--;
	int weight = d.n ? weight_of(&d) : 0;
	int pad = (weight + 1) * 4 - d.point;
	int groups = d.n ? (pad + d.n + 3) / 4 : 0;
	bool negative = d.negative && d.n > 0;
	to = pg_put32(to, (uint32_t) (8 + 2 * groups));
	to = pg_put16(to, (uint16_t) groups);
	to = pg_put16(to, (uint16_t) weight);
	to = pg_put16(to, negative ? 0x4000 : 0);
	to = pg_put16(to, (uint16_t) (d.decimals > 0 ? d.decimals : 0));
	for (int i = 0; i < groups; i++)
		to = pg_put16(to, group(&d, pad, i));
	return to;
}
