// SPDX-License-Identifier: Apache-2.0
// journal_commit: position, identifier and gaps in one step (I1, I2, I9); and what of it is given up when it is old.
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

/* The identifier, where me may commit exactly this range now. */
static const journal_identifier *may_commit(const journal *j, const kd_owner *me, const kd_batch_partition *e,
	const journal_part **ret_part)
{
	const journal_part *part = journal_whole_part(j, e->job, e->partition_index);
	*ret_part = part;
	if (!part || part->segment.committed_until != e->range.from || !journal_same_owner(&part->position_owner, me))
		return NULL;
	const journal_identifier *planned = journal_find_identifier(part, e->batch_time_ms);
	if (!planned || planned->row.state != KD_BATCH_PLANNED || planned->row.range.from != e->range.from ||
		planned->row.range.until != e->range.until)
		return NULL;
	return planned;
}

kd_cas journal_may_commit(const journal *j, const kd_owner *me, const kd_batch_partition *entry)
{
	const journal_part *part;
	return may_commit(j, me, entry, &part) ? KD_CAS_DONE : KD_CAS_MISS;
}

static bool put_gaps(journal_step *step, const kd_batch_partition *e, const kd_batch_result *r, int64_t now_ms,
	int64_t *ret_sum)
{
	bool ok = true;
	*ret_sum = 0;
	for (size_t i = 0; ok && i < r->n_gaps; i++) {
		kd_gap gap = r->gaps[i];
		gap.partition_index = e->partition_index;
		gap.batch_time_ms = e->batch_time_ms;
		gap.at_ms = now_ms;
		*ret_sum += gap.range.until - gap.range.from;
		ok = journal_put_gap(step, e->job, &gap);
	}
	return ok;
}

static bool put_committed(journal_step *step, const journal_part *old, const journal_identifier *planned,
	const kd_owner *me, const kd_batch_partition *e, const kd_batch_result *r, const char *note, int64_t now_ms)
{
	journal_part part = *old;
	journal_identifier identifier = *planned;
	kd_batch_row *row = &identifier.row;
	bool ok = put_gaps(step, e, r, now_ms, &row->gap);
	row->committed_at_ms = now_ms;
	row->records = r->records;
	row->rows = r->rows;
	row->dropped = r->dropped;
	strcpy(row->instance, me->id);
	identifier.note = (char *) note;
	part.segment.committed_until = e->range.until;
	part.segment.committed_at_ms = now_ms;
	if (r->log_start >= 0)
		part.segment.log_start = r->log_start;
	if (r->witness.offset >= 0)
		part.segment.witness = r->witness;
	return ok && journal_put_position(step, e->job, &part) && journal_put_identifier(step, e->job, &identifier);
}

kd_code journal_commit(const journal *j, const kd_owner *me, const kd_batch_partition *entry,
	const kd_batch_result *result, const char *note, int64_t now_ms, kd_cas *ret_cas, journal_step *ret_step,
	kd_error *err)
{
	const journal_part *part;
	const journal_identifier *planned = may_commit(j, me, entry, &part);
	*ret_cas = KD_CAS_MISS;
	*ret_step = (journal_step) {0};
	if (!planned)
		return KD_OK;
	if (!put_committed(ret_step, part, planned, me, entry, result, note, now_ms))
		return journal_no_memory(ret_step, err);
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}

/* ---- pruning ---- */

/* The next identifier at or after place i of a segment that is committed below its position; n where there is none. */
static size_t next_committed(const journal_part *part, size_t i)
{
	for (; i < part->n; i++) {
		const kd_batch_row *row = &part->identifier[part->first + i].row;
		if (row->state == KD_BATCH_COMMITTED && row->range.until <= part->segment.committed_until)
			break;
	}
	return i;
}

static void add_sums(journal_part *part, const kd_batch_row *row)
{
	kd_segment *s = &part->segment;
	s->log_from = row->range.until;
	s->pruned_batches++;
	s->pruned_records += row->records;
	s->pruned_rows += row->rows;
	s->pruned_dropped += row->dropped;
	s->pruned_gap += row->gap;
	part->pruned_dead_letters += row->dead_letters;
}

/* The last one stays: the next range must meet it (I3).  One is known to be not the last when another follows. */
static bool prune_part(journal_step *step, const char *job, const journal_part *old, int64_t before_ms, int64_t most,
	int64_t *removed)
{
	journal_part part = *old;
	bool ok = true;
	int64_t before = *removed;
	for (size_t i = next_committed(old, 0), next; ok && i < old->n && *removed < most; i = next) {
		const kd_batch_row *row = &old->identifier[old->first + i].row;
		next = next_committed(old, i + 1);
		if (next == old->n || row->committed_at_ms >= before_ms)
			break;
		add_sums(&part, row);
		ok = journal_put_removal(step, job, row->partition_index, row->batch_time_ms);
		++*removed;
	}
	return ok && (*removed == before || journal_put_position(step, job, &part));
}

kd_code journal_prune(const journal *j, const kd_owner *me, const char *name, int64_t before_ms, size_t most,
	int64_t *ret_removed, bool *ret_more, journal_step *ret_step, kd_error *err)
{
	*ret_removed = 0;
	*ret_more = false;
	*ret_step = (journal_step) {0};
	const journal_job *job = journal_find_job(j, name);
	bool ok = true;
	for (size_t i = 0; ok && job && i < job->n_parts; i++) {
		const journal_part *part = &job->part[i];
		if (part->has_partition && part->has_position && journal_same_owner(&part->position_owner, me))
			ok = prune_part(ret_step, name, part, before_ms, (int64_t) most, ret_removed);
	}
	if (!ok) {
		*ret_removed = 0;
		return journal_no_memory(ret_step, err);
	}
	*ret_more = *ret_removed >= (int64_t) most;
	return KD_OK;
}
