/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_demo: the whole story on this machine.  Brokers and producer live in this process; the job is a child that is
 * killed again and again while events come in; what is told at the end is counted in the tables by plain SQL. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "demo_folder.h"
#include "demo_job.h"
#include "demo_kafka.h"
#include "demo_random.h"
#include "demo_show.h"
#include "demo_signals.h"
#include "demo_tables.h"
#include "out.h"
#include "times.h"
#include "verbs.h"

enum {
	TICK_MS = 20,
	HALF_MS = 1200,      /* after so long half of the events meant for a life have come */
	EARLY_MS = 300,      /* one kill in four comes so soon that the job may not have begun */
	LATE_MS = 2200,      /* the others within so long after the job has stored something */
	AIM_MS = 500,        /* the longest wait for a batch to be in flight */
	HATCH_MS = 5000,     /* the longest wait for that */
	LANDING_MS = 30000,  /* without a step forward: the job is stuck */
	ENDING_MS = 10000,
};

struct demo {
	const struct args *args;
	struct demo_show show;
	struct demo_folder folder;
	struct demo_random random;
	struct demo_kafka *kafka;
	struct demo_tables *tables;
	pid_t pid; /* of the running job; 0: none */
	int64_t kills, kills_in_flight;
	int64_t stored; /* as last seen */
	struct demo_produced produced;
	struct demo_counts counts;
	int last_status;
	char *audit;
	int audit_exit;
	const volatile sig_atomic_t *interrupted;
	const char *why; /* what went wrong, one line */
};

/* What the numbers say. */
struct verdict {
	int64_t lost, doubled;                 /* by order number */
	int64_t lost_offsets, doubled_offsets; /* by (partition, offset) */
	bool exactly_once;
};

static bool fail(struct demo *demo, const char *why)
{
	demo->why = why;
	return false;
}

/* ---- one look ---- */

static void look(struct demo *demo)
{
	int64_t stored = demo_tables_stored(demo->tables);

	if (stored >= 0)
		demo->stored = stored;
	demo_show_state(&demo->show, &(struct demo_state){
		.events = demo->args->events,
		.produced = demo_kafka_acknowledged(demo->kafka),
		.stored = demo->stored,
		.kills = demo->kills,
		.kills_planned = demo->args->kills,
	});
}

/* Looks, and lets a little time pass.  False where the demo cannot go on: it was interrupted, or the job ended. */
static bool tick(struct demo *demo)
{
	const struct timespec pause = {.tv_nsec = TICK_MS * 1000000L};
	int status;

	look(demo);
	nanosleep(&pause, NULL);
	if (*demo->interrupted)
		return fail(demo, "interrupted");
	if (demo->pid && demo_job_ended(demo->pid, &status)) {
		static char why[96];
		char text[32];

		demo->pid = 0;
		snprintf(why, sizeof why, "the job ended by itself: %s", demo_job_status_text(status, text, sizeof text));
		return fail(demo, why);
	}
	return true;
}

static bool start_job(struct demo *demo)
{
	demo->pid = demo_job_start(demo->folder.job, demo->folder.log);
	if (demo->pid > 0)
		return true;
	demo->pid = 0;
	return fail(demo, "could not start the job as a child process");
}

/* ---- the kills ---- */

/* Lets events come in as long as the job lives, ever slower: a life never runs out of them, and what it leaves is a
 * backlog for the next. */
static void feed(struct demo *demo, int64_t age_ms)
{
	int64_t share = demo->args->events / (demo->args->kills + 1);

	demo_kafka_allow(demo->kafka, share * demo->kills + share * age_ms / (age_ms + HALF_MS));
}

/* Runs a job for a random while. */
static bool live_a_while(struct demo *demo, int64_t started_ms)
{
	bool early = demo_random_below(&demo->random, 4) == 0;
	int64_t more_ms = demo_random_below(&demo->random, early ? EARLY_MS : LATE_MS);
	int64_t before = demo->stored, kill_ms = early ? started_ms + more_ms : 0;

	while (!kill_ms || now_ms() < kill_ms) {
		feed(demo, now_ms() - started_ms);
		if (!tick(demo))
			return false;
		if (!kill_ms && (demo->stored > before || now_ms() - started_ms > HATCH_MS))
			kill_ms = now_ms() + more_ms;
	}
	return true;
}

/* Half of the kills wait for the next batch whose plan is durable and whose rows are not: the hardest moment. */
static void aim(struct demo *demo)
{
	const struct timespec moment = {.tv_nsec = 200000};
	int64_t until_ms = now_ms() + AIM_MS;

	if (demo_random_below(&demo->random, 2) == 0)
		return;
	while (demo_tables_in_flight(demo->tables) <= 0 && now_ms() < until_ms)
		nanosleep(&moment, NULL);
}

