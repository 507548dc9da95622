/* SPDX-License-Identifier: Apache-2.0 */
/* pg_target: the table that rows land in: what it is, and whether exactly-once can be promised there. */
#ifndef PG_TARGET_H
#define PG_TARGET_H

#include "pg_sink.h"

typedef struct pg_target {
	bool found;
	uint32_t oid, database;
	char kind;        /* pg_class.relkind */
	char persistence; /* pg_class.relpersistence */
	char *schema, *table;
	bool may_insert, may_select;
	bool in_recovery;
	bool row_security;  /* applies to this role */
	bool instead_of;    /* a view with an INSTEAD OF INSERT trigger */
	char *foreign_part; /* a partition that is a foreign or unlogged table; NULL: none */
	char *lookalike;    /* where not found: a table whose name differs only in case */
} pg_target;

/* Asks the catalog; not found is no error. */
kd_code pg_target_look(pg_session *session, pg_target *ret_target, kd_error *err) KD_CHECK;
void pg_target_done(pg_target *target);

/* KD_ETARGET, STOP for a target that cannot give the guarantee. */
kd_code pg_target_judge(const pg_sink *sink, const pg_target *target, kd_error *err) KD_CHECK;

/* Looks, creates the raw layout's table where none is there and it may, judges, reads the columns, and fills the sink.
 * read_only: an absent table leaves sink->columns NULL. */
kd_code pg_target_open(pg_sink *sink, pg_session *session, kd_error *err) KD_CHECK;

enum pg_layout pg_wanted_layout(const pg_sink *sink);
enum pg_format pg_wanted_format(const pg_sink *sink);

#endif
