/* SPDX-License-Identifier: Apache-2.0 */
/* The audit finds each way in which a ledger can be broken, and nothing in one that is whole. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tools/segment_list.h"
#include "tools/audit_check.h"

enum { MOST = 8 };

/* A ledger of at most a few rows; lists end where a row is all zero. */
struct ledger {
	const char *name;      /* what is wrong with it */
	const char *invariant; /* of the first finding; NULL: it is whole */
	const char *says;      /* part of its text */
	int findings;          /* how many; one fault is to be one finding */
	bool may_split;        /* the job has a transform */
	kd_segment segments[MOST];
	kd_batch_row rows[MOST];
	kd_gap gaps[MOST];
};

struct seen {
	int n;
	struct audit_finding first;
};

#define SEGMENT(index, start, committed, planned, last_time) \
	.partition_index = (index), .topic = (char *) "orders", .start_offset = (start), \
	.committed_until = (committed), .planned_until = (planned), .last_batch_time_ms = (last_time)
#define ROW(index, time, from_, until_) \
	.partition_index = (index), .batch_time_ms = (time), .range = {(from_), (until_)}
#define COMMITTED(n) .state = KD_BATCH_COMMITTED, .planned_at_ms = 1, .committed_at_ms = 2, .records = (n), .rows = (n)
#define PLANNED .state = KD_BATCH_PLANNED, .planned_at_ms = 1
#define WITHDRAWN .state = KD_BATCH_WITHDRAWN, .planned_at_ms = 1, .withdrawn_at_ms = 2

