// SPDX-License-Identifier: Apache-2.0
// pg_encode_own: columns that are filled from the record itself: all of the raw layout, the coordinates of the fields
// layout.  Key and value are stored byte for byte (I4), or the record is refused.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pg_encode_headers.h"
#include "pg_encode_impl.h"
#include "pg_values.h"
#include "pg_values_wire.h"

#define MAX_FIELD (UINT32_C(1) << 30) // more than any field may have

kd_code pg_refuse(const kd_record *record, const char *sqlstate, kd_error *err, const char *format, ...)
{
	char message[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	if (err && !err->code) {
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
		err->offset = record->offset;
	}
	return kd_error_set(err, KD_ERECORD, KD_STOP, "%s", message);
}

kd_code pg_refuse_bytes(const kd_record *record, const char *what, const void *bytes, size_t size, size_t at,
	kd_error *err)
{
	const unsigned char *bad = (const unsigned char *) bytes + at;
	if (*bad == 0)
		return pg_refuse(record, "22021", err, "%s: NUL at byte %zu of %zu, which text cannot hold", what, at, size);
	return pg_refuse(record, "22021", err, "%s: not valid UTF-8: 0x%02x at byte %zu of %zu", what, *bad, at, size);
}

static kd_code refuse_text(const kd_record *record, const struct pg_column *column, const void *bytes, size_t size,
	size_t at, kd_error *err)
{
	char what[PG_MAX_NAME + sizeof "column \"\""];
	snprintf(what, sizeof what, "column \"%s\"", column->name);
	return pg_refuse_bytes(record, what, bytes, size, at, err);
}

static bool is_text_type(uint32_t type)
{
	return type == PG_TEXT || type == PG_VARCHAR;
}

static kd_code check_json(struct pg_table_encoder *encoder, const kd_record *record, const struct pg_column *column,
	const void *bytes, size_t size, kd_error *err)
{
	kd_json_value value;
	size_t at;
	bool plain = size < PG_LARGE_DOCUMENT && kd_json_whole(&encoder->json, bytes, size, &value) &&
		!(encoder->json.flags & (KD_JSON_WIDE | KD_JSON_DEEP));
	if (plain && (encoder->columns->utf8 || !(encoder->json.flags & KD_JSON_NON_ASCII)))
		return KD_OK;
	if (!kd_utf8_is_text(bytes, size, &at))
		return refuse_text(record, column, bytes, size, at, err);
	if (!encoder->judge)
		return pg_refuse(record, "22P02", err, "column \"%s\": not plain JSON, and no server to ask", column->name);
	encoder->stats->judged++;
	kd_code code = pg_judge_jsonb(encoder->judge, bytes, size, err);
	if (code == KD_ERECORD && err) {
		kd_error_prefix(err, "column \"%s\"", column->name);
		err->offset = record->offset;
	}
	return code;
}

// A key, or the raw layout's value.
static kd_code check_payload(struct pg_table_encoder *encoder, const kd_record *record, const struct pg_column *column,
	const void *bytes, size_t size, kd_error *err)
{
	size_t at;
	if (!bytes)
		return KD_OK;
	if (size > MAX_FIELD)
		return pg_refuse(record, "54000", err, "column \"%s\": %zu bytes are more than a field may have",
			column->name, size);
	if (column->type == PG_JSONB)
		return check_json(encoder, record, column, bytes, size, err);
	if (is_text_type(column->type) && !kd_utf8_is_text(bytes, size, &at))
		return refuse_text(record, column, bytes, size, at, err);
	return KD_OK;
}

kd_code pg_own_check(struct pg_table_encoder *encoder, const kd_record *record, kd_error *err)
{
	const struct pg_columns *columns = encoder->columns;
	kd_code code = KD_OK;
	int64_t ignored;
	for (size_t i = 0; i < encoder->n_order && !code; i++) {
		const struct pg_column *column = &columns->column[encoder->order[i]];
		if (column->source == PG_FROM_KEY)
			code = check_payload(encoder, record, column, record->key, record->key_size, err);
		else if (column->source == PG_FROM_VALUE)
			code = check_payload(encoder, record, column, record->value, record->value_size, err);
		else if (column->source == PG_FROM_TIMESTAMP && record->timestamp_ms != -1 &&
			!pg_value_timestamp_ms(record->timestamp_ms, &ignored))
			code = pg_refuse(record, "22008", err, "column \"%s\": timestamp out of range: %lld ms since 1970",
				column->name, (long long) record->timestamp_ms);
	}
	if (!code && encoder->has_headers && !pg_headers_json(record, &encoder->headers))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not encode a record's headers: no memory");
	return code;
}

static char *put_document(char *to, uint32_t type, const void *bytes, size_t size)
{
	if (type != PG_JSONB)
		return pg_put_bytes(to, bytes, size);
	to = pg_put32(to, (uint32_t) size + 1);
	*to++ = 1; // the version of jsonb's wire format
	return (char *) memcpy(to, bytes, size) + size;
}

char *pg_own_put(const struct pg_table_encoder *encoder, const struct pg_column *column, const kd_batch_partition *batch,
	const kd_record *record, char *to)
{
	int64_t time = 0;
	switch (column->source) {
	case PG_FROM_TOPIC:
		return pg_put_bytes(to, batch->topic, strlen(batch->topic));
	case PG_FROM_PARTITION:
		return column->type == PG_INT4 ? pg_put32(pg_put32(to, 4), (uint32_t) batch->partition)
			: pg_put64(pg_put32(to, 8), (uint64_t) batch->partition);
	case PG_FROM_OFFSET:
		return pg_put64(pg_put32(to, 8), (uint64_t) record->offset);
	case PG_FROM_TIMESTAMP:
		if (record->timestamp_ms == -1 || !pg_value_timestamp_ms(record->timestamp_ms, &time))
			return pg_put_null(to);
		return pg_put64(pg_put32(to, 8), (uint64_t) time);
	case PG_FROM_KEY:
		return record->key ? put_document(to, column->type, record->key, record->key_size) : pg_put_null(to);
	case PG_FROM_VALUE:
		return record->value ? put_document(to, column->type, record->value, record->value_size) : pg_put_null(to);
	default: // PG_FROM_HEADERS
		return encoder->headers.size
			? put_document(to, column->type, encoder->headers.data, encoder->headers.size) : pg_put_null(to);
	}
}
