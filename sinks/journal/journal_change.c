// SPDX-License-Identifier: Apache-2.0
// journal_change: a new owner (I7), plans made and given back (I3, I6).
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

/* ---- take-over ---- */

static kd_code refuse_another(const journal_job *stored, const kd_take_over *request, const journal_target *target,
	kd_error *err)
{
	if (strcmp(stored->cluster_id, request->cluster_id) != 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take over job \"%s\": it reads from Kafka cluster \"%s\", this is \"%s\"; "
			"use the old cluster, or another job name", request->job, stored->cluster_id, request->cluster_id);
	if (strcmp(stored->identity, target->identity) != 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take over job \"%s\": it writes to %s \"%s\", this is \"%s\"; use the old %s, or another job name",
			request->job, target->noun, stored->target, target->name, target->noun);
	return KD_OK;
}

static bool reads_topic(const journal_job *job, const char *topic)
{
	for (size_t i = 0; i < job->n_parts; i++)
		if (job->part[i].has_partition && !strcmp(job->part[i].segment.topic, topic))
			return true;
	return false;
}

kd_code journal_refuse_shared_topic(const journal *j, const char *name, const journal_target *target,
	const char *topic, kd_error *err)
{
	for (size_t i = 0; i < j->n; i++) {
		const journal_job *job = &j->job[i];
		if (job->has_job && strcmp(job->name, name) != 0 && !strcmp(job->identity, target->identity) &&
			reads_topic(job, topic))
			return kd_error_set(err, KD_ECONFIG, KD_STOP,
				"could not use %s \"%s\" for topic \"%s\" in job \"%s\": job \"%s\" feeds it from this topic; use another %s",
				target->noun, target->name, topic, name, job->name, target->noun);
	}
	return KD_OK;
}

static kd_code judge_owner(const journal_job *stored, const kd_take_over *request, kd_error *err)
{
	kd_incumbent now = {.owner = {.epoch = 0}};
	const journal_start *start = stored ? journal_find_start(stored, &stored->owner) : NULL;
	if (stored)
		now.owner = stored->owner;
	if (start)
		now.started_at_ms = start->started_at_ms;
	return request->judge ? request->judge(request->opaque, &now, err) : KD_OK;
}

/* The strings are borrowed: the lines hold copies. */
static bool put_owner(journal_step *step, const journal_job *stored, const kd_take_over *r,
	const journal_target *target, const kd_owner *me, int64_t now_ms)
{
	journal_job job = {.owner = *me, .cluster_id = (char *) r->cluster_id, .target = (char *) target->name,
		.identity = (char *) target->identity, .start_policy = (char *) r->start_policy,
		.isolation = (char *) r->isolation, .created_at_ms = stored ? stored->created_at_ms : now_ms};
	strcpy(job.name, r->job);
	return journal_put_job(step, &job);
}

static bool put_parts(journal_step *step, const journal_job *stored, const kd_owner *me)
{
	bool ok = true;
	for (size_t i = 0; ok && i < stored->n_parts; i++) {
		journal_part part = stored->part[i];
		part.segment.owner = part.position_owner = *me;
		ok = !part.has_partition || (journal_put_partition(step, stored->name, &part) &&
			journal_put_position(step, stored->name, &part));
	}
	return ok;
}

static bool put_take_over(journal_step *step, const journal_job *stored, const kd_take_over *r,
	const journal_target *target, const char *process, const kd_owner *me, int64_t now_ms)
{
	journal_start start = {.owner = *me, .host = (char *) r->host, .process = (char *) process,
		.version = (char *) r->version, .pid = r->pid, .started_at_ms = r->started_at_ms, .taken_over_at_ms = now_ms};
	return put_owner(step, stored, r, target, me, now_ms) && journal_put_start(step, r->job, &start) &&
		(!stored || put_parts(step, stored, me));
}

