/* SPDX-License-Identifier: Apache-2.0 */
/* audit_check: see audit_check.h.  The second reading walks one chain at a time: `next` is where the next committed
 * range must begin, `plan_next` where the next uncommitted plan must.  After a break the walk goes on behind it, so
 * that one fault is one finding. */
#include "audit_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gap {
	int32_t partition_index;
	kd_range range;
	int64_t batch_time_ms;
};

struct withdrawn {
	int32_t partition_index;
	int64_t batch_time_ms;
};

struct audit_check {
	audit_finding_fn *fn;
	void *opaque;
	int64_t findings;
	bool may_split;
	struct segments segments;
	struct audit_sums *sums; /* one a segment */
	struct gap *gaps;
	size_t n_gaps, gaps_capacity;
	struct withdrawn *withdrawn;
	size_t n_withdrawn, withdrawn_capacity;
	/* the chain that is walked */
	size_t at;         /* its segment; segments.n: none yet, or all done */
	bool walking;
	int64_t next, plan_next;
	int64_t last_time_ms;
	bool saw_plan;
	size_t gap;        /* the next gap to be matched */
	int64_t gap_until; /* where the one before it ended */
};

/* ---- findings ---- */

static void find(struct audit_check *check, const char *invariant, const kd_segment *segment, kd_range range,
	const char *format, ...) KD_PRINTF(5, 6);

static void find(struct audit_check *check, const char *invariant, const kd_segment *segment, kd_range range,
	const char *format, ...)
{
	struct audit_finding finding = {.invariant = invariant, .segment = segment, .range = range};
	va_list values;

	va_start(values, format);
	vsnprintf(finding.text, sizeof finding.text, format, values);
	va_end(values);
	check->findings++;
	check->fn(check->opaque, &finding);
}

#define LL(n) ((long long) (n))

/* ---- the first reading ---- */

struct audit_check *audit_check_new(audit_finding_fn *fn, void *opaque)
{
	struct audit_check *check = calloc(1, sizeof *check);

	if (check) {
		check->fn = fn;
		check->opaque = opaque;
	}
	return check;
}

void audit_check_free(struct audit_check *check)
{
	if (!check)
		return;
	segments_free(&check->segments);
	free(check->sums);
	free(check->gaps);
	free(check->withdrawn);
	free(check);
}

void audit_check_may_split(struct audit_check *check)
{
	check->may_split = true;
}

bool audit_check_segment(struct audit_check *check, const kd_segment *segment)
{
	return segments_add(&check->segments, segment);
}

/* Room for one more of `size` bytes in a list; the list as it is now, or NULL without memory. */
static void *grown(void *items, size_t n, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : 64;
	void *more;

	if (n < *capacity)
		return items;
	more = realloc(items, wanted * size);
	if (more)
		*capacity = wanted;
	return more;
}

bool audit_check_gap(struct audit_check *check, const kd_gap *gap)
{
	struct gap *gaps = grown(check->gaps, check->n_gaps, &check->gaps_capacity, sizeof *gaps);

	if (!gaps)
		return false;
	check->gaps = gaps;
	gaps[check->n_gaps++] = (struct gap){gap->partition_index, gap->range, gap->batch_time_ms};
	return true;
}

bool audit_check_note(struct audit_check *check, const kd_batch_row *row)
{
	struct withdrawn *withdrawn;

	if (!row->withdrawn_at_ms && row->state != KD_BATCH_WITHDRAWN)
		return true;
	withdrawn = grown(check->withdrawn, check->n_withdrawn, &check->withdrawn_capacity, sizeof *withdrawn);
	if (!withdrawn)
		return false;
	check->withdrawn = withdrawn;
	withdrawn[check->n_withdrawn++] = (struct withdrawn){row->partition_index, row->batch_time_ms};
	return true;
}

/* ---- between the readings: what segments and withdrawn plans say by themselves ---- */

static int by_time(const void *left, const void *right)
{
	const struct withdrawn *a = left, *b = right;

	if (a->partition_index != b->partition_index)
		return a->partition_index < b->partition_index ? -1 : 1;
	return (a->batch_time_ms > b->batch_time_ms) - (a->batch_time_ms < b->batch_time_ms);
}

static int by_place(const void *left, const void *right)
{
	const kd_segment *a = *(const kd_segment *const *) left, *b = *(const kd_segment *const *) right;
	int order = strcmp(a->topic, b->topic);

	if (order == 0)
		order = (a->partition > b->partition) - (a->partition < b->partition);
	return order ? order : (a->segment > b->segment) - (a->segment < b->segment);
}

