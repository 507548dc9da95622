/* SPDX-License-Identifier: Apache-2.0 */
/* The whole job in the test's process, against librdkafka's mock brokers and SQLite: its ends, what an observer sees,
 * and ranges larger than its memory, also when their transaction fails in between. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_embedded.h"
#include "job_judge.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 30000 };

typedef struct world {
	kt_mock *mock;
	char *dir;
	kt_store store;
} world;

static void open_world(world *w, int partitions)
{
	w->mock = kt_mock_open(1);
	kt_mock_topic(w->mock, "topic", partitions);
	w->dir = kt_tmpdir();
	kt_store_open(&w->store, KT_SQLITE, w->dir);
}

static void close_world(world *w)
{
	kt_store_close(&w->store);
	kt_mock_close(w->mock);
	kt_tmpdir_remove(w->dir);
}

static void fill(world *w, int partition, int64_t n, kt_fill_fn *fn)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(w->mock), NULL);

	kt_produce_many(producer, "topic", partition, n, fn, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static kt_embedded *start(world *w, const char *more, const kd_sink_ops *sink, const kd_job_options *options)
{
	char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			       " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\", %s"
			       " \"sink\": {%s, \"table\": \"t\"}}",
		kt_mock_bootstrap(w->mock), more, w->store.sink);
	kt_embedded *job = kt_embedded_start_with(text, sink ? sink : &kd_sqlite_sink, options);

	free(text);
	return job;
}

static void must_be_clean(world *w)
{
	kt_oracle kafka = kt_oracle_read(kt_mock_bootstrap(w->mock), "topic", false);
	kt_oracle table = kt_store_rows(&w->store, "t", "topic");
	kt_verdict v = kt_judge(&kafka, &table);

	cr_assert(!v.missing && !v.doubled && !v.altered && !v.foreign, "missing %ld, double %ld, altered %ld, foreign %ld",
		(long) v.missing, (long) v.doubled, (long) v.altered, (long) v.foreign);
	cr_assert_eq(kt_judge_tiling(&w->store, "j"), 0);
	kt_oracle_done(&kafka);
	kt_oracle_done(&table);
}

/* ---- its ends ---- */

static const char quick[] = "\"batch\": {\"interval_ms\": 20, \"max_records_per_batch\": 300},";

Test(job, ends_when_what_was_there_at_its_start_is_committed, .timeout = 60)
{
	world w;
	kt_embedded *job;

	open_world(&w, 4);
	for (int p = 0; p < 4; p++)
		fill(&w, p, 1000, kt_fill_numbers);
	for (int i = 0; i < 2; i++) {
		job = start(&w, quick, NULL, &(kd_job_options) {.until_latest = true});
		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
		kt_embedded_free(job);
		cr_assert_eq(kt_store_int(&w.store, "select count(*) from t"), 4000);
		must_be_clean(&w);
	}
	close_world(&w);
}

static bool has_rows(void *opaque)
{
	return kt_embedded_progress(opaque).rows > 0;
}

