/* SPDX-License-Identifier: Apache-2.0 */
/* pg_tables: the tables that a job writes to: sink.table first, then those of sink.tables, in the order of the job file.
 *
 * The order counts: rows that land together land in this order, so that a table may refer to one before it. */
#ifndef PG_TABLES_H
#define PG_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include <kdirect/config.h>
#include <kdirect/error.h>

#include "pg_columns.h"

#define PG_MAX_TABLES 1000

/* One of them.  What the server says is filled in when the target is opened. */
typedef struct pg_table {
	char *written; /* as the job file has it */
	char *schema;  /* as plain text; NULL: by search_path until the table is opened */
	char *table;
	char *target;    /* as a person names it: public.orders */
	char *qualified; /* as SQL: "public"."orders"; NULL while the table is absent */
	uint32_t oid;
	struct pg_columns *columns; /* NULL: read-only, and the table is absent */
} pg_table;

/* Reads the names; needs no server. */
kd_code pg_tables_new(const kd_config *config, pg_table **ret_tables, size_t *ret_n, kd_error *err) KD_CHECK;
/* Accepts NULL. */
void pg_tables_free(pg_table *tables, size_t n);

/* The table that a record names: as the job file writes it, as schema.table, or its last part alone where only one table
 * has it.  NULL: none of them, or more than one. */
const pg_table *pg_tables_find(const pg_table *tables, size_t n, const char *name);

/* Splits "schema.table" as SQL does: unquoted parts fold to lower case, "..." keeps what it holds ("" is a quote).
 * ret_schema is NULL where there is one part; three parts are refused.  key: what the error names. */
kd_code pg_parse_name(const char *key, const char *text, char **ret_schema, char **ret_table, kd_error *err) KD_CHECK;

/* An identifier in double quotes, made without a connection; NULL without memory. */
char *pg_quote(const char *name);
/* "schema"."table", or "table" where the schema is left open; NULL without memory. */
char *pg_quote_table(const pg_table *table);

#endif
