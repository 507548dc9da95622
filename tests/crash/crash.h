/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign of crashes: one job, records that come before every run (a quarter of the transactions is aborted), and a
 * program that is killed again and again: at each named fault point, at its 1st, 2nd, 3rd ... hit until a run survives;
 * twice, the second time within the recovery of the first; and at random.  At the end everything is committed once more
 * and judged by those who know nothing of the engine: the oracle, a trigger's counter, plain SQL.
 *
 *     crash_open(&campaign, &crash_postgres);
 *     crash_at_random(&campaign, 900);
 *     crash_until_all_survive(&campaign);
 *     crash_pairs(&campaign, 40);
 *     crash_judge(&campaign, "crash", 150);
 *     crash_close(&campaign);
 *
 * or crash_everything().
 * crash.c: the points and the kills.  crash_source.c: the records.  crash_tables.c, crash_files.c, crash_kafka.c: what
 * there is to know of a sink. */
#ifndef CRASH_H
#define CRASH_H

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

enum { CRASH_MOST_POINTS = 100 };

typedef struct crash_point {
	const char *name;
	bool sqlite, postgres; /* passed through with this sink */
	crash_way way;
} crash_point;

/* Every point of lib/ and sinks/; ended by a NULL name.  A test holds it against the sources. */
extern const crash_point crash_points[];

typedef struct crash_campaign crash_campaign;

/* What the judge found. */
typedef struct crash_finding {
	int64_t rows, missing, doubled;
	int64_t wrong;  /* of any other kind */
	char *what;     /* in words, for the summary; freed by the campaign */
} crash_finding;

typedef struct crash_sink {
	const char *name;
	kt_store_kind store; /* of the job's own database */
	kt_fill_fn *fill;    /* makes the records, with the campaign's source; NULL: any */
	bool (*passes)(const crash_point *point);
	/* Makes the target, and writes the job's file. */
	void (*open)(crash_campaign *campaign);
	/* More than the point's way asks for, before a run; NULL: nothing. */
	void (*prepare)(crash_campaign *campaign, const crash_point *point);
	/* Once all is committed. */
	crash_finding (*judge)(crash_campaign *campaign);
	void (*close)(crash_campaign *campaign);
} crash_sink;

extern const crash_sink crash_postgres, crash_sqlite, crash_file, crash_kafka;

typedef struct crash_source {
	unsigned int seed;
	int64_t number; /* of the next record */
	kt_producer *plain, *txn;
	kt_notes *notes; /* of all that was acknowledged */
} crash_source;

struct crash_campaign {
	const crash_sink *sink;
	kt_job job;
	void *state; /* the sink's */
	const char *flags[8]; /* of each run; ended by NULL */
	unsigned int seed, chance; /* as given; and as it goes on */
	crash_source source;
	int work;      /* records, before a run */
	int large_one_in, large_work; /* of so many runs one has far more records, in large batches; 0: none */
	int each_hit;  /* of a point up to this one, then the double of the one before */
	int partitions;
	int points;    /* that were crashed at */
	int at_points, at_random, pairs; /* kills, and double faults: two kills each, which count as at_points, too */
	int64_t killing_ms; /* what the runs that were killed took */
};

/* Makes topic, target and job, and brings the first records.  Prints the seed: KD_SEED, or a new one. */
void crash_open(crash_campaign *campaign, const crash_sink *sink);
void crash_close(crash_campaign *campaign);
/* The same without records, seed and word: for tests that want a job of the sink alone. */
void crash_open_job(crash_campaign *campaign, const crash_sink *sink, int partitions);
void crash_close_job(crash_campaign *campaign);
/* The points of a sink, in the table's order; returns how many. */
int crash_points_of(const crash_sink *sink, const crash_point **ret_points);

/* ---- records: crash_source.c ---- */

void crash_source_open(crash_campaign *campaign);
void crash_source_close(crash_campaign *campaign);
/* Half of them plain, half in a transaction, which is aborted one time in four. */
void crash_feed(crash_campaign *campaign, int64_t records);

/* ---- kills ---- */

/* kdirect run JOB FLAGS [--until-latest], with a fault or NULL. */
kt_process *crash_start(crash_campaign *campaign, const char *fault, bool until_latest);
/* Starts the program and kills it after up to most_ms, while records come. */
void crash_at_random(crash_campaign *campaign, int most_ms);
/* Everything that is there is committed. */
void crash_catch_up(crash_campaign *campaign);

/* Brings records, and starts the program until it has committed them: true where it was killed at the hit-th pass
 * through the point, false where it survived. */
bool crash_at_point(crash_campaign *campaign, const crash_point *point, int hit);
/* At hit 1, 2, 3 ..., far out in larger steps, until a run survives; fails the test where already the first one does. */
void crash_until_survived(crash_campaign *campaign, const crash_point *point);
void crash_until_all_survive(crash_campaign *campaign);
/* Killed at p, killed at q by the start after it, then a run that must end well. */
void crash_pair(crash_campaign *campaign, const crash_point *p, const crash_point *q);
/* A sample of n pairs of all points. */
void crash_pairs(crash_campaign *campaign, int n);

/* Lets the job catch up, judges, prints "SUITE: N kills ...", and fails the test on any finding. */
void crash_judge(crash_campaign *campaign, const char *suite, int least_kills);
/* A whole campaign: at random, at all points, pairs of them, at random, judged, told. */
void crash_everything(const crash_sink *sink, const char *suite, int at_random, int most_ms, int pairs, int least_kills);
/* The same in parts: the finding's words are the caller's to free. */
crash_finding crash_find(crash_campaign *campaign);
void crash_tell(const crash_campaign *campaign, const char *suite, const crash_finding *finding);
void crash_must_be_clean(const crash_finding *finding);
/* `kdirect audit JOB [FLAG]` must find nothing. */
void crash_audit(kt_job *job, const char *flag);

#endif
