// SPDX-License-Identifier: Apache-2.0
// offsets_query: ListOffsets over many partitions.
//
// A request is made for a thousand rows at a time (librdkafka's own bookkeeping is quadratic).  When it fails as a
// whole, metadata are read: they heal stale leaders, and name partitions that cannot answer, which are left out.  What
// fails on for some moments is halved until the failing partitions are alone.  As long as partitions go on failing, the
// questions after that begin with the metadata and wait for nobody.
#include "offsets_query.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka_error.h"

enum {
	ROWS_A_REQUEST = 1000,
	REQUEST_MS = 5000, /* one request may take */
	ROUNDS = 4,
	PAUSE_MS = 100,    /* before the second round; doubles */
	HALVES = 128,      /* requests that halving may cost */
};

typedef struct query {
	kd_client *client;
	const kd_offsets *rows;
	kd_offset_answer *answers;
	int64_t which;
	int64_t deadline_ms;
	int halves;    /* requests that halving may still cost */
	bool answered; /* some broker answered something */
} query;

static int left_ms(const query *q)
{
	const int64_t left = q->deadline_ms - kd_clock_mono_ms();
	return left < 1 ? 1 : left < REQUEST_MS ? (int) left : REQUEST_MS;
}

static bool is_over(const query *q)
{
	return kd_clock_mono_ms() >= q->deadline_ms;
}

// Failures that a refresh of the metadata, or a moment, may heal.
static bool is_open(const kd_offset_answer *answer)
{
	return answer->native &&
		(kd_kafka_judge(answer->native).action == KD_RETRY || kd_kafka_is_unknown_topic(answer->native));
}

// An answer is what is written back.  An end or a beginning that stays the question was not answered, whatever the
// return code says; for a time -1 is an answer: nothing is so late.
static void keep_answer(const query *q, kd_offset_answer *answer, const rd_kafka_topic_partition_t *row)
{
	*answer = (kd_offset_answer) {.offset = row->offset, .native = row->err};
	const bool silent = q->which < 0 ? row->offset < 0 : row->offset < -1;
	if (!answer->native && silent)
		answer->native = RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static rd_kafka_resp_err_t ask(query *q, const size_t *which_rows, size_t n)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int) n);
	for (size_t i = 0; i < n; i++) {
		const kd_offsets *row = &q->rows[which_rows[i]];
		rd_kafka_topic_partition_list_add(list, row->topic, row->partition)->offset = q->which;
	}
	const rd_kafka_resp_err_t native = rd_kafka_offsets_for_times(q->client->rk, list, left_ms(q));
	for (size_t i = 0; i < n; i++) {
		if (native)
			q->answers[which_rows[i]].native = native;
		else
			keep_answer(q, &q->answers[which_rows[i]], &list->elems[i]);
	}
	q->answered |= !native || kd_kafka_judge(native).action == KD_STOP;
	rd_kafka_topic_partition_list_destroy(list);
	return native;
}

// Asks in halves, so that one failing partition does not take the others with it.
static void ask_apart(query *q, const size_t *which_rows, size_t n)
{
	if (ask(q, which_rows, n) == RD_KAFKA_RESP_ERR_NO_ERROR || n == 1 || is_over(q) || q->halves-- <= 0)
		return;
	ask_apart(q, which_rows, n / 2);
	ask_apart(q, which_rows + n / 2, n - n / 2);
}

static const struct rd_kafka_metadata_topic *find_topic(const struct rd_kafka_metadata *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0)
			return &metadata->topics[i];
	return NULL;
}

