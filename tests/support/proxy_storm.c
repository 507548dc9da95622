/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of the network in great number: see proxy_storm.h. */
#include "proxy_storm.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "holding.h"
#include "job_judge.h"
#include "wait.h"

enum {
	FIRST_RECORDS = 2000,
	MOST_AT_ONCE = 40, /* records */
	AFTER_MS = 100,    /* without a fault more records come */
	FAULT_MS = 90000,  /* so long one fault may let wait for itself */
};

const struct fault_order kt_lost_commit_answers[] = {
	{.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_DATA},
	{.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_PLAN},
	{.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_DATA},
};
const size_t kt_n_lost_commit_answers = sizeof(kt_lost_commit_answers) / sizeof(*kt_lost_commit_answers);

const struct fault_order kt_pg_weather[] = {
	{.deed = FAULT_CUT},
	{.deed = FAULT_DROP_REQUEST},
	{.deed = FAULT_DROP_ANSWER},
	{.deed = FAULT_DELAY_REQUEST, .ms = 100},
	{.deed = FAULT_DELAY_ANSWER, .ms = 100},
	{.deed = FAULT_HOLD_REQUEST, .ms = 400},
	{.deed = FAULT_CUT_REQUEST, .bytes = 400},
	{.deed = FAULT_CUT_ANSWER, .bytes = 100},
	{.deed = FAULT_DROP_REQUEST, KT_COMMIT},
	{.deed = FAULT_HOLD_REQUEST, KT_COMMIT, .ms = 400},
	{.deed = FAULT_CUT_REQUEST, .text = "copy ", .bytes = 4000},
};
const size_t kt_n_pg_weather = sizeof(kt_pg_weather) / sizeof(*kt_pg_weather);

static int chance(kt_storm *storm, int most)
{
	return most > 0 ? rand_r(&storm->seed) % most : 0;
}

static void feed(kt_storm *storm, kt_producer *producer, const kt_job *job, int64_t n)
{
	kt_produce_many(producer, job->topic, KT_ANY_PARTITION, n, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	storm->records += n;
}

/* The next order, and records until it is done. */
static void one_fault(kt_storm *storm, kt_job *job, struct fault_proxy *proxy, kt_producer *producer,
	kt_process *process)
{
	struct fault_order order = storm->orders[storm->done % (int64_t) storm->n];
	int64_t before = fault_proxy_done(proxy), began = kt_now_ms(), fed = 0;

	order.hit = 1 + chance(storm, storm->most_hit);
	order.ms = chance(storm, order.ms);
	order.bytes = chance(storm, (int) order.bytes);
	kt_proxy_arm(proxy, order);
	while (fault_proxy_done(proxy) == before) {
		kt_check(kt_process_running(process), "the job ended:\n%s", kt_process_stderr(process));
		kt_check(kt_now_ms() - began < FAULT_MS, "the fault %d of %s was not met within %d ms:\n%s", (int) order.deed,
			order.text ? order.text : "any", FAULT_MS, kt_process_stderr(process));
		if (kt_now_ms() - fed > AFTER_MS) {
			feed(storm, producer, job, 1 + chance(storm, MOST_AT_ONCE));
			fed = kt_now_ms();
		} else {
			kt_pause();
		}
	}
	storm->done++;
}

void kt_storm_run(kt_storm *storm, kt_job *job, struct fault_proxy *proxy)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);
	unsigned int seed = storm->seed;
	int64_t began = kt_now_ms();
	kt_process *process;

	feed(storm, producer, job, FIRST_RECORDS);
	process = kt_job_start(job, KT_LIFE, "--set", "retry_timeout_ms=60000", NULL);
	kt_life life = kt_life_begin(process);
	kt_job_await(job, 1, FAULT_MS, "select count(*) from t");
	while (storm->done < storm->faults)
		one_fault(storm, job, proxy, producer, process);
	kt_process_signal(process, SIGTERM);
	kt_life_end(&life, process, FAULT_MS);
	kt_job_must_end(process, 0, NULL, FAULT_MS);
	kt_producer_close(producer);
	storm->took_ms = kt_now_ms() - began;
	kt_job_catch_up(job, NULL);
	storm->rows = kt_store_int(&job->store, "select count(*) from t");
	printf("storm: seed %u, %" PRId64 " faults, %" PRId64 " records, %" PRId64 " rows, %" PRId64 " ms\n", seed,
		storm->done, storm->records, storm->rows, storm->took_ms);
	fflush(stdout);
	kt_judge_clean(&job->store, "t", job->topic);
}
