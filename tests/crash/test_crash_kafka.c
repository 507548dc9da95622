/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against the Kafka sink: at every fault point and at random; and rival starts, which fence each other. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "crash_kafka.h"
#include "tmpdir.h"
#include "wait.h"

enum { FENCED_MS = 30000, STOP_MS = 8000 };

#define NEEDS_LIBRDKAFKA() \
	do { \
		if (rd_kafka_version() < CRASH_KAFKA_LEAST_VERSION) \
			cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink"); \
	} while (0)

/* The list of points is held against the sources. */
Test(crash_kafka, its_fault_points_are_in_the_table)
{
	int n = 0;

	for (const crash_point *point = crash_points; point->name; point++)
		n += strncmp(point->name, "kafka.", 6) == 0;
	cr_assert_gt(n, 5);
}

/* ---- kills ---- */

/* F1, F2; I1-I6, I8. */
Test(crash_kafka, exactly_once_until_a_run_survives_every_fault_point_in_double_faults_and_at_random, .timeout = 900)
{
	NEEDS_LIBRDKAFKA();
	crash_everything(&crash_kafka, "kafka-sink", 40, 1200, 30, 150);
}

/* ---- rivals ---- */

static void open_with_backlog(kt_job *job, int64_t each)
{
	kt_job_open(job, KT_SQLITE, 2);
	crash_kafka_write(job, 2);
	kt_job_fill(job, 0, each);
	kt_job_fill(job, 1, each);
}

static kt_process *start(kt_job *job, const char *fault)
{
	return kt_job_start(job, fault, "--set", "batch.max_records_per_batch=200", NULL);
}

static bool has_rows(void *opaque)
{
	kt_job *job = opaque;
	char *target = kt_format("%s.copy", job->topic);
	int64_t low, high;

	kt_topic_watermarks(job->admin, target, 0, &low, &high);
	free(target);
	return high > 0;
}

static void finish(kt_job *job)
{
	kt_job_catch_up(job, NULL);
	crash_kafka_must_become_clean(job);
	crash_audit(job, "--deep");
	kt_job_close(job);
}

static void must_stop(kt_process *process)
{
	cr_assert(kt_process_running(process), "it ended:\n%s", kt_process_stderr(process));
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, STOP_MS);
}

Test(crash_kafka, the_older_of_two_instances_ends_with_exit_code_3, .timeout = 180)
{
	kt_job job;
	kt_process *older, *newer;

	NEEDS_LIBRDKAFKA();
	open_with_backlog(&job, 30000);
	older = start(&job, NULL);
	kt_await(has_rows, &job, 30000, "rows");
	newer = start(&job, NULL);
	kt_job_must_end(older, 3, "taken over by a newer instance", FENCED_MS);
	must_stop(newer);
	finish(&job);
}

Test(crash_kafka, an_idle_instance_notices_its_successor, .timeout = 180)
{
	kt_job job;
	kt_process *older;

	NEEDS_LIBRDKAFKA();
	open_with_backlog(&job, 10);
	older = start(&job, NULL);
	kt_await(has_rows, &job, 30000, "rows");
	kt_job_catch_up(&job, NULL);
	kt_job_must_end(older, 3, NULL, FENCED_MS);
	finish(&job);
}

/* The successor finishes the work; the frozen one wakes up, changes nothing, and ends with its own exit code, also where
 * it was frozen in its take-over: it leaves the job to who started later. */
Test(crash_kafka, a_successor_finishes_what_a_frozen_owner_holds, .timeout = 600)
{
	static const char *const faults[] = {"kafka.begun:2:stop", "kafka.rows_sent:2:stop", "kafka.commit.before:2:stop",
		"kafka.commit.after:2:stop", "kafka.step.sent:3:stop", "kafka.step.committed:3:stop", "kafka.looked:1:stop",
		"kafka.producer_ready:1:stop", "kafka.ledger_read:1:stop", "start.owned:1:stop", "plan.after_durable:2:stop"};

	NEEDS_LIBRDKAFKA();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		kt_job job;
		kt_process *zombie;

		printf("crash: frozen at %s\n", faults[i]);
		fflush(stdout);
		open_with_backlog(&job, 1500);
		zombie = start(&job, faults[i]);
		kt_check(kt_wait_until(kt_process_is_stopped, zombie, 30000), "not stopped at %s:\n%s", faults[i],
			kt_process_stderr(zombie));
		kt_job_must_end(kt_job_run(&job, NULL, 90000), 0, NULL, 0);
		crash_kafka_must_become_clean(&job);
		kt_process_signal(zombie, SIGCONT);
		kt_job_must_end(zombie, 3, NULL, FENCED_MS);
		finish(&job);
	}
}