static bool kill_once(struct demo *demo)
{
	int64_t started_ms = now_ms();
	char stored[TIME_SIZE], age[SPAN_SIZE];

	if (!start_job(demo) || !live_a_while(demo, started_ms))
		return false;
	aim(demo);
	int64_t age_ms = now_ms() - started_ms;
	demo->last_status = demo_job_end(demo->pid, SIGKILL, ENDING_MS);
	demo->pid = 0;
	demo->kills++;
	int64_t in_flight = demo_tables_in_flight(demo->tables);
	demo->kills_in_flight += in_flight > 0;
	look(demo);
	demo_show_event(&demo->show, DEMO_BOLD, "kill -9  %2lld of %lld   %7s old   %9s rows   %s", (long long) demo->kills,
		(long long) demo->args->kills, span_text(age_ms, age), count_text(demo->stored, stored),
		in_flight > 0 ? "in the middle of a batch" : "between two batches");
	return true;
}

static bool kill_all(struct demo *demo)
{
	while (demo->kills < demo->args->kills)
		if (!kill_once(demo))
			return false;
	demo_kafka_allow(demo->kafka, demo->args->events);
	return true;
}

/* ---- the end ---- */

/* The last job lands the rest and is asked to end. */
static bool land_rest(struct demo *demo)
{
	char events[TIME_SIZE], text[32];
	int64_t committed = -1, moved_ms = now_ms();

	if (!start_job(demo))
		return false;
	while (demo_kafka_acknowledged(demo->kafka) < demo->args->events && now_ms() - moved_ms < LANDING_MS)
		if (!tick(demo))
			return false;
	if (!demo_kafka_finish(demo->kafka, &demo->produced, &demo->why))
		return false;
	demo_show_event(&demo->show, DEMO_PLAIN, "all %s events are produced; the job lands the rest",
		count_text(demo->produced.events, events));
	for (moved_ms = now_ms(); committed < demo->produced.end_offset;) {
		int64_t now_committed = demo_tables_committed(demo->tables);

		if (now_committed > committed)
			moved_ms = now_ms();
		committed = now_committed;
		if (now_ms() - moved_ms > LANDING_MS)
			return fail(demo, "the job has committed nothing for 30 s");
		if (!tick(demo))
			return false;
	}
	demo->last_status = demo_job_end(demo->pid, SIGTERM, ENDING_MS);
	demo->pid = 0;
	demo_show_event(&demo->show, DEMO_PLAIN, "everything is committed; SIGTERM ends the job: %s",
		demo_job_status_text(demo->last_status, text, sizeof text));
	return true;
}

/* Counts, in the tables. */
static bool count(struct demo *demo, struct verdict *ret_verdict)
{
	const struct demo_counts *counts = &demo->counts;

	if (!demo_tables_count(demo->tables, demo->produced.events, &demo->counts, &demo->why))
		return false;
	*ret_verdict = (struct verdict){
		.lost = demo->produced.events - counts->ids,
		.doubled = counts->stored - counts->strangers - counts->ids,
		.lost_offsets = demo->produced.end_offset - counts->offsets,
		.doubled_offsets = counts->stored - counts->offsets,
	};
	return true;
}

static bool is_exactly_once(const struct demo *demo, const struct verdict *verdict)
{
	return !verdict->lost && !verdict->doubled && !verdict->lost_offsets && !verdict->doubled_offsets &&
		!demo->counts.strangers && demo->counts.cents == demo->produced.cents && demo->audit_exit == 0 &&
		WIFEXITED(demo->last_status) && WEXITSTATUS(demo->last_status) == 0;
}

/* ---- the story ---- */

static void show_opening(const struct demo *demo)
{
	char events[TIME_SIZE];

	demo_show_text(&demo->show, DEMO_BOLD, "kdirect demo: exactly once, through kill -9");
	demo_show_text(&demo->show, DEMO_PLAIN, "  Kafka   %d brokers inside this process, topic \"" DEMO_TOPIC
		"\", %d partitions, %s events", DEMO_BROKERS, DEMO_PARTITIONS, count_text(demo->args->events, events));
	demo_show_text(&demo->show, DEMO_PLAIN, "  job     kdirect run %s", demo->folder.job);
	demo_show_text(&demo->show, DEMO_PLAIN, "  table   orders in SQLite: no key, no unique index, nothing that would hide "
		"a double");
	demo_show_text(&demo->show, DEMO_PLAIN, "  seed    %lld", (long long) demo->args->seed);
	demo_show_text(&demo->show, DEMO_PLAIN, "%s", "");
}

