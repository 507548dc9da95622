// SPDX-License-Identifier: Apache-2.0
// segments: which Kafka partitions a job has, where each starts, and whether a log is still the same one.
//
// A start policy counts on the job's first sight of a topic: it is resolved for all its partitions, also the empty ones,
// and stored in one transaction before the first plan, so that no restart resolves it again.  A partition that appears
// later in a known topic starts at earliest, however long the job was down (I1).  A log that is not the old one any
// more (recreated, truncated) is never "an empty range": stop and explain, or open a new segment by policy (I10).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "job_private.h"
#include "kafka_error.h"

#define ASK_MS 2000
/* A new leader may show an older end or log start for a moment (KAFKA-7703): what lasts this long is meant. */
#define CONFIRM_MS 10000

static int ends_wanted(const kd_job *job)
{
	return job->settings.read_committed ? KD_OFFSETS_LAST_STABLE : KD_OFFSETS_HIGH;
}

static int64_t end_of(const kd_job *job, const kd_offsets *row)
{
	return job->settings.read_committed ? row->last_stable : row->high;
}

static kd_part *find_part(kd_job *job, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < job->n_parts; i++)
		if (job->parts[i].partition == partition && !strcmp(job->parts[i].topic, topic))
			return &job->parts[i];
	return NULL;
}

static bool topic_is_known(kd_job *job, const char *topic, const kd_segment *known, size_t n_known)
{
	for (size_t i = 0; i < n_known; i++)
		if (!strcmp(known[i].topic, topic))
			return true;
	for (size_t i = 0; i < job->n_parts; i++)
		if (!strcmp(job->parts[i].topic, topic))
			return true;
	return false;
}

/* ---- new partitions ---- */

/* What Kafka has and the ledger has not, as rows to ask offsets for. */
struct news {
	kd_offsets *rows;
	bool *first_sight; /* of the topic */
	size_t n;
};

static void news_done(struct news *news)
{
	free(news->rows);
	free(news->first_sight);
}

static bool add_news(struct news *news, const char *topic, int32_t partition, bool first_sight)
{
	kd_offsets *rows = realloc(news->rows, (news->n + 1) * sizeof *rows);
	if (rows)
		news->rows = rows;
	bool *flags = realloc(news->first_sight, (news->n + 1) * sizeof *flags);
	if (flags)
		news->first_sight = flags;
	if (!rows || !flags)
		return false;
	rows[news->n] = (kd_offsets) {.topic = topic, .partition = partition, .low = -1, .last_stable = -1, .high = -1,
		.at_time = -1, .group = -1};
	flags[news->n++] = first_sight;
	return true;
}

static kd_code list_news(kd_job *job, const kd_segment *known, size_t n_known, struct news *news, kd_error *err)
{
	size_t n_names = kd_config_topic_count(job->config);
	const char **names = calloc(n_names, sizeof *names);
	kd_topic *topics = NULL;
	size_t n = 0;
	if (!names)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for topics");
	for (size_t i = 0; i < n_names; i++)
		names[i] = kd_config_topic(job->config, i);
	kd_code code = kd_kafka_topics(job->kafka, names, n_names, ASK_MS, &topics, &n, err);
	for (size_t i = 0; code == KD_OK && i < n_names; i++) {
		bool first = !topic_is_known(job, names[i], known, n_known);
		int32_t partitions = 0;
		for (size_t k = 0; k < n; k++)
			if (!strcmp(topics[k].name, names[i]))
				partitions = topics[k].partitions;
		for (int32_t p = 0; code == KD_OK && p < partitions; p++)
			if (!find_part(job, names[i], p) && !add_news(news, names[i], p, first))
				code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	}
	kd_topics_free(topics, n);
	free(names);
	return code;
}

static kd_code row_failed(const kd_offsets *row, kd_error *err)
{
	return kd_error_set(err, KD_EBROKER, KD_RETRY, "could not ask for the offsets of %s/%d: Kafka error %d", row->topic,
		row->partition, row->native);
}

