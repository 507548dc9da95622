/* SPDX-License-Identifier: Apache-2.0 */
/* Failures and signals at every fault point: see points.h. */
#include "points.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

enum {
	FED = 2,           /* partitions that get records */
	RECORDS = 40,      /* each of them, before each run: two batches and more */
	RUN_MS = 60000,    /* on a busy machine; what a run takes is printed */
	END_MS = 20000,    /* after a signal, there; 5 s are promised */
};

#define BATCHES "batch.max_records_per_batch=20"
#define NARROW_BATCHES "batch.max_records_per_batch=4"

/* ---- runs ---- */

void points_feed(points_campaign *c)
{
	for (int p = 0; p < FED; p++)
		kt_produce_many(c->producer, c->job.topic, p, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(c->producer);
	c->fed += FED * RECORDS;
}

kt_process *points_start(points_campaign *c, const char *wrapper, const char *fault, const char *set,
	const char *another)
{
	char *spec = kt_format("KD_FAULT=%s", fault), *trace = kt_format("KD_FAULT_TRACE=%s", c->trace);
	const char *env[] = {spec, trace, NULL};
	const char *argv[] = {wrapper, kt_env("KD_BIN"), "run", c->job.path, "--until-latest", "--set", set,
		another ? "--set" : NULL, another, NULL};

	unlink(c->trace);
	kt_process *process = kt_process_start(c->job.dir, env, wrapper ? argv : argv + 1);
	free(spec);
	free(trace);
	c->runs++;
	return process;
}

/* Runs to the end.  The caller frees what it said. */
static int run(points_campaign *c, const char *fault, const char *set, char **ret_said)
{
	kt_process *process = points_start(c, NULL, fault, set, NULL);
	int code = kt_process_wait(process, RUN_MS);

	*ret_said = strdup(kt_process_stderr(process));
	kt_process_free(process);
	return code;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What a run needs to come to the point: the setting to start it with. */
static const char *prepare(points_campaign *c, const char *name)
{
	char *said;

	points_feed(c);
	if (starts(name, "partitions."))
		kt_topic_grow(c->job.admin, c->job.topic, ++c->partitions);
	if (!starts(name, "withdraw."))
		return BATCHES;
	/* leaves a plan behind, too large for what is allowed now */
	kt_check(run(c, "plan.after_durable:1:kill", BATCHES, &said) == 128 + SIGKILL, "there was no plan:\n%s", said);
	free(said);
	return NARROW_BATCHES;
}

/* Calls fn for each line of the trace, its parts split: pass 0 and "" where they are missing. */
static void each_line(const points_campaign *c, void (*fn)(void *, const char *, long, const char *), void *opaque)
{
	char *trace = access(c->trace, R_OK) == 0 ? kt_read_file(c->trace) : strdup(""), *rest = NULL;

	for (char *line = strtok_r(trace, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char name[64] = "", action[64] = "";
		long pass = 0;
		if (sscanf(line, "%63s %ld %63s", name, &pass, action) >= 2)
			fn(opaque, name, pass, action);
	}
	free(trace);
}

typedef struct wanted {
	const char *name, *action;
	bool found;
} wanted;

static void look_for(void *opaque, const char *name, long pass, const char *action)
{
	wanted *w = opaque;

	(void) pass;
	w->found |= strcmp(name, w->name) == 0 && strcmp(action, w->action) == 0;
}

bool points_acted(const points_campaign *c, const char *name, const char *action)
{
	wanted w = {name, action, false};

	each_line(c, look_for, &w);
	return w.found;
}

/* ---- which points there are ---- */

static point *find(points_campaign *c, const char *name)
{
	for (int i = 0; i < c->n_points; i++)
		if (strcmp(c->points[i].name, name) == 0)
			return &c->points[i];
	return NULL;
}

static void note(void *opaque, const char *name, long pass, const char *action)
{
	points_campaign *c = opaque;
	point *p = find(c, name);

	(void) action;
	if (!p) {
		kt_check(c->n_points < POINTS_MOST, "too many points");
		p = &c->points[c->n_points++];
		snprintf(p->name, sizeof(p->name), "%s", name);
	}
	if (p->passes < pass)
		p->passes = pass;
}

static void learn(points_campaign *c, const char *way)
{
	char *said;
	int code = run(c, "", prepare(c, way), &said);

	kt_check(code == 0, "ended with %d:\n%s", code, said);
	each_line(c, note, c);
	free(said);
}

static bool is_another_sinks(const points_sink *sink, const char *name)
{
	for (const char *const *other = sink->others; *other; other++)
		if (starts(name, *other))
			return true;
	return false;
}

static void must_have_learnt_all(points_campaign *c)
{
	char *script = kt_format("cd '%s/../..' && grep -rhoE 'KD_FAULT(_[A-Z]+)?\\(\"[^\"]+\"' lib sinks --include=*.c |"
				 " sed 's/.*(\"//; s/\"$//' | sort -u", kt_env("KD_TEST_SUPPORT")), *names, *rest = NULL;
	const char *argv[] = {"sh", "-c", script, NULL};
	kt_process *process = kt_process_start(c->job.dir, NULL, argv);

	kt_check(kt_process_wait(process, 20000) == 0, "could not search the sources");
	names = strdup(kt_process_stdout(process));
	kt_check(*names, "no fault point was found in the sources");
	for (char *name = strtok_r(names, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest))
		kt_check(is_another_sinks(c->sink, name) != (find(c, name) != NULL), "%s: \"%s\" %s", c->sink->name, name,
			find(c, name) ? "is passed, and listed as another sink's" : "is never passed");
	free(names);
	kt_process_free(process);
	free(script);
}

void points_open(points_campaign *c, const points_sink *sink)
{
	char *mirror;

	*c = (points_campaign) {.sink = sink, .partitions = FED};
	kt_job_open(&c->job, sink->store, FED);
	mirror = kt_format("\"mirror_group\": \"%s\"", c->job.topic);
	sink->write(&c->job, mirror);
	c->trace = kt_path(c->job.dir, "trace");
	c->producer = kt_producer_open(NULL, NULL);
	learn(c, "partitions.");
	learn(c, "withdraw.");
	must_have_learnt_all(c);
	free(mirror);
}

void points_close(points_campaign *c)
{
	kt_job_catch_up(&c->job, NULL);
	c->sink->judge(&c->job);
	printf("points: %s: %d points, %d runs, faults acted in %d, %" PRId64 " records once", c->sink->name, c->n_points,
		c->runs, c->acted, c->fed);
	if (c->worst_ms)
		printf("; ended %" PRId64 " ms after a signal at most", c->worst_ms);
	printf("\n");
	fflush(stdout);
	kt_producer_close(c->producer);
	kt_job_close(&c->job);
	free(c->trace);
}

/* ---- a failure ---- */

/* None but a failure of the end itself ends a run. */
static int code_after(const char *name)
{
	return starts(name, "shutdown.") ? 4 : 0;
}

/* true: it did act there. */
static bool fail_with(points_campaign *c, const char *name, const char *fault)
{
	char *said;
	int code = run(c, fault, prepare(c, name), &said);
	bool did = points_acted(c, name, "fail");

	kt_check(code == (did ? code_after(name) : 0), "with %s it ended with %d:\n%s", fault, code, said);
	free(said);
	if (code != 0)
		kt_job_catch_up(&c->job, NULL);
	c->sink->must_be_once(&c->job, c->fed, fault);
	c->acted += did;
	return did;
}

static void fail_at(points_campaign *c, const point *p, bool again)
{
	char *first = kt_format("%s:1:fail", p->name), *second = kt_format("%s:2:fail", p->name);
	char *both = kt_format("%s,%s", first, second);

	kt_check(fail_with(c, p->name, first), "%s was not reached", first);
	if (again)
		(void) fail_with(c, p->name, p->passes > 1 ? second : both);
	free(first);
	free(second);
	free(both);
}

void points_fail(points_campaign *c, bool again)
{
	for (int i = 0; i < c->n_points; i++)
		fail_at(c, &c->points[i], again);
}

/* ---- a signal ---- */

typedef struct moment {
	const points_campaign *c;
	const char *name, *action;
	kt_process *process;
} moment;

static bool has_come(void *opaque)
{
	const moment *m = opaque;

	return points_acted(m->c, m->name, m->action) || !kt_process_running(m->process);
}

/* How it ends after the signals of KD_FAULT's value, the last of which is `action`. */
static int end_of(points_campaign *c, const char *name, const char *action, const char *fault)
{
	moment m = {.c = c, .name = name, .action = action};
	int64_t began;
	int code;

	m.process = points_start(c, NULL, fault, prepare(c, name), NULL);
	kt_await(has_come, &m, RUN_MS, "the point");
	began = kt_now_ms();
	kt_check(points_acted(c, name, action), "%s was not reached:\n%s", fault, kt_process_stderr(m.process));
	code = kt_process_wait(m.process, END_MS);
	if (kt_now_ms() - began > c->worst_ms)
		c->worst_ms = kt_now_ms() - began;
	kt_process_free(m.process);
	c->acted++;
	return code;
}

static void signal_at(points_campaign *c, const char *name, int number)
{
	char *action = kt_format("signal:%d", number), *fault = kt_format("%s:1:%s", name, action);
	int code = end_of(c, name, action, fault);

	kt_check(code == 0, "with %s it ended with %d", fault, code);
	free(action);
	free(fault);
}

/* Two signals, whichever of them is seen first. */
static void insist_at(points_campaign *c, const char *name)
{
	char *fault = kt_format("%s:1:signal:%d,%s:1:signal:%d", name, SIGTERM, name, SIGINT);
	char *action = kt_format("signal:%d", SIGINT);
	int code = end_of(c, name, action, fault);

	kt_check(code == 128 + SIGTERM || code == 128 + SIGINT, "with %s it ended with %d", fault, code);
	free(action);
	free(fault);
}

void points_signal(points_campaign *c, bool twice)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	for (int i = 0; i < c->n_points; i++) {
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			signal_at(c, c->points[i].name, numbers[k]);
		if (twice)
			insist_at(c, c->points[i].name);
	}
}

/* ---- the sinks that SQL can be asked of ---- */

static void must_be_once(kt_job *job, int64_t fed, const char *after)
{
	int64_t rows = kt_store_int(&job->store, "select count(*) from t");
	int64_t places = kt_store_int(&job->store,
		"select count(*) from (select distinct kafka_partition, kafka_offset from t) as d");

	kt_check(rows == fed && places == fed, "after %s: %" PRId64 " rows at %" PRId64 " places of %" PRId64, after, rows,
		places, fed);
}

static void judge(kt_job *job)
{
	kt_judge_clean(&job->store, "t", job->topic);
}

static const char *const not_sqlites[] = {"kafka.", "file.", "takeover.", "partitions.", "withdraw.", "prune.",
	"plan.before_commit", "plan.commit_sent", "sink.after_", "sink.before_copy", "sink.before_commit", "sink.copy_", "sink.commit_sent",
	"commit.looked-up", NULL};
static const char *const not_postgres[] = {"kafka.", "file.", "sqlite.", "commit.looked-up", NULL};

const points_sink points_sqlite = {.name = "sqlite", .store = KT_SQLITE, .write = kt_job_write,
	.must_be_once = must_be_once, .judge = judge, .others = not_sqlites};
const points_sink points_postgres = {.name = "postgres", .store = KT_POSTGRES, .write = kt_job_write,
	.must_be_once = must_be_once, .judge = judge, .others = not_postgres};
