/* SPDX-License-Identifier: Apache-2.0 */
/* The hunt for wrong protocols: scenes of faults, and after each the judge (support/invariants.h), which is the same for
 * all and knows neither the scene nor the protocol.
 *
 *     hunt h;
 *     hunt_open(&h, "skip-by-select");        NULL: the right protocol
 *     hunt_run(&h, hunt_held_commit, 2, 12);  until I2 is found violated, 12 times at most
 *     hunt_close(&h);
 */
#ifndef HUNT_H
#define HUNT_H

#include "invariants.h"
#include "job_fixture.h"
#include "tools/fault_proxy.h"

typedef struct hunt {
	kt_job job;
	kt_producer *plain, *txn;
	kt_notes *notes;
	struct fault_proxy *proxy;
	unsigned int chance;
	int runs, faults;      /* until it was found; kills, freezes, lost answers */
	kt_judgement verdict;  /* of the last run */
	kt_judgement told;     /* what a scene saw itself: exit codes */
} hunt;

typedef void hunt_scene(hunt *h, int run);

hunt_scene hunt_kill;           /* kill -9 at points around plan and commit; the first run has no fault at all */
hunt_scene hunt_lost_commit;    /* a COMMIT's answer is lost */
hunt_scene hunt_held_commit;    /* a COMMIT arrives once the job is back */
hunt_scene hunt_lost_plan;      /* the answer to a plan's COMMIT is lost */
hunt_scene hunt_zombie_plans;   /* frozen before its plan, outlived, woken up before the successor has planned */
hunt_scene hunt_zombie_lands;   /* frozen with a batch that it has read, likewise */
hunt_scene hunt_zombie_commits; /* frozen before COMMIT, likewise */
hunt_scene hunt_clock_back;     /* the last owner's clock was an hour ahead */

/* Prints the seed: KD_SEED, or a new one. */
void hunt_open(hunt *h, const char *wrong);
void hunt_close(hunt *h);
/* True: the judge found it (0: found anything); h->verdict says what all. */
bool hunt_run(hunt *h, hunt_scene *scene, int invariant, int most_runs);

/* ---- parts of a scene: stage.c ---- */

/* Plain records, and a transaction that is committed, and one that is aborted. */
void hunt_feed(hunt *h, int records);
kt_process *hunt_start(hunt *h, const char *fault, bool until_latest);
/* Waits until the process ends; another code than `code` is a finding, of that invariant. */
void hunt_must_end(hunt *h, kt_process *take_process, int code, int invariant);
void hunt_catch_up(hunt *h);
/* Starts the program and waits until it is stopped at the point; NULL: it ended before. */
kt_process *hunt_freeze(hunt *h, const char *fault);

#endif
