// SPDX-License-Identifier: Apache-2.0
// row: a record's fields: kept, found, read.  See row_private.h for how they lie in memory; setters are in row_set.c,
// documents are read in row_read.c and written in row_write.c.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row_private.h"
#include "utf8.h"

#define INDEX_FROM 32         // fields, from which on they are not looked through one by one
#define MOST_KEPT_FIELDS 1024 // a row of more does not keep its memory
#define MOST_KEPT_BYTES (1024 * 1024)

kd_row *kd_row_new(void)
{
	return calloc(1, sizeof(kd_row));
}

void kd_row_free(kd_row *row)
{
	if (!row)
		return;
	kd_arena_done(&row->arena);
	kd_row_index_done(&row->index);
	kd_buf_done(&row->document);
	free(row->fields);
	free(row);
}

// What one huge record needed is given back (I12).
static void shrink(kd_row *row)
{
	if (row->capacity > MOST_KEPT_FIELDS) {
		free(row->fields);
		row->fields = NULL;
		row->capacity = 0;
		kd_row_index_done(&row->index);
	}
	if (row->document.capacity > MOST_KEPT_BYTES)
		kd_buf_done(&row->document);
}

void kd_row_begin(kd_row *row, const kd_record *record)
{
	kd_arena_reset(&row->arena);
	kd_row_index_forget(&row->index);
	if (row->capacity > MOST_KEPT_FIELDS || row->document.capacity > MOST_KEPT_BYTES)
		shrink(row);
	row->record = *record;
	row->table = record->table;
	row->n = 0;
	row->changed = row->is_document = row->value_set = row->key_set = false;
	row->flags = 0;
	row->problem.code = KD_OK;
}

void kd_row_problem(kd_row *row, kd_code code, const char *format, ...)
{
	if (row->problem.code)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(row->problem.message, sizeof row->problem.message, format, args);
	va_end(args);
	row->problem.code = code;
}

void kd_row_no_memory(kd_row *row)
{
	kd_row_problem(row, KD_ENOMEM, "no memory for a row");
}

// ---- finding ----

kd_field *kd_row_find(kd_row *row, const char *name, size_t name_size)
{
	if (row->n >= INDEX_FROM)
		return kd_row_index_find(row, name, name_size);
	for (size_t i = 0; i < row->n; i++) {
		kd_field *field = &row->fields[i];
		if (field->name_size == name_size && kd_same_bytes(field->name, name, name_size))
			return field;
	}
	return NULL;
}

bool kd_row_more_fields(kd_row *row)
{
	size_t capacity = row->capacity ? row->capacity * 2 : 32;
	kd_field *fields = realloc(row->fields, capacity * sizeof *fields);
	if (!fields) {
		kd_row_no_memory(row);
		return false;
	}
	row->fields = fields;
	row->capacity = capacity;
	return true;
}

kd_field *kd_row_put(kd_row *row, const char *name, size_t name_size)
{
	kd_field *field = kd_row_find(row, name, name_size);
	if (field || row->problem.code == KD_ENOMEM)
		return field;
	return kd_row_append(row, name, name_size);
}

// ---- reading ----

const kd_record *kd_row_record(const kd_row *row)
{
	return &row->record;
}

static kd_value_type type_of(uint8_t kind)
{
	static const kd_value_type types[] = {
		[KD_JSON_NULL] = KD_VALUE_NULL,
		[KD_JSON_TRUE] = KD_VALUE_BOOL,
		[KD_JSON_FALSE] = KD_VALUE_BOOL,
		[KD_JSON_NUMBER] = KD_VALUE_NUMBER,
		[KD_JSON_STRING] = KD_VALUE_TEXT,
		[KD_JSON_OBJECT] = KD_VALUE_OBJECT,
		[KD_JSON_ARRAY] = KD_VALUE_ARRAY,
	};
	return types[kind];
}

static inline kd_value make_value(kd_row *row, uint8_t kind, const char *text, size_t size)
{
	kd_value value = {.type = type_of(kind), .boolean = kind == KD_JSON_TRUE, .row = row};
	if (value.type != KD_VALUE_NULL && value.type != KD_VALUE_BOOL) {
		value.text = text;
		value.size = size;
	}
	return value;
}

static bool unescape(kd_row *row, const char *text, size_t size, const char **ret_plain, size_t *ret_size)
{
	char *plain = row ? kd_arena_take(&row->arena, size) : NULL;
	if (!plain) {
		if (row)
			kd_row_no_memory(row);
		return false;
	}
	*ret_size = (size_t) (kd_json_unescape(text, size, plain) - plain);
	*ret_plain = plain;
	return true;
}

static inline bool is_escaped(const kd_json_value *value)
{
	return value->kind == KD_JSON_STRING && value->flags & KD_JSON_ESCAPED;
}

bool kd_row_value(kd_row *row, const kd_json_value *json, kd_value *ret_value)
{
	const char *text = json->text;
	size_t size = json->size;
	if (is_escaped(json) && !unescape(row, text, size, &text, &size))
		return false;
	*ret_value = make_value(row, json->kind, text, size);
	return true;
}

static bool read_field(kd_row *row, kd_field *field, kd_value *ret_value)
{
	const kd_json_value *value = &field->value;
	if (!is_escaped(value)) {
		*ret_value = make_value(row, value->kind, value->text, value->size);
		return true;
	}
	if (!(field->is & KD_FIELD_PLAIN) && !unescape(row, value->text, value->size, &field->plain, &field->plain_size))
		return false;
	field->is |= KD_FIELD_PLAIN;
	*ret_value = make_value(row, value->kind, field->plain, field->plain_size);
	return true;
}

bool kd_row_get(kd_row *row, const char *name, kd_value *ret_value)
{
	kd_field *field = kd_row_find(row, name, strlen(name));
	return field && read_field(row, field, ret_value);
}

bool kd_row_at(kd_row *row, size_t i, const char **ret_name, size_t *ret_name_size, kd_value *ret_value)
{
	if (i >= row->n)
		return false;
	*ret_name = row->fields[i].name;
	*ret_name_size = row->fields[i].name_size;
	return read_field(row, &row->fields[i], ret_value);
}
