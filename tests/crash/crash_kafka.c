/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign from topic to topic: see crash_kafka.h. */
#include "crash_kafka.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "tmpdir.h"
#include "wait.h"

void crash_kafka_write(kt_job *job, int partitions)
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

static verdict judge_target(kt_job *job)
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
	verdict v = judge_target(job);

	kt_check(!v.missing && !v.foreign && !v.altered,
		"%" PRId64 " rows: missing %" PRId64 ", too many %" PRId64 ", out of place %" PRId64, v.rows, v.missing, v.foreign,
		v.altered);
}

void crash_kafka_must_become_clean(kt_job *job)
{
	int64_t end = kt_now_ms() + 60000;

	while (kt_now_ms() < end) {
		verdict v = judge_target(job);
		if (!v.missing && !v.foreign && !v.altered)
			return;
		kt_pause();
	}
	must_be_clean(job);
}

/* ---- the campaign ---- */

static bool passes(const crash_point *point)
{
	return (point->sqlite && point->postgres) || strncmp(point->name, "kafka.", 6) == 0;
}

static void open_topic(crash_campaign *campaign)
{
	crash_kafka_write(&campaign->job, campaign->partitions);
}

static crash_finding judge(crash_campaign *campaign)
{
	verdict v;

	crash_kafka_must_become_clean(&campaign->job);
	v = judge_target(&campaign->job);
	crash_audit(&campaign->job, "--deep");
	return (crash_finding) {.rows = v.rows, .missing = v.missing, .doubled = v.foreign, .wrong = v.altered,
		.what = kt_format(", out of place %" PRId64, v.altered)};
}

static void close_nothing(crash_campaign *campaign)
{
	(void) campaign;
}

const crash_sink crash_kafka = {.name = "kafka", .store = KT_SQLITE, .passes = passes, .open = open_topic,
	.judge = judge, .close = close_nothing};
