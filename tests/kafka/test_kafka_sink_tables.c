/* SPDX-License-Identifier: Apache-2.0 */
/* A job that makes of each record rows for two topics: both hold what the source says, once, after each of several
 * starts that are stopped somewhere (I1, I2, I9). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "kdirect/transform.h"
#include "servers.h"
#include "tmpdir.h"
#include "wait.h"
#include <kdirect/sinks.h>

enum { PARTITIONS = 3, RECORDS = 4000, RUN_MS = 120000 }; /* records in each partition */

#define LEAST_VERSION 0x020503ff

/* ---- the transform: multiples of ten are dropped, odd numbers are also told of in a topic of their own ---- */

static const char *odd_topic;

static kd_code split(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	kd_value value;
	int64_t n;

	(void) state, (void) batch;
	if (!kd_row_get(row, "n", &value) || !kd_value_int(&value, &n))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "no number n");
	if (n % 10 == 0)
		return KD_OK;
	kd_row_set_bool(row, "odd", n % 2);
	kd_code code = kd_emit(out, row, err);
	if (code != KD_OK || n % 2 == 0)
		return code;
	kd_row_set_table(row, odd_topic);
	return kd_emit(out, row, err);
}

static const kd_transform_ops splits = {.abi = KD_TRANSFORM_ABI, .name = "split", .apply = split};

static void fill(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	m->value = m->value_space;
	m->value_size = (size_t) snprintf(m->value_space, sizeof m->value_space, "{\"n\":%" PRId64 "}", i);
}

/* ---- the judge ---- */

typedef struct found {
	int32_t of[RECORDS]; /* how often each number is there */
	int64_t n;
} found;

static void note(void *opaque, const kt_oracle_record *record)
{
	found *all = opaque;
	int64_t n = strtoll((const char *) record->value + strlen("{\"n\":"), NULL, 10);

	kt_check(n >= 0 && n < RECORDS, "a strange number");
	all->of[n]++;
	all->n++;
}

static bool holds(const char *topic, bool (*wanted)(int64_t n))
{
	found *all = calloc(1, sizeof *all);
	bool same = true;

	kt_check(all, "no memory");
	kt_oracle_each(NULL, topic, true, note, all);
	for (int64_t n = 0; same && n < RECORDS; n++)
		same = all->of[n] == (wanted(n) ? PARTITIONS : 0);
	free(all);
	return same;
}

static bool is_kept(int64_t n)
{
	return n % 10 != 0;
}

static bool is_odd(int64_t n)
{
	return n % 2 == 1;
}

static bool both_hold(void *opaque)
{
	return holds(opaque, is_kept) && holds(odd_topic, is_odd);
}

/* ---- the job ---- */

static kt_embedded *start(const char *source, const char *target, bool until_latest)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],"
		" \"start\": \"earliest\", \"workers\": 2, \"batch\": {\"interval_ms\": 20, \"max_records_per_batch\": 900},"
		" \"decode\": {\"type\": \"json\"}, \"sink\": {\"type\": \"kafka\", \"topic\": \"%s\", \"tables\": [\"%s\"],"
		" \"ledger_topic\": \"%s.ledger\"}}", kt_env("KD_TEST_KAFKA"), source, target, odd_topic, target);
	kt_embedded *job = kt_embedded_start_with(text, &kd_kafka_sink,
		&(kd_job_options) {.until_latest = until_latest, .transform = &splits});

	free(text);
	return job;
}

static bool has_committed(void *opaque)
{
	return kt_embedded_progress(opaque).batches > 0;
}

Test(kafka_sink_tables, one_record_lands_in_two_topics_or_in_none, .timeout = 240)
{
	if (rd_kafka_version() < LEAST_VERSION)
		cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink");
	kt_admin *admin = kt_admin_open(NULL);
	char *source = kt_topic_name("split"), *target = kt_format("%s.to", source), *odd = kt_format("%s.odd", source);
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "5", NULL);

	odd_topic = odd;
	kt_topic_create(admin, source, PARTITIONS, NULL);
	kt_topic_create(admin, target, PARTITIONS, "retention.ms", "-1", NULL);
	kt_topic_create(admin, odd, 2, "retention.ms", "-1", NULL);
	for (int p = 0; p < PARTITIONS; p++)
		kt_produce_many(producer, source, p, RECORDS, fill, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	for (int i = 0; i < 3; i++) {
		kt_embedded *job = start(source, target, false);
		kt_await(has_committed, job, RUN_MS, "a batch is committed");
		kt_embedded_free(job);
	}
	kt_embedded *job = start(source, target, true);
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	kt_await(both_hold, target, 15000, "both topics hold what the source says");
	kt_admin_close(admin);
	free(source);
	free(target);
	free(odd);
}
