// SPDX-License-Identifier: Apache-2.0
// pg_encode_frame: a frame is a head, the columns' numbers and the tuples, in the machine's own byte order: it never
// leaves the process.  The head is kept right after every row, so that the buffer is whole at any time.
#include "pg_encode_frame.h"

#include <assert.h>
#include <string.h>

#include "pg_encode.h"

struct frame_head {
	uint64_t size; // of the tuples
	uint32_t rows;
	uint16_t n_columns;
	uint16_t table;
};

static size_t head_size(size_t n_columns)
{
	return sizeof(struct frame_head) + n_columns * sizeof(uint16_t);
}

char *pg_frame_begin_row(struct pg_frame_writer *writer, kd_buf *out, const uint16_t *columns, uint16_t n_columns,
	size_t room)
{
	writer->new_frame = !writer->open || writer->end != out->size || writer->n_columns != n_columns ||
		writer->rows == UINT32_MAX;
	if (!writer->new_frame)
		return kd_buf_reserve(out, room);
	char *to = kd_buf_reserve(out, head_size(n_columns) + room);
	if (!to)
		return NULL;
	writer->open = true;
	writer->at = out->size;
	writer->end = SIZE_MAX; // no buffer ends here: the frame counts only once its first row is there
	writer->rows = 0;
	writer->n_columns = n_columns;
	memcpy(to + sizeof(struct frame_head), columns, n_columns * sizeof *columns);
	return to + head_size(n_columns);
}

void pg_frame_end_row(struct pg_frame_writer *writer, kd_buf *out, const char *end)
{
	size_t tuples_at = writer->at + head_size(writer->n_columns);
	out->size = writer->end = (size_t) (end - out->data);
	struct frame_head head = {writer->end - tuples_at, ++writer->rows, writer->n_columns, writer->table};
	memcpy(out->data + writer->at, &head, sizeof head);
}

bool pg_frame_next(const void *bytes, size_t size, size_t *position, struct pg_frame *ret_frame)
{
	const char *at = (const char *) bytes + *position;
	size_t left = size - *position;
	struct frame_head head;
	if (left == 0)
		return false;
	assert(left >= sizeof head);
	memcpy(&head, at, sizeof head);
	size_t before = head_size(head.n_columns);
	assert(left >= before && left - before >= head.size);
	ret_frame->table = head.table;
	ret_frame->columns = at + sizeof head;
	ret_frame->n_columns = head.n_columns;
	ret_frame->rows = head.rows;
	ret_frame->tuples = at + before;
	ret_frame->size = head.size;
	*position += before + head.size;
	return true;
}

size_t pg_frame_column(const struct pg_frame *frame, size_t i)
{
	uint16_t column;
	memcpy(&column, frame->columns + i * sizeof column, sizeof column);
	return column;
}

bool pg_frame_same_columns(const struct pg_frame *a, const struct pg_frame *b)
{
	return a->table == b->table && a->n_columns == b->n_columns &&
		memcmp(a->columns, b->columns, a->n_columns * sizeof(uint16_t)) == 0;
}

bool pg_frame_copy_sql(const struct pg_columns *columns, const struct pg_frame *frame, kd_buf *out)
{
	if (!kd_buf_printf(out, "COPY %s (", columns->qualified))
		return false;
	for (size_t i = 0; i < frame->n_columns; i++)
		if (!kd_buf_printf(out, "%s%s", i ? ", " : "", columns->column[pg_frame_column(frame, i)].quoted))
			return false;
	return kd_buf_printf(out, ") FROM STDIN (FORMAT binary)");
}
