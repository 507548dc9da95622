/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against the Kafka sink: at every fault point and at random; and rival starts, which fence each other.
 *
 * Rows go to the partition of the source's number, so what a read_committed consumer sees of a target's partition must
 * be what it sees of the source's: the same keys and values in the same order, none missing, none twice. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "tmpdir.h"
#include "wait.h"

enum { HITS = 3, FENCED_MS = 30000, STOP_MS = 8000 };

#define LEAST_VERSION 0x020503ff
#define NEEDS_LIBRDKAFKA() \
	do { \
		if (rd_kafka_version() < LEAST_VERSION) \
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

/* ---- a job from topic to topic ---- */

/* Beside the job's database, which stays unused. */
static void write_job(kt_job *job, int partitions)
{
	char *target = kt_format("%s.copy", job->topic);

	kt_topic_create(job->admin, target, partitions, "retention.ms", "-1", NULL);
	free(job->path);
	job->path = kt_write_file(job->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50}, \"workers\": 2,\n"
		" \"sink\": {\"type\": \"kafka\", \"topic\": \"%s\", \"partitioner\": \"source\",\n"
		"  \"ledger_topic\": \"%s.ledger\", \"coordinates\": true}}\n",
		kt_env("KD_TEST_KAFKA"), job->topic, target, job->topic);
	free(target);
}

typedef struct verdict {
	int64_t rows;
	int64_t missing;  /* of the source, at a partition's end */
	int64_t foreign;  /* too many, at a partition's end */
	int64_t altered;  /* where one record stands, another should */
} verdict;

static verdict compare(const kt_oracle *source, const kt_oracle *target)
{
	verdict v = {.rows = (int64_t) target->n};
	size_t i = 0, k = 0;

	while (i < source->n || k < target->n) {
		int32_t p = i < source->n ? source->rows[i].partition : INT32_MAX;
		int32_t q = k < target->n ? target->rows[k].partition : INT32_MAX;

		v.missing += p < q;
		v.foreign += q < p;
		v.altered += p == q && source->rows[i].checksum != target->rows[k].checksum;
		i += p <= q;
		k += q <= p;
	}
	return v;
}

static verdict judge(kt_job *job)
{
	char *target = kt_format("%s.copy", job->topic);
	kt_oracle from = kt_oracle_read(NULL, job->topic, true), to = kt_oracle_read(NULL, target, true);
	verdict v = compare(&from, &to);

	kt_oracle_done(&from);
	kt_oracle_done(&to);
	free(target);
	return v;
}

static void must_be_clean(kt_job *job)
{
	verdict v = judge(job);

	kt_check(!v.missing && !v.foreign && !v.altered,
		"%" PRId64 " rows: missing %" PRId64 ", too many %" PRId64 ", out of place %" PRId64, v.rows, v.missing, v.foreign,
		v.altered);
}

/* The rows must be there at a reader's next look: commit markers come a moment after the commit. */
static void must_become_clean(kt_job *job)
{
	int64_t end = kt_now_ms() + 60000;

	while (kt_now_ms() < end) {
		verdict v = judge(job);
		if (!v.missing && !v.foreign && !v.altered)
			return;
		kt_pause();
	}
	must_be_clean(job);
}