static const char *money_text(int64_t cents, char text[TIME_SIZE + 4])
{
	char whole[TIME_SIZE];

	snprintf(text, TIME_SIZE + 4, "%s.%02d", count_text(cents / 100, whole), (int) (cents % 100));
	return text;
}

static void show_count(const struct demo *demo, enum demo_tone tone, const char *name, int64_t n, const char *what)
{
	char count[TIME_SIZE];

	demo_show_text(&demo->show, tone, "  %-9s %12s   %s", name, count_text(n, count), what);
}

/* Runs the audit and shows its words. */
static bool show_audit(struct demo *demo)
{
	char *rest, *line;

	demo_show_text(&demo->show, DEMO_BOLD, "\n  kdirect audit --deep %s", demo->folder.job);
	demo->audit_exit = demo_job_audit(demo->folder.job, &demo->audit);
	if (demo->audit_exit < 0 || !demo->audit)
		return fail(demo, "could not run the audit");
	for (rest = demo->audit; (line = strsep(&rest, "\n"));)
		if (*line || rest)
			demo_show_text(&demo->show, DEMO_PLAIN, "    %s", line);
	return true;
}

static void show_counts(const struct demo *demo, const struct verdict *verdict)
{
	char produced[TIME_SIZE + 4], stored[TIME_SIZE + 4], what[160];
	enum demo_tone lost = verdict->lost ? DEMO_BAD : DEMO_GOOD, doubled = verdict->doubled ? DEMO_BAD : DEMO_GOOD;

	demo_show_text(&demo->show, DEMO_BOLD, "\n  counted in the table by plain SQL");
	show_count(demo, DEMO_PLAIN, "produced", demo->produced.events, "events that the brokers acknowledged");
	show_count(demo, DEMO_PLAIN, "stored", demo->counts.stored, "rows");
	snprintf(what, sizeof what, "order numbers without a row; offsets without a row: %lld",
		(long long) verdict->lost_offsets);
	show_count(demo, lost, "lost", verdict->lost, what);
	snprintf(what, sizeof what, "rows whose order number was there before; whose offset was: %lld",
		(long long) verdict->doubled_offsets);
	show_count(demo, doubled, "doubled", verdict->doubled, what);
	demo_show_text(&demo->show, DEMO_PLAIN, "  %-9s %12s   %s: what all orders cost, produced and stored", "sum",
		money_text(demo->produced.cents, produced), money_text(demo->counts.cents, stored));
}

static void show_verdict(const struct demo *demo, const struct verdict *verdict)
{
	char spent[SPAN_SIZE];

	span_text(now_ms() - demo->show.started_ms, spent);
	if (verdict->exactly_once)
		demo_show_text(&demo->show, DEMO_GOOD, "\nExactly once: %lld kills, %lld of them in the middle of a batch; nothing "
			"lost, nothing doubled. %s", (long long) demo->kills, (long long) demo->kills_in_flight, spent);
	else
		demo_show_text(&demo->show, DEMO_BAD, "\nNOT exactly once. Please report it with the seed %lld and the files of "
			"--keep.", (long long) demo->args->seed);
	if (demo->folder.keep)
		demo_show_text(&demo->show, DEMO_PLAIN, "The files are in %s; the brokers are gone.", demo->folder.path);
}

static void print_json(const struct demo *demo, const struct verdict *verdict)
{
	printf("{\"seed\": %lld, \"events\": %lld, \"partitions\": %d, \"kills\": %lld, \"kills_in_flight\": %lld,\n",
		(long long) demo->args->seed, (long long) demo->args->events, DEMO_PARTITIONS, (long long) demo->kills,
		(long long) demo->kills_in_flight);
	printf(" \"produced\": %lld, \"stored\": %lld, \"lost\": %lld, \"doubled\": %lld, \"lost_offsets\": %lld, "
		"\"doubled_offsets\": %lld,\n", (long long) demo->produced.events, (long long) demo->counts.stored,
		(long long) verdict->lost, (long long) verdict->doubled, (long long) verdict->lost_offsets,
		(long long) verdict->doubled_offsets);
	printf(" \"produced_cents\": %lld, \"stored_cents\": %lld, \"audit_exit\": %d, \"run_ms\": %lld, "
		"\"exactly_once\": %s}\n", (long long) demo->produced.cents, (long long) demo->counts.cents, demo->audit_exit,
		(long long) (now_ms() - demo->show.started_ms), verdict->exactly_once ? "true" : "false");
}

/* ---- the verb ---- */

