// SPDX-License-Identifier: Apache-2.0
// file_row: see the header.
#include "file_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/json.h>

/* ---- JSON ---- */

static bool put_base64(kd_buf *out, const unsigned char *in, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = kd_buf_reserve(out, (size + 2) / 3 * 4 + 1);
	if (!to)
		return false;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t three = (uint32_t) in[i] << 16 | (i + 1 < size ? (uint32_t) in[i + 1] << 8 : 0) |
			(i + 2 < size ? in[i + 2] : 0u);
		*to++ = digits[three >> 18];
		*to++ = digits[three >> 12 & 63];
		*to++ = i + 1 < size ? digits[three >> 6 & 63] : '=';
		*to++ = i + 2 < size ? digits[three & 63] : '=';
	}
	out->size = (size_t) (to - out->data);
	return true;
}

static bool put_text(kd_buf *out, const char *text, size_t size)
{
	char *to = kd_buf_reserve(out, size * 6 + 1);
	if (to)
		out->size = (size_t) (kd_json_spell(text, size, to) - out->data);
	return to;
}

/* "name":"..." or "name_base64":"..." */
static bool put_named(kd_buf *out, const char *text_name, const char *base64_name, const void *bytes, size_t size)
{
	bool text = kd_utf8_is_text(bytes, size, NULL);
	return kd_buf_printf(out, "\"%s\":\"", text ? text_name : base64_name) &&
		(text ? put_text(out, bytes, size) : put_base64(out, bytes, size)) && kd_buf_append(out, "\"", 1);
}

bool file_put_either(kd_buf *out, const char *name, const void *bytes, size_t size)
{
	if (!bytes)
		return kd_buf_printf(out, ",\"%s\":null", name);
	bool text = kd_utf8_is_text(bytes, size, NULL);
	return kd_buf_printf(out, text ? ",\"%s\":\"" : ",\"%s_base64\":\"", name) &&
		(text ? put_text(out, bytes, size) : put_base64(out, bytes, size)) && kd_buf_append(out, "\"", 1);
}

static bool put_header(kd_buf *out, const kd_header *header)
{
	if (!kd_buf_append(out, "{", 1) || !put_named(out, "name", "name_base64", header->name, strlen(header->name)))
		return false;
	if (!header->value)
		return kd_buf_append(out, ",\"text\":null}", 13);
	return kd_buf_append(out, ",", 1) && put_named(out, "text", "base64", header->value, header->value_size) &&
		kd_buf_append(out, "}", 1);
}

bool file_put_headers(kd_buf *out, const kd_record *record)
{
	kd_header header;
	size_t n = 0;
	bool ok = true;
	while (ok && kd_record_header(record, n, &header))
		ok = kd_buf_append(out, n++ ? "," : "[", 1) && put_header(out, &header);
	return ok && (n ? kd_buf_append(out, "]", 1) : kd_buf_append(out, "null", 4));
}

bool file_put_compact(kd_buf *out, const char *json, size_t size)
{
	char *to = kd_buf_reserve(out, size + 1);
	bool quoted = false;
	if (!to)
		return false;
	for (size_t i = 0; i < size; i++) {
		char c = json[i];
		if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r'))
			continue;
		*to++ = c;
		if (quoted && c == '\\' && i + 1 < size)
			*to++ = json[++i];
		else if (c == '"')
			quoted = !quoted;
	}
	out->size = (size_t) (to - out->data);
	return true;
}

/* ---- CSV ---- */

static bool needs_quotes(const char *text, size_t size)
{
	if (size == 0 || text[0] == ' ' || text[size - 1] == ' ')
		return true;
	for (size_t i = 0; i < size; i++)
		if (text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r')
			return true;
	return size == 2 && memcmp(text, "\\.", 2) == 0; /* the end of data, to some readers */
}

bool file_put_csv(kd_buf *out, const char *text, size_t size)
{
	if (!needs_quotes(text, size))
		return kd_buf_append(out, text, size);
	char *to = kd_buf_reserve(out, size * 2 + 2);
	if (!to)
		return false;
	*to++ = '"';
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '"')
			*to++ = '"';
		*to++ = text[i];
	}
	*to++ = '"';
	out->size = (size_t) (to - out->data);
	return true;
}

