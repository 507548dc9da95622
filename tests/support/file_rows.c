/* SPDX-License-Identifier: Apache-2.0 */
/* The file sink's output, read: see file_rows.h. */
#include "file_rows.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "check.h"
#include "tmpdir.h"

enum { CHUNK = 65536 };

/* ---- files ---- */

bool kt_files_each(const char *folder, kt_file_fn *fn, void *opaque)
{
	DIR *dir = opendir(folder);
	bool more = true;

	for (struct dirent *entry; dir && more && (entry = readdir(dir));) {
		char *path = kt_path(folder, entry->d_name);
		if (*entry->d_name != '.' && *entry->d_name != '_')
			more = entry->d_type == DT_DIR ? kt_files_each(path, fn, opaque) : fn(opaque, path);
		free(path);
	}
	if (dir)
		closedir(dir);
	return more;
}

/* gzread takes plain files as they are. */
static char *read_gzip(const char *path, size_t *ret_size)
{
	gzFile file = gzopen(path, "rb");
	char *content = NULL;
	size_t size = 0;
	int n, number;

	kt_check(file, "could not open %s", path);
	do {
		content = realloc(content, size + CHUNK + 1);
		kt_check(content, "no memory");
		n = gzread(file, content + size, CHUNK);
		kt_check(n >= 0, "%s: %s", path, gzerror(file, &number));
		size += (size_t) n;
	} while (n > 0);
	gzerror(file, &number);
	kt_check(number == Z_OK, "%s is cut off", path);
	gzclose(file);
	*ret_size = size;
	return content;
}

static char *read_zstd(const char *path, size_t *ret_size)
{
	size_t packed_size, size = 0, left = 1;
	char *packed = read_gzip(path, &packed_size), *content = NULL;
	ZSTD_DCtx *context = ZSTD_createDCtx();
	ZSTD_inBuffer in = {packed, packed_size, 0};

	while (in.pos < in.size || left != 0) {
		content = realloc(content, size + CHUNK + 1);
		kt_check(content && context, "no memory");
		ZSTD_outBuffer out = {content + size, CHUNK, 0};
		size_t before = in.pos;
		left = ZSTD_decompressStream(context, &out, &in);
		kt_check(!ZSTD_isError(left), "%s: %s", path, ZSTD_getErrorName(left));
		kt_check(left == 0 || out.pos > 0 || in.pos > before, "%s is cut off", path);
		size += out.pos;
	}
	ZSTD_freeDCtx(context);
	free(packed);
	*ret_size = size;
	return content;
}

char *kt_file_content(const char *path, size_t *ret_size)
{
	size_t length = strlen(path);
	bool zstd = length > 4 && strcmp(path + length - 4, ".zst") == 0;
	char *content = zstd ? read_zstd(path, ret_size) : read_gzip(path, ret_size);

	content[*ret_size] = '\0';
	return content;
}

/* ---- rows ---- */

static int digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = strchr(digits, c);

	return at ? (int) (at - digits) : 0;
}

static char *decode_base64(const char *from, size_t size, size_t *ret_size)
{
	char *bytes = malloc(size + 1);

	kt_check(bytes && size % 4 == 0, "no base64: %s", from);
	*ret_size = size / 4 * 3 - (size && from[size - 1] == '=') - (size && from[size - 2] == '=');
	for (size_t i = 0; i < size; i += 4) {
		unsigned int three = 0;
		for (size_t k = 0; k < 4; k++)
			three = three << 6 | (unsigned int) digit_of(from[i + k]);
		for (size_t k = 0; k < 3; k++)
			bytes[i / 4 * 3 + k] = (char) (three >> (16 - 8 * k));
	}
	return bytes;
}

/* The member as text or as base64, decoded; NULL for a null.  The caller frees it. */
static char *bytes_of(const json_t *row, const char *name, size_t *ret_size)
{
	char *base64_name = kt_format("%s_base64", name), *bytes;
	const json_t *text = json_object_get(row, name), *base64 = json_object_get(row, base64_name);

	free(base64_name);
	kt_check((text != NULL) != (base64 != NULL), "a row has not one %s", name);
	if (base64)
		return decode_base64(json_string_value(base64), json_string_length(base64), ret_size);
	if (json_is_null(text))
		return NULL;
	*ret_size = json_string_length(text);
	bytes = malloc(*ret_size + 1);
	kt_check(bytes && json_is_string(text), "%s is no text", name);
	memcpy(bytes, json_string_value(text), *ret_size);
	return bytes;
}

