/* SPDX-License-Identifier: Apache-2.0 */
/* Zombies: see zombie.h. */
#include "zombie.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "holding.h"
#include "tmpdir.h"
#include "wait.h"

enum {
	PARTITIONS = 2,
	RECORDS = 300,  /* of a partition and a scene: some ten batches */
	MORE = 60,      /* that come while somebody is frozen: a successor always has work of its own */
	POOL = 8,       /* server sessions: frozen transactions keep theirs */
	MOMENT_MS = 400
};

static const char small_batches[] = "batch.max_records_per_batch=60";

int64_t zombie_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- times ---- */

void zombie_time(zombie_times *times, int64_t ms)
{
	if (times->n < ZOMBIE_MOST_TIMES)
		times->ms[times->n++] = ms;
}

static int by_size(const void *a, const void *b)
{
	int64_t one = *(const int64_t *) a, other = *(const int64_t *) b;

	return (one > other) - (one < other);
}

void zombie_times_tell(const zombie_times *times, const char *what, const char *where)
{
	zombie_times sorted = *times;
	size_t quick = 0;

	if (sorted.n == 0)
		return;
	qsort(sorted.ms, sorted.n, sizeof(sorted.ms[0]), by_size);
	while (quick < sorted.n && sorted.ms[quick] < 2000)
		quick++;
	printf("faults: %zu %s %s: median %" PRId64 " ms, most %" PRId64 " ms, %zu of %zu under 2 s\n", sorted.n, what, where,
		sorted.ms[sorted.n / 2], sorted.ms[sorted.n - 1], quick, sorted.n);
	fflush(stdout);
}

void zombie_tell(const zombie_stage *stage, const char *where)
{
	zombie_times_tell(&stage->took_over, "take-overs from a frozen owner", where);
	zombie_times_tell(&stage->fenced, "zombies woken up and fenced", where);
}

/* ---- the stage ---- */

static unsigned int choose_seed(void)
{
	const char *given = getenv("KD_SEED");

	return given ? (unsigned int) strtoul(given, NULL, 10) : (unsigned int) zombie_wall_ms() % 1000000;
}

/* Idle sessions are given up after half of this: far more than a take-over may take, so that none rests on it. */
static const char patience[] = "\"retry_timeout_ms\": 240000";

void zombie_open(zombie_stage *stage, kt_store_kind kind, zombie_way way)
{
	kt_job *job = &stage->job;

	memset(stage, 0, sizeof(*stage));
	stage->seed = choose_seed();
	stage->way = way;
	fprintf(stderr, "zombies: KD_SEED=%u\n", stage->seed);
	kt_job_open(job, kind, PARTITIONS);
	if (way == ZOMBIE_POOLED) {
		kt_pooler_start(&stage->pooler, &job->store.pg, POOL);
		free(job->store.sink);
		job->store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"%s\"", stage->pooler.dsn);
	}
	kt_job_write(job, patience);
	zombie_make_table(&job->store);
}

void zombie_close(zombie_stage *stage)
{
	if (stage->way == ZOMBIE_POOLED)
		kt_pooler_stop(&stage->pooler);
	kt_job_close(&stage->job);
}

static void fill(zombie_stage *stage, int64_t records)
{
	for (int p = 0; p < PARTITIONS; p++)
		kt_job_fill(&stage->job, p, records);
}

void zombie_fill(zombie_stage *stage)
{
	fill(stage, RECORDS);
}

/* ---- instances ---- */

kt_process *zombie_start(zombie_stage *stage, const char *fault, const char *then)
{
	return kt_job_start(&stage->job, fault, "--set", small_batches, then, NULL);
}

/* Before it owns the job it would not be a zombie but a newcomer, which may take the job over. */
static void freeze_at_any_moment(zombie_stage *stage, kt_process *process)
{
	int64_t until = 0;

	kt_check(kt_process_says(process, "owner of job", ZOMBIE_REACH_MS), "%s", kt_process_stderr(process));
	until = kt_now_ms() + rand_r(&stage->seed) % MOMENT_MS;
	while (kt_now_ms() < until)
		kt_pause();
	kt_process_signal(process, SIGSTOP);
}