static const struct ledger ledgers[] = {
	{.name = "an empty one"},
	{.name = "a new segment without a batch", .segments = {{SEGMENT(0, 5, 5, 5, 0)}}},
	{.name = "committed ranges and a plan ahead",
	 .segments = {{SEGMENT(0, 5, 30, 40, 3)}},
	 .rows = {{ROW(0, 1, 5, 10), COMMITTED(5)}, {ROW(0, 2, 10, 30), COMMITTED(17)}, {ROW(0, 3, 30, 40), PLANNED}}},
	{.name = "two partitions, the second without a batch",
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}, {SEGMENT(1, 7, 7, 7, 0), .partition = 1}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}}},
	{.name = "a withdrawn plan whose range was planned anew",
	 .segments = {{SEGMENT(0, 0, 20, 20, 6)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 10, 40), WITHDRAWN}, {ROW(0, 6, 10, 20), COMMITTED(10)}}},
	{.name = "pruned up to 10",
	 .segments = {{SEGMENT(0, 0, 20, 20, 2), .log_from = 10, .pruned_batches = 3, .pruned_records = 9,
		.pruned_rows = 8, .pruned_dropped = 1}},
	 .rows = {{ROW(0, 2, 10, 20), COMMITTED(10)}}},
	{.name = "records that a transform split, and dropped",
	 .may_split = true,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2), .log_from = 5, .pruned_batches = 1, .pruned_records = 5, .pruned_rows = 9}},
	 .rows = {{ROW(0, 2, 5, 20), .state = KD_BATCH_COMMITTED, .records = 15, .rows = 40, .dropped = 2}}},
	{.name = "fewer rows than kept records, also with a transform", .may_split = true, .invariant = "I1",
	 .says = "15 records became 12 rows, 2 dropped", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), .state = KD_BATCH_COMMITTED, .records = 15, .rows = 12, .dropped = 2}}},
	{.name = "more rows than records, and no transform", .invariant = "I2", .says = "the job file must name it",
	 .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), .state = KD_BATCH_COMMITTED, .records = 15, .rows = 16}}},
	{.name = "a gap that its range counts",
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(15), .gap = 5}},
	 .gaps = {{.partition_index = 0, .range = {3, 8}, .batch_time_ms = 1}}},
	{.name = "a closed segment, its rest a gap, and the next life",
	 .segments = {{SEGMENT(0, 0, 10, 20, 2), .closed = true, .closed_reason = (char *) "recreated"},
		{SEGMENT(1, 0, 5, 5, 3), .segment = 1}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 10, 20), WITHDRAWN}, {ROW(1, 3, 0, 5), COMMITTED(5)}},
	 .gaps = {{.partition_index = 0, .range = {10, 20}}}},
	{.name = "dropped records and dead letters",
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), .state = KD_BATCH_COMMITTED, .records = 10, .rows = 6, .dropped = 3,
		.dead_letters = 1}}},

	/* I1: loss */
	{.name = "a hole between two ranges", .invariant = "I1", .says = "[10, 12)", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 12, 20), COMMITTED(8)}}},
	{.name = "a hole at the start", .invariant = "I1", .says = "[0, 5)", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 2, 5, 20), COMMITTED(15)}}},
	{.name = "a position ahead of the ranges", .invariant = "I1", .says = "from 10 on", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}}},
	{.name = "a position without any range", .invariant = "I1", .says = "from 0 on", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}}},
	{.name = "a record that became nothing", .invariant = "I1", .says = "10 records became 9 rows", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), .state = KD_BATCH_COMMITTED, .records = 10, .rows = 9}}},
	{.name = "a position below the start", .invariant = "I1", .says = "below the start", .findings = 2,
	 .segments = {{SEGMENT(0, 10, 5, 5, 1)}}},
	{.name = "a count below zero", .invariant = "I1", .says = "below zero", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), .state = KD_BATCH_COMMITTED, .records = -1, .rows = -1}}},

	/* I2: doubles */
	{.name = "two ranges that overlap", .invariant = "I2", .says = "already", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 8, 20), COMMITTED(12)}}},
	{.name = "a range committed twice under two times", .invariant = "I2", .says = "already", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 0, 10), COMMITTED(10)}}},
	{.name = "a position behind the ranges", .invariant = "I2", .says = "land again", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 10, 20), COMMITTED(10)}}},
	{.name = "more rows than records", .invariant = "I2", .says = "became 11 rows", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), .state = KD_BATCH_COMMITTED, .records = 10, .rows = 11}}},
	{.name = "more records than offsets", .invariant = "I2", .says = "from a range of 10", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(11)}}},

	/* I3: order */
	{.name = "a range committed before the one in front of it", .invariant = "I6", .says = "passed it", .findings = 3,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), PLANNED}, {ROW(0, 2, 10, 20), COMMITTED(10)}}},
	{.name = "pruned beyond the position", .invariant = "I3", .says = "pruned up to 30", .findings = 2,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2), .log_from = 30, .pruned_batches = 1}}},
	{.name = "offsets pruned with no range", .invariant = "I3", .says = "10 offsets were pruned with 0", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2), .log_from = 10}},
	 .rows = {{ROW(0, 2, 10, 20), COMMITTED(10)}}},
	{.name = "more records pruned than offsets", .invariant = "I2", .says = "were pruned", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2), .log_from = 10, .pruned_batches = 1, .pruned_records = 11,
		.pruned_rows = 11}},
	 .rows = {{ROW(0, 2, 10, 20), COMMITTED(10)}}},

	/* I6: identifiers and plans */
	{.name = "one identifier twice", .invariant = "I6", .says = "times of a partition must increase", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 1, 10, 20), COMMITTED(10)}}},
	{.name = "a batch time that goes back", .invariant = "I6", .says = "must increase", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 5)}},
	 .rows = {{ROW(0, 5, 0, 10), COMMITTED(10)}, {ROW(0, 4, 10, 20), COMMITTED(10)}}},
	{.name = "a batch time after the partition's last", .invariant = "I6", .says = "after the partition's last one",
	 .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 1)}},
	 .rows = {{ROW(0, 2, 0, 10), COMMITTED(10)}}},
	{.name = "a withdrawn time used again", .invariant = "I6", .says = "withdrawn, and used again", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 5)}},
	 .rows = {{ROW(0, 5, 0, 20), COMMITTED(20)}, {ROW(0, 5, 10, 20), WITHDRAWN}}},
	{.name = "a withdrawn identifier that was committed", .invariant = "I6", .says = "withdrawn, and committed",
	 .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 5)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 5, 10, 20), WITHDRAWN, .committed_at_ms = 3}}},
	{.name = "a plan older than the chain", .invariant = "I6", .says = "never committed", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 9)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(20)}, {ROW(0, 2, 10, 15), PLANNED}}},
	{.name = "plans with a hole", .invariant = "I6", .says = "does not follow", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), PLANNED}, {ROW(0, 2, 12, 20), PLANNED}}},
	{.name = "planned beyond the plans", .invariant = "I6", .says = "end at 10", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), PLANNED}}},
	{.name = "a position beyond what was planned", .invariant = "I6", .says = "beyond what was planned", .findings = 2,
	 .segments = {{SEGMENT(0, 0, 10, 5, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}}},
	{.name = "an empty range", .invariant = "I6", .says = "empty range", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 10, 10, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(10)}, {ROW(0, 2, 10, 10), COMMITTED(0)}}},
	{.name = "a batch of no segment", .invariant = "I6", .says = "no segment", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 0, 2)}},
	 .rows = {{ROW(3, 1, 0, 10), COMMITTED(10)}}},
	{.name = "two open segments of one partition", .invariant = "I6", .says = "is open although", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 0, 0)}, {SEGMENT(1, 0, 0, 0, 0), .segment = 1}}},
	{.name = "one segment number twice", .invariant = "I6", .says = "is there twice", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 0, 0), .closed = true}, {SEGMENT(1, 0, 0, 0, 0)}}},
	{.name = "an uncommitted plan in a closed segment", .invariant = "I6", .says = "closed segment", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 10, 2), .closed = true}},
	 .rows = {{ROW(0, 1, 0, 10), PLANNED}}},

	/* I10: gaps */
	{.name = "a gap that its range does not count", .invariant = "I10", .says = "counts 0 offsets of gaps, 5",
	 .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(15)}},
	 .gaps = {{.partition_index = 0, .range = {3, 8}, .batch_time_ms = 1}}},
	{.name = "a counted gap that is not recorded", .invariant = "I10", .says = "counts 5 offsets of gaps, 0",
	 .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(15), .gap = 5}}},
	{.name = "a gap across two ranges", .invariant = "I10", .says = "is not a part", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 2)}},
	 .rows = {{ROW(0, 1, 0, 10), COMMITTED(5), .gap = 4}, {ROW(0, 2, 10, 20), COMMITTED(10)}},
	 .gaps = {{.partition_index = 0, .range = {8, 12}, .batch_time_ms = 1}}},
	{.name = "a gap of another batch", .invariant = "I10", .says = "is not a part", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(15), .gap = 5}},
	 .gaps = {{.partition_index = 0, .range = {3, 8}, .batch_time_ms = 7}}},
	{.name = "a gap ahead of the position", .invariant = "I10", .says = "in no committed range", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(20)}},
	 .gaps = {{.partition_index = 0, .range = {30, 40}, .batch_time_ms = 1}}},
	{.name = "two gaps that overlap", .invariant = "I10", .says = "overlaps", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 20, 20, 1)}},
	 .rows = {{ROW(0, 1, 0, 20), COMMITTED(5), .gap = 10}},
	 .gaps = {{.partition_index = 0, .range = {3, 8}, .batch_time_ms = 1},
		{.partition_index = 0, .range = {5, 10}, .batch_time_ms = 1}}},
	{.name = "a gap of no segment", .invariant = "I10", .says = "has no segment", .findings = 1,
	 .segments = {{SEGMENT(0, 0, 0, 0, 0)}},
	 .gaps = {{.partition_index = 4, .range = {3, 8}, .batch_time_ms = 1}}},
};

