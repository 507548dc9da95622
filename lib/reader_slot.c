// SPDX-License-Identifier: Apache-2.0
// reader_slot: one partition of a reader.
//
// Its librdkafka queue is not forwarded to the consumer's (that must be said before the assignment), so that a range
// ends by not polling on: what was fetched ahead stays for the next range.  Seek, pause and resume are never used: they
// throw away what was fetched, and lose or repeat records in several versions.  A batch that was taken and reaches over
// `until` is kept in the stash.
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka_error.h"
#include "kdirect/fault.h"
#include "reader_private.h"
#include "record.h"

enum {
	LOOK_ANYWAY_MS = 100,   /* look into a queue that told of nothing: a lost event must not hang a job */
	NOT_POLLED_MS = 5000,   /* a caller that was away this long says nothing about the broker */
};

// Called by librdkafka's threads with the queue locked, when it was empty and got something.
static void on_event(rd_kafka_t *rk, void *opaque)
{
	kd_slot *slot = opaque;
	(void) rk;
	atomic_store(&slot->ready, true);
	kd_reader_signal(slot->reader);
}

static bool open_queue(kd_slot *slot)
{
	slot->queue = rd_kafka_queue_get_partition(slot->reader->client->rk, slot->topic, slot->partition);
	if (!slot->queue)
		return false;
	rd_kafka_queue_forward(slot->queue, NULL);
	rd_kafka_queue_cb_event_enable(slot->queue, on_event, slot);
	return true;
}

// What comes for the partition from here on is dropped: librdkafka before 2.6.1 hangs in rd_kafka_destroy for ever when
// something is left in the queue of a partition whose topic was deleted.
static void close_queue(kd_slot *slot)
{
	if (!slot->queue)
		return;
	rd_kafka_queue_cb_event_enable(slot->queue, NULL, NULL);
	rd_kafka_queue_forward(slot->queue, slot->reader->dump);
	rd_kafka_queue_destroy(slot->queue);
	slot->queue = NULL;
}

static void drop_stash(kd_slot *slot)
{
	while (slot->stash_at < slot->stash_n)
		rd_kafka_message_destroy(slot->stash[slot->stash_at++]);
	slot->stash_at = slot->stash_n = 0;
}

static void drop_all(rd_kafka_queue_t *queue)
{
	rd_kafka_message_t *messages[64];
	ssize_t n;
	while ((n = rd_kafka_consume_batch_queue(queue, 0, messages, 64)) > 0)
		for (ssize_t i = 0; i < n; i++)
			rd_kafka_message_destroy(messages[i]);
}

static void take(kd_slot *slot, size_t want)
{
	const ssize_t n = rd_kafka_consume_batch_queue(slot->queue, 0, slot->stash, want);
	slot->stash_at = 0;
	slot->stash_n = n > 0 ? (size_t) n : 0;
}

static void start_anew(kd_slot *slot, int64_t position)
{
	kd_range_assign(&slot->tracker, position);
	slot->state = KD_SLOT_PENDING;
	slot->reader->pending = true;
	slot->fresh = true;
	slot->position_is_right = true;
	slot->at_end = false;
	slot->empty_since_ms = 0;
	atomic_store(&slot->ready, false);
}

kd_slot *kd_slot_new(kd_reader *reader, const char *topic, int32_t partition, int64_t position)
{
	kd_slot *slot = calloc(1, sizeof *slot);
	if (!slot)
		return NULL;
	slot->reader = reader;
	slot->partition = partition;
	slot->log_start = -1;
	slot->topic = strdup(topic);
	slot->position = rd_kafka_topic_partition_list_new(1);
	slot->stash = calloc(KD_READER_STASH, sizeof *slot->stash);
	if (!slot->topic || !slot->stash || !open_queue(slot)) {
		kd_slot_free(slot);
		return NULL;
	}
	rd_kafka_topic_partition_list_add(slot->position, topic, partition);
	start_anew(slot, position);
	return slot;
}

