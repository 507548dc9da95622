/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault point that a job with the Kafka sink passes fails: a run outlasts it, and the target's committed records
 * are the source's, each once and in its order (I1, I2, I5, I8). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "points.h"
#include "tmpdir.h"
#include "wait.h"

enum { LEAST_VERSION = 0x020503ff, PARTITIONS = 8 /* the source's may grow */, MARKERS_MS = 60000 };

static char *target_of(const kt_job *job)
{
	return kt_format("%s.copy", job->topic);
}

static void write_job(kt_job *job, const char *more)
{
	char *target = target_of(job);

	kt_topic_create(job->admin, target, PARTITIONS, "retention.ms", "-1", NULL);
	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"kafka\", \"topic\": \"%s\", \"partitioner\": \"source\","
				    " \"ledger_topic\": \"%s.ledger\"", target, job->topic);
	free(job->path);
	job->path = kt_write_file(job->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50}, %s,\n \"sink\": {%s}}\n",
		kt_env("KD_TEST_KAFKA"), job->topic, more, job->store.sink);
	free(target);
}

/* The markers of the last commits may still be on their way. */
static void must_be_once(kt_job *job, int64_t fed, const char *after)
{
	char *target = target_of(job);
	int64_t end = kt_now_ms() + MARKERS_MS, rows = 0;

	while (rows < fed) {
		kt_oracle to = kt_oracle_read(NULL, target, true);
		rows = (int64_t) to.n;
		kt_oracle_done(&to);
		kt_check(rows == fed || (rows < fed && kt_now_ms() < end), "after %s: %" PRId64 " rows of %" PRId64, after, rows, fed);
	}
	free(target);
}

/* The target has the source's records in their order.  Offsets differ: markers of transactions have some of them. */
static void judge(kt_job *job)
{
	char *target = target_of(job);
	kt_oracle from = kt_oracle_read(NULL, job->topic, true), to = kt_oracle_read(NULL, target, true);
	kt_process *process = kt_kdirect(job->dir, NULL, "audit", job->path, "--deep", NULL);

	kt_check(from.n == to.n, "%zu rows of %zu", to.n, from.n);
	for (size_t i = 0; i < from.n; i++)
		kt_check(from.rows[i].partition == to.rows[i].partition && from.rows[i].checksum == to.rows[i].checksum,
			"row %zu is another record", i);
	kt_check(kt_process_wait(process, 120000) == 0, "audit:\n%s%s", kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	kt_oracle_done(&from);
	kt_oracle_done(&to);
	free(target);
}

static const char *const others[] = {"file.", "sqlite.", "takeover.", "partitions.", "withdraw.", "prune.",
	"plan.before_commit", "plan.commit_sent", "sink.after_", "sink.before_copy", "sink.before_commit", "sink.copy_",
	"sink.commit_sent", "commit.looked-up", NULL};

static const points_sink points_kafka = {.name = "kafka", .store = KT_SQLITE, .write = write_job,
	.must_be_once = must_be_once, .judge = judge, .others = others};

Test(points_kafka, a_job_from_topic_to_topic_outlasts_a_failure_at_every_point, .timeout = 900)
{
	points_campaign c;

	if (rd_kafka_version() < LEAST_VERSION)
		cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink");
	points_open(&c, &points_kafka);
	points_fail(&c, false);
	points_close(&c);
}

/* What is too old is refused before the first step of a ledger. */
Test(points_kafka, with_an_old_librdkafka_no_point_is_passed, .timeout = 120)
{
	kt_job job;

	if (rd_kafka_version() >= LEAST_VERSION)
		cr_skip_test("this librdkafka is not too old");
	kt_job_open(&job, KT_SQLITE, 1);
	write_job(&job, "\"workers\": 1");
	kt_job_must_end(kt_job_start(&job, "kafka.producer_ready:1:kill,start.owned:1:kill", NULL), 2, "librdkafka", 60000);
	kt_job_close(&job);
}