/* A start that fenced the owner and died before it took over leaves the owner in office. */
Test(crash_kafka, an_owner_outlives_a_start_that_died_before_its_take_over, .timeout = 300)
{
	static const char *const faults[] = {"kafka.producer_ready:1:kill", "kafka.ledger_read:1:kill", "kafka.step.sent:1:kill"};

	NEEDS_LIBRDKAFKA();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		kt_job job;
		kt_process *owner;

		open_with_backlog(&job, 6000);
		owner = start(&job, NULL);
		kt_await(has_rows, &job, 30000, "rows");
		kt_job_must_end(start(&job, faults[i]), 128 + SIGKILL, NULL, 30000);
		kt_job_fill(&job, 0, 10); /* an idle owner would not notice */
		/* fenced in a commit, some brokers only say UNKNOWN */
		cr_assert(kt_process_says(owner, "trying again", 30000), "%s", kt_process_stderr(owner));
		crash_kafka_must_become_clean(&job);
		must_stop(owner);
		finish(&job);
	}
}

/* F5, F8 (I7, I8): a start that is held up between its look at the ledger and its fencing, and overtaken meanwhile, fences
 * the rightful owner before it can know.  Then it knows, and ends; the owner makes a new producer and goes on. */
Test(crash_kafka, a_start_that_is_overtaken_before_it_fences_leaves_the_owner_in_office, .timeout = 180)
{
	kt_job job;
	kt_process *held_up, *owner;

	NEEDS_LIBRDKAFKA();
	open_with_backlog(&job, 6000);
	held_up = start(&job, "kafka.looked:1:stop");
	kt_check(kt_wait_until(kt_process_is_stopped, held_up, 30000), "not stopped:\n%s", kt_process_stderr(held_up));
	owner = start(&job, NULL);
	kt_await(has_rows, &job, 30000, "rows");
	kt_process_signal(held_up, SIGCONT);
	kt_job_must_end(held_up, 3, "taken over by a newer instance", FENCED_MS);
	kt_job_fill(&job, 0, 10); /* an idle owner would not notice */
	/* fenced in a commit, some brokers only say UNKNOWN */
	cr_assert(kt_process_says(owner, "trying again", 30000), "%s", kt_process_stderr(owner));
	crash_kafka_must_become_clean(&job);
	must_stop(owner);
	finish(&job);
}

enum { STARTS = 4 };

/* Starts that fence each other while they take over: one is left, and all others end as superseded. */
Test(crash_kafka, of_many_starts_at_once_exactly_one_is_left, .timeout = 300)
{
	NEEDS_LIBRDKAFKA();
	for (int round = 0; round < 3; round++) {
		kt_job job;
		kt_process *process[STARTS];
		int left = STARTS;
		int64_t end = kt_now_ms() + 90000;

		open_with_backlog(&job, 5000);
		for (int i = 0; i < STARTS; i++)
			process[i] = start(&job, NULL);
		while (left > 1 && kt_now_ms() < end) {
			left = 0;
			for (int i = 0; i < STARTS; i++)
				left += kt_process_running(process[i]);
			kt_pause();
		}
		cr_assert_eq(left, 1, "%d are left", left);
		crash_kafka_must_become_clean(&job); /* and the one that is left works */
		for (int i = 0; i < STARTS; i++) {
			if (kt_process_running(process[i]))
				must_stop(process[i]);
			else
				kt_job_must_end(process[i], 3, NULL, 0);
		}
		finish(&job);
	}
}
