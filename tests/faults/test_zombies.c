/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen instances: a successor takes over at once and finishes; whoever wakes up changes nothing and ends with exit
 * code 3 (I7, I8). */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"
#include "zombie.h"

/* ---- one frozen owner ---- */

typedef struct act {
	const char *fault;
	bool cut; /* its connections are ended meanwhile, and it reconnects */
} act;

static void play_all(kt_store_kind kind, zombie_way way, const char *where, const act *acts, size_t n)
{
	zombie_stage stage;

	zombie_open(&stage, kind, way);
	for (size_t i = 0; i < n; i++)
		zombie_play(&stage, &(zombie_scene) {.frozen = {acts[i].fault}, .cut = acts[i].cut});
	zombie_judge(&stage);
	zombie_tell(&stage, where);
	zombie_close(&stage);
}

#define PLAY_ALL(kind, way, where, acts) play_all(kind, way, where, acts, sizeof(acts) / sizeof((acts)[0]))

/* F5, F6, F7 (I2, I7, I8): in the data transaction, before COMMIT, and when COMMIT was sent and not answered. */
Test(zombies, frozen_in_its_data_transaction_an_owner_is_outlived_and_changes_nothing, .timeout = 300)
{
	static const act acts[] = {{"sink.before_commit:2:stop", false}, {"sink.before_commit:3:stop", true},
		{"sink.copy_mid:2:stop", false}, {"sink.copy_mid:3:stop", true}, {"sink.commit_sent:2:stop", false},
		{"sink.commit_sent:3:stop", true}, {"sink.after_begin:2:stop", false}, {"sink.after_commit:2:stop", false},
		{"commit.done:2:stop", false}};

	PLAY_ALL(KT_POSTGRES, ZOMBIE_DIRECT, "in postgres, in a data transaction", acts);
}

/* F5 (I6, I7, I8): around its plan. */
Test(zombies, frozen_at_its_plan_an_owner_is_outlived_and_changes_nothing, .timeout = 300)
{
	static const act acts[] = {{"plan.before_commit:2:stop", false}, {"plan.before_commit:3:stop", true},
		{"plan.commit_sent:2:stop", false}, {"plan.after_durable:2:stop", false}, {"plan.after_durable:3:stop", true},
		{"plan.before_durable:2:stop", false}};

	PLAY_ALL(KT_POSTGRES, ZOMBIE_DIRECT, "in postgres, at a plan", acts);
}

/* F5, F8 (I7, I8): in its own take-over, which somebody who started later has finished meanwhile. */
Test(zombies, frozen_in_its_take_over_an_instance_does_not_take_the_job_back, .timeout = 300)
{
	static const act acts[] = {{"start.owned:1:stop", false}, {"start.replayed:1:stop", true},
		{"takeover.commit_sent:1:stop", false}, {"takeover.commit_sent:1:stop", true},
		{"takeover.before_commit:1:stop", false}, {"takeover.locked:1:stop", false}};

	PLAY_ALL(KT_POSTGRES, ZOMBIE_DIRECT, "in postgres, in a take-over", acts);
}

/* ---- while the successor works ---- */

/* F5-F7 (I2, I7). */
Test(zombies, woken_up_while_its_successor_works_a_zombie_is_fenced, .timeout = 300)
{
	static const act acts[] = {{"sink.before_commit:2:stop", false}, {"sink.copy_mid:3:stop", true},
		{"sink.commit_sent:2:stop", false}, {"plan.after_durable:3:stop", true}, {"plan.before_commit:2:stop", false}};
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		zombie_play(&stage, &(zombie_scene) {.frozen = {acts[i].fault}, .cut = acts[i].cut, .amid = true});
	zombie_judge(&stage);
	zombie_tell(&stage, "in postgres, in mid-work");
	zombie_close(&stage);
}

/* The successor stands still in its own transaction, with the locks that the zombie asks for: it must not be ended. */
static void leave_the_owner_alone(zombie_stage *stage, const char *zombie_at, const char *owner_at)
{
	kt_process *zombie, *owner;

	zombie_fill(stage);
	zombie = zombie_freeze(stage, zombie_at);
	owner = zombie_freeze(stage, owner_at);
	zombie_wake(stage, zombie);
	kt_process_signal(owner, SIGCONT);
	kt_job_await(&stage->job, 1, ZOMBIE_FINISH_MS, "select (min(planned_until) > 0 and min(planned_until) ="
		" min(committed_until))::int from @partition join @position using (job, partition_index)");
	zombie_must_be_undisturbed(owner);
	kt_process_signal(owner, SIGTERM);
	kt_job_must_end(owner, 0, NULL, ZOMBIE_FENCED_MS);
}

