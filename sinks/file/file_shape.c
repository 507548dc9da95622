// SPDX-License-Identifier: Apache-2.0
// file_shape: what the configuration says about rows and files.
#include <stdlib.h>
#include <string.h>

#include "file_row.h"
#include "file_sink.h"

static file_source source_of(const char *name)
{
	static const struct {
		const char *name;
		file_source source;
	} coordinates[] = {{"kafka_topic", FILE_FROM_TOPIC}, {"kafka_partition", FILE_FROM_PARTITION},
		{"kafka_offset", FILE_FROM_OFFSET}, {"kafka_timestamp", FILE_FROM_TIMESTAMP}, {"kafka_key", FILE_FROM_KEY},
		{"kafka_headers", FILE_FROM_HEADERS}};
	for (size_t i = 0; i < sizeof coordinates / sizeof *coordinates; i++)
		if (!strcmp(name, coordinates[i].name))
			return coordinates[i].source;
	return FILE_FROM_FIELD;
}

static kd_code refuse(kd_error *err, const char *reason)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use the file sink: %s", reason);
}

static kd_code read_columns(file_shape *shape, const kd_config *config, kd_error *err)
{
	size_t n = kd_config_strings_count(config, "sink.columns");
	shape->columns = calloc(n + 1, sizeof *shape->columns);
	if (!shape->columns)
		return file_no_memory(err);
	for (size_t i = 0; i < n; i++) {
		const char *name = kd_config_strings_at(config, "sink.columns", i);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(shape->columns[k].name, name))
				return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use sink.columns: \"%s\" is listed twice", name);
		shape->columns[shape->n_columns++] = (file_column) {name, source_of(name)};
	}
	return KD_OK;
}

static kd_code make_header(file_shape *shape, kd_error *err)
{
	kd_buf header = {0};
	bool ok = true;
	for (size_t i = 0; ok && i < shape->n_columns; i++)
		ok = (i == 0 || kd_buf_append(&header, ",", 1)) &&
			file_put_csv(&header, shape->columns[i].name, strlen(shape->columns[i].name));
	ok = ok && kd_buf_append(&header, "\n", 2); /* and NUL */
	shape->header = ok ? header.data : NULL;
	if (!ok)
		kd_buf_done(&header);
	return ok ? KD_OK : file_no_memory(err);
}

static kd_code read_tables(file_shape *shape, const kd_config *config, kd_error *err)
{
	size_t n = kd_config_strings_count(config, "sink.tables");
	shape->tables = calloc(n + 1, sizeof *shape->tables);
	if (!shape->tables)
		return file_no_memory(err);
	for (size_t i = 0; i < n; i++) {
		const char *name = kd_config_strings_at(config, "sink.tables", i);
		if (!*name || strlen(name) > 64)
			return kd_error_set(err, KD_ECONFIG, KD_STOP,
				"could not use \"%s\" in sink.tables: it is part of a file's name, of 1 to 64 bytes", name);
		shape->tables[shape->n_tables++] = name;
	}
	return KD_OK;
}

kd_code file_shape_init(file_shape *shape, const kd_config *config, kd_error *err)
{
	static const char *const compressions[] = {"none", "gzip", "zstd"};
	const char *compression = kd_config_string(config, "sink.compression"),
		*layout = kd_config_string(config, "sink.layout");
	*shape = (file_shape) {
		.format = strcmp(kd_config_string(config, "sink.format"), "csv") == 0 ? FILE_CSV : FILE_JSONL,
		.skip_null = strcmp(kd_config_string(config, "sink.null_value"), "skip") == 0,
		.table = kd_config_string(config, "sink.table"),
	};
	while (strcmp(compressions[shape->compression], compression) != 0)
		shape->compression++;
	shape->raw = layout ? !strcmp(layout, "raw") : shape->format == FILE_JSONL;
	kd_code code = read_columns(shape, config, err);
	if (!code)
		code = read_tables(shape, config, err);
	if (!code && shape->format == FILE_CSV && shape->raw)
		code = refuse(err, "sink.format \"csv\" has columns: sink.layout \"raw\" needs \"jsonl\"");
	if (!code && shape->format == FILE_CSV && shape->n_columns == 0)
		code = refuse(err, "sink.format \"csv\" needs sink.columns, the names of its columns");
	if (!code && shape->format == FILE_JSONL && shape->n_columns > 0)
		code = refuse(err, "sink.columns is for sink.format \"csv\": a JSON line has the fields that its record has");
	if (!code && shape->format == FILE_CSV)
		code = make_header(shape, err);
	return code;
}

void file_shape_done(file_shape *shape)
{
	free(shape->columns);
	free(shape->tables);
	free(shape->header);
	*shape = (file_shape) {0};
}

bool file_shape_has_offsets(const file_shape *shape)
{
	bool has[3] = {false};
	for (size_t i = 0; i < shape->n_columns; i++) {
		has[0] = has[0] || shape->columns[i].source == FILE_FROM_TOPIC;
		has[1] = has[1] || shape->columns[i].source == FILE_FROM_PARTITION;
		has[2] = has[2] || shape->columns[i].source == FILE_FROM_OFFSET;
	}
	return shape->format == FILE_JSONL || (has[0] && has[1] && has[2]);
}

const char *file_shape_extension(const file_shape *shape)
{
	static const char *const extensions[][3] = {{"jsonl", "jsonl.gz", "jsonl.zst"}, {"csv", "csv.gz", "csv.zst"}};
	return extensions[shape->format][shape->compression];
}
