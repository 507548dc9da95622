// SPDX-License-Identifier: Apache-2.0
// worker_read: a worker's reader thread: Kafka -> rows in chunks, one range after another per partition, all partitions
// at once, within the memory budget.  Where rows are made within the transaction, the chunks hold records.
//
// Promises: a record is handed to the encoder only for a task that the driver submitted, that is after its plan is
// durable (I6); a range is complete only when the reader says so; what is given up is a gap of the task (I10).
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "kdirect/fault.h"
#include "witness.h"
#include "worker_private.h"

#define MOST_RECORDS_A_POLL 1000
#define STREAMING_WINDOW (4 * KD_CHUNK_BYTES)
#define WAIT_MS 1000
#define LOOK_AGAIN_MS 10000
#define AWAY_MS (2 * WAIT_MS)

/* One partition's turn. */
struct turn {
	kd_lane *lane;
	kd_task *task;
};

struct turns {
	struct turn *items;
	size_t n, capacity;
	bool blocked; /* somebody waits for budget */
	int64_t soonest_ms; /* somebody waits for this time; INT64_MAX: nobody */
};

/* ---- one record ---- */

static void note_witness(kd_task *task, const kd_record *record)
{
	/* Any delivered record near the end proves the log's identity: the checksum need not cost every record. */
	bool due = record->offset + 1 == task->id.range.until || (record->offset & 1023) == 0 ||
		task->result.witness.offset < 0;
	if (!due)
		return;
	task->result.witness = (kd_witness) {record->offset, record->timestamp_ms,
		kd_witness_checksum(record->key, record->key_size, record->value, record->value_size)};
	task->lane->seen = task->result.witness;
}

struct delivery {
	kd_worker *worker;
	kd_task *task;
};

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for rows");
}

static kd_code encode_record(kd_worker *w, kd_task *task, const kd_record *record, kd_buf *out, kd_error *err)
{
	uint32_t rows = 0;
	kd_code code = w->pipeline ? kd_pipeline_encode(w->pipeline, &task->id, record, out, &rows, err)
		: w->conf.ops->encode(w->encoder, &task->id, record, out, &rows, err);
	if (code != KD_OK) {
		if (code == KD_ERECORD && err->offset <= 0)
			err->offset = record->offset;
		else if (code != KD_ERECORD && err->code)
			kd_error_prefix(err, "could not make a row of the record at offset %" PRId64, record->offset);
		return code;
	}
	if (!kd_rowmap_add(&task->map, record->offset, rows))
		return no_memory(err);
	task->result.rows += rows;
	task->result.dropped += rows == 0;
	return KD_OK;
}

static kd_code take_record(void *opaque, const kd_record *record, kd_error *err)
{
	const struct delivery *d = opaque;
	kd_worker *w = d->worker;
	kd_task *task = d->task;
	if (task->result.n_gaps && kd_task_in_gap(task, record->offset))
		return KD_OK;
	kd_chunk *chunk = kd_task_open_chunk(task);
	if (!chunk)
		return no_memory(err);
	kd_code code = KD_FAULT_ERROR("decode.mid", KD_ESINK, KD_RETRY, err);
	if (code != KD_OK)
		return code;
	if (!w->looks_up)
		code = encode_record(w, task, record, &chunk->rows, err);
	else if (!kd_record_pack(record, &chunk->rows))
		code = no_memory(err);
	if (code != KD_OK)
		return code;
	task->result.records++;
	note_witness(task, record);
	return KD_FAULT_ERROR("fetch.mid", KD_EBROKER, KD_RETRY, err);
}

/* ---- chunks and budget ---- */

/* Small enough that one poll cannot outgrow the budget, whatever the size of the records. */
static size_t records_a_poll(const kd_worker *w)
{
	double size = w->counters.bytes_per_record;
	if (size <= 0)
		return 16;
	double n = KD_CHUNK_BYTES / size;
	return n < 1 ? 1 : n > MOST_RECORDS_A_POLL ? MOST_RECORDS_A_POLL : (size_t) n;
}

static void publish(kd_worker *w, kd_task *task)
{
	kd_chunk *chunk = task->open;
	task->open = NULL;
	if (!chunk)
		return;
	if (task->last)
		task->last->next = chunk;
	else
		task->first = chunk;
	task->last = chunk;
	if (task->streaming)
		pthread_cond_signal(&w->lander_wakes);
}

