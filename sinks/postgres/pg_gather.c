// SPDX-License-Identifier: Apache-2.0
// pg_gather: see the header.
#include "pg_gather.h"

#include <stdlib.h>

#include "pg_copy.h"

/* Rows of all tables together: two COPYs for so many bytes cost little beside them. */
#define ENOUGH_BYTES (512u << 10)

struct gathered { /* one table's rows, all with the same columns */
	kd_buf tuples, columns;
	size_t n_columns;
	uint32_t rows;
	pg_lines lines;
};

struct pg_gather {
	size_t n, bytes;
	struct gathered table[];
};

struct pg_gather *pg_gather_new(size_t n_tables)
{
	struct pg_gather *gather = calloc(1, sizeof *gather + n_tables * sizeof *gather->table);
	if (gather)
		gather->n = n_tables;
	return gather;
}

void pg_gather_free(struct pg_gather *gather)
{
	if (!gather)
		return;
	for (size_t i = 0; i < gather->n; i++) {
		kd_buf_done(&gather->table[i].tuples);
		kd_buf_done(&gather->table[i].columns);
		pg_lines_done(&gather->table[i].lines);
	}
	free(gather);
}

void pg_gather_forget(struct pg_gather *gather)
{
	for (size_t i = 0; i < gather->n; i++) {
		gather->table[i].tuples.size = gather->table[i].columns.size = 0;
		gather->table[i].rows = 0;
		pg_lines_clear(&gather->table[i].lines);
	}
	gather->bytes = 0;
}

static struct pg_frame as_frame(const struct pg_gather *gather, size_t i)
{
	const struct gathered *table = &gather->table[i];
	return (struct pg_frame) {.table = (uint16_t) i, .columns = table->columns.data, .n_columns = table->n_columns,
		.rows = table->rows, .tuples = table->tuples.data, .size = table->tuples.size};
}

kd_code pg_gather_land(pg_session *session, kd_error *err)
{
	struct pg_gather *gather = session->gather;
	kd_code code = KD_OK;
	for (size_t i = 0; i < gather->n && code == KD_OK; i++) {
		struct pg_frame frame = as_frame(gather, i);
		if (frame.rows > 0)
			code = pg_copy_rows(session, &frame, &gather->table[i].lines, err);
	}
	pg_gather_forget(gather);
	return code;
}

/* Rows whose COPY is open need not wait, unless rows wait that must be there first. */
static bool may_go_on(const pg_session *session, const struct pg_frame *frame)
{
	for (size_t i = 0; i <= frame->table; i++)
		if (session->gather->table[i].rows > 0)
			return false;
	return pg_copy_takes(session, frame);
}

static bool add(struct pg_gather *gather, const struct pg_frame *frame, const pg_lines *lines)
{
	struct gathered *table = &gather->table[frame->table];
	if (table->rows == 0) {
		table->n_columns = frame->n_columns;
		if (!kd_buf_append(&table->columns, frame->columns, frame->n_columns * sizeof(uint16_t)))
			return false;
	}
	if (!kd_buf_append(&table->tuples, frame->tuples, frame->size) || !pg_lines_append(&table->lines, lines))
		return false;
	table->rows += frame->rows;
	gather->bytes += frame->size;
	return true;
}

kd_code pg_gather_rows(pg_session *session, const struct pg_frame *frame, int64_t first, kd_error *err)
{
	struct pg_gather *gather = session->gather;
	struct pg_lines_run run = {1, first};
	pg_lines lines = {.run = &run, .n = 1, .lines = frame->rows};
	if (may_go_on(session, frame))
		return pg_copy_rows(session, frame, &lines, err);
	struct pg_frame waiting = as_frame(gather, frame->table);
	kd_code code = KD_OK;
	if (waiting.rows > 0 && !pg_frame_same_columns(&waiting, frame))
		code = pg_gather_land(session, err);
	if (code == KD_OK && !add(gather, frame, &lines))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not store rows: no memory");
	if (code == KD_OK && gather->bytes >= ENOUGH_BYTES)
		code = pg_gather_land(session, err);
	return code;
}
