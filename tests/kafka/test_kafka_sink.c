/* SPDX-License-Identifier: Apache-2.0 */
/* Whole jobs from topic to topic on a real broker: what arrives, what is refused, and what a broker's end in mid-run
 * leaves.  Crashes of the job itself are in tests/crash/test_crash_kafka.c. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/sinks.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "kdirect/transform.h"
#include "servers.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 120000, PARTITIONS = 3 };

#define LEAST_VERSION 0x020503ff
#define NEEDS_LIBRDKAFKA() \
	do { \
		if (rd_kafka_version() < LEAST_VERSION) \
			cr_skip_test("needs librdkafka 2.5.3 or newer: make check-kafka-sink"); \
	} while (0)

/* ---- a job from topic to topic ---- */

typedef struct copy_job {
	char *dir, *path, *source, *target, *ledger;
	kt_admin *admin;
} copy_job;

/* more: further keys of the sink as JSON, with a comma before them, or "". */
static void write_job(copy_job *job, const char *more)
{
	free(job->path);
	job->path = kt_write_file(job->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50},\n"
		" \"sink\": {\"type\": \"kafka\", \"topic\": \"%s\", \"ledger_topic\": \"%s\"%s}}\n",
		kt_env("KD_TEST_KAFKA"), job->source, job->target, job->ledger, more);
}

static void copy_names(copy_job *job)
{
	*job = (copy_job) {.dir = kt_tmpdir(), .source = kt_own_name("from"), .admin = kt_admin_open(NULL)};
	job->target = kt_format("%s.to", job->source);
	job->ledger = kt_format("%s.ledger", job->source);
}

static void copy_open(copy_job *job)
{
	copy_names(job);
	kt_topic_create(job->admin, job->source, PARTITIONS, NULL);
	kt_topic_create(job->admin, job->target, PARTITIONS, "retention.ms", "-1", NULL);
	write_job(job, ", \"partitioner\": \"source\", \"coordinates\": true");
}

static void copy_close(copy_job *job)
{
	kt_admin_close(job->admin);
	kt_tmpdir_remove(job->dir);
	free(job->path);
	free(job->source);
	free(job->target);
	free(job->ledger);
}

static void must_end(copy_job *job, const char *verb, int code, const char *says)
{
	const char *last = strcmp(verb, "run") ? NULL : "--until-latest";
	kt_process *process = kt_kdirect(job->dir, NULL, verb, job->path, last, NULL);
	int ended = kt_process_wait(process, RUN_MS);
	const char *out = kt_process_stdout(process), *err = kt_process_stderr(process);

	kt_check(ended == code, "%s ended with %d, not %d:\n%s%s", verb, ended, code, out, err);
	kt_check(!says || strstr(out, says) || strstr(err, says), "%s did not say \"%s\":\n%s%s", verb, says, out, err);
	kt_process_free(process);
}

static void must_audit(copy_job *job)
{
	kt_process *process = kt_kdirect(job->dir, NULL, "audit", job->path, "--deep", NULL);
	int code = kt_process_wait(process, RUN_MS);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

/* ---- the judge: a plain read_committed consumer of both topics ---- */

typedef struct record {
	int32_t partition;
	int64_t timestamp_ms;
	uint64_t checksum; /* of key and value */
	uint64_t headers;  /* of the headers, but those that the sink adds */
} record;

typedef struct records {
	record *row;
	size_t n;
} records;

static uint64_t sum_headers(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t size;
	uint64_t sum = 1;

	if (rd_kafka_message_headers(message, &headers))
		return sum;
	for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++)
		if (strncmp(name, "kafka_", 6) != 0)
			sum = sum * 31 + kt_checksum(name, strlen(name), value, size);
	return sum;
}

static void take(void *opaque, const kt_oracle_record *found)
{
	records *r = opaque;

	r->row = realloc(r->row, (r->n + 1) * sizeof(*r->row));
	kt_check(r->row, "no memory");
	r->row[r->n++] = (record) {found->partition, found->timestamp_ms,
		kt_checksum(found->key, found->key_size, found->value, found->value_size), sum_headers(found->message)};
}

