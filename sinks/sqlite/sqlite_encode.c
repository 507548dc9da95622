// SPDX-License-Identifier: Apache-2.0
// sqlite_encode: records become encoded rows (sqlite_row.c), ahead of the transaction that stores them.
#include "sqlite_encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../common/refuse.h"
#include "sqlite_text.h"

kd_code sqlite_encode_no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not encode a record: no memory");
}

static bool is_json(sqlite_encoder *encoder, const void *bytes, size_t size)
{
	sqlite3_stmt *stmt = encoder->json_valid;
	bool valid = sqlite3_bind_text64(stmt, 1, bytes, size, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_int(stmt, 0);
	sqlite3_reset(stmt);
	return valid;
}

/* A record's key or value as sink.format wants it. */
static kd_code put_content(sqlite_encoder *encoder, const sqlite_column *column, const void *bytes, size_t size,
	const kd_batch_partition *batch, const kd_record *record, kd_buf *out, kd_error *err)
{
	const sqlite_target *target = encoder->target;
	bool text = target->raw ? target->format != SQLITE_FORMAT_RAW : column->text;
	if (!bytes)
		return sqlite_put_null(out) ? KD_OK : sqlite_encode_no_memory(err);
	if (text && !sqlite_is_text(bytes, size))
		return refuse_record(batch, record, err, "column \"%s\": it is not text: not UTF-8, or it holds a NUL byte",
			column->name);
	if (target->raw && target->format == SQLITE_FORMAT_JSON && !is_json(encoder, bytes, size))
		return refuse_record(batch, record, err, "column \"%s\": it is not valid JSON", column->name);
	if (!sqlite_put_bytes(out, text ? SQLITE_TAG_TEXT : SQLITE_TAG_BLOB, bytes, size))
		return sqlite_encode_no_memory(err);
	return KD_OK;
}

static bool put_time(const sqlite_column *column, int64_t ms, kd_buf *out)
{
	if (ms == -1)
		return sqlite_put_null(out);
	if (column->integer)
		return sqlite_put_int(out, ms);
	char text[SQLITE_TIME_SIZE];
	return sqlite_put_bytes(out, SQLITE_TAG_TEXT, text, sqlite_time_text(ms, text));
}

static bool put_headers(sqlite_encoder *encoder, const kd_record *record, kd_buf *out)
{
	size_t before = encoder->scratch.size;
	bool any;
	bool ok = sqlite_headers_json(record, &encoder->scratch, &any);
	if (ok && any)
		ok = sqlite_put_bytes(out, SQLITE_TAG_TEXT, encoder->scratch.data + before, encoder->scratch.size - before);
	else if (ok)
		ok = sqlite_put_null(out);
	encoder->scratch.size = before;
	return ok;
}

kd_code sqlite_encode_coordinate(sqlite_encoder *encoder, const sqlite_column *column, const kd_batch_partition *batch,
	const kd_record *record, kd_buf *out, kd_error *err)
{
	bool ok = true;
	switch (column->source) {
	case SQLITE_FROM_TOPIC:
		ok = sqlite_put_bytes(out, SQLITE_TAG_TEXT, batch->topic, strlen(batch->topic));
		break;
	case SQLITE_FROM_PARTITION:
		ok = sqlite_put_int(out, batch->partition);
		break;
	case SQLITE_FROM_OFFSET:
		ok = sqlite_put_int(out, record->offset);
		break;
	case SQLITE_FROM_TIMESTAMP:
		ok = put_time(column, record->timestamp_ms, out);
		break;
	case SQLITE_FROM_KEY:
		return put_content(encoder, column, record->key, record->key_size, batch, record, out, err);
	case SQLITE_FROM_VALUE:
		return put_content(encoder, column, record->value, record->value_size, batch, record, out, err);
	case SQLITE_FROM_HEADERS:
		ok = put_headers(encoder, record, out);
		break;
	case SQLITE_FROM_FIELD:
		break;
	}
	return ok ? KD_OK : sqlite_encode_no_memory(err);
}

/* A row of the raw layout fills every column. */
static kd_code encode_raw(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, uint32_t *ret_rows, kd_error *err)
{
	const sqlite_target *target = encoder->target;
	if (!sqlite_put_start(out, encoder->number, target, encoder->full))
		return sqlite_encode_no_memory(err);
	for (size_t i = 0; i < target->n_columns; i++) {
		kd_code code = sqlite_encode_coordinate(encoder, &target->columns[i], batch, record, out, err);
		if (code)
			return code;
	}
	*ret_rows = 1;
	return KD_OK;
}

/* SQLite's own names do not tell A from a. */
static kd_code find_target(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_error *err)
{
	const sqlite_sink *sink = encoder->sink;
	bool own = !record->table || !*record->table;
	uint32_t i = 0;
	while (!own && i < sink->n_targets && strcasecmp(sink->targets[i].table, record->table) != 0)
		i++;
	if (i == sink->n_targets)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not store \"%s/%" PRId32 "@%" PRId64 "\": its row goes to table \"%s\", which \"sink.tables\" does not name",
			batch->topic, batch->partition, record->offset, record->table);
	encoder->target = &sink->targets[i];
	encoder->number = i;
	return KD_OK;
}

