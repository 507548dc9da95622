// SPDX-License-Identifier: Apache-2.0
// null_ledger: the ledger of the sink that keeps nothing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "null_sink.h"

kd_code null_no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not keep the ledger: no memory");
}

static bool is_mine(const null_sink *sink, const kd_owner *me)
{
	return sink->owner.epoch == me->epoch && !strcmp(sink->owner.id, me->id);
}

/* The entry's open segment, where it is there and mine. */
static kd_segment *find_segment(null_sink *sink, const kd_owner *me, const kd_batch_partition *e)
{
	size_t i = (size_t) e->partition_index;
	return is_mine(sink, me) && i < sink->n_segments && !sink->segments[i].closed ? &sink->segments[i] : NULL;
}

static kd_batch_row *find_plan(null_sink *sink, const kd_batch_partition *e)
{
	for (size_t i = 0; i < sink->n_plans; i++) {
		kd_batch_row *p = &sink->plans[i];
		if (p->partition_index == e->partition_index && p->batch_time_ms == e->batch_time_ms &&
			p->range.from == e->range.from && p->range.until == e->range.until)
			return p;
	}
	return NULL;
}

void null_ledger_done(null_sink *sink)
{
	for (size_t i = 0; i < sink->n_segments; i++) {
		free(sink->segments[i].topic);
		free(sink->segments[i].closed_reason);
	}
	free(sink->segments);
	free(sink->plans);
}

static kd_code take_over_locked(null_sink *sink, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	const kd_incumbent *now = &(kd_incumbent) {sink->owner, sink->started_at_ms};
	*ret_image = (kd_ledger_image) {.created = sink->owner.epoch == 0};
	kd_code code = request->judge ? request->judge(request->opaque, now, err) : KD_OK;
	if (code)
		return code;
	sink->owner.epoch = kd_take_over_epoch(request, sink->owner.epoch);
	sink->started_at_ms = request->started_at_ms;
	snprintf(sink->owner.id, sizeof sink->owner.id, "%s", request->owner_id);
	ret_image->owner = sink->owner;
	ret_image->segments = calloc(sink->n_segments + 1, sizeof *ret_image->segments);
	ret_image->plans = calloc(sink->n_plans + 1, sizeof *ret_image->plans);
	bool ok = ret_image->segments && ret_image->plans;
	for (size_t i = 0; ok && i < sink->n_segments; i++) {
		kd_segment *to = &ret_image->segments[ret_image->n_segments++];
		*to = sink->segments[i];
		to->owner = sink->owner;
		to->topic = strdup(to->topic);
		to->closed_reason = to->closed_reason ? strdup(to->closed_reason) : NULL;
		ok = to->topic && (to->closed_reason || !to->closed);
	}
	for (size_t i = 0; ok && i < sink->n_plans; i++)
		ret_image->plans[ret_image->n_plans++] = sink->plans[i];
	return ok ? KD_OK : null_no_memory(err);
}

kd_code null_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	pthread_mutex_lock(&sink->lock);
	kd_code code = take_over_locked(sink, request, ret_image, err);
	pthread_mutex_unlock(&sink->lock);
	if (code)
		kd_ledger_image_done(ret_image);
	return code;
}

static void drop_plan(null_sink *sink, kd_batch_row *plan)
{
	*plan = sink->plans[--sink->n_plans];
}

/* Of what is done with, the newest identifier is all that is kept. */
static void note_newest(kd_segment *s, const kd_batch_partition *e, kd_batch_state state)
{
	if (s->last_batch_time_ms == e->batch_time_ms)
		s->newest_state = state;
}

static void close_old(null_sink *sink, const kd_new_partition *p, kd_segment *fresh)
{
	for (size_t i = 0; i < sink->n_segments; i++) {
		kd_segment *s = &sink->segments[i];
		if (s->closed || s->partition != p->partition || strcmp(s->topic, p->topic) != 0)
			continue;
		s->closed = true;
		s->closed_reason = strdup(p->closed_reason ? p->closed_reason : "");
		fresh->segment = s->segment + 1;
		fresh->last_batch_time_ms = s->last_batch_time_ms;
		for (size_t n = sink->n_plans; n-- > 0;)
			if (sink->plans[n].partition_index == s->partition_index)
				drop_plan(sink, &sink->plans[n]);
	}
}

static bool add_one(null_sink *sink, const kd_new_partition *p, kd_segment *ret_segment)
{
	kd_segment s = {.partition_index = (int32_t) sink->n_segments, .topic = strdup(p->topic), .partition = p->partition,
		.start_offset = p->start_offset, .planned_until = p->start_offset, .committed_until = p->start_offset,
		.log_start = p->log_start, .log_from = p->start_offset, .witness = {.offset = -1}, .owner = sink->owner};
	kd_segment *more = realloc(sink->segments, (sink->n_segments + 1) * sizeof *more);
	sink->segments = more ? more : sink->segments;
	char *topic = strdup(p->topic);
	if (!more || !topic || !s.topic) {
		free(topic);
		free(s.topic);
		return false;
	}
	close_old(sink, p, &s);
	sink->segments[sink->n_segments++] = s;
	*ret_segment = s;
	ret_segment->topic = topic;
	return true;
}

kd_code null_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	(void) job;
	bool ok = true;
	pthread_mutex_lock(&sink->lock);
	*ret_cas = is_mine(sink, me) ? KD_CAS_DONE : KD_CAS_MISS;
	for (size_t i = 0; ok && *ret_cas == KD_CAS_DONE && i < n; i++)
		ok = add_one(sink, &partitions[i], &ret_segments[i]);
	pthread_mutex_unlock(&sink->lock);
	return ok ? KD_OK : null_no_memory(err);
}

