// SPDX-License-Identifier: Apache-2.0
// keyed_row: records become encoded rows, ahead of the put that sends them.
#include <inttypes.h>
#include <string.h>

#include "keyed_sink.h"

#define NULL_SIZE UINT64_MAX

typedef struct row_head {
	int64_t offset, timestamp_ms;
	uint64_t key_size, value_size; /* NULL_SIZE: null */
	uint64_t table_size;           /* with its NUL */
} row_head;

/* Appends what was reserved before. */
static void append(kd_buf *out, const void *bytes, size_t size)
{
	if (size)
		memcpy(out->data + out->size, bytes, size);
	out->size += size;
}

bool keyed_row_put(kd_buf *out, const kd_record *record)
{
	const char *table = record->table ? record->table : "";
	row_head head = {
		.offset = record->offset,
		.timestamp_ms = record->timestamp_ms,
		.key_size = record->key ? record->key_size : NULL_SIZE,
		.value_size = record->value ? record->value_size : NULL_SIZE,
		.table_size = strlen(table) + 1,
	};
	size_t key_size = record->key ? record->key_size : 0;
	size_t value_size = record->value ? record->value_size : 0;
	if (!kd_buf_reserve(out, sizeof head + key_size + value_size + head.table_size))
		return false;
	append(out, &head, sizeof head);
	append(out, record->key, key_size);
	append(out, record->value, value_size);
	append(out, table, head.table_size);
	return true;
}

static const void *take(const char **cursor, uint64_t size, size_t *ret_size)
{
	const char *at = *cursor;
	*ret_size = size == NULL_SIZE ? 0 : (size_t) size;
	*cursor += *ret_size;
	return size == NULL_SIZE ? NULL : at;
}

void keyed_row_take(const char **cursor, kd_put *put)
{
	row_head head;
	size_t table_size;
	memcpy(&head, *cursor, sizeof head);
	*cursor += sizeof head;
	*put = (kd_put) {.offset = head.offset, .timestamp_ms = head.timestamp_ms};
	put->key = take(cursor, head.key_size, &put->key_size);
	put->value = take(cursor, head.value_size, &put->value_size);
	put->table = take(cursor, head.table_size, &table_size);
}

/* ---- the encoder: the sink itself, it has no state ---- */

kd_code keyed_encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	(void) err;
	*ret_encoder = sink;
	return KD_OK;
}

void keyed_encoder_close(void *encoder)
{
	(void) encoder;
}

static bool is_listed(const kd_config *config, const char *table)
{
	const char *name;
	for (size_t i = 0; (name = kd_config_strings_at(config, "sink.tables", i)); i++)
		if (!strcmp(name, table))
			return true;
	return false;
}

static kd_code refuse_null_key(const keyed_sink *sink, const kd_batch_partition *batch, const kd_record *record,
	kd_error *err)
{
	bool first = err && !err->code;
	kd_error_set(err, KD_ERECORD, KD_STOP,
		"could not put \"%s/%" PRId32 "@%" PRId64 "\": its key is null, and sink \"%s\" keeps one value for each key",
		batch->topic, batch->partition, record->offset, sink->ops->name);
	if (first)
		err->offset = record->offset;
	return KD_ERECORD;
}

kd_code keyed_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	const keyed_sink *sink = encoder;
	*ret_rows = 0;
	if (!record->key && sink->ops->by == KD_KEYED_BY_RECORD)
		return refuse_null_key(sink, batch, record, err);
	if (record->table && *record->table && !is_listed(sink->config, record->table))
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not put \"%s/%" PRId32 "@%" PRId64 "\": its row goes to table \"%s\", which \"sink.tables\" does not name",
			batch->topic, batch->partition, record->offset, record->table);
	if (!keyed_row_put(out, record))
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not encode a record: no memory");
	*ret_rows = 1;
	return KD_OK;
}

kd_code keyed_encoder_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err; /* nothing is ever held back */
	return KD_OK;
}
