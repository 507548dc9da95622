// SPDX-License-Identifier: Apache-2.0
// pg_values: which function takes which type, and the types that are made of bytes.
//
// json_populate_record hands an input function the text of a scalar (a string's meaning, any other's token) or, for an
// object or array, its JSON as written.  A json column gets the token as written, strings spelled anew.
#include "pg_values.h"

#include <string.h>

#include "pg_values_wire.h"

// A length typmod counts characters and carries this (VARHDRSZ) on top.
#define TYPMOD_BASE 4

static bool is_container(const kd_json_value *value)
{
	return value->kind == KD_JSON_OBJECT || value->kind == KD_JSON_ARRAY;
}

static char *write_bool(const char *text, size_t size, char *to)
{
	bool yes = (size == 4 && memcmp(text, "true", 4) == 0) || (size == 1 && (*text == '1' || *text == 't'));
	bool no = (size == 5 && memcmp(text, "false", 5) == 0) || (size == 1 && (*text == '0' || *text == 'f'));
	if (!yes && !no)
		return NULL;
	char byte = yes;
	return pg_put_bytes(to, &byte, 1);
}

// A length in characters is kept for sure where the bytes do not exceed it.
static char *write_text(const struct pg_column *column, const kd_json_value *value, char *to)
{
	char *begin = to + 4, *end;
	if (value->kind == KD_JSON_STRING && value->flags & KD_JSON_ESCAPED)
		end = kd_json_unescape(value->text, value->size, begin);
	else
		end = (char *) memcpy(begin, value->text, value->size) + value->size;
	if (column->typmod >= TYPMOD_BASE && end - begin > column->typmod - TYPMOD_BASE)
		return NULL;
	pg_put32(to, (uint32_t) (end - begin));
	return end;
}

static char *write_json(const struct pg_column *column, const kd_json_value *value, char *to)
{
	char *begin = to + 4, *p = begin;
	if (column->type == PG_JSONB) {
		if (value->flags & (KD_JSON_WIDE | KD_JSON_DEEP))
			return NULL;
		*p++ = 1; // the version of jsonb's wire format
	}
	if (value->kind != KD_JSON_STRING) {
		memcpy(p, value->text, value->size);
		p += value->size;
	} else {
		*p++ = '"';
		p = kd_json_respell(value->text, value->size, p);
		*p++ = '"';
	}
	pg_put32(to, (uint32_t) (p - begin));
	return p;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Pairs of hex digits and nothing else.
static char *write_hex(const char *text, size_t size, char *to)
{
	if (size % 2)
		return NULL;
	for (size_t i = 0; i < size; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0)
			return NULL;
		*to++ = (char) (high << 4 | low);
	}
	return to;
}

// The two spellings of bytea without surprises: \x and hex digits, or bytes without any backslash.
static char *write_bytea(const kd_json_value *value, char *to)
{
	const char *text = value->text;
	size_t size = value->size;
	char *begin = to + 4, *end;
	if (size >= 3 && value->kind == KD_JSON_STRING && memcmp(text, "\\\\x", 3) == 0)
		end = write_hex(text + 3, size - 3, begin);
	else if (value->flags & KD_JSON_ESCAPED)
		return NULL;
	else
		end = (char *) memcpy(begin, text, size) + size;
	if (end)
		pg_put32(to, (uint32_t) (end - begin));
	return end;
}

// 8-4-4-4-12 hex digits.
static char *write_uuid(const char *text, size_t size, char *to)
{
	static const unsigned char groups[] = {8, 4, 4, 4, 12};
	if (size != 36)
		return NULL;
	to = pg_put32(to, 16);
	for (size_t i = 0; i < sizeof groups; i++) {
		if (i > 0 && *text++ != '-')
			return NULL;
		to = write_hex(text, groups[i], to);
		if (!to)
			return NULL;
		text += groups[i];
	}
	return to;
}

static char *write_scalar(const struct pg_column *column, const char *text, size_t size, char *to)
{
	switch (column->type) {
	case PG_BOOL:
		return write_bool(text, size, to);
	case PG_INT2:
	case PG_INT4:
	case PG_INT8:
		return pg_value_int(column->type, text, size, to);
	case PG_FLOAT4:
	case PG_FLOAT8:
		return pg_value_float(column->type, text, size, to);
	case PG_NUMERIC:
		return pg_value_numeric(column->typmod, text, size, to);
	case PG_UUID:
		return write_uuid(text, size, to);
	case PG_DATE:
		return pg_value_date(text, size, to);
	case PG_TIME:
		return pg_value_time(text, size, to);
	case PG_TIMESTAMP:
	case PG_TIMESTAMPTZ:
		return pg_value_timestamp(column->type, text, size, to);
	}
	return NULL;
}

char *pg_value_write(const struct pg_column *column, const kd_json_value *value, char *to)
{
	if (value->kind == KD_JSON_NULL)
		return pg_put_null(to);
	switch (column->type) {
	case PG_TEXT:
	case PG_VARCHAR:
	case PG_BPCHAR:
		return write_text(column, value, to);
	case PG_JSON:
	case PG_JSONB:
		return write_json(column, value, to);
	case PG_BYTEA:
		return write_bytea(value, to);
	}
	if (is_container(value) || value->flags & KD_JSON_ESCAPED)
		return NULL;
	return write_scalar(column, value->text, value->size, to);
}
