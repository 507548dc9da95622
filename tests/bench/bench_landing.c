// SPDX-License-Identifier: Apache-2.0
// Landing speed: `kdirect run --until-latest` against `psql \copy` of the same rows into the same table, in turn, in one
// run.  Two loads of RECORDS records in 4 partitions: 100 bytes into the raw layout, JSON orders into a typed table.
// Environment: KD_BENCH_RECORDS (default 2000000), KD_BENCH_ROUNDS (default 3).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check.h"
#include "../support/kafka_admin.h"
#include "../support/kafka_producer.h"
#include "../support/measure.h"
#include "../support/pg_fixture.h"
#include "../support/tmpdir.h"

enum { MOST_ROUNDS = 9 };

struct load {
	const char *name, *columns;
	kt_fill_fn *fill;
};

static void fill_raw(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	snprintf(m->value_space, sizeof m->value_space, "%010" PRId64 "%090" PRId64, i, i);
	m->key = m->key_space;
	m->key_size = (size_t) snprintf(m->key_space, sizeof m->key_space, "k%" PRId64, i);
	m->value = m->value_space;
	m->value_size = 100;
}

static void fill_order(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	m->key = m->key_space;
	m->key_size = (size_t) snprintf(m->key_space, sizeof m->key_space, "k%" PRId64, i);
	m->value = m->value_space;
	m->value_size = (size_t) snprintf(m->value_space, sizeof m->value_space,
		"{\"id\":%" PRId64 ",\"customer\":%d,\"sku\":\"SKU-%05d\",\"qty\":%d,\"price\":%d.%02d,\"paid\":%s,"
		"\"placed_at\":\"2026-01-01T00:%02d:%02d.%03dZ\",\"note\":\"a note on order number %" PRId64 "\"}", i,
		(int) (i * 7919 % 50000), (int) (i % 100), (int) (i % 9 + 1), (int) (i % 999 + 1), (int) (i % 100),
		i % 2 ? "true" : "false", (int) (i / 60 % 60), (int) (i % 60), (int) (i % 1000), i);
}

static int64_t from_env(const char *name, int64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoll(text, NULL, 10) : otherwise;
}

static void produce(const char *topic, const struct load *load, int64_t records)
{
	kt_admin *admin = kt_admin_open(NULL);
	kt_topic_create(admin, topic, 4, NULL);
	kt_admin_close(admin);
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "20", NULL);
	for (int64_t i = 0; i < records; i++) {
		kt_message m = {0};
		load->fill(NULL, i, &m);
		kt_produce(producer, topic, (int) (i % 4), &m);
	}
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static kt_cost run_kdirect(const char *dir, const char *job)
{
	const char *argv[] = {kt_env("KD_BIN"), "run", "-q", job, "--until-latest", NULL};
	return kt_measure(dir, argv);
}

static kt_cost run_copy(const char *dir, const char *dsn, const char *file, const char *direction)
{
	char *command = kt_format("\\copy landed %s '%s'", direction, file);
	const char *argv[] = {"psql", "-q", "-X", "-d", dsn, "-c", command, NULL};
	kt_cost cost = kt_measure(dir, argv);
	free(command);
	return cost;
}

static void fresh(kt_pg *pg)
{
	kt_pg_exec(pg, "set client_min_messages = warning; drop schema if exists kdirect cascade");
	kt_pg_exec(pg, "truncate landed");
	kt_pg_exec(pg, "checkpoint");
}

static void bench(const struct load *load, int64_t records, int rounds)
{
	char *dir = kt_tmpdir(), *topic = kt_own_name("bench");
	kt_pg pg;
	kt_pg_open(&pg);
	kt_pg_exec(&pg, "create table landed (%s)", load->columns);
	produce(topic, load, records);
	char *job = kt_write_file(dir, "job.json", "{\"job\": \"bench\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, "
		"\"topics\": [\"%s\"], \"start\": \"earliest\", \"sink\": {\"type\": \"postgres\", \"dsn\": \"%s\", "
		"\"table\": \"public.landed\"}}", kt_env("KD_TEST_KAFKA"), topic, pg.dsn);
	char *file = kt_path(dir, "rows.txt");
	double ours[MOST_ROUNDS], theirs[MOST_ROUNDS], ratios[MOST_ROUNDS], cpu[MOST_ROUNDS];
	long peak_kb = 0;
	for (int i = 0; i < rounds; i++) {
		fresh(&pg);
		kt_cost a = run_kdirect(dir, job);
		kt_check(kt_pg_int(&pg, "select count(*) from landed") == records, "not all rows landed");
		if (i == 0)
			run_copy(dir, pg.dsn, file, "to");
		fresh(&pg);
		kt_cost b = run_copy(dir, pg.dsn, file, "from");
		ours[i] = (double) records / a.wall_s;
		theirs[i] = (double) records / b.wall_s;
		ratios[i] = b.wall_s / a.wall_s;
		cpu[i] = a.cpu_s * 1e6 / (double) records;
		peak_kb = a.peak_kb > peak_kb ? a.peak_kb : peak_kb;
		printf("  round %d: kdirect %.0f rows/s, psql \\copy %.0f rows/s, ratio %.2f\n", i + 1, ours[i], theirs[i],
			ratios[i]);
		fflush(stdout);
	}
	printf("landing %s: %" PRId64 " records, 4 partitions, median of %d: kdirect %.0f rows/s, psql \\copy %.0f rows/s, "
		"ratio %.2f; %.2f us of CPU a row, peak %ld MB\n", load->name, records, rounds, kt_median(ours, rounds),
		kt_median(theirs, rounds), kt_median(ratios, rounds), kt_median(cpu, rounds), peak_kb / 1024);
	free(file);
	free(job);
	free(topic);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

int main(void)
{
	static const struct load loads[] = {
		{"raw", "kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz, key bytea, "
			"value bytea, headers jsonb", fill_raw},
		{"typed", "id bigint, customer int, sku text, qty int, price numeric(12,2), paid boolean, placed_at timestamptz, "
			"note text", fill_order}};
	int64_t records = from_env("KD_BENCH_RECORDS", 2000000);
	int64_t rounds = from_env("KD_BENCH_ROUNDS", 3);
	kt_check(rounds >= 1 && rounds <= MOST_ROUNDS, "KD_BENCH_ROUNDS is 1 to %d", MOST_ROUNDS);
	for (int i = 0; i < 2; i++)
		bench(&loads[i], records, (int) rounds);
	return 0;
}
