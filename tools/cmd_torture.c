/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_torture: exactly once on somebody's own PostgreSQL, in a schema that goes away again: a job is killed, frozen, cut
 * off and lied to for some minutes, and then every invariant is told with what it rests on. */
#include "cmd_torture.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_job.h"
#include "demo_show.h"
#include "demo_signals.h"
#include "times.h"
#include "torture_faults.h"

enum {
	MOST_FAULTS = 32,
	EVENTS_A_SECOND = 1500,
	MOST_EVENTS = 380000, /* what the brokers in this process keep */
	TELL_MS = 10000,
	LANDING_MS = 120000,
	ENDING_MS = 15000,
	INVARIANTS = 12,
};

struct torture {
	const struct args *args;
	struct demo_show show;
	struct torture_rig rig;
	int64_t events, done[MOST_FAULTS], all;
	int64_t until_ms, told_ms;
	struct demo_produced produced;
	struct torture_counts counts;
	struct torture_seen seen;
	int64_t sessions_left;
	int exit_code; /* of the last job, asked to end */
	int audit_exit;
	char *audit;
};

struct line {
	const char *name, *promise;
	bool holds;
	char evidence[200];
};

/* ---- the story ---- */

static void show_opening(const struct torture *t)
{
	const char *stray = torture_schema_stray(t->rig.schema);
	char events[TIME_SIZE];

	demo_show_text(&t->show, DEMO_BOLD, "kdirect torture: exactly once on your PostgreSQL, from outside");
	demo_show_text(&t->show, DEMO_PLAIN, "  server  %s", torture_schema_server(t->rig.schema));
	demo_show_text(&t->show, DEMO_PLAIN, "  schema  %s, which goes away at the end%s", torture_schema_name(t->rig.schema),
		t->args->keep_schema ? " (kept: --keep-schema)" : "");
	if (*stray)
		demo_show_text(&t->show, DEMO_BOLD, "  note    schema %s is there, too: of a run that is on, or left by one that was "
			"killed; then: drop schema %s cascade", stray, stray);
	demo_show_text(&t->show, DEMO_PLAIN, "  Kafka   %d brokers inside this process, %d partitions, %s events", DEMO_BROKERS,
		DEMO_PARTITIONS, count_text(t->events, events));
	demo_show_text(&t->show, DEMO_PLAIN, "  seed    %lld, for %lld min", (long long) t->args->seed,
		(long long) t->args->minutes);
	if (!t->rig.readable)
		demo_show_text(&t->show, DEMO_BOLD, "  TLS     the server takes no plain connection: answers cannot be lost at a "
			"COMMIT, only connections cut");
	demo_show_text(&t->show, DEMO_PLAIN, "%s", "");
}

static void tell(struct torture *t, bool anyway)
{
	char rows[TIME_SIZE];

	if (!anyway && now_ms() < t->told_ms + TELL_MS)
		return;
	t->told_ms = now_ms();
	torture_watch_read(t->rig.watch, &t->seen);
	demo_show_event(&t->show, DEMO_PLAIN, "%4lld faults   %10s rows in %lld ranges   looked at %lld times",
		(long long) t->all, count_text(t->seen.worst.rows, rows), (long long) t->seen.worst.ranges,
		(long long) t->seen.looks);
}

/* ---- the course ---- */

static const struct torture_fault *choose(struct torture *t, size_t *ret_i)
{
	size_t n = 0;

	while (torture_fault_at(n))
		n++;
	for (;;) {
		*ret_i = (size_t) demo_random_below(&t->rig.random, (int64_t) n);
		if (t->rig.readable || !torture_fault_at(*ret_i)->reads)
			return torture_fault_at(*ret_i);
	}
}

/* Events come as time goes by, so that there is always work and never all of it. */
static void feed(struct torture *t)
{
	int64_t whole_ms = t->args->minutes * 60000, left_ms = t->until_ms - now_ms();
	int64_t share = t->events * (whole_ms - (left_ms > 0 ? left_ms : 0)) / whole_ms;

	demo_kafka_allow(t->rig.kafka, share + t->events / 100);
}

static bool torment(struct torture *t)
{
	struct torture_rig *rig = &t->rig;

	t->until_ms = now_ms() + t->args->minutes * 60000;
	feed(t);
	rig->pid = torture_rig_start(rig);
	if (rig->pid < 0 || !torture_rig_goes_on(rig, 0) || !torture_schema_watch(rig->schema, &rig->why))
		return false;
	while (now_ms() < t->until_ms && (!t->args->faults || t->all < t->args->faults)) {
		size_t i;
		const struct torture_fault *fault = choose(t, &i);
		rig->why = "interrupted";
		if (!fault->run(rig))
			return false;
		t->done[i]++;
		t->all++;
		feed(t);
		if (!torture_rig_goes_on(rig, torture_schema_committed(rig->schema)))
			return false;
		tell(t, false);
	}
	return true;
}

