// SPDX-License-Identifier: Apache-2.0
// Recovery: what is replayed after take-over, and what stops the job.
#include <criterion/criterion.h>
#include <string.h>

#include "../../lib/recover.h"

static kd_batch_row plan(int32_t index, int64_t time, int64_t from, int64_t until)
{
	return (kd_batch_row) {.partition_index = index, .batch_time_ms = time, .range = {from, until},
		.state = KD_BATCH_PLANNED};
}

Test(recover, replays_what_chains_from_committed_to_planned_in_order)
{
	kd_segment segments[] = {
		{.partition_index = 0, .topic = "t", .committed_until = 10, .planned_until = 30, .last_batch_time_ms = 200,
			.newest_state = KD_BATCH_PLANNED, .newest_range = {20, 30}},
		{.partition_index = 1, .topic = "t", .committed_until = 5, .planned_until = 5, .last_batch_time_ms = 100,
			.newest_state = KD_BATCH_COMMITTED, .newest_range = {0, 5}},
		{.partition_index = 2, .topic = "t", .committed_until = 0, .planned_until = 8, .last_batch_time_ms = 100,
			.newest_state = KD_BATCH_PLANNED, .newest_range = {0, 8}}};
	kd_batch_row plans[] = {plan(2, 100, 0, 8), plan(0, 200, 20, 30), plan(0, 100, 10, 20)};
	kd_ledger_image image = {.segments = segments, .n_segments = 3, .plans = plans, .n_plans = 3};
	kd_error err = {0};
	cr_assert_eq(kd_recover_check(&image, &err), KD_OK, "%s", err.message);
	size_t n;
	const kd_batch_row *rows = kd_recover_plans(&image, 0, &n);
	cr_assert_eq(n, 2);
	cr_assert(rows[0].range.from == 10 && rows[1].range.from == 20);
	kd_recover_plans(&image, 1, &n);
	cr_assert_eq(n, 0);
	rows = kd_recover_plans(&image, 2, &n);
	cr_assert(n == 1 && rows[0].range.until == 8);
}

Test(recover, I3_stops_at_every_ledger_that_does_not_tile)
{
	static const struct { const char *what; int64_t committed, planned, last; size_t n; kd_batch_row plans[2]; } rows[] = {
		{"a hole", 10, 30, 200, 1, {{.batch_time_ms = 200, .range = {20, 30}}}},
		{"an overlap", 10, 30, 200, 2, {{.batch_time_ms = 100, .range = {10, 20}}, {.batch_time_ms = 200, .range = {15, 30}}}},
		{"two plans of one range", 10, 20, 200, 2, {{.batch_time_ms = 100, .range = {10, 20}}, {.batch_time_ms = 200, .range = {10, 20}}}},
		{"a phantom plan below the position", 10, 10, 200, 1, {{.batch_time_ms = 100, .range = {5, 10}}}},
		{"planned further than the rows", 10, 40, 200, 1, {{.batch_time_ms = 100, .range = {10, 20}}}},
		{"rows further than planned", 10, 10, 200, 1, {{.batch_time_ms = 100, .range = {10, 20}}}},
		{"an empty range", 10, 10, 200, 1, {{.batch_time_ms = 100, .range = {10, 10}}}},
		{"batch times that do not grow", 10, 30, 200, 2, {{.batch_time_ms = 200, .range = {10, 20}}, {.batch_time_ms = 150, .range = {20, 30}}}},
		{"a batch time above the last", 10, 20, 200, 1, {{.batch_time_ms = 201, .range = {10, 20}}}},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_segment s = {.topic = "t", .committed_until = rows[i].committed, .planned_until = rows[i].planned,
			.last_batch_time_ms = rows[i].last, .newest_state = KD_BATCH_PLANNED};
		kd_batch_row plans[2] = {rows[i].plans[0], rows[i].plans[1]};
		kd_ledger_image image = {.segments = &s, .n_segments = 1, .plans = plans, .n_plans = rows[i].n};
		kd_error err = {0};
		cr_expect_eq(kd_recover_check(&image, &err), KD_ELEDGER, "%s", rows[i].what);
		cr_expect(strstr(err.message, "run `audit`"), "%s: %s", rows[i].what, err.message);
	}
}

