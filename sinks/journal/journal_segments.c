// SPDX-License-Identifier: Apache-2.0
// journal_segments: new partitions of a job, and new lives of old ones.
//
// A call whose answer was lost is made again: so what is already there, as the call wants it, stays as it is.
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

/* What one call has made so far: a later entry of it may name the same partition. */
typedef struct additions {
	journal_part *part; /* topics are borrowed */
	size_t n;
	int32_t next_index;
} additions;

static const journal_part *newest(const journal_job *job, const additions *made, const kd_new_partition *p)
{
	for (size_t i = made->n; i > 0; i--) {
		const journal_part *part = &made->part[i - 1];
		if (part->segment.partition == p->partition && !strcmp(part->segment.topic, p->topic))
			return part;
	}
	return journal_newest_part(job, p->topic, p->partition);
}

/* An open segment that nothing was planned in and that starts where the new one would: made by the call whose answer
 * was lost. */
static bool is_fresh(const kd_segment *segment, const kd_new_partition *p)
{
	return segment->segment > 0 && !segment->closed && segment->start_offset == p->start_offset &&
		segment->planned_until == p->start_offset;
}

/* Its plans are withdrawn, what they covered is a gap, and it is closed (I1, I6, I10). */
static bool put_closed(journal_step *step, const char *job, const journal_part *old, const kd_new_partition *p,
	int64_t now_ms)
{
	bool ok = true;
	for (size_t i = 0; ok && i < old->n; i++) {
		journal_identifier identifier = old->identifier[old->first + i];
		if (identifier.row.state != KD_BATCH_PLANNED)
			continue;
		identifier.row.withdrawn_at_ms = now_ms;
		ok = journal_put_identifier(step, job, &identifier);
	}
	journal_part part = *old;
	const char *reason = p->closed_reason ? p->closed_reason : "", *who = p->who ? p->who : "";
	if (ok && part.segment.committed_until < part.segment.planned_until) {
		kd_gap gap = {.partition_index = part.segment.partition_index,
			.range = {part.segment.committed_until, part.segment.planned_until}, .at_ms = now_ms};
		strncpy(gap.reason, reason, sizeof gap.reason - 1);
		strncpy(gap.who, who, sizeof gap.who - 1);
		ok = journal_put_gap(step, job, &gap);
	}
	part.segment.closed = true;
	part.closed_at_ms = now_ms;
	part.segment.closed_reason = (char *) reason;
	part.closed_by = (char *) who;
	return ok && journal_put_partition(step, job, &part);
}

/* The batch times of a new life go on from those of the old one: none of a partition is ever used twice (I6). */
static bool put_opened(journal_step *step, const kd_owner *me, const char *job, const kd_new_partition *p,
	const journal_part *old, additions *made, int64_t now_ms)
{
	journal_part *part = &made->part[made->n++];
	*part = (journal_part) {.has_partition = true, .has_position = true, .position_owner = *me, .opened_at_ms = now_ms,
		.segment = {.partition_index = made->next_index++, .topic = (char *) p->topic, .partition = p->partition,
			.segment = old ? old->segment.segment + 1 : 0, .start_offset = p->start_offset,
			.planned_until = p->start_offset, .committed_until = p->start_offset,
			.last_batch_time_ms = old ? old->segment.last_batch_time_ms : 0, .log_start = p->log_start,
			.log_from = p->start_offset, .witness = {.offset = -1, .timestamp_ms = -1}, .owner = *me}};
	return journal_put_partition(step, job, part) && journal_put_position(step, job, part);
}

static bool put_one(journal_step *step, const journal_job *job, const kd_owner *me, const kd_new_partition *p,
	additions *made, int64_t now_ms)
{
	const journal_part *old = newest(job, made, p);
	if (old && !old->segment.closed && (!p->new_segment || is_fresh(&old->segment, p)))
		return true;
	if (old && !old->segment.closed && !put_closed(step, job->name, old, p, now_ms))
		return false;
	return put_opened(step, me, job->name, p, old, made, now_ms);
}

kd_code journal_add_partitions(const journal *j, const kd_owner *me, const char *name, const journal_target *target,
	const kd_new_partition *partitions, size_t n, int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step,
	kd_error *err)
{
	*ret_cas = KD_CAS_MISS;
	*ret_step = (journal_step) {0};
	const journal_job *job = journal_job_of(j, name, me);
	if (!job)
		return KD_OK;
	for (size_t i = 0; i < n; i++) {
		kd_code code = journal_refuse_shared_topic(j, name, target, partitions[i].topic, err);
		if (code)
			return code;
	}
	additions made = {.part = calloc(n + 1, sizeof *made.part),
		.next_index = job->n_parts ? job->part[job->n_parts - 1].segment.partition_index + 1 : 0};
	bool ok = made.part;
	for (size_t i = 0; ok && i < n; i++)
		ok = put_one(ret_step, job, me, &partitions[i], &made, now_ms);
	free(made.part);
	if (!ok)
		return journal_no_memory(ret_step, err);
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}

kd_code journal_added(const journal *j, const char *name, const kd_new_partition *partitions, size_t n,
	kd_segment *ret_segments, kd_error *err)
{
	const journal_job *job = journal_find_job(j, name);
	kd_code code = KD_OK;
	for (size_t i = 0; i < n && !code; i++) {
		const journal_part *part = job ? journal_newest_part(job, partitions[i].topic, partitions[i].partition) : NULL;
		ret_segments[i] = part ? part->segment : (kd_segment) {0};
		ret_segments[i].closed_reason = NULL;
		ret_segments[i].topic = part ? strdup(part->segment.topic) : NULL;
		if (!ret_segments[i].topic)
			code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not add partitions to job \"%s\": no memory", name);
		for (size_t k = 0; code && k < i; k++)
			free(ret_segments[k].topic);
	}
	return code;
}