static kd_code explicit_start(const kd_job *job, const kd_offsets *row, int64_t end, int64_t *ret_start, kd_error *err)
{
	*ret_start = kd_config_start_offset(job->config, row->topic, row->partition);
	if (*ret_start < 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"start names no offset for %s/%d, which exists: every partition must be named", row->topic,
			row->partition);
	if (*ret_start < row->low || *ret_start > end)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"start offset %" PRId64 " of %s/%d is not in the log, which holds [%" PRId64 ", %" PRId64 ")", *ret_start,
			row->topic, row->partition, row->low, end);
	return KD_OK;
}

static kd_code resolve_start(const kd_job *job, const kd_offsets *row, bool first_sight, int64_t *ret_start,
	kd_error *err)
{
	int64_t end = end_of(job, row);
	if (row->native || row->low < 0 || end < 0)
		return row_failed(row, err);
	*ret_start = row->low;
	if (!first_sight)
		return KD_OK;
	switch (kd_config_start(job->config)) {
	case KD_START_LATEST:
		*ret_start = end;
		break;
	case KD_START_TIMESTAMP:
		*ret_start = row->at_time >= 0 ? row->at_time : end;
		break;
	case KD_START_OFFSETS:
		return explicit_start(job, row, end, ret_start, err);
	case KD_START_EARLIEST:
		break;
	}
	return KD_OK;
}

static void tell_start(const kd_job *job, const struct news *news, const kd_new_partition *added)
{
	int64_t unread = 0, first = 0;
	for (size_t i = 0; i < news->n; i++) {
		unread += added[i].start_offset - news->rows[i].low;
		first += news->first_sight[i];
	}
	if (first)
		kd_log(&job->options.log, KD_LOG_INFO, 0, "start positions of %" PRId64 " partitions are stored", first);
	if (first < (int64_t) news->n)
		kd_log(&job->options.log, KD_LOG_INFO, 0, "%" PRId64 " new partitions of known topics start at earliest",
			(int64_t) news->n - first);
	if (unread)
		kd_log(&job->options.log, KD_LOG_INFO, 0,
			"%" PRId64 " offsets before the start positions are not read; to read them too, use a job with a new "
			"name and \"start\": \"earliest\"", unread);
}

/* The ledger said no, or its answer was lost: only a fresh take-over knows what is there, and whether it is mine to do:
 * "not mine" may be a newer instance, or a database that went back.  cas is a pointer because the call that fills it may
 * be an argument of the same call. */
static kd_code after_miss(kd_code code, const kd_cas *cas, const char *what, kd_error *err)
{
	if (code == KD_OK && *cas == KD_CAS_MISS)
		return kd_error_set(err, KD_EWENTBACK, KD_REPLAY, "could not %s: the ledger names another owner", what);
	if (code != KD_OK && err->action != KD_STOP)
		err->code = KD_EWENTBACK;
	return code == KD_OK ? KD_OK : err->code;
}

static bool add_part(kd_job *job, const char *topic, const kd_segment *s)
{
	kd_part *parts = realloc(job->parts, (job->n_parts + 1) * sizeof *parts);
	if (!parts)
		return false;
	job->parts = parts;
	parts[job->n_parts++] = (kd_part) {.topic = topic, .partition = s->partition,
		.partition_index = s->partition_index, .segment = s->segment, .committed_until = s->committed_until,
		.planned_until = s->planned_until, .last_batch_time_ms = s->last_batch_time_ms, .log_start = s->log_start,
		.witness = s->witness, .low = -1, .end = -1, .high = -1, .worker = -1,
		.goal = job->goals_set ? s->committed_until : -1};
	return true;
}

static kd_code store_news(kd_job *job, const struct news *news, kd_new_partition *added, kd_error *err)
{
	kd_segment *segments = calloc(news->n, sizeof *segments);
	if (!segments)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	kd_cas cas = KD_CAS_MISS;
	kd_code code = kd_job_ensure_session(job, err);
	if (code == KD_OK)
		code = after_miss(job->ops->add_partitions(job->ledger.session, &job->ledger.me, job->settings.name, added,
			news->n, &cas, segments, err), &cas, "store start positions", err);
	for (size_t i = 0; code == KD_OK && i < news->n; i++)
		if (!add_part(job, news->rows[i].topic, &segments[i]))
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	for (size_t i = 0; i < news->n; i++)
		free(segments[i].topic);
	free(segments);
	return code;
}

