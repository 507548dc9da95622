/* SPDX-License-Identifier: Apache-2.0 */
/* pg_columns: what the catalog says about the target table, and what kdirect makes of each column.
 *
 * Order of calls: pg_columns_load once the table is there, pg_columns_choose, then encoders and data sessions read it;
 * pg_columns_free when none is left.  After pg_columns_choose it is never changed, so any thread may read it. */
#ifndef PG_COLUMNS_H
#define PG_COLUMNS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kdirect/error.h>

struct pg_session;

enum pg_layout {
	PG_LAYOUT_AUTO, /* only as a wish: by the table's columns */
	PG_LAYOUT_RAW,
	PG_LAYOUT_FIELDS
};

enum pg_format { PG_FORMAT_RAW, PG_FORMAT_TEXT, PG_FORMAT_JSON }; /* key and value as bytea, text, jsonb */

/* The types that can be landed.  The numbers are PostgreSQL's own and fixed for ever (pg_type.dat). */
enum pg_type {
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_INT8 = 20,
	PG_INT2 = 21,
	PG_INT4 = 23,
	PG_TEXT = 25,
	PG_JSON = 114,
	PG_FLOAT4 = 700,
	PG_FLOAT8 = 701,
	PG_BPCHAR = 1042,
	PG_VARCHAR = 1043,
	PG_DATE = 1082,
	PG_TIME = 1083,
	PG_TIMESTAMP = 1114,
	PG_TIMESTAMPTZ = 1184,
	PG_NUMERIC = 1700,
	PG_UUID = 2950,
	PG_JSONB = 3802
};

/* Where a column's value comes from. */
enum pg_source {
	PG_FROM_FIELD, /* the top-level JSON field of its name */
	PG_FROM_TOPIC,
	PG_FROM_PARTITION,
	PG_FROM_OFFSET,
	PG_FROM_TIMESTAMP,
	PG_FROM_KEY,
	PG_FROM_VALUE, /* raw layout only */
	PG_FROM_HEADERS,
	PG_FROM_SERVER /* generated, or in the raw layout not one of its columns: never written */
};

struct pg_column {
	char *name;
	char *quoted;          /* as an SQL identifier */
	uint32_t type;         /* an enum pg_type, unless source is PG_FROM_SERVER */
	int32_t typmod;        /* -1: none */
	char *type_text;       /* as format_type writes it: "numeric(12,2)" */
	char *default_text;    /* an SQL expression without reliance on search_path; identity: its nextval; NULL: none */
	char identity;         /* 'a' always, 'd' by default, 0 none */
	bool not_null;
	bool generated;
	enum pg_source source; /* set by pg_columns_choose */
};

struct pg_columns {
	char *schema, *table; /* as the catalog has them */
	char *qualified;      /* as SQL: "public"."orders" */
	struct pg_column *column;
	size_t n;
	bool utf8;             /* the database's encoding */
	enum pg_layout layout; /* after pg_columns_choose: RAW or FIELDS */
	enum pg_format format;
};

/* Reads the table's columns.  schema NULL: the first table of that name on the connection's search_path.  Outside a
 * transaction it opens and ends one; inside one it leaves search_path at pg_catalog (SET LOCAL).  KD_ETARGET, STOP
 * where there is no such table; RETRY where the connection broke, or the server is silent for limits.answer_ms. */
kd_code pg_columns_load(struct pg_session *session, const char *schema, const char *table,
	struct pg_columns **ret_columns, kd_error *err) KD_CHECK;

/* Decides layout and sources; refuses by name what cannot be landed (KD_ETARGET, STOP). */
kd_code pg_columns_choose(struct pg_columns *columns, enum pg_layout wish, enum pg_format format,
	kd_error *err) KD_CHECK;

/* Do the rows carry kafka_topic, kafka_partition and kafka_offset? */
bool pg_columns_have_offsets(const struct pg_columns *columns);

/* Accepts NULL. */
void pg_columns_free(struct pg_columns *columns);

#endif
