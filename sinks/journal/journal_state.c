// SPDX-License-Identifier: Apache-2.0
// journal_state: jobs, segments, identifiers, gaps and starts, each kept in order and found by halving.
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

/* Room for one more at place `at` of an array of n; what was there moves up.  NULL without memory. */
static void *insert(void **array, size_t *n, size_t *capacity, size_t at, size_t size)
{
	if (*n == *capacity) {
		size_t more = *capacity ? *capacity * 2 : 4;
		void *grown = reallocarray(*array, more, size);
		if (!grown)
			return NULL;
		*array = grown;
		*capacity = more;
	}
	char *place = (char *) *array + at * size;
	memmove(place + size, place, (*n - at) * size);
	memset(place, 0, size);
	(*n)++;
	return place;
}

static void take_out(void *array, size_t *n, size_t at, size_t size)
{
	char *place = (char *) array + at * size;
	memmove(place, place + size, (*n - at - 1) * size);
	(*n)--;
}

/* ---- where things stand: the first place that is not before the key ---- */

static size_t place_of_part(const journal_job *job, int32_t index)
{
	size_t low = 0, high = job->n_parts;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (job->part[middle].segment.partition_index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t place_of_identifier(const journal_part *part, int64_t batch_time_ms)
{
	size_t low = part->first, high = part->first + part->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (part->identifier[middle].row.batch_time_ms < batch_time_ms)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare_gap(const kd_gap *gap, int32_t index, int64_t from)
{
	if (gap->partition_index != index)
		return gap->partition_index < index ? -1 : 1;
	return gap->range.from < from ? -1 : gap->range.from > from;
}

static size_t place_of_gap(const journal_job *job, int32_t index, int64_t from)
{
	size_t low = 0, high = job->n_gaps;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_gap(&job->gap[middle], index, from) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare_start(const journal_start *start, const kd_owner *owner)
{
	if (start->owner.epoch != owner->epoch)
		return start->owner.epoch < owner->epoch ? -1 : 1;
	return strcmp(start->owner.id, owner->id);
}

static size_t place_of_start(const journal_job *job, const kd_owner *owner)
{
	size_t low = 0, high = job->n_starts;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_start(&job->start[middle], owner) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- finding ---- */

journal_job *journal_find_job(const journal *j, const char *name)
{
	for (size_t i = 0; i < j->n; i++)
		if (!strcmp(j->job[i].name, name))
			return &j->job[i];
	return NULL;
}

journal_part *journal_find_part(const journal_job *job, int32_t index)
{
	size_t at = place_of_part(job, index);
	return at < job->n_parts && job->part[at].segment.partition_index == index ? &job->part[at] : NULL;
}

journal_identifier *journal_find_identifier(const journal_part *part, int64_t batch_time_ms)
{
	size_t at = place_of_identifier(part, batch_time_ms);
	bool found = at < part->first + part->n && part->identifier[at].row.batch_time_ms == batch_time_ms;
	return found ? &part->identifier[at] : NULL;
}

static kd_gap *find_gap(const journal_job *job, int32_t index, int64_t from)
{
	size_t at = place_of_gap(job, index, from);
	return at < job->n_gaps && compare_gap(&job->gap[at], index, from) == 0 ? &job->gap[at] : NULL;
}

journal_start *journal_find_start(const journal_job *job, const kd_owner *owner)
{
	size_t at = place_of_start(job, owner);
	return at < job->n_starts && compare_start(&job->start[at], owner) == 0 ? &job->start[at] : NULL;
}

journal_part *journal_whole_part(const journal *j, const char *name, int32_t index)
{
	const journal_job *job = journal_find_job(j, name);
	journal_part *part = job ? journal_find_part(job, index) : NULL;
	return part && part->has_partition && part->has_position ? part : NULL;
}

journal_part *journal_newest_part(const journal_job *job, const char *topic, int32_t partition)
{
	journal_part *newest = NULL;
	for (size_t i = 0; i < job->n_parts; i++) {
		journal_part *part = &job->part[i];
		if (part->has_partition && part->segment.partition == partition && !strcmp(part->segment.topic, topic) &&
			(!newest || part->segment.segment > newest->segment.segment))
			newest = part;
	}
	return newest;
}

journal_job *journal_job_of(const journal *j, const char *name, const kd_owner *me)
{
	journal_job *job = journal_find_job(j, name);
	return job && job->has_job && journal_same_owner(&job->owner, me) ? job : NULL;
}

/* ---- making room ---- */

journal_job *journal_make_job(journal *j, const char *name)
{
	journal_job *job = journal_find_job(j, name);
	if (job || strlen(name) >= sizeof job->name)
		return job;
	job = insert((void **) &j->job, &j->n, &j->capacity, j->n, sizeof *job);
	if (job)
		strcpy(job->name, name);
	return job;
}

journal_part *journal_make_part(journal_job *job, int32_t index)
{
	journal_part *part = journal_find_part(job, index);
	if (part)
		return part;
	part = insert((void **) &job->part, &job->n_parts, &job->parts_capacity, place_of_part(job, index), sizeof *part);
	if (part) {
		part->segment.partition_index = index;
		part->segment.witness.offset = -1;
	}
	return part;
}

journal_identifier *journal_make_identifier(journal_part *part, int64_t batch_time_ms)
{
	journal_identifier *identifier = journal_find_identifier(part, batch_time_ms);
	if (identifier)
		return identifier;
	size_t used = part->first + part->n;
	identifier = insert((void **) &part->identifier, &used, &part->capacity, place_of_identifier(part, batch_time_ms),
		sizeof *identifier);
	if (identifier) {
		part->n++;
		identifier->row.partition_index = part->segment.partition_index;
		identifier->row.batch_time_ms = batch_time_ms;
	}
	return identifier;
}

kd_gap *journal_make_gap(journal_job *job, int32_t index, int64_t from)
{
	kd_gap *gap = find_gap(job, index, from);
	if (gap)
		return gap;
	gap = insert((void **) &job->gap, &job->n_gaps, &job->gaps_capacity, place_of_gap(job, index, from), sizeof *gap);
	if (gap) {
		gap->partition_index = index;
		gap->range.from = from;
	}
	return gap;
}

journal_start *journal_make_start(journal_job *job, const kd_owner *owner)
{
	journal_start *start = journal_find_start(job, owner);
	if (start)
		return start;
	start = insert((void **) &job->start, &job->n_starts, &job->starts_capacity, place_of_start(job, owner),
		sizeof *start);
	if (start)
		start->owner = *owner;
	return start;
}

/* ---- removing ---- */

/* From the front mostly, where pruning takes: then only what is before it moves. */
void journal_remove_identifier(journal_part *part, int64_t batch_time_ms)
{
	journal_identifier *identifier = journal_find_identifier(part, batch_time_ms);
	if (!identifier)
		return;
	free(identifier->note);
	size_t before = (size_t) (identifier - part->identifier) - part->first, used = part->first + part->n;
	if (before < part->n / 2) {
		journal_identifier *front = part->identifier + part->first;
		memmove(front + 1, front, before * sizeof *front);
		part->first++;
	} else {
		take_out(part->identifier, &used, part->first + before, sizeof *identifier);
	}
	part->n--;
	if (part->first > part->n) { /* more was taken than is left: give the room back to what comes */
		memmove(part->identifier, part->identifier + part->first, part->n * sizeof *identifier);
		part->first = 0;
	}
}

void journal_remove_gap(journal_job *job, int32_t index, int64_t from)
{
	kd_gap *gap = find_gap(job, index, from);
	if (gap)
		take_out(job->gap, &job->n_gaps, (size_t) (gap - job->gap), sizeof *gap);
}

static void start_done(journal_start *start)
{
	free(start->host);
	free(start->process);
	free(start->version);
}

void journal_remove_start(journal_job *job, const kd_owner *owner)
{
	journal_start *start = journal_find_start(job, owner);
	if (!start)
		return;
	start_done(start);
	take_out(job->start, &job->n_starts, (size_t) (start - job->start), sizeof *start);
}

static void part_done(journal_part *part)
{
	for (size_t i = 0; i < part->n; i++)
		free(part->identifier[part->first + i].note);
	free(part->identifier);
	free(part->segment.topic);
	free(part->segment.closed_reason);
	free(part->closed_by);
}

static void job_done(journal_job *job)
{
	for (size_t i = 0; i < job->n_parts; i++)
		part_done(&job->part[i]);
	for (size_t i = 0; i < job->n_starts; i++)
		start_done(&job->start[i]);
	free(job->part);
	free(job->gap);
	free(job->start);
	free(job->cluster_id);
	free(job->target);
	free(job->identity);
	free(job->start_policy);
	free(job->isolation);
}

journal *journal_new(void)
{
	return calloc(1, sizeof(journal));
}

void journal_free(journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		job_done(&j->job[i]);
	free(j->job);
	free(j);
}
