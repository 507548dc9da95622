// SPDX-License-Identifier: Apache-2.0
// row_set: what changes a row.  Nothing here fails: the first problem is kept and told when the row is handed on.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "row_private.h"

#define FIRST_TIME_MS INT64_C(-62135596800000) // 0001-01-01
#define LAST_TIME_MS INT64_C(253402300799999)  // 9999-12-31

// Copies bytes into the row's memory; NULL without any (the row has a problem).
static const char *keep(kd_row *row, const void *bytes, size_t size)
{
	const char *copy = kd_arena_copy(&row->arena, bytes, size);
	if (!copy)
		kd_row_no_memory(row);
	return copy;
}

// The field to set; NULL: there is none, and the row says why.
static kd_field *take(kd_row *row, const char *name)
{
	size_t size = strlen(name);
	row->changed = true;
	kd_field *field = kd_row_find(row, name, size);
	if (field)
		return field;
	kd_spelling spelling = kd_spelling_of(name, size);
	if (spelling == KD_SPELLING_NONE) {
		kd_row_problem(row, KD_ERECORD, "could not set a field: its name is not UTF-8");
		return NULL;
	}
	const char *copy = keep(row, name, size);
	field = copy ? kd_row_append(row, copy, size) : NULL;
	if (field && spelling == KD_SPELLING_ESCAPED)
		field->is = KD_FIELD_SPELL_NAME;
	return field;
}

// flags: as the scanner's, of the value.
static void set_token(kd_row *row, const char *name, kd_json_kind kind, const char *token, size_t size, uint8_t flags)
{
	const char *copy = keep(row, token, size);
	kd_field *field = copy ? take(row, name) : NULL;
	if (!field)
		return;
	kd_field_put(field, kind, copy, size, flags);
	row->flags |= flags & (KD_JSON_WIDE | KD_JSON_DEEP);
}

static void set_word(kd_row *row, const char *name, kd_json_kind kind, const char *word)
{
	kd_field *field = take(row, name);
	if (field)
		kd_field_put(field, kind, word, strlen(word), 0);
}

void kd_row_set_null(kd_row *row, const char *name)
{
	set_word(row, name, KD_JSON_NULL, "null");
}

void kd_row_set_bool(kd_row *row, const char *name, bool value)
{
	set_word(row, name, value ? KD_JSON_TRUE : KD_JSON_FALSE, value ? "true" : "false");
}

// ---- numbers ----

void kd_row_set_int(kd_row *row, const char *name, int64_t value)
{
	char text[24], *begin = text + sizeof text, *end = begin;
	uint64_t rest = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
	do
		*--begin = (char) ('0' + rest % 10);
	while (rest /= 10);
	if (value < 0)
		*--begin = '-';
	set_token(row, name, KD_JSON_NUMBER, begin, (size_t) (end - begin), 0);
}

// The locale's sign before a fraction, whatever it is, becomes a point.
static size_t use_a_point(char *text)
{
	char *to = text;
	for (const char *p = text; *p; p++) {
		if (strchr("0123456789+-eE", *p))
			*to++ = *p;
		else if (to == text || to[-1] != '.')
			*to++ = '.';
	}
	return (size_t) (to - text);
}

void kd_row_set_double(kd_row *row, const char *name, double value)
{
	char text[64];
	if (!isfinite(value)) {
		kd_row_set_null(row, name);
		return;
	}
	// The shortest spelling that reads back as the same number.
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	set_token(row, name, KD_JSON_NUMBER, text, use_a_point(text), 0);
}

// One JSON value; text: without the quotes of a string.
static bool is_json(kd_row *row, const char *text, size_t size, kd_json_value *ret_value)
{
	return kd_json_whole(&row->json, text, size, ret_value);
}

void kd_row_set_number(kd_row *row, const char *name, const char *number, size_t size)
{
	kd_json_value value;
	if (!is_json(row, number, size, &value) || value.kind != KD_JSON_NUMBER)
		kd_row_problem(row, KD_ERECORD, "could not set field \"%s\": not a JSON number", name);
	else
		set_token(row, name, KD_JSON_NUMBER, value.text, value.size, value.flags);
}

// ---- text ----

static void put_text(kd_field *field, const char *text, size_t size, kd_spelling spelling)
{
	kd_field_put(field, KD_JSON_STRING, text, size, spelling == KD_SPELLING_ASCII ? 0 : KD_JSON_NON_ASCII);
	if (spelling == KD_SPELLING_ESCAPED)
		field->is |= KD_FIELD_SPELL_TEXT;
}

void kd_field_put_text(kd_field *field, const char *text, size_t size)
{
	put_text(field, text, size, kd_spelling_of(text, size));
}

void kd_row_set_text(kd_row *row, const char *name, const char *text, size_t size)
{
	kd_spelling spelling = kd_spelling_of(text, size);
	if (spelling == KD_SPELLING_NONE) {
		kd_row_problem(row, KD_ERECORD, "could not set field \"%s\": the text is not UTF-8 without NUL bytes", name);
		return;
	}
	const char *copy = keep(row, text, size);
	kd_field *field = copy ? take(row, name) : NULL;
	if (field)
		put_text(field, copy, size, spelling);
}

void kd_row_set_bytes(kd_row *row, const char *name, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	char *text = size < SIZE_MAX / 4 ? kd_arena_take(&row->arena, 2 * size + 2) : NULL;
	if (!text) {
		kd_row_no_memory(row);
		return;
	}
	text[0] = '\\';
	text[1] = 'x';
	for (size_t i = 0; i < size; i++) {
		text[2 + 2 * i] = digits[from[i] >> 4];
		text[3 + 2 * i] = digits[from[i] & 15];
	}
	kd_field *field = take(row, name);
	if (field)
		put_text(field, text, 2 * size + 2, KD_SPELLING_ESCAPED);
}

