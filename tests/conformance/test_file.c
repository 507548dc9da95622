// SPDX-License-Identifier: Apache-2.0
// The suite on files: a folder of its own, read by zlib and jansson as anybody would, and by none of the sink's code.
#include <dirent.h>
#include <jansson.h>
#include <sys/stat.h>
#include <zlib.h>

#include <criterion/criterion.h>

#include "conformance.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

static kd_code open_place(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	(void) err;
	*ret_db = kt_format("%s/data/t", place->dir);
	return KD_OK;
}

static char *sink_json(const world *w, const char *table)
{
	return kt_format("{\"type\": \"file\", \"path\": \"%s/data\", \"table\": \"%s\", \"compression\": \"gzip\","
		" \"folders\": \"{table}/topic={topic}/hour={date}T{hour}\"}", w->place.dir, table);
}

/* ---- rows ---- */

typedef struct reading {
	kd_conformance_row_fn *row;
	void *opaque;
} reading;

static int digit_of(char c)
{
	const char *digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", *at = strchr(digits, c);
	return at ? (int) (at - digits) : 0;
}

/* text or base64, decoded; NULL for a null.  The caller frees it. */
static char *bytes_of(const json_t *row, const char *name, size_t *ret_size)
{
	char base64_name[32];
	snprintf(base64_name, sizeof base64_name, "%s_base64", name);
	const json_t *text = json_object_get(row, name), *base64 = json_object_get(row, base64_name);
	kt_check((text != NULL) != (base64 != NULL), "a row has not one %s", name);
	if (json_is_null(text))
		return NULL;
	const char *from = json_string_value(text ? text : base64);
	size_t size = json_string_length(text ? text : base64);
	char *bytes = malloc(size + 1);
	kt_check(bytes && from, "no %s", name);
	memcpy(bytes, from, size);
	*ret_size = text ? size : size / 4 * 3 - (size && from[size - 1] == '=') - (size && from[size - 2] == '=');
	for (size_t i = 0; base64 && i < size; i += 4) {
		unsigned three = 0;
		for (size_t k = 0; k < 4; k++)
			three = three << 6 | (unsigned) digit_of(from[i + k]);
		for (size_t k = 0; k < 3; k++)
			bytes[i / 4 * 3 + k] = (char) (three >> (16 - 8 * k));
	}
	return bytes;
}

static int64_t time_of(const json_t *row)
{
	const char *text = json_string_value(json_object_get(row, "kafka_timestamp"));
	int64_t ms = -1;
	kt_check(!text || kd_parse_time(text, 0, &ms), "%s is no time", text);
	return ms;
}

static bool read_line(const reading *r, const char *line)
{
	json_t *row = json_loads(line, JSON_ALLOW_NUL, NULL);
	kt_check(row, "no JSON: %s", line);
	kd_conformance_row found = {.topic = json_string_value(json_object_get(row, "kafka_topic")),
		.partition = (int32_t) json_integer_value(json_object_get(row, "kafka_partition")),
		.offset = json_integer_value(json_object_get(row, "kafka_offset")), .timestamp_ms = time_of(row)};
	char *key = bytes_of(row, "key", &found.key_size), *value = bytes_of(row, "value", &found.value_size);
	found.key = key;
	found.value = value;
	kt_check(found.topic && json_object_get(row, "headers"), "a row without coordinates: %s", line);
	bool more = r->row(r->opaque, &found);
	free(key);
	free(value);
	json_decref(row);
	return more;
}

static bool read_file(const reading *r, const char *path)
{
	char line[8192];
	gzFile file = gzopen(path, "rb");
	bool more = true;
	kt_check(file, "could not open %s", path);
	while (more && gzgets(file, line, sizeof line)) {
		kt_check(line[strlen(line) - 1] == '\n', "%s ends within a line", path);
		more = read_line(r, line);
	}
	int number;
	kt_check(more ? gzeof(file) && (gzerror(file, &number), number == Z_OK) : true, "%s is not whole", path);
	gzclose(file);
	return more;
}

static bool read_folder(const reading *r, const char *folder)
{
	DIR *dir = opendir(folder);
	bool more = true;
	for (struct dirent *entry; dir && more && (entry = readdir(dir));) {
		char *path = kt_path(folder, entry->d_name);
		if (*entry->d_name != '.' && *entry->d_name != '_')
			more = entry->d_type == DT_DIR ? read_folder(r, path) : read_file(r, path);
		free(path);
	}
	if (dir)
		closedir(dir);
	return more;
}

static kd_code read_rows(void *folder, kd_conformance_row_fn *row, void *opaque, kd_error *err)
{
	(void) err;
	(void) read_folder(&(reading) {row, opaque}, folder);
	return KD_OK;
}

static const kd_conformance_hooks hooks = {
	.abi = KD_CONFORMANCE_ABI,
	.open = open_place,
	.close = free,
	.rows = read_rows,
};

static const kc_store file_store = {.ops = &kd_file_sink, .hooks = &hooks, .sink_json = sink_json,
	.state_in_dir = true};

#define FILE_TEST(name) \
	Test(file, name, .timeout = 120) \
	{ \
		conformance_run(&file_store, case_##name); \
	}
CASES(FILE_TEST)
