/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka behind a network that loses, holds, delays and cuts: answers of Fetch, ListOffsets and Metadata, byte by byte.
 * Every test ends with the table compared with the topic, which is read past the proxy, and the ledger with both.
 *
 * librdkafka's socket.timeout.ms (60 s unless a job says otherwise) bounds what a silent broker costs; here it is 3 s,
 * metadata are asked for all the time, and connections come back at once. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_judge.h"
#include "kafka_proxy.h"
#include "own_broker.h"
#include "proxy_storm.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 120000, SOCKET_MS = 3000, SLACK_MS = 60000, RECORDS = 30, PARTITIONS = 2 };

static const char properties[] = "\"socket.timeout.ms\": 3000, \"topic.metadata.refresh.interval.ms\": 200,"
	" \"reconnect.backoff.ms\": 50, \"reconnect.backoff.max.ms\": 200";

static const struct {
	const char *name;
	int api_key;
} requests[] = {{"Fetch", KT_FETCH}, {"ListOffsets", KT_LIST_OFFSETS}, {"Metadata", KT_METADATA}};

enum { REQUESTS = sizeof(requests) / sizeof(*requests) };

ReportHook(PRE_ALL)(struct criterion_test_set *all)
{
	own_broker_start(all, "behind", kt_broker_start);
}

typedef struct net {
	kt_job job;
	struct fault_proxy *proxy;
	kt_process *process;
	int64_t records, done; /* done: orders */
} net;

static void net_open(net *n)
{
	*n = (net) {.records = 0};
	kt_job_open(&n->job, KT_POSTGRES, PARTITIONS);
	n->proxy = kt_kafka_proxy_open(&n->job, kt_env(OWN_BROKER), properties, "\"retry_timeout_ms\": 60000");
}

static void net_close(net *n)
{
	kt_judge_clean(&n->job.store, "t", n->job.topic);
	fault_proxy_close(n->proxy);
	kt_job_close(&n->job);
}

static void fill(net *n)
{
	for (int i = 0; i < PARTITIONS; i++)
		kt_job_fill(&n->job, i, RECORDS);
	n->records += PARTITIONS * RECORDS;
}

static void await_rows(net *n)
{
	kt_job_await(&n->job, n->records, RUN_MS, "select count(*) from t");
}

static void start(net *n)
{
	net_open(n);
	fill(n);
	n->process = kt_job_start(&n->job, NULL, NULL);
	await_rows(n);
}

static void finish(net *n)
{
	await_rows(n);
	kt_process_signal(n->process, SIGTERM);
	kt_job_must_end(n->process, 0, NULL, RUN_MS);
	net_close(n);
}

/* Records come, the fault meets one of their requests, and they land all the same.  Returns how long it took. */
static int64_t meet(net *n, struct fault_order order)
{
	int64_t began = kt_now_ms();

	order.hit = 1;
	kt_proxy_arm(n->proxy, order);
	fill(n);
	kt_proxy_await(n->proxy, ++n->done);
	await_rows(n);
	return kt_now_ms() - began;
}

static void meet_each(struct fault_order order, const char *what)
{
	net n;

	start(&n);
	for (int i = 0; i < REQUESTS; i++) {
		order.api_key = requests[i].api_key;
		printf("network: %s of %s: all there in %" PRId64 " ms\n", what, requests[i].name, meet(&n, order));
	}
	fflush(stdout);
	finish(&n);
}

/* F23, I1, I2. */
Test(network_kafka, F23_the_answer_of_each_request_is_lost, .timeout = 300)
{
	meet_each((struct fault_order) {.deed = FAULT_DROP_ANSWER}, "a lost answer");
}

/* F23, I1, I2. */
Test(network_kafka, F23_each_request_never_arrives, .timeout = 300)
{
	meet_each((struct fault_order) {.deed = FAULT_DROP_REQUEST}, "a lost request");
	meet_each((struct fault_order) {.deed = FAULT_CUT}, "a cut instead");
}

/* F23, F26, I8: by less than socket.timeout.ms. */
Test(network_kafka, F26_each_request_and_answer_is_late, .timeout = 300)
{
	meet_each((struct fault_order) {.deed = FAULT_DELAY_REQUEST, .ms = 1000}, "a request, 1 s late,");
	meet_each((struct fault_order) {.deed = FAULT_DELAY_ANSWER, .ms = 1000}, "an answer, 1 s late,");
}

