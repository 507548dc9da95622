/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL behind a network that loses, holds, delays and cuts: each COMMIT's answer, each request, COPY byte by
 * byte.  Every test ends with the table compared with the topic, and the ledger with both. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "holding.h"
#include "job_judge.h"
#include "proxy_storm.h"
#include "wait.h"

enum { RUN_MS = 120000 };

/* What a start meets only where it was made ready for it. */
typedef enum net_way { BY_STARTING, BY_GROWTH, BY_RECORDS, BY_NARROWING, BY_AGE } net_way;

/* In the order in which one job meets them: its ledger is made once. */
static const struct kind {
	const char *name;
	net_way way;
	struct fault_order order;
} kinds[] = {
	{"the ledger's making", BY_STARTING, {KT_COMMIT_OF_LEDGER}},
	{"take-over", BY_STARTING, {KT_COMMIT_OF_TAKE_OVER}},
	{"new partitions", BY_GROWTH, {KT_COMMIT_OF_PARTITIONS}},
	{"a plan", BY_RECORDS, {KT_COMMIT_OF_PLAN}},
	{"rows", BY_RECORDS, {KT_COMMIT_OF_DATA}},
	{"a withdrawal", BY_NARROWING, {KT_COMMIT_OF_WITHDRAWAL}},
	{"pruning", BY_AGE, {KT_COMMIT_OF_PRUNING}},
};

enum { KINDS = sizeof(kinds) / sizeof(*kinds), NARROW = 20 };

typedef struct net {
	kt_job job;
	struct fault_proxy *proxy;
	int partitions;
	kt_life life; /* of the job that start() started */
	int64_t records, done; /* done: orders */
	int ended;    /* sessions, that held locks */
} net;

static void net_open(net *n, int partitions)
{
	*n = (net) {.partitions = partitions};
	kt_job_open(&n->job, KT_POSTGRES, partitions);
	n->proxy = kt_pg_proxy_open(&n->job, "\"retry_timeout_ms\": 60000");
}

static void net_close(net *n)
{
	kt_judge_clean(&n->job.store, "t", n->job.topic);
	fault_proxy_close(n->proxy);
	kt_job_close(&n->job);
}

static void fill(net *n, int64_t records)
{
	for (int i = 0; i < n->partitions; i++)
		kt_job_fill(&n->job, i, records);
	n->records += n->partitions * records;
}

static void make_ready(net *n, net_way way)
{
	if (way == BY_GROWTH)
		kt_topic_grow(n->job.admin, n->job.topic, ++n->partitions);
	if (way == BY_RECORDS || way == BY_NARROWING)
		fill(n, 2 * NARROW);
	if (way == BY_NARROWING) /* a plan that nobody commits, and that is too large for the next start */
		kt_job_must_end(kt_job_start(&n->job, "plan.after_durable:1:kill", NULL), 128 + SIGKILL, NULL, RUN_MS);
	if (way == BY_AGE)
		kt_store_exec(&n->job.store, "update @batch_partition set committed_at = committed_at - interval '100 days'");
}

/* The job is let do its work while the fault waits for it; it must be done, and the job outlive it. */
static void meet(net *n, const struct kind *kind, struct fault_order fault)
{
	struct fault_order order = kind->order;
	int64_t began = kt_now_ms();
	char set[64];

	order.deed = fault.deed;
	order.ms = fault.ms;
	order.hit = 1;
	make_ready(n, kind->way);
	kt_proxy_arm(n->proxy, order);
	snprintf(set, sizeof(set), "batch.max_records_per_batch=%d", kind->way == BY_NARROWING ? NARROW : 100000);
	kt_process *job = kt_job_run(&n->job, set, RUN_MS);
	n->ended += strstr(kt_process_stderr(job), "ended session") != NULL;
	kt_job_must_end(job, 0, NULL, RUN_MS);
	kt_proxy_await(n->proxy, ++n->done);
	kt_judge_clean(&n->job.store, "t", n->job.topic);
	printf("network: deed %d (%d ms) at the COMMIT of %s: done in %" PRId64 " ms\n", (int) fault.deed, fault.ms,
		kind->name, kt_now_ms() - began);
	fflush(stdout);
}

/* Returns how many sessions that were in the way the jobs ended. */
static int meet_all(struct fault_order fault)
{
	net n;

	net_open(&n, 2);
	for (int i = 0; i < KINDS; i++)
		meet(&n, &kinds[i], fault);
	net_close(&n);
	return n.ended;
}