static bool land_rest(struct torture *t)
{
	struct torture_rig *rig = &t->rig;
	int64_t until_ms = now_ms() + LANDING_MS;

	tell(t, true);
	demo_kafka_allow(rig->kafka, t->events);
	if (!demo_kafka_finish(rig->kafka, &t->produced, &rig->why))
		return false;
	demo_show_event(&t->show, DEMO_PLAIN, "no more faults; the job lands the rest");
	rig->why = "the job did not land the rest";
	while (torture_schema_committed(rig->schema) < t->produced.end_offset)
		if (now_ms() > until_ms || !torture_rig_rest(rig, 20) || torture_rig_wait(rig, rig->pid, 0) >= 0)
			return false;
	kill(rig->pid, SIGTERM);
	t->exit_code = torture_rig_wait(rig, rig->pid, ENDING_MS);
	if (t->exit_code >= 0)
		rig->pid = 0;
	return true;
}

/* The relay is still there, and does nothing: the audit goes through it like the job. */
static bool look_at_the_end(struct torture *t)
{
	struct torture_rig *rig = &t->rig;

	for (int64_t until_ms = now_ms() + ENDING_MS;;) { /* the server may need a moment to see the last client go */
		t->sessions_left = torture_schema_sessions(rig->schema);
		if (t->sessions_left == 0 || now_ms() > until_ms || !torture_rig_rest(rig, 20))
			break;
	}
	torture_watch_read(rig->watch, &t->seen);
	if (!torture_schema_count(rig->schema, t->produced.events, &t->counts, &rig->why))
		return false;
	t->audit_exit = demo_job_audit(rig->folder.job, &t->audit);
	rig->why = "could not run the audit";
	return t->audit_exit >= 0;
}

/* ---- the verdict ---- */

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t done_of(const struct torture *t, const char *name)
{
	for (size_t i = 0; torture_fault_at(i); i++)
		if (strcmp(torture_fault_at(i)->name, name) == 0)
			return t->done[i];
	return 0;
}

static void __attribute__((format(printf, 5, 6))) say(struct line *line, const char *name, const char *promise,
	bool holds, const char *format, ...)
{
	va_list args;

	*line = (struct line){.name = name, .promise = promise, .holds = holds};
	va_start(args, format);
	vsnprintf(line->evidence, sizeof line->evidence, format, args);
	va_end(args);
}

static void judge_rows(const struct torture *t, struct line *lines)
{
	const struct torture_counts *c = &t->counts;
	long long missing = t->produced.end_offset - c->offsets, twice = c->rows - c->offsets;

	say(&lines[0], "I1", "no loss", missing == 0 && c->ids == t->produced.events,
		"%lld of %lld offsets are missing, and %lld order numbers", missing, (long long) t->produced.end_offset,
		(long long) (t->produced.events - c->ids));
	say(&lines[1], "I2", "no duplicate", twice == 0, "%lld of %lld rows are one too many", twice, (long long) c->rows);
	say(&lines[2], "I3", "ranges tile", c->untiled == 0 && t->seen.worst.untiled == 0 && t->audit_exit == 0,
		"%lld ranges, of which %lld do not begin where the last one ended; audit --deep: exit code %d",
		(long long) c->ranges, (long long) c->untiled, t->audit_exit);
	say(&lines[3], "I4", "content", c->strangers == 0 && c->cents == t->produced.cents,
		"%lld rows that nobody produced; sum of all orders: %lld cents produced, %lld stored", (long long) c->strangers,
		(long long) t->produced.cents, (long long) c->cents);
	say(&lines[4], "I5", "order", c->out_of_order == 0 && t->seen.worst.out_of_order == 0,
		"looked at %lld times; partitions whose rows were not the first offsets of the log, at most: %lld",
		(long long) t->seen.looks, (long long) larger(t->seen.worst.out_of_order, c->out_of_order));
	say(&lines[5], "I6", "one range per identifier", c->repeated == 0 && t->seen.worst.repeated == 0,
		"%lld batch times stand for two ranges", (long long) c->repeated);
}