// Nothing of an assignment is left when this returns: what its fetches still bring is dropped by librdkafka, whose
// version of the partition is raised before the call comes back.
static kd_code unassign(kd_slot *slot, kd_error *err)
{
	rd_kafka_error_t *error = rd_kafka_incremental_unassign(slot->reader->client->rk, slot->position);
	kd_code code = KD_OK;
	if (error)
		code = kd_kafka_error(rd_kafka_error_code(error), err, "could not leave \"%s/%d\": %s", slot->topic,
			slot->partition, rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	drop_stash(slot);
	// What is queued goes to the dump, and from there away.
	close_queue(slot);
	drop_all(slot->reader->dump);
	return code;
}

void kd_slot_free(kd_slot *slot)
{
	if (!slot)
		return;
	if (slot->queue && slot->state != KD_SLOT_PENDING) {
		kd_error ignored = {0};
		(void) !unassign(slot, &ignored);
	}
	if (slot->stash)
		drop_stash(slot);
	close_queue(slot);
	rd_kafka_topic_partition_list_destroy(slot->position);
	free(slot->stash);
	free(slot->topic);
	free(slot);
}

kd_code kd_slot_restart(kd_slot *slot, int64_t position, kd_error *err)
{
	if (slot->state != KD_SLOT_PENDING) {
		const kd_code code = unassign(slot, err);
		if (code != KD_OK)
			return code;
		// The partition's object may be another one by now, where the topic was gone in between.
		if (!open_queue(slot))
			return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not open the queue of \"%s/%d\"", slot->topic,
				slot->partition);
	}
	const kd_range range = slot->tracker.range;
	start_anew(slot, position);
	slot->tracker.range = range;
	return KD_OK;
}

// The next messages into the empty stash.  False: there are none now.
static bool refill(kd_slot *slot, size_t want, int64_t now_ms)
{
	const int64_t left = slot->tracker.range.until - slot->tracker.cursor;
	if (want > KD_READER_STASH)
		want = KD_READER_STASH;
	// Where the log has no holes, nothing beyond the range is taken and the stash stays empty.
	if ((int64_t) want > left)
		want = left > 0 ? (size_t) left : 1;
	if (!atomic_load(&slot->ready) && now_ms - slot->polled_ms < LOOK_ANYWAY_MS)
		return false;
	slot->polled_ms = now_ms;
	atomic_store(&slot->ready, false);
	take(slot, want);
	// Fewer than asked for: it is empty now, and the next that comes sets `ready`.
	if (slot->stash_n == want)
		atomic_store(&slot->ready, true);
	kd_reader_wake_early(slot, now_ms);
	return slot->stash_n > 0;
}

// Something came: the cluster is well, and this partition too.
static void progressed(kd_slot *slot)
{
	kd_client *client = slot->reader->client;
	if (client->down || client->fault)
		kd_client_proved_well(client);
	slot->empty_since_ms = 0;
	slot->restarts = 0;
}

static bool position_is_wrong_after_eof(void)
{
	const int version = rd_kafka_version();
	return version >= 0x02020000 && version < 0x020d02ff;
}