static void must_audit(kt_job *job)
{
	kt_process *process = kt_kdirect(job->dir, NULL, "audit", job->path, "--deep", NULL);
	int code = kt_process_wait(process, 60000);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

/* ---- kills ---- */

static bool is_passed(const crash_point *point)
{
	return (point->sqlite && point->postgres) || strncmp(point->name, "kafka.", 6) == 0;
}

static void crash_at_all(crash_campaign *campaign)
{
	for (const crash_point *point = crash_points; point->name; point++) {
		if (!is_passed(point))
			continue;
		campaign->points++;
		for (int hit = 1; hit <= HITS; hit++)
			crash_at_point(campaign, point, hit);
	}
}

Test(crash_kafka, exactly_once_through_every_fault_point_and_kills_at_random, .timeout = 900)
{
	crash_campaign campaign;
	verdict v;
	int kills;

	NEEDS_LIBRDKAFKA();
	crash_open(&campaign, KT_SQLITE);
	write_job(&campaign.job, campaign.partitions);
	for (int i = 0; i < 40; i++)
		crash_at_random(&campaign, 1200);
	crash_at_all(&campaign);
	for (int i = 0; i < 40; i++)
		crash_at_random(&campaign, 2000);
	atomic_store(&campaign.source_ends, true);
	pthread_join(campaign.source, NULL);
	kt_job_must_end(kt_job_run(&campaign.job, NULL, 180000), 0, NULL, 0);
	must_become_clean(&campaign.job);
	v = judge(&campaign.job);
	kills = campaign.kills_at_random + campaign.kills_at_points;
	printf("kafka-sink: %d kills (%d at %d points, %d at random), %ld produced, %" PRId64 " rows, missing %" PRId64
	       ", too many %" PRId64 ", out of place %" PRId64 "\n",
		kills, campaign.kills_at_points, campaign.points, campaign.kills_at_random, atomic_load(&campaign.produced), v.rows,
		v.missing, v.foreign, v.altered);
	cr_assert_gt(v.rows, 20000);
	cr_assert_geq(kills, 100);
	must_audit(&campaign.job);
	crash_close(&campaign);
}

/* ---- rivals ---- */

static void open_with_backlog(kt_job *job, int64_t each)
{
	kt_job_open(job, KT_SQLITE, 2);
	write_job(job, 2);
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
	must_become_clean(job);
	must_audit(job);
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

static bool is_stopped(void *opaque)
{
	char *path = kt_format("/proc/%d/stat", (int) kt_process_pid(opaque)), *stat = kt_read_file(path);
	const char *rest = strrchr(stat, ')');
	bool stopped = rest && rest[2] == 'T';

	free(stat);
	free(path);
	return stopped;
}

/* The successor finishes the work; the frozen one wakes up, changes nothing, and ends with its own exit code. */
Test(crash_kafka, a_successor_finishes_what_a_frozen_owner_holds, .timeout = 600)
{
	static const char *const faults[] = {"kafka.begun:2:stop", "kafka.rows_sent:2:stop", "kafka.commit.before:2:stop",
		"kafka.commit.after:2:stop", "kafka.step.sent:3:stop", "kafka.step.committed:3:stop", "kafka.producer_ready:1:stop",
		"kafka.ledger_read:1:stop", "start.owned:1:stop", "plan.after_durable:2:stop"};

	NEEDS_LIBRDKAFKA();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		kt_job job;
		kt_process *zombie;
		bool owned = strncmp(faults[i], "kafka.producer_ready", 20) != 0 && strncmp(faults[i], "kafka.ledger", 12) != 0;

		printf("crash: frozen at %s\n", faults[i]);
		fflush(stdout);
		open_with_backlog(&job, 1500);
		zombie = start(&job, faults[i]);
		kt_check(kt_wait_until(is_stopped, zombie, 30000), "not stopped at %s:\n%s", faults[i],
			kt_process_stderr(zombie));
		kt_job_must_end(kt_job_run(&job, NULL, 90000), 0, NULL, 0);
		must_become_clean(&job);
		kt_process_signal(zombie, SIGCONT);
		if (owned) {
			kt_job_must_end(zombie, 3, NULL, FENCED_MS);
		} else {
			/* it had not taken the job over yet: as the newest start it does so now */
			cr_assert(kt_process_says(zombie, "owner of job", 30000), "%s", kt_process_stderr(zombie));
			must_stop(zombie);
		}
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
		cr_assert(kt_process_says(owner, "transactional id", 30000), "%s", kt_process_stderr(owner));
		must_become_clean(&job);
		must_stop(owner);
		finish(&job);
	}
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
		must_become_clean(&job); /* and the one that is left works */
		for (int i = 0; i < STARTS; i++) {
			if (kt_process_running(process[i]))
				must_stop(process[i]);
			else
				kt_job_must_end(process[i], 3, NULL, 0);
		}
		finish(&job);
	}
}
