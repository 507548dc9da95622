// SPDX-License-Identifier: Apache-2.0
// journal_read: what the ledger says.
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

/* ---- one batch partition, the idle owner's check ---- */

static void reread_one(const journal *j, kd_reread_kind kind, const kd_batch_partition *e, kd_reread *row)
{
	*row = (kd_reread) {.batch = KD_BATCH_ABSENT};
	const journal_part *part = journal_whole_part(j, e->job, e->partition_index);
	const journal_identifier *identifier = part ? journal_find_identifier(part, e->batch_time_ms) : NULL;
	if (!part)
		return;
	row->found = true;
	row->owner = kind == KD_REREAD_PLAN ? part->segment.owner : part->position_owner;
	row->position = kind == KD_REREAD_PLAN ? part->segment.planned_until : part->segment.committed_until;
	row->last_batch_time_ms = kind == KD_REREAD_PLAN ? part->segment.last_batch_time_ms : 0;
	if (identifier) {
		row->batch = identifier->row.state;
		row->range = identifier->row.range;
	}
}

void journal_reread(const journal *j, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows)
{
	for (size_t i = 0; i < n; i++)
		reread_one(j, kind, &entries[i], &ret_rows[i]);
}

void journal_verify(const journal *j, const char *name, kd_segment *ret_segments, size_t n, size_t *ret_n)
{
	const journal_job *job = journal_find_job(j, name);
	*ret_n = 0;
	for (size_t i = 0; job && i < job->n_parts; i++) {
		const kd_segment *s = &job->part[i].segment;
		if (!job->part[i].has_partition || s->closed || (*ret_n)++ >= n)
			continue;
		ret_segments[*ret_n - 1] = (kd_segment) {.partition_index = s->partition_index, .partition = s->partition,
			.planned_until = s->planned_until, .committed_until = s->committed_until, .owner = s->owner,
			.last_batch_time_ms = s->last_batch_time_ms};
	}
}

const kd_segment *journal_segment(const journal *j, const char *job, int32_t partition_index)
{
	const journal_part *part = journal_whole_part(j, job, partition_index);
	return part ? &part->segment : NULL;
}

bool journal_batch(const journal *j, const char *job, int32_t partition_index, int64_t batch_time_ms,
	kd_batch_row *ret_row, const char **ret_note)
{
	const journal_part *part = journal_whole_part(j, job, partition_index);
	const journal_identifier *identifier = part ? journal_find_identifier(part, batch_time_ms) : NULL;
	if (!identifier)
		return false;
	*ret_row = identifier->row;
	*ret_note = identifier->note;
	return true;
}

void journal_batches(const journal *j, const char *job, int32_t partition_index,
	bool (*fn)(void *opaque, const kd_batch_row *row, const char *note), void *opaque)
{
	const journal_part *part = journal_whole_part(j, job, partition_index);
	for (size_t i = 0; part && i < part->n; i++)
		if (!fn(opaque, &part->identifier[part->first + i].row, part->identifier[part->first + i].note))
			return;
}

bool journal_knows(const journal *j, const char *name)
{
	const journal_job *job = journal_find_job(j, name);
	return job && job->has_job;
}

const char *journal_job_at(const journal *j, size_t i)
{
	for (size_t n = 0; n < j->n; n++)
		if (j->job[n].has_job && i-- == 0)
			return j->job[n].name;
	return NULL;
}

static journal_instance instance_of(const journal_start *start)
{
	return (journal_instance) {.owner = start->owner, .host = start->host, .process = start->process,
		.version = start->version, .pid = start->pid, .started_at_ms = start->started_at_ms,
		.taken_over_at_ms = start->taken_over_at_ms};
}

bool journal_owner(const journal *j, const char *name, journal_instance *ret_instance)
{
	const journal_job *job = journal_find_job(j, name);
	const journal_start *start = job && job->has_job ? journal_find_start(job, &job->owner) : NULL;
	if (!start)
		return false;
	*ret_instance = instance_of(start);
	return true;
}

/* ---- what take-over hands out ---- */

static int compare_place(const kd_batch_row *a, const kd_batch_row *b)
{
	if (a->partition_index != b->partition_index)
		return a->partition_index < b->partition_index ? -1 : 1;
	if (a->range.from != b->range.from)
		return a->range.from < b->range.from ? -1 : 1;
	return a->batch_time_ms < b->batch_time_ms ? -1 : a->batch_time_ms > b->batch_time_ms;
}

static int by_place(const void *a, const void *b)
{
	return compare_place(a, b);
}

static void add_newest(const journal_part *part, kd_segment *copy)
{
	const journal_identifier *newest = journal_find_identifier(part, copy->last_batch_time_ms);
	if (!newest)
		return;
	copy->newest_state = newest->row.state;
	copy->newest_range = newest->row.range;
}

static bool copy_segments(const journal_job *job, kd_ledger_image *image)
{
	image->segments = calloc(job->n_parts + 1, sizeof *image->segments);
	for (size_t i = 0; image->segments && i < job->n_parts; i++) {
		if (!job->part[i].has_partition)
			continue;
		const kd_segment *s = &job->part[i].segment;
		kd_segment *copy = &image->segments[image->n_segments++];
		*copy = *s;
		add_newest(&job->part[i], copy);
		copy->topic = strdup(s->topic);
		copy->closed_reason = s->closed_reason ? strdup(s->closed_reason) : NULL;
		if (!copy->topic || (s->closed_reason && !copy->closed_reason))
			return false;
	}
	return image->segments;
}

