/* SPDX-License-Identifier: Apache-2.0 */
/* When is a range complete, although the log has holes?  (I1, I2, I5) */
#include <criterion/criterion.h>

#include "range.h"

static kd_range_tracker begun(int64_t from, int64_t until)
{
	kd_range_tracker tracker = {0};
	kd_range_assign(&tracker, from);
	cr_assert(kd_range_begin(&tracker, (kd_range) {from, until}));
	return tracker;
}

static bool nothing_kept(kd_range_tracker *tracker)
{
	return kd_range_complete(tracker, -1);
}

Test(range, delivers_each_offset_of_the_range_once_and_in_order)
{
	kd_range_tracker tracker = begun(10, 13);
	for (int64_t offset = 10; offset < 13; offset++) {
		cr_assert_not(nothing_kept(&tracker));
		cr_assert_eq(kd_range_offer(&tracker, offset), KD_RANGE_DELIVER);
	}
	cr_assert(nothing_kept(&tracker));
	cr_assert_eq(tracker.extras, 0);
}

Test(range, drops_and_counts_what_was_handed_out_or_lies_below)
{
	kd_range_tracker tracker = begun(10, 20);
	cr_assert_eq(kd_range_offer(&tracker, 9), KD_RANGE_EXTRA);
	cr_assert_eq(kd_range_offer(&tracker, 12), KD_RANGE_DELIVER);
	cr_assert_eq(kd_range_offer(&tracker, 12), KD_RANGE_EXTRA);
	cr_assert_eq(kd_range_offer(&tracker, 11), KD_RANGE_EXTRA);
	cr_assert_eq(kd_range_offer(&tracker, 13), KD_RANGE_DELIVER);
	cr_assert_eq(tracker.extras, 3);
}

Test(range, ends_with_a_record_behind_it_that_stays_for_the_next)
{
	kd_range_tracker tracker = begun(0, 100);
	cr_assert_eq(kd_range_offer(&tracker, 50), KD_RANGE_DELIVER);
	cr_assert_eq(kd_range_offer(&tracker, 140), KD_RANGE_LATER);
	cr_assert(kd_range_complete(&tracker, 140));
	cr_assert(kd_range_begin(&tracker, (kd_range) {100, 200}));
	cr_assert_eq(kd_range_offer(&tracker, 140), KD_RANGE_DELIVER);
}

Test(range, of_nothing_but_holes_ends_by_a_record_behind_it)
{
	kd_range_tracker tracker = begun(0, 100);
	cr_assert_eq(kd_range_offer(&tracker, 350), KD_RANGE_LATER);
	cr_assert(kd_range_complete(&tracker, 350));
	cr_assert(kd_range_begin(&tracker, (kd_range) {100, 300}));
	cr_assert(kd_range_complete(&tracker, 350));
	cr_assert(kd_range_begin(&tracker, (kd_range) {300, 400}));
	cr_assert_not(kd_range_complete(&tracker, 350));
}

Test(range, ends_by_the_end_of_the_partition_behind_markers)
{
	kd_range_tracker tracker = begun(0, 6);
	for (int64_t offset = 0; offset < 5; offset++)
		kd_range_offer(&tracker, offset);
	cr_assert_not(nothing_kept(&tracker), "a marker at 5 may still be a record");
	kd_range_advance(&tracker, 6);
	cr_assert(nothing_kept(&tracker));
}

Test(range, remembers_an_end_of_the_partition_beyond_it_because_it_is_told_once)
{
	kd_range_tracker tracker = begun(0, 5);
	kd_range_advance(&tracker, 20);
	cr_assert(nothing_kept(&tracker));
	cr_assert(kd_range_begin(&tracker, (kd_range) {5, 20}));
	cr_assert(nothing_kept(&tracker));
	cr_assert(kd_range_begin(&tracker, (kd_range) {20, 21}));
	cr_assert_not(nothing_kept(&tracker));
}

Test(range, is_not_complete_while_a_record_of_it_is_kept_although_the_position_ran_ahead)
{
	kd_range_tracker tracker = begun(0, 10);
	kd_range_offer(&tracker, 0);
	kd_range_advance(&tracker, 50);
	cr_assert_not(kd_range_complete(&tracker, 3));
	cr_assert_eq(kd_range_offer(&tracker, 3), KD_RANGE_DELIVER);
	cr_assert(nothing_kept(&tracker));
}

Test(range, an_invalid_position_changes_nothing)
{
	kd_range_tracker tracker = begun(100, 110);
	kd_range_advance(&tracker, -1001);
	kd_range_advance(&tracker, 3);
	cr_assert_eq(tracker.next, 100);
}

Test(range, that_is_empty_is_complete_at_once)
{
	kd_range_tracker tracker = begun(7, 7);
	cr_assert(nothing_kept(&tracker));
}

Test(range, that_does_not_follow_on_the_last_wants_an_assignment)
{
	kd_range_tracker tracker = begun(10, 20);
	kd_range_offer(&tracker, 10);
	kd_range_offer(&tracker, 11);
	cr_assert_not(kd_range_begin(&tracker, (kd_range) {10, 20}), "read again");
	cr_assert_not(kd_range_begin(&tracker, (kd_range) {20, 30}), "given up before its end");
	kd_range_assign(&tracker, 5);
	cr_assert(kd_range_begin(&tracker, (kd_range) {5, 20}));
	cr_assert_eq(kd_range_offer(&tracker, 5), KD_RANGE_DELIVER);
	kd_range_advance(&tracker, 90);
	cr_assert(nothing_kept(&tracker));
	cr_assert(kd_range_begin(&tracker, (kd_range) {20, 30}), "its end was reached");
	kd_range_assign(&tracker, 0);
	cr_assert_eq(tracker.next, 0, "an assignment forgets what was known of the log");
}
