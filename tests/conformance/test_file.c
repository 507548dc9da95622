// SPDX-License-Identifier: Apache-2.0
// The suite on files: a folder of its own, read by none of the sink's code.
#include <criterion/criterion.h>

#include "conformance.h"
#include <kdirect/sinks.h>
#include "file_rows.h"
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

typedef struct reading {
	kd_conformance_row_fn *row;
	void *opaque;
} reading;

static bool hand_on(void *opaque, const kt_file_row *row)
{
	reading *r = opaque;
	kd_conformance_row found = {.topic = row->topic, .partition = row->partition, .offset = row->offset,
		.timestamp_ms = -1, .key = row->key, .key_size = row->key_size, .value = row->value,
		.value_size = row->value_size};
	kt_check(!row->timestamp || kd_parse_time(row->timestamp, 0, &found.timestamp_ms), "%s is no time", row->timestamp);
	return r->row(r->opaque, &found);
}

static kd_code read_rows(void *folder, kd_conformance_row_fn *row, void *opaque, kd_error *err)
{
	(void) err;
	(void) kt_folder_rows(folder, hand_on, &(reading) {row, opaque});
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
