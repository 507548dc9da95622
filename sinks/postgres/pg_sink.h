/* SPDX-License-Identifier: Apache-2.0 */
/* pg_sink: what a job knows of its PostgreSQL, shared by its sessions and encoders.
 *
 * Made by pg_sink_new from the configuration, completed by opening the target (pg_target.h).  After open it is
 * never changed, so any thread may read it; but for the list of sessions, which has a lock. */
#ifndef PG_SINK_H
#define PG_SINK_H

#include <pthread.h>

#include <kdirect/sink.h>

#include "pg_conn.h"
#include "pg_tables.h"

typedef struct pg_sink {
	const kd_config *config;
	const kd_logger *log;
	bool read_only;
	const char *dsn; /* holds secrets: never shown */
	const char *job;
	char *ledger;        /* the ledger's schema, as an SQL identifier */
	char *ledger_name;   /* the same as plain text */
	pg_table *tables;    /* the first is the job's target, the others those of sink.tables */
	size_t n_tables;
	const pg_table **by_oid; /* the same in the order of their oids */
	char *lock_targets;  /* the statement that locks them against DDL */
	char *identity;      /* "db:16384 table:16402"; NULL while the table is absent */
	char *summary;
	pg_limits limits;
	kd_sink_info info;
	pthread_mutex_t lock; /* of what follows */
	pg_session *sessions;
} pg_sink;

/* Reads the configuration; needs no server. */
kd_code pg_sink_new(const kd_sink_context *context, pg_sink **ret_sink, kd_error *err) KD_CHECK;
void pg_sink_free(pg_sink *sink);

#endif
