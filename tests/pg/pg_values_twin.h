/* SPDX-License-Identifier: Apache-2.0 */
/* Two ways for a document into a column: our encoder with COPY, and json_populate_record in the server itself. */
#ifndef PG_VALUES_TWIN_H
#define PG_VALUES_TWIN_H

#include <stdbool.h>

#include "pg_fixture.h"
#include "pg_values_corpus.h"
#include "sinks/postgres/pg_conn.h"
#include "sinks/postgres/pg_encode.h"

/* What the server makes of a document; state "": it takes it. */
typedef struct outcome {
	char *text; /* as the type's output function writes it; NULL: null */
	char state[6];
} outcome;

typedef struct twin {
	kt_pg pg;
	struct pg_columns *columns; /* of table ours(kafka_offset bigint, c TYPE) */
	pg_table table;             /* the same one */
	struct pg_encoder *judged;  /* may ask the server */
	struct pg_encoder *alone;   /* may not */
	int64_t batch;
} twin;

/* The sink's view of a connection; it stays the connection's owner's. */
pg_session twin_session(const kt_pg *pg);

void twin_open(twin *ret, const char *type);
void twin_close(twin *t);

/* json_populate_record, one document at a time; the caller frees with outcomes_free. */
outcome *twin_expect(twin *t, const corpus *set);
void outcomes_free(outcome *outcomes, size_t n);

/* A batch partition that was not used before. */
kd_batch_partition twin_batch(twin *t);

/* Encodes the i-th document, with i as its offset. */
kd_code twin_encode(struct pg_encoder *encoder, const kd_batch_partition *batch, const corpus *set, size_t i,
	kd_buf *out,
	kd_error *err);

/* Lands encoded bytes in table `columns` are of, in a transaction; the number of rows. */
int64_t twin_land(PGconn *conn, const struct pg_columns *columns, const kd_buf *bytes);

/* A connection for an encoder; opaque is the connection string. */
kd_code twin_connect(void *opaque, PGconn **ret_conn, kd_error *err);

#endif
