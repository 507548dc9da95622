/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign of crashes: one job, records that keep coming (a quarter of the transactions is aborted), and a program
 * that is killed again and again, at named fault points and at random.  At the end everything is committed once more
 * and judged by those who know nothing of the engine: the oracle, a trigger's counter, plain SQL. */
#ifndef CRASH_H
#define CRASH_H

#include <pthread.h>
#include <stdatomic.h>

#include "job_fixture.h"
#include "job_judge.h"

/* How a start gets to a fault point. */
typedef enum crash_way {
	CRASH_ALWAYS,    /* by working */
	CRASH_AT_START,  /* once, by starting */
	CRASH_GROWN,     /* by finding a new partition */
	CRASH_NARROWED,  /* by finding a plan larger than what is allowed now */
	CRASH_PRUNING    /* by finding identifiers older than ledger_keep_days */
} crash_way;

typedef struct crash_point {
	const char *name;
	bool sqlite, postgres; /* passed through with this sink */
	crash_way way;
} crash_point;

/* Every point of lib/ and sinks/; ended by a NULL name.  A test holds it against the sources. */
extern const crash_point crash_points[];

typedef struct crash_campaign {
	kt_job job;
	const char *flags[16]; /* of each run; ended by NULL */
	unsigned int seed;
	int partitions;
	int kills_at_random, kills_at_points, points;
	pthread_t source;
	atomic_bool source_ends;
	atomic_long produced; /* committed and aborted */
} crash_campaign;

/* Makes topic, table with its counting trigger, and job, and lets the records come.  Prints the seed: KD_SEED, or a new
 * one. */
void crash_open(crash_campaign *campaign, kt_store_kind kind);
void crash_close(crash_campaign *campaign);

/* Starts the program and kills it after up to most_ms. */
void crash_at_random(crash_campaign *campaign, int most_ms);

/* Kills it at the hit-th pass through the point; fails the test where the point is not reached. */
void crash_at_point(crash_campaign *campaign, const crash_point *point, int hit);

/* Every point of the sink, hits 1 to 3. */
void crash_at_all_points(crash_campaign *campaign);

/* Ends the source, lets the job catch up, judges, prints the counts, and fails the test on any finding. */
void crash_judge(crash_campaign *campaign, int least_kills);

#endif