/* F5-F7 (I7, I8). */
Test(zombies, a_zombie_that_waits_for_the_rightful_owner_ends_itself_and_not_the_owner, .timeout = 300)
{
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	leave_the_owner_alone(&stage, "sink.copy_mid:3:stop", "sink.copy_mid:2:stop");
	leave_the_owner_alone(&stage, "commit.done:2:stop", "sink.before_commit:2:stop");
	leave_the_owner_alone(&stage, "plan.after_durable:2:stop", "plan.before_commit:2:stop");
	zombie_judge(&stage);
	zombie_close(&stage);
}

/* ---- several ---- */

/* F5-F7 (I2, I7, I8): also in their take-over; whoever wakes up first. */
Test(zombies, of_several_frozen_one_after_another_none_changes_anything, .timeout = 300)
{
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	zombie_play(&stage, &(zombie_scene) {.frozen = {"sink.copy_mid:2:stop", "sink.before_commit:2:stop"}});
	zombie_play(&stage, &(zombie_scene) {.frozen = {"plan.before_commit:2:stop", "sink.copy_mid:2:stop",
		"sink.commit_sent:2:stop"}, .youngest_first = true, .cut = true});
	zombie_play(&stage, &(zombie_scene) {.frozen = {"sink.commit_sent:2:stop", "takeover.before_commit:1:stop"},
		.amid = true});
	zombie_judge(&stage);
	zombie_tell(&stage, "in postgres, from several");
	zombie_close(&stage);
}

/* F5-F8 (I2, I7, I8): KD_SEED repeats it. */
Test(zombies, at_any_point_and_any_moment_an_owner_is_outlived, .timeout = 300)
{
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_DIRECT);
	for (int i = 0; i < 6; i++)
		zombie_play_any(&stage);
	zombie_judge(&stage);
	zombie_tell(&stage, "in postgres, by chance");
	zombie_close(&stage);
}

/* ---- behind pgbouncer ---- */

/* F34, F5-F7 (I2, I7, I8). */
Test(zombies, behind_pgbouncer_in_transaction_mode_all_of_it_holds, .timeout = 300)
{
	static const act acts[] = {{"sink.before_commit:2:stop", false}, {"sink.copy_mid:2:stop", true},
		{"sink.commit_sent:2:stop", false}, {"plan.before_commit:2:stop", true}, {"plan.after_durable:2:stop", false},
		{"takeover.before_commit:1:stop", false}, {"", true}};

	PLAY_ALL(KT_POSTGRES, ZOMBIE_POOLED, "behind pgbouncer", acts);
}

/* F34, F5-F7 (I2, I7, I8). */
Test(zombies, behind_pgbouncer_several_are_outlived_and_none_disturbs_the_owner, .timeout = 300)
{
	zombie_stage stage;

	zombie_open(&stage, KT_POSTGRES, ZOMBIE_POOLED);
	zombie_play(&stage, &(zombie_scene) {.frozen = {"sink.copy_mid:2:stop", "sink.before_commit:2:stop"}, .amid = true});
	leave_the_owner_alone(&stage, "commit.done:2:stop", "sink.copy_mid:2:stop");
	zombie_judge(&stage);
	zombie_tell(&stage, "behind pgbouncer, from several");
	zombie_close(&stage);
}

/* ---- who cannot be ended ---- */

/* A frozen instance that its successor may not end, or cannot: it gives up in the end, and must have named it. */
typedef struct doomed {
	zombie_stage stage;
	kt_process *holder, *successor;
	int64_t began;
} doomed;

static void doom(doomed *d, const char *fault)
{
	zombie_fill(&d->stage);
	d->holder = zombie_freeze(&d->stage, fault);
	d->began = kt_now_ms();
}

