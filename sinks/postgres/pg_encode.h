/* SPDX-License-Identifier: Apache-2.0 */
/* pg_encode: turns records into rows of binary COPY.
 *
 * What is stored equals what PostgreSQL's json_populate_record would store from the same document under TimeZone UTC
 * (fields layout), or the record's own bytes (raw layout, I4).  The plain spellings of each type are encoded here;
 * every other value is asked of the server, over a connection of the encoder's own, before the row leaves the encoder.
 *
 * One value cannot travel: a timestamp that its type's precision rounds up to the year 294277 is taken by PostgreSQL's
 * text input, but not by binary COPY, which refuses it (nothing is stored).
 *
 * What the encoder writes is a sequence of frames.  A frame holds whole tuples of one table that all have the same
 * columns; it needs nothing but itself and the table's pg_columns to be landed:
 *
 *	COPY t (columns of the frame) FROM STDIN (FORMAT binary)
 *	the header of binary COPY (PG_COPY_HEADER), then tuples of this and of any following frames of the same table with the
 *	same columns, then the trailer (PG_COPY_TRAILER)
 *
 * Frames come in the order of the records, whatever tables they are of: their rows count on from one to the next.
 *
 * An encoder is used by one thread at a time. */
#ifndef PG_ENCODE_H
#define PG_ENCODE_H

#include <libpq-fe.h>

#include <kdirect/error.h>
#include <kdirect/log.h>
#include <kdirect/types.h>

#include "pg_columns.h"
#include "pg_tables.h"

#define PG_COPY_HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define PG_COPY_HEADER_SIZE 19u
#define PG_COPY_TRAILER "\377\377"
#define PG_COPY_TRAILER_SIZE 2u

/* ---- frames, for the session that lands them ---- */

struct pg_frame { /* its pointers borrow from the encoded bytes */
	uint16_t table; /* which of the encoder's tables, from 0 */
	const char *columns;
	size_t n_columns;
	uint32_t rows;
	const char *tuples;
	size_t size;
};

/* Steps through encoded bytes: *position starts at 0.  False at the end.  The bytes must be whole, as an encoder wrote
 * them up to a flush (asserted). */
bool pg_frame_next(const void *bytes, size_t size, size_t *position, struct pg_frame *ret_frame);

/* The column of the tuples' i-th field: an index into pg_columns.column. */
size_t pg_frame_column(const struct pg_frame *frame, size_t i);

/* May their rows go into one COPY: the same table and columns? */
bool pg_frame_same_columns(const struct pg_frame *a, const struct pg_frame *b);

/* Appends the COPY statement for a frame's columns, which are of its table; false without memory. */
bool pg_frame_copy_sql(const struct pg_columns *columns, const struct pg_frame *frame, kd_buf *out) KD_CHECK;

/* ---- the encoder ---- */

struct pg_encoder_conf {
	const pg_table *tables; /* their columns after pg_columns_choose; outlive the encoder */
	size_t n_tables;        /* the first, which must be there, is where records go that name no table */
	bool unknown_fields_error;        /* sink.unknown_fields: "error" */
	bool null_value_skip;             /* sink.null_value: "skip" */
	/* Opens the encoder's own connection, client_encoding UTF8, when it first needs one (and once again when that
	 * breaks).  The encoder sets all else per transaction and closes it with PQfinish.  NULL: there is no server to ask, and a
	 * value that only the server can judge is refused. */
	kd_code (*connect)(void *opaque, PGconn **ret_conn, kd_error *err);
	void *opaque;
	const kd_logger *log;
};

struct pg_encoder_stats {
	int64_t records;
	int64_t judged;   /* records that the server was asked about */
	int64_t defaults; /* rows for which the server was asked for default values */
	int64_t unknown_fields;
};

struct pg_encoder;

kd_code pg_encoder_open(const struct pg_encoder_conf *conf, struct pg_encoder **ret_encoder, kd_error *err) KD_CHECK;
/* Accepts NULL. */
void pg_encoder_close(struct pg_encoder *encoder);
/* Any thread: what waits for the server, and everything later that needs it, fails soon with RETRY. */
void pg_encoder_interrupt(struct pg_encoder *encoder);

/* As kd_sink_ops.encode and .flush say.  An encode that goes back in offset, or to another batch partition with rows
 * still held back, means that the range was given up: what was held back of it is forgotten.  The same offset again is
 * another row of the same record. */
kd_code pg_encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err) KD_CHECK;
kd_code pg_flush(struct pg_encoder *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err) KD_CHECK;

const struct pg_encoder_stats *pg_encoder_stats(const struct pg_encoder *encoder);

#endif
