// SPDX-License-Identifier: Apache-2.0
// reader_judge: what it means when a partition tells an error, jumps, or is silent.
//
// Loss is never inferred from a hole in the offsets: markers, aborted data and compaction leave holes too.  A broker
// refuses a fetch below the log start or beyond the log's end, so a hole that comes without an error is none of these.
// What is told is confirmed by a question of its own before it is called a loss (I10), because a leader that just
// moved, or metadata that is just stale, looks the same for a moment.
#include <inttypes.h>

#include "kafka_error.h"
#include "reader_private.h"

enum {
	ASK_MS = 5000,
	MOST_RESTARTS = 5,
	SILENCE_MS = 60000,        /* no record of a due range although the broker answers */
	SILENCE_TOO_LARGE_MS = 5000, /* the same, when the client said that what came was too large */
	SILENCE_AT_END_MS = 10000, /* the same, when the partition told its end before the range's */
};

static kd_code break_slot(kd_slot *slot, kd_code code)
{
	slot->state = KD_SLOT_BROKEN;
	return code;
}

// One end of the partition's log: RD_KAFKA_OFFSET_BEGINNING or _END (by the isolation level).
static rd_kafka_resp_err_t ask_offset(kd_slot *slot, int64_t which, int64_t *ret_offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_add(list, slot->topic, slot->partition);
	row->offset = which;
	rd_kafka_resp_err_t native = rd_kafka_offsets_for_times(slot->reader->client->rk, list, ASK_MS);
	if (!native)
		native = row->err;
	if (!native && row->offset < 0)
		native = RD_KAFKA_RESP_ERR__TIMED_OUT;
	*ret_offset = row->offset;
	rd_kafka_topic_partition_list_destroy(list);
	return native;
}

static kd_code below_log_start(kd_slot *slot, int64_t low, kd_error *err)
{
	slot->log_start = low;
	return break_slot(slot, kd_error_set(err, KD_ELOSS, KD_STOP,
		"could not read \"%s/%d@%" PRId64 "\": the log begins at %" PRId64
		" now, %" PRId64 " offsets were deleted before they were read", slot->topic, slot->partition,
		slot->tracker.cursor, low, low - slot->tracker.cursor));
}

static kd_code beyond_log_end(kd_slot *slot, int64_t low, int64_t end, kd_error *err)
{
	slot->log_start = low;
	return break_slot(slot, kd_error_set(err, KD_ELOSS, KD_STOP,
		"could not read \"%s/%d@%" PRId64 "\": the log ends at %" PRId64
		", it was truncated or the topic was created anew", slot->topic, slot->partition, slot->tracker.cursor, end));
}

// What was told is not confirmed: fetch again from where reading stands.
static kd_code fetch_again(kd_slot *slot, const char *why, kd_error *err)
{
	if (++slot->restarts > MOST_RESTARTS) {
		slot->restarts = 0;
		return break_slot(slot, kd_error_set(err, KD_EBROKER, KD_RETRY, "could not read \"%s/%d@%" PRId64 "\": %s",
			slot->topic, slot->partition, slot->tracker.cursor, why));
	}
	kd_log(&slot->reader->client->log, KD_LOG_INFO, 0, "kafka: fetching \"%s/%d\" again from %" PRId64 ": %s",
		slot->topic, slot->partition, slot->tracker.cursor, why);
	slot->again = true;
	return kd_slot_restart(slot, slot->tracker.cursor, err);
}

// The broker has no such offset, says librdkafka: below the log start, or beyond the end?
static kd_code judge_out_of_range(kd_slot *slot, const char *why, kd_error *err)
{
	int64_t low, end;
	if (ask_offset(slot, RD_KAFKA_OFFSET_BEGINNING, &low) || ask_offset(slot, RD_KAFKA_OFFSET_END, &end))
		return fetch_again(slot, why, err);
	if (slot->tracker.cursor < low)
		return below_log_start(slot, low, err);
	if (slot->tracker.cursor > end)
		return beyond_log_end(slot, low, end, err);
	return fetch_again(slot, why, err);
}

static bool has_partition(const struct rd_kafka_metadata *metadata, int32_t partition)
{
	return metadata->topic_cnt == 1 && partition < metadata->topics[0].partition_cnt;
}