/* F3, I1, I2: it was committed, and nobody was told. */
Test(network_postgres, F3_the_answer_of_each_kind_of_commit_is_lost, .timeout = 600)
{
	meet_all((struct fault_order) {.deed = FAULT_DROP_ANSWER});
}

/* F4, I1, I2: it was not, and nobody was told. */
Test(network_postgres, F4_each_kind_of_commit_never_arrives, .timeout = 600)
{
	meet_all((struct fault_order) {.deed = FAULT_DROP_REQUEST});
}

/* F3, I2: the job is back before its COMMIT arrives, waits for the old transaction's locks, and finds it committed. */
Test(network_postgres, F3_each_kind_of_commit_is_applied_while_the_job_that_came_back_waits, .timeout = 600)
{
	meet_all((struct fault_order) {.deed = FAULT_HOLD_REQUEST, .ms = 400});
}

/* F4, I2, I8: the COMMIT would come much later; the job does not wait for it, but ends the session that it hangs in. */
Test(network_postgres, F4_each_kind_of_commit_arrives_when_the_job_has_long_gone_on, .timeout = 600)
{
	cr_assert_gt(meet_all((struct fault_order) {.deed = FAULT_HOLD_REQUEST, .ms = 4000}), 0);
}

/* F4, I8: also where there is no ledger yet: a session that hangs in its making is ended, and not waited for until its
 * time-out of half a minute. */
Test(network_postgres, F4_a_session_that_hangs_in_the_ledgers_making_is_ended, .timeout = 300)
{
	net n;

	net_open(&n, 1);
	kt_proxy_arm(n.proxy, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, KT_COMMIT_OF_LEDGER, .hit = 1, .ms = 60000});
	kt_job_must_end(kt_job_run(&n.job, NULL, RUN_MS), 0, "ended session", RUN_MS);
	net_close(&n);
}

/* ---- statements, and a COMMIT that takes its time ---- */


static void await_rows(net *n)
{
	kt_job_await(&n->job, n->records, RUN_MS, "select count(*) from t");
}

/* A job that goes on, with the keys of more. */
static kt_process *start(net *n, int partitions, const char *set)
{
	kt_process *job;

	net_open(n, partitions);
	fill(n, NARROW);
	job = kt_job_start(&n->job, KT_LIFE, "--set", set ? set : "workers=1", NULL);
	n->life = kt_life_begin(job);
	await_rows(n);
	return job;
}

/* What came meanwhile is there, it ends well, holds nothing any more (I12), and nothing is missing or double. */
static void finish(net *n, kt_process *job)
{
	await_rows(n);
	kt_process_signal(job, SIGTERM);
	kt_life_end(&n->life, job, RUN_MS);
	kt_job_must_end(job, 0, NULL, RUN_MS);
	net_close(n);
}

static void arm(net *n, struct fault_order order)
{
	order.hit = 1;
	kt_proxy_arm(n->proxy, order);
	n->done++;
}

/* F4, I6: the statement that makes the plan is delayed past the next connection, before it has locked a row and after.
 * It then finds the range planned, moves nothing, and no COMMIT follows it: no identifier is there twice. */
Test(network_postgres, F4_a_plan_that_arrives_after_the_next_connection_has_planned_leaves_nothing, .timeout = 300)
{
	net n;
	kt_process *job = start(&n, 2, NULL);

	for (int i = 0; i < 2; i++) {
		arm(&n, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, .ms = 1500,
			.text = i == 0 ? "select partition_index from \"kdirect\".partition" : ".batch_partition (job, batch_time"});
		fill(&n, NARROW);
		await_rows(&n);
		kt_proxy_await(n.proxy, n.done);
		cr_assert_eq(kt_store_int(&n.job.store, "select count(*) from @batch_partition where committed_at is null"), 0);
	}
	finish(&n, job);
}

/* A COMMIT that runs for so long, once: by a trigger that is deferred until then. */
static void make_slow(net *n, double seconds)
{
	kt_store_exec(&n->job.store,
		"create sequence commits; create function sleep_once() returns trigger language plpgsql as"
		" 'begin if nextval(''commits'') = 1 then perform pg_sleep(%g); end if; return null; end';"
		" create constraint trigger slow after insert on t deferrable initially deferred"
		" for each row execute function sleep_once()", seconds);
}