/* Sorted by partition, the order within one kept. */
static records read_topic(const char *topic)
{
	records all = {0}, sorted = {0};

	kt_oracle_each(NULL, topic, true, take, &all);
	sorted.row = calloc(all.n + 1, sizeof(*sorted.row));
	kt_check(sorted.row, "no memory");
	for (int32_t p = 0; sorted.n < all.n; p++)
		for (size_t i = 0; i < all.n; i++)
			if (all.row[i].partition == p)
				sorted.row[sorted.n++] = all.row[i];
	free(all.row);
	return sorted;
}

static bool is_copied(void *opaque)
{
	copy_job *job = opaque;
	records from = read_topic(job->source), to = read_topic(job->target);
	bool same = from.n == to.n && from.n > 0;

	for (size_t i = 0; same && i < from.n; i++)
		same = from.row[i].partition == to.row[i].partition && from.row[i].timestamp_ms == to.row[i].timestamp_ms &&
			from.row[i].checksum == to.row[i].checksum && from.row[i].headers == to.row[i].headers;
	free(from.row);
	free(to.row);
	return same;
}

/* Commit markers come a moment after the commit. */
static void must_be_copied(copy_job *job)
{
	kt_await(is_copied, job, 15000, "the target holds what the source holds, in order");
}

/* ---- what arrives ---- */

