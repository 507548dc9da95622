/* SPDX-License-Identifier: Apache-2.0 */
/* world: what the parts of the simulation share.
 *
 *   random.c     the seed, the clock (the engine's, too: the linker puts it in the place of lib/clock.c's)
 *   database.c   the ledger's tables and the rows, and how a statement or a transaction takes effect
 *   sink.c       the kd_sink_ops over it: sessions that break, answers that are lost
 *   instance.c   driver and worker, as coroutines around the engine's code
 *   run.c        the scheduler, the faults, the end */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <ucontext.h>

#include "kdirect/sink.h"
#include "sim.h"

enum {
	SIM_PARTITIONS = 3,
	SIM_OFFSETS = 400,   /* of a partition's log */
	SIM_RANGE = 40,      /* offsets of a batch partition at the most */
	SIM_ROWS = 800,      /* identifiers of a partition */
	SIM_INSTANCES = 12,  /* starts of one run */
	SIM_LATE = 8,
	SIM_ORPHANS = 8,
	SIM_STACK = 256 * 1024
};

/* ---- the log ---- */

typedef struct sim_log {
	bool delivered[SIM_OFFSETS]; /* at this offset stands a record that a reader is given; else a hole */
	int64_t stable, high;        /* ends */
} sim_log;

/* ---- the database ---- */

typedef struct sim_row {
	int64_t batch_time_ms;
	kd_range range;
	kd_batch_state state;
} sim_row;

typedef struct sim_part {
	int64_t planned_until, last_batch_time_ms, committed_until;
	kd_owner planner, owner; /* of the rows partition and position */
	sim_row rows[SIM_ROWS];
	int n_rows;
	uint8_t stored[SIM_OFFSETS]; /* rows of each offset in the target */
} sim_part;

typedef struct sim_db {
	int64_t epoch;
	kd_owner owner; /* whose take-over came last */
	sim_part parts[SIM_PARTITIONS];
} sim_db;

/* A data transaction that is open in the server. */
typedef struct sim_tx {
	bool open;
	int part;
	kd_owner me;
	int64_t batch_time_ms;
	kd_range range;
	int64_t rows[SIM_RANGE];
	int n_rows;
} sim_tx;

/* A transaction whose client is gone: it holds its lock until the server notices, or its COMMIT is still on the way. */
typedef struct sim_orphan {
	sim_tx tx;
	bool commit_sent;
	int64_t due_ms;
} sim_orphan;

/* A statement that a proxy holds back. */
typedef struct sim_late {
	bool there;
	bool begins; /* a data transaction, whose client will not be there; else a plan */
	kd_owner me;
	kd_batch_partition entries[SIM_PARTITIONS];
	size_t n;
	int64_t due_ms;
} sim_late;

typedef struct sim_session {
	bool alive;
	struct sim_instance *instance;
	sim_tx tx;
	struct sim_session *next; /* of the instance */
} sim_session;

/* ---- coroutines ---- */

typedef struct sim_routine {
	ucontext_t context;
	bool there;
	int64_t wake_ms;
} sim_routine;

typedef struct sim_world {
	const sim_options *options;
	sim_report *report;
	uint64_t random;
	int64_t mono_ms, wall_ms;
	sim_log logs[SIM_PARTITIONS];
	sim_db db, kept; /* kept: what a backup holds */
	sim_orphan orphans[SIM_ORPHANS];
	sim_late late[SIM_LATE];
	struct sim_instance *instances[SIM_INSTANCES];
	int n_instances;
	bool quiet; /* no more faults: all must come to its end */
	ucontext_t scheduler;
	sim_routine *running;
} sim_world;

extern sim_world *sim;

/* The first thing that must not be. */
void sim_violation(const char *format, ...) KD_PRINTF(1, 2);
void sim_trace(const char *format, ...) KD_PRINTF(1, 2);

/* random.c */
uint64_t sim_random(uint64_t n);  /* 0 .. n - 1 */
bool sim_percent(int tenths);     /* so many in a thousand, and never when it is quiet */

/* run.c: gives the turn away, for at least ms. */
void sim_yield(int64_t ms);

/* ---- database.c ---- */

int sim_find_row(const sim_part *part, int64_t batch_time_ms);
bool sim_same_owner(const kd_owner *a, const kd_owner *b);
/* Each is one transaction that takes effect at once; false: its compare-and-set missed. */
bool sim_db_plan(const kd_owner *me, const kd_batch_partition *entries, size_t n);
bool sim_db_withdraw(const kd_owner *me, const kd_batch_partition *entry);
void sim_db_take_over(const kd_take_over *request);
/* begin: its compare-and-set, and the lock.  The caller has waited for the lock. */
bool sim_db_begin(const kd_owner *me, const kd_batch_partition *entry, sim_tx *ret_tx);
void sim_db_commit(sim_tx *tx);

/* Is the partition's position locked by another one than `mine` (may be NULL)? */
bool sim_is_locked(int part, const sim_tx *mine);
/* Ends whoever holds the lock, as pg_terminate_backend does. */
void sim_end_holder(int part, const sim_tx *mine);
void sim_leave_orphan(const sim_tx *tx, bool commit_sent);
void sim_end_orphan(sim_orphan *orphan, bool commits);
void sim_delay(bool begins, const kd_owner *me, const kd_batch_partition *entries, size_t n);
void sim_arrive(sim_late *late);
void sim_set_back(void);

/* ---- sink.c ---- */

extern const kd_sink_ops sim_sink;
void sim_break_session(sim_session *session);

/* ---- instance.c ---- */

typedef struct sim_instance sim_instance;
bool sim_instance_start(void); /* false: no more of them in this run */
bool sim_instance_lives(const sim_instance *instance);
bool sim_instance_is_frozen(const sim_instance *instance);
void sim_instance_freeze(sim_instance *instance, bool on);
void sim_instance_crash(sim_instance *instance);
bool sim_instance_crashed(const sim_instance *instance);
sim_session **sim_instance_sessions(sim_instance *instance);
sim_routine *sim_instance_routine(sim_instance *instance, int i); /* 0 driver, 1 worker */
void sim_instance_enter(sim_instance *instance); /* before the turn is given to one of its coroutines */
void sim_instance_free(sim_instance *instance);

#endif
