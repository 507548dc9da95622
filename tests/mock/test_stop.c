/* SPDX-License-Identifier: Apache-2.0 */
/* kd_job_stop from where it is promised to be safe: a signal handler, also one that interrupts the job's own threads,
 * and any thread; with two jobs in one process, each is stopped for itself. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "check.h"
#include "job_embedded.h"
#include "job_judge.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 120000, STOP_MS = 5000, RECORDS = 20000, ROUNDS = 12, STOPPERS = 8 };

typedef struct place {
	char *dir;
	const char *topic;
	kt_store store;
} place;

static void open_place(place *p, kt_mock *mock, const char *topic)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(mock), NULL);

	kt_mock_topic(mock, topic, 2);
	for (int partition = 0; partition < 2; partition++)
		kt_produce_many(producer, topic, partition, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	p->dir = kt_tmpdir();
	p->topic = topic;
	kt_store_open(&p->store, KT_SQLITE, p->dir);
}

static void close_place(place *p)
{
	kt_store_close(&p->store);
	kt_tmpdir_remove(p->dir);
}

static kt_embedded *start(const place *p, const kt_mock *mock, const kd_job_options *options)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
		" \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"%s\"], \"start\": \"earliest\","
		" \"batch\": {\"interval_ms\": 10, \"max_records_per_batch\": 200}, \"sink\": {%s, \"table\": \"t\"}}",
		kt_mock_bootstrap(mock), p->topic, p->store.sink);
	kt_embedded *job = kt_embedded_start(text, options);

	free(text);
	return job;
}

static void must_be_clean(place *p, const kt_mock *mock)
{
	kt_oracle kafka = kt_oracle_read(kt_mock_bootstrap(mock), p->topic, false);
	kt_oracle table = kt_store_rows(&p->store, "t", p->topic);
	kt_verdict v = kt_judge(&kafka, &table);

	cr_assert(!v.missing && !v.doubled && !v.altered && !v.foreign, "missing %ld, double %ld, altered %ld, foreign %ld",
		(long) v.missing, (long) v.doubled, (long) v.altered, (long) v.foreign);
	kt_oracle_done(&kafka);
	kt_oracle_done(&table);
}

static void must_finish(place *p, const kt_mock *mock)
{
	kt_embedded *job = start(p, mock, &(kd_job_options) {.until_latest = true});

	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	must_be_clean(p, mock);
}

static bool has_batches(void *opaque)
{
	return kt_embedded_progress(opaque).batches > 0;
}

/* ---- from a signal handler ---- */

static _Atomic(kd_job *) to_stop;
static atomic_int handled;

static void on_signal(int number)
{
	(void) number;
	kd_job_stop(atomic_load(&to_stop));
	atomic_fetch_add(&handled, 1);
}

/* Whatever the driver's thread is doing, the handler runs on top of it; each round comes at another moment. */
Test(stop, may_be_asked_for_by_a_signal_handler_on_the_jobs_own_thread, .timeout = 300)
{
	struct sigaction action = {.sa_handler = on_signal};
	kt_mock *mock = kt_mock_open(1);
	place p;

	open_place(&p, mock, "topic");
	sigemptyset(&action.sa_mask);
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		kt_embedded *job = start(&p, mock, &(kd_job_options) {0});

		atomic_store(&to_stop, job->job);
		if (round > 0)
			kt_await(has_batches, job, RUN_MS, "a batch");
		for (int i = 0; i < round; i++)
			sched_yield();
		cr_assert_eq(pthread_kill(job->thread, SIGUSR1), 0);
		cr_assert_eq(kt_embedded_join(job, STOP_MS), KD_OK, "%s", job->err.message);
		kt_embedded_free(job);
	}
	cr_assert_eq(atomic_load(&handled), ROUNDS);
	must_finish(&p, mock);
	close_place(&p);
	kt_mock_close(mock);
}

/* ---- from any thread ---- */

static void *stop_often(void *opaque)
{
	for (int i = 0; i < 1000; i++)
		kd_job_stop(opaque);
	return NULL;
}

Test(stop, may_be_asked_for_by_many_threads_at_once, .timeout = 300)
{
	kt_mock *mock = kt_mock_open(1);
	pthread_t threads[STOPPERS];
	place p;

	open_place(&p, mock, "topic");
	kt_embedded *job = start(&p, mock, &(kd_job_options) {0});
	kt_await(has_batches, job, RUN_MS, "a batch");
	for (int i = 0; i < STOPPERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, stop_often, job->job), 0);
	cr_assert_eq(kt_embedded_join(job, STOP_MS), KD_OK, "%s", job->err.message);
	for (int i = 0; i < STOPPERS; i++)
		pthread_join(threads[i], NULL);
	kt_embedded_free(job);
	must_finish(&p, mock);
	close_place(&p);
	kt_mock_close(mock);
}

/* ---- two jobs ---- */

Test(stop, ends_the_one_of_two_jobs_in_a_process_that_was_asked, .timeout = 300)
{
	static const char *const topics[] = {"one", "two"};
	kt_mock *mock = kt_mock_open(1);
	kt_embedded *jobs[2];
	place places[2];

	for (int i = 0; i < 2; i++)
		open_place(&places[i], mock, topics[i]);
	for (int i = 0; i < 2; i++)
		jobs[i] = start(&places[i], mock, &(kd_job_options) {.until_latest = i == 1});
	kt_await(has_batches, jobs[0], RUN_MS, "a batch");
	kd_job_stop(jobs[0]->job);
	cr_assert_eq(kt_embedded_join(jobs[0], STOP_MS), KD_OK, "%s", jobs[0]->err.message);
	cr_assert_eq(kt_embedded_join(jobs[1], RUN_MS), KD_OK, "%s", jobs[1]->err.message);
	cr_assert_eq(kt_embedded_progress(jobs[1]).rows, 2 * RECORDS);
	must_be_clean(&places[1], mock);
	for (int i = 0; i < 2; i++)
		kt_embedded_free(jobs[i]);
	must_finish(&places[0], mock);
	for (int i = 0; i < 2; i++)
		close_place(&places[i]);
	kt_mock_close(mock);
}
