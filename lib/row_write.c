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
		return KD_SPELLING_ASCII;
	if (!kd_utf8_is_text(p, (size_t) (end - p), NULL))
		return KD_SPELLING_NONE;
	while (p < end && !is_odd((unsigned char) *p))
		p++;
	return p == end ? KD_SPELLING_AS_IS : KD_SPELLING_ESCAPED;
}

// ---- one document ----

static char *put_text(char *to, const char *text, size_t size, bool spell)
{
	if (spell)
		return kd_json_spell(text, size, to);
	memcpy(to, text, size);
	return to + size;
}

// Writes ,"name":value
static bool write_field(kd_buf *buf, const kd_field *field)
{
	bool quotes = field->value.kind == KD_JSON_STRING;
	if (field->value.size > MOST_BYTES || field->name_size > MOST_BYTES)
		return false;
	char *to = kd_buf_reserve(buf, 6 * field->name_size + 6 * field->value.size + 8);
	if (!to)
		return false;
	*to++ = ',';
	*to++ = '"';
	to = put_text(to, field->name, field->name_size, field->is & KD_FIELD_SPELL_NAME);
	*to++ = '"';
	*to++ = ':';
	if (quotes)
		*to++ = '"';
	to = put_text(to, field->value.text, field->value.size, field->is & KD_FIELD_SPELL_TEXT);
	if (quotes)
		*to++ = '"';
	buf->size = (size_t) (to - buf->data);
	return true;
}

// Of a field that stands in a document: from its name's quote to the end of its value.
static const char *begin_of(const kd_field *field)
{
	return field->name - 1;
}

static const char *end_of(const kd_field *field)
{
	return field->value.text + field->value.size + (field->value.kind == KD_JSON_STRING);
}

// Fields that follow each other as they did in their document are copied as one.
static const kd_field *last_of_run(const kd_field *field, const kd_field *end)
{
	while (field + 1 < end && field[1].is & KD_FIELD_READ && begin_of(field + 1) == end_of(field) + 1 &&
		*end_of(field) == ',')
		field++;
	return field;
}

// Writes them with a comma before them.
static bool write_run(kd_buf *buf, const kd_field *first, const kd_field *last)
{
	size_t size = (size_t) (end_of(last) - begin_of(first));
	char *to = kd_buf_reserve(buf, size + 2);
	if (!to)
		return false;
	*to = ',';
	memcpy(to + 1, begin_of(first), size);
	buf->size += size + 1;
	return true;
}

static bool write_document(kd_row *row)
{
	kd_buf *buf = &row->document;
	const kd_field *field = row->fields, *end = field + row->n;
	bool ok = true;
	buf->size = 0;
	while (ok && field < end) {
		const kd_field *last = field;
		if (field->is & KD_FIELD_READ)
			ok = write_run(buf, field, last = last_of_run(field, end));
		else
			ok = write_field(buf, field);
		field = last + 1;
	}
	if (row->n == 0)
		return kd_buf_append(buf, "{}", 2);
	if (!ok)
		return false;
	buf->data[0] = '{'; // in place of the first comma
	buf->data[buf->size++] = '}'; // each piece left a byte of room
	return true;
}

// ---- the row as a record ----

// The sink need not read what was read here, unless some text is spelled otherwise in JSON.
static const kd_json_fields *fields_of(kd_row *row)
{
	if (row->value_set || !(row->changed || row->is_document))
		return NULL;
	for (size_t i = 0; i < row->n; i++)
		if (row->fields[i].is & KD_FIELD_SPELL_TEXT)
			return NULL;
	row->handed_on = (kd_json_fields) {row->fields, row->n, row->flags};
	return &row->handed_on;
}

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
	ret_record->fields = fields_of(row);
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