/* After a poll: counts what it cost, publishes full chunks and, at its end, the task. */
static void account(kd_worker *w, kd_task *task, size_t size_before, size_t capacity_before, size_t delivered,
	bool complete)
{
	size_t size = task->open ? task->open->rows.size : 0;
	size_t capacity = task->open ? task->open->rows.capacity : 0;
	size_t bytes = size - size_before;
	pthread_mutex_lock(&w->lock);
	task->bytes += bytes;
	task->held_bytes += capacity - capacity_before;
	w->used_bytes += capacity - capacity_before;
	w->counters.bytes += (int64_t) bytes;
	if (delivered) {
		double now = (double) bytes / (double) delivered;
		double *average = &w->counters.bytes_per_record;
		*average = *average > 0 ? 0.9 * *average + 0.1 * now : now;
	}
	if (complete || size >= KD_CHUNK_BYTES - KD_CHUNK_BYTES / 8)
		publish(w, task);
	if (complete) {
		task->complete = true;
		if (task == w->landing)
			pthread_cond_signal(&w->lander_wakes);
		else
			kd_worker_queue_ready(w, task);
	}
	pthread_mutex_unlock(&w->lock);
}

/* Will the lander give budget back by itself?  A ready task behind one that is read again does not count. */
static bool lander_has_work(const kd_worker *w)
{
	for (const kd_task *task = w->ready; task; task = task->next_ready)
		if (task == task->lane->head)
			return true;
	return w->landing != NULL;
}

/* The budget is spent and no range is complete: land the largest head while it is read.  Under the lock. */
static void start_streaming(kd_worker *w)
{
	if (lander_has_work(w))
		return;
	kd_task *largest = NULL;
	for (kd_lane *lane = w->lanes; lane; lane = lane->next)
		if (lane->head && !lane->head->reread && (!largest || lane->head->held_bytes > largest->held_bytes))
			largest = lane->head;
	if (!largest)
		return;
	largest->streaming = true;
	kd_worker_queue_ready(w, largest);
}

/* ---- whose turn it is ---- */

static void forget(kd_worker *w, kd_task *task)
{
	w->used_bytes -= task->held_bytes;
	kd_task_reset(task);
}

/* Some of it may be in an open transaction already: the lander gives that up, and then the task back.  Under the lock. */
static void break_off(kd_worker *w, kd_task *task)
{
	task->broken = true;
	pthread_cond_signal(&w->lander_wakes);
}

/* A streamed transaction failed: its range, and what was begun behind it, is read again.  Under the lock. */
static void forget_from(kd_worker *w, kd_lane *lane)
{
	for (kd_task *task = lane->head; task; task = task->next)
		if (task == lane->head || !task->complete)
			forget(w, task);
}

/* The lane's first incomplete task, where it may be read now.  Under the lock. */
static kd_task *readable(kd_worker *w, kd_lane *lane, int64_t now_ms, struct turns *turns)
{
	if (lane->head && lane->head->reread)
		forget_from(w, lane);
	kd_task *task = lane->head;
	while (task && task->complete)
		task = task->next;
	lane->rested |= !task;
	if (!task || task->broken)
		return NULL;
	if (task->not_before_ms > now_ms) {
		if (task->not_before_ms < turns->soonest_ms)
			turns->soonest_ms = task->not_before_ms;
		return NULL;
	}
	bool room = w->used_bytes < w->conf.budget_bytes || (task->streaming && task->held_bytes < STREAMING_WINDOW);
	if (room)
		return task;
	turns->blocked = true;
	return NULL;
}

static bool add_turn(struct turns *turns, kd_lane *lane, kd_task *task)
{
	if (turns->n == turns->capacity) {
		size_t capacity = turns->capacity ? turns->capacity * 2 : 16;
		struct turn *items = realloc(turns->items, capacity * sizeof *items);
		if (!items)
			return false;
		turns->items = items;
		turns->capacity = capacity;
	}
	turns->items[turns->n++] = (struct turn) {lane, task};
	return true;
}

/* All partitions that can be read now, new ones included (their task may be NULL). */
static bool collect_turns(kd_worker *w, struct turns *turns)
{
	int64_t now_ms = kd_clock_mono_ms();
	bool ok = true;
	turns->n = 0;
	turns->blocked = false;
	turns->soonest_ms = INT64_MAX;
	pthread_mutex_lock(&w->lock);
	for (kd_lane *lane = w->lanes; lane && ok; lane = lane->next) {
		kd_task *task = readable(w, lane, now_ms, turns);
		if (task || lane->slot < 0)
			ok = add_turn(turns, lane, task);
	}
	if (turns->blocked && turns->n == 0)
		start_streaming(w);
	pthread_mutex_unlock(&w->lock);
	return ok;
}

