/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka sink behind a network that loses and cuts: the sink's cluster is reached through a fault proxy, the source
 * past it.  Each kind of request of a transaction is hit, EndTxn above all: its answer is to this sink what COMMIT's is
 * to PostgreSQL.  It runs where librdkafka is new enough (make check-kafka-sink). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_fixture.h"
#include "kafka_proxy.h"
#include "oracle.h"
#include "own_broker.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 120000, RECORDS = 30, PARTITIONS = 2, LEAST_VERSION = 0x020503ff };

enum { PRODUCE = 0, ADD_PARTITIONS_TO_TXN = 24, END_TXN = 26 };

#define NEEDS_LIBRDKAFKA() \
	do { \
		if (rd_kafka_version() < LEAST_VERSION) \
			cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink"); \
	} while (0)

ReportHook(PRE_ALL)(struct criterion_test_set *all)
{
	if (rd_kafka_version() >= LEAST_VERSION)
		own_broker_start(all, "behind", kt_broker_start);
}

typedef struct net {
	char *dir, *path, *source, *target;
	kt_admin *admin;
	struct fault_proxy *proxy;
	kt_process *process;
	int64_t records, done; /* done: orders */
} net;

static void net_open(net *n)
{
	*n = (net) {.dir = kt_tmpdir(), .source = kt_own_name("from"), .admin = kt_admin_open(NULL)};
	n->target = kt_format("%s.to", n->source);
	n->proxy = kt_broker_proxy_open(kt_env(OWN_BROKER));
	kt_topic_create(n->admin, n->source, PARTITIONS, NULL);
	kt_topic_create(n->admin, n->target, PARTITIONS, "retention.ms", "-1", NULL);
	n->path = kt_write_file(n->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50}, \"retry_timeout_ms\": 60000,\n"
		" \"sink\": {\"type\": \"kafka\", \"brokers\": \"127.0.0.1:%d\", \"topic\": \"%s\", \"ledger_topic\": \"%s.ledger\","
		" \"partitioner\": \"source\"}}\n",
		kt_env("KD_TEST_KAFKA"), n->source, fault_proxy_port(n->proxy), n->target, n->source);
}

static void fill(net *n)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	for (int i = 0; i < PARTITIONS; i++)
		kt_produce_many(producer, n->source, i, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	n->records += PARTITIONS * RECORDS;
}

static int64_t landed(const net *n)
{
	kt_oracle rows = kt_oracle_read(NULL, n->target, true);
	int64_t count = (int64_t) rows.n;

	kt_oracle_done(&rows);
	return count;
}

static void await_rows(net *n)
{
	int64_t end = kt_now_ms() + RUN_MS;

	while (landed(n) < n->records)
		kt_check(kt_process_running(n->process) && kt_now_ms() < end, "%" PRId64 " of %" PRId64 " records:\n%s", landed(n),
			n->records, kt_process_stderr(n->process));
}

/* The same partitions, the same order, the same bytes, and no record more. */
static void judge(const net *n)
{
	kt_oracle from = kt_oracle_read(NULL, n->source, true), to = kt_oracle_read(NULL, n->target, true);

	cr_assert_eq(to.n, from.n, "%zu records of %zu", to.n, from.n);
	for (size_t i = 0; i < to.n; i++)
		cr_assert(to.rows[i].partition == from.rows[i].partition && to.rows[i].checksum == from.rows[i].checksum,
			"record %zu is another one", i);
	kt_oracle_done(&from);
	kt_oracle_done(&to);
}

static void net_close(net *n)
{
	kt_process *audit;

	judge(n);
	audit = kt_kdirect(n->dir, NULL, "audit", n->path, "--deep", NULL);
	kt_job_must_end(audit, 0, NULL, RUN_MS);
	fault_proxy_close(n->proxy);
	kt_admin_close(n->admin);
	kt_tmpdir_remove(n->dir);
	free(n->path);
	free(n->source);
	free(n->target);
}

static void meet_each(struct fault_order order, const char *what)
{
	static const struct {
		const char *name;
		int api_key;
	} requests[] = {{"EndTxn", END_TXN}, {"Produce", PRODUCE}, {"AddPartitionsToTxn", ADD_PARTITIONS_TO_TXN}};
	net n;

	net_open(&n);
	fill(&n);
	n.process = kt_kdirect(n.dir, NULL, "run", n.path, NULL);
	await_rows(&n);
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		for (order.hit = 1; order.hit <= 2; order.hit++) { /* of a transaction of the ledger, or of rows */
			int64_t began = kt_now_ms();
			order.api_key = requests[i].api_key;
			kt_proxy_arm(n.proxy, order);
			fill(&n);
			n.done++;
			while (fault_proxy_done(n.proxy) < n.done) {
				await_rows(&n);
				fill(&n);
			}
			await_rows(&n);
			printf("network: %s of %s %d: all there in %" PRId64 " ms\n", what, requests[i].name, order.hit,
				kt_now_ms() - began);
		}
	}
	fflush(stdout);
	kt_process_signal(n.process, SIGTERM);
	kt_job_must_end(n.process, 0, NULL, RUN_MS);
	net_close(&n);
}

/* F3, I1, I2: the transaction is ended, and nobody was told. */
Test(network_kafka_sink, F3_the_answer_of_each_request_of_a_transaction_is_lost, .timeout = 600)
{
	NEEDS_LIBRDKAFKA();
	meet_each((struct fault_order) {.deed = FAULT_DROP_ANSWER}, "a lost answer");
}

/* F4, I1, I2. */
Test(network_kafka_sink, F4_each_request_of_a_transaction_never_arrives, .timeout = 600)
{
	NEEDS_LIBRDKAFKA();
	meet_each((struct fault_order) {.deed = FAULT_DROP_REQUEST}, "a lost request");
}

/* F3, F4, I2: it arrives when its client is back on another connection. */
Test(network_kafka_sink, F3_each_request_of_a_transaction_arrives_late, .timeout = 600)
{
	NEEDS_LIBRDKAFKA();
	meet_each((struct fault_order) {.deed = FAULT_HOLD_REQUEST, .ms = 500}, "a late request");
}

/* What is too old for the sink is told so, and never comes as far as the network. */
Test(network_kafka_sink, an_old_librdkafka_sends_nothing, .timeout = 120)
{
	const char *why;

	if (rd_kafka_version() >= LEAST_VERSION)
		cr_skip_test("this librdkafka is not too old");
	struct fault_proxy *proxy = fault_proxy_open(FAULT_PROXY_KAFKA, 0, kt_env("KD_TEST_KAFKA"), &why);
	kt_check(proxy, "could not open a proxy: %s", why);
	kt_proxy_arm(proxy, (struct fault_order) {.deed = FAULT_CUT, .api_key = -1});
	char *dir = kt_tmpdir(), *path = kt_write_file(dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"none\"],\n"
		" \"sink\": {\"type\": \"kafka\", \"brokers\": \"127.0.0.1:%d\", \"topic\": \"none\"}}\n",
		kt_env("KD_TEST_KAFKA"), fault_proxy_port(proxy));
	kt_process *process = kt_kdirect(dir, NULL, "run", path, NULL);
	cr_assert_neq(kt_process_wait(process, RUN_MS), 0);
	cr_assert(strstr(kt_process_stderr(process), "librdkafka"), "%s", kt_process_stderr(process));
	cr_assert_eq(fault_proxy_begun(proxy), 0);
	kt_process_free(process);
	fault_proxy_close(proxy);
	kt_tmpdir_remove(dir);
	free(path);
}
