/* SPDX-License-Identifier: Apache-2.0 */
/* The database that a job under test writes to, seen by plain SQL and by no code of the project: a scratch PostgreSQL
 * database or a SQLite file, asked the same way.
 *
 *     kt_store store;
 *     kt_store_open(&store, KT_SQLITE, dir);
 *     ... "sink": {store.sink, "table": "t"} ...
 *     cr_assert_eq(kt_store_int(&store, "select count(*) from @gap"), 0);
 *     kt_store_close(&store);
 */
#ifndef KT_JOB_STORE_H
#define KT_JOB_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "oracle.h"
#include "pg_fixture.h"

typedef enum kt_store_kind { KT_SQLITE, KT_POSTGRES } kt_store_kind;

typedef struct kt_store {
	kt_store_kind kind;
	kt_pg pg;
	sqlite3 *db;
	char *path; /* SQLite's file */
	char *sink; /* the job's keys for it, as JSON: "type": ..., "path": ... */
} kt_store;

/* dir: where a SQLite file goes. */
void kt_store_open(kt_store *store, kt_store_kind kind, const char *dir);
void kt_store_close(kt_store *store);

/* SQL by a printf format; "@gap" is the ledger's table gap.  What is refused fails the test. */
void kt_store_exec(kt_store *store, const char *format, ...) KD_PRINTF(2, 3);
/* The first column of the first row: 0 or "" for NULL and for no row.  The caller frees the text. */
int64_t kt_store_int(kt_store *store, const char *format, ...) KD_PRINTF(2, 3);
char *kt_store_text(kt_store *store, const char *format, ...) KD_PRINTF(2, 3);

/* Has a job made its ledger, and its table t? */
bool kt_store_is_made(kt_store *store);

/* What a table of the raw layout holds of a topic, by partition and offset. */
kt_oracle kt_store_rows(kt_store *store, const char *table, const char *topic);

#endif