/* ---- one turn ---- */

/* Offsets of the range are gone from the log.  By policy they become a gap, and reading goes on behind it. */
static kd_code give_up_lost(kd_worker *w, kd_task *task, int64_t log_start, kd_error *err)
{
	const kd_batch_partition *id = &task->id;
	if (!w->conf.record_loss || log_start <= task->next_offset)
		return kd_error_prefix(err, "could not read %s/%d [%" PRId64 ", %" PRId64 ")", id->topic, id->partition,
			id->range.from, id->range.until);
	kd_range lost = {task->next_offset, log_start < id->range.until ? log_start : id->range.until};
	kd_log(w->conf.log, KD_LOG_WARN, id->batch_time_ms,
		"data loss: %s/%d [%" PRId64 ", %" PRId64 ") is no longer in Kafka (log start %" PRId64
		"); recorded as a gap, as on_data_loss says", id->topic, id->partition, lost.from, lost.until, log_start);
	kd_error_clear(err);
	if (!kd_task_add_gap(task, lost, "lost to retention: below Kafka's log start", "policy on_data_loss"))
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a gap");
	return KD_OK;
}

/* Where the task's reading goes on: behind what is given up there. */
static int64_t first_wanted(const kd_task *task)
{
	int64_t from = task->next_offset;
	for (size_t i = 0; i < task->result.n_gaps; i++)
		if (task->gaps[i].range.from <= from && task->gaps[i].range.until > from)
			from = task->gaps[i].range.until;
	return from < task->id.range.until ? from : task->id.range.until;
}

/* Something that may heal: waits, unless it has lasted too long. */
static kd_code wait_for_it(kd_worker *w, int64_t batch_time_ms, int64_t *ret_wait_ms, kd_error *err)
{
	if (!kd_retry_again(&w->reader_retry, kd_clock_mono_ms(), w->conf.retry_timeout_ms, ret_wait_ms))
		return kd_error_prefix(err, "gave up after %d tries", w->reader_retry.tries);
	kd_log(w->conf.log, KD_LOG_WARN, batch_time_ms, "%s; trying again in %" PRId64 " ms", err->message, *ret_wait_ms);
	kd_error_clear(err);
	pthread_mutex_lock(&w->lock);
	w->counters.retries++;
	pthread_mutex_unlock(&w->lock);
	return KD_OK;
}

/* Fetching began anew after an error, and the topic may have been made anew in between: before anything more of it is
 * delivered, the last record noted must stand where it stood (I10). */
static void doubt_log(kd_task *task)
{
	task->lane->witness = task->lane->seen;
	task->lane->looking = false;
	task->begun = false;
}

/* A process that was frozen saw nothing of what happened meanwhile, and afterwards its requests go well: neither an error
 * nor an offset need tell that a topic was made anew (I10).  So after each absence, in all partitions, the last record
 * from before it must stand where it stood.  Asked before records are taken and after: they may be of the new log. */
static bool was_away(kd_worker *w)
{
	int64_t now_ms = kd_clock_mono_ms();
	bool away = now_ms - w->awake_ms > AWAY_MS;
	w->awake_ms = now_ms;
	if (!away)
		return false;
	pthread_mutex_lock(&w->lock);
	for (kd_lane *lane = w->lanes; lane; lane = lane->next)
		kd_worker_doubt(lane);
	pthread_mutex_unlock(&w->lock);
	return true;
}

/* The task is begun again after a while. */
static kd_code begin_again(kd_worker *w, kd_task *task, kd_error *err)
{
	int64_t wait_ms = 0;
	kd_code code = wait_for_it(w, task->id.batch_time_ms, &wait_ms, err);
	if (!w->looks_up)
		kd_worker_empty_encoder(w, task);
	doubt_log(task);
	pthread_mutex_lock(&w->lock);
	if (task->streaming)
		break_off(w, task);
	else
		forget(w, task);
	task->not_before_ms = kd_clock_mono_ms() + wait_ms;
	pthread_mutex_unlock(&w->lock);
	return code;
}

