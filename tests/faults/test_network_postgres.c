/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL behind a network that loses, holds, delays and cuts: each COMMIT's answer, each request, COPY byte by byte.
 * Every test ends with the table compared with the topic, and the ledger with both. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "check.h"
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
	int64_t done; /* orders */
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
	kt_job_must_end(kt_job_run(&n->job, set, RUN_MS), 0, NULL, RUN_MS);
	kt_proxy_await(n->proxy, ++n->done);
	kt_judge_clean(&n->job.store, "t", n->job.topic);
	printf("network: deed %d (%d ms) at the COMMIT of %s: done in %" PRId64 " ms\n", (int) fault.deed, fault.ms,
		kind->name, kt_now_ms() - began);
	fflush(stdout);
}

static void meet_all(struct fault_order fault)
{
	net n;

	net_open(&n, 2);
	for (int i = 0; i < KINDS; i++)
		meet(&n, &kinds[i], fault);
	net_close(&n);
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
	meet_all((struct fault_order) {.deed = FAULT_HOLD_REQUEST, .ms = 6000});
}
