/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign of crashes: see crash.h. */
#include "crash.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "wait.h"

enum {
	PARTITIONS = 4,
	FIRST_RECORDS = 20000,
	HITS = 3,
	REACH_MS = 30000, /* to get to a point on a busy machine */
};

const crash_point crash_points[] = {
	{"start.contact", true, true, CRASH_AT_START},
	{"sink.before_connect", true, true, CRASH_AT_START},
	{"start.owned", true, true, CRASH_AT_START},
	{"start.replayed", true, true, CRASH_AT_START},
	{"plan.before_offsets", true, true, CRASH_ALWAYS},
	{"plan.after_offsets", true, true, CRASH_ALWAYS},
	{"plan.before_durable", true, true, CRASH_ALWAYS},
	{"plan.after_durable", true, true, CRASH_ALWAYS},
	{"fetch.assign", true, true, CRASH_AT_START},
	{"fetch.first", true, true, CRASH_ALWAYS},
	{"decode.mid", true, true, CRASH_ALWAYS},
	{"fetch.mid", true, true, CRASH_ALWAYS},
	{"fetch.end", true, true, CRASH_ALWAYS},
	{"commit.begun", true, true, CRASH_ALWAYS},
	{"commit.looked-up", false, false, CRASH_ALWAYS}, /* test_crash_look_up.c */
	{"commit.written", true, true, CRASH_ALWAYS},
	{"commit.done", true, true, CRASH_ALWAYS},
	{"progress.settled", true, true, CRASH_ALWAYS},
	{"progress.last_look", true, true, CRASH_ALWAYS}, /* of a run that is --until-latest */
	{"mirror.before", false, false, CRASH_ALWAYS}, /* mirror.*: faults/test_points.c, with a mirror_group */
	{"mirror.after", false, false, CRASH_ALWAYS},
	{"shutdown.begun", true, true, CRASH_ALWAYS}, /* shutdown.*: of a run that ends */
	{"shutdown.mid", true, true, CRASH_ALWAYS},
	{"shutdown.end", true, true, CRASH_ALWAYS},
	{"sqlite.step.before", true, false, CRASH_ALWAYS},
	{"sqlite.step.after", true, false, CRASH_ALWAYS},
	{"sqlite.position_moved", true, false, CRASH_ALWAYS},
	{"sqlite.commit.before", true, false, CRASH_ALWAYS},
	{"sqlite.commit.after", true, false, CRASH_ALWAYS},
	{"file.synced", false, false, CRASH_ALWAYS}, /* file.*: test_crash_files.c */
	{"file.committed", false, false, CRASH_ALWAYS},
	{"file.renamed", false, false, CRASH_ALWAYS},
	{"file.ledger_written", false, false, CRASH_ALWAYS},
	{"file.ledger_anew", false, false, CRASH_AT_START},
	{"takeover.locked", false, true, CRASH_AT_START},
	{"takeover.before_commit", false, true, CRASH_AT_START},
	{"takeover.commit_sent", false, true, CRASH_AT_START},
	{"partitions.before_commit", false, true, CRASH_GROWN},
	{"partitions.commit_sent", false, true, CRASH_GROWN},
	{"plan.before_commit", false, true, CRASH_ALWAYS},
	{"plan.commit_sent", false, true, CRASH_ALWAYS},
	{"withdraw.before_commit", false, true, CRASH_NARROWED},
	{"withdraw.commit_sent", false, true, CRASH_NARROWED},
	{"prune.before_commit", false, true, CRASH_PRUNING},
	{"prune.commit_sent", false, true, CRASH_PRUNING},
	{"sink.after_begin", false, true, CRASH_ALWAYS},
	{"sink.before_copy", false, true, CRASH_ALWAYS},
	{"sink.copy_mid", false, true, CRASH_ALWAYS},
	{"sink.copy_end", false, true, CRASH_ALWAYS},
	{"sink.before_commit", false, true, CRASH_ALWAYS},
	{"sink.commit_sent", false, true, CRASH_ALWAYS},
	{"sink.after_commit", false, true, CRASH_ALWAYS},
	/* The Kafka sink's: test_crash_kafka.c passes through them, and through those that both others do. */
	{"kafka.producer_ready", false, false, CRASH_AT_START},
	{"kafka.ledger_read", false, false, CRASH_AT_START},
	{"kafka.step.sent", false, false, CRASH_ALWAYS},
	{"kafka.step.committed", false, false, CRASH_ALWAYS},
	{"kafka.begun", false, false, CRASH_ALWAYS},
	{"kafka.rows_sent", false, false, CRASH_ALWAYS},
	{"kafka.commit.before", false, false, CRASH_ALWAYS},
	{"kafka.commit.after", false, false, CRASH_ALWAYS},
	{0},
};

/* ---- the source ---- */

typedef struct source_state {
	unsigned int seed;
	int64_t number;
} source_state;

