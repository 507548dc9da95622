// SPDX-License-Identifier: Apache-2.0
// pg_encode_headers: see the header.
#include "pg_encode_headers.h"

#include <string.h>

#include "kdirect/json.h"

#define LITERAL(text) (text), sizeof(text) - 1

static bool append_base64(const unsigned char *bytes, size_t size, kd_buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = size > SIZE_MAX / 4 ? NULL : kd_buf_reserve(out, (size + 2) / 3 * 4);
	if (!to)
		return false;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t group = (uint32_t) bytes[i] << 16;
		group |= i + 1 < size ? (uint32_t) bytes[i + 1] << 8 : 0;
		group |= i + 2 < size ? bytes[i + 2] : 0;
		*to++ = digits[group >> 18];
		*to++ = digits[group >> 12 & 63];
		*to++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
		*to++ = i + 2 < size ? digits[group & 63] : '=';
	}
	out->size = (size_t) (to - out->data);
	return true;
}

static bool append_text(const char *text, size_t size, kd_buf *out)
{
	char *to = size > SIZE_MAX / 8 ? NULL : kd_buf_reserve(out, size * 6);
	if (to)
		out->size = (size_t) (kd_json_spell(text, size, to) - out->data);
	return to != NULL;
}

// "text":"..." or "base64":"..."; the words are given with their punctuation.
static bool append_either(const char *text_word, const char *base64_word, const void *bytes, size_t size, kd_buf *out)
{
	bool is_text = kd_utf8_is_text(bytes, size, NULL);
	const char *word = is_text ? text_word : base64_word;
	return kd_buf_append(out, word, strlen(word)) &&
		(is_text ? append_text(bytes, size, out) : append_base64(bytes, size, out)) && kd_buf_append(out, "\"", 1);
}

static bool append_header(const kd_header *header, kd_buf *out)
{
	if (!append_either("{\"name\":\"", "{\"name_base64\":\"", header->name, strlen(header->name), out))
		return false;
	if (!header->value)
		return kd_buf_append(out, LITERAL(",\"text\":null}"));
	return append_either(",\"text\":\"", ",\"base64\":\"", header->value, header->value_size, out) &&
		kd_buf_append(out, "}", 1);
}

bool pg_headers_json(const kd_record *record, kd_buf *out)
{
	kd_header header;
	out->size = 0;
	for (size_t i = 0; kd_record_header(record, i, &header); i++)
		if (!kd_buf_append(out, i ? "," : "[", 1) || !append_header(&header, out))
			return false;
	return out->size == 0 || kd_buf_append(out, "]", 1);
}
