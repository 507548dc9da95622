/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against keyed sinks: at every fault point, in the middle of puts, and at random; and a predecessor that was
 * frozen in a put.  What must hold is the end state by key, and a ledger that tiles.
 *
 * The program under test is tests/crash/program/keyed.c. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "keyed_target.h"
#include "tmpdir.h"
#include "wait.h"

enum { PARTITIONS = 4, FIRST_RECORDS = 10000, KEYS = 3000, HITS = 3, FENCED_MS = 15000 };

/* ---- a job of it ---- */

typedef struct keyed_job {
	const kd_keyed_ops *ops;
	crash_campaign campaign;
	kt_keyed_store target;
} keyed_job;

/* crash.c and job_fixture.c start $KD_BIN: from here on that is the program with keyed sinks. */
static void use_program(void)
{
	char *kdirect = strdup(kt_env("KD_BIN")), *slash = kdirect ? strrchr(kdirect, '/') : NULL, *path;

	kt_check(slash, "KD_BIN is no path");
	path = kt_format("%.*s/../tests/crash/program/keyed", (int) (slash - kdirect), kdirect);
	kt_check(setenv("KD_BIN", path, 1) == 0, "no environment");
	free(path);
	free(kdirect);
}

/* The database of the job is the ledger. */
static void open_job(keyed_job *k, const kd_keyed_ops *ops, int partitions, const char *more)
{
	kt_job *job = &k->campaign.job;

	*k = (keyed_job) {.ops = ops, .campaign = {.partitions = partitions}};
	use_program();
	kt_job_open(job, KT_SQLITE, partitions);
	kt_keyed_open(&k->target, job->dir);
	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"%s\", \"ledger\": \"%s\", \"store\": \"%s\"%s", ops->name, job->store.path,
		k->target.path, more);
	kt_job_write(job, NULL);
}

static void close_job(keyed_job *k)
{
	kt_keyed_close(&k->target);
	kt_job_close(&k->campaign.job);
}

static void must_be_right(keyed_job *k)
{
	int64_t wrong = kt_keyed_judge(&k->target, k->ops, NULL, k->campaign.job.topic, true);
	int64_t untiled = kt_judge_tiling(&k->campaign.job.store, "j");

	kt_check(wrong == 0, "%" PRId64 " keys are missing, altered or foreign", wrong);
	kt_check(untiled == 0, "the ledger does not tile");
}

/* ---- records that keep coming ---- */

static unsigned int choose_seed(void)
{
	const char *given = getenv("KD_SEED");

	return given ? (unsigned int) strtoul(given, NULL, 10) : (unsigned int) kt_now_ms() % 1000000;
}

typedef struct source_state {
	unsigned int seed;
	int64_t number;
} source_state;

/* A key is always in one partition, and now and then its value is null. */
static void make_record(void *opaque, int64_t i, kt_message *message)
{
	source_state *state = opaque;

	(void) i;
	message->key = message->key_space;
	message->key_size =
		(size_t) snprintf(message->key_space, sizeof(message->key_space), "key-%d", rand_r(&state->seed) % KEYS);
	message->value = rand_r(&state->seed) % 50 ? message->value_space : NULL;
	message->value_size =
		(size_t) snprintf(message->value_space, sizeof(message->value_space), "%" PRId64, state->number++);
}

static void *produce(void *opaque)
{
	crash_campaign *campaign = opaque;
	const char *topic = campaign->job.topic;
	source_state state = {.seed = campaign->seed};
	kt_producer *plain = kt_producer_open(NULL, "enable.idempotence", "true", NULL);
	kt_producer *txn = kt_producer_open(NULL, "transactional.id", topic, NULL);
	int64_t rest_ms = 0;

	kt_produce_many(plain, topic, KT_ANY_PARTITION, FIRST_RECORDS, make_record, &state);
	kt_producer_flush(plain);
	while (!atomic_load(&campaign->source_ends)) {
		if (kt_now_ms() < rest_ms) {
			kt_pause();
			continue;
		}
		rest_ms = kt_now_ms() + 60;
		kt_txn_begin(txn);
		kt_produce_many(txn, topic, KT_ANY_PARTITION, 1 + rand_r(&state.seed) % 120, make_record, &state);
		if (rand_r(&state.seed) % 4)
			kt_txn_commit(txn);
		else
			kt_txn_abort(txn);
		atomic_store(&campaign->produced, (long) state.number);
	}
	kt_producer_close(plain);
	kt_producer_close(txn);
	return NULL;
}

/* ---- the campaign ---- */

static void start_campaign(keyed_job *k, const kd_keyed_ops *ops)
{
	static const char *const flags[] = {"--set", "batch.max_records_per_batch=400", "--set", "retry_timeout_ms=60000"};
	crash_campaign *campaign = &k->campaign;

	open_job(k, ops, PARTITIONS, "");
	campaign->seed = choose_seed();
	memcpy(campaign->flags, flags, sizeof(flags));
	printf("crash: %s, KD_SEED=%u\n", ops->name, campaign->seed);
	fflush(stdout);
	kt_check(pthread_create(&campaign->source, NULL, produce, campaign) == 0, "no thread");
}