void kd_row_set_time(kd_row *row, const char *name, int64_t ms_since_1970)
{
	if (ms_since_1970 == -1) {
		kd_row_set_null(row, name);
		return;
	}
	if (ms_since_1970 < FIRST_TIME_MS || ms_since_1970 > LAST_TIME_MS) {
		kd_row_problem(row, KD_ERECORD, "could not set field \"%s\": %" PRId64
			" ms since 1970 is not within the years 1 to 9999", name, ms_since_1970);
		return;
	}
	int64_t ms = ms_since_1970 % 1000;
	ms += ms < 0 ? 1000 : 0;
	time_t seconds = (time_t) ((ms_since_1970 - ms) / 1000);
	struct tm tm;
	char text[80];
	gmtime_r(&seconds, &tm);
	int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) ms);
	set_token(row, name, KD_JSON_STRING, text, (size_t) n, 0);
}

// ---- other values ----

void kd_row_set_json(kd_row *row, const char *name, const char *json, size_t size)
{
	kd_json_value value;
	if (!is_json(row, json, size, &value)) {
		kd_row_problem(row, KD_ERECORD, "could not set field \"%s\": not one JSON value", name);
		return;
	}
	set_token(row, name, (kd_json_kind) value.kind, value.text, value.size, value.flags);
}

void kd_row_set_value(kd_row *row, const char *name, const kd_value *value)
{
	switch (value->type) {
	case KD_VALUE_NULL:
		kd_row_set_null(row, name);
		break;
	case KD_VALUE_BOOL:
		kd_row_set_bool(row, name, value->boolean);
		break;
	case KD_VALUE_NUMBER:
		kd_row_set_number(row, name, value->text, value->size);
		break;
	case KD_VALUE_TEXT:
		kd_row_set_text(row, name, value->text, value->size);
		break;
	case KD_VALUE_OBJECT:
	case KD_VALUE_ARRAY:
		kd_row_set_json(row, name, value->text, value->size);
		break;
	}
}

// ---- the row as a whole ----

static void remove_field(kd_row *row, kd_field *field)
{
	size_t behind = (size_t) (row->fields + row->n - field) - 1;
	memmove(field, field + 1, behind * sizeof *field);
	row->n--;
	row->changed = true;
	kd_row_index_forget(&row->index);
}

void kd_row_remove(kd_row *row, const char *name)
{
	kd_field *field = kd_row_find(row, name, strlen(name));
	if (field)
		remove_field(row, field);
}

void kd_row_rename(kd_row *row, const char *name, const char *new_name)
{
	size_t size = strlen(new_name);
	kd_field *field = kd_row_find(row, name, strlen(name));
	if (!field || strcmp(name, new_name) == 0)
		return;
	kd_spelling spelling = kd_spelling_of(new_name, size);
	const char *copy = keep(row, new_name, size);
	if (spelling == KD_SPELLING_NONE)
		kd_row_problem(row, KD_ERECORD, "could not rename field \"%s\": the new name is not UTF-8", name);
	if (!copy || spelling == KD_SPELLING_NONE)
		return;
	kd_field *other = kd_row_find(row, new_name, size);
	if (other) {
		remove_field(row, other);
		field -= other < field;
	}
	field->name = copy;
	field->name_size = size;
	field->is &= KD_FIELD_SPELL_TEXT | KD_FIELD_PLAIN;
	if (spelling == KD_SPELLING_ESCAPED)
		field->is |= KD_FIELD_SPELL_NAME;
	row->changed = true;
	kd_row_index_forget(&row->index);
}

void kd_row_clear(kd_row *row)
{
	row->n = 0;
	row->changed = true;
	row->value_set = false;
	kd_row_index_forget(&row->index);
}

static bool is_within(const char *text, size_t size, const void *bytes, size_t n)
{
	uintptr_t at = (uintptr_t) text, begin = (uintptr_t) bytes;
	return bytes && at >= begin && at - begin <= n && size <= n - (at - begin);
}

void kd_row_read_object(kd_row *row, const kd_value *object)
{
	size_t good;
	row->changed = true;
	if (object->type != KD_VALUE_OBJECT) {
		kd_row_problem(row, KD_ERECORD, "could not read fields: not a JSON object");
		return;
	}
	const char *text = object->text;
	if (!is_within(text, object->size, row->record.value, row->record.value_size))
		text = keep(row, text, object->size);
	if (text && !kd_row_read(row, text, object->size, &good))
		kd_row_problem(row, KD_ERECORD, "could not read fields: not a JSON object at byte %zu", good);
}

static const void *keep_bytes(kd_row *row, const void *bytes, size_t size)
{
	return bytes ? keep(row, bytes, size) : NULL;
}

void kd_row_set_record_key(kd_row *row, const void *bytes, size_t size)
{
	row->key = keep_bytes(row, bytes, size);
	row->key_size = row->key ? size : 0;
	row->key_set = true;
}

void kd_row_set_record_value(kd_row *row, const void *bytes, size_t size)
{
	row->value = keep_bytes(row, bytes, size);
	row->value_size = row->value ? size : 0;
	row->value_set = true;
}

void kd_row_set_table(kd_row *row, const char *table)
{
	row->table = table && *table ? keep(row, table, strlen(table) + 1) : NULL;
}