static kd_code judge_unknown_topic(kd_slot *slot, const char *why, kd_error *err)
{
	rd_kafka_t *rk = slot->reader->client->rk;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, slot->topic, NULL);
	const struct rd_kafka_metadata *metadata = NULL;
	if (!topic || rd_kafka_metadata(rk, 0, topic, &metadata, ASK_MS) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		if (topic)
			rd_kafka_topic_destroy(topic);
		return fetch_again(slot, why, err);
	}
	const rd_kafka_resp_err_t native =
		metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	const bool gone = kd_kafka_is_unknown_topic(native) || (!native && !has_partition(metadata, slot->partition));
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
	if (!gone)
		return fetch_again(slot, why, err);
	return break_slot(slot, kd_kafka_error(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, err,
		"could not read \"%s/%d@%" PRId64 "\": the topic or partition does not exist any more", slot->topic,
		slot->partition, slot->tracker.cursor));
}

// Damaged bytes: librdkafka goes on behind them, which would lose what they held.
static bool is_damage(rd_kafka_resp_err_t native)
{
	return native == RD_KAFKA_RESP_ERR__BAD_MSG || native == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
		native == RD_KAFKA_RESP_ERR__UNDERFLOW || native == RD_KAFKA_RESP_ERR_INVALID_MSG;
}

kd_code kd_slot_judge_event(kd_slot *slot, const rd_kafka_message_t *event, kd_error *err)
{
	const char *why = rd_kafka_message_errstr(event);
	if (event->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || event->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
		return judge_out_of_range(slot, why, err);
	if (kd_kafka_is_unknown_topic(event->err))
		return judge_unknown_topic(slot, why, err);
	const bool stop = kd_kafka_judge(event->err).action == KD_STOP;
	if (stop || is_damage(event->err))
		return break_slot(slot, kd_kafka_error(event->err, err, "could not read \"%s/%d@%" PRId64 "\": %s", slot->topic,
			slot->partition, slot->tracker.cursor, why));
	kd_log(&slot->reader->client->log, KD_LOG_DEBUG, 0, "kafka: %s/%d: %s", slot->topic, slot->partition, why);
	return KD_OK;
}

kd_code kd_slot_judge_first(kd_slot *slot, int64_t offset, kd_error *err)
{
	int64_t low = -1, high;
	if (offset <= slot->tracker.cursor)
		return KD_OK;
	if (rd_kafka_get_watermark_offsets(slot->reader->client->rk, slot->topic, slot->partition, &low, &high))
		return KD_OK;
	return low > slot->tracker.cursor ? below_log_start(slot, low, err) : KD_OK;
}

// A response of this silence was larger than the job takes: the next one will be, too.
static bool is_too_large(const kd_slot *slot)
{
	const int64_t told_ms = slot->reader->client->too_large_ms;
	return told_ms && told_ms >= slot->empty_since_ms;
}

static kd_code report_silence(kd_slot *slot, int64_t end, int64_t lasted_ms, kd_error *err)
{
	const kd_range range = slot->tracker.range;
	if (end < range.until)
		return break_slot(slot, kd_error_set(err, KD_ELOSS, KD_STOP,
			"could not read \"%s/%d@%" PRId64 "\" up to %" PRId64 ": the log ends at %" PRId64
			", it was truncated or the topic was created anew", slot->topic, slot->partition, slot->tracker.cursor,
			range.until, end));
	return break_slot(slot, kd_error_set(err, KD_EBROKER, KD_STOP,
		"could not read \"%s/%d@%" PRId64 "\": nothing came for %" PRId64
		" s although the broker answers; %s", slot->topic, slot->partition, slot->tracker.next, lasted_ms / 1000,
		is_too_large(slot) ? "there is a record larger than kafka.receive.message.max.bytes: set that to more" :
		"is there a record larger than kafka.receive.message.max.bytes?"));
}

kd_code kd_slot_judge_silence(kd_slot *slot, int64_t now_ms, kd_error *err)
{
	const int64_t lasted_ms = now_ms - slot->empty_since_ms;
	const bool too_large = is_too_large(slot);
	if (lasted_ms < (slot->at_end ? SILENCE_AT_END_MS : too_large ? SILENCE_TOO_LARGE_MS : SILENCE_MS))
		return KD_OK;
	int64_t end;
	const rd_kafka_resp_err_t native = ask_offset(slot, RD_KAFKA_OFFSET_END, &end);
	if (!native && (!slot->at_end || too_large || end < slot->tracker.range.until || lasted_ms >= SILENCE_MS))
		return report_silence(slot, end, lasted_ms, err);
	if (lasted_ms < SILENCE_MS && !too_large)
		return KD_OK;
	slot->empty_since_ms = 0;
	return kd_error_set(err, KD_EBROKER, KD_RETRY, "could not read \"%s/%d@%" PRId64 "\": %s", slot->topic,
		slot->partition, slot->tracker.cursor, rd_kafka_err2str(native));
}