kd_code journal_take_over(const journal *j, const kd_take_over *request, const journal_target *target,
	const char *process, int64_t now_ms, kd_owner *ret_owner, journal_step *ret_step, kd_error *err)
{
	const journal_job *stored = journal_find_job(j, request->job);
	*ret_step = (journal_step) {0};
	*ret_owner = (kd_owner) {0};
	if (strlen(request->job) >= JOURNAL_NAME_SIZE || strchr(request->job, '/'))
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not take over job \"%s\": it is no job's name", request->job);
	if (stored && !stored->has_job)
		stored = NULL;
	kd_code code = judge_owner(stored, request, err);
	if (!code && stored)
		code = refuse_another(stored, request, target, err);
	for (size_t i = 0; i < request->n_topics && !code; i++)
		code = journal_refuse_shared_topic(j, request->job, target, request->topics[i], err);
	if (code)
		return code;
	kd_owner me = {.epoch = kd_take_over_epoch(request, stored ? stored->owner.epoch : 0)};
	strncpy(me.id, request->owner_id, sizeof me.id - 1);
	if (!put_take_over(ret_step, stored, request, target, process, &me, now_ms))
		return journal_no_memory(ret_step, err);
	*ret_owner = me;
	return KD_OK;
}

/* ---- plans ---- */

/* The partition, where the entry may be planned next. */
static const journal_part *may_plan(const journal *j, const kd_owner *me, const kd_batch_partition *e)
{
	const journal_part *part = journal_whole_part(j, e->job, e->partition_index);
	if (!part || part->segment.closed || !journal_same_owner(&part->segment.owner, me))
		return NULL;
	bool next = part->segment.planned_until == e->range.from && part->segment.last_batch_time_ms < e->batch_time_ms;
	return next && !journal_find_identifier(part, e->batch_time_ms) ? part : NULL;
}

/* Plans are handed over by partition index; a set that is not is compared one by one. */
static bool names_one_twice(const kd_batch_partition *entries, size_t n)
{
	size_t ascending = 1;
	while (ascending < n && entries[ascending - 1].partition_index < entries[ascending].partition_index)
		ascending++;
	if (ascending >= n)
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (entries[i].partition_index == entries[k].partition_index)
				return true;
	return false;
}

static bool put_plan(journal_step *step, const journal_part *old, const kd_owner *me, const kd_batch_partition *e,
	int64_t now_ms)
{
	journal_part part = *old;
	journal_identifier identifier = {.row = {.partition_index = e->partition_index, .batch_time_ms = e->batch_time_ms,
		.range = e->range, .planned_at_ms = now_ms}};
	strcpy(identifier.row.instance, me->id);
	part.segment.planned_until = e->range.until;
	part.segment.last_batch_time_ms = e->batch_time_ms;
	return journal_put_partition(step, e->job, &part) && journal_put_identifier(step, e->job, &identifier);
}

kd_code journal_append_plan(const journal *j, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step, kd_error *err)
{
	*ret_cas = KD_CAS_MISS;
	*ret_step = (journal_step) {0};
	for (size_t i = 0; i < n; i++)
		if (entries[i].range.from >= entries[i].range.until)
			return kd_error_set(err, KD_EINVAL, KD_STOP, "could not store the plan of job \"%s\": an empty range",
				entries[i].job);
	if (names_one_twice(entries, n))
		return KD_OK;
	for (size_t i = 0; i < n; i++) {
		const journal_part *part = may_plan(j, me, &entries[i]);
		if (!part) {
			journal_step_done(ret_step);
			return KD_OK;
		}
		if (!put_plan(ret_step, part, me, &entries[i], now_ms))
			return journal_no_memory(ret_step, err);
	}
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}

kd_code journal_withdraw(const journal *j, const kd_owner *me, const kd_batch_partition *e, int64_t now_ms,
	kd_cas *ret_cas, journal_step *ret_step, kd_error *err)
{
	*ret_cas = KD_CAS_MISS;
	*ret_step = (journal_step) {0};
	const journal_part *old = journal_whole_part(j, e->job, e->partition_index);
	if (!old || old->segment.closed || !journal_same_owner(&old->segment.owner, me) ||
		old->segment.planned_until != e->range.until)
		return KD_OK;
	const journal_identifier *planned = journal_find_identifier(old, e->batch_time_ms);
	if (!planned || planned->row.state != KD_BATCH_PLANNED || planned->row.range.from != e->range.from ||
		planned->row.range.until != e->range.until)
		return KD_OK;
	journal_part part = *old;
	journal_identifier withdrawn = *planned;
	part.segment.planned_until = e->range.from;
	withdrawn.row.withdrawn_at_ms = now_ms;
	if (!journal_put_partition(ret_step, e->job, &part) || !journal_put_identifier(ret_step, e->job, &withdrawn))
		return journal_no_memory(ret_step, err);
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}