static void produce_all_kinds(const char *topic)
{
	static const char *const headers[] = {"a", "1", "a", "2", "empty", "", NULL};
	static const kt_message kinds[] = {
		{.key = "k", .key_size = 1, .value = "v", .value_size = 1, .timestamp_ms = 1700000000123},
		{.value = "without a key", .value_size = 13, .timestamp_ms = 1},
		{.key = "tombstone", .key_size = 9},
		{.key = "", .key_size = 0, .value = "", .value_size = 0},
		{0},
		{.key = "h", .key_size = 1, .value = "\0\xff\n", .value_size = 3, .headers = headers},
	};
	kt_producer *producer = kt_producer_open(NULL, NULL);

	for (int p = 0; p < PARTITIONS; p++)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			kt_produce(producer, topic, p, &kinds[i]);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

/* A quarter of them is aborted and must not be seen. */
static void produce_transactions(const char *topic, int n)
{
	kt_producer *producer = kt_producer_open(NULL, "transactional.id", topic, NULL);

	for (int i = 0; i < n; i++) {
		kt_txn_begin(producer);
		for (int p = 0; p < PARTITIONS; p++)
			kt_produce_many(producer, topic, p, 40, kt_fill_numbers, NULL);
		if (i % 4 == 1)
			kt_txn_abort(producer);
		else
			kt_txn_commit(producer);
	}
	kt_producer_close(producer);
}

Test(kafka_sink, copies_every_kind_of_record_in_order, .timeout = 180)
{
	copy_job job;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	produce_all_kinds(job.source);
	produce_transactions(job.source, 12);
	must_end(&job, "run", 0, NULL);
	must_be_copied(&job);
	produce_all_kinds(job.source);
	must_end(&job, "run", 0, NULL);
	must_be_copied(&job);
	must_audit(&job);
	copy_close(&job);
}

static void note_key(void *opaque, const kt_oracle_record *found)
{
	int32_t *partition_of = opaque;
	int number = (int) strtol((const char *) found->key + 1, NULL, 10);

	kt_check(partition_of[number] == -1 || partition_of[number] == found->partition, "key k%d is in two partitions",
		number);
	partition_of[number] = found->partition;
}

/* librdkafka's murmur2 is Java's (its own tests say so): keys meet those of other programs. */
Test(kafka_sink, sends_a_key_where_java_clients_send_it, .timeout = 180)
{
	int32_t partition_of[1000];
	int32_t direct[1000];
	copy_job job;
	kt_producer *producer;

	NEEDS_LIBRDKAFKA();
	memset(partition_of, -1, sizeof(partition_of));
	memset(direct, -1, sizeof(direct));
	copy_open(&job);
	write_job(&job, "");
	kt_topic_create(job.admin, "murmur2", PARTITIONS, NULL);
	producer = kt_producer_open(NULL, "partitioner", "murmur2_random", NULL);
	kt_produce_many(producer, "murmur2", KT_ANY_PARTITION, 1000, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	for (int p = 0; p < PARTITIONS; p++) {
		producer = kt_producer_open(NULL, NULL);
		kt_produce_many(producer, job.source, p, 1000, kt_fill_numbers, NULL);
		kt_producer_flush(producer);
		kt_producer_close(producer);
	}
	must_end(&job, "run", 0, NULL);
	kt_oracle_each(NULL, "murmur2", true, note_key, direct);
	kt_oracle_each(NULL, job.target, true, note_key, partition_of);
	cr_assert_eq(memcmp(direct, partition_of, sizeof(direct)), 0, "keys do not meet");
	copy_close(&job);
}

Test(kafka_sink, shows_the_positions_in_a_group_where_it_is_asked_to, .timeout = 180)
{
	copy_job job;
	kt_process *process;
	char *file;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	produce_transactions(job.source, 3);
	file = kt_format(", \"partitioner\": \"source\", \"group\": \"%s\"", job.source);
	write_job(&job, file);
	must_end(&job, "run", 0, NULL);
	process = kt_kdirect(job.dir, NULL, "offsets", "-b", kt_env("KD_TEST_KAFKA"), "-t", job.source, "-g", job.source,
		"--csv", NULL);
	cr_assert_eq(kt_process_wait(process, 30000), 0, "%s", kt_process_stderr(process));
	/* low 0, last stable = high = group's = 3 transactions of 40 and their markers, nothing lags */
	for (int p = 0; p < PARTITIONS; p++) {
		char *row = kt_format("%s,%d,0,123,123,123,0", job.source, p);
		cr_assert(strstr(kt_process_stdout(process), row), "no \"%s\" in:\n%s", row, kt_process_stdout(process));
		free(row);
	}
	kt_process_free(process);
	free(file);
	must_be_copied(&job);
	copy_close(&job);
}

/* ---- what the ledger's topic may become ---- */

/* Compaction leaves one line a key: a start reads the same from it.  The settings make the cleaner come at once. */
Test(kafka_sink, goes_on_from_a_compacted_ledger, .timeout = 240)
{
	copy_job job;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	kt_topic_create(job.admin, job.ledger, 1, "cleanup.policy", "compact", "segment.ms", "200", "min.cleanable.dirty.ratio",
		"0.01", "max.compaction.lag.ms", "500", "delete.retention.ms", "100", NULL);
	for (int i = 0; i < 8; i++) {
		produce_transactions(job.source, 2);
		must_end(&job, "run", 0, NULL);
	}
	must_be_copied(&job);
	must_audit(&job);
	copy_close(&job);
}

/* Its rows are still in the target: to write them again is for a person to decide. */
Test(kafka_sink, stops_when_its_ledger_is_gone, .timeout = 240)
{
	copy_job job;
	kt_process *process;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	produce_transactions(job.source, 2);
	process = kt_kdirect(job.dir, NULL, "run", job.path, NULL);
	kt_await(is_copied, &job, 30000, "everything is copied");
	kt_topic_delete(job.admin, job.ledger);
	kt_topic_create(job.admin, job.ledger, 1, "cleanup.policy", "compact", NULL);
	cr_assert_eq(kt_process_wait(process, 90000), 1, "%s", kt_process_stderr(process));
	cr_assert(strstr(kt_process_stderr(process), "it was deleted or has lost records"), "%s", kt_process_stderr(process));
	kt_process_free(process);
	must_be_copied(&job);
	copy_close(&job);
}

/* ---- what is refused ---- */

Test(kafka_sink, an_old_librdkafka_is_refused_before_anything_is_touched, .timeout = 120)
{
	copy_job job;

	copy_open(&job);
	produce_transactions(job.source, 1);
	if (rd_kafka_version() < LEAST_VERSION) {
		must_end(&job, "run", 2, "the kafka sink needs librdkafka 2.5.3 or newer, this program runs with");
		must_end(&job, "check", 1, "the kafka sink needs librdkafka 2.5.3 or newer, this program runs with");
	} else {
		must_end(&job, "check", 0, "librdkafka: ");
	}
	copy_close(&job);
}

typedef struct refusal {
	const char *keys; /* of the sink */
	int code;
	const char *says;
} refusal;

Test(kafka_sink, refuses_what_would_break_the_promise, .timeout = 300)
{
	static const refusal refusals[] = {
		{", \"properties\": [\"acks=1\"]", 2, "a record that one broker alone has"},
		{", \"properties\": [\"enable.idempotence=false\"]", 2, "a repeated request would store records twice"},
		{", \"properties\": [\"transactional.id=mine\"]", 2, "a newer start fences an older one"},
		{", \"properties\": [\"linger.seconds=1\"]", 2, "has no such property"},
		{", \"properties\": [\"linger.ms=many\"]", 2, "does not take this value"},
		{", \"properties\": [\"linger.ms\"]", 2, "it must be \\\"name=value\\\""},
	};
	copy_job job;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	produce_transactions(job.source, 1);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		write_job(&job, refusals[i].keys);
		must_end(&job, "run", refusals[i].code, refusals[i].says);
	}
	copy_close(&job);
}

static void run_with_names(const char *source, const char *target, const char *ledger, int code, const char *says)
{
	copy_job job;

	copy_open(&job);
	produce_transactions(job.source, 1);
	if (ledger) {
		free(job.ledger);
		job.ledger = strdup(ledger);
	}
	if (target) {
		free(job.target);
		job.target = strdup(source ? job.source : target);
	}
	write_job(&job, "");
	must_end(&job, "run", code, says);
	copy_close(&job);
}

Test(kafka_sink, refuses_topics_that_cannot_keep_the_promise, .timeout = 300)
{
	kt_admin *admin;

	NEEDS_LIBRDKAFKA();
	admin = kt_admin_open(NULL);
	kt_topic_create(admin, "ledger-deleted", 1, "cleanup.policy", "delete", NULL);
	kt_topic_create(admin, "ledger-wide", 2, "cleanup.policy", "compact", NULL);
	run_with_names(NULL, NULL, "ledger-deleted", 1, "which would forget positions");
	run_with_names(NULL, NULL, "ledger-wide", 1, "it has 2 partitions, not 1");
	run_with_names(NULL, "nowhere", NULL, 1, "there is none; make it first");
	run_with_names("source", "source", NULL, 2, "would read what it writes without end");
	kt_admin_close(admin);
}

/* ---- a record that cannot be delivered ---- */

Test(kafka_sink, names_the_record_that_the_target_does_not_take, .timeout = 240)
{
	char *large = calloc(1, 5000);
	kt_producer *producer = kt_producer_open(NULL, NULL);
	copy_job job;
	char *says;

	NEEDS_LIBRDKAFKA();
	kt_check(large, "no memory");
	memset(large, 'x', 4999);
	copy_open(&job);
	kt_topic_alter(job.admin, job.target, "max.message.bytes", "2000", "retention.ms", "-1", NULL);
	for (int i = 0; i < 100; i++)
		kt_produce_text(producer, job.source, 1, "k", i == 37 ? large : "small");
	kt_producer_flush(producer);
	says = kt_format("%s/1@37", job.source);
	must_end(&job, "run", 1, says);
	kt_topic_alter(job.admin, job.target, "max.message.bytes", "10000", "retention.ms", "-1", NULL);
	must_end(&job, "run", 0, NULL);
	must_be_copied(&job);
	free(says);
	free(large);
	kt_producer_close(producer);
	copy_close(&job);
}

Test(kafka_sink, names_a_record_without_a_key_for_a_compacted_topic, .timeout = 180)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);
	copy_job job;
	char *says;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	kt_topic_alter(job.admin, job.target, "cleanup.policy", "compact", NULL);
	for (int i = 0; i < 10; i++)
		kt_produce_text(producer, job.source, 0, i == 7 ? NULL : "k", "v");
	kt_producer_flush(producer);
	says = kt_format("%s/0@7", job.source);
	must_end(&job, "run", 1, says);
	free(says);
	kt_producer_close(producer);
	copy_close(&job);
}

