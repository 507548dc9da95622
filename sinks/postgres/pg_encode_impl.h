/* SPDX-License-Identifier: Apache-2.0 */
/* pg_encode_impl: the encoder's parts, for its own files.
 *
 *	pg_encode.c        the calls; which batch partition the encoder is in, and which table a record is for
 *	pg_encode_row.c    one record to one tuple; which columns the tuples have
 *	pg_encode_own.c    columns filled from the record itself
 *	pg_encode_held.c   rows held back for the server's answers, of one table and of all
 *	pg_encode_names.c  JSON keys to columns
 *
 * A tuple has the columns of `order`: first those without a default, then, from the first record on that brings one,
 * each column that has a default.  So the columns of a tuple are a prefix of `order`, and their count tells which. */
#ifndef PG_ENCODE_IMPL_H
#define PG_ENCODE_IMPL_H

#include "kdirect/json.h"
#include "pg_encode.h"
#include "pg_encode_frame.h"
#include "pg_encode_names.h"
#include "pg_judge.h"
#include "pg_judge_ask.h"

#define PG_LARGE_DOCUMENT (8u << 20) /* bytes; from here on limits within the server count */
#define PG_MAX_NAME 63 /* bytes of an identifier (NAMEDATALEN - 1) */

/* In place of a field's length in a tuple that is held back; -1 is COPY's null. */
#define PG_FIELD_DEFAULT UINT32_C(0xFFFFFFFE) /* the server's default goes here */
#define PG_FIELD_JUDGED UINT32_C(0xFFFFFFFD)  /* the server's verdict goes here */

/* A field of the document being encoded. */
struct pg_slot {
	kd_json_value value;
	uint64_t document; /* pg_table_encoder.document when it was seen */
};

/* How many rows of all tables are held back.  Since one of them waits for the server, all that follow wait for it, of
 * whatever table; their numbers keep the order. */
struct pg_line_up {
	size_t n_rows;
	uint64_t next;
};

/* The server's answers, by the order in which rows wait for them. */
struct pg_answers {
	PGresult *verdicts, *defaults;
	int verdict, default_row; /* used so far */
};

/* The rows of one table that are held back. */
struct pg_held {
	struct pg_line_up *line_up;
	struct pg_answers answers; /* while they are released */
	size_t released;           /* bytes of rows */
	kd_buf rows;      /* struct pg_held_row and tuple, again and again */
	kd_buf documents; /* the text of those to be judged */
	kd_buf refs;      /* struct pg_held_document */
	size_t n_rows, n_documents, n_defaults;
	uint16_t *verdict_field, *default_field; /* by column: where the server's answers have it */
};

/* What makes rows of one table. */
struct pg_table_encoder {
	const struct pg_encoder_conf *conf;
	const struct pg_columns *columns;
	struct pg_encoder_stats *stats; /* of all tables */
	struct pg_judge *judge; /* NULL: no server to ask */
	struct pg_frame_writer frame;
	struct pg_held held;

	/* the tuples' columns */
	uint16_t *order;
	uint16_t n_order;
	uint16_t *late; /* columns with a default that no record has had so far */
	uint16_t n_late;
	bool has_own;     /* some column is filled from the record itself */
	bool has_headers; /* one of them takes the headers */

	/* the record being encoded */
	kd_json json;
	struct pg_names names;
	struct pg_slot *slot; /* by column */
	uint64_t document;    /* counts documents, so that slots need no clearing */
	kd_buf headers;
	const struct pg_column *odd; /* the column whose value is not plain */
};

struct pg_encoder {
	struct pg_encoder_conf conf;
	struct pg_encoder_stats stats;
	struct pg_helper helper; /* the one connection that all tables ask on */
	struct pg_line_up line_up;
	struct pg_table_encoder *table; /* conf.n_tables; one without columns is not there */

	/* the batch partition, as of the last record */
	bool in_batch;
	kd_batch_partition batch; /* its pointers are not used */
	int64_t last_offset;
};

/* ---- pg_encode_row.c ---- */

/* Sets up order and late; KD_ETARGET where there is nothing to fill. */
kd_code pg_rows_init(struct pg_table_encoder *encoder, kd_error *err);

/* One record to one row, into out or held back. */
kd_code pg_row_encode(struct pg_table_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, kd_error *err);

/* ---- pg_encode_own.c ---- */

/* Can this record fill its columns?  After this pg_own_put cannot fail. */
kd_code pg_own_check(struct pg_table_encoder *encoder, const kd_record *record, kd_error *err) KD_CHECK;

/* Writes one field whose source is the record itself; returns its end. */
char *pg_own_put(const struct pg_table_encoder *encoder, const struct pg_column *column, const kd_batch_partition *batch,
	const kd_record *record, char *to);

/* Fills err for a record that cannot be delivered. */
kd_code pg_refuse(const kd_record *record, const char *sqlstate, kd_error *err, const char *format, ...)
	KD_PRINTF(4, 5);

/* The same for bytes that no text value may have, the first of them at `at`; what: "column \"x\"" or the like. */
kd_code pg_refuse_bytes(const kd_record *record, const char *what, const void *bytes, size_t size, size_t at,
	kd_error *err);

/* ---- pg_encode_held.c ---- */

enum pg_wait { PG_WAIT_NONE = 0, PG_WAIT_DEFAULTS = 1, PG_WAIT_VERDICT = 2 };

bool pg_held_init(struct pg_held *held, const struct pg_columns *columns, struct pg_line_up *line_up);
void pg_held_done(struct pg_held *held);
/* Of all tables. */
void pg_held_forget(struct pg_encoder *encoder);

/* Where a tuple of at most `room` bytes goes that is to be held back, or NULL without memory; then the row is added. */
char *pg_held_begin_row(struct pg_held *held, size_t room) KD_CHECK;
/* document: with PG_WAIT_VERDICT.  False without memory: nothing was added. */
bool pg_held_end_row(struct pg_table_encoder *encoder, const char *end, unsigned waits, const kd_record *document) KD_CHECK;

/* Is it time to ask the server, so that memory stays bounded? */
bool pg_held_is_full(const struct pg_held *held);

/* Asks the server and writes the held rows of all tables to out, in the order of their records.  Of several records that
 * are refused, err names the first. */
kd_code pg_held_release(struct pg_encoder *encoder, kd_buf *out, kd_error *err) KD_CHECK;

#endif