/* Exit code 4, and the holder goes on when it wakes up: nobody took the job over. */
static void end_doomed(doomed *d, const char *what, const char *const *said)
{
	int code = kt_process_wait(d->successor, ZOMBIE_FINISH_MS);

	cr_assert_eq(code, 4, "ended with %d:\n%s", code, kt_process_stderr(d->successor));
	for (; *said; said++)
		cr_assert(strstr(kt_process_stderr(d->successor), *said), "did not say \"%s\":\n%s", *said,
			kt_process_stderr(d->successor));
	printf("faults: 1 successor that could not end a frozen holder (%s) gave up with exit 4 after %d ms\n", what,
		(int) (kt_now_ms() - d->began));
	kt_process_free(d->successor);
	kt_process_signal(d->holder, SIGCONT);
	kt_job_await(&d->stage.job, 600, ZOMBIE_FINISH_MS, "select count(*) from t");
	kt_process_signal(d->holder, SIGTERM);
	kt_job_must_end(d->holder, 0, NULL, ZOMBIE_FENCED_MS);
	zombie_judge(&d->stage);
	zombie_close(&d->stage);
}

/* A lock is waited for a quarter of it, and named then; a start goes on trying for 30 s whatever it says. */
static const char holders_patience[] = "\"retry_timeout_ms\": 240000";
static const char successors_patience[] = "\"retry_timeout_ms\": 3000";

static void connect_as(zombie_stage *stage, const char *role, const char *patience)
{
	free(stage->job.store.sink);
	stage->job.store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"%s%s%s\"", stage->job.store.pg.dsn,
		*role ? " user=" : "", role);
	kt_job_write(&stage->job, patience);
}

/* The holder is a superuser's, its successor runs as a role that has just what `check --sql` prints. */
static void doom_by_rights(doomed *d)
{
	kt_job *job = &d->stage.job;

	zombie_open(&d->stage, KT_POSTGRES, ZOMBIE_DIRECT);
	kt_store_exec(&job->store, "do 'begin create role kdirect_job login; exception when duplicate_object then null; end'");
	connect_as(&d->stage, "kdirect_job", NULL);
	kt_process *check = kt_kdirect(job->dir, NULL, "check", job->path, "--sql", NULL);
	cr_assert_eq(kt_process_wait(check, 30000), 0, "%s", kt_process_stderr(check));
	kt_pg_exec(&job->store.pg, "%s", kt_process_stdout(check));
	kt_process_free(check);
	connect_as(&d->stage, "", holders_patience);
	doom(d, "sink.copy_mid:2:stop");
	connect_as(&d->stage, "kdirect_job", successors_patience);
	d->successor = zombie_start(&d->stage, NULL, NULL);
}

/* Whatever the holder's lander holds: its pid is asked for by its lock. */
static int holder_of_position(kt_store *store)
{
	return (int) kt_store_int(store, "select pid from pg_locks l join pg_stat_activity a using (pid)"
		" where l.relation = 'kdirect.position'::regclass and l.mode = 'RowExclusiveLock' and l.granted"
		" and a.application_name like 'kdirect/j/worker-%%'");
}

static void doom_by_sqlite(doomed *d)
{
	zombie_open(&d->stage, KT_SQLITE, ZOMBIE_DIRECT);
	doom(d, "sqlite.position_moved:2:stop");
	d->successor = zombie_start(&d->stage, NULL, NULL);
}

/* F5, F6 (I8, I10): SQLite's lock cannot be taken from a process, and a superuser's session cannot be ended by others
 * (42501): the successor tells who it is, and ends with exit code 4, so that it is started again.  A start waits 30 s:
 * meanwhile the frozen who hold no lock are outlived in SQLite too (F5; at the first passes no other thread of the
 * owner is in a transaction). */
Test(zombies, a_frozen_holder_that_cannot_be_ended_is_named, .timeout = 300)
{
	static const act acts[] = {{"start.owned:1:stop", false}, {"start.replayed:1:stop", false},
		{"plan.before_durable:1:stop", false}, {"plan.after_durable:1:stop", false}};
	doomed sqlite, postgres;

	doom_by_sqlite(&sqlite);
	doom_by_rights(&postgres);
	int pid = holder_of_position(&postgres.stage.job.store);
	char *named = kt_format("held by pid %d", (int) kt_process_pid(sqlite.holder));
	char *backend = kt_format("waiting for session %d of role \\\"postgres\\\"", pid);
	char *statement = kt_format("select pg_terminate_backend(%d)", pid);
	PLAY_ALL(KT_SQLITE, ZOMBIE_DIRECT, "in sqlite, without the lock", acts);
	end_doomed(&sqlite, "sqlite's write lock", (const char *const[]) {named, NULL});
	end_doomed(&postgres, "a superuser's session", (const char *const[]) {backend, statement, "42501", NULL});
	free(named);
	free(backend);
	free(statement);
}