kt_process *zombie_freeze(zombie_stage *stage, const char *fault)
{
	kt_process *process = zombie_start(stage, *fault ? fault : NULL, NULL);

	fprintf(stderr, "zombies: frozen at %s\n", *fault ? fault : "any moment");
	if (!*fault)
		freeze_at_any_moment(stage, process);
	kt_check(kt_wait_until(kt_process_is_stopped, process, ZOMBIE_REACH_MS), "not stopped at %s:\n%s", fault,
		kt_process_stderr(process));
	return process;
}

static char *first_commit(zombie_stage *stage, kt_process *process)
{
	kt_store *store = &stage->job.store;
	const char *ms = store->kind == KT_POSTGRES ? "(extract(epoch from min(b.committed_at)) * 1000)::bigint"
						    : "min(b.committed_at)";

	return kt_store_text(store,
		"select %s from @batch_partition b join @instance i on i.owner = b.instance where i.pid = %d", ms,
		(int) kt_process_pid(process));
}

int64_t zombie_first_commit(zombie_stage *stage, kt_process *process, int64_t since)
{
	int64_t end = kt_now_ms() + ZOMBIE_REACH_MS, ms = 0;

	while (ms == 0) {
		bool running = kt_process_running(process);
		char *text = first_commit(stage, process);
		ms = strtoll(text, NULL, 10);
		free(text);
		kt_check(ms || (running && kt_now_ms() < end), "no commit by the successor:\n%s", kt_process_stderr(process));
		if (!ms)
			kt_pause();
	}
	return ms - since;
}

void zombie_wake(zombie_stage *stage, kt_process *take_zombie)
{
	int64_t woken = kt_now_ms();

	kt_process_signal(take_zombie, SIGCONT);
	kt_job_must_end(take_zombie, 3, "taken over by a newer instance", ZOMBIE_FENCED_MS);
	zombie_time(&stage->fenced, kt_now_ms() - woken);
	stage->zombies++;
}

void zombie_cut(zombie_stage *stage)
{
	kt_store_exec(&stage->job.store, "select pg_terminate_backend(pid) from pg_stat_activity"
		" where datname = current_database() and pid <> pg_backend_pid()");
}

/* ---- what there is ---- */

/* Its xmin changes when a row is written anew, even with the same values. */
static char *postgres_snapshot(kt_pg *pg)
{
	PGresult *tables = kt_pg_query(pg, "select format('%%I.%%I', schemaname, tablename) from pg_tables"
		" where schemaname not in ('pg_catalog', 'information_schema') order by 1");
	char *all = kt_format("%s", "");

	for (int i = 0; i < PQntuples(tables); i++) {
		const char *name = PQgetvalue(tables, i, 0);
		char *sum = kt_pg_value(pg, "select count(*) || ' rows, ' || coalesce(md5(string_agg(xmin::text || x::text, '|'"
			" order by xmin::text::bigint, x::text)), '') from %s x", name);
		char *longer = kt_format("%s%s: %s\n", all, name, sum);
		free(all);
		free(sum);
		all = longer;
	}
	PQclear(tables);
	return all;
}

char *zombie_snapshot(zombie_stage *stage)
{
	kt_store *store = &stage->job.store;

	if (store->kind == KT_POSTGRES)
		return postgres_snapshot(&store->pg);
	/* it changes whenever another connection commits a change */
	return kt_store_text(store, "pragma data_version");
}

/* ---- a scene ---- */

static void wake_all(zombie_stage *stage, const zombie_scene *scene, kt_process **zombie, size_t n)
{
	for (size_t i = 0; i < n; i++)
		zombie_wake(stage, zombie[scene->youngest_first ? n - 1 - i : i]);
}

static void wake_all_after(zombie_stage *stage, const zombie_scene *scene, kt_process **zombie, size_t n)
{
	char *before, *after;

	if (scene->cut)
		zombie_cut(stage);
	before = zombie_snapshot(stage);
	wake_all(stage, scene, zombie, n);
	after = zombie_snapshot(stage);
	kt_check(strcmp(before, after) == 0, "a zombie changed something:\n%s\n%s", before, after);
	free(before);
	free(after);
}