kd_code null_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	pthread_mutex_lock(&sink->lock);
	*ret_cas = KD_CAS_DONE;
	for (size_t i = 0; i < n; i++) {
		const kd_segment *s = find_segment(sink, me, &entries[i]);
		if (!s || s->planned_until != entries[i].range.from || s->last_batch_time_ms >= entries[i].batch_time_ms)
			*ret_cas = KD_CAS_MISS;
	}
	bool ok = true;
	if (*ret_cas == KD_CAS_DONE) {
		kd_batch_row *more = realloc(sink->plans, (sink->n_plans + n) * sizeof *more);
		ok = more != NULL;
		sink->plans = more ? more : sink->plans;
	}
	for (size_t i = 0; ok && *ret_cas == KD_CAS_DONE && i < n; i++) {
		kd_segment *s = find_segment(sink, me, &entries[i]);
		s->planned_until = entries[i].range.until;
		s->last_batch_time_ms = entries[i].batch_time_ms;
		s->newest_state = KD_BATCH_PLANNED;
		s->newest_range = entries[i].range;
		sink->plans[sink->n_plans++] = (kd_batch_row) {.partition_index = entries[i].partition_index,
			.batch_time_ms = entries[i].batch_time_ms, .range = entries[i].range, .state = KD_BATCH_PLANNED};
	}
	pthread_mutex_unlock(&sink->lock);
	return ok ? KD_OK : null_no_memory(err);
}

kd_code null_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *e, kd_cas *ret_cas,
	kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	(void) err;
	pthread_mutex_lock(&sink->lock);
	kd_segment *s = find_segment(sink, me, e);
	kd_batch_row *p = find_plan(sink, e);
	*ret_cas = s && p && s->planned_until == e->range.until ? KD_CAS_DONE : KD_CAS_MISS;
	if (*ret_cas == KD_CAS_DONE) {
		s->planned_until = e->range.from;
		note_newest(s, e, KD_BATCH_WITHDRAWN);
		drop_plan(sink, p);
	}
	pthread_mutex_unlock(&sink->lock);
	return KD_OK;
}

kd_code null_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n, kd_reread *ret_rows,
	kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	(void) err;
	pthread_mutex_lock(&sink->lock);
	for (size_t i = 0; i < n; i++) {
		const kd_segment *s = find_segment(sink, &sink->owner, &entries[i]);
		const kd_batch_row *p = find_plan(sink, &entries[i]);
		ret_rows[i] = (kd_reread) {.found = s != NULL, .owner = sink->owner,
			.batch = p ? KD_BATCH_PLANNED : KD_BATCH_ABSENT, .range = entries[i].range};
		if (s)
			ret_rows[i].position = kind == KD_REREAD_PLAN ? s->planned_until : s->committed_until;
	}
	pthread_mutex_unlock(&sink->lock);
	return KD_OK;
}

kd_code null_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	(void) job, (void) err;
	*ret_n = 0;
	pthread_mutex_lock(&sink->lock);
	for (size_t i = 0; i < sink->n_segments; i++) {
		if (sink->segments[i].closed || (*ret_n)++ >= n)
			continue;
		kd_segment *s = &ret_segments[*ret_n - 1];
		*s = sink->segments[i];
		s->topic = NULL;
		s->owner = sink->owner;
	}
	pthread_mutex_unlock(&sink->lock);
	return KD_OK;
}

kd_code null_begin(void *opaque, const kd_owner *me, const kd_batch_partition *e, kd_cas *ret_cas, kd_error *err)
{
	null_session *session = opaque;
	null_sink *sink = session->sink;
	(void) err;
	pthread_mutex_lock(&sink->lock);
	const kd_segment *s = find_segment(sink, me, e);
	*ret_cas = s && s->committed_until == e->range.from && find_plan(sink, e) ? KD_CAS_DONE : KD_CAS_MISS;
	if (*ret_cas == KD_CAS_DONE)
		session->open = *e;
	pthread_mutex_unlock(&sink->lock);
	return KD_OK;
}

kd_code null_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	null_session *session = opaque;
	null_sink *sink = session->sink;
	(void) err;
	*ret_durability = KD_DURABLE;
	pthread_mutex_lock(&sink->lock);
	kd_segment *s = &sink->segments[session->open.partition_index];
	kd_batch_row *p = find_plan(sink, &session->open);
	if (p)
		drop_plan(sink, p);
	s->committed_until = session->open.range.until;
	note_newest(s, &session->open, KD_BATCH_COMMITTED);
	if (result->log_start >= 0)
		s->log_start = result->log_start;
	if (result->witness.offset >= 0)
		s->witness = result->witness;
	session->open.job = NULL;
	pthread_mutex_unlock(&sink->lock);
	return KD_OK;
}

kd_code null_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	null_sink *sink = ((null_session *) opaque)->sink;
	pthread_mutex_lock(&sink->lock);
	bool found = sink->owner.epoch > 0, more = true;
	if (found && view->job)
		view->job(view->opaque, job, sink->owner.epoch, "", "nowhere", "null", "", "");
	for (size_t i = 0; found && view->segment && more && i < sink->n_segments; i++)
		more = view->segment(view->opaque, &sink->segments[i]);
	pthread_mutex_unlock(&sink->lock);
	if (!found)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: null keeps none beyond the run");
	return KD_OK;
}
