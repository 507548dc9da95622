// SPDX-License-Identifier: Apache-2.0
// row_read: a JSON object's members become fields; see row_private.h for the shape.
#include <string.h>

#include "row_private.h"

// Remembers a name that comes at `at`, before those that came later so far.
static bool remember(kd_shape *shape, const kd_json_key *key, size_t at)
{
	if (shape->n == KD_SHAPE_MOST || key->size > KD_SHAPE_NAME_BYTES)
		return false;
	memmove(&shape->names[at + 1], &shape->names[at], (shape->n - at) * sizeof *shape->names);
	shape->names[at].size = key->size;
	memcpy(shape->names[at].text, key->text, key->size);
	shape->n++;
	return true;
}

// A name that is not the expected one: does it still come behind those before it?  *at: where the next one is expected.
static bool follows(kd_shape *shape, const kd_json_key *key, size_t *at)
{
	if (key->escaped)
		return false;
	for (size_t i = 0; i < shape->n; i++) {
		if (shape->names[i].size != key->size || memcmp(shape->names[i].text, key->text, key->size) != 0)
			continue;
		if (i < *at)
			return false;
		*at = i + 1;
		return true;
	}
	if (!remember(shape, key, *at))
		return false;
	++*at;
	return true;
}

// It may have come before: then its place is there, and what it was is not read from this document any more.
static kd_field *put_name(kd_row *row, const char *name, size_t size)
{
	kd_field *field = kd_row_put(row, name, size);
	if (!field)
		return NULL;
	field->is = kd_spelling_of(field->name, field->name_size) == KD_SPELLING_ESCAPED ? KD_FIELD_SPELL_NAME : 0;
	return field;
}

// The field of a key that may have come before.
static kd_field *put(kd_row *row, const kd_json_key *key)
{
	if (!key->escaped)
		return put_name(row, key->text, key->size);
	char *name = kd_arena_take(&row->arena, key->size);
	if (!name) {
		kd_row_no_memory(row);
		return NULL;
	}
	size_t size = (size_t) (kd_json_unescape(key->text, key->size, name) - name);
	return put_name(row, name, size);
}

bool kd_row_read(kd_row *row, const char *text, size_t size, size_t *ret_good)
{
	kd_json *json = &row->json;
	kd_shape *shape = &row->shape;
	bool distinct = row->n == 0;
	size_t at = 0;
	kd_json_open(json, text, size);
	for (;;) {
		const struct kd_shape_name *guess = at < shape->n ? &shape->names[at] : NULL;
		kd_json_key key;
		kd_json_step step = kd_json_read_key(json, guess ? guess->text : NULL, guess ? guess->size : KD_JSON_NO_GUESS,
			&key);
		*ret_good = (size_t) (json->at - text);
		if (step != KD_JSON_FIELD) {
			row->flags |= json->flags & (KD_JSON_WIDE | KD_JSON_DEEP);
			return step == KD_JSON_END;
		}
		if (key.guessed)
			at++;
		else
			distinct = distinct && follows(shape, &key, &at);
		kd_field *field = distinct ? kd_row_append(row, key.text, key.size) : put(row, &key);
		if (!field)
			return true;
		if (distinct)
			field->is = KD_FIELD_READ;
		if (!kd_json_read_value(json, &field->value)) {
			kd_field_put(field, KD_JSON_NULL, "null", 4, 0);
			return false;
		}
	}
}
