/* SPDX-License-Identifier: Apache-2.0 */
/* Zombies: instances that are frozen in mid-work, outlived by a successor, and woken up again (F5-F8, F34; I7, I8).
 *
 *     zombie_stage stage;
 *     zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
 *     zombie_play(&stage, &(zombie_scene) {.frozen = {"sink.copy_mid:2:stop"}, .cut = true});
 *     zombie_play_any(&stage);       as often as one likes: the point or the moment comes from the stage's seed
 *     zombie_judge(&stage);          exactly once, by those who know nothing of the engine
 *     zombie_tell(&stage, "in postgres");
 *     zombie_close(&stage);
 *
 * A stage is one job on one topic of two partitions, and any number of scenes one after another. */
#ifndef ZOMBIE_H
#define ZOMBIE_H

#include "job_fixture.h"
#include "pooler.h"

enum {
	ZOMBIE_MOST_FROZEN = 3,
	ZOMBIE_MOST_TIMES = 1024,
	ZOMBIE_REACH_MS = 30000,  /* to get to a point on a busy machine */
	ZOMBIE_FENCED_MS = 30000, /* to notice; figures tell how long it takes */
	ZOMBIE_FINISH_MS = 90000,
	ZOMBIE_TAKEN_MS = 20000 /* a take-over on a loaded machine; a promise is 2000.  Without an end put to the frozen
				 * sessions it takes 60,000 and more */
};

typedef enum zombie_way { ZOMBIE_DIRECT, ZOMBIE_POOLED /* through pgbouncer in transaction mode */ } zombie_way;

/* Milliseconds, of each time that something happened. */
typedef struct zombie_times {
	int64_t ms[ZOMBIE_MOST_TIMES];
	size_t n;
} zombie_times;

typedef struct zombie_stage {
	kt_job job;
	kt_pooler pooler;
	zombie_way way;
	unsigned int seed;
	zombie_times took_over; /* from a successor's start to its first own commit */
	zombie_times fenced;    /* from a zombie's wake-up to its end */
	int zombies;
} zombie_stage;

typedef struct zombie_scene {
	/* KD_FAULT of each that is frozen, one after another: the next one is frozen as the successor of the one before.
	 * NULL ends the list; "" freezes at a moment of the stage's choice once it owns the job. */
	const char *frozen[ZOMBIE_MOST_FROZEN + 1];
	bool cut;           /* their connections are ended before they wake up */
	bool youngest_first; /* wakes up first */
	bool amid;          /* they wake up while the last successor works, not after it is through */
} zombie_scene;

/* Prints the seed: KD_SEED, or a new one. */
void zombie_open(zombie_stage *stage, kt_store_kind kind, zombie_way way);
void zombie_close(zombie_stage *stage);

/* Freezes, lets a successor do all the work, wakes up; every zombie must end with exit code 3 and, where nobody else
 * works, change nothing: not a row of any table. */
void zombie_play(zombie_stage *stage, const zombie_scene *scene);

/* A scene by chance. */
void zombie_play_any(zombie_stage *stage);

/* Lets the job catch up and fails the test unless every record stands in the table once, as it was, the ledger tiles,
 * and the counter kept by a trigger is exact (I1-I4, I11). */
void zombie_judge(zombie_stage *stage);

/* Prints count, median and most of both times. */
void zombie_tell(const zombie_stage *stage, const char *where);

/* The table t with its counter. */
void zombie_make_table(kt_store *store);

/* ---- parts of a scene ---- */

void zombie_fill(zombie_stage *stage);

/* kdirect run JOB in small batches; fault and then may be NULL. */
kt_process *zombie_start(zombie_stage *stage, const char *fault, const char *then);

/* The same, and waits until the process is stopped; from outside at a random moment where the fault is "". */
kt_process *zombie_freeze(zombie_stage *stage, const char *fault);

/* Milliseconds from `since` (zombie_wall_ms) to the first commit of this process. */
int64_t zombie_first_commit(zombie_stage *stage, kt_process *process, int64_t since);
int64_t zombie_wall_ms(void);

/* All there is in the database, by table; the caller frees it.  Two of them are the same text where nobody committed a
 * change in between. */
char *zombie_snapshot(zombie_stage *stage);

/* Wakes up, and must end fenced. */
void zombie_wake(zombie_stage *stage, kt_process *take_zombie);

/* What the rightful owner must never say: that somebody took its session away. */
void zombie_must_be_undisturbed(kt_process *owner);

/* Ends every session of the job but the test's own (PostgreSQL). */
void zombie_cut(zombie_stage *stage);

void zombie_time(zombie_times *times, int64_t ms);
void zombie_times_tell(const zombie_times *times, const char *what, const char *where);

#endif
