// SPDX-License-Identifier: Apache-2.0
// sqlite_fields: a JSON object becomes a row of the user's own table.
//
// The judge of values is SQLite itself: a column gets what json_extract(value, '$.name') gives, so a boolean is 1 or 0,
// an object or array is JSON text, and of a name that comes twice the first counts.  An absent field leaves the column
// to its default; an explicit null is NULL.  Two things that SQLite would let pass are refused, because they lose data
// without a word: bytes that are not UTF-8, and an escaped NUL, at which it cuts the string off.
#include <stdlib.h>
#include <string.h>

#include "sqlite_encode.h"
#include "../common/refuse.h"
#include "sqlite_text.h"

static const sqlite_column *find_column(const sqlite_target *target, const char *name, size_t size, size_t *ret_index)
{
	for (size_t i = 0; i < target->n_columns; i++) {
		const sqlite_column *column = &target->columns[i];
		if (column->source == SQLITE_FROM_FIELD && column->name_size == size && !memcmp(column->name, name, size)) {
			*ret_index = i;
			return column;
		}
	}
	return NULL;
}

static kd_code meet_unknown(sqlite_encoder *encoder, const char *name, const kd_batch_partition *batch,
	const kd_record *record, kd_error *err)
{
	if (encoder->target->refuse_unknown)
		return refuse_record(batch, record, err, "field \"%s\": the table has no such column", name);
	for (size_t i = 0; i < encoder->n_named; i++)
		if (!strcmp(encoder->named[i], name))
			return KD_OK;
	if (encoder->n_named == SQLITE_NAMED_FIELDS)
		return KD_OK;
	char *copy = strdup(name);
	if (!copy)
		return sqlite_encode_no_memory(err);
	encoder->named[encoder->n_named++] = copy;
	kd_log(encoder->sink->log, KD_LOG_WARN, batch->batch_time_ms,
		"ignoring field \"%s\" of topic \"%s\": table \"%s\" has no such column", name, batch->topic,
		encoder->target->table);
	return KD_OK;
}

static bool put_json_value(sqlite3_stmt *stmt, kd_buf *out)
{
	switch (sqlite3_column_type(stmt, 1)) {
	case SQLITE_INTEGER:
		return sqlite_put_int(out, sqlite3_column_int64(stmt, 1));
	case SQLITE_FLOAT:
		return sqlite_put_real(out, sqlite3_column_double(stmt, 1));
	case SQLITE_NULL:
		return sqlite_put_null(out);
	default: {
		const void *text = sqlite3_column_text(stmt, 1);
		return text && sqlite_put_bytes(out, SQLITE_TAG_TEXT, text, (size_t) sqlite3_column_bytes(stmt, 1));
	}
	}
}

/* One field: its value goes to scratch, and the column's slice says where. */
static kd_code take_field(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_error *err)
{
	sqlite3_stmt *stmt = encoder->json_each;
	const char *name = (const char *) sqlite3_column_text(stmt, 0);
	if (!name)
		return sqlite_encode_no_memory(err);
	size_t i;
	const sqlite_column *column = find_column(encoder->target, name, (size_t) sqlite3_column_bytes(stmt, 0), &i);
	if (!column)
		return meet_unknown(encoder, name, batch, record, err);
	if (sqlite_mask_has(encoder->mask, i))
		return KD_OK;
	if (sqlite3_column_type(stmt, 1) == SQLITE_TEXT &&
		!sqlite_is_text(sqlite3_column_text(stmt, 1), (size_t) sqlite3_column_bytes(stmt, 1)))
		return refuse_record(batch, record, err, "column \"%s\": it escapes half a surrogate pair", column->name);
	size_t at = encoder->scratch.size;
	if (!put_json_value(stmt, &encoder->scratch))
		return sqlite_encode_no_memory(err);
	encoder->slices[i] = (struct sqlite_slice) {at, encoder->scratch.size - at};
	sqlite_mask_set(encoder->mask, i);
	return KD_OK;
}

static kd_code check_document(const kd_batch_partition *batch, const kd_record *record, kd_error *err)
{
	const char *p = record->value, *end = p + record->value_size;
	if (!sqlite_is_text(record->value, record->value_size))
		return refuse_record(batch, record, err, "its value is not text: not UTF-8, or it holds a NUL byte");
	if (sqlite_json_escapes_nul(record->value, record->value_size))
		return refuse_record(batch, record, err, "its value holds \\u0000, which SQLite's text cannot");
	while (p < end && strchr(" \t\r\n", *p))
		p++;
	if (p == end || *p != '{')
		return refuse_record(batch, record, err, "its value is not a JSON object");
	return KD_OK;
}

static kd_code take_fields(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_error *err)
{
	sqlite3_stmt *stmt = encoder->json_each;
	kd_code code = check_document(batch, record, err);
	if (code)
		return code;
	int rc = sqlite3_bind_text64(stmt, 1, record->value, record->value_size, SQLITE_STATIC, SQLITE_UTF8);
	while (rc == SQLITE_OK && !code && sqlite3_step(stmt) == SQLITE_ROW)
		code = take_field(encoder, batch, record, err);
	int last = sqlite3_reset(stmt);
	rc = rc == SQLITE_OK ? last : rc;
	if (code || rc == SQLITE_OK)
		return code;
	if (rc == SQLITE_NOMEM)
		return sqlite_encode_no_memory(err);
	return refuse_record(batch, record, err, "its value is not valid JSON");
}

static kd_code put_columns(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err)
{
	const sqlite_target *target = encoder->target;
	for (size_t i = 0; i < target->n_columns; i++) {
		const sqlite_column *column = &target->columns[i];
		const struct sqlite_slice *slice = &encoder->slices[i];
		kd_code code = KD_OK;
		if (column->source != SQLITE_FROM_FIELD)
			code = sqlite_encode_coordinate(encoder, column, batch, record, out, err);
		else if (sqlite_mask_has(encoder->mask, i) &&
			!kd_buf_append(out, encoder->scratch.data + slice->at, slice->size))
			code = sqlite_encode_no_memory(err);
		if (code)
			return code;
	}
	return KD_OK;
}

kd_code sqlite_encode_fields(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, uint32_t *ret_rows, kd_error *err)
{
	const sqlite_target *target = encoder->target;
	if (!record->value) {
		if (target->skip_null)
			return KD_OK;
		return refuse_record(batch, record, err,
			"its value is null; \"sink.null_value\": \"skip\" leaves such records out");
	}
	encoder->scratch.size = 0;
	memset(encoder->mask, 0, sqlite_mask_size(target));
	for (size_t i = 0; i < target->n_columns; i++)
		if (target->columns[i].source != SQLITE_FROM_FIELD)
			sqlite_mask_set(encoder->mask, i);
	kd_code code = take_fields(encoder, batch, record, err);
	if (!code && !sqlite_put_start(out, encoder->number, target, encoder->mask))
		code = sqlite_encode_no_memory(err);
	if (!code)
		code = put_columns(encoder, batch, record, out, err);
	if (!code)
		*ret_rows = 1;
	return code;
}