static bool is_open_plan(const journal_part *part, size_t i)
{
	return part->has_partition && !part->segment.closed &&
		part->identifier[part->first + i].row.state == KD_BATCH_PLANNED;
}

static bool copy_plans(const journal_job *job, kd_ledger_image *image)
{
	size_t n = 0;
	for (size_t p = 0; p < job->n_parts; p++)
		for (size_t i = 0; i < job->part[p].n; i++)
			n += is_open_plan(&job->part[p], i);
	image->plans = calloc(n + 1, sizeof *image->plans);
	for (size_t p = 0; image->plans && p < job->n_parts; p++)
		for (size_t i = 0; i < job->part[p].n; i++)
			if (is_open_plan(&job->part[p], i))
				image->plans[image->n_plans++] = job->part[p].identifier[job->part[p].first + i].row;
	if (image->plans)
		qsort(image->plans, image->n_plans, sizeof *image->plans, by_place);
	return image->plans;
}

kd_code journal_image(const journal *j, const char *name, bool created, kd_ledger_image *ret_image, kd_error *err)
{
	const journal_job *job = journal_find_job(j, name);
	*ret_image = (kd_ledger_image) {.created = created};
	if (!job || !job->has_job)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not read the ledger: it has no job \"%s\"", name);
	ret_image->owner = job->owner;
	if (copy_segments(job, ret_image) && copy_plans(job, ret_image))
		return KD_OK;
	kd_ledger_image_done(ret_image);
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not take over job \"%s\": no memory", name);
}

/* ---- tools ---- */

static void read_segments(const journal_job *job, const kd_ledger_view *view)
{
	bool more = true;
	for (size_t i = 0; more && i < job->n_parts; i++)
		if (job->part[i].has_partition)
			more = view->segment(view->opaque, &job->part[i].segment);
}

static int by_place_of(const void *a, const void *b)
{
	return compare_place(*(const kd_batch_row *const *) a, *(const kd_batch_row *const *) b);
}

static int by_newest(const void *a, const void *b)
{
	const kd_batch_row *one = *(const kd_batch_row *const *) a, *other = *(const kd_batch_row *const *) b;
	if (one->batch_time_ms != other->batch_time_ms)
		return one->batch_time_ms > other->batch_time_ms ? -1 : 1;
	return compare_place(one, other);
}

/* The rows of the newest `times` batch times, of rows that are sorted so. */
static size_t cut_to_newest(const kd_batch_row *const *row, size_t n, size_t times)
{
	for (size_t i = 0; i < n; i++)
		if ((i == 0 || row[i]->batch_time_ms != row[i - 1]->batch_time_ms) && times-- == 0)
			return i;
	return n;
}

static bool read_batches(const journal_job *job, const kd_ledger_view *view)
{
	size_t n = 0, at = 0;
	for (size_t p = 0; p < job->n_parts; p++)
		n += job->part[p].n;
	const kd_batch_row **row = calloc(n + 1, sizeof *row);
	if (!row)
		return false;
	for (size_t p = 0; p < job->n_parts; p++)
		for (size_t i = 0; i < job->part[p].n; i++)
			row[at++] = &job->part[p].identifier[job->part[p].first + i].row;
	qsort(row, n, sizeof *row, view->last_batches ? by_newest : by_place_of);
	if (view->last_batches)
		n = cut_to_newest(row, n, view->last_batches);
	for (size_t i = 0; i < n && view->batch(view->opaque, row[i]); i++)
		continue;
	free(row);
	return true;
}

static int by_take_over(const void *a, const void *b)
{
	const journal_start *one = *(const journal_start *const *) a, *other = *(const journal_start *const *) b;
	if (one->taken_over_at_ms != other->taken_over_at_ms)
		return one->taken_over_at_ms > other->taken_over_at_ms ? -1 : 1;
	return one->owner.epoch > other->owner.epoch ? -1 : one->owner.epoch < other->owner.epoch;
}

static bool read_instances(const journal_job *job, const kd_ledger_view *view)
{
	const journal_start **start = calloc(job->n_starts + 1, sizeof *start);
	if (!start)
		return false;
	for (size_t i = 0; i < job->n_starts; i++)
		start[i] = &job->start[i];
	qsort(start, job->n_starts, sizeof *start, by_take_over);
	bool more = true;
	for (size_t i = 0; more && i < job->n_starts; i++)
		more = view->instance(view->opaque, &start[i]->owner, start[i]->host, start[i]->pid, start[i]->started_at_ms,
			start[i]->version);
	free(start);
	return true;
}

kd_code journal_read(const journal *j, const char *name, const kd_ledger_view *view, kd_error *err)
{
	const journal_job *job = journal_find_job(j, name);
	if (!job || !job->has_job)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: it has no job \"%s\"; has it run?", name);
	if (view->job)
		view->job(view->opaque, name, job->owner.epoch, job->cluster_id, job->target, job->identity, job->isolation,
			job->start_policy);
	if (view->segment)
		read_segments(job, view);
	bool ok = !view->batch || read_batches(job, view);
	for (size_t i = 0; view->gap && i < job->n_gaps && view->gap(view->opaque, &job->gap[i]); i++)
		continue;
	ok = ok && (!view->instance || read_instances(job, view));
	return ok ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read the ledger of job \"%s\": no memory", name);
}