static void judge_life(const struct torture *t, struct line *lines)
{
	const struct torture_counts *c = &t->counts;
	const struct torture_rig *rig = &t->rig;
	char slowest[SPAN_SIZE];

	int64_t unfenced = larger(t->seen.worst.unfenced, c->unfenced);

	say(&lines[6], "I7", "fencing", unfenced == 0 && c->deeds > 0, "%lld of %lld commits by an instance that was superseded; "
		"frozen %lld times, rivals %lld times: all but the newest ended with exit code 3", (long long) unfenced,
		(long long) c->deeds, (long long) done_of(t, "freeze"), (long long) done_of(t, "rivals"));
	if (rig->unexpected && !unfenced)
		say(&lines[6], "I7", "fencing", false, "%lld ends were not as they must be; the first: %s",
			(long long) rig->unexpected, rig->note);
	say(&lines[7], "I8", "liveness", c->committed == t->produced.end_offset && t->exit_code == 0,
		"lag 0 at the end, exit code %d; the longest until a commit was seen again: %s", t->exit_code,
		span_text(rig->slowest_ms, slowest));
	say(&lines[8], "I9", "atomicity", c->torn == 0 && t->seen.worst.torn == 0,
		"looked at %lld times; partitions whose rows were not those of their identifiers, at most: %lld",
		(long long) t->seen.looks, (long long) larger(t->seen.worst.torn, c->torn));
	say(&lines[9], "I10", "fail loud", c->gaps == 0, "%lld offsets given up", (long long) c->gaps);
	say(&lines[10], "I11", "effects", c->wrong_counters == 0 && t->seen.worst.wrong_counters == 0,
		"a trigger's counters differ from count and sum in %lld partitions", (long long) c->wrong_counters);
	say(&lines[11], "I12", "resources", t->sessions_left == 0, "%lld sessions of the job are left in the server",
		(long long) t->sessions_left);
}

static void show_faults(const struct torture *t)
{
	demo_show_text(&t->show, DEMO_BOLD, "\n  %lld faults, %lld starts", (long long) t->all, (long long) t->rig.starts);
	for (size_t i = 0; torture_fault_at(i); i++)
		demo_show_text(&t->show, DEMO_PLAIN, "  %6lld   %s", (long long) t->done[i], torture_fault_at(i)->text);
}

static bool show_verdict(const struct torture *t, const struct line *lines)
{
	bool all = true;
	char spent[SPAN_SIZE];

	demo_show_text(&t->show, DEMO_BOLD, "%s", "");
	for (int i = 0; i < INVARIANTS; i++) {
		all = all && lines[i].holds;
		demo_show_text(&t->show, lines[i].holds ? DEMO_GOOD : DEMO_BAD, "  %-4s %-25s %-8s %s", lines[i].name,
			lines[i].promise, lines[i].holds ? "holds" : "BROKEN", lines[i].evidence);
	}
	span_text(now_ms() - t->show.started_ms, spent);
	if (all)
		demo_show_text(&t->show, DEMO_GOOD, "\nExactly once, through %lld faults. %s", (long long) t->all, spent);
	else
		demo_show_text(&t->show, DEMO_BAD, "\nNOT exactly once. Please report it with the seed %lld; --keep-schema keeps the "
			"tables.", (long long) t->args->seed);
	return all;
}

static void print_json(const struct torture *t, const struct line *lines, bool all)
{
	json_t *faults = json_object(), *invariants = json_object();

	for (size_t i = 0; torture_fault_at(i); i++)
		json_object_set_new(faults, torture_fault_at(i)->name, json_integer(t->done[i]));
	for (int i = 0; i < INVARIANTS; i++)
		json_object_set_new(invariants, lines[i].name, json_pack("{s:s, s:b, s:s}", "promise", lines[i].promise, "holds",
			(int) lines[i].holds, "evidence", lines[i].evidence));
	json_t *root = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b}", "server",
		torture_schema_server(t->rig.schema), "seed", (json_int_t) t->args->seed, "events",
		(json_int_t) t->produced.events, "rows", (json_int_t) t->counts.rows, "starts", (json_int_t) t->rig.starts,
		"run_ms", (json_int_t) (now_ms() - t->show.started_ms), "faults", faults, "invariants", invariants, "exactly_once",
		(int) all);
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

/* ---- the verb ---- */

static int judge(struct torture *t)
{
	struct line lines[INVARIANTS];

	judge_rows(t, lines);
	judge_life(t, lines);
	show_faults(t);
	bool all = show_verdict(t, lines);
	if (t->args->json)
		print_json(t, lines, all);
	return all ? 0 : 1;
}

static int tell_failure(struct torture *t)
{
	int interrupted = *t->rig.interrupted;

	fprintf(stderr, "kdirect torture: %s (seed %lld)\n", interrupted ? "interrupted" : t->rig.why,
		(long long) t->args->seed);
	if (interrupted)
		return 128 + interrupted;
	if (t->rig.note[0])
		fprintf(stderr, "  %s\n", t->rig.note);
	fprintf(stderr, "  the end of the job's log:\n");
	demo_folder_show_log(&t->rig.folder, stderr);
	return 1;
}

