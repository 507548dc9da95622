// SPDX-License-Identifier: Apache-2.0
// The planner: which ranges the next batch covers.  Invariants I3 and I6 where they are decided.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../lib/planner.h"

static const kd_planner_limits NO_LIMITS = {KD_UNLIMITED, KD_UNLIMITED, KD_UNLIMITED, KD_UNLIMITED};

static kd_planner_partition part(int64_t from, int64_t end)
{
	return (kd_planner_partition) {.from = from, .end = end, .high = end};
}

Test(planner, I3_each_range_begins_where_the_last_plan_ended)
{
	kd_planner_partition p[] = {part(5, 9), part(0, 3)};
	cr_assert_eq(kd_planner_plan(p, 2, &NO_LIMITS, 0), 7);
	cr_assert_eq(p[0].until, 9);
	cr_assert_eq(p[1].until, 3);
	cr_assert_eq(p[0].cap, KD_CAP_NONE);
}

Test(planner, I6_never_plans_past_the_last_stable_offset)
{
	kd_planner_partition p[] = {{.from = 5, .end = 7, .high = 100}};
	cr_assert_eq(kd_planner_plan(p, 1, &NO_LIMITS, 0), 2);
	cr_assert_eq(p[0].until, 7);
	cr_assert_eq(p[0].cap, KD_CAP_OPEN_TXN);
}

Test(planner, plans_nothing_where_the_end_is_unknown_or_below_the_position)
{
	kd_planner_partition p[] = {part(5, -1), part(5, 4), part(5, 5)};
	cr_assert_eq(kd_planner_plan(p, 3, &NO_LIMITS, 0), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(p[i].until, 5, "row %d", i);
}

Test(planner, leaves_out_a_partition_that_has_enough_planned)
{
	kd_planner_partition p[] = {part(0, 10), part(0, 10)};
	p[0].full = true;
	cr_assert_eq(kd_planner_plan(p, 2, &NO_LIMITS, 0), 10);
	cr_assert_eq(p[0].until, 0);
}

Test(planner, the_rate_limit_holds_per_partition_and_says_so)
{
	kd_planner_partition p[] = {part(0, 1000), part(0, 3)};
	kd_planner_limits limits = NO_LIMITS;
	limits.records_per_partition = 10;
	cr_assert_eq(kd_planner_plan(p, 2, &limits, 0), 13);
	cr_assert_eq(p[0].cap, KD_CAP_RATE);
	cr_assert_eq(p[1].cap, KD_CAP_NONE);
}

Test(planner, a_rate_is_whole_records_of_the_interval_and_never_none)
{
	static const struct { int64_t rate, interval_ms, records; } rows[] = {
		{1000, 1000, 1000}, {1000, 100, 100}, {1, 1000, 1}, {1, 10, 1}, {3, 500, 1},
		{KD_UNLIMITED, 1000, KD_UNLIMITED}, {INT64_MAX, 3600000, INT64_MAX}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(kd_planner_rate_records(rows[i].rate, rows[i].interval_ms), rows[i].records, "row %zu", i);
}

Test(planner, a_limited_partition_does_not_make_its_unlimited_neighbour_wait)
{
	/* In Spark "0 = unlimited" becomes one message a batch beside a limited partition. */
	kd_planner_partition p[] = {part(0, 1000000), part(0, 50)};
	kd_planner_limits limits = NO_LIMITS;
	limits.records = 1000;
	cr_assert_eq(kd_planner_plan(p, 2, &limits, 0), 1000);
	cr_assert_eq(p[1].until, 50, "the quiet partition is taken whole");
	cr_assert_eq(p[0].until, 950);
	cr_assert_eq(p[0].cap, KD_CAP_RECORDS);
}

Test(planner, over_successive_batches_every_partition_with_news_advances)
{
	enum { N = 7 };
	kd_planner_partition p[N];
	int64_t position[N] = {0};
	for (size_t turn = 0; turn < N; turn++) {
		for (int i = 0; i < N; i++)
			p[i] = part(position[i], 100);
		kd_planner_limits limits = NO_LIMITS;
		limits.records = 3; /* fewer than partitions */
		cr_assert_eq(kd_planner_plan(p, N, &limits, turn), 3);
		for (int i = 0; i < N; i++)
			position[i] = p[i].until;
	}
	for (int i = 0; i < N; i++)
		cr_assert_gt(position[i], 0, "partition %d never advanced", i);
}

Test(planner, ranges_stay_within_every_limit_whatever_the_input)
{
	unsigned seed = 20261122;
	for (int round = 0; round < 20000; round++) {
		enum { MOST = 9 };
		kd_planner_partition p[MOST];
		size_t n = 1 + (size_t) rand_r(&seed) % MOST;
		for (size_t i = 0; i < n; i++) {
			p[i] = part(rand_r(&seed) % 1000, rand_r(&seed) % 2000 - 1);
			p[i].full = rand_r(&seed) % 5 == 0;
		}
		kd_planner_limits limits = {
			rand_r(&seed) % 2 ? KD_UNLIMITED : 1 + rand_r(&seed) % 300,
			rand_r(&seed) % 2 ? KD_UNLIMITED : 1 + rand_r(&seed) % 900,
			rand_r(&seed) % 2 ? KD_UNLIMITED : 1 + rand_r(&seed) % 900,
			rand_r(&seed) % 2 ? KD_UNLIMITED : 1 + rand_r(&seed) % 900};
		int64_t total = kd_planner_plan(p, n, &limits, (size_t) round), sum = 0, wanted = 0;
		for (size_t i = 0; i < n; i++) {
			int64_t records = p[i].until - p[i].from;
			cr_assert(records >= 0 && (records == 0 || p[i].until <= p[i].end), "round %d", round);
			cr_assert(!p[i].full || records == 0, "round %d", round);
			cr_assert(limits.records_per_partition < 0 || records <= limits.records_per_partition, "round %d", round);
			sum += records;
			wanted += !p[i].full && p[i].end > p[i].from ? p[i].end - p[i].from : 0;
		}
		cr_assert_eq(sum, total, "round %d", round);
		cr_assert(limits.records < 0 || sum <= limits.records, "round %d", round);
		cr_assert(limits.backpressure < 0 || sum <= limits.backpressure, "round %d", round);
		cr_assert(limits.memory_records < 0 || sum <= limits.memory_records, "round %d", round);
		cr_assert(wanted == 0 || sum > 0, "round %d: news, but nothing planned", round);
	}
}