const char *file_csv_line_end(const char *text, size_t size)
{
	bool quoted = false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (text[i] == '\n' && !quoted)
			return text + i + 1;
	}
	return NULL;
}

/* ---- read again ---- */

/* The whole of text is a number. */
static bool read_number(const char *text, size_t size, int64_t *ret_number)
{
	char copy[24], *end;
	if (size == 0 || size >= sizeof copy || text[0] < '0' || text[0] > '9')
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	errno = 0;
	*ret_number = strtoll(copy, &end, 10);
	return errno == 0 && *end == '\0';
}

/* What is between the word that text begins with and the first `stop`; text moves behind that. */
static bool read_after(const char **at, const char *end, const char *word, char stop, const char **ret_text,
	size_t *ret_size)
{
	size_t size = strlen(word);
	if ((size_t) (end - *at) < size || memcmp(*at, word, size) != 0)
		return false;
	*ret_text = *at + size;
	const char *found = memchr(*ret_text, stop, (size_t) (end - *ret_text));
	if (!found)
		return false;
	*ret_size = (size_t) (found - *ret_text);
	*at = found + 1;
	return true;
}

bool file_read_coordinates(const char *line, size_t size, file_coordinates *ret)
{
	const char *at = line, *end = line + size, *text;
	size_t text_size;
	int64_t partition;
	if (!read_after(&at, end, "{\"kafka_topic\":\"", '"', &ret->topic, &ret->topic_size) ||
		!read_after(&at, end, ",\"kafka_partition\":", ',', &text, &text_size) ||
		!read_number(text, text_size, &partition) || partition > INT32_MAX)
		return false;
	ret->partition = (int32_t) partition;
	/* the row may end with the offset */
	const char *word = "\"kafka_offset\":";
	size_t word_size = strlen(word), digits = 0;
	if ((size_t) (end - at) <= word_size || memcmp(at, word, word_size) != 0)
		return false;
	at += word_size;
	while (at + digits < end && at[digits] >= '0' && at[digits] <= '9')
		digits++;
	return read_number(at, digits, &ret->offset) && at + digits < end && (at[digits] == ',' || at[digits] == '}');
}

/* The value at *at, still in its quotes; moves behind the comma or to the end. */
static void next_value(const char **at, const char *end, const char **ret_text, size_t *ret_size)
{
	bool quoted = false;
	*ret_text = *at;
	for (; *at < end && (quoted || (**at != ',' && **at != '\n')); ++*at)
		if (**at == '"')
			quoted = !quoted;
	*ret_size = (size_t) (*at - *ret_text);
	*at += *at < end;
}

bool file_read_csv_coordinates(const char *line, size_t size, const size_t column[3], file_coordinates *ret)
{
	const char *at = line, *end = line + size, *text;
	size_t text_size, found = 0;
	int64_t partition = -1;
	for (size_t i = 0; at < end; i++) {
		next_value(&at, end, &text, &text_size);
		if (i == column[0]) {
			ret->topic = text;
			ret->topic_size = text_size;
			found++;
		}
		if (i == column[1])
			found += read_number(text, text_size, &partition) && partition <= INT32_MAX;
		if (i == column[2])
			found += read_number(text, text_size, &ret->offset);
	}
	ret->partition = (int32_t) partition;
	return found == 3;
}

bool file_read_csv_header(const char *line, size_t size, size_t ret_column[3])
{
	static const char *const names[] = {"kafka_topic", "kafka_partition", "kafka_offset"};
	const char *at = line, *end = line + size, *text;
	size_t text_size, found = 0;
	for (size_t i = 0; at < end; i++) {
		next_value(&at, end, &text, &text_size);
		for (size_t k = 0; k < 3; k++)
			if (text_size == strlen(names[k]) && !memcmp(text, names[k], text_size)) {
				ret_column[k] = i;
				found++;
			}
	}
	return found == 3;
}
