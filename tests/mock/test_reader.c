/* SPDX-License-Identifier: Apache-2.0 */
/* The reader against librdkafka's mock brokers: exact ranges of every size, going back, faults of the
 * network. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include "reader_private.h"
#include "reading.h"
#include "wait.h"

enum { PARTITIONS = 8, RECORDS = 20000 };

static kt_mock *filled_mock(int brokers, int partitions, int64_t records_each)
{
	kt_mock *mock = kt_mock_open(brokers);
	kt_mock_topic(mock, "t", partitions);
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(mock), "linger.ms", "5", NULL);
	for (int p = 0; p < partitions; p++)
		kt_produce_many(producer, "t", p, records_each, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	return mock;
}

/* Reads a slot from `from` to `until` in steps; every offset must come. */
static void read_all(kt_reading *reading, int slot, int64_t from, int64_t until, int64_t step)
{
	while (from < until) {
		const int64_t to = from + step < until ? from + step : until;
		cr_assert_eq(kt_reading_range(reading, slot, from, to, NULL), to - from);
		from = to;
	}
}

Test(reader, reads_each_range_exactly_whatever_its_size, .timeout = 120)
{
	const int64_t steps[] = {7, 100, 100000};
	const int64_t until[] = {700, RECORDS, RECORDS};
	kt_mock *mock = filled_mock(3, PARTITIONS, RECORDS);
	for (size_t i = 0; i < 3; i++) {
		kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), PARTITIONS, NULL);
		int slots[PARTITIONS];
		for (int p = 0; p < PARTITIONS; p++)
			slots[p] = kt_reading_add(reading, "t", p, 0);
		for (int p = 0; p < PARTITIONS; p++)
			read_all(reading, slots[p], 0, until[i], steps[i]);
		kt_reading_close(reading);
	}
	kt_mock_close(mock);
}

Test(reader, reads_a_range_again_from_an_earlier_offset, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, RECORDS);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 5000);
	cr_assert_eq(kt_reading_range(reading, slot, 5000, 9000, NULL), 4000);
	for (int i = 0; i < 20; i++) {
		const int64_t from = 37 * i;
		cr_assert_eq(kt_reading_range(reading, slot, from, from + 3000, NULL), 3000);
		cr_assert_eq(reading->offsets[0], from);
	}
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, goes_on_behind_a_skipped_piece_of_the_log, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, RECORDS);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 0);
	cr_assert_eq(kt_reading_range(reading, slot, 0, 10, NULL), 10);
	cr_assert_eq(kt_reading_range(reading, slot, 12000, 12100, NULL), 100);
	cr_assert_eq(reading->offsets[0], 12000);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, gives_no_more_records_than_asked_for_and_keeps_the_rest, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, 1000);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 0);
	kd_error err = {0};
	kt_reading_begin(reading, slot, 0, 1000);
	do {
		const size_t before = reading->n;
		cr_assert_eq(kt_reading_poll(reading, slot, 3, &err), KD_OK);
		cr_assert_leq(reading->n - before, 3);
		cr_assert_eq(reading->status.delivered, reading->n - before);
		cr_assert_eq(kd_reader_wait(reading->reader, 100, &err), KD_OK);
	} while (!reading->status.complete);
	cr_assert_eq(reading->n, 1000);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

static kd_code refuse_the_fifth(void *opaque, const kd_record *record, kd_error *err)
{
	(void) opaque;
	return record->offset == 5 ? kd_error_set(err, KD_ERECORD, KD_STOP, "no") : KD_OK;
}