static int run_rig(struct torture *t, const char *dsn)
{
	if (!torture_rig_make(&t->rig, dsn, t->events, (uint64_t) t->args->seed)) {
		fprintf(stderr, "kdirect torture: could not prepare: %s\n", t->rig.why);
		return 4;
	}
	show_opening(t);
	return torment(t) && land_rest(t) && look_at_the_end(t) ? judge(t) : tell_failure(t);
}

static int run_torture(const struct args *given)
{
	struct args args = *given;
	int64_t events = args.minutes * 60 * EVENTS_A_SECOND;

	if (!args.dsn) {
		fprintf(stderr, "kdirect torture: --dsn is missing: say where your PostgreSQL is (\"host=localhost dbname=test\"); "
			"see kdirect torture --help\n");
		return 2;
	}
	if (!args.seed)
		args.seed = now_ms() % 1000000000;
	struct torture t = {.args = &args, .show = demo_show_on(args.json ? stderr : stdout),
		.events = events < MOST_EVENTS ? events : MOST_EVENTS, .rig = {.interrupted = demo_signals_watch()}};
	int exit_code = run_rig(&t, args.dsn);
	char schema[TORTURE_NAME_SIZE] = "";
	if (t.rig.schema)
		snprintf(schema, sizeof schema, "%s", torture_schema_name(t.rig.schema));
	if (!torture_rig_end(&t.rig, args.keep_schema)) {
		fprintf(stderr, "kdirect torture: could not drop the schema \"%s\": %s; drop it by hand\n", schema, t.rig.why);
		exit_code = exit_code ? exit_code : 1;
	}
	free(t.audit);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_TEXT, 0, "dsn", "DSN", NULL, NULL, 0, 0, "the PostgreSQL to use, as libpq reads it", offsetof(struct args, dsn)},
	{ARG_INT, 0, "minutes", "N", "5", NULL, 1, 600, "how long faults are made", offsetof(struct args, minutes)},
	{ARG_INT, 0, "faults", "N", NULL, NULL, 1, 1000000, "end sooner, after so many faults", offsetof(struct args, faults)},
	{ARG_INT, 0, "seed", "N", NULL, NULL, 1, INT64_MAX, "repeats the random choices of another run",
	 offsetof(struct args, seed)},
	{ARG_FLAG, 0, "keep-schema", NULL, NULL, NULL, 0, 0, "leave the schema and its tables in the database",
	 offsetof(struct args, keep_schema)},
	{ARG_FLAG, 0, "json", NULL, NULL, NULL, 0, 0, "print the result as JSON on stdout, the story on stderr",
	 offsetof(struct args, json)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, NULL};

static int cmd_torture(int argc, char **argv);

const struct verb verb_torture = {
	.name = "torture",
	.group = "Try it",
	.summary = "prove exactly-once on your own PostgreSQL, under kills, freezes and lost answers",
	.usage = "--dsn DSN [OPTION]...",
	.examples =
		"kdirect torture --dsn 'host=localhost dbname=test' --minutes 1\n"
		"    a minute of it\n"
		"kdirect torture --dsn service=staging --minutes 60 --json\n"
		"    an hour, by way of a pooler or a network as they are; the result for a program\n",
	.text =
		"Makes a schema of its own in the database and drops it at the end; nothing else is touched. The role needs CREATE "
		"on the database.\n\n"
		"Kafka brokers live inside this process (librdkafka's mock cluster); the job is this very program as a child, which "
		"lands their events through a relay. All faults come from outside: kill -9, SIGTERM, a frozen instance that wakes "
		"up beside its successor, several instances at once, a COMMIT whose answer is lost, that never arrives, or that "
		"arrives when its connection is long gone, connections cut, reset and refused, a network where nothing passes, "
		"sessions ended by pg_terminate_backend. After each of them the job must commit again.\n\n"
		"Meanwhile a session of its own looks at the tables, snapshot after snapshot, and a trigger keeps a counter. At the "
		"end each invariant of docs/GUARANTEES.md is told, with what the verdict rests on. For a pooler, give its own "
		"address.",
	.options = options,
	.exits =
		"0  every invariant held\n"
		"1  one did not, or the job could not go on\n"
		"2  usage\n"
		"4  the schema, the brokers or files could not be made\n",
	.run = cmd_torture,
};

static int cmd_torture(int argc, char **argv)
{
	return args_run(&verb_torture, argc, argv, run_torture);
}