static kd_code add_partitions(kd_job *job, struct news *news, kd_error *err)
{
	kd_new_partition *added = calloc(news->n, sizeof *added);
	if (!added)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	kd_code code = kd_kafka_offsets(job->kafka, news->rows, news->n, KD_OFFSETS_LOW | ends_wanted(job), ASK_MS, err);
	if (code == KD_OK && kd_config_start(job->config) == KD_START_TIMESTAMP)
		code = kd_kafka_offsets_at(job->kafka, news->rows, news->n, kd_config_start_timestamp_ms(job->config), ASK_MS,
			err);
	for (size_t i = 0; code == KD_OK && i < news->n; i++) {
		added[i] = (kd_new_partition) {.topic = news->rows[i].topic, .partition = news->rows[i].partition,
			.log_start = news->rows[i].low};
		code = resolve_start(job, &news->rows[i], news->first_sight[i], &added[i].start_offset, err);
	}
	if (code == KD_OK)
		code = store_news(job, news, added, err);
	if (code == KD_OK)
		tell_start(job, news, added);
	free(added);
	return code;
}

static kd_code adopt_known(kd_job *job, const kd_segment *known, size_t n_known, kd_error *err)
{
	size_t n_topics = kd_config_topic_count(job->config);
	for (size_t i = 0; i < n_known; i++) {
		const char *topic = NULL;
		for (size_t k = 0; k < n_topics && !topic; k++)
			if (!strcmp(kd_config_topic(job->config, k), known[i].topic))
				topic = kd_config_topic(job->config, k);
		if (!topic && !known[i].closed)
			kd_log(&job->options.log, KD_LOG_WARN, 0,
				"%s/%d is in the ledger, but the job does not name its topic any more: it rests at %" PRId64,
				known[i].topic, known[i].partition, known[i].committed_until);
		if (topic && !known[i].closed && !add_part(job, topic, &known[i]))
			return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for partitions");
	}
	return KD_OK;
}

kd_code kd_job_find_partitions(kd_job *job, const kd_segment *known, size_t n_known, kd_error *err)
{
	struct news news = {0};
	kd_code code = adopt_known(job, known, n_known, err);
	if (code == KD_OK)
		code = list_news(job, known, n_known, &news, err);
	if (code == KD_OK && news.n)
		code = add_partitions(job, &news, err);
	news_done(&news);
	return code;
}

/* ---- is it still the same log? ---- */

static kd_code explain_new_log(const kd_part *part, const char *what, kd_error *err)
{
	return kd_error_set(err, KD_ELOSS, KD_STOP,
		"%s/%d is not the log that was read before: %s; the job stands at offset %" PRId64
		". was the topic recreated or truncated? to go on from the start of the new log, with the old one recorded, "
		"run with \"on_data_loss\": \"record\"", part->topic, part->partition, what, part->committed_until);
}

kd_code kd_job_new_log(kd_job *job, kd_part *part, const char *what, kd_error *err)
{
	if (!job->settings.record_loss)
		return explain_new_log(part, what, err);
	kd_log(&job->options.log, KD_LOG_WARN, 0,
		"data loss: %s/%d is not the log that was read before: %s; its segment is closed at %" PRId64
		" and a new one begins at earliest, as on_data_loss says", part->topic, part->partition, what,
		part->committed_until);
	kd_offsets row = {.topic = part->topic, .partition = part->partition, .low = -1};
	kd_code code = kd_kafka_offsets(job->kafka, &row, 1, KD_OFFSETS_LOW, ASK_MS, err);
	if (code == KD_OK && (row.native || row.low < 0))
		code = row_failed(&row, err);
	kd_new_partition next = {.topic = part->topic, .partition = part->partition, .start_offset = row.low,
		.log_start = row.low, .new_segment = true, .closed_reason = what, .who = "policy on_data_loss"};
	kd_segment segment = {0};
	kd_cas cas = KD_CAS_MISS;
	if (code == KD_OK)
		code = kd_job_ensure_session(job, err);
	if (code == KD_OK)
		code = after_miss(job->ops->add_partitions(job->ledger.session, &job->ledger.me, job->settings.name, &next, 1,
			&cas, &segment, err), &cas, "open a new segment", err);
	free(segment.topic);
	if (code != KD_OK)
		return code;
	return kd_error_set(err, KD_EWENTBACK, KD_REPLAY, "%s/%d has a new segment", part->topic, part->partition);
}

