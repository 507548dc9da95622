/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign of crashes: see crash.h. */
#include "crash.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "holding.h"
#include "wait.h"

enum {
	PARTITIONS = 4,
	FIRST_RECORDS = 20000,
	WORK = 80,        /* records of a run: a batch, of all partitions */
	WIDE = 200,       /* too many for a narrow batch; of each partition, and some campaigns have made many */
	FED_HITS = 6,     /* runs to a point that bring work of their own: after these it comes to an end */
	EACH_HIT = 8,     /* up to this one; then the double of the one before: some points stand on the way of each record */
	SOME_HITS = 3,    /* a double fault's hits are up to this one */
	RUN_MS = 90000,   /* a bounded run, on a busy machine */
};

#define SMALL_BATCHES "batch.max_records_per_batch=400"
#define LARGE_BATCHES "batch.max_records_per_batch=100000"
#define NARROW_BATCHES "batch.max_records_per_batch=100"

const crash_point crash_points[] = {
	{"start.contact", true, true, CRASH_AT_START},
	{"sink.before_connect", true, true, CRASH_AT_START},
	{"start.before_take_over", true, true, CRASH_AT_START},
	{"start.owned", true, true, CRASH_AT_START},
	{"start.replayed", true, true, CRASH_AT_START},
	{"plan.before_offsets", true, true, CRASH_ALWAYS},
	{"plan.after_offsets", true, true, CRASH_ALWAYS},
	{"plan.before_durable", true, true, CRASH_ALWAYS},
	{"plan.after_durable", true, true, CRASH_ALWAYS},
	{"fetch.assign", true, true, CRASH_AT_START},
	{"fetch.first", true, true, CRASH_ALWAYS},
	{"decode.mid", true, true, CRASH_ALWAYS},
	{"fetch.mid", true, true, CRASH_ALWAYS},
	{"fetch.end", true, true, CRASH_ALWAYS},
	{"commit.begun", true, true, CRASH_ALWAYS},
	{"commit.looked-up", false, false, CRASH_ALWAYS}, /* test_crash_look_up.c */
	{"commit.written", true, true, CRASH_ALWAYS},
	{"commit.done", true, true, CRASH_ALWAYS},
	{"progress.settled", true, true, CRASH_ALWAYS},
	{"progress.last_look", true, true, CRASH_ALWAYS}, /* of a run that is --until-latest */
	{"mirror.before", false, false, CRASH_ALWAYS}, /* mirror.*: faults/test_points.c, with a mirror_group */
	{"mirror.after", false, false, CRASH_ALWAYS},
	{"shutdown.begun", true, true, CRASH_ALWAYS}, /* shutdown.*: of a run that ends */
	{"shutdown.mid", true, true, CRASH_ALWAYS},
	{"shutdown.end", true, true, CRASH_ALWAYS},
	{"sqlite.step.before", true, false, CRASH_ALWAYS},
	{"sqlite.step.after", true, false, CRASH_ALWAYS},
	{"sqlite.position_moved", true, false, CRASH_ALWAYS},
	{"sqlite.commit.before", true, false, CRASH_ALWAYS},
	{"sqlite.commit.after", true, false, CRASH_ALWAYS},
	{"file.synced", false, false, CRASH_ALWAYS}, /* file.*: test_crash_files.c */
	{"file.committed", false, false, CRASH_ALWAYS},
	{"file.renamed", false, false, CRASH_ALWAYS},
	{"file.ledger_written", false, false, CRASH_ALWAYS},
	{"file.ledger_anew", false, false, CRASH_AT_START},
	{"takeover.locked", false, true, CRASH_AT_START},
	{"takeover.before_commit", false, true, CRASH_AT_START},
	{"takeover.commit_sent", false, true, CRASH_AT_START},
	{"partitions.before_commit", false, true, CRASH_GROWN},
	{"partitions.commit_sent", false, true, CRASH_GROWN},
	{"plan.before_commit", false, true, CRASH_ALWAYS},
	{"plan.commit_sent", false, true, CRASH_ALWAYS},
	{"withdraw.before_commit", false, true, CRASH_NARROWED},
	{"withdraw.commit_sent", false, true, CRASH_NARROWED},
	{"prune.before_commit", false, true, CRASH_PRUNING},
	{"prune.commit_sent", false, true, CRASH_PRUNING},
	{"sink.after_begin", false, true, CRASH_ALWAYS},
	{"sink.before_copy", false, true, CRASH_ALWAYS},
	{"sink.copy_mid", false, true, CRASH_ALWAYS},
	{"sink.copy_end", false, true, CRASH_ALWAYS},
	{"sink.before_commit", false, true, CRASH_ALWAYS},
	{"sink.commit_sent", false, true, CRASH_ALWAYS},
	{"sink.after_commit", false, true, CRASH_ALWAYS},
	/* The Kafka sink's: test_crash_kafka.c passes through them, and through those that both others do. */
	{"kafka.looked", false, false, CRASH_AT_START},
	{"kafka.producer_ready", false, false, CRASH_AT_START},
	{"kafka.ledger_read", false, false, CRASH_AT_START},
	{"kafka.step.sent", false, false, CRASH_ALWAYS},
	{"kafka.step.committed", false, false, CRASH_ALWAYS},
	{"kafka.begun", false, false, CRASH_ALWAYS},
	{"kafka.rows_sent", false, false, CRASH_ALWAYS},
	{"kafka.commit.before", false, false, CRASH_ALWAYS},
	{"kafka.commit.after", false, false, CRASH_ALWAYS},
	{0},
};