Test(reader, passes_on_a_callbacks_failure_and_counts_the_record_as_delivered, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, 100);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 0);
	kd_error err = {0};
	reading->also = refuse_the_fifth;
	cr_assert_eq(kt_reading_range(reading, slot, 0, 100, &err), -1);
	cr_assert_eq(err.code, KD_ERECORD);
	cr_assert_eq(reading->n, 6);
	reading->also = NULL;
	cr_assert_eq(kt_reading_range(reading, slot, 0, 100, NULL), 100);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, says_where_the_log_ends_when_the_range_begins_beyond_it, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, 100);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 500);
	kd_error err = {0};
	cr_assert_eq(kt_reading_range(reading, slot, 500, 600, &err), -1);
	cr_assert_eq(err.code, KD_ELOSS);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_not_null(strstr(err.message, "ends at 100"), "%s", err.message);
	/* The slot goes on once it is told where. */
	cr_assert_eq(kt_reading_range(reading, slot, 0, 100, NULL), 100);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, loses_and_repeats_nothing_when_leaders_move_and_connections_break, .timeout = 120)
{
	kt_mock *mock = filled_mock(3, 4, RECORDS);
	rd_kafka_mock_cluster_t *cluster = kt_mock_cluster(mock);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 4, "queued.min.messages", "200", NULL);
	int slots[4];
	for (int p = 0; p < 4; p++)
		slots[p] = kt_reading_add(reading, "t", p, 0);
	for (int64_t from = 0, round = 0; from < RECORDS; from += 500, round++) {
		const int p = (int) round % 4;
		rd_kafka_mock_partition_set_leader(cluster, "t", p, (int) (round % 3) + 1);
		if (round % 3 == 0)
			rd_kafka_mock_push_request_errors(cluster, 1 /* Fetch */, 3, RD_KAFKA_RESP_ERR__TRANSPORT,
				RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
		for (int q = 0; q < 4; q++)
			cr_assert_eq(kt_reading_range(reading, slots[q], from, from + 500, NULL), 500);
	}
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, wakes_broker_threads_instead_of_waiting_out_their_sleep, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 4, RECORDS);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 4, "queued.min.messages", "100", NULL);
	int slots[4];
	for (int p = 0; p < 4; p++)
		slots[p] = kt_reading_add(reading, "t", p, 0);
	const int64_t start_ms = kt_now_ms();
	for (int64_t from = 0; from < RECORDS; from += 1000)
		for (int p = 0; p < 4; p++)
			cr_assert_eq(kt_reading_range(reading, slots[p], from, from + 1000, NULL), 1000);
	/* 80 ranges of ten times the queue each, one partition at a time: each would sleep about a second. */
	cr_assert_lt(kt_now_ms() - start_ms, 20000);
	if (rd_kafka_version() < 0x02020000)
		cr_assert_gt(reading->reader->wakes, 0);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

Test(reader, reports_brokers_that_stay_away_as_a_fault_that_may_heal, .timeout = 60)
{
	kt_mock *mock = filled_mock(1, 1, 100);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	const int slot = kt_reading_add(reading, "t", 0, 0);
	cr_assert_eq(kt_reading_range(reading, slot, 0, 10, NULL), 10);
	rd_kafka_mock_broker_set_down(kt_mock_cluster(mock), 1);
	kd_error err = {0};
	kt_reading_begin(reading, slot, 100, 200);
	while (kd_reader_wait(reading->reader, 100, &err) == KD_OK)
		cr_assert_eq(kt_reading_poll(reading, slot, 100, &err), KD_OK, "%s", err.message);
	cr_assert_eq(err.code, KD_EBROKER);
	cr_assert_eq(err.action, KD_RETRY);
	/* And goes on when they are back. */
	rd_kafka_mock_broker_set_up(kt_mock_cluster(mock), 1);
	cr_assert_eq(kt_reading_range(reading, slot, 10, 100, NULL), 90);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

static void *wake_it(void *opaque)
{
	kd_reader_wake(opaque);
	return NULL;
}

Test(reader, a_wait_ends_when_another_thread_asks, .timeout = 30)
{
	kt_mock *mock = kt_mock_open(1);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	kd_error err = {0};
	pthread_t thread;
	const int64_t start_ms = kt_now_ms();
	cr_assert_eq(pthread_create(&thread, NULL, wake_it, reading->reader), 0);
	cr_assert_eq(kd_reader_wait(reading->reader, 20000, &err), KD_OK);
	cr_assert_lt(kt_now_ms() - start_ms, 15000);
	pthread_join(thread, NULL);
	kt_reading_close(reading);
	kt_mock_close(mock);
}

/* ---- waking it ---- */

typedef struct caller {
	kd_reader *reader;
	atomic_bool ends;
} caller;

static void *call_often(void *opaque)
{
	caller *c = opaque;

	while (!atomic_load(&c->ends))
		kd_reader_signal(c->reader);
	return NULL;
}

/* I8: a call that comes while an earlier one is being noticed must not be the last one that is ever heard: each batch
 * then waited for a time-out, and a job of many small ones was twenty times slower until its next start. */
Test(reader, hears_every_call_however_they_meet, .timeout = 120)
{
	kt_mock *mock = kt_mock_open(1);
	kt_mock_topic(mock, "t", 1);
	kt_reading *reading = kt_reading_open(kt_mock_bootstrap(mock), 1, NULL);
	caller c = {.reader = reading->reader};
	pthread_t threads[2];
	kd_error err = {0};

	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, call_often, &c), 0);
	for (int i = 0; i < 200000; i++)
		cr_assert_eq(kd_reader_wait(c.reader, 1, &err), KD_OK, "%s", err.message);
	atomic_store(&c.ends, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(kd_reader_wait(c.reader, 0, &err), KD_OK);
	kd_reader_wake(c.reader);
	int64_t began = kt_now_ms();
	cr_assert_eq(kd_reader_wait(c.reader, 20000, &err), KD_OK);
	cr_assert_lt(kt_now_ms() - began, 10000, "it was called, and slept on");
	kt_reading_close(reading);
	kt_mock_close(mock);
}