/* A Kafka partition's segments follow each other: the last one alone may be open. */
static void check_lives(struct audit_check *check)
{
	size_t n = check->segments.n;
	const kd_segment **order = calloc(n + 1, sizeof *order);

	if (!order) {
		check->segments.failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		order[i] = &check->segments.items[i];
	qsort(order, n, sizeof *order, by_place);
	for (size_t i = 1; i < n; i++) {
		const kd_segment *before = order[i - 1], *now = order[i];

		if (strcmp(before->topic, now->topic) != 0 || before->partition != now->partition)
			continue;
		if (before->segment == now->segment)
			find(check, "I6", now, (kd_range){0}, "segment %d is there twice, as partition index %d and %d",
				now->segment, before->partition_index, now->partition_index);
		else if (!before->closed)
			find(check, "I6", now, (kd_range){0}, "segment %d is open although segment %d came after it",
				before->segment, now->segment);
	}
	free(order);
}

static void check_segment(struct audit_check *check, const kd_segment *s)
{
	int64_t pruned = s->log_from > s->start_offset ? s->log_from - s->start_offset : 0;

	if (s->committed_until < s->start_offset)
		find(check, "I1", s, (kd_range){s->committed_until, s->start_offset},
			"the position %lld is below the start %lld", LL(s->committed_until), LL(s->start_offset));
	if (!s->closed && s->planned_until < s->committed_until)
		find(check, "I6", s, (kd_range){s->planned_until, s->committed_until},
			"the position %lld is beyond what was planned, %lld", LL(s->committed_until), LL(s->planned_until));
	if (s->log_from > s->committed_until)
		find(check, "I3", s, (kd_range){s->committed_until, s->log_from},
			"pruned up to %lld, beyond the position %lld", LL(s->log_from), LL(s->committed_until));
	if ((pruned > 0) != (s->pruned_batches > 0))
		find(check, "I3", s, (kd_range){s->start_offset, s->log_from}, "%lld offsets were pruned with %lld ranges",
			LL(pruned), LL(s->pruned_batches));
	if (s->pruned_records + s->pruned_gap > pruned)
		find(check, "I2", s, (kd_range){s->start_offset, s->log_from},
			"%lld records and %lld offsets of gaps were pruned from %lld offsets", LL(s->pruned_records),
			LL(s->pruned_gap), LL(pruned));
	if (s->pruned_rows + s->pruned_dropped > s->pruned_records && !check->may_split)
		find(check, "I2", s, (kd_range){s->start_offset, s->log_from},
			"%lld rows and %lld dropped were pruned for %lld records", LL(s->pruned_rows), LL(s->pruned_dropped),
			LL(s->pruned_records));
}

static void check_withdrawn(struct audit_check *check)
{
	for (size_t i = 0; i < check->n_withdrawn; i++) {
		const struct withdrawn *now = &check->withdrawn[i];
		const kd_segment *segment = segments_find(&check->segments, now->partition_index);

		if (i > 0 && by_time(now, now - 1) == 0)
			find(check, "I6", segment, (kd_range){0}, "batch time %lld was withdrawn twice", LL(now->batch_time_ms));
		if (segment && now->batch_time_ms > segment->last_batch_time_ms)
			find(check, "I6", segment, (kd_range){0},
				"withdrawn batch time %lld is after the partition's last one, %lld", LL(now->batch_time_ms),
				LL(segment->last_batch_time_ms));
	}
}

static void open_chain(struct audit_check *check, size_t at);

void audit_check_turn(struct audit_check *check)
{
	size_t n = check->segments.n;

	check->sums = calloc(n + 1, sizeof *check->sums);
	if (!check->sums) {
		check->segments.failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const kd_segment *s = &check->segments.items[i];

		if (i > 0 && s->partition_index <= s[-1].partition_index)
			find(check, "I6", s, (kd_range){0}, "partition index %d is there twice", s->partition_index);
		check_segment(check, s);
		check->sums[i] = (struct audit_sums){.ranges = s->pruned_batches, .records = s->pruned_records,
			.rows = s->pruned_rows, .dropped = s->pruned_dropped, .gap = s->pruned_gap};
	}
	check_lives(check);
	if (check->n_withdrawn)
		qsort(check->withdrawn, check->n_withdrawn, sizeof *check->withdrawn, by_time);
	check_withdrawn(check);
	open_chain(check, 0);
}

/* ---- the walk along a chain ---- */

static int64_t chain_begin(const kd_segment *segment)
{
	return segment->log_from > segment->start_offset ? segment->log_from : segment->start_offset;
}

static const kd_segment *current(const struct audit_check *check)
{
	return &check->segments.items[check->at];
}

/* A gap that no committed range holds: right only for the rest of a closed segment. */
static void judge_stray_gap(struct audit_check *check, const kd_segment *segment, const struct gap *gap)
{
	bool rest = gap->batch_time_ms == 0 && segment->closed && gap->range.from >= segment->committed_until;

	if (!rest && gap->range.until > chain_begin(segment))
		find(check, "I10", segment, gap->range, "the gap [%lld, %lld) is in no committed range", LL(gap->range.from),
			LL(gap->range.until));
}

/* Moves to a segment: gaps of partition indexes that are passed by belong to no segment. */
static void open_chain(struct audit_check *check, size_t at)
{
	check->at = at;
	check->walking = at < check->segments.n;
	if (!check->walking)
		return;
	check->next = chain_begin(current(check));
	check->plan_next = current(check)->committed_until;
	check->last_time_ms = 0;
	check->saw_plan = false;
	check->gap_until = INT64_MIN;
	for (; check->gap < check->n_gaps && check->gaps[check->gap].partition_index < current(check)->partition_index;
	     check->gap++)
		find(check, "I10", NULL, check->gaps[check->gap].range, "a gap of partition index %d, which has no segment",
			check->gaps[check->gap].partition_index);
}

static void close_chain(struct audit_check *check)
{
	const kd_segment *s = current(check);

	for (; check->gap < check->n_gaps && check->gaps[check->gap].partition_index == s->partition_index; check->gap++)
		judge_stray_gap(check, s, &check->gaps[check->gap]);
	if (check->next < s->committed_until)
		find(check, "I1", s, (kd_range){check->next, s->committed_until},
			"the position is %lld, but the offsets from %lld on are in no committed range", LL(s->committed_until),
			LL(check->next));
	if (check->next > s->committed_until)
		find(check, "I2", s, (kd_range){s->committed_until, check->next},
			"the position is %lld, but ranges up to %lld are committed: they would land again", LL(s->committed_until),
			LL(check->next));
	if (!s->closed && check->plan_next != s->planned_until)
		find(check, "I6", s, (kd_range){check->plan_next, s->planned_until},
			"planned up to %lld, but the plans that are there end at %lld", LL(s->planned_until), LL(check->plan_next));
}

/* Closes chains up to the segment of this partition index; false where there is no such segment. */
static bool move_to(struct audit_check *check, int32_t partition_index)
{
	while (check->walking && current(check)->partition_index < partition_index) {
		close_chain(check);
		open_chain(check, check->at + 1);
	}
	return check->walking && current(check)->partition_index == partition_index;
}

static void judge_time(struct audit_check *check, const kd_batch_row *row)
{
	struct withdrawn key = {row->partition_index, row->batch_time_ms};

	if (row->batch_time_ms <= check->last_time_ms)
		find(check, "I6", current(check), row->range,
			"batch time %lld follows %lld: times of a partition must increase", LL(row->batch_time_ms),
			LL(check->last_time_ms));
	if (row->batch_time_ms > current(check)->last_batch_time_ms)
		find(check, "I6", current(check), row->range, "batch time %lld is after the partition's last one, %lld",
			LL(row->batch_time_ms), LL(current(check)->last_batch_time_ms));
	if (check->n_withdrawn &&
	    bsearch(&key, check->withdrawn, check->n_withdrawn, sizeof key, by_time))
		find(check, "I6", current(check), row->range, "batch time %lld was withdrawn, and used again",
			LL(row->batch_time_ms));
	check->last_time_ms = row->batch_time_ms;
}

/* The gaps within a committed range: their length must be what the range counts. */
static void match_gaps(struct audit_check *check, const kd_batch_row *row)
{
	int64_t sum = 0;

	for (; check->gap < check->n_gaps; check->gap++) {
		const struct gap *gap = &check->gaps[check->gap];

		if (gap->partition_index != row->partition_index || gap->range.from >= row->range.until)
			break;
		if (gap->range.from < check->gap_until)
			find(check, "I10", current(check), gap->range, "the gap [%lld, %lld) overlaps another", LL(gap->range.from),
				LL(gap->range.until));
		check->gap_until = gap->range.until;
		if (gap->range.from < row->range.from) {
			judge_stray_gap(check, current(check), gap);
			continue;
		}
		if (gap->range.until > row->range.until || gap->range.until <= gap->range.from ||
		    gap->batch_time_ms != row->batch_time_ms)
			find(check, "I10", current(check), gap->range,
				"the gap [%lld, %lld) of batch %lld is not a part of the range [%lld, %lld) of batch %lld",
				LL(gap->range.from), LL(gap->range.until), LL(gap->batch_time_ms), LL(row->range.from),
				LL(row->range.until), LL(row->batch_time_ms));
		sum += gap->range.until - gap->range.from;
	}
	if (sum != row->gap)
		find(check, "I10", current(check), row->range, "the range counts %lld offsets of gaps, %lld are recorded",
			LL(row->gap), LL(sum));
}

static void judge_counts(struct audit_check *check, const kd_batch_row *row)
{
	const kd_segment *s = current(check);
	int64_t kept = row->records - row->dropped - row->dead_letters;

	if (row->records < 0 || row->rows < 0 || row->dropped < 0 || row->dead_letters < 0 || row->gap < 0)
		find(check, "I1", s, row->range, "a count below zero");
	else if (row->rows < kept || (row->rows > kept && !check->may_split))
		find(check, row->rows < row->records ? "I1" : "I2", s, row->range,
			"%lld records became %lld rows, %lld dropped and %lld dead letters%s", LL(row->records), LL(row->rows),
			LL(row->dropped), LL(row->dead_letters),
			row->rows > kept ? " (where a transform splits records: the job file must name it)" : "");
	else if (row->records + row->gap > row->range.until - row->range.from)
		find(check, "I2", s, row->range, "%lld records and %lld offsets of gaps from a range of %lld", LL(row->records),
			LL(row->gap), LL(row->range.until - row->range.from));
}

static void walk_committed(struct audit_check *check, const kd_batch_row *row)
{
	struct audit_sums *sums = &check->sums[check->at];
	const kd_segment *s = current(check);

	if (row->range.from > check->next)
		find(check, "I1", s, (kd_range){check->next, row->range.from},
			"the offsets [%lld, %lld) are in no committed range", LL(check->next), LL(row->range.from));
	if (row->range.from < check->next)
		find(check, "I2", s, row->range, "[%lld, %lld) was committed although all below %lld was already",
			LL(row->range.from), LL(row->range.until), LL(check->next));
	if (check->saw_plan)
		find(check, "I3", s, row->range, "[%lld, %lld) was committed before a range that comes first",
			LL(row->range.from), LL(row->range.until));
	if (row->range.until > check->next)
		check->next = row->range.until;
	if (row->range.until > check->plan_next)
		check->plan_next = row->range.until;
	judge_counts(check, row);
	match_gaps(check, row);
	sums->ranges++;
	sums->records += row->records;
	sums->rows += row->rows;
	sums->dropped += row->dropped;
	sums->dead_letters += row->dead_letters;
	sums->gap += row->gap;
}

static void walk_planned(struct audit_check *check, const kd_batch_row *row)
{
	const kd_segment *s = current(check);

	check->sums[check->at].planned++;
	check->saw_plan = true;
	if (s->closed)
		find(check, "I6", s, row->range, "an uncommitted plan in a closed segment");
	else if (row->range.from < s->committed_until)
		find(check, "I6", s, row->range,
			"the plan [%lld, %lld) was never committed, and the position %lld has passed it", LL(row->range.from),
			LL(row->range.until), LL(s->committed_until));
	else if (row->range.from != check->plan_next)
		find(check, "I6", s, row->range, "the plan [%lld, %lld) does not follow what is before it, which ends at %lld",
			LL(row->range.from), LL(row->range.until), LL(check->plan_next));
	if (row->range.until > check->plan_next)
		check->plan_next = row->range.until;
}

void audit_check_batch(struct audit_check *check, const kd_batch_row *row)
{
	if (!move_to(check, row->partition_index)) {
		find(check, "I6", NULL, row->range, "batch %lld of partition index %d, which has no segment",
			LL(row->batch_time_ms), row->partition_index);
		return;
	}
	if (row->range.until <= row->range.from)
		find(check, "I6", current(check), row->range, "batch %lld has the empty range [%lld, %lld)",
			LL(row->batch_time_ms), LL(row->range.from), LL(row->range.until));
	if (row->withdrawn_at_ms || row->state == KD_BATCH_WITHDRAWN) {
		check->sums[check->at].withdrawn++;
		if (row->committed_at_ms || row->state == KD_BATCH_COMMITTED)
			find(check, "I6", current(check), row->range, "batch %lld was withdrawn, and committed",
				LL(row->batch_time_ms));
		return;
	}
	judge_time(check, row);
	if (row->state == KD_BATCH_COMMITTED)
		walk_committed(check, row);
	else
		walk_planned(check, row);
}

void audit_check_end(struct audit_check *check)
{
	while (check->walking) {
		close_chain(check);
		open_chain(check, check->at + 1);
	}
	for (; check->gap < check->n_gaps; check->gap++)
		find(check, "I10", NULL, check->gaps[check->gap].range, "a gap of partition index %d, which has no segment",
			check->gaps[check->gap].partition_index);
}

/* ---- what was seen ---- */

const struct segments *audit_check_segments(const struct audit_check *check)
{
	return &check->segments;
}

const struct audit_sums *audit_check_sums(const struct audit_check *check, size_t i)
{
	return &check->sums[i];
}

int64_t audit_check_findings(const struct audit_check *check)
{
	return check->findings;
}

void audit_check_each_gap(const struct audit_check *check, int32_t partition_index,
	void (*fn)(void *opaque, kd_range range), void *opaque)
{
	for (size_t i = 0; i < check->n_gaps; i++)
		if (check->gaps[i].partition_index == partition_index)
			fn(opaque, check->gaps[i].range);
}
