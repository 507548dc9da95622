/* SPDX-License-Identifier: Apache-2.0 */
/* sim: a world made from one seed: a clock, a log, a database with the ledger, and instances of a job that crash, freeze,
 * lose answers and take each other over.  What decides is the engine's own code: the planner, batch times, what the
 * ledger's answers mean, recovery, range completion, and the commit of a batch partition (lib/commit.c); what is
 * simulated is what it stands on.
 *
 * One thread.  Driver and worker of each instance are coroutines that give the turn away at every call to the outside, so
 * that any interleaving may come.  Nothing depends on addresses, time or threads: a seed replays to the same step.
 *
 *     sim_report report;
 *     sim_run(&(sim_options) {.seed = 42}, &report);
 *     report.violation[0] is 0 where nothing was found */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>

/* Wrong protocols, to see that the judge of the simulation sees them. */
typedef enum sim_wrong {
	SIM_RIGHT,
	SIM_POSITION_OUTSIDE,    /* rows are committed, then position and identifier */
	SIM_PLAN_WITHOUT_EPOCH,  /* whoever knows the position may plan */
	SIM_COMMIT_WITHOUT_EPOCH, /* whoever knows the position may commit */
	SIM_SKIP_BY_SELECT,      /* begin reads whether the identifier is committed, and compares nothing */
	SIM_TIME_FROM_CLOCK,     /* a batch time is what the clock says */
	SIM_UNTIL_FROM_HIGH,     /* until is the high watermark, not the last stable offset */
	SIM_WRONGS
} sim_wrong;

typedef struct sim_options {
	uint64_t seed;
	sim_wrong wrong;
	bool goes_back; /* the database may be set back to an earlier state */
	bool traced;    /* tell every step on stderr */
} sim_options;

typedef struct sim_report {
	char violation[256]; /* "" for none: "I2: ...", with the step */
	int64_t batches, batch_partitions; /* planned, committed */
	int64_t steps, starts, crashes, freezes, lost_answers, late, went_back, fenced;
} sim_report;

void sim_run(const sim_options *options, sim_report *ret_report);

const char *sim_wrong_name(sim_wrong wrong);

#endif