static rd_kafka_resp_err_t state_of(const struct rd_kafka_metadata *metadata, const kd_offsets *row)
{
	const struct rd_kafka_metadata_topic *topic = find_topic(metadata, row->topic);
	if (!topic)
		return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	if (topic->err)
		return topic->err;
	for (int i = 0; i < topic->partition_cnt; i++)
		if (topic->partitions[i].id == row->partition)
			return topic->partitions[i].leader >= 0 ? RD_KAFKA_RESP_ERR_NO_ERROR :
				RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	return RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

// Reads the metadata anew, and keeps of the rows those whose partition has a leader; the others get their state.
static size_t keep_led(query *q, size_t *which_rows, size_t n)
{
	const struct rd_kafka_metadata *metadata = NULL;
	const rd_kafka_resp_err_t native = rd_kafka_metadata(q->client->rk, 1, NULL, &metadata, left_ms(q));
	if (native) {
		for (size_t i = 0; i < n; i++)
			q->answers[which_rows[i]].native = native;
		return 0;
	}
	q->answered = true;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		const size_t row = which_rows[i];
		q->answers[row].native = state_of(metadata, &q->rows[row]);
		if (!q->answers[row].native)
			which_rows[kept++] = row;
	}
	rd_kafka_metadata_destroy(metadata);
	return kept;
}

static void ask_in_pieces(query *q, const size_t *which_rows, size_t n, bool apart)
{
	for (size_t i = 0; i < n; i += ROWS_A_REQUEST) {
		const size_t piece = n - i < ROWS_A_REQUEST ? n - i : ROWS_A_REQUEST;
		if (is_over(q))
			for (size_t k = 0; k < piece; k++)
				q->answers[which_rows[i + k]].native = RD_KAFKA_RESP_ERR__TIMED_OUT;
		else if (apart)
			ask_apart(q, which_rows + i, piece);
		else
			(void) ask(q, which_rows + i, piece);
	}
}

// The rows to ask (again), in which_rows.
static size_t list_open(const query *q, size_t n, size_t *which_rows)
{
	size_t open = 0;
	for (size_t i = 0; i < n; i++)
		if (is_open(&q->answers[i]))
			which_rows[open++] = i;
	return open;
}

static size_t count_failed(const query *q, size_t n)
{
	size_t failed = 0;
	for (size_t i = 0; i < n; i++)
		failed += q->answers[i].native != 0;
	return failed;
}

static void pause_for(const query *q, int ms)
{
	const int64_t until_ms = kd_clock_mono_ms() + ms;
	while (kd_clock_mono_ms() < until_ms && !is_over(q))
		rd_kafka_poll(q->client->rk, 10);
}

static void ask_again(query *q, size_t n, size_t *which_rows, bool apart)
{
	const size_t kept = keep_led(q, which_rows, list_open(q, n, which_rows));
	ask_in_pieces(q, which_rows, kept, apart);
}

static void run(query *q, size_t n, size_t *which_rows, bool careful)
{
	if (careful) {
		ask_again(q, n, which_rows, true);
		return;
	}
	ask_in_pieces(q, which_rows, list_open(q, n, which_rows), false);
	for (int round = 0; round < ROUNDS && !q->client->fault; round++) {
		if (list_open(q, n, which_rows) == 0 || is_over(q))
			return;
		if (round > 0)
			pause_for(q, PAUSE_MS << (round - 1));
		ask_again(q, n, which_rows, round == ROUNDS - 1);
	}
}

kd_code kd_offsets_query(kd_client *client, const kd_offsets *rows, size_t n, int64_t which, int timeout_ms,
	bool *careful, kd_offset_answer *ret_answers, kd_error *err)
{
	if (n == 0)
		return KD_OK;
	size_t *which_rows = malloc(n * sizeof *which_rows);
	if (!which_rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not ask for offsets: out of memory");
	for (size_t i = 0; i < n; i++)
		ret_answers[i] = (kd_offset_answer) {.native = RD_KAFKA_RESP_ERR__TIMED_OUT};
	query q = {client, rows, ret_answers, which, kd_clock_mono_ms() + timeout_ms, HALVES, false};
	kd_client_serve(client);
	run(&q, n, which_rows, *careful);
	free(which_rows);
	*careful = count_failed(&q, n) > 0;
	kd_client_serve(client);
	if (q.answered) {
		kd_client_proved_well(client);
		return KD_OK;
	}
	const rd_kafka_resp_err_t native = client->fault ? client->fault : ret_answers[0].native;
	return kd_kafka_error(native, err, "could not ask for offsets: %s",
		client->reason[0] ? client->reason : rd_kafka_err2str(native));
}