/* Has a suspicion lasted long enough? */
static bool confirmed(kd_part *part, bool suspicious)
{
	int64_t now_ms = kd_clock_mono_ms();
	if (!suspicious)
		part->short_since_ms = 0;
	else if (!part->short_since_ms)
		part->short_since_ms = now_ms;
	return suspicious && now_ms - part->short_since_ms >= CONFIRM_MS;
}

static kd_code judge_log(kd_job *job, kd_part *part, kd_error *err)
{
	char what[160];
	bool below = part->low >= 0 && part->log_start >= 0 && part->low < part->log_start;
	bool ends_short = part->high >= 0 && part->high < part->planned_until;
	bool sure = confirmed(part, below || ends_short);
	if (sure && ends_short)
		snprintf(what, sizeof what, "it ends at offset %" PRId64 ", but was read or planned up to %" PRId64, part->high,
			part->planned_until);
	else if (sure)
		snprintf(what, sizeof what, "its log start went back from %" PRId64 " to %" PRId64, part->log_start, part->low);
	if (!below && part->low > part->log_start)
		part->log_start = part->low;
	return sure ? kd_job_new_log(job, part, what, err) : KD_OK;
}

kd_code kd_job_look_at_logs(kd_job *job, kd_error *err)
{
	kd_offsets *rows = calloc(job->n_parts ? job->n_parts : 1, sizeof *rows);
	if (!rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for offsets");
	for (size_t i = 0; i < job->n_parts; i++)
		rows[i] = (kd_offsets) {.topic = job->parts[i].topic, .partition = job->parts[i].partition, .low = -1,
			.high = -1};
	kd_code code = kd_kafka_offsets(job->kafka, rows, job->n_parts, KD_OFFSETS_LOW | KD_OFFSETS_HIGH, ASK_MS, err);
	for (size_t i = 0; code == KD_OK && i < job->n_parts; i++) {
		if (rows[i].native)
			continue;
		job->parts[i].low = rows[i].low;
		job->parts[i].high = rows[i].high;
		code = judge_log(job, &job->parts[i], err);
	}
	free(rows);
	return code;
}

/* A log that is gone for a moment, or shorter than before, may be another one by the time it is as long again. */
static void note_end(kd_job *job, kd_part *part, const kd_offsets *row)
{
	int64_t end = row->native ? -1 : end_of(job, row);
	bool odd = kd_kafka_is_unknown_topic(row->native) || (end >= 0 && end < part->end);
	if (odd && part->lane)
		kd_worker_doubt(part->lane);
	if (end >= 0)
		part->end = end;
}

kd_code kd_job_read_ends(kd_job *job, kd_error *err)
{
	kd_offsets *rows = calloc(job->n_parts ? job->n_parts : 1, sizeof *rows);
	if (!rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for offsets");
	for (size_t i = 0; i < job->n_parts; i++)
		rows[i] = (kd_offsets) {.topic = job->parts[i].topic, .partition = job->parts[i].partition,
			.last_stable = -1, .high = -1};
	kd_code code = kd_kafka_offsets(job->kafka, rows, job->n_parts, ends_wanted(job), ASK_MS, err);
	for (size_t i = 0; code == KD_OK && i < job->n_parts; i++)
		note_end(job, &job->parts[i], &rows[i]);
	free(rows);
	return code;
}
