/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose transform looks up is killed within the data transaction, between what it read and the rows that it makes
 * of that, again and again: what is committed is whole, and in the end every record is there once, with what its own
 * transaction saw.  The job runs in this very program, started anew as a process of its own: kdirect has no such
 * transform. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "job_embedded.h"
#include "job_fixture.h"
#include "tmpdir.h"

enum { RECORDS = 3000, A_BATCH = 300, RUN_MS = 60000 };

/* ---- the process that is killed ---- */

static bool take_rate(void *opaque, const char *const *values, size_t n)
{
	*(int64_t *) opaque = n == 1 && values[0] ? strtoll(values[0], NULL, 10) : -1;
	return true;
}

static int64_t rate = -1;

static kd_code look_up(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *err)
{
	static const char *const params[] = {"eur"};

	(void) state, (void) batch, (void) records, (void) n;
	return kd_tx_query(tx, "select rate from rates where name = $1", params, 1, take_rate, &rate, err);
}

static kd_code enrich(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	(void) state, (void) batch;
	kd_row_set_int(row, "rate", rate);
	return kd_emit(out, row, err);
}

static const kd_transform_ops enricher = {.abi = KD_TRANSFORM_ABI, .name = "enrich", .look_up = look_up,
	.apply = enrich};

Test(crash_look_up, runs_the_job_that_it_is_told_to, .timeout = 120)
{
	const char *path = getenv("KT_JOB");

	if (path) {
		char *text = kt_read_file(path);
		kt_embedded *job = kt_embedded_start(text, &(kd_job_options){.until_latest = true, .transform = &enricher});

		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
		kt_embedded_free(job);
		free(text);
	}
}

/* ---- the one that kills it ---- */

static int run_job(kt_job *job, const char *fault)
{
	char program[4096] = "";
	char *path = kt_format("KT_JOB=%s", job->path), *setting = kt_format("KD_FAULT=%s", fault);
	/* Criterion marks the processes that it starts tests in; this one is to start tests of its own. */
	const char *argv[] = {"env", "-u", "BXFI_MAP", program, "--filter", "crash_look_up/runs_*", NULL};
	const char *env[] = {path, setting, NULL};
	kt_process *process;
	int code;

	cr_assert_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	process = kt_process_start(job->dir, env, argv);
	code = kt_process_wait(process, RUN_MS);
	if (!*fault)
		cr_assert_eq(code, 0, "%s", kt_process_stderr(process));
	kt_process_free(process);
	free(path);
	free(setting);
	return code;
}

static void fill_number(void *opaque, int64_t i, kt_message *m)
{
	(void) opaque;
	m->value = m->value_space;
	m->value_size = (size_t) sprintf(m->value_space, "{\"id\":%ld}", (long) i);
}

static void open_job(kt_job *job, kt_store_kind kind)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_job_open(job, kind, 1);
	kt_store_exec(&job->store, "create table t(id bigint, rate bigint); create table rates(name text, rate bigint);"
				   " insert into rates values ('eur', 7)");
	kt_produce_many(producer, job->topic, 0, RECORDS, fill_number, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	free(job->path);
	job->path = kt_write_file(job->dir, "job.json", "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"},"
		" \"topics\": [\"%s\"], \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50, \"max_records_per_batch\": %d},"
		" \"sink\": {%s, \"table\": \"t\"}}", kt_env("KD_TEST_KAFKA"), job->topic, A_BATCH, job->store.sink);
}

Test(crash_look_up, killed_between_what_it_read_and_its_rows_lands_every_record_once, .timeout = 300)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;
		int64_t expected = 0;

		open_job(&job, (kt_store_kind) kind);
		for (int hit = 1; hit <= 4; hit++) {
			char *fault = kt_format("commit.looked-up:%d:kill", hit);

			cr_assert_neq(run_job(&job, fault), 0, "hit %d was never reached", hit);
			expected += (hit - 1) * A_BATCH;
			cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), expected, "after hit %d", hit);
			cr_assert_eq(kt_store_int(&job.store, "select coalesce(sum(rows), 0) from @batch_partition"), expected);
			free(fault);
		}
		kt_store_exec(&job.store, "update rates set rate = 8");
		run_job(&job, "");
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where id < %d and rate = 7", (int) expected), expected);
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where id >= %d and rate = 8", (int) expected),
			RECORDS - expected);
		cr_assert_eq(kt_store_int(&job.store, "select count(distinct id) from t"), RECORDS);
		kt_job_close(&job);
	}
}

/* A look-up that fails is repeated in a transaction of its own (I1, I2, I8). */
Test(crash_look_up, a_look_up_that_failed_is_made_again_and_lands_every_record_once, .timeout = 300)
{
	for (int kind = KT_SQLITE; kind <= KT_POSTGRES; kind++) {
		kt_job job;

		open_job(&job, (kt_store_kind) kind);
		cr_assert_eq(run_job(&job, "commit.looked-up:1:fail,commit.looked-up:3:fail"), 0, "it did not outlast a failure");
		cr_assert_eq(kt_store_int(&job.store, "select count(*) from t where rate = 7"), RECORDS);
		cr_assert_eq(kt_store_int(&job.store, "select count(distinct id) from t"), RECORDS);
		kt_job_close(&job);
	}
}