/* Keyed records of 8 to 400 bytes; a null key or a null value now and then. */
static void fill(void *opaque, int64_t i, kt_message *message)
{
	source_state *state = opaque;
	int size = 8 + rand_r(&state->seed) % 392;

	(void) i;
	memset(message->value_space, 'a' + (int) (state->number % 26), (size_t) size);
	snprintf(message->value_space, sizeof(message->value_space), "%" PRId64 ":", state->number);
	message->value_space[strlen(message->value_space)] = '.';
	message->value = rand_r(&state->seed) % 50 ? message->value_space : NULL;
	message->value_size = message->value ? (size_t) size : 0;
	snprintf(message->key_space, sizeof(message->key_space), "key-%d", rand_r(&state->seed) % 5000);
	message->key = rand_r(&state->seed) % 50 ? message->key_space : NULL;
	message->key_size = message->key ? strlen(message->key_space) : 0;
	state->number++;
}

static void *produce(void *opaque)
{
	crash_campaign *campaign = opaque;
	const char *topic = campaign->job.topic;
	source_state state = {.seed = campaign->seed};
	kt_producer *plain = kt_producer_open(NULL, "compression.type", "zstd", "enable.idempotence", "true",
		"topic.metadata.refresh.interval.ms", "1000", NULL);
	kt_producer *txn = kt_producer_open(NULL, "compression.type", "zstd", "transactional.id", topic,
		"topic.metadata.refresh.interval.ms", "1000", NULL);
	int64_t rest_ms = 0;

	kt_produce_many(plain, topic, KT_ANY_PARTITION, FIRST_RECORDS, fill, &state);
	kt_producer_flush(plain);
	while (!atomic_load(&campaign->source_ends)) {
		if (kt_now_ms() < rest_ms) {
			kt_pause();
			continue;
		}
		rest_ms = kt_now_ms() + 60;
		kt_produce_many(plain, topic, KT_ANY_PARTITION, rand_r(&state.seed) % 60, fill, &state);
		kt_txn_begin(txn);
		kt_produce_many(txn, topic, KT_ANY_PARTITION, 1 + rand_r(&state.seed) % 120, fill, &state);
		if (rand_r(&state.seed) % 4)
			kt_txn_commit(txn);
		else
			kt_txn_abort(txn);
		atomic_store(&campaign->produced, (long) state.number);
	}
	kt_producer_flush(plain);
	kt_producer_close(plain);
	kt_producer_close(txn);
	return NULL;
}

/* ---- the target, with an effect that would tell of every repetition (I11) ---- */

static void make_table(kt_store *store)
{
	if (store->kind == KT_POSTGRES)
		kt_store_exec(store,
			"create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz,"
			"  key bytea, value bytea, headers jsonb);"
			"create table counter(partition int primary key, n bigint not null, bytes bigint not null);"
			"create function count_rows() returns trigger language plpgsql as $$ begin"
			"  insert into counter select kafka_partition, count(*), coalesce(sum(length(value)), 0) from news group by 1"
			"   on conflict (partition) do update set n = counter.n + excluded.n, bytes = counter.bytes + excluded.bytes;"
			"  return null; end $$;"
			"create trigger counting after insert on t referencing new table as news"
			" for each statement execute function count_rows()");
	else
		kt_store_exec(store,
			"create table t(kafka_topic text not null, kafka_partition integer not null, kafka_offset integer not null,"
			"  kafka_timestamp text, key blob, value blob, headers text);"
			"create table counter(partition integer primary key, n integer not null, bytes integer not null);"
			"create trigger counting after insert on t begin"
			"  insert into counter values(new.kafka_partition, 1, coalesce(length(new.value), 0))"
			"   on conflict (partition) do update set n = n + 1, bytes = bytes + excluded.bytes; end");
}

/* ---- the campaign ---- */

static unsigned int choose_seed(void)
{
	const char *given = getenv("KD_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return given ? (unsigned int) strtoul(given, NULL, 10) : (unsigned int) (now.tv_sec ^ now.tv_nsec) % 1000000;
}

void crash_open(crash_campaign *campaign, kt_store_kind kind)
{
	static const char *const flags[] = {"--set", "batch.max_records_per_batch=400", "--set", "retry_timeout_ms=60000"};

	*campaign = (crash_campaign) {.seed = choose_seed(), .partitions = PARTITIONS};
	memcpy(campaign->flags, flags, sizeof(flags));
	printf("crash: %s, KD_SEED=%u\n", kind == KT_POSTGRES ? "postgres" : "sqlite", campaign->seed);
	fflush(stdout);
	kt_job_open(&campaign->job, kind, PARTITIONS);
	kt_job_write(&campaign->job, kind == KT_POSTGRES ? "\"workers\": 2" : NULL);
	make_table(&campaign->job.store);
	kt_check(pthread_create(&campaign->source, NULL, produce, campaign) == 0, "no thread");
}

void crash_close(crash_campaign *campaign)
{
	kt_job_close(&campaign->job);
}

static kt_process *start(crash_campaign *campaign, const char *fault)
{
	const char *const *f = campaign->flags;

	return kt_job_start(&campaign->job, fault, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], NULL);
}

