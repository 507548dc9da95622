/* SPDX-License-Identifier: Apache-2.0 */
/* Several instances of one job started at one moment: one of them owns the job and goes on, the others end with exit
 * code 3, and nothing lands twice (F8; I2, I3, I7). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "wait.h"
#include "zombie.h"

enum { MOST = 8 };

typedef struct rivals {
	zombie_stage *stage;
	kt_process *process[MOST]; /* NULL: it ended, and was judged */
	int64_t ended[MOST];       /* when, by the wall clock; 0: it runs */
	int n, running;
} rivals;

static void open_stage(zombie_stage *stage, kt_store_kind kind, zombie_way way)
{
	zombie_open(stage, kind, way);
	zombie_fill(stage);
}

/* Nobody may end but by being fenced, and one may not end at all. */
static bool one_is_left(void *opaque)
{
	rivals *r = opaque;

	for (int i = 0; i < r->n; i++) {
		if (!r->process[i] || kt_process_running(r->process[i]))
			continue;
		r->ended[i] = zombie_wall_ms();
		kt_check(r->running > 1, "nobody is left; the last one said:\n%s", kt_process_stderr(r->process[i]));
		kt_job_must_end(r->process[i], 3, "taken over by a newer instance", 0);
		r->process[i] = NULL;
		r->running--;
	}
	return r->running == 1;
}

static int who_is_left(const rivals *r)
{
	int i = 0;

	while (!r->process[i])
		i++;
	return i;
}

/* The one that is left is the one that took the job over last, and it works. */
static void judge_owner(const rivals *r, const kt_process *owner)
{
	kt_job *job = &r->stage->job;
	int64_t newest = kt_store_int(&job->store, "select pid from @instance order by epoch desc limit 1");

	cr_assert_eq(newest, kt_process_pid(owner), "pid %" PRId64 " has the newest epoch, pid %d is left", newest,
		(int) kt_process_pid(owner));
	int64_t rows = kt_store_int(&job->store, "select count(*) from t");
	kt_job_fill(job, 0, 20);
	kt_job_await(job, rows + 20, ZOMBIE_FINISH_MS, "select count(*) from t");
}

static int64_t last_taken_over(kt_store *store)
{
	const char *ms = store->kind == KT_POSTGRES ? "(extract(epoch from taken_over_at) * 1000)::bigint" : "taken_over_at";

	return kt_store_int(store, "select %s from @instance order by epoch desc limit 1", ms);
}

/* How long after the last take-over the others were gone. */
static void note_ends(const rivals *r)
{
	int64_t taken = last_taken_over(&r->stage->job.store);

	for (int i = 0; i < r->n; i++)
		if (r->ended[i])
			zombie_time(&r->stage->fenced, r->ended[i] > taken ? r->ended[i] - taken : 0);
}

static void race(zombie_stage *stage, int n, const char *fault)
{
	rivals r = {.stage = stage, .n = n, .running = n};

	for (int i = 0; i < n; i++)
		r.process[i] = zombie_start(stage, fault, NULL);
	kt_check(kt_wait_until(one_is_left, &r, ZOMBIE_FENCED_MS), "%d of %d are left", r.running, n);
	kt_process *owner = r.process[who_is_left(&r)];
	note_ends(&r);
	judge_owner(&r, owner);
	kt_process_signal(owner, SIGTERM);
	kt_job_must_end(owner, 0, NULL, ZOMBIE_FENCED_MS);
	zombie_fill(stage);
}

static void close_stage(zombie_stage *stage, const char *where)
{
	zombie_judge(stage);
	zombie_times_tell(&stage->fenced, "rivals ended after the last take-over", where);
	zombie_close(stage);
}

/* F8 (I2, I3, I7): first of all where there is no ledger yet. */
Test(rivals, of_two_to_eight_started_at_once_the_newest_owner_is_left, .timeout = 300)
{
	static const int numbers[] = {8, 2, 3, 5, 8};
	zombie_stage stage;

	open_stage(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		race(&stage, numbers[i], NULL);
	close_stage(&stage, "in postgres");
}

/* F8 (I7, I8): each is in its take-over for longer than the others wait before they end it. */
Test(rivals, starts_that_end_each_others_take_over_come_to_an_end, .timeout = 300)
{
	zombie_stage stage;

	open_stage(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	race(&stage, 2, "takeover.before_commit:1:sleep:900");
	race(&stage, 4, "takeover.locked:1:sleep:900");
	close_stage(&stage, "in postgres, slow in their take-over");
}

/* F34, F8 (I2, I3, I7). */
Test(rivals, behind_pgbouncer_in_transaction_mode_it_is_the_same, .timeout = 300)
{
	zombie_stage stage;

	open_stage(&stage, KT_POSTGRES, ZOMBIE_POOLED);
	race(&stage, 8, NULL);
	race(&stage, 4, NULL);
	close_stage(&stage, "behind pgbouncer");
}

/* F8 (I2, I3, I7). */
Test(rivals, in_sqlite_it_is_the_same, .timeout = 300)
{
	zombie_stage stage;

	open_stage(&stage, KT_SQLITE, ZOMBIE_DIRECT);
	race(&stage, 8, NULL);
	race(&stage, 2, NULL);
	race(&stage, 5, NULL);
	close_stage(&stage, "in sqlite");
}
