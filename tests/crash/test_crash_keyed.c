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

enum { KEYS = 3000, FENCED_MS = 15000 };

/* ---- a job of it ---- */

typedef struct keyed_job {
	const kd_keyed_ops *ops;
	kt_job job;
	kt_keyed_store target;
} keyed_job;

/* job_fixture.c starts $KD_BIN: from here on that is the program with keyed sinks. */
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
static void write_job(kt_job *job, kt_keyed_store *target, const kd_keyed_ops *ops, const char *more)
{
	kt_keyed_open(target, job->dir);
	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"%s\", \"ledger\": \"%s\", \"store\": \"%s\"%s", ops->name, job->store.path,
		target->path, more);
	kt_job_write(job, NULL);
}

static void open_job(keyed_job *k, const kd_keyed_ops *ops, int partitions, const char *more)
{
	*k = (keyed_job) {.ops = ops};
	use_program();
	kt_job_open(&k->job, KT_SQLITE, partitions);
	write_job(&k->job, &k->target, ops, more);
}

static void close_job(keyed_job *k)
{
	kt_keyed_close(&k->target);
	kt_job_close(&k->job);
}

static void must_be_right(keyed_job *k)
{
	int64_t wrong = kt_keyed_judge(&k->target, k->ops, NULL, k->job.topic, true);
	int64_t untiled = kt_judge_tiling(&k->job.store, "j");

	kt_check(wrong == 0, "%" PRId64 " keys are missing, altered or foreign", wrong);
	kt_check(untiled == 0, "the ledger does not tile");
}

/* ---- the campaign ---- */

/* A key is always in one partition, and now and then its value is null. */
static void make_record(void *opaque, int64_t i, kt_message *message)
{
	crash_source *source = opaque;

	(void) i;
	message->key = message->key_space;
	message->key_size =
		(size_t) snprintf(message->key_space, sizeof(message->key_space), "key-%d", rand_r(&source->seed) % KEYS);
	message->value = rand_r(&source->seed) % 50 ? message->value_space : NULL;
	message->value_size =
		(size_t) snprintf(message->value_space, sizeof(message->value_space), "%" PRId64, source->number++);
}

/* The points of the library and of the ledger. */
static bool passes(const crash_point *point)
{
	return point->sqlite;
}

static void open_target(crash_campaign *campaign, const kd_keyed_ops *ops)
{
	campaign->state = calloc(1, sizeof(kt_keyed_store));
	kt_check(campaign->state, "no memory");
	write_job(&campaign->job, campaign->state, ops, "");
}

static void open_by_record(crash_campaign *campaign)
{
	open_target(campaign, &kt_keyed_by_record);
}

static void open_by_identifier(crash_campaign *campaign)
{
	open_target(campaign, &kt_keyed_by_identifier);
}

static void close_target(crash_campaign *campaign)
{
	kt_keyed_close(campaign->state);
	free(campaign->state);
}

static crash_finding judge(crash_campaign *campaign, const kd_keyed_ops *ops)
{
	kt_store *store = &campaign->job.store;
	int64_t untiled = kt_judge_tiling(store, "j");

	crash_audit(&campaign->job, NULL);
	return (crash_finding) {.rows = kt_store_int(store, "select sum(rows) from @batch_partition"),
		.missing = kt_keyed_judge(campaign->state, ops, NULL, campaign->job.topic, true), .wrong = untiled,
		.what = kt_format(", not tiled %" PRId64 ", %" PRId64 " puts, %" PRId64 " keys", untiled,
			kt_keyed_int(campaign->state, "select sum(puts) from calls"),
			kt_keyed_int(campaign->state, "select count(*) from t"))};
}

static crash_finding judge_by_record(crash_campaign *campaign)
{
	return judge(campaign, &kt_keyed_by_record);
}

static crash_finding judge_by_identifier(crash_campaign *campaign)
{
	return judge(campaign, &kt_keyed_by_identifier);
}

static void survive(const crash_sink *sink)
{
	static const crash_point in_put = {"target.put", true, false, CRASH_ALWAYS};
	crash_campaign campaign;

	use_program();
	crash_open(&campaign, sink);
	for (int i = 0; i < 30; i++)
		crash_at_random(&campaign, 500);
	crash_until_all_survive(&campaign);
	crash_until_survived(&campaign, &in_put);
	crash_pairs(&campaign, 15);
	for (int i = 0; i < 30; i++)
		crash_at_random(&campaign, 700);
	crash_judge(&campaign, "crash", 120);
	crash_close(&campaign);
}

/* F1, F2; I1-I3, I5, I6, I8. */
Test(crash_keyed, the_last_value_of_each_key_stands_after_kills_at_every_point_and_at_random, .timeout = 600)
{
	static const crash_sink by_record = {.name = "keyed by record", .store = KT_SQLITE, .fill = make_record,
		.passes = passes, .open = open_by_record, .judge = judge_by_record, .close = close_target};

	survive(&by_record);
}

/* F1, F2; I1-I3, I5, I6, I8. */
Test(crash_keyed, each_record_stands_once_after_kills_at_every_point_and_at_random, .timeout = 600)
{
	static const crash_sink by_identifier = {.name = "keyed by identifier", .store = KT_SQLITE, .fill = make_record,
		.passes = passes, .open = open_by_identifier, .judge = judge_by_identifier, .close = close_target};

	survive(&by_identifier);
}

/* ---- a frozen predecessor ---- */

/* Stopped in the middle of its third call, the successor goes on and ends; then the predecessor wakes up. */
static int64_t outlive_one_frozen_in_a_put(keyed_job *k)
{
	kt_job *job = &k->job;
	kt_process *zombie = kt_job_start(job, "target.put:3:stop", "--set", "batch.max_records_per_batch=1200", NULL);
	char *calls = kt_format("select count(*) from calls where pid = %d", (int) kt_process_pid(zombie));
	int64_t before;

	kt_check(kt_wait_until(kt_process_is_stopped, zombie, 30000), "not stopped:\n%s", kt_process_stderr(zombie));
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
	kt_job_fill(&k.job, 0, 20000);
	cr_assert_eq(outlive_one_frozen_in_a_put(&k), 0);
	close_job(&k);
}

Test(crash_keyed, one_frozen_in_a_put_changes_nothing_where_identifiers_count, .timeout = 240)
{
	keyed_job k;

	open_job(&k, &kt_keyed_by_identifier, 1, "");
	kt_job_fill(&k.job, 0, 20000);
	cr_assert_eq(outlive_one_frozen_in_a_put(&k), 0);
	close_job(&k);
}

/* What the guarantee does not promise, and why put has a version: old values come back, of the one call at most. */
Test(crash_keyed, without_versions_one_frozen_in_a_put_brings_back_no_more_than_that_call, .timeout = 240)
{
	keyed_job k;
	int64_t wrong;

	open_job(&k, &kt_keyed_by_record, 1, "");
	kt_job_fill(&k.job, 0, 20000);
	wrong = outlive_one_frozen_in_a_put(&k);
	cr_assert_gt(wrong, 0, "the case was not met");
	cr_assert_leq(wrong, 2 * KD_KEYED_MOST_PUTS, "a key with an old value counts as missing and as foreign");
	close_job(&k);
}
