// SPDX-License-Identifier: Apache-2.0
// kafka_encode: a record as bytes ahead of the transaction: where it goes, its time, headers, key and value, as they
// are.  A null stays a null.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

/* What stands before each row's bytes, which are: for each header its name with NUL, the size of its value (-1: null)
 * and the value; then key and value. */
typedef struct row_head {
	int32_t topic;
	int32_t n_headers;
	int64_t timestamp_ms;
	int64_t key_size, value_size; /* -1: null */
} row_head;

kd_code kafka_encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	(void) err;
	*ret_encoder = sink; /* it has no state of its own */
	return KD_OK;
}

void kafka_encoder_close(void *encoder)
{
	(void) encoder;
}

kd_code kafka_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	return KD_OK;
}

static bool add_header(kd_buf *out, const char *name, const void *value, size_t size)
{
	int64_t told = value ? (int64_t) size : -1;
	return kd_buf_append(out, name, strlen(name) + 1) && kd_buf_append(out, &told, sizeof told) &&
		kd_buf_append(out, value ? value : "", value ? size : 0);
}

static bool add_number(kd_buf *out, const char *name, int64_t number)
{
	char text[24];
	int size = snprintf(text, sizeof text, "%" PRId64, number);
	return add_header(out, name, text, (size_t) size);
}

static bool add_coordinates(kd_buf *out, const kd_batch_partition *batch, const kd_record *record)
{
	return add_header(out, "kafka_topic", batch->topic, strlen(batch->topic)) &&
		add_number(out, "kafka_partition", batch->partition) && add_number(out, "kafka_offset", record->offset);
}

static bool add_headers(kd_buf *out, const kd_record *record, int32_t *ret_n)
{
	kd_header header;
	size_t i = 0;
	while (kd_record_header(record, i, &header)) {
		if (!add_header(out, header.name, header.value, header.value_size))
			return false;
		i++;
	}
	*ret_n += (int32_t) i;
	return true;
}

static bool add_row(const kafka_sink *sink, int topic, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out)
{
	row_head head = {.topic = topic, .timestamp_ms = record->timestamp_ms,
		.key_size = record->key ? (int64_t) record->key_size : -1,
		.value_size = record->value ? (int64_t) record->value_size : -1};
	size_t at = out->size;
	bool ok = kd_buf_append(out, &head, sizeof head) && add_headers(out, record, &head.n_headers);
	if (ok && sink->target.coordinates) {
		ok = add_coordinates(out, batch, record);
		head.n_headers += 3;
	}
	ok = ok && kd_buf_append(out, record->key ? record->key : "", record->key ? record->key_size : 0) &&
		kd_buf_append(out, record->value ? record->value : "", record->value ? record->value_size : 0);
	if (ok)
		memcpy(out->data + at, &head, sizeof head);
	else
		out->size = at;
	return ok;
}

static kd_code refuse(const kd_batch_partition *batch, const kd_record *record, kd_code code, kd_error *err,
	const char *what, const char *name)
{
	bool first = err && !err->code;
	kd_error_set(err, code, KD_STOP, "could not deliver %s/%d@%" PRId64 " to topic \"%s\": %s", batch->topic,
		batch->partition, record->offset, name, what);
	if (first && code == KD_ERECORD)
		err->offset = record->offset;
	return code;
}

kd_code kafka_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	const kafka_sink *sink = encoder;
	int topic = kafka_target_find(&sink->target, record->table);
	*ret_rows = 0;
	if (topic < 0)
		return refuse(batch, record, KD_ECONFIG, err, "sink.tables does not name it", record->table);
	if (sink->target.topic[topic].compacted && !record->key)
		return refuse(batch, record, KD_ERECORD, err, "it is compacted, and the record has no key",
			sink->target.topic[topic].name);
	if (!add_row(sink, topic, batch, record, out))
		return kafka_no_memory(err);
	*ret_rows = 1;
	return KD_OK;
}

/* ---- and back ---- */

static bool read_headers(const char **cursor, int32_t n, rd_kafka_headers_t **ret_headers)
{
	*ret_headers = n ? rd_kafka_headers_new((size_t) n) : NULL;
	for (int32_t i = 0; i < n; i++) {
		const char *name = *cursor;
		int64_t size;
		*cursor += strlen(name) + 1;
		memcpy(&size, *cursor, sizeof size);
		*cursor += sizeof size;
		if (rd_kafka_header_add(*ret_headers, name, -1, size < 0 ? NULL : *cursor, size < 0 ? 0 : (ssize_t) size))
			return false;
		*cursor += size < 0 ? 0 : size;
	}
	return true;
}

kd_code kafka_row_read(const char **cursor, kafka_message *ret_message, kd_error *err)
{
	row_head head;
	memcpy(&head, *cursor, sizeof head);
	*cursor += sizeof head;
	*ret_message = (kafka_message) {.topic = head.topic, .timestamp_ms = head.timestamp_ms};
	if (!read_headers(cursor, head.n_headers, &ret_message->take_headers)) {
		rd_kafka_headers_destroy(ret_message->take_headers);
		return kafka_no_memory(err);
	}
	ret_message->key = head.key_size < 0 ? NULL : *cursor;
	ret_message->key_size = head.key_size < 0 ? 0 : (size_t) head.key_size;
	*cursor += ret_message->key_size;
	ret_message->value = head.value_size < 0 ? NULL : *cursor;
	ret_message->value_size = head.value_size < 0 ? 0 : (size_t) head.value_size;
	*cursor += ret_message->value_size;
	return KD_OK;
}