static bool has_ended(void *process)
{
	return !kt_process_running(process);
}

/* It may end by the kill, and in no other way. */
static void must_be_killed(kt_process *process)
{
	int code = kt_process_wait(process, 5000);

	kt_check(code == 128 + SIGKILL, "the program ended with %d:\n%s", code, kt_process_stderr(process));
	kt_process_free(process);
}

void crash_at_random(crash_campaign *campaign, int most_ms)
{
	kt_process *process = start(campaign, NULL);

	(void) kt_wait_until(has_ended, process, rand_r(&campaign->seed) % most_ms);
	kt_process_signal(process, SIGKILL);
	must_be_killed(process);
	campaign->kills_at_random++;
}

/* Leaves a plan behind that nobody commits. */
static void die_with_a_plan(crash_campaign *campaign)
{
	kt_process *process = start(campaign, "plan.after_durable:1:kill");

	kt_check(kt_wait_until(has_ended, process, REACH_MS), "no plan:\n%s", kt_process_stderr(process));
	must_be_killed(process);
	campaign->kills_at_points++;
}

/* Makes the ledger old, in whole days. */
static void age(crash_campaign *campaign)
{
	kt_store *store = &campaign->job.store;

	if (store->kind == KT_POSTGRES)
		kt_store_exec(store, "update @batch_partition set committed_at = committed_at - interval '100 days'");
	else
		kt_store_exec(store, "update @batch_partition set committed_at = committed_at - 8640000000");
}

static void prepare(crash_campaign *campaign, crash_way way)
{
	if (way == CRASH_GROWN)
		kt_topic_grow(campaign->job.admin, campaign->job.topic, ++campaign->partitions);
	else if (way == CRASH_NARROWED)
		die_with_a_plan(campaign);
	else if (way == CRASH_PRUNING)
		age(campaign);
}

void crash_at_point(crash_campaign *campaign, const crash_point *point, int hit)
{
	char fault[128];
	kt_process *process;

	prepare(campaign, point->way);
	snprintf(fault, sizeof(fault), "%s:%d:kill", point->name, point->way == CRASH_ALWAYS ? hit : 1);
	if (point->way == CRASH_NARROWED)
		campaign->flags[1] = "batch.max_records_per_batch=20";
	process = start(campaign, fault);
	campaign->flags[1] = "batch.max_records_per_batch=400";
	if (!kt_wait_until(has_ended, process, REACH_MS)) {
		kt_process_signal(process, SIGKILL);
		kt_fail("point %s was not reached:\n%s", fault, kt_process_stderr(process));
	}
	must_be_killed(process);
	campaign->kills_at_points++;
}

void crash_at_all_points(crash_campaign *campaign)
{
	bool postgres = campaign->job.store.kind == KT_POSTGRES;

	for (const crash_point *point = crash_points; point->name; point++) {
		if (!(postgres ? point->postgres : point->sqlite))
			continue;
		campaign->points++;
		for (int hit = 1; hit <= HITS; hit++)
			crash_at_point(campaign, point, hit);
	}
}

/* ---- the judgement ---- */

/* Where the counter of a partition is not the exact count and sum of the table. */
static int64_t wrong_counters(kt_store *store)
{
	return kt_store_int(store,
		"select count(*) from (select kafka_partition as p, count(*) as n, coalesce(sum(length(value)), 0) as bytes from t"
		" group by 1) as r left join counter c on c.partition = r.p where c.n is null or c.n <> r.n or c.bytes <> r.bytes");
}

static void audit(crash_campaign *campaign)
{
	kt_process *process = kt_kdirect(campaign->job.dir, NULL, "audit", campaign->job.path, NULL);
	int code = kt_process_wait(process, 60000);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

void crash_judge(crash_campaign *campaign, int least_kills)
{
	kt_job *job = &campaign->job;
	int kills = campaign->kills_at_random + campaign->kills_at_points;

	atomic_store(&campaign->source_ends, true);
	pthread_join(campaign->source, NULL);
	kt_job_must_end(kt_job_run(job, NULL, 180000), 0, NULL, 0);
	kt_verdict v = kt_judge_table(&job->store, "t", job->topic);
	int64_t untiled = kt_judge_tiling(&job->store, "j"), wrong = wrong_counters(&job->store);
	printf("crash: %d kills (%d at %d points, %d at random), %ld produced, %" PRId64 " rows, missing %" PRId64
	       ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64 ", not tiled %" PRId64 ", counters wrong %" PRId64
	       "\n",
		kills, campaign->kills_at_points, campaign->points, campaign->kills_at_random,
		atomic_load(&campaign->produced), v.rows, v.missing, v.doubled, v.altered, v.foreign, untiled, wrong);
	fflush(stdout);
	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign && !untiled && !wrong, "not exactly once");
	kt_check(v.rows > FIRST_RECORDS, "only %" PRId64 " rows came", v.rows);
	kt_check(kills >= least_kills, "only %d kills", kills);
	audit(campaign);
}
