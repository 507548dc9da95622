// SPDX-License-Identifier: Apache-2.0
// row_value: what a value says: as a number, as text, element by element.
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "row_private.h"

// ---- numbers ----

// A number as it is written: digits with a point somewhere, times a power of ten.
struct decimal {
	bool negative;
	const char *digits; // with the point among them
	size_t size;
	int64_t exponent; // of the last digit
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *read_exponent(const char *p, const char *end, int64_t *exponent)
{
	if (p == end || (*p != 'e' && *p != 'E'))
		return p;
	bool negative = ++p < end && *p == '-';
	int64_t number = 0;
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	const char *begin = p;
	for (; p < end && is_digit(*p); p++)
		number = number < 1000000000 ? number * 10 + (*p - '0') : number;
	*exponent += negative ? -number : number;
	return p > begin ? p : NULL;
}

// Text of fields that came without types (csv) spells numbers too.
static bool read_decimal(const kd_value *value, struct decimal *ret)
{
	if (value->type != KD_VALUE_NUMBER && value->type != KD_VALUE_TEXT)
		return false;
	const char *p = value->text, *end = p + value->size;
	*ret = (struct decimal) {.negative = p < end && *p == '-'};
	p += ret->negative;
	ret->digits = p;
	size_t whole = 0, fraction = 0;
	for (; p < end && is_digit(*p); p++)
		whole++;
	if (p < end && *p == '.')
		for (p++; p < end && is_digit(*p); p++)
			fraction++;
	bool complete = ret->digits + whole == p || fraction > 0;
	ret->size = (size_t) (p - ret->digits);
	ret->exponent = -(int64_t) fraction;
	return whole && complete && read_exponent(p, end, &ret->exponent) == end;
}

static bool add_digit(int64_t *number, int digit)
{
	return !__builtin_mul_overflow(*number, 10, number) && !__builtin_sub_overflow(*number, digit, number);
}

// A few digits and nothing else, as most numbers are.
static bool read_digits(const kd_value *value, int64_t *ret_number)
{
	int64_t number = 0;
	if (value->type != KD_VALUE_NUMBER || value->size > 18)
		return false;
	for (size_t i = 0; i < value->size; i++) {
		if (!is_digit(value->text[i]))
			return false;
		number = number * 10 + (value->text[i] - '0');
	}
	*ret_number = number;
	return value->size > 0;
}

bool kd_value_int(const kd_value *value, int64_t *ret_number)
{
	struct decimal decimal;
	if (read_digits(value, ret_number))
		return true;
	if (!read_decimal(value, &decimal))
		return false;
	while (decimal.size > 1 && decimal.exponent < 0 && decimal.digits[decimal.size - 1] == '0') {
		decimal.size--;
		decimal.exponent++;
	}
	int64_t number = 0; // below zero: there is one number more on that side
	for (size_t i = 0; i < decimal.size; i++)
		if (decimal.digits[i] != '.' && !add_digit(&number, decimal.digits[i] - '0'))
			return false;
	for (; number && decimal.exponent < 0 && number % 10 == 0; decimal.exponent++)
		number /= 10;
	for (; number && decimal.exponent > 0; decimal.exponent--)
		if (!add_digit(&number, 0))
			return false;
	if (number && decimal.exponent < 0)
		return false;
	if (!decimal.negative && number == INT64_MIN)
		return false;
	*ret_number = decimal.negative ? number : -number;
	return true;
}

static locale_t plain_locale;

static void make_locale(void)
{
	plain_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

// A program that has set a locale reads numbers no differently.
static double parse_double(const char *text)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, make_locale);
	return plain_locale ? strtod_l(text, NULL, plain_locale) : strtod(text, NULL);
}

bool kd_value_double(const kd_value *value, double *ret_number)
{
	struct decimal decimal;
	char small[128], *text = small;
	if (!read_decimal(value, &decimal))
		return false;
	if (value->size >= sizeof small && !(text = malloc(value->size + 1)))
		return false;
	memcpy(text, value->text, value->size);
	text[value->size] = '\0';
	double number = parse_double(text);
	if (text != small)
		free(text);
	if (!isfinite(number))
		return false;
	*ret_number = number;
	return true;
}

bool kd_value_is(const kd_value *value, const char *text)
{
	return value->type == KD_VALUE_TEXT && strlen(text) == value->size && memcmp(text, value->text, value->size) == 0;
}

// ---- containers ----

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

bool kd_value_element(const kd_value *array, size_t *position, kd_value *ret_value)
{
	if (array->type != KD_VALUE_ARRAY || *position >= array->size)
		return false;
	const char *end = array->text + array->size, *p = skip_space(array->text + *position, end);
	if (p == end || *p != (*position ? ',' : '['))
		return false;
	p = skip_space(p + 1, end);
	if (p == end || *p == ']')
		return false;
	kd_json json;
	kd_json_value value;
	kd_json_open(&json, p, (size_t) (end - p));
	if (!kd_json_read_value(&json, &value))
		return false;
	*position = (size_t) (json.at - array->text);
	return kd_row_value(array->row, &value, ret_value);
}

bool kd_value_member(const kd_value *object, size_t *position, const char **ret_name, size_t *ret_name_size,
	kd_value *ret_value)
{
	if (object->type != KD_VALUE_OBJECT || *position >= object->size)
		return false;
	kd_json json;
	kd_json_key key;
	kd_json_value value;
	kd_json_open(&json, object->text + *position, object->size - *position);
	json.begun = *position > 0;
	if (kd_json_read_key(&json, NULL, KD_JSON_NO_GUESS, &key) != KD_JSON_FIELD || !kd_json_read_value(&json, &value))
		return false;
	*position = (size_t) (json.at - object->text);
	kd_json_value name = {.text = key.text, .size = key.size, .kind = KD_JSON_STRING,
		.flags = key.escaped ? KD_JSON_ESCAPED : 0};
	kd_value plain;
	if (!kd_row_value(object->row, &name, &plain) || !kd_row_value(object->row, &value, ret_value))
		return false;
	*ret_name = plain.text;
	*ret_name_size = plain.size;
	return true;
}