// An error or the end of the partition.
static kd_code take_event(kd_slot *slot, const rd_kafka_message_t *event, kd_error *err)
{
	// librdkafka 2.2 to 2.13.1 count one too many here, until the next record.
	if (position_is_wrong_after_eof())
		slot->position_is_right = false;
	if (event->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return kd_slot_judge_event(slot, event, err);
	const kd_code code = slot->fresh ? kd_slot_judge_first(slot, event->offset, err) : KD_OK;
	if (code == KD_OK) {
		kd_range_advance(&slot->tracker, event->offset);
		progressed(slot);
		slot->at_end = true;
	}
	return code;
}

static kd_code hand_out(const rd_kafka_message_t *message, kd_reader_fn *fn, void *opaque, kd_error *err)
{
	kd_record_native native = {.message = message};
	const kd_record record = {
		.offset = message->offset,
		.timestamp_ms = rd_kafka_message_timestamp(message, NULL),
		.key = message->key,
		.key_size = message->key_len,
		.value = message->payload,
		.value_size = message->len,
		.native = &native,
	};
	return fn(opaque, &record, err);
}

static kd_code judge_first(kd_slot *slot, int64_t offset, kd_error *err)
{
	const kd_code code = kd_slot_judge_first(slot, offset, err);
	return code == KD_OK ? KD_FAULT_ERROR("fetch.first", KD_EBROKER, KD_RETRY, err) : code;
}

// Judges the stash's first message.  *ret_stop: it stays, and nothing more is to be handed out now.
static kd_code take_message(kd_slot *slot, kd_reader_fn *fn, void *opaque, size_t *delivered, bool *ret_stop,
	kd_error *err)
{
	rd_kafka_message_t *message = slot->stash[slot->stash_at];
	kd_code code = slot->fresh ? judge_first(slot, message->offset, err) : KD_OK;
	if (code != KD_OK)
		return code;
	slot->fresh = false;
	slot->position_is_right = true;
	slot->at_end = false;
	const kd_range_verdict verdict = kd_range_offer(&slot->tracker, message->offset);
	progressed(slot);
	*ret_stop = verdict == KD_RANGE_LATER;
	if (*ret_stop)
		return KD_OK;
	slot->stash_at++;
	if (verdict == KD_RANGE_DELIVER) {
		code = hand_out(message, fn, opaque, err);
		++*delivered;
	}
	rd_kafka_message_destroy(message);
	return code;
}

// Hands out until `max`, the end of the range, or the end of what is here.
static kd_code drain(kd_slot *slot, size_t max, int64_t now_ms, kd_reader_fn *fn, void *opaque, size_t *delivered,
	kd_error *err)
{
	bool stop = false;
	kd_code code = KD_OK;
	while (code == KD_OK && !stop) {
		if (slot->stash_at == slot->stash_n) {
			if (slot->tracker.cursor >= slot->tracker.range.until || *delivered >= max ||
				!refill(slot, max - *delivered, now_ms))
				break;
		}
		rd_kafka_message_t *message = slot->stash[slot->stash_at];
		if (message->err) {
			slot->stash_at++;
			code = take_event(slot, message, err);
			rd_kafka_message_destroy(message);
			// An event may have made the slot start anew: what follows comes from the new assignment.
			stop = slot->state != KD_SLOT_ASSIGNED;
		} else if (*delivered >= max) {
			break;
		} else {
			code = take_message(slot, fn, opaque, delivered, &stop, err);
		}
	}
	return code;
}

// librdkafka's position runs over transaction markers, which are never handed out, before the end of the partition is
// told.  It counts only once a record of this assignment came: before, it may be an earlier assignment's.
static void look_at_position(kd_slot *slot)
{
	if (slot->fresh || !slot->position_is_right || slot->state != KD_SLOT_ASSIGNED)
		return;
	if (rd_kafka_position(slot->reader->client->rk, slot->position) == RD_KAFKA_RESP_ERR_NO_ERROR &&
		!slot->position->elems[0].err)
		kd_range_advance(&slot->tracker, slot->position->elems[0].offset);
}

static void look_at_log_start(kd_slot *slot)
{
	int64_t low, high;
	if (rd_kafka_get_watermark_offsets(slot->reader->client->rk, slot->topic, slot->partition, &low, &high) ==
			RD_KAFKA_RESP_ERR_NO_ERROR &&
		low >= 0)
		slot->log_start = low;
}

static bool is_complete(kd_slot *slot, int64_t kept)
{
	if (kd_range_complete(&slot->tracker, kept))
		return true;
	if (kept >= 0)
		return false;
	look_at_position(slot);
	return kd_range_complete(&slot->tracker, kept);
}

static kd_code note_silence(kd_slot *slot, int64_t now_ms, int64_t called_ms, kd_error *err)
{
	if (slot->empty_since_ms == 0 || now_ms - called_ms > NOT_POLLED_MS)
		slot->empty_since_ms = now_ms;
	return kd_slot_judge_silence(slot, now_ms, err);
}

kd_code kd_slot_poll(kd_slot *slot, size_t max, kd_reader_fn *fn, void *opaque, kd_reader_status *ret_status,
	kd_error *err)
{
	const int64_t now_ms = kd_clock_mono_ms();
	const int64_t called_ms = slot->called_ms;
	slot->called_ms = now_ms;
	kd_code code = drain(slot, max, now_ms, fn, opaque, &ret_status->delivered, err);
	const int64_t kept = slot->stash_at < slot->stash_n ? slot->stash[slot->stash_at]->offset : -1;
	if (code == KD_OK)
		ret_status->complete = is_complete(slot, kept);
	if (ret_status->complete)
		look_at_log_start(slot);
	else if (code == KD_OK && ret_status->delivered == 0)
		code = note_silence(slot, now_ms, called_ms, err);
	ret_status->next = kept >= 0 ? kept : slot->tracker.next;
	ret_status->log_start = slot->log_start;
	ret_status->again = slot->again;
	slot->again = false;
	return code;
}
