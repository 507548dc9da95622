// SPDX-License-Identifier: Apache-2.0
// Memory: the peak of `kdirect run` with 8 partitions must not know how long the backlog is (I12).
// Environment: KD_BENCH_SHORT (default 1000000 records), KD_BENCH_LONG (default 5000000).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/check.h"
#include "../support/kafka_admin.h"
#include "../support/kafka_producer.h"
#include "../support/measure.h"
#include "../support/pg_fixture.h"
#include "../support/tmpdir.h"

enum { PARTITIONS = 8, ROUNDS = 3 };

static int64_t from_env(const char *name, int64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoll(text, NULL, 10) : otherwise;
}

static char *backlog(int64_t records)
{
	char *topic = kt_own_name("memory");
	kt_admin *admin = kt_admin_open(NULL);
	kt_topic_create(admin, topic, PARTITIONS, NULL);
	kt_admin_close(admin);
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "20", NULL);
	for (int64_t i = 0; i < records; i++) {
		kt_message m = {0};
		m.value = m.value_space;
		m.value_size = (size_t) snprintf(m.value_space, sizeof m.value_space, "%010" PRId64 "%090" PRId64, i, i);
		kt_produce(producer, topic, (int) (i % PARTITIONS), &m);
	}
	kt_producer_flush(producer);
	kt_producer_close(producer);
	return topic;
}

static double peak_mb(const char *topic)
{
	char *dir = kt_tmpdir();
	double peaks[ROUNDS];
	for (int i = 0; i < ROUNDS; i++) {
		kt_pg pg;
		kt_pg_open(&pg);
		char *job = kt_write_file(dir, "job.json", "{\"job\": \"memory\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, "
			"\"topics\": [\"%s\"], \"start\": \"earliest\", \"sink\": {\"type\": \"postgres\", \"dsn\": \"%s\", "
			"\"table\": \"public.landed\"}}", kt_env("KD_TEST_KAFKA"), topic, pg.dsn);
		const char *argv[] = {kt_env("KD_BIN"), "run", "-q", job, "--until-latest", NULL};
		peaks[i] = (double) kt_measure(dir, argv).peak_kb / 1024;
		free(job);
		kt_pg_close(&pg);
	}
	kt_tmpdir_remove(dir);
	return kt_median(peaks, ROUNDS);
}

int main(void)
{
	int64_t few = from_env("KD_BENCH_SHORT", 1000000), many = from_env("KD_BENCH_LONG", 5000000);
	char *short_topic = backlog(few), *long_topic = backlog(many);
	double a = peak_mb(short_topic), b = peak_mb(long_topic);
	printf("memory: %d partitions, peak of kdirect run, median of %d: %.1f MB for a backlog of %" PRId64
		", %.1f MB for %" PRId64 ", ratio %.2f\n", PARTITIONS, ROUNDS, a, few, b, many, b / a);
	free(short_topic);
	free(long_topic);
	return 0;
}
