// SPDX-License-Identifier: Apache-2.0
// record_copy: records packed one behind the other, and unpacked; see record.h.
//
// A record is a fixed part, its key, its value, and its headers: each a fixed part, its name with the NUL, its value; a
// fixed part without a name ends them.  All is read and written bytewise: nothing in it is aligned.
#include <stdlib.h>
#include <string.h>

#include "record.h"

struct fixed {
	int64_t offset, timestamp_ms;
	size_t key_size, value_size;
	bool has_key, has_value;
};

struct fixed_header {
	size_t name_size; // with its NUL; 0: the end
	size_t value_size;
	bool has_value;
};

static bool pack_headers(const kd_record *record, kd_buf *out)
{
	kd_header header;
	for (size_t i = 0; kd_record_header(record, i, &header); i++) {
		struct fixed_header fixed = {strlen(header.name) + 1, header.value_size, header.value != NULL};
		if (!kd_buf_append(out, &fixed, sizeof fixed) || !kd_buf_append(out, header.name, fixed.name_size) ||
			!kd_buf_append(out, header.value, header.value ? header.value_size : 0))
			return false;
	}
	struct fixed_header end = {0};
	return kd_buf_append(out, &end, sizeof end);
}

bool kd_record_pack(const kd_record *record, kd_buf *out)
{
	size_t size = out->size;
	struct fixed fixed = {.offset = record->offset, .timestamp_ms = record->timestamp_ms,
		.key_size = record->key ? record->key_size : 0, .value_size = record->value ? record->value_size : 0,
		.has_key = record->key, .has_value = record->value};
	if (kd_buf_append(out, &fixed, sizeof fixed) && kd_buf_append(out, record->key, fixed.key_size) &&
		kd_buf_append(out, record->value, fixed.value_size) && pack_headers(record, out))
		return true;
	out->size = size;
	return false;
}

// Steps behind one header; false at the end of them, behind which *p is then.
static bool next_header(const char **p, kd_header *ret_header)
{
	struct fixed_header fixed;
	memcpy(&fixed, *p, sizeof fixed);
	*p += sizeof fixed;
	if (fixed.name_size == 0)
		return false;
	const char *value = *p + fixed.name_size;
	size_t value_size = fixed.has_value ? fixed.value_size : 0;
	*ret_header = (kd_header) {*p, fixed.has_value ? value : NULL, value_size};
	*p = value + value_size;
	return true;
}

bool kd_packed_header(const char *headers, size_t i, kd_header *ret_header)
{
	bool there;
	while ((there = next_header(&headers, ret_header)) && i > 0)
		i--;
	return there;
}

static bool more_records(kd_records *records)
{
	size_t capacity = records->capacity ? records->capacity * 2 : 256;
	kd_record *items = realloc(records->items, capacity * sizeof *items);
	if (items)
		records->items = items;
	kd_record_native *natives = realloc(records->natives, capacity * sizeof *natives);
	if (natives)
		records->natives = natives;
	if (!items || !natives)
		return false;
	records->capacity = capacity;
	return true;
}

// Reads one record; returns what is behind it.
static const char *unpack(const char *p, kd_record *record, kd_record_native *native)
{
	struct fixed fixed;
	memcpy(&fixed, p, sizeof fixed);
	const char *key = p + sizeof fixed, *value = key + fixed.key_size;
	*record = (kd_record) {.offset = fixed.offset, .timestamp_ms = fixed.timestamp_ms,
		.key = fixed.has_key ? key : NULL, .key_size = fixed.key_size,
		.value = fixed.has_value ? value : NULL, .value_size = fixed.value_size};
	*native = (kd_record_native) {.headers = value + fixed.value_size};
	kd_header unused;
	for (p = native->headers; next_header(&p, &unused);)
		;
	return p;
}

bool kd_records_unpack(kd_records *records, const kd_buf *packed)
{
	const char *p = packed->data, *end = p + packed->size;
	records->n = 0;
	while (p < end) {
		if (records->n == records->capacity && !more_records(records))
			return false;
		p = unpack(p, &records->items[records->n], &records->natives[records->n]);
		records->n++;
	}
	for (size_t i = 0; i < records->n; i++)
		records->items[i].native = &records->natives[i];
	return true;
}

void kd_records_done(kd_records *records)
{
	free(records->items);
	free(records->natives);
	*records = (kd_records) {0};
}