/* F26, I8: nothing passes any more and nothing is closed.  socket.timeout.ms ends it, and is added to by at most a
 * second of librdkafka's own clock and a reconnect. */
Test(network_kafka, F26_each_request_meets_a_half_open_connection, .timeout = 600)
{
	net n;

	start(&n);
	for (int i = 0; i < REQUESTS; i++) {
		int64_t ms = meet(&n, (struct fault_order) {.deed = FAULT_HALF_OPEN, .api_key = requests[i].api_key});
		printf("network: back %" PRId64 " ms after a half-open %s (socket.timeout.ms is %d)\n", ms, requests[i].name,
			SOCKET_MS);
		cr_assert_lt(ms, SOCKET_MS + SLACK_MS);
	}
	fflush(stdout);
	finish(&n);
}

/* F26, I1, I2, I4: an answer that ends in its head, in a record, before its last byte. */
Test(network_kafka, F26_answers_are_cut_after_each_so_many_bytes, .timeout = 300)
{
	net n;
	int cuts = 0;

	start(&n);
	for (int64_t bytes = 0; bytes < 3000; bytes += 1 + bytes / 3, cuts++)
		meet(&n, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .api_key = KT_FETCH, .bytes = bytes});
	for (int64_t bytes = 0; bytes < 80; bytes += 13, cuts += 2) {
		meet(&n, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .api_key = KT_LIST_OFFSETS, .bytes = bytes});
		meet(&n, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .api_key = KT_METADATA, .bytes = bytes});
	}
	printf("network: %d answers cut\n", cuts);
	fflush(stdout);
	finish(&n);
}

/* F23, F26, I8: the way to the broker is gone for longer than socket.timeout.ms, and comes back. */
Test(network_kafka, F26_a_network_that_stood_still_for_some_seconds, .timeout = 300)
{
	net n;

	start(&n);
	fault_proxy_freeze(n.proxy, true);
	fill(&n);
	for (int64_t until = kt_now_ms() + SOCKET_MS + 2000; kt_now_ms() < until;)
		kt_pause();
	cr_assert_lt(kt_store_int(&n.job.store, "select count(*) from t"), n.records);
	cr_assert(kt_process_running(n.process), "%s", kt_process_stderr(n.process));
	fault_proxy_freeze(n.proxy, false);
	finish(&n);
}

static bool is_down(void *opaque)
{
	return fault_proxy_connections(opaque) == 0;
}

/* F23, I8. */
Test(network_kafka, F23_connections_are_reset_and_refused_for_a_while, .timeout = 300)
{
	net n;

	start(&n);
	fault_proxy_refuse(n.proxy, true);
	fault_proxy_reset(n.proxy);
	fill(&n);
	kt_await(is_down, n.proxy, RUN_MS, "no connection is left");
	for (int64_t until = kt_now_ms() + 2000; kt_now_ms() < until;)
		kt_pause();
	cr_assert(kt_process_running(n.process), "%s", kt_process_stderr(n.process));
	fault_proxy_refuse(n.proxy, false);
	finish(&n);
}

/* F23, F26, I1, I2, I4: everything at once, at requests taken by chance. */
Test(network_kafka, F26_all_weathers_in_one_run, .timeout = 600)
{
	static const struct fault_order weather[] = {
		{.deed = FAULT_CUT, .api_key = -1},
		{.deed = FAULT_DROP_ANSWER, .api_key = -1},
		{.deed = FAULT_CUT_ANSWER, .api_key = KT_FETCH, .bytes = 3000},
		{.deed = FAULT_DROP_REQUEST, .api_key = -1},
		{.deed = FAULT_DELAY_ANSWER, .api_key = -1, .ms = 200},
		{.deed = FAULT_CUT_REQUEST, .api_key = -1, .bytes = 60},
		{.deed = FAULT_DELAY_REQUEST, .api_key = KT_FETCH, .ms = 200},
	};
	const char *seed = getenv("KD_SEED");
	kt_storm storm = {.orders = weather, .n = sizeof(weather) / sizeof(*weather), .faults = 42, .most_hit = 6,
		.seed = seed ? (unsigned int) strtoul(seed, NULL, 10) : (unsigned int) kt_now_ms()};
	net n;

	net_open(&n);
	kt_storm_run(&storm, &n.job, n.proxy);
	net_close(&n);
}