Test(job, is_stopped_by_another_thread_and_goes_on_at_the_next_start, .timeout = 60)
{
	world w;
	kt_embedded *job;

	open_world(&w, 4);
	for (int p = 0; p < 4; p++)
		fill(&w, p, 20000, kt_fill_numbers);
	job = start(&w, quick, NULL, &(kd_job_options) {0});
	kt_await(has_rows, job, RUN_MS, "the first rows");
	kd_job_stop(job->job);
	cr_assert_eq(kt_embedded_join(job, 5000), KD_OK, "%s", job->err.message);
	cr_assert_lt(kt_embedded_progress(job).rows, 80000);
	kt_embedded_free(job);
	job = start(&w, "", NULL, &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	cr_assert_eq(kt_store_int(&w.store, "select count(*) from t"), 80000);
	must_be_clean(&w);
	close_world(&w);
}

Test(job, two_of_one_name_leave_one_owner, .timeout = 60)
{
	world w;
	kt_embedded *older, *newer;

	open_world(&w, 1);
	fill(&w, 0, 100, kt_fill_numbers);
	older = start(&w, quick, NULL, &(kd_job_options) {0});
	kt_await(has_rows, older, RUN_MS, "the first rows");
	newer = start(&w, quick, NULL, &(kd_job_options) {0});
	cr_assert_eq(kt_embedded_join(older, RUN_MS), KD_EFENCED, "%s", older->err.message);
	cr_assert_eq(kd_exit_code(older->code, &older->err), 3);
	fill(&w, 0, 100, kt_fill_numbers);
	kt_await(has_rows, newer, RUN_MS, "the rows after it");
	kt_embedded_free(older);
	kt_embedded_free(newer);
	must_be_clean(&w);
	close_world(&w);
}

/* ---- what an observer sees ---- */

enum { MOST_SEEN = 10000 };

typedef struct sight {
	kd_batch_partition planned[MOST_SEEN];
	size_t n_planned, n_committed;
	int64_t planned_until[4], committed_until[4], last_batch_time_ms;
} sight;

static bool was_planned(const sight *s, const kd_batch_partition *entry)
{
	for (size_t i = 0; i < s->n_planned; i++)
		if (s->planned[i].batch_time_ms == entry->batch_time_ms && s->planned[i].partition == entry->partition &&
			s->planned[i].range.from == entry->range.from && s->planned[i].range.until == entry->range.until &&
			s->planned[i].partition_index == entry->partition_index)
			return true;
	return false;
}

static void see(void *opaque, kd_job_event event, const kd_batch_partition *entries, size_t n)
{
	sight *s = opaque;

	for (size_t i = 0; i < n; i++) {
		const kd_batch_partition *e = &entries[i];
		int64_t *until = event == KD_JOB_PLANNED ? s->planned_until : s->committed_until;

		kt_check(strcmp(e->topic, "topic") == 0 && strcmp(e->job, "j") == 0, "%s %s", e->topic, e->job);
		kt_check(e->range.from == until[e->partition] && e->range.until > e->range.from, "a range that does not follow");
		until[e->partition] = e->range.until;
		if (event == KD_JOB_PLANNED) {
			kt_check(s->n_planned < MOST_SEEN && e->batch_time_ms >= s->last_batch_time_ms, "batch time goes back");
			s->planned[s->n_planned++] = *e;
		} else {
			kt_check(was_planned(s, e), "committed, but never planned so");
			s->n_committed++;
		}
	}
	if (event == KD_JOB_PLANNED)
		s->last_batch_time_ms = entries[0].batch_time_ms;
}

Test(job, an_observer_sees_each_range_planned_before_it_is_committed_once, .timeout = 60)
{
	world w;
	kt_embedded *job;
	sight *s = calloc(1, sizeof(*s));

	kt_check(s, "no memory");
	open_world(&w, 4);
	for (int p = 0; p < 4; p++)
		fill(&w, p, 2000 * (p + 1), kt_fill_numbers);
	job = start(&w, quick, NULL, &(kd_job_options) {.until_latest = true, .observer = see, .observer_opaque = s});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	kt_embedded_free(job);
	cr_assert_eq(s->n_planned, s->n_committed);
	for (int p = 0; p < 4; p++)
		cr_assert_eq(s->committed_until[p], 2000 * (p + 1));
	cr_assert_eq(kt_store_int(&w.store, "select count(*) from @batch_partition where committed_at is not null"),
		(int64_t) s->n_committed);
	must_be_clean(&w);
	close_world(&w);
	free(s);
}

/* ---- ranges larger than its memory ---- */

enum { BIG = 10000, BIG_RECORDS = 400 }; /* 4 MB; the mock keeps 5 MB of a partition */

static void fill_big(void *opaque, int64_t i, kt_message *message)
{
	static char value[BIG];

	(void) opaque;
	memset(value, 'a' + (int) (i % 26), sizeof(value));
	message->key = "k";
	message->key_size = 1;
	message->value = value;
	message->value_size = sizeof(value);
}

/* What goes wrong, at which call of the whole run. */
static struct {
	int write_fails, commit_answer_lost, commit_not_applied, begin_fails;
	int writes, commits, begins;
} plot;

static kd_code faulty_write(void *session, const void *bytes, size_t size, kd_error *err)
{
	if (++plot.writes == plot.write_fails)
		return kd_error_set(err, KD_ESINK, KD_REPLAY, "the connection broke in mid-range");
	return kd_sqlite_sink.write(session, bytes, size, err);
}

static kd_code faulty_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	if (++plot.begins == plot.begin_fails)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "no connection");
	return kd_sqlite_sink.begin(session, me, entry, ret_cas, err);
}

static kd_code faulty_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	plot.commits++;
	if (plot.commits == plot.commit_not_applied)
		return kd_error_set(err, KD_ESINK, KD_RESOLVE, "the answer was lost");
	kd_code code = kd_sqlite_sink.commit(session, result, ret_durability, err);
	if (code == KD_OK && plot.commits == plot.commit_answer_lost)
		return kd_error_set(err, KD_ESINK, KD_RESOLVE, "the answer was lost");
	return code;
}

