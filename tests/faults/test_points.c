/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault point that a job with PostgreSQL or SQLite passes: the step fails there, and fails again in the recovery
 * from that; and SIGTERM, SIGINT and SIGHUP come there (F30).  A run does what docs/GUARANTEES.md says, within a bound,
 * and everything is there exactly once (I1-I3, I8).  One job goes through all of it: each run finds what the one before
 * left behind. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "tmpdir.h"
#include "wait.h"

enum {
	FED = 2,           /* partitions that get records */
	RECORDS = 40,      /* each of them, before each run: two batches and more */
	MOST_POINTS = 96,
	RUN_MS = 60000,    /* on a busy machine; what a run takes is printed */
	END_MS = 20000,    /* after a signal, there; 5 s are promised */
};

typedef struct point {
	char name[64];
	long passes;
} point;

typedef struct campaign {
	kt_job job;
	kt_producer *producer;
	char *trace;     /* KD_FAULT_TRACE */
	int partitions;
	int64_t fed;
	point points[MOST_POINTS]; /* that this sink's runs pass */
	int n_points;
	int runs, acted;
	int64_t worst_ms; /* from a signal to the end */
} campaign;

/* ---- runs ---- */

static void open_campaign(campaign *c, kt_store_kind kind)
{
	*c = (campaign) {.partitions = FED};
	kt_job_open(&c->job, kind, FED);
	char *mirror = kt_format("\"mirror_group\": \"%s\"", c->job.topic);
	kt_job_write(&c->job, mirror);
	free(mirror);
	c->trace = kt_path(c->job.dir, "trace");
	c->producer = kt_producer_open(NULL, NULL);
}

static void close_campaign(campaign *c)
{
	kt_producer_close(c->producer);
	kt_job_close(&c->job);
	free(c->trace);
}

