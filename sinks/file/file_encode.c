// SPDX-License-Identifier: Apache-2.0
// file_encode: records become lines, ahead of the transaction that writes them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/json.h>

#include "../common/refuse.h"
#include "file_row.h"
#include "file_sink.h"

typedef struct file_encoder {
	const file_sink *sink;
	kd_json *json;         /* some kilobytes; made by the first document */
	kd_json_value *value;  /* a row's, by column; text NULL: the document has none */
	kd_buf scratch;
} file_encoder;

kd_code file_encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	file_encoder *encoder = calloc(1, sizeof *encoder);
	if (!encoder)
		return file_no_memory(err);
	encoder->sink = sink;
	encoder->json = malloc(sizeof *encoder->json);
	encoder->value = calloc(encoder->sink->shape.n_columns + 1, sizeof *encoder->value);
	if (!encoder->json || !encoder->value) {
		file_encoder_close(encoder);
		return file_no_memory(err);
	}
	*ret_encoder = encoder;
	return KD_OK;
}

void file_encoder_close(void *opaque)
{
	file_encoder *encoder = opaque;
	if (!encoder)
		return;
	free(encoder->json);
	free(encoder->value);
	kd_buf_done(&encoder->scratch);
	free(encoder);
}

static kd_code done(bool ok, kd_error *err)
{
	return ok ? KD_OK : file_no_memory(err);
}

static kd_code not_an_object(const kd_batch_partition *batch, const kd_record *record, kd_error *err)
{
	return refuse_record(batch, record, err, "its value is not a JSON object");
}

/* ---- JSON lines ---- */

/* What every JSON line begins with: see file_row.h. */
static bool put_coordinates(kd_buf *out, const kd_batch_partition *batch, const kd_record *record)
{
	return kd_buf_printf(out, "{\"kafka_topic\":\"%s\",\"kafka_partition\":%" PRId32 ",\"kafka_offset\":%" PRId64,
		batch->topic, batch->partition, record->offset);
}

static bool put_timestamp(kd_buf *out, const kd_record *record)
{
	char text[FILE_TIME_SIZE];
	if (record->timestamp_ms == -1)
		return kd_buf_append(out, ",\"kafka_timestamp\":null", 23);
	file_time_text(record->timestamp_ms, text);
	return kd_buf_printf(out, ",\"kafka_timestamp\":\"%s\"", text);
}

static kd_code put_raw(const kd_batch_partition *batch, const kd_record *record, kd_buf *out, kd_error *err)
{
	return done(put_coordinates(out, batch, record) && put_timestamp(out, record) &&
		file_put_either(out, "key", record->key, record->key_size) &&
		file_put_either(out, "value", record->value, record->value_size) &&
		kd_buf_append(out, ",\"headers\":", 11) && file_put_headers(out, record) && kd_buf_append(out, "}\n", 2), err);
}