static void on_finding(void *opaque, const struct audit_finding *finding)
{
	struct seen *seen = opaque;

	if (seen->n++ == 0)
		seen->first = *finding;
}

static struct audit_check *judge(const struct ledger *ledger, struct seen *seen)
{
	struct audit_check *check = audit_check_new(on_finding, seen);

	cr_assert(check);
	if (ledger->may_split)
		audit_check_may_split(check);
	for (int i = 0; i < MOST && ledger->segments[i].topic; i++)
		cr_assert(audit_check_segment(check, &ledger->segments[i]));
	for (int i = 0; i < MOST && ledger->rows[i].batch_time_ms; i++)
		cr_assert(audit_check_note(check, &ledger->rows[i]));
	for (int i = 0; i < MOST && ledger->gaps[i].range.until; i++)
		cr_assert(audit_check_gap(check, &ledger->gaps[i]));
	audit_check_turn(check);
	for (int i = 0; i < MOST && ledger->rows[i].batch_time_ms; i++)
		audit_check_batch(check, &ledger->rows[i]);
	audit_check_end(check);
	return check;
}

Test(audit_check, finds_each_way_in_which_a_ledger_can_be_broken)
{
	for (size_t i = 0; i < sizeof ledgers / sizeof ledgers[0]; i++) {
		const struct ledger *ledger = &ledgers[i];
		struct seen seen = {0};
		struct audit_check *check = judge(ledger, &seen);

		cr_expect_eq(seen.n, ledger->findings, "%s: %d findings, first: %s", ledger->name, seen.n, seen.first.text);
		cr_expect_eq(audit_check_findings(check), seen.n, "%s", ledger->name);
		if (ledger->invariant && seen.n) {
			cr_expect_str_eq(seen.first.invariant, ledger->invariant, "%s: %s", ledger->name, seen.first.text);
			cr_expect(strstr(seen.first.text, ledger->says), "%s: says \"%s\"", ledger->name, seen.first.text);
		}
		audit_check_free(check);
	}
}

Test(audit_check, adds_up_what_is_there_and_what_was_pruned)
{
	const struct ledger ledger = {
		.segments = {{SEGMENT(0, 0, 40, 50, 4), .log_from = 10, .pruned_batches = 3, .pruned_records = 9,
			.pruned_rows = 8, .pruned_dropped = 1}},
		.rows = {{ROW(0, 2, 10, 20), COMMITTED(10)},
			{ROW(0, 3, 20, 40), .state = KD_BATCH_COMMITTED, .records = 15, .rows = 14, .dropped = 1, .gap = 2},
			{ROW(0, 4, 40, 50), PLANNED}},
		.gaps = {{.partition_index = 0, .range = {21, 23}, .batch_time_ms = 3}},
	};
	struct seen seen = {0};
	struct audit_check *check = judge(&ledger, &seen);
	const struct audit_sums *sums = audit_check_sums(check, 0);

	cr_expect_eq(seen.n, 0, "%s", seen.first.text);
	cr_expect_eq(sums->ranges, 5);
	cr_expect_eq(sums->records, 34);
	cr_expect_eq(sums->rows, 32);
	cr_expect_eq(sums->dropped, 2);
	cr_expect_eq(sums->gap, 2);
	cr_expect_eq(sums->planned, 1);
	audit_check_free(check);
}