/* Lands one range of 4 MB with 1 MB of memory. */
static kd_progress land_large(void)
{
	kd_sink_ops sink = kd_sqlite_sink;
	kd_progress progress;
	kt_embedded *job;
	world w;

	sink.write = faulty_write;
	sink.begin = faulty_begin;
	sink.commit = faulty_commit;
	open_world(&w, 1);
	fill(&w, 0, BIG_RECORDS, fill_big);
	job = start(&w, "\"memory_mb\": 1,", &sink, &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	progress = kt_embedded_progress(job);
	kt_embedded_free(job);
	cr_assert_eq(kt_store_int(&w.store, "select max(until_offset - from_offset) from @batch_partition"), BIG_RECORDS);
	cr_assert_eq(kt_store_int(&w.store, "select count(*) from t"), BIG_RECORDS);
	must_be_clean(&w);
	close_world(&w);
	return progress;
}

Test(job, lands_a_range_larger_than_its_memory, .timeout = 60)
{
	cr_assert_eq(land_large().rows, BIG_RECORDS);
	cr_assert_gt(plot.writes, 8, "it was not landed while it was read");
	cr_assert_eq(plot.commits, 1);
}

Test(job, lands_a_large_range_once_when_writing_it_fails_in_between, .timeout = 60)
{
	plot.write_fails = 7;
	cr_assert_geq(land_large().retries, 1);
	cr_assert_gt(plot.begins, 1);
}

Test(job, lands_a_large_range_once_when_its_first_write_fails, .timeout = 60)
{
	plot.write_fails = 1;
	cr_assert_geq(land_large().retries, 1);
}

Test(job, lands_a_large_range_once_when_its_commit_was_applied_and_the_answer_lost, .timeout = 60)
{
	plot.commit_answer_lost = 1;
	cr_assert_eq(land_large().resolves, 1);
	cr_assert_eq(plot.commits, 1, "it was committed again");
}

Test(job, lands_a_large_range_once_when_its_commit_was_not_applied_and_the_answer_lost, .timeout = 60)
{
	plot.commit_not_applied = 1;
	cr_assert_eq(land_large().resolves, 1);
	cr_assert_eq(plot.commits, 2);
}

Test(job, lands_a_large_range_once_when_it_cannot_begin_at_first, .timeout = 60)
{
	plot.begin_fails = 1;
	cr_assert_geq(land_large().retries, 1);
}

/* ---- sinks that fail in odd ways ---- */

static int verify_fails;

static kd_code faulty_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n,
	kd_error *err)
{
	if (verify_fails-- > 0)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "the connection was lost");
	return kd_sqlite_sink.verify(session, job, ret_segments, n, ret_n, err);
}

Test(job, asks_again_when_its_last_look_at_the_sink_gets_no_answer, .timeout = 60)
{
	kd_sink_ops sink = kd_sqlite_sink;
	kt_embedded *job;
	world w;

	sink.verify = faulty_verify;
	verify_fails = 2;
	open_world(&w, 1);
	fill(&w, 0, 100, kt_fill_numbers);
	job = start(&w, quick, &sink, &(kd_job_options) {.until_latest = true});
	cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_OK, "%s", job->err.message);
	cr_assert_lt(verify_fails, 0, "it ended without an answer");
	kt_embedded_free(job);
	must_be_clean(&w);
	close_world(&w);
}

static kd_code mute_write(void *session, const void *bytes, size_t size, kd_error *err)
{
	(void) session, (void) bytes, (void) size, (void) err;
	return KD_ESINK;
}

static kd_code mute_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	(void) encoder, (void) batch, (void) record, (void) out, (void) ret_rows, (void) err;
	return KD_ESINK;
}

static kd_code mute_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	return KD_ESINK;
}

/* I10: a failure without an error is not a success. */
Test(job, stops_on_a_sink_that_fails_without_a_reason, .timeout = 60)
{
	for (int which = 0; which < 3; which++) {
		kd_sink_ops sink = kd_sqlite_sink;
		kt_embedded *job;
		world w;

		if (which == 0)
			sink.write = mute_write;
		else if (which == 1)
			sink.encode = mute_encode;
		else
			sink.flush = mute_flush;
		open_world(&w, 1);
		fill(&w, 0, 100, kt_fill_numbers);
		job = start(&w, quick, &sink, &(kd_job_options) {.until_latest = true});
		cr_assert_eq(kt_embedded_join(job, RUN_MS), KD_ESINK, "case %d: %s", which, job->err.message);
		cr_assert(strstr(job->err.message, "gave no reason"), "%s", job->err.message);
		kt_embedded_free(job);
		cr_assert_eq(kt_store_int(&w.store, "select count(*) from t"), 0);
		close_world(&w);
	}
}