/* F12: a segment that started at 5, and what is wrong with it; says NULL: nothing is. */
static const struct newest { const char *what; int64_t committed, planned, last; kd_batch_state state; kd_range range;
	kd_segment more; const char *says; } newest[] = {
	{"nothing was planned yet", 5, 5, 0, KD_BATCH_ABSENT, {0, 0}, {0}, NULL},
	{"both were moved before the first batch", 25, 25, 0, KD_BATCH_ABSENT, {0, 0}, {0}, "but starts at 5 and never had a batch"},
	{"both were moved back before the first batch", 0, 0, 0, KD_BATCH_ABSENT, {0, 0}, {0}, "but starts at 5 and never had"},
	{"only planned was moved before the first batch", 5, 9, 0, KD_BATCH_ABSENT, {0, 0}, {0}, "planned until 9, but starts at 5"},
	{"the newest is committed", 30, 30, 200, KD_BATCH_COMMITTED, {20, 30}, {0}, NULL},
	{"both were moved forward", 50, 50, 200, KD_BATCH_COMMITTED, {20, 30}, {0}, "batch 200 is committed until 30"},
	{"both were moved back", 20, 20, 200, KD_BATCH_COMMITTED, {20, 30}, {0}, "committed until 20 and planned until 20"},
	{"committed was moved back", 20, 30, 200, KD_BATCH_COMMITTED, {20, 30}, {0}, "batch 200 is committed until 30"},
	{"planned was moved forward", 30, 40, 200, KD_BATCH_COMMITTED, {20, 30}, {0}, "batch 200 is committed until 30"},
	{"the newest is gone", 30, 30, 200, KD_BATCH_ABSENT, {0, 0}, {0}, "had its newest batch at 200, which is not in the ledger"},
	{"the newest is gone and all is back at the start", 5, 5, 200, KD_BATCH_ABSENT, {0, 0}, {0}, "had its newest batch at 200"},
	{"a partition's next life", 5, 5, 200, KD_BATCH_ABSENT, {0, 0}, {.segment = 1}, NULL},
	{"a next life that was moved", 7, 7, 200, KD_BATCH_ABSENT, {0, 0}, {.segment = 1}, "had its newest batch at 200"},
	{"a next life that had commits", 5, 5, 200, KD_BATCH_ABSENT, {0, 0}, {.segment = 1, .committed_at_ms = 1}, "is not in the"},
	{"the newest was withdrawn", 30, 30, 200, KD_BATCH_WITHDRAWN, {30, 40}, {0}, NULL},
	{"the newest was withdrawn, and one before it", 20, 20, 200, KD_BATCH_WITHDRAWN, {30, 40}, {0}, NULL},
	{"moved beyond the newest, which was withdrawn", 40, 40, 200, KD_BATCH_WITHDRAWN, {30, 40}, {0}, "was withdrawn and began at 30"},
};

/* F12, I1, I2, I10: they tile with each other, but not with the newest identifier. */
Test(recover, I10_stops_at_positions_that_do_not_fit_the_newest_identifier)
{
	for (size_t i = 0; i < sizeof newest / sizeof *newest; i++) {
		const struct newest *row = &newest[i];
		kd_segment s = row->more;
		s.topic = "t";
		s.partition_index = 3;
		s.start_offset = 5;
		s.committed_until = row->committed;
		s.planned_until = row->planned;
		s.last_batch_time_ms = row->last;
		s.newest_state = row->state;
		s.newest_range = row->range;
		kd_ledger_image image = {.segments = &s, .n_segments = 1};
		kd_error err = {0};
		cr_expect_eq(kd_recover_check(&image, &err), row->says ? KD_ELEDGER : KD_OK, "%s: %s", row->what, err.message);
		cr_expect(!row->says || strstr(err.message, row->says), "%s: %s", row->what, err.message);
		cr_expect(!row->says || strstr(err.message, "t/0 (partition index 3)"), "%s: %s", row->what, err.message);
	}
}

Test(recover, does_not_judge_closed_segments)
{
	kd_segment s = {.topic = "t", .closed = true, .committed_until = 10, .planned_until = 30};
	kd_ledger_image image = {.segments = &s, .n_segments = 1};
	kd_error err = {0};
	cr_assert_eq(kd_recover_check(&image, &err), KD_OK);
}

Test(recover, withdraws_newest_first_from_the_first_plan_that_is_too_large)
{
	kd_batch_row plans[] = {plan(0, 1, 0, 10), plan(0, 2, 10, 110), plan(0, 3, 110, 120)};
	cr_assert_eq(kd_recover_withdraw(plans, 3, 1000), 0);
	cr_assert_eq(kd_recover_withdraw(plans, 3, 50), 2);
	cr_assert_eq(kd_recover_withdraw(plans, 3, 5), 3);
	cr_assert_eq(kd_recover_withdraw(plans, 3, KD_UNLIMITED), 0);
}
