/* SPDX-License-Identifier: Apache-2.0 */
/* Failures and signals at every fault point that a sink's job passes.  One job goes through all of it: records come,
 * the program runs until it has landed them, and each run finds what the one before left behind.
 *
 * Which points there are a run without a fault tells, by KD_FAULT_TRACE; it must have told of every point of the
 * sources that is not another sink's. */
#ifndef POINTS_H
#define POINTS_H

#include "job_fixture.h"
#include "job_judge.h"

#define POINTS_MOST 96

typedef struct points_sink {
	const char *name;
	kt_store_kind store;
	/* Writes the job file.  more: its further keys as JSON. */
	void (*write)(kt_job *job, const char *more);
	/* Fails the test unless all records are there, each once; fed: how many. */
	void (*must_be_once)(kt_job *job, int64_t fed, const char *after);
	/* The same with their content and the ledger. */
	void (*judge)(kt_job *job);
	const char *const *others; /* how names of points begin that its jobs never pass; ended by NULL */
} points_sink;

/* By plain SQL, in job_store.h's databases. */
extern const points_sink points_sqlite, points_postgres;

typedef struct point {
	char name[64];
	long passes; /* in a run */
} point;

typedef struct points_campaign {
	const points_sink *sink;
	kt_job job;
	kt_producer *producer;
	char *trace; /* KD_FAULT_TRACE */
	int partitions;
	int64_t fed;
	point points[POINTS_MOST];
	int n_points;
	int runs, acted;
	int64_t worst_ms; /* from a signal to the end */
} points_campaign;

/* Opens the campaign and learns which points there are. */
void points_open(points_campaign *c, const points_sink *sink);
/* Lands the rest, judges, prints, and closes. */
void points_close(points_campaign *c);

/* Records for a run. */
void points_feed(points_campaign *c);
/* Starts the program until latest, under a wrapper's program (NULL: none), with two settings; trace holds its passes. */
kt_process *points_start(points_campaign *c, const char *wrapper, const char *fault, const char *set,
	const char *another);
/* Did an entry of KD_FAULT act at the point, in the last run? */
bool points_acted(const points_campaign *c, const char *name, const char *action);

/* At the first pass through each point.  again: at the second one, too; where there was none, at both, since the
 * recovery from the first may pass there again. */
void points_fail(points_campaign *c, bool again);
/* SIGTERM, SIGINT and SIGHUP.  twice: a second signal at the same moment, too, which ends it at once. */
void points_signal(points_campaign *c, bool twice);

#endif
