/* SPDX-License-Identifier: Apache-2.0 */
/* pg_conn: a session: one libpq connection that never blocks without a limit, and keeps no state in the server beyond
 * a transaction (so that a pooler in transaction mode may stand between).
 *
 * Order of calls: pg_conn_open, then calls (pg_call.h) or COPY (pg_data.h), then pg_conn_close.  Every wait for the
 * server goes through pg_conn_result: it polls the socket with a deadline, and where a transaction of ours is kept
 * waiting past its lock wait it looks for a frozen blocker (pg_blocker.h).  After a broken wait `lost` is set for
 * good. */
#ifndef PG_CONN_H
#define PG_CONN_H

#include <stdbool.h>
#include <libpq-fe.h>

#include <kdirect/log.h>
#include <kdirect/sink.h>
#include "pg_error.h"
#include "pg_lines.h"

struct pg_sink;
struct pg_gather;

#define PG_NAME_SIZE 64 /* what PostgreSQL keeps of an application_name, with NUL */

/* How long things may take.  All in milliseconds, worked out once from the job's retry_timeout_ms. */
typedef struct pg_limits {
	int connect_ms;   /* to a usable connection */
	int lock_wait_ms; /* then a blocker of this job's may be ended */
	int lock_ms;      /* lock_timeout: then give the call up */
	int statement_ms; /* statement_timeout */
	int idle_ms;      /* idle_in_transaction_session_timeout */
	int answer_ms;    /* no answer for so long: the server is unreachable */
} pg_limits;

/* Rows of one table since begin. */
typedef struct pg_tally {
	int64_t sent, stored; /* stored: as COPY's tags say */
} pg_tally;

typedef struct pg_session {
	struct pg_sink *sink;
	struct pg_session *next; /* the sink's sessions, under its lock */
	PGconn *conn;
	char name[PG_NAME_SIZE]; /* application_name */
	pg_limits limits;
	int wake;                /* an eventfd: the session was interrupted */
	bool lost;               /* the connection is gone for good */
	bool in_transaction;     /* BEGIN was sent, and neither COMMIT nor ROLLBACK answered */
	pg_phase phase;          /* what an error would mean now */
	kd_owner me;             /* who works in it, as of its last write to the ledger; epoch 0: a take-over, or nobody yet */
	const struct kd_take_over *taking; /* the take-over that it is in; NULL: none */
	_Atomic int backend;     /* pid, told inside the open transaction; 0: not yet.  Read by whoever waits, too */
	bool here_only;          /* COMMIT's warning: a standby did not confirm */
	unsigned notices;        /* seen so far */
	char blockers[512];      /* who kept us waiting when we last looked, and may not be ended by us */
	char *job;               /* of the open data transaction */
	int64_t batch_time_ms;   /* its identifier */
	int32_t partition_index;
	int64_t written;         /* rows handed in since begin */
	pg_tally *tally;         /* by table */
	struct pg_gather *gather; /* NULL: there is only one table */
	kd_error failed;         /* of a query, which ended the open data transaction; code KD_OK: none */
	int64_t copies;          /* COPYs opened since begin */
	bool copying;            /* a COPY is open; its table, columns and rows: */
	uint16_t copy_table;
	char *copy_columns;
	size_t copy_n_columns;
	pg_lines copy_lines;
	bool blind;              /* the socket told of something that was no error: do not watch it while sending */
} pg_session;

/* "kdirect/<job>/<role>", cut and hashed where it would not fit or is not plain ASCII. */
void pg_conn_name(const char *job, const char *role, char ret_name[PG_NAME_SIZE]);

/* Connects, with a deadline of limits->connect_ms (NULL: the sink's); refuses servers before PostgreSQL 13. */
kd_code pg_conn_open(struct pg_sink *sink, const char *role, const pg_limits *limits, pg_session **ret_session,
	kd_error *err) KD_CHECK;

/* Is this backend one that a living session of this process works in? */
bool pg_conn_is_own(struct pg_sink *sink, int backend);

/* Accepts NULL; rolls back by hanging up. */
void pg_conn_close(pg_session *session);

/* Gives the connection away as libpq made it, in blocking mode, and frees the rest. */
PGconn *pg_conn_release(pg_session *take_session);

/* Milliseconds of a clock that only goes forward. */
int64_t pg_conn_now_ms(void);

/* Waits until the socket is ready for one of `events` (poll's) or the time is over; 0: over, -1: broken. */
int pg_conn_poll(pg_session *session, short events, int timeout_ms);

/* The next result, or NULL at the end of a statement's results.  False: the connection is lost, err is set. */
bool pg_conn_result(pg_session *session, const char *doing, PGresult **ret_result, kd_error *err) KD_CHECK;

/* Marks the connection lost and fills err by the phase. */
kd_code pg_conn_lost(pg_session *session, const char *doing, kd_error *err);

/* Cuts the line, as a fault point does; libpq finds out by itself. */
void pg_conn_cut(const pg_session *session);

/* From another thread: the wait that is on and every later one fails. */
void pg_conn_interrupt(pg_session *session);

/* True where a failed result is no result to go on with. */
bool pg_conn_failed(const PGresult *result);

#endif