static void feed(campaign *c)
{
	for (int p = 0; p < FED; p++)
		kt_produce_many(c->producer, c->job.topic, p, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(c->producer);
	c->fed += FED * RECORDS;
}

static kt_process *start(campaign *c, const char *wrapper, const char *fault, const char *most_records)
{
	char *spec = kt_format("KD_FAULT=%s", fault), *trace = kt_format("KD_FAULT_TRACE=%s", c->trace);
	char *most = kt_format("batch.max_records_per_batch=%s", most_records);
	const char *env[] = {spec, trace, NULL};
	const char *argv[] = {wrapper, kt_env("KD_BIN"), "run", c->job.path, "--until-latest", "--set", most, NULL};

	unlink(c->trace);
	kt_process *process = kt_process_start(c->job.dir, env, wrapper ? argv : argv + 1);
	free(spec);
	free(trace);
	free(most);
	c->runs++;
	return process;
}

static int run(campaign *c, const char *fault, const char *most_records, char **ret_said)
{
	kt_process *process = start(c, NULL, fault, most_records);
	int code = kt_process_wait(process, RUN_MS);

	*ret_said = strdup(kt_process_stderr(process));
	kt_process_free(process);
	return code;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What a run needs to come to the point. */
static const char *prepare(campaign *c, const char *name)
{
	char *said;

	if (starts(name, "partitions."))
		kt_topic_grow(c->job.admin, c->job.topic, ++c->partitions);
	if (!starts(name, "withdraw."))
		return "20";
	/* leaves a plan behind, too large for what is allowed now */
	kt_check(run(c, "plan.after_durable:1:kill", "20", &said) == 128 + SIGKILL, "there was no plan:\n%s", said);
	free(said);
	return "4";
}

/* Has an entry of KD_FAULT acted at the point? */
static bool acted(const campaign *c, const char *name, const char *action)
{
	char *trace = access(c->trace, R_OK) == 0 ? kt_read_file(c->trace) : strdup(""), *rest = NULL, is[64], did[64];
	bool found = false;

	for (char *line = strtok_r(trace, "\n", &rest); line && !found; line = strtok_r(NULL, "\n", &rest))
		found = sscanf(line, "%63s %*d %63s", is, did) == 2 && strcmp(is, name) == 0 && strcmp(did, action) == 0;
	free(trace);
	return found;
}

/* ---- which points there are ---- */

static void note(campaign *c, const char *name, long passes)
{
	int i = 0;

	while (i < c->n_points && strcmp(c->points[i].name, name) != 0)
		i++;
	kt_check(i < MOST_POINTS, "too many points");
	c->n_points += i == c->n_points;
	snprintf(c->points[i].name, sizeof(c->points[i].name), "%s", name);
	if (c->points[i].passes < passes)
		c->points[i].passes = passes;
}

/* A run without a fault, over all that there is to do, tells. */
static void learn(campaign *c, const char *way)
{
	char *said, *trace, *rest = NULL, name[64];
	long pass;

	feed(c);
	int code = run(c, "", prepare(c, way), &said);
	kt_check(code == 0, "ended with %d:\n%s", code, said);
	trace = kt_read_file(c->trace);
	for (char *line = strtok_r(trace, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%63s %ld", name, &pass) == 2)
			note(c, name, pass);
	free(trace);
	free(said);
}

/* ---- a failure ---- */

/* None but a failure of the end itself ends a run. */
static int code_after(const char *name)
{
	return starts(name, "shutdown.") ? 4 : 0;
}

static void must_be_once(campaign *c, const char *fault)
{
	int64_t rows = kt_store_int(&c->job.store, "select count(*) from t");
	int64_t places = kt_store_int(&c->job.store,
		"select count(*) from (select distinct kafka_partition, kafka_offset from t) as d");

	kt_check(rows == c->fed && places == c->fed, "after %s: %" PRId64 " rows at %" PRId64 " places of %" PRId64, fault,
		rows, places, c->fed);
}

/* true: it did act there. */
static bool fail_with(campaign *c, const char *name, const char *fault)
{
	char *said;

	feed(c);
	int code = run(c, fault, prepare(c, name), &said);
	bool did = acted(c, name, "fail");

	kt_check(code == (did ? code_after(name) : 0), "with %s it ended with %d:\n%s", fault, code, said);
	free(said);
	if (code != 0)
		kt_job_catch_up(&c->job, NULL);
	must_be_once(c, fault);
	c->acted += did;
	return did;
}

/* At the first pass; at the second; and, where there was one, at both: the recovery from the first passes there again. */
static void fail_at(campaign *c, const point *p)
{
	char *first = kt_format("%s:1:fail", p->name), *second = kt_format("%s:2:fail", p->name);
	char *both = kt_format("%s:1:fail,%s:2:fail", p->name, p->name);

	kt_check(fail_with(c, p->name, first), "%s was not reached", first);
	(void) fail_with(c, p->name, p->passes > 1 ? second : both);
	free(first);
	free(second);
	free(both);
}

static void fail_at_all(kt_store_kind kind)
{
	campaign c;

	open_campaign(&c, kind);
	learn(&c, "partitions.");
	learn(&c, "withdraw.");
	for (int i = 0; i < c.n_points; i++)
		fail_at(&c, &c.points[i]);
	kt_judge_clean(&c.job.store, "t", c.job.topic);
	printf("points: %s: %d points, %d runs, %d failures, %" PRId64 " records once\n",
		kind == KT_POSTGRES ? "postgres" : "sqlite", c.n_points, c.runs, c.acted, c.fed);
	fflush(stdout);
	close_campaign(&c);
}

/* ---- a signal ---- */

typedef struct moment {
	const campaign *c;
	const char *name, *action;
	kt_process *process;
} moment;

static bool has_come(void *opaque)
{
	const moment *m = opaque;

	return acted(m->c, m->name, m->action) || !kt_process_running(m->process);
}

/* How it ends after the signals of KD_FAULT's value, the last of which is `action`. */
static int end_of(campaign *c, const char *name, const char *action, const char *fault)
{
	moment m = {.c = c, .name = name, .action = action};
	int64_t began;
	int code;

	feed(c);
	m.process = start(c, NULL, fault, prepare(c, name));
	kt_await(has_come, &m, RUN_MS, "the point");
	began = kt_now_ms();
	kt_check(acted(c, name, action), "%s was not reached:\n%s", fault, kt_process_stderr(m.process));
	code = kt_process_wait(m.process, END_MS);
	if (kt_now_ms() - began > c->worst_ms)
		c->worst_ms = kt_now_ms() - began;
	kt_process_free(m.process);
	c->acted++;
	return code;
}

static void signal_at(campaign *c, const char *name, int number)
{
	char *action = kt_format("signal:%d", number), *fault = kt_format("%s:1:%s", name, action);
	int code = end_of(c, name, action, fault);

	kt_check(code == 0, "with %s it ended with %d", fault, code);
	free(action);
	free(fault);
}

/* Two signals, whichever of them is seen first. */
static void insist_at(campaign *c, const char *name)
{
	char *fault = kt_format("%s:1:signal:%d,%s:1:signal:%d", name, SIGTERM, name, SIGINT);
	char *action = kt_format("signal:%d", SIGINT);
	int code = end_of(c, name, action, fault);

	kt_check(code == 128 + SIGTERM || code == 128 + SIGINT, "with %s it ended with %d", fault, code);
	free(action);
	free(fault);
}

static void must_not_be_twice(campaign *c, const char *name)
{
	kt_check(kt_store_int(&c->job.store, "select count(*) from (select 1 as n from t"
			" group by kafka_partition, kafka_offset having count(*) > 1) as d") == 0, "doubled after %s", name);
}

static void signal_at_all(kt_store_kind kind)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	campaign c;

	open_campaign(&c, kind);
	learn(&c, "partitions.");
	learn(&c, "withdraw.");
	for (int i = 0; i < c.n_points; i++) {
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
			signal_at(&c, c.points[i].name, numbers[k]);
		insist_at(&c, c.points[i].name);
		must_not_be_twice(&c, c.points[i].name);
	}
	kt_job_catch_up(&c.job, NULL);
	kt_judge_clean(&c.job.store, "t", c.job.topic);
	printf("points: %s: %d points, %d runs, %d ended by signals, after %" PRId64 " ms at most, %" PRId64
	       " records once\n", kind == KT_POSTGRES ? "postgres" : "sqlite", c.n_points, c.runs, c.acted, c.worst_ms, c.fed);
	fflush(stdout);
	close_campaign(&c);
}

/* ---- the tests ---- */

/* Recovery from one failed step, wherever it is, is part of the run: no restart is needed (I8). */
Test(points, a_job_with_sqlite_outlasts_a_failure_at_every_point, .timeout = 600)
{
	fail_at_all(KT_SQLITE);
}

Test(points, a_job_with_postgres_outlasts_a_failure_at_every_point, .timeout = 600)
{
	fail_at_all(KT_POSTGRES);
}

/* F30, I8: the first signal asks for an end, the second one ends at once. */
Test(points, a_job_with_sqlite_ends_well_by_a_signal_at_every_point, .timeout = 600)
{
	signal_at_all(KT_SQLITE);
}

Test(points, a_job_with_postgres_ends_well_by_a_signal_at_every_point, .timeout = 600)
{
	signal_at_all(KT_POSTGRES);
}

/* F30: who asked for SIGHUP to be ignored, as nohup does, is obeyed. */
Test(points, a_job_under_nohup_goes_on_through_sighup, .timeout = 120)
{
	campaign c;
	kt_process *process;

	open_campaign(&c, KT_SQLITE);
	feed(&c);
	process = start(&c, "nohup", "plan.before_durable:1:signal:1", "20");
	kt_check(kt_process_wait(process, RUN_MS) == 0, "it did not end well:\n%s", kt_process_stderr(process));
	kt_check(acted(&c, "plan.before_durable", "signal:1"), "no signal came");
	must_be_once(&c, "SIGHUP");
	kt_process_free(process);
	close_campaign(&c);
}
