/* SPDX-License-Identifier: Apache-2.0 */
/* A start that is held up on its way into its take-over: it has seen who owns the job, stands still, and somebody who
 * started later takes the job over and works.  Once it goes on it must not take the job back (I7), however late it was
 * stopped: so who owns the job is judged under the lock that the take-over holds, and not before. */
#include <criterion/criterion.h>

#include "zombie.h"

/* The first try saw the epoch and failed; the second one is stopped before it asks the database for anything. */
#define POSTGRES_AGAIN "takeover.before_commit:1:fail,start.before_take_over:2:stop"
#define SQLITE_AGAIN "sqlite.step.before:2:fail,start.before_take_over:2:stop"
/* (SQLite's first step makes the ledger.) */
/* An owner that takes over once more, since it does not trust its memory. */
#define OWNER_AGAIN "progress.settled:1:fail,start.before_take_over:2:stop"

static void play(kt_store_kind kind, zombie_way way, const zombie_scene *scenes, size_t n, const char *where)
{
	zombie_stage stage;

	zombie_open(&stage, kind, way);
	for (size_t i = 0; i < n; i++)
		zombie_play(&stage, &scenes[i]);
	zombie_judge(&stage);
	zombie_tell(&stage, where);
	zombie_close(&stage);
}

/* F5, F8 (I7). */
Test(overtaken, stopped_before_its_take_over_a_start_leaves_the_job_to_who_came_after_it, .timeout = 300)
{
	static const zombie_scene scenes[] = {{.frozen = {POSTGRES_AGAIN}}, {.frozen = {POSTGRES_AGAIN}, .amid = true},
		{.frozen = {OWNER_AGAIN}}, {.frozen = {OWNER_AGAIN}, .cut = true, .amid = true}};

	play(KT_POSTGRES, ZOMBIE_DIRECT, scenes, sizeof(scenes) / sizeof(scenes[0]), "in postgres, before a take-over");
}

/* F34, F5, F8 (I7). */
Test(overtaken, behind_pgbouncer_in_transaction_mode_it_is_the_same, .timeout = 300)
{
	static const zombie_scene scenes[] = {{.frozen = {POSTGRES_AGAIN}}, {.frozen = {OWNER_AGAIN}, .amid = true}};

	play(KT_POSTGRES, ZOMBIE_POOLED, scenes, sizeof(scenes) / sizeof(scenes[0]), "behind pgbouncer, before a take-over");
}

/* F5, F8 (I7). */
Test(overtaken, in_sqlite_it_is_the_same, .timeout = 300)
{
	static const zombie_scene scenes[] = {{.frozen = {SQLITE_AGAIN}}, {.frozen = {OWNER_AGAIN}, .amid = true}};

	play(KT_SQLITE, ZOMBIE_DIRECT, scenes, sizeof(scenes) / sizeof(scenes[0]), "in sqlite, before a take-over");
}
