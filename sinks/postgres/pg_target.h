/* SPDX-License-Identifier: Apache-2.0 */
/* pg_target: the tables that rows land in: what they are, and whether exactly-once can be promised there. */
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
kd_code pg_target_look(pg_session *session, const pg_table *table, pg_target *ret_target, kd_error *err) KD_CHECK;
void pg_target_done(pg_target *target);

/* KD_ETARGET, STOP for a target that cannot give the guarantee. */
kd_code pg_target_judge(const pg_table *table, const pg_target *target, kd_error *err) KD_CHECK;

/* KD_ETARGET, STOP for a table of sink.tables that is not there: it is never created, since only its columns say which
 * fields are stored. */
kd_code pg_target_refuse_absent(const pg_table *table, const pg_target *target, kd_error *err);

/* Looks at each table, creates the raw layout's where sink.table is not there and it may, judges, reads the columns, and
 * fills the sink.  read_only: an absent table is left without columns. */
kd_code pg_target_open(pg_sink *sink, pg_session *session, kd_error *err) KD_CHECK;

/* Of sink.table; those of sink.tables have the fields layout. */
enum pg_layout pg_wanted_layout(const pg_sink *sink);
enum pg_format pg_wanted_format(const pg_sink *sink);

#endif
