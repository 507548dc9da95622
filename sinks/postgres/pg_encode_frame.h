/* SPDX-License-Identifier: Apache-2.0 */
/* pg_encode_frame: writes the frames that pg_frame_next reads, row by row, straight into the caller's buffer. */
#ifndef PG_ENCODE_FRAME_H
#define PG_ENCODE_FRAME_H

#include <kdirect/types.h>

#include <stdint.h>

/* {0} is a writer of table 0's rows with no frame open. */
struct pg_frame_writer {
	uint16_t table;   /* the number of the table that the rows are of */
	bool open;
	bool new_frame;   /* the row begun is its first */
	size_t at, end;   /* of the open frame, in the buffer */
	uint32_t rows;
	uint16_t n_columns;
};

/* Makes room for a tuple of at most `room` bytes of these columns; returns where it goes, or NULL without memory.  Goes
 * on with the open frame where it has the same number of columns (an encoder's columns only ever grow at the end). */
char *pg_frame_begin_row(struct pg_frame_writer *writer, kd_buf *out, const uint16_t *columns, uint16_t n_columns,
	size_t room) KD_CHECK;

/* The tuple begun ends here.  A row that was begun and not ended leaves the buffer as it was. */
void pg_frame_end_row(struct pg_frame_writer *writer, kd_buf *out, const char *end);

#endif