static void outlive_a_running_commit(double seconds)
{
	net n;
	kt_process *job = start(&n, 1, NULL);
	int64_t began;

	make_slow(&n, seconds);
	arm(&n, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, KT_COMMIT_OF_DATA});
	began = kt_now_ms();
	fill(&n, NARROW);
	await_rows(&n);
	kt_proxy_await(n.proxy, n.done);
	printf("network: a COMMIT that runs for %g s when the job is back: all there in %" PRId64 " ms, session ended: %s\n",
		seconds, kt_now_ms() - began, strstr(kt_process_stderr(job), "ended session") ? "yes" : "no");
	fflush(stdout);
	finish(&n, job);
}

/* F3, I2: the job is back while its COMMIT still runs: it waits for the old transaction, and finds it committed. */
Test(network_postgres, F3_a_commit_that_still_runs_when_the_job_is_back_is_waited_for, .timeout = 300)
{
	outlive_a_running_commit(0.5);
}

/* F3, I2, I8: where it runs for longer than the job waits for a lock, its session is ended, and with it the COMMIT. */
Test(network_postgres, F3_a_commit_that_runs_for_too_long_when_the_job_is_back_is_ended, .timeout = 300)
{
	outlive_a_running_commit(3);
}

/* ---- connections ---- */

/* F10, I1, I2: SQLite's way: the first request is hit, the second, the third ... until a run has none that is. */
Test(network_postgres, F10_any_request_may_be_lost_or_cut_or_its_answer_lost, .timeout = 600)
{
	static const enum fault_deed deeds[] = {FAULT_CUT, FAULT_DROP_ANSWER, FAULT_DROP_REQUEST};
	int hit = 0;
	net n;

	net_open(&n, 1);
	for (int64_t before = -1; before < fault_proxy_done(n.proxy);) {
		before = fault_proxy_done(n.proxy);
		kt_proxy_arm(n.proxy, (struct fault_order) {.deed = deeds[hit % 3], .hit = hit + 1});
		hit++;
		fill(&n, 1);
		kt_job_must_end(kt_job_run(&n.job, NULL, RUN_MS), 0, NULL, RUN_MS);
	}
	printf("network: each of %d requests of a run was hit\n", hit - 1);
	cr_assert_gt(hit, 20);
	net_close(&n);
}

/* F26, I1, I2, I8: it all takes longer, and that is all. */
Test(network_postgres, F26_a_slow_network_only_costs_time, .timeout = 300)
{
	net n;

	net_open(&n, 2);
	fill(&n, NARROW);
	kt_proxy_arm(n.proxy, (struct fault_order) {.deed = FAULT_DELAY_REQUEST, .ms = 20});
	kt_job_catch_up(&n.job, NULL);
	cr_assert_gt(fault_proxy_done(n.proxy), 10);
	fault_proxy_disarm(n.proxy);
	fill(&n, NARROW);
	kt_proxy_arm(n.proxy, (struct fault_order) {.deed = FAULT_DELAY_ANSWER, .ms = 20});
	kt_job_catch_up(&n.job, NULL);
	net_close(&n);
}

/* F26, I8: nothing passes for some seconds, and nothing is closed: when it passes again the job has lost nothing, not
 * even its connection. */
Test(network_postgres, F26_a_network_that_stood_still_for_some_seconds, .timeout = 300)
{
	net n;
	kt_process *job = start(&n, 2, NULL);
	int64_t until;

	fault_proxy_freeze(n.proxy, true);
	fill(&n, NARROW);
	for (until = kt_now_ms() + 3000; kt_now_ms() < until;)
		kt_pause();
	cr_assert_lt(kt_store_int(&n.job.store, "select count(*) from t"), n.records);
	fault_proxy_freeze(n.proxy, false);
	await_rows(&n);
	cr_assert_null(strstr(kt_process_stderr(job), "trying again"), "%s", kt_process_stderr(job));
	finish(&n, job);
}

static bool tries_again(void *opaque)
{
	return strstr(kt_process_stderr(opaque), "trying again") != NULL;
}

/* F10, I8: every connection is gone, and for a while there is no new one. */
Test(network_postgres, F10_connections_are_reset_and_refused_for_a_while, .timeout = 300)
{
	net n;
	kt_process *job = start(&n, 2, NULL);

	fault_proxy_refuse(n.proxy, true);
	fault_proxy_reset(n.proxy);
	fill(&n, NARROW);
	kt_await(tries_again, job, RUN_MS, "the job tries again");
	cr_assert(kt_process_running(job), "%s", kt_process_stderr(job));
	fault_proxy_refuse(n.proxy, false);
	finish(&n, job);
}

