/* SPDX-License-Identifier: Apache-2.0 */
/* A whole job into a keyed target, in the test's process and against librdkafka's mock brokers: a target that breaks
 * down again and again, one that refuses a record, a second instance. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_judge.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include "keyed_target.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 30000 };

typedef struct world {
	kt_mock *mock;
	char *dir;
	kt_store ledger;
	kt_keyed_store target;
} world;

static void open_world(world *w, int partitions)
{
	w->mock = kt_mock_open(1);
	kt_mock_topic(w->mock, "topic", partitions);
	w->dir = kt_tmpdir();
	kt_store_open(&w->ledger, KT_SQLITE, w->dir);
	kt_keyed_open(&w->target, w->dir);
}

static void close_world(world *w)
{
	kt_keyed_close(&w->target);
	kt_store_close(&w->ledger);
	kt_mock_close(w->mock);
	kt_tmpdir_remove(w->dir);
}

/* Each partition has keys of its own. */
static void fill_keys(void *opaque, int64_t i, kt_message *message)
{
	int partition = *(int *) opaque;

	message->key = message->key_space;
	message->key_size =
		(size_t) snprintf(message->key_space, sizeof(message->key_space), "p%d-%" PRId64, partition, i % 70);
	message->value = i % 9 ? message->value_space : NULL;
	message->value_size = (size_t) snprintf(message->value_space, sizeof(message->value_space), "%" PRId64, i);
}

static void fill(world *w, int partition, int64_t n)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(w->mock), NULL);

	kt_produce_many(producer, "topic", partition, n, fill_keys, &partition);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static kt_embedded *start(world *w, const kd_keyed_ops *ops, const char *more, const kd_job_options *options)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			       " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\","
			       " \"batch\": {\"interval_ms\": 20, \"max_records_per_batch\": 300}, \"workers\": 2,"
			       " \"sink\": {\"type\": \"%s\", \"ledger\": \"%s\", \"store\": \"%s\"%s}}",
		kt_mock_bootstrap(w->mock), ops->name, w->ledger.path, w->target.path, more);
	kt_embedded *job = kt_embedded_start_with(text, kd_keyed_sink(ops), options);

	free(text);
	return job;
}

static void must_be_right(world *w, const kd_keyed_ops *ops)
{
	cr_assert_eq(kt_keyed_judge(&w->target, ops, kt_mock_bootstrap(w->mock), "topic", false), 0);
	cr_assert_eq(kt_judge_tiling(&w->ledger, "j"), 0);
}

static void lands_all(const kd_keyed_ops *ops, int64_t least)
{
	world w;
	kt_embedded *job;

	open_world(&w, 3);
	for (int p = 0; p < 3; p++)
		fill(&w, p, 2000);
	for (int i = 0; i < 2; i++) {
		job = start(&w, ops, "", &(kd_job_options) {.until_latest = true});
		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
		kt_embedded_free(job);
		must_be_right(&w, ops);
	}
	cr_assert_eq(kt_keyed_int(&w.target, "select count(*) from t"), least);
	cr_assert_eq(kt_keyed_int(&w.target, "select sum(puts) from calls"), 6000, "without a failure each is put once");
	close_world(&w);
}

Test(keyed, the_last_value_of_each_key_stands_at_the_end, .timeout = 60)
{
	lands_all(&kt_keyed_by_record, 210);
}

Test(keyed, each_record_stands_once_under_its_identifier, .timeout = 60)
{
	lands_all(&kt_keyed_by_identifier, 6000);
}

