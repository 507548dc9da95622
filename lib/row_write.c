// SPDX-License-Identifier: Apache-2.0
// row_write: a row becomes what the sink reads: the record's own bytes, replaced ones, or one JSON object of the fields
// in their order.  Text that was never touched is copied as it was written.
#include <string.h>

#include "row_private.h"
#include "utf8.h"

#define MOST_BYTES (SIZE_MAX / 16)

// Bytes that JSON must spell: quote, backslash, control characters.  Non-zero where there is one.
static inline uint64_t odd_bytes(uint64_t word)
{
	return kd_zero_bytes(word ^ KD_BYTES('"')) | kd_zero_bytes(word ^ KD_BYTES('\\')) |
		kd_zero_bytes(word & KD_BYTES(0xE0));
}

static bool is_odd(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

kd_spelling kd_spelling_of(const char *text, size_t size)
{
	const char *p = text, *end = text + size;
	while (end - p >= 8) {
		uint64_t word = kd_load8(p);
		if (odd_bytes(word) || word & KD_BYTES(0x80))
			break;
		p += 8;
	}
	while (p < end && !is_odd((unsigned char) *p) && (unsigned char) *p < 0x80)
		p++;
	if (p == end)
		return KD_SPELLING_AS_IS;
	if (!kd_utf8_is_text(p, (size_t) (end - p), NULL))
		return KD_SPELLING_NONE;
	while (p < end && !is_odd((unsigned char) *p))
		p++;
	return p == end ? KD_SPELLING_AS_IS : KD_SPELLING_ESCAPED;
}

// ---- one document ----

static bool has_quotes(const kd_field *field)
{
	return field->kind == KD_JSON_STRING;
}

static char *put_text(char *to, const char *text, size_t size, bool written)
{
	if (!written)
		return kd_json_spell(text, size, to);
	memcpy(to, text, size);
	return to + size;
}

static char *put_field(char *to, const kd_field *field)
{
	*to++ = '"';
	to = put_text(to, field->name, field->name_size, field->name_written);
	*to++ = '"';
	*to++ = ':';
	if (!has_quotes(field))
		return put_text(to, field->text, field->size, true);
	*to++ = '"';
	to = put_text(to, field->text, field->size, field->written);
	*to++ = '"';
	return to;
}

// The bytes that the document needs at most; SIZE_MAX: more than any document may have.
static size_t room_for(const kd_row *row)
{
	size_t room = 2;
	for (size_t i = 0; i < row->n; i++) {
		const kd_field *field = &row->fields[i];
		size_t name = field->name_written ? field->name_size : 6 * field->name_size;
		if (field->size > MOST_BYTES || room > MOST_BYTES)
			return SIZE_MAX;
		room += name + (field->written ? field->size : 6 * field->size) + 6;
	}
	return room;
}

static bool write_document(kd_row *row)
{
	kd_buf *buf = &row->document;
	size_t room = room_for(row);
	buf->size = 0;
	char *to = room == SIZE_MAX ? NULL : kd_buf_reserve(buf, room);
	if (!to)
		return false;
	*to++ = '{';
	for (size_t i = 0; i < row->n; i++) {
		if (i)
			*to++ = ',';
		to = put_field(to, &row->fields[i]);
	}
	*to++ = '}';
	buf->size = (size_t) (to - buf->data);
	return true;
}

// ---- the row as a record ----

static kd_code refuse(kd_row *row, kd_error *err)
{
	kd_code code = kd_error_set(err, row->problem.code, KD_STOP, "%s", row->problem.message);
	row->problem.code = KD_OK;
	if (code == KD_ERECORD && err)
		err->offset = row->record.offset;
	return code;
}

kd_code kd_row_result(kd_row *row, kd_record *ret_record, kd_error *err)
{
	if (!row->problem.code && row->changed && !row->value_set && !write_document(row))
		kd_row_no_memory(row);
	if (row->problem.code)
		return refuse(row, err);
	*ret_record = row->record;
	ret_record->table = row->table;
	if (row->key_set) {
		ret_record->key = row->key;
		ret_record->key_size = row->key_size;
	}
	if (row->value_set) {
		ret_record->value = row->value;
		ret_record->value_size = row->value_size;
	} else if (row->changed) {
		ret_record->value = row->document.data;
		ret_record->value_size = row->document.size;
	}
	return KD_OK;
}