/* F26, I1, I2: COPY and its data are cut after every so many bytes, and so is the answer. */
Test(network_postgres, F26_copy_and_its_answer_are_cut_after_each_so_many_bytes, .timeout = 300)
{
	net n;
	kt_process *job = start(&n, 1, NULL);
	int cuts = 0;

	for (int64_t bytes = 0; bytes < 1600; bytes += 1 + bytes / 8, cuts++) {
		arm(&n, (struct fault_order) {.deed = FAULT_CUT_REQUEST, .text = "copy ", .bytes = bytes});
		fill(&n, NARROW);
		kt_proxy_await(n.proxy, n.done);
		await_rows(&n); /* each time: or it were one fault that lasts, for which a job waits longer and longer */
	}
	for (int64_t bytes = 0; bytes < 40; bytes += 3, cuts++) {
		arm(&n, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .text = "copy ", .bytes = bytes});
		fill(&n, NARROW);
		kt_proxy_await(n.proxy, n.done);
		await_rows(&n);
	}
	printf("network: %d cuts in COPY and its answer\n", cuts);
	finish(&n, job);
}

/* F26, I8: half-open at a COMMIT: the server never gets it, and nobody is told.  Keepalives and tcp_user_timeout see a
 * proxy that reads; what bounds it is our own limit for an answer, retry_timeout_ms / 2 (5 s at least) + 15 s: then
 * the job connects anew and goes on.  The other job's every connection is like that: it gives up in a bounded time,
 * with 4. */
Test(network_postgres, F26_half_open_connections_are_given_up_in_a_bounded_time, .timeout = 600)
{
	enum { BOUND_MS = 20000, GIVES_UP_MS = 60000, SLACK_MS = 60000 };
	static const char patience[] = "retry_timeout_ms=10000";
	net back, gone;
	kt_process *comes_back = start(&back, 1, patience), *gives_up = start(&gone, 1, patience);
	int64_t began = kt_now_ms();

	arm(&back, (struct fault_order) {.deed = FAULT_HALF_OPEN, KT_COMMIT_OF_DATA});
	kt_proxy_arm(gone.proxy, (struct fault_order) {.deed = FAULT_HALF_OPEN});
	fill(&back, NARROW);
	fill(&gone, NARROW);
	await_rows(&back);
	printf("network: back %" PRId64 " ms after a half-open COMMIT (the limit for an answer is %d ms)\n",
		kt_now_ms() - began, BOUND_MS);
	cr_assert_lt(kt_now_ms() - began, BOUND_MS + SLACK_MS);
	kt_job_must_end(gives_up, 4, "gave up", GIVES_UP_MS + SLACK_MS);
	printf("network: exit 4 within %" PRId64 " ms where everything is half-open\n", kt_now_ms() - began);
	finish(&back, comes_back);
	fault_proxy_disarm(gone.proxy);
	fault_proxy_reset(gone.proxy);
	kt_job_catch_up(&gone.job, NULL);
	net_close(&gone);
}

/* ---- in great number ---- */

/* KD_STORM: so many faults; KD_SEED: their hits again. */
static void storm(const struct fault_order *orders, size_t n_orders, int faults, int most_hit)
{
	const char *seed = getenv("KD_SEED"), *many = getenv("KD_STORM");
	kt_storm storm = {.orders = orders, .n = n_orders, .faults = many ? atoi(many) : faults, .most_hit = most_hit,
		.seed = seed ? (unsigned int) strtoul(seed, NULL, 10) : (unsigned int) kt_now_ms()};
	net n;

	net_open(&n, 3);
	kt_storm_run(&storm, &n.job, n.proxy);
	net_close(&n);
}

/* F3, I1, I2: 60 in one life of one process; `make torture` does 1,000 and more. */
Test(network_postgres, F3_sixty_lost_commit_answers_in_one_run, .timeout = 3600)
{
	storm(kt_lost_commit_answers, kt_n_lost_commit_answers, 60, 3);
}

/* F3, F4, F10, F26: everything at once, at requests taken by chance. */
Test(network_postgres, F26_all_weathers_in_one_run, .timeout = 600)
{
	storm(kt_pg_weather, kt_n_pg_weather, 66, 12);
}