static bool prepare(struct demo *demo)
{
	const struct args *args = demo->args;

	if (!demo_folder_make(&demo->folder, args->keep, &demo->why))
		return false;
	demo->tables = demo_tables_open(demo->folder.database, &demo->why);
	if (!demo->tables)
		return false;
	demo->kafka = demo_kafka_open(args->events, (uint64_t) args->seed, &demo->why);
	return demo->kafka && demo_folder_write_job(&demo->folder, demo_kafka_bootstrap(demo->kafka), &demo->why);
}

static int tell_failure(struct demo *demo)
{
	demo_show_text(&demo->show, DEMO_PLAIN, "%s", "");
	fflush(demo->show.to);
	fprintf(stderr, "kdirect demo: %s\n", demo->why);
	if (*demo->interrupted)
		return 128 + *demo->interrupted;
	if (demo->folder.log) {
		fprintf(stderr, "  the end of the job's log:\n");
		demo_folder_show_log(&demo->folder, stderr);
	}
	return 1;
}

static void done(struct demo *demo)
{
	if (demo->pid)
		demo_job_end(demo->pid, SIGKILL, ENDING_MS);
	demo_tables_close(demo->tables);
	demo_kafka_close(demo->kafka);
	demo_folder_done(&demo->folder);
	free(demo->audit);
}

static int run_demo(const struct args *given)
{
	struct args args = *given;
	struct verdict verdict = {0};

	if (!args.seed)
		args.seed = now_ms() % 1000000000;
	struct demo demo = {
		.args = &args,
		.show = demo_show_on(args.json ? stderr : stdout),
		.random = demo_random_from((uint64_t) args.seed),
		.interrupted = demo_signals_watch(),
	};
	int exit_code;

	if (!prepare(&demo)) {
		exit_code = args.keep && !demo.folder.path ? 2 : 4;
		if (exit_code == 2)
			fprintf(stderr, "kdirect demo: could not use \"%s\": %s\n", args.keep, demo.why);
		else
			fprintf(stderr, "kdirect demo: could not prepare: %s\n", demo.why);
		done(&demo);
		return exit_code;
	}
	show_opening(&demo);
	bool told = kill_all(&demo) && land_rest(&demo) && count(&demo, &verdict);
	if (told) {
		show_counts(&demo, &verdict);
		told = show_audit(&demo);
	}
	if (told) {
		verdict.exactly_once = is_exactly_once(&demo, &verdict);
		show_verdict(&demo, &verdict);
		if (args.json)
			print_json(&demo, &verdict);
		exit_code = verdict.exactly_once ? 0 : 1;
	} else {
		exit_code = tell_failure(&demo);
	}
	done(&demo);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_INT, 0, "events", "N", "100000", NULL, 1000, 400000, "events to produce", offsetof(struct args, events)},
	{ARG_INT, 0, "kills", "N", "7", NULL, 0, 100, "how often the job is killed", offsetof(struct args, kills)},
	{ARG_INT, 0, "seed", "N", NULL, NULL, 1, INT64_MAX, "repeats the random choices of another demo",
	 offsetof(struct args, seed)},
	{ARG_TEXT, 0, "keep", "DIR", NULL, NULL, 0, 0, "put the files into this new folder and leave them there",
	 offsetof(struct args, keep)},
	{ARG_FLAG, 0, "json", NULL, NULL, NULL, 0, 0, "print the result as JSON on stdout, the story on stderr",
	 offsetof(struct args, json)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, NULL};

const struct verb verb_demo = {
	.name = "demo",
	.group = "Try it",
	.summary = "watch exactly-once survive kill -9, with nothing installed",
	.usage = "[OPTION]...",
	.examples =
		"kdirect demo\n"
		"    the whole story on this machine, in less than a minute\n"
		"kdirect demo --kills 30 --keep /tmp/demo\n"
		"    more of it; the database stays, to be counted by hand\n",
	.text =
		"Starts Kafka brokers inside this process (librdkafka's mock cluster, real sockets) and produces orders while "
		"\"kdirect run\" lands them in SQLite as a child process. The child is killed by SIGKILL at random moments, half of "
		"them inside a batch, and started again. When everything is committed, plain SQL counts in the table what was stored, lost and doubled, "
		"and \"kdirect audit --deep\" proves it once more, from the ledger, the table and Kafka.\n\n"
		"The table has no key and no unique index: only the ledger keeps doubles out.",
	.options = options,
	.exits =
		"0  nothing lost, nothing doubled, and the audit agrees\n"
		"1  something was, or the job ended by itself\n"
		"2  usage\n"
		"4  brokers or files could not be made\n",
	.run = cmd_demo,
};

int cmd_demo(int argc, char **argv)
{
	return args_run(&verb_demo, argc, argv, run_demo);
}