static void spoil(world *w, const char *sql)
{
	cr_assert_eq(sqlite3_exec(w->target.db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(w->target.db));
}

Test(keyed, the_judge_finds_what_was_broken_on_purpose, .timeout = 60)
{
	world w;
	kt_embedded *job;

	open_world(&w, 1);
	fill(&w, 0, 200);
	job = start(&w, &kt_keyed_by_record, "", &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	must_be_right(&w, &kt_keyed_by_record);
	spoil(&w, "delete from t where key = x'70302d35'"); /* p0-5 */
	cr_assert_eq(kt_keyed_judge(&w.target, &kt_keyed_by_record, kt_mock_bootstrap(w.mock), "topic", false), 1);
	spoil(&w, "insert into t values(x'70', null, 1)");
	cr_assert_eq(kt_keyed_judge(&w.target, &kt_keyed_by_record, kt_mock_bootstrap(w.mock), "topic", false), 2);
	spoil(&w, "update t set value = x'30', version = version - 70 where key = x'70302d36'");
	cr_assert_eq(kt_keyed_judge(&w.target, &kt_keyed_by_record, kt_mock_bootstrap(w.mock), "topic", false), 4);
	close_world(&w);
}

static void outlasts(const kd_keyed_ops *ops)
{
	world w;
	kt_embedded *job;

	open_world(&w, 3);
	for (int p = 0; p < 3; p++)
		fill(&w, p, 1000);
	job = start(&w, ops, ", \"fail_every\": 4", &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	must_be_right(&w, ops);
	cr_assert_gt(kt_keyed_int(&w.target, "select sum(puts) from calls"), 3000, "nothing was put again");
	close_world(&w);
}

Test(keyed, a_target_that_breaks_down_every_few_calls_gets_everything, .timeout = 60)
{
	outlasts(&kt_keyed_by_record);
	outlasts(&kt_keyed_by_identifier);
}

Test(keyed, a_record_that_the_target_refuses_is_named_and_stops_the_job, .timeout = 60)
{
	world w;
	kt_embedded *job;

	open_world(&w, 1);
	fill(&w, 0, 1000);
	job = start(&w, &kt_keyed_by_record, ", \"refuse\": \"457\"", &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_ERECORD);
	cr_assert_eq(kd_exit_code(job->code, &job->err), 1);
	cr_assert(strstr(job->err.message, "topic/0@457"), "%s", job->err.message);
	kt_embedded_free(job);
	cr_assert_eq(kt_store_int(&w.ledger, "select committed_until from @position"), 300);
	cr_assert_eq(kt_judge_tiling(&w.ledger, "j"), 0);
	close_world(&w);
}

Test(keyed, a_null_key_stops_a_job_that_keeps_one_value_a_key, .timeout = 60)
{
	world w;
	kt_embedded *job;
	kt_producer *producer;

	open_world(&w, 1);
	fill(&w, 0, 10);
	producer = kt_producer_open(kt_mock_bootstrap(w.mock), NULL);
	kt_produce_text(producer, "topic", 0, NULL, "without a key");
	kt_producer_flush(producer);
	kt_producer_close(producer);
	job = start(&w, &kt_keyed_by_record, "", &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_ERECORD);
	cr_assert(strstr(job->err.message, "topic/0@10") && strstr(job->err.message, "its key is null"), "%s",
		job->err.message);
	kt_embedded_free(job);
	close_world(&w);
}

static bool has_rows(void *opaque)
{
	return kt_embedded_progress(opaque).rows > 0;
}

Test(keyed, the_older_of_two_instances_is_fenced, .timeout = 60)
{
	world w;
	kt_embedded *older, *newer;

	open_world(&w, 1);
	fill(&w, 0, 20000);
	older = start(&w, &kt_keyed_by_record, ", \"versions\": true", &(kd_job_options) {0});
	kt_await(has_rows, older, RUN_MS, "the first rows");
	newer = start(&w, &kt_keyed_by_record, ", \"versions\": true", &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(older, RUN_MS), KD_EFENCED, "%s", older->err.message);
	cr_assert_eq(kd_exit_code(older->code, &older->err), 3);
	cr_assert_eq(kt_embedded_join(newer, RUN_MS), KD_OK, "%s", newer->err.message);
	kt_embedded_free(older);
	kt_embedded_free(newer);
	must_be_right(&w, &kt_keyed_by_record);
	close_world(&w);
}
