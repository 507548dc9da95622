// SPDX-License-Identifier: Apache-2.0
// recover: pure: what is replayed after take-over.  See recover.h.
#include "recover.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int by_index_and_from(const void *left, const void *right)
{
	const kd_batch_row *a = left, *b = right;
	if (a->partition_index != b->partition_index)
		return a->partition_index < b->partition_index ? -1 : 1;
	if (a->range.from != b->range.from)
		return a->range.from < b->range.from ? -1 : 1;
	return a->batch_time_ms < b->batch_time_ms ? -1 : a->batch_time_ms > b->batch_time_ms;
}

static kd_code does_not_chain(const kd_segment *s, const kd_batch_row *row, int64_t position, kd_error *err)
{
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"the ledger does not tile: %s/%d (partition index %d) is committed and planned up to %" PRId64
		", but the uncommitted plan of batch %" PRId64 " covers [%" PRId64 ", %" PRId64
		"); run `audit` and see docs/LEDGER.md",
		s->topic, s->partition, s->partition_index, position, row->batch_time_ms, row->range.from, row->range.until);
}

static KD_PRINTF(3, 4) kd_code was_edited(const kd_segment *s, kd_error *err, const char *format, ...)
{
	char what[256];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"the ledger does not tile: %s/%d (partition index %d) %s; was it changed by hand? put back what was changed, from a "
		"backup or by what `audit` lists", s->topic, s->partition, s->partition_index, what);
}

static bool stands_at_its_start(const kd_segment *s)
{
	return s->committed_until == s->start_offset && s->planned_until == s->start_offset;
}

/* A partition's next segment goes on from the batch times of the one before, and has none of its own yet. */
static bool is_fresh(const kd_segment *s)
{
	return s->segment > 0 && !s->committed_at_ms && stands_at_its_start(s);
}

/* A batch time is used once, and pruning keeps a segment's last identifier: so the newest one is there, and where it is
 * committed nothing is planned or committed beyond it.  Where it was withdrawn everything planned ends before it, and
 * where it is open it ends the chain of plans. */
static kd_code check_newest(const kd_segment *s, kd_error *err)
{
	if (!s->last_batch_time_ms && !stands_at_its_start(s))
		return was_edited(s, err, "is committed until %" PRId64 " and planned until %" PRId64 ", but starts at %" PRId64
			" and never had a batch", s->committed_until, s->planned_until, s->start_offset);
	if (!s->last_batch_time_ms || (s->newest_state == KD_BATCH_ABSENT && is_fresh(s)))
		return KD_OK;
	if (s->newest_state == KD_BATCH_ABSENT)
		return was_edited(s, err, "had its newest batch at %" PRId64 ", which is not in the ledger", s->last_batch_time_ms);
	int64_t end = s->newest_range.until;
	if (s->newest_state == KD_BATCH_COMMITTED && (s->committed_until != end || s->planned_until != end))
		return was_edited(s, err, "is committed until %" PRId64 " and planned until %" PRId64 ", but its newest batch %"
			PRId64 " is committed until %" PRId64, s->committed_until, s->planned_until, s->last_batch_time_ms, end);
	if (s->newest_state == KD_BATCH_WITHDRAWN && s->planned_until > s->newest_range.from)
		return was_edited(s, err, "is planned until %" PRId64 ", but its newest batch %" PRId64
			" was withdrawn and began at %" PRId64, s->planned_until, s->last_batch_time_ms, s->newest_range.from);
	return KD_OK;
}

static kd_code check_chain(const kd_segment *s, const kd_batch_row *plans, size_t n, kd_error *err)
{
	int64_t position = s->committed_until;
	int64_t batch_time_ms = 0;
	for (size_t i = 0; i < n; i++) {
		bool follows = plans[i].range.from == position && plans[i].range.until > position &&
			plans[i].batch_time_ms > batch_time_ms && plans[i].batch_time_ms <= s->last_batch_time_ms;
		if (!follows)
			return does_not_chain(s, &plans[i], position, err);
		position = plans[i].range.until;
		batch_time_ms = plans[i].batch_time_ms;
	}
	if (position == s->planned_until)
		return KD_OK;
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"the ledger does not tile: %s/%d (partition index %d) is planned until %" PRId64 ", but its rows end at %" PRId64
		"; run `audit` and see docs/LEDGER.md",
		s->topic, s->partition, s->partition_index, s->planned_until, position);
}

kd_code kd_recover_check(kd_ledger_image *image, kd_error *err)
{
	if (image->n_plans)
		qsort(image->plans, image->n_plans, sizeof *image->plans, by_index_and_from);
	for (size_t i = 0; i < image->n_segments; i++) {
		const kd_segment *s = &image->segments[i];
		size_t n;
		const kd_batch_row *plans = kd_recover_plans(image, s->partition_index, &n);
		kd_code code = s->closed ? KD_OK : check_newest(s, err);
		if (code == KD_OK && !s->closed)
			code = check_chain(s, plans, n, err);
		if (code != KD_OK)
			return code;
	}
	return KD_OK;
}

const kd_batch_row *kd_recover_plans(const kd_ledger_image *image, int32_t partition_index, size_t *ret_n)
{
	size_t low = 0, high = image->n_plans;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (image->plans[middle].partition_index < partition_index)
			low = middle + 1;
		else
			high = middle;
	}
	size_t n = 0;
	while (low + n < image->n_plans && image->plans[low + n].partition_index == partition_index)
		n++;
	*ret_n = n;
	return n ? image->plans + low : NULL;
}

size_t kd_recover_withdraw(const kd_batch_row *plans, size_t n, int64_t max_records)
{
	if (max_records == KD_UNLIMITED)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (plans[i].range.until - plans[i].range.from > max_records)
			return n - i;
	return 0;
}
