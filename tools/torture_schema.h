/* SPDX-License-Identifier: Apache-2.0 */
/* torture_schema: a schema of its own in somebody's database, seen by plain SQL: it shares no code with the sink that
 * fills it.
 *
 * In it stand the table that the job writes to, a counter that a trigger keeps (an effect that is not idempotent), the
 * ledger, and a log of who committed there.  It goes away with everything in it. */
#ifndef TOOLS_TORTURE_SCHEMA_H
#define TOOLS_TORTURE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TORTURE_NAME_SIZE = 40 };

struct torture_schema;

/* What the tables say, all in one snapshot. */
struct torture_counts {
	int64_t rows, ids, strangers, offsets, cents; /* as demo_counts */
	int64_t committed;     /* the positions, added up */
	int64_t ranges;        /* identifiers committed */
	int64_t torn;          /* I9: partitions whose rows are not those of their committed identifiers */
	int64_t out_of_order;  /* I5: partitions whose rows are not all offsets below their position */
	int64_t wrong_counters; /* I11: partitions whose counter is not count and sum of their rows */
	int64_t untiled;       /* I3: committed ranges that do not begin where the one before ended */
	int64_t repeated;      /* I6: batch times of a partition with more than one range */
	int64_t gaps;          /* I10: offsets given up */
	int64_t deeds;         /* commits that were watched, */
	int64_t unfenced;      /* I7: and of them those by an instance that did not own the job any more */
};

/* Connects, and makes the schema and its tables.  NULL: *ret_why, one line, valid until the next call. */
struct torture_schema *torture_schema_make(const char *dsn, const char **ret_why);
/* Drops it with all that is in it, and disconnects.  False: *ret_why; the schema may still be there. */
bool torture_schema_drop(struct torture_schema *schema, const char **ret_why);
/* One more session, for another thread: it makes and drops nothing.  Closed by torture_schema_close. */
struct torture_schema *torture_schema_again(const struct torture_schema *schema, const char **ret_why);
void torture_schema_close(struct torture_schema *schema);
/* From now on it is written down who commits; the ledger is there.  False: *ret_why. */
bool torture_schema_watch(struct torture_schema *schema, const char **ret_why);

const char *torture_schema_name(const struct torture_schema *schema);
/* A schema of another run, which may be on or was killed: "" where there is none. */
const char *torture_schema_stray(const struct torture_schema *schema);
/* "PostgreSQL 15.3 at db.example:5432" */
const char *torture_schema_server(const struct torture_schema *schema);
/* Where the server is, for a relay: "host:port" or a socket's path. */
const char *torture_schema_address(const struct torture_schema *schema);
/* The connection string by way of a relay on this machine; *ret_readable: whether the relay can read what passes (no
 * TLS).  The caller frees it; NULL without memory. */
char *torture_schema_dsn_through(const struct torture_schema *schema, int port, bool *ret_readable);

/* events: order numbers go from 1 to this.  False: *ret_why. */
bool torture_schema_count(struct torture_schema *schema, int64_t events, struct torture_counts *ret_counts,
	const char **ret_why);
/* The positions, added up; -1 where the question failed. */
int64_t torture_schema_committed(struct torture_schema *schema);
/* The epoch of who took the job over last; -1 where the question failed. */
int64_t torture_schema_epoch(struct torture_schema *schema);
/* Identifiers planned and not committed: work in flight. */
int64_t torture_schema_in_flight(struct torture_schema *schema);

/* Ends one random session of the job, or tells how many there are; -1 where the question failed. */
int64_t torture_schema_end_session(struct torture_schema *schema);
int64_t torture_schema_sessions(struct torture_schema *schema);

#endif