/* How long did it take, and was it done by a successor? */
static void note_take_over(zombie_stage *stage, kt_process *successor, int64_t began)
{
	int64_t took = zombie_first_commit(stage, successor, began);

	kt_check(took < ZOMBIE_TAKEN_MS, "the take-over took %" PRId64 " ms:\n%s", took, kt_process_stderr(successor));
	zombie_time(&stage->took_over, took);
}

void zombie_must_be_undisturbed(kt_process *successor)
{
	static const char *const signs[] = {"the connection to the server is lost", "terminating connection"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		kt_check(!strstr(kt_process_stderr(successor), signs[i]), "the rightful owner was disturbed:\n%s",
			kt_process_stderr(successor));
}

void zombie_play(zombie_stage *stage, const zombie_scene *scene)
{
	kt_process *zombie[ZOMBIE_MOST_FROZEN], *successor;
	size_t n = 0;

	for (; scene->frozen[n]; n++) {
		zombie_fill(stage); /* the one before may have landed all there was */
		zombie[n] = zombie_freeze(stage, scene->frozen[n]);
	}
	fill(stage, MORE);
	if (scene->cut && scene->amid)
		zombie_cut(stage);
	int64_t began = zombie_wall_ms();
	successor = zombie_start(stage, KT_LIFE, "--until-latest");
	kt_life life = kt_life_begin(successor);
	note_take_over(stage, successor, began);
	if (scene->amid)
		wake_all(stage, scene, zombie, n);
	kt_life_end(&life, successor, ZOMBIE_FINISH_MS);
	kt_check(kt_process_wait(successor, ZOMBIE_FINISH_MS) == 0, "the successor ended with %d:\n%s",
		kt_process_wait(successor, 0), kt_process_stderr(successor));
	zombie_must_be_undisturbed(successor);
	kt_process_free(successor);
	if (!scene->amid)
		wake_all_after(stage, scene, zombie, n);
}

/* ---- by chance ---- */

/* Points that only a start passes through have one hit. */
static const struct {
	const char *name;
	int hits;
} points[] = {
	{"takeover.locked", 1}, {"takeover.before_commit", 1}, {"takeover.commit_sent", 1}, {"start.owned", 1},
	{"start.replayed", 1}, {"plan.before_offsets", 4}, {"plan.before_durable", 4}, {"plan.before_commit", 4},
	{"plan.commit_sent", 4}, {"plan.after_durable", 4}, {"commit.begun", 6}, {"sink.after_begin", 6},
	{"sink.before_copy", 6}, {"sink.copy_mid", 6}, {"sink.copy_end", 6}, {"commit.written", 6},
	{"sink.before_commit", 6}, {"sink.commit_sent", 6}, {"sink.after_commit", 6}, {"commit.done", 6}};

/* One in four at a moment, the others at a point. */
static void choose_fault(zombie_stage *stage, char *ret_fault, size_t size)
{
	size_t i = (size_t) rand_r(&stage->seed) % (sizeof(points) / sizeof(points[0]) * 4 / 3);

	*ret_fault = '\0';
	if (i < sizeof(points) / sizeof(points[0]))
		snprintf(ret_fault, size, "%s:%d:stop", points[i].name, 1 + rand_r(&stage->seed) % points[i].hits);
}

void zombie_play_any(zombie_stage *stage)
{
	char fault[ZOMBIE_MOST_FROZEN][64];
	zombie_scene scene = {.cut = rand_r(&stage->seed) % 2, .youngest_first = rand_r(&stage->seed) % 2,
		.amid = rand_r(&stage->seed) % 2};
	int n = rand_r(&stage->seed) % 4 ? 1 : 2;

	for (int i = 0; i < n; i++) {
		choose_fault(stage, fault[i], sizeof(fault[i]));
		scene.frozen[i] = fault[i];
	}
	zombie_play(stage, &scene);
}