int crash_points_of(const crash_sink *sink, const crash_point **ret_points)
{
	int n = 0;

	for (const crash_point *point = crash_points; point->name; point++) {
		if (!sink->passes(point))
			continue;
		kt_check(n < CRASH_MOST_POINTS, "too many points");
		ret_points[n++] = point;
	}
	return n;
}

/* ---- the campaign ---- */

static unsigned int choose_seed(void)
{
	const char *given = getenv("KD_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return given ? (unsigned int) strtoul(given, NULL, 10) : (unsigned int) (now.tv_sec ^ now.tv_nsec) % 1000000;
}

void crash_open_job(crash_campaign *campaign, const crash_sink *sink, int partitions)
{
	*campaign = (crash_campaign) {.sink = sink, .partitions = partitions};
	kt_job_open(&campaign->job, sink->store, partitions);
	sink->open(campaign);
}

void crash_close_job(crash_campaign *campaign)
{
	campaign->sink->close(campaign);
	kt_job_close(&campaign->job);
}

void crash_open(crash_campaign *campaign, const crash_sink *sink)
{
	static const char *const flags[] = {"--set", SMALL_BATCHES, "--set", "retry_timeout_ms=60000"};

	crash_open_job(campaign, sink, PARTITIONS);
	memcpy(campaign->flags, flags, sizeof(flags));
	campaign->seed = campaign->chance = choose_seed();
	campaign->work = WORK;
	campaign->each_hit = EACH_HIT;
	printf("crash: %s, KD_SEED=%u\n", sink->name, campaign->seed);
	fflush(stdout);
	crash_source_open(campaign);
	crash_feed(campaign, FIRST_RECORDS);
}

void crash_close(crash_campaign *campaign)
{
	crash_source_close(campaign);
	crash_close_job(campaign);
}

/* ---- runs ---- */

kt_process *crash_start(crash_campaign *campaign, const char *fault, bool until_latest)
{
	const char *const *f = campaign->flags;

	return until_latest ? kt_job_start(&campaign->job, fault, "--until-latest", f[0], f[1], f[2], f[3], f[4], f[5], NULL)
			    : kt_job_start(&campaign->job, fault, f[0], f[1], f[2], f[3], f[4], f[5], NULL);
}

void crash_catch_up(crash_campaign *campaign)
{
	kt_job_must_end(kt_job_run(&campaign->job, NULL, 240000), 0, NULL, 0);
}

/* It may end by the kill, and in no other way. */
static void must_be_killed(kt_process *process)
{
	int code = kt_process_wait(process, 5000);

	kt_check(code == 128 + SIGKILL, "the program ended with %d:\n%s", code, kt_process_stderr(process));
	kt_process_free(process);
}

void crash_at_random(crash_campaign *campaign, int most_ms)
{
	int64_t began = kt_now_ms(), end = began + rand_r(&campaign->chance) % most_ms;
	kt_process *process = crash_start(campaign, NULL, false);

	while (kt_process_running(process) && kt_now_ms() < end) {
		crash_feed(campaign, rand_r(&campaign->chance) % 120);
		if (kt_now_ms() < end)
			kt_pause();
	}
	kt_process_signal(process, SIGKILL);
	must_be_killed(process);
	campaign->at_random++;
	campaign->killing_ms += kt_now_ms() - began;
}

/* The program works until it is done: true where the fault killed it, false where it ended well before. */
static bool is_killed(crash_campaign *campaign, const char *fault)
{
	int64_t began = kt_now_ms();
	kt_process *process = crash_start(campaign, fault, true);
	int code = kt_process_wait(process, RUN_MS);

	kt_check(code == 0 || code == 128 + SIGKILL, "with %s the program ended with %d:\n%s", fault, code,
		kt_process_stderr(process));
	kt_process_free(process);
	if (code == 0)
		return false;
	campaign->at_points++;
	campaign->killing_ms += kt_now_ms() - began;
	return true;
}

/* ---- at a point ---- */

/* Makes the ledger old, in whole days. */
static void age(kt_store *store)
{
	if (store->kind == KT_POSTGRES)
		kt_store_exec(store, "update @batch_partition set committed_at = committed_at - interval '100 days'");
	else
		kt_store_exec(store, "update @batch_partition set committed_at = committed_at - 8640000000");
}

static void prepare(crash_campaign *campaign, const crash_point *point)
{
	if (campaign->sink->prepare)
		campaign->sink->prepare(campaign, point);
	if (point->way == CRASH_GROWN) {
		kt_topic_grow(campaign->job.admin, campaign->job.topic, ++campaign->partitions);
	} else if (point->way == CRASH_PRUNING) {
		age(&campaign->job.store);
	} else if (point->way == CRASH_NARROWED) {
		/* leaves a plan behind that nobody commits */
		campaign->flags[1] = LARGE_BATCHES;
		crash_feed(campaign, (int64_t) WIDE * campaign->partitions);
		kt_check(is_killed(campaign, "plan.after_durable:1:kill"), "there was no plan");
		campaign->flags[1] = SMALL_BATCHES;
	}
}

/* Small batches of little work, but now and then large ones of much. */
static void bring_work(crash_campaign *campaign, bool may_be_large)
{
	bool large = may_be_large && campaign->large_one_in && rand_r(&campaign->chance) % campaign->large_one_in == 0;

	campaign->flags[1] = large ? LARGE_BATCHES : SMALL_BATCHES;
	crash_feed(campaign, large ? campaign->large_work : campaign->work);
}

bool crash_at_point(crash_campaign *campaign, const crash_point *point, int hit)
{
	char fault[128];
	bool killed;

	prepare(campaign, point);
	if (hit <= FED_HITS)
		bring_work(campaign, point->way != CRASH_NARROWED);
	snprintf(fault, sizeof(fault), "%s:%d:kill", point->name, hit);
	if (point->way == CRASH_NARROWED)
		campaign->flags[1] = NARROW_BATCHES;
	killed = is_killed(campaign, fault);
	campaign->flags[1] = SMALL_BATCHES;
	return killed;
}

void crash_until_survived(crash_campaign *campaign, const crash_point *point)
{
	int hit = 1;

	while (crash_at_point(campaign, point, hit))
		hit += hit < campaign->each_hit ? 1 : hit;
	kt_check(hit > 1, "point %s was not reached", point->name);
	campaign->points++;
}

void crash_until_all_survive(crash_campaign *campaign)
{
	const crash_point *points[CRASH_MOST_POINTS];
	int n = crash_points_of(campaign->sink, points);

	crash_catch_up(campaign);
	for (int i = 0; i < n; i++)
		crash_until_survived(campaign, points[i]);
}

/* ---- double faults ---- */

static int some_hit(crash_campaign *campaign)
{
	return 1 + rand_r(&campaign->chance) % SOME_HITS;
}

/* It ends well, and has held no more than it may (I12). */
static void must_survive(crash_campaign *campaign)
{
	kt_process *process = crash_start(campaign, KT_LIFE, true);
	kt_life life = kt_life_begin(process);

	kt_life_end(&life, process, RUN_MS);
	kt_job_must_end(process, 0, NULL, RUN_MS);
}

void crash_pair(crash_campaign *campaign, const crash_point *p, const crash_point *q)
{
	/* a first hit there always is; of a later one a run may know nothing */
	if (!crash_at_point(campaign, p, some_hit(campaign)))
		kt_check(crash_at_point(campaign, p, 1), "point %s was not reached", p->name);
	if (!crash_at_point(campaign, q, some_hit(campaign))) {
		kt_check(crash_at_point(campaign, p, 1), "point %s was not reached", p->name);
		kt_check(crash_at_point(campaign, q, 1), "point %s was not reached after %s", q->name, p->name);
	}
	must_survive(campaign);
	campaign->pairs++;
}

void crash_pairs(crash_campaign *campaign, int n)
{
	const crash_point *points[CRASH_MOST_POINTS];
	int of = crash_points_of(campaign->sink, points);

	for (int i = 0; i < n; i++) {
		int p = rand_r(&campaign->chance) % of, q = rand_r(&campaign->chance) % of;
		crash_pair(campaign, points[p], points[q]);
	}
}

/* ---- the judgement ---- */

void crash_audit(kt_job *job, const char *flag)
{
	kt_process *process = kt_kdirect(job->dir, NULL, "audit", job->path, flag, NULL);
	int code = kt_process_wait(process, 120000);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

crash_finding crash_find(crash_campaign *campaign)
{
	crash_catch_up(campaign);
	return campaign->sink->judge(campaign);
}

void crash_tell(const crash_campaign *campaign, const char *suite, const crash_finding *finding)
{
	int kills = campaign->at_points + campaign->at_random;

	printf("%s: %d kills at %s (%d at %d points and in %d double faults, %d at random, %" PRId64 " ms each), %" PRId64
	       " records, %" PRId64 " rows, missing %" PRId64 ", double %" PRId64 "%s\n",
		suite, kills, campaign->sink->name, campaign->at_points, campaign->points, campaign->pairs, campaign->at_random,
		kills ? campaign->killing_ms / kills : 0, campaign->source.number, finding->rows, finding->missing,
		finding->doubled, finding->what);
	fflush(stdout);
}

void crash_must_be_clean(const crash_finding *finding)
{
	kt_check(!finding->missing && !finding->doubled && !finding->wrong, "not exactly once: missing %" PRId64
		", double %" PRId64 "%s", finding->missing, finding->doubled, finding->what);
}

void crash_judge(crash_campaign *campaign, const char *suite, int least_kills)
{
	crash_finding finding = crash_find(campaign);

	crash_tell(campaign, suite, &finding);
	crash_must_be_clean(&finding);
	kt_check(finding.rows > FIRST_RECORDS / 4, "only %" PRId64 " rows came", finding.rows);
	kt_check(campaign->at_points + campaign->at_random >= least_kills, "only %d kills",
		campaign->at_points + campaign->at_random);
	free(finding.what);
}

void crash_everything(const crash_sink *sink, const char *suite, int at_random, int most_ms, int pairs, int least_kills)
{
	crash_campaign campaign;

	crash_open(&campaign, sink);
	for (int i = 0; i < at_random / 2; i++)
		crash_at_random(&campaign, most_ms);
	crash_until_all_survive(&campaign);
	crash_pairs(&campaign, pairs);
	for (int i = 0; i < at_random / 2; i++)
		crash_at_random(&campaign, most_ms);
	crash_judge(&campaign, suite, least_kills);
	crash_close(&campaign);
}