/* A broker that is away is waited for; librdkafka reconnects by itself. */
static kd_code outlast(kd_worker *w, kd_error *err)
{
	int64_t wait_ms = 0;
	kd_code code = err->action == KD_STOP ? err->code : wait_for_it(w, 0, &wait_ms, err);
	if (code == KD_OK)
		kd_worker_pause(w, wait_ms);
	return code;
}

static kd_code handle_failure(kd_worker *w, kd_task *task, const kd_reader_status *status, kd_error *err)
{
	if (err->code == KD_ERECORD)
		return kd_task_refuse_record(task, err->offset, err);
	if (err->code == KD_ELOSS) {
		task->begun = false;
		return give_up_lost(w, task, status->log_start, err);
	}
	if (err->action == KD_STOP)
		return kd_error_prefix(err, "could not read %s/%d", task->id.topic, task->id.partition);
	return begin_again(w, task, err);
}

static kd_code begin_task(kd_worker *w, kd_lane *lane, kd_task *task, kd_error *err)
{
	kd_range rest = {first_wanted(task), task->id.range.until};
	task->begun = true;
	if (rest.from == rest.until) {
		task->skip_only = true;
		return KD_OK;
	}
	return kd_reader_begin(w->reader, lane->slot, rest, err);
}

/* Another partition's records come next: the encoder must hold nothing back of this one, also where reading goes on
 * behind what was lost. */
static kd_code flush(kd_worker *w, kd_task *task, kd_error *err)
{
	kd_error own = {0};
	kd_code code = w->conf.ops->flush(w->encoder, &task->id, &task->open->rows, &own);
	if (code == KD_OK)
		return err->code;
	kd_error_explain(&own, code, "sink", w->conf.ops->name);
	*err = own;
	return err->code;
}

static kd_code read_some(kd_worker *w, kd_lane *lane, kd_task *task, bool *ret_progressed, kd_error *err)
{
	kd_reader_status status = {.log_start = -1, .complete = false};
	struct delivery delivery = {w, task};
	kd_witness seen = lane->seen;
	size_t size = task->open ? task->open->rows.size : 0;
	size_t capacity = task->open ? task->open->rows.capacity : 0;
	kd_code code = task->begun ? KD_OK : begin_task(w, lane, task, err);
	if (code == KD_OK && task->skip_only)
		status.complete = true;
	else if (code == KD_OK)
		code = kd_reader_poll(w->reader, lane->slot, records_a_poll(w), take_record, &delivery, &status, err);
	if (was_away(w)) {
		lane->seen = seen;
		status.complete = false;
	}
	code = kd_error_explain(err, code, "sink", w->conf.ops->name);
	if (code == KD_OK && status.complete)
		code = KD_FAULT_ERROR("fetch.end", KD_EBROKER, KD_RETRY, err);
	if (status.delivered && task->open && !w->looks_up && (code == KD_OK || err->code == KD_ELOSS))
		code = flush(w, task, err);
	if (status.log_start >= 0)
		task->result.log_start = status.log_start;
	if (status.next > task->next_offset)
		task->next_offset = status.next;
	account(w, task, size, capacity, status.delivered, code == KD_OK && status.complete);
	*ret_progressed |= status.delivered > 0 || status.complete;
	if (code != KD_OK)
		return handle_failure(w, task, &status, err);
	if (status.again)
		doubt_log(task);
	if (status.delivered || status.complete)
		kd_retry_reset(&w->reader_retry);
	return KD_OK;
}

/* ---- the witness ---- */

static kd_code compare_witness(void *opaque, const kd_record *record, kd_error *err)
{
	const kd_lane *lane = opaque;
	const kd_witness *w = &lane->witness;
	uint32_t checksum = kd_witness_checksum(record->key, record->key_size, record->value, record->value_size);
	if (checksum == w->checksum && record->timestamp_ms == w->timestamp_ms)
		return KD_OK;
	return kd_error_set(err, KD_ELOSS, KD_STOP,
		"%s/%d is not the log that was read before: another record stands at offset %" PRId64
		". was the topic recreated? to go on from the start of the new log, with the old one recorded, run with "
		"\"on_data_loss\": \"record\"", lane->topic, lane->partition, w->offset);
}

