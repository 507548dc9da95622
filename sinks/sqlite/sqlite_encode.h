/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_encode: what the two layouts share while records become rows. */
#ifndef KD_SQLITE_ENCODE_H
#define KD_SQLITE_ENCODE_H

#include "sqlite_sink.h"

#define SQLITE_NAMED_FIELDS 32 /* unknown fields that are named in the log, once each */

typedef struct sqlite_encoder {
	const sqlite_sink *sink;
	const sqlite_target *target; /* of the record in hand, and its number */
	uint32_t number;
	sqlite3 *json;             /* a private database in memory: SQLite's own JSON is the judge */
	sqlite3_stmt *json_valid;  /* format json */
	sqlite3_stmt *json_each;   /* layout fields */
	kd_buf scratch;            /* headers; values of fields, in the record's order */
	struct sqlite_slice {
		size_t at, size;
	} *slices; /* layout fields: where in scratch the value of each column is */
	unsigned char *mask; /* layout fields: the columns of the record in hand */
	unsigned char *full; /* layout raw: all */
	size_t n_named;
	char *named[SQLITE_NAMED_FIELDS];
} sqlite_encoder;

kd_code sqlite_encode_no_memory(kd_error *err);

/* Appends the value of a column that does not come from a JSON field. */
kd_code sqlite_encode_coordinate(sqlite_encoder *encoder, const sqlite_column *column, const kd_batch_partition *batch,
	const kd_record *record, kd_buf *out, kd_error *err) KD_CHECK;

/* sqlite_fields.c: the whole row of the layout fields. */
kd_code sqlite_encode_fields(sqlite_encoder *encoder, const kd_batch_partition *batch, const kd_record *record,
	kd_buf *out, uint32_t *ret_rows, kd_error *err) KD_CHECK;

#endif