kd_code sqlite_encode(void *opaque, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	sqlite_encoder *encoder = opaque;
	size_t before = out->size;
	*ret_rows = 0;
	kd_code code = find_target(encoder, batch, record, err);
	if (!code)
		code = encoder->target->raw
			? encode_raw(encoder, batch, record, out, ret_rows, err)
			: sqlite_encode_fields(encoder, batch, record, out, ret_rows, err);
	if (code)
		out->size = before;
	return code;
}

kd_code sqlite_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err; /* nothing is ever held back */
	return KD_OK;
}

/* From 3.42 on SQLite's readers take JSON5 as well, where a NaN becomes NULL without a word; json_valid does not. */
static const char *json_each_sql(void)
{
	return sqlite3_libversion_number() < 3042000 ? "select key, value from json_each(?1)"
						     : "select key, value from json_each(iif(json_valid(?1), ?1, '{'))";
}

static int open_judge(sqlite_encoder *encoder)
{
	int rc = sqlite3_open_v2(":memory:", &encoder->json, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(encoder->json, "select json_valid(?1)", -1, &encoder->json_valid, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(encoder->json, json_each_sql(), -1, &encoder->json_each, NULL);
	return rc;
}

static const sqlite_target *widest_target(const sqlite_sink *sink)
{
	const sqlite_target *widest = sink->targets;
	for (size_t i = 1; i < sink->n_targets; i++)
		if (sink->targets[i].n_columns > widest->n_columns)
			widest = &sink->targets[i];
	return widest;
}

kd_code sqlite_encoder_open(void *opaque, void **ret_encoder, kd_error *err)
{
	const sqlite_sink *sink = opaque;
	const sqlite_target *widest = widest_target(sink);
	sqlite_encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return sqlite_encode_no_memory(err);
	encoder->sink = sink;
	encoder->slices = calloc(widest->n_columns, sizeof *encoder->slices);
	encoder->mask = calloc(1, sqlite_mask_size(widest));
	encoder->full = calloc(1, sqlite_mask_size(sink->targets));
	kd_code code = encoder->slices && encoder->mask && encoder->full ? KD_OK : sqlite_encode_no_memory(err);
	for (size_t i = 0; !code && i < sink->targets->n_columns; i++)
		sqlite_mask_set(encoder->full, i);
	int rc = code ? SQLITE_OK : open_judge(encoder);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, encoder->json, rc, SQLITE_IN_LEDGER, "could not open the JSON reader");
	if (code)
		sqlite_encoder_close(encoder);
	else
		*ret_encoder = encoder;
	return code;
}

void sqlite_encoder_close(void *opaque)
{
	sqlite_encoder *encoder = opaque;
	if (!encoder)
		return;
	sqlite3_finalize(encoder->json_valid);
	sqlite3_finalize(encoder->json_each);
	sqlite3_close_v2(encoder->json);
	for (size_t i = 0; i < encoder->n_named; i++)
		free(encoder->named[i]);
	kd_buf_done(&encoder->scratch);
	free(encoder->slices);
	free(encoder->mask);
	free(encoder->full);
	free(encoder);
}
