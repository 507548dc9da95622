/* SPDX-License-Identifier: Apache-2.0 */
/* pg_judge: asks the server what it makes of values whose spelling is not plain, and for the defaults of absent fields.
 *
 * It asks over a connection that the judges of one encoder share, opened when first needed; each question is a short
 * transaction (unnamed statements, SET LOCAL), so that a pooler in transaction mode may stand between.  A connection that
 * breaks is opened once more and the question asked again; after that the error says RETRY.  Answers come in binary: each
 * value is what COPY takes. */
#ifndef PG_JUDGE_H
#define PG_JUDGE_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

#include <kdirect/error.h>

#include "pg_columns.h"

struct pg_helper;
struct pg_judge;

/* A document to be judged: UTF-8 without NUL. */
struct pg_document {
	const char *text;
	size_t size;
	int64_t offset; /* of its record, for the error */
};

/* columns and helper must outlive it.  NULL without memory. */
struct pg_judge *pg_judge_open(const struct pg_columns *columns, struct pg_helper *helper);
/* Accepts NULL. */
void pg_judge_close(struct pg_judge *judge);

/* Converts documents as json_populate_record does: a row for each, in order, a field for each column of source
 * PG_FROM_FIELD, in their order in the table.  KD_ERECORD, STOP where one is refused: err->offset names the first such
 * record, the message the column and the reason. */
kd_code pg_judge_documents(struct pg_judge *judge, const struct pg_document *documents, size_t n,
	PGresult **ret_rows, kd_error *err) KD_CHECK;

/* The values that the server would give these columns (indexes into pg_columns.column) in n_rows rows of its own. */
kd_code pg_judge_defaults(struct pg_judge *judge, const uint16_t *columns, size_t n_columns, size_t n_rows,
	PGresult **ret_rows, kd_error *err) KD_CHECK;

/* Would jsonb take this text?  KD_ERECORD, STOP with the reason where not. */
kd_code pg_judge_jsonb(struct pg_judge *judge, const char *text, size_t size, kd_error *err) KD_CHECK;

#endif