/* ---- a broker that ends in mid-run ---- */

static kt_process *start_run(copy_job *job)
{
	return kt_kdirect(job->dir, NULL, "run", job->path, "--set", "batch.max_records_per_batch=300", NULL);
}

/* Killed brokers leave commits whose answer never came: the ledger decides, read after a new producer's init. */
Test(kafka_sink, outlives_brokers_that_are_killed_in_mid_run, .timeout = 600)
{
	copy_job job;
	kt_process *process;
	kt_producer *producer;

	NEEDS_LIBRDKAFKA();
	copy_open(&job);
	producer = kt_producer_open(NULL, NULL);
	for (int p = 0; p < PARTITIONS; p++)
		kt_produce_many(producer, job.source, p, 6000, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	process = start_run(&job);
	cr_assert(kt_process_says(process, "owner of job", 30000), "%s", kt_process_stderr(process));
	for (int i = 0; i < 3; i++)
		kt_server_do("kafka.sh", "restart", kt_env("KD_TEST_KAFKA_DIR"), i == 1 ? "stop" : "kill", NULL);
	kt_await(is_copied, &job, 180000, "everything is copied");
	cr_assert(kt_process_running(process), "%s", kt_process_stderr(process));
	kt_process_signal(process, 15);
	cr_assert_eq(kt_process_wait(process, 10000), 0, "%s", kt_process_stderr(process));
	kt_process_free(process);
	must_end(&job, "run", 0, NULL);
	must_be_copied(&job);
	must_audit(&job);
	copy_close(&job);
}

/* ---- one record, two topics (I1, I2, I9): multiples of ten are dropped, odd numbers go to both ---- */

enum { SPLIT_PARTITIONS = 3, SPLIT_RECORDS = 4000 }; /* records in each partition */

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

static void fill_number(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	m->value = m->value_space;
	m->value_size = (size_t) snprintf(m->value_space, sizeof m->value_space, "{\"n\":%" PRId64 "}", i);
}

/* ---- the judge ---- */

typedef struct found {
	int32_t of[SPLIT_RECORDS]; /* how often each number is there */
	int64_t n;
} found;

static void note_number(void *opaque, const kt_oracle_record *read)
{
	found *all = opaque;
	int64_t n = strtoll((const char *) read->value + strlen("{\"n\":"), NULL, 10);

	kt_check(n >= 0 && n < SPLIT_RECORDS, "a strange number");
	all->of[n]++;
	all->n++;
}

static bool holds(const char *topic, bool (*wanted)(int64_t n))
{
	found *all = calloc(1, sizeof *all);
	bool same = true;

	kt_check(all, "no memory");
	kt_oracle_each(NULL, topic, true, note_number, all);
	for (int64_t n = 0; same && n < SPLIT_RECORDS; n++)
		same = all->of[n] == (wanted(n) ? SPLIT_PARTITIONS : 0);
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

static kt_embedded *start_split(const char *source, const char *target, bool until_latest)
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

Test(kafka_sink, one_record_lands_in_two_topics_or_in_none, .timeout = 240)
{
	NEEDS_LIBRDKAFKA();
	kt_admin *admin = kt_admin_open(NULL);
	char *source = kt_own_name("split"), *target = kt_format("%s.to", source), *odd = kt_format("%s.odd", source);
	kt_producer *producer = kt_producer_open(NULL, "linger.ms", "5", NULL);

	odd_topic = odd;
	kt_topic_create(admin, source, SPLIT_PARTITIONS, NULL);
	kt_topic_create(admin, target, SPLIT_PARTITIONS, "retention.ms", "-1", NULL);
	kt_topic_create(admin, odd, 2, "retention.ms", "-1", NULL);
	for (int p = 0; p < SPLIT_PARTITIONS; p++)
		kt_produce_many(producer, source, p, SPLIT_RECORDS, fill_number, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	for (int i = 0; i < 3; i++) {
		kt_embedded *job = start_split(source, target, false);
		kt_await(has_committed, job, RUN_MS, "a batch is committed");
		kt_embedded_free(job);
	}
	kt_embedded *job = start_split(source, target, true);
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	kt_await(both_hold, target, 15000, "both topics hold what the source says");
	kt_admin_close(admin);
	free(source);
	free(target);
	free(odd);
}