/* Looks for the last record delivered before this start.  Where it is gone (compaction, retention) nothing is proved. */
static kd_code look_for_witness(kd_worker *w, kd_lane *lane, bool *ret_progressed, kd_error *err)
{
	kd_reader_status status = {.log_start = -1};
	kd_range range = {lane->witness.offset, lane->witness.offset + 1};
	kd_code code = lane->looking ? KD_OK : kd_reader_begin(w->reader, lane->slot, range, err);
	if (code == KD_OK)
		code = kd_reader_poll(w->reader, lane->slot, 1, compare_witness, lane, &status, err);
	lane->looking = code == KD_OK && !status.complete;
	if (code == KD_ELOSS && status.log_start > range.from) {
		kd_error_clear(err);
		code = KD_OK;
	}
	if (code == KD_OK && !lane->looking) {
		lane->witness.offset = -1;
		*ret_progressed = true;
	}
	return code == KD_OK || err->action == KD_STOP ? code : outlast(w, err);
}

/* librdkafka does not tell when a topic is deleted and made anew between two fetches, and by the time the new log is
 * longer than the old one was, no offset tells either (I10).  So a partition that had nothing to do shows its witness
 * now and then before it goes on: a fetch more, at a moment without haste. */
static bool is_doubtful(kd_lane *lane, const kd_task *task)
{
	if (atomic_exchange(&lane->doubted, false))
		return true;
	if (task->begun || !lane->rested || lane->seen.offset < 0)
		return false;
	int64_t now_ms = kd_clock_mono_ms();
	bool due = now_ms >= lane->next_look_ms;
	lane->rested = false;
	if (due)
		lane->next_look_ms = now_ms + LOOK_AGAIN_MS;
	return due;
}

static kd_code take_turn(kd_worker *w, const struct turn *turn, bool *ret_progressed, kd_error *err)
{
	kd_lane *lane = turn->lane;
	kd_code code = KD_OK;
	if (lane->slot < 0)
		code = kd_reader_add(w->reader, lane->topic, lane->partition,
			lane->witness.offset >= 0 ? lane->witness.offset : lane->position, &lane->slot, err);
	(void) was_away(w);
	if (code == KD_OK && turn->task && is_doubtful(lane, turn->task))
		doubt_log(turn->task);
	if (code == KD_OK && turn->task && lane->witness.offset >= 0)
		code = look_for_witness(w, lane, ret_progressed, err);
	else if (code == KD_OK && turn->task)
		code = read_some(w, lane, turn->task, ret_progressed, err);
	return code;
}

static kd_code rest(kd_worker *w, const struct turns *turns, kd_error *err)
{
	if (turns->n == 0 && turns->blocked) {
		pthread_mutex_lock(&w->lock);
		if (w->used_bytes >= w->conf.budget_bytes && !atomic_load(&w->stop))
			kd_worker_wait_locked(w, &w->reader_wakes, 20);
		pthread_mutex_unlock(&w->lock);
		return kd_reader_wait(w->reader, 0, err);
	}
	int64_t wait_ms = WAIT_MS;
	if (turns->soonest_ms != INT64_MAX && turns->soonest_ms - kd_clock_mono_ms() < wait_ms)
		wait_ms = turns->soonest_ms - kd_clock_mono_ms();
	return kd_reader_wait(w->reader, wait_ms > 0 ? (int) wait_ms : 0, err);
}

void *kd_worker_read(void *worker)
{
	kd_worker *w = worker;
	struct turns turns = {0};
	kd_error err = {0};
	const kd_batch_partition *id = NULL;
	kd_code code = KD_OK;
	w->awake_ms = kd_clock_mono_ms();
	while (code == KD_OK && !atomic_load(&w->stop)) {
		bool progressed = false;
		if (!collect_turns(w, &turns))
			code = kd_error_set(&err, KD_ENOMEM, KD_STOP, "no memory to read");
		for (size_t i = 0; code == KD_OK && i < turns.n && !atomic_load(&w->stop); i++) {
			code = take_turn(w, &turns.items[i], &progressed, &err);
			if (code != KD_OK && turns.items[i].task)
				id = &turns.items[i].task->id;
		}
		if (code == KD_OK && !progressed && (code = rest(w, &turns, &err)) != KD_OK)
			code = outlast(w, &err);
	}
	if (code != KD_OK)
		kd_worker_fail(w, id, &err);
	free(turns.items);
	pthread_mutex_lock(&w->lock);
	w->reader_ended = true;
	pthread_cond_broadcast(&w->reader_wakes);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}