static bool read_row(const char *line, size_t size, kt_file_row_fn *fn, void *opaque)
{
	json_t *row = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	kt_file_row found = {.topic = json_string_value(json_object_get(row, "kafka_topic")),
		.timestamp = json_string_value(json_object_get(row, "kafka_timestamp")),
		.partition = (int32_t) json_integer_value(json_object_get(row, "kafka_partition")),
		.offset = json_integer_value(json_object_get(row, "kafka_offset"))};
	char *key, *value;
	bool more;

	kt_check(row && found.topic && json_object_get(row, "kafka_offset") && json_object_get(row, "headers"),
		"no row: %.*s", (int) size, line);
	key = bytes_of(row, "key", &found.key_size);
	value = bytes_of(row, "value", &found.value_size);
	found.key = key;
	found.value = value;
	more = fn(opaque, &found);
	free(key);
	free(value);
	json_decref(row);
	return more;
}

bool kt_file_rows(const char *path, kt_file_row_fn *fn, void *opaque)
{
	size_t size;
	char *content = kt_file_content(path, &size), *line = content, *end = content + size, *next;
	bool more = true;

	kt_check(size > 0 && end[-1] == '\n', "%s ends within a line, or is empty", path);
	for (; more && line < end; line = next) {
		next = (char *) memchr(line, '\n', (size_t) (end - line)) + 1;
		more = read_row(line, (size_t) (next - line), fn, opaque);
	}
	free(content);
	return more;
}

typedef struct reading {
	kt_file_row_fn *fn;
	void *opaque;
} reading;

static bool read_file(void *opaque, const char *path)
{
	reading *r = opaque;

	return kt_file_rows(path, r->fn, r->opaque);
}

bool kt_folder_rows(const char *folder, kt_file_row_fn *fn, void *opaque)
{
	reading r = {fn, opaque};

	return kt_files_each(folder, read_file, &r);
}

/* ---- as an oracle ---- */

typedef struct collected {
	kt_oracle rows;
	const char *topic;
} collected;

static bool collect(void *opaque, const kt_file_row *row)
{
	collected *c = opaque;
	kt_oracle *rows = &c->rows;

	kt_check(strcmp(row->topic, c->topic) == 0, "a row of topic %s", row->topic);
	if ((rows->n & (rows->n - 1)) == 0)
		rows->rows = realloc(rows->rows, (rows->n ? 2 * rows->n : 1) * sizeof(*rows->rows));
	kt_check(rows->rows, "no memory");
	rows->rows[rows->n++] = (kt_oracle_row) {.partition = row->partition, .offset = row->offset,
		.checksum = kt_checksum(row->key, row->key_size, row->value, row->value_size)};
	return true;
}

static int by_place(const void *a, const void *b)
{
	const kt_oracle_row *one = a, *other = b;

	if (one->partition != other->partition)
		return one->partition - other->partition;
	return one->offset < other->offset ? -1 : one->offset > other->offset;
}

kt_oracle kt_folder_oracle(const char *folder, const char *topic)
{
	collected c = {.topic = topic};

	kt_folder_rows(folder, collect, &c);
	if (c.rows.n)
		qsort(c.rows.rows, c.rows.n, sizeof(*c.rows.rows), by_place);
	return c.rows;
}

/* ---- the ledger ---- */

void kt_ledger_lengthen(const char *path, int lines)
{
	char *text = kt_read_file(path), *last, *end = text + strlen(text);
	FILE *file = fopen(path, "a");

	kt_check(end > text && end[-1] == '\n', "the ledger does not end with a step");
	end[-1] = '\0';
	last = strrchr(text, '\n');
	for (int i = 0; file && i < lines; i++)
		fprintf(file, "%s\n", last ? last + 1 : text);
	kt_check(file && fclose(file) == 0, "could not write %s", path);
	free(text);
}