/* The points of the library and of the ledger, and the target's own. */
static void crash_everywhere(crash_campaign *campaign)
{
	static const crash_point in_put = {"target.put", true, false, CRASH_ALWAYS};

	crash_at_all_points(campaign);
	campaign->points++;
	for (int hit = 1; hit <= HITS; hit++)
		crash_at_point(campaign, &in_put, hit);
}

static void audit(keyed_job *k)
{
	kt_process *process = kt_kdirect(k->campaign.job.dir, NULL, "audit", k->campaign.job.path, NULL);
	int code = kt_process_wait(process, 60000);

	kt_check(code == 0, "audit ended with %d:\n%s%s", code, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
}

static void judge_campaign(keyed_job *k, int least_kills)
{
	crash_campaign *campaign = &k->campaign;
	int kills = campaign->kills_at_random + campaign->kills_at_points;

	atomic_store(&campaign->source_ends, true);
	pthread_join(campaign->source, NULL);
	kt_job_catch_up(&campaign->job, NULL);
	printf("crash: %d kills (%d at %d points, %d at random), %ld produced, %" PRId64 " rows committed, %" PRId64
	       " puts, %" PRId64 " keys\n", kills, campaign->kills_at_points, campaign->points, campaign->kills_at_random,
		atomic_load(&campaign->produced), kt_store_int(&campaign->job.store, "select sum(rows) from @batch_partition"),
		kt_keyed_int(&k->target, "select sum(puts) from calls"), kt_keyed_int(&k->target, "select count(*) from t"));
	fflush(stdout);
	must_be_right(k);
	kt_check(kills >= least_kills, "only %d kills", kills);
	audit(k);
}

static void survive(const kd_keyed_ops *ops)
{
	keyed_job k;

	start_campaign(&k, ops);
	for (int i = 0; i < 50; i++)
		crash_at_random(&k.campaign, 500);
	crash_everywhere(&k.campaign);
	for (int i = 0; i < 50; i++)
		crash_at_random(&k.campaign, 900);
	judge_campaign(&k, 130);
	close_job(&k);
}

Test(crash_keyed, the_last_value_of_each_key_stands_after_kills_at_every_point_and_at_random, .timeout = 600)
{
	survive(&kt_keyed_by_record);
}

Test(crash_keyed, each_record_stands_once_after_kills_at_every_point_and_at_random, .timeout = 600)
{
	survive(&kt_keyed_by_identifier);
}

/* ---- a frozen predecessor ---- */

static bool is_stopped(void *opaque)
{
	kt_process *process = opaque;
	char *path = kt_format("/proc/%d/stat", (int) kt_process_pid(process)), *stat = kt_read_file(path);
	const char *rest = strrchr(stat, ')');
	bool stopped = rest && rest[2] == 'T';

	free(stat);
	free(path);
	return stopped;
}

/* Stopped in the middle of its third call, the successor goes on and ends; then the predecessor wakes up. */
static int64_t outlive_one_frozen_in_a_put(keyed_job *k)
{
	kt_job *job = &k->campaign.job;
	kt_process *zombie = kt_job_start(job, "target.put:3:stop", "--set", "batch.max_records_per_batch=1200", NULL);
	char *calls = kt_format("select count(*) from calls where pid = %d", (int) kt_process_pid(zombie));
	int64_t before;

	kt_check(kt_wait_until(is_stopped, zombie, 30000), "not stopped:\n%s", kt_process_stderr(zombie));
	before = kt_keyed_int(&k->target, calls);
	kt_job_must_end(kt_job_run(job, NULL, 90000), 0, NULL, 0);
	must_be_right(k);
	kt_process_signal(zombie, SIGCONT);
	kt_job_must_end(zombie, 3, "taken over by a newer instance", FENCED_MS);
	cr_assert_eq(kt_keyed_int(&k->target, calls), before, "it began another put");
	cr_assert_eq(kt_judge_tiling(&job->store, "j"), 0);
	free(calls);
	return kt_keyed_judge(&k->target, k->ops, NULL, job->topic, true);
}

Test(crash_keyed, one_frozen_in_a_put_changes_nothing_where_the_target_refuses_old_versions, .timeout = 240)
{
	keyed_job k;

	open_job(&k, &kt_keyed_by_record, 1, ", \"versions\": true");
	kt_job_fill(&k.campaign.job, 0, 20000);
	cr_assert_eq(outlive_one_frozen_in_a_put(&k), 0);
	close_job(&k);
}

Test(crash_keyed, one_frozen_in_a_put_changes_nothing_where_identifiers_count, .timeout = 240)
{
	keyed_job k;

	open_job(&k, &kt_keyed_by_identifier, 1, "");
	kt_job_fill(&k.campaign.job, 0, 20000);
	cr_assert_eq(outlive_one_frozen_in_a_put(&k), 0);
	close_job(&k);
}

/* What the guarantee does not promise, and why put has a version: old values come back, of the one call at most. */
Test(crash_keyed, without_versions_one_frozen_in_a_put_brings_back_no_more_than_that_call, .timeout = 240)
{
	keyed_job k;
	int64_t wrong;

	open_job(&k, &kt_keyed_by_record, 1, "");
	kt_job_fill(&k.campaign.job, 0, 20000);
	wrong = outlive_one_frozen_in_a_put(&k);
	cr_assert_gt(wrong, 0, "the case was not met");
	cr_assert_leq(wrong, 2 * KD_KEYED_MOST_PUTS, "a key with an old value counts as missing and as foreign");
	close_job(&k);
}
