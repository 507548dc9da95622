/* SPDX-License-Identifier: Apache-2.0 */
/* pg_schema: the ledger's tables, their versions, and the DDL that a person can run instead.  docs/LEDGER.md describes
 * every table and column. */
#ifndef PG_SCHEMA_H
#define PG_SCHEMA_H

#include "pg_sink.h"

/* Makes the ledger, or brings it to this program's version, under a lock and in one transaction.  A ledger of a newer
 * version is refused.  read_only: changes nothing, refuses an older ledger too, accepts that there is none. */
kd_code pg_schema_open(pg_session *session, bool read_only, kd_error *err) KD_CHECK;

/* The ledger's version in the database; 0: there is no ledger. */
kd_code pg_schema_version(pg_session *session, int *ret_version, kd_error *err) KD_CHECK;
/* The one that this program writes. */
int pg_schema_latest(void);

/* All DDL and the least rights for a role, as SQL. */
kd_code pg_schema_ddl(const pg_sink *sink, const char *role, kd_buf *out, kd_error *err) KD_CHECK;

/* The raw layout's table; NULL without memory. */
char *pg_schema_raw_table(const char *qualified, enum pg_format format);

#endif