/* A document's own field of this name gives way to the coordinate. */
static bool is_coordinate(const kd_json_key *key)
{
	static const char *const names[] = {"kafka_topic", "kafka_partition", "kafka_offset"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (key->size == strlen(names[i]) && !memcmp(key->text, names[i], key->size))
			return true;
	return false;
}

static bool put_value(kd_buf *out, const kd_json_value *value)
{
	if (value->kind == KD_JSON_STRING)
		return kd_buf_append(out, "\"", 1) && kd_buf_append(out, value->text, value->size) && kd_buf_append(out, "\"", 1);
	return file_put_compact(out, value->text, value->size);
}

static bool put_field(kd_buf *out, const kd_json_key *key, const kd_json_value *value)
{
	return kd_buf_append(out, ",\"", 2) && kd_buf_append(out, key->text, key->size) && kd_buf_append(out, "\":", 2) &&
		put_value(out, value);
}

static kd_code put_fields(file_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	kd_error *err)
{
	kd_json *json = encoder->json;
	kd_json_key key;
	kd_json_value value;
	kd_json_step step;
	bool ok = put_coordinates(out, batch, record);
	kd_json_open(json, record->value, record->value_size);
	while ((step = kd_json_read_key(json, NULL, KD_JSON_NO_GUESS, &key)) == KD_JSON_FIELD) {
		if (!kd_json_read_value(json, &value))
			return not_an_object(batch, record, err);
		ok = ok && (is_coordinate(&key) || put_field(out, &key, &value));
	}
	if (step != KD_JSON_END)
		return not_an_object(batch, record, err);
	return done(ok && kd_buf_append(out, "}\n", 2), err);
}

/* ---- CSV ---- */

static bool is_named(file_encoder *encoder, const kd_json_key *key, const char *name)
{
	const char *text = key->text;
	size_t size = key->size;
	encoder->scratch.size = 0;
	if (key->escaped) {
		char *to = kd_buf_reserve(&encoder->scratch, key->size);
		if (!to)
			return false;
		size = (size_t) (kd_json_unescape(key->text, key->size, to) - to);
		text = to;
	}
	return size == strlen(name) && memcmp(text, name, size) == 0;
}

/* The last field of a name wins. */
static void keep_field(file_encoder *encoder, const kd_json_key *key, const kd_json_value *value)
{
	const file_shape *shape = &encoder->sink->shape;
	for (size_t i = 0; i < shape->n_columns; i++)
		if (shape->columns[i].source == FILE_FROM_FIELD && is_named(encoder, key, shape->columns[i].name))
			encoder->value[i] = *value;
}

static kd_code read_fields(file_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_error *err)
{
	kd_json_key key;
	kd_json_value value;
	kd_json_step step;
	memset(encoder->value, 0, encoder->sink->shape.n_columns * sizeof *encoder->value);
	kd_json_open(encoder->json, record->value, record->value_size);
	while ((step = kd_json_read_key(encoder->json, NULL, KD_JSON_NO_GUESS, &key)) == KD_JSON_FIELD) {
		if (!kd_json_read_value(encoder->json, &value))
			return not_an_object(batch, record, err);
		keep_field(encoder, &key, &value);
	}
	return step == KD_JSON_END ? KD_OK : not_an_object(batch, record, err);
}

static bool put_csv_field(file_encoder *encoder, const kd_json_value *value, kd_buf *out)
{
	kd_buf *scratch = &encoder->scratch;
	if (!value->text || value->kind == KD_JSON_NULL)
		return true;
	scratch->size = 0;
	if (value->kind == KD_JSON_STRING) {
		char *to = kd_buf_reserve(scratch, value->size + 1);
		if (!to)
			return false;
		scratch->size = (size_t) (kd_json_unescape(value->text, value->size, to) - to);
	} else if (!file_put_compact(scratch, value->text, value->size)) {
		return false;
	}
	return file_put_csv(out, scratch->data, scratch->size);
}

static kd_code put_csv_key(const kd_batch_partition *batch, const kd_record *record, kd_buf *out, kd_error *err)
{
	if (!record->key)
		return KD_OK;
	if (!kd_utf8_is_text(record->key, record->key_size, NULL))
		return refuse_record(batch, record, err, "column \"kafka_key\": it is not text: not UTF-8, or it holds a NUL byte");
	return done(file_put_csv(out, record->key, record->key_size), err);
}

static bool put_csv_time(const kd_record *record, kd_buf *out)
{
	char text[FILE_TIME_SIZE];
	return record->timestamp_ms == -1 || file_put_csv(out, text, file_time_text(record->timestamp_ms, text));
}

static bool put_csv_headers(file_encoder *encoder, const kd_record *record, kd_buf *out)
{
	kd_header header;
	encoder->scratch.size = 0;
	if (!kd_record_header(record, 0, &header))
		return true;
	return file_put_headers(&encoder->scratch, record) &&
		file_put_csv(out, encoder->scratch.data, encoder->scratch.size);
}

static kd_code put_column(file_encoder *encoder, size_t i, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err)
{
	switch (encoder->sink->shape.columns[i].source) {
	case FILE_FROM_FIELD:
		return done(put_csv_field(encoder, &encoder->value[i], out), err);
	case FILE_FROM_TOPIC:
		return done(file_put_csv(out, batch->topic, strlen(batch->topic)), err);
	case FILE_FROM_PARTITION:
		return done(kd_buf_printf(out, "%" PRId32, batch->partition), err);
	case FILE_FROM_OFFSET:
		return done(kd_buf_printf(out, "%" PRId64, record->offset), err);
	case FILE_FROM_TIMESTAMP:
		return done(put_csv_time(record, out), err);
	case FILE_FROM_KEY:
		return put_csv_key(batch, record, out, err);
	case FILE_FROM_HEADERS:
		return done(put_csv_headers(encoder, record, out), err);
	}
	return KD_OK;
}

static kd_code put_csv_row(file_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	kd_error *err)
{
	kd_code code = read_fields(encoder, batch, record, err);
	for (size_t i = 0; !code && i < encoder->sink->shape.n_columns; i++) {
		if (i > 0 && !kd_buf_append(out, ",", 1))
			return file_no_memory(err);
		code = put_column(encoder, i, batch, record, out, err);
	}
	return code ? code : done(kd_buf_append(out, "\n", 1), err);
}

/* ---- rows ---- */

static kd_code find_table(const file_encoder *encoder, const kd_record *record, uint32_t *ret_table, kd_error *err)
{
	const file_shape *shape = &encoder->sink->shape;
	*ret_table = 0;
	if (!record->table || !*record->table)
		return KD_OK;
	for (size_t i = 0; i < shape->n_tables; i++)
		if (!strcmp(shape->tables[i], record->table)) {
			*ret_table = (uint32_t) i + 1;
			return KD_OK;
		}
	if (!strcmp(record->table, shape->table))
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not store a row in table \"%s\": sink.tables does not list it",
		record->table);
}

static kd_code put_row(file_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	kd_error *err)
{
	const file_shape *shape = &encoder->sink->shape;
	if (shape->format == FILE_CSV)
		return put_csv_row(encoder, batch, record, out, err);
	return shape->raw ? put_raw(batch, record, out, err) : put_fields(encoder, batch, record, out, err);
}

kd_code file_encode(void *opaque, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	file_encoder *encoder = opaque;
	const file_shape *shape = &encoder->sink->shape;
	size_t before = out->size;
	file_row row = {0};
	*ret_rows = 0;
	if (!shape->raw && !record->value) {
		if (shape->skip_null)
			return KD_OK;
		return refuse_record(batch, record, err, "its value is null; \"sink.null_value\": \"skip\" drops such records");
	}
	kd_code code = find_table(encoder, record, &row.table, err);
	if (!code && !kd_buf_append(out, &row, sizeof row))
		code = file_no_memory(err);
	if (!code)
		code = put_row(encoder, batch, record, out, err);
	size_t size = out->size - before - sizeof row;
	if (!code && size > UINT32_MAX)
		code = refuse_record(batch, record, err, "its row is too large");
	if (code) {
		out->size = before;
		return code;
	}
	row.size = (uint32_t) size;
	memcpy(out->data + before, &row, sizeof row);
	*ret_rows = 1;
	return KD_OK;
}

/* Nothing is held back. */
kd_code file_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	return KD_OK;
}
