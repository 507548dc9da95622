// SPDX-License-Identifier: Apache-2.0
// Rates: the back-pressure estimator, and how records are shared out.
#include <criterion/criterion.h>

#include "../../lib/rate.h"

Test(rate, knows_nothing_before_the_first_batch_with_records)
{
	kd_rate rate = {0};
	cr_assert_lt(kd_rate_update(&rate, 1000, 0, 100, 0, 1000), 0);
	cr_assert_lt(kd_rate_update(&rate, 1000, 10, 0, 0, 1000), 0);
	cr_assert_float_eq(kd_rate_update(&rate, 1000, 500, 1000, 0, 1000), 500, 1e-9);
}

Test(rate, follows_what_the_sink_can_take_and_works_off_delay)
{
	kd_rate rate = {0};
	kd_rate_update(&rate, 1000, 1000, 1000, 0, 1000);
	cr_assert_float_eq(kd_rate_update(&rate, 2000, 2000, 1000, 0, 1000), 2000, 1e-9, "proportional part: error -1000");
	cr_assert_float_eq(kd_rate_update(&rate, 3000, 2000, 1000, 500, 1000), 1800, 1e-9,
		"half an interval of delay at 2000/s is 1000 records, a fifth of them off");
}

Test(rate, never_throttles_below_its_floor_and_ignores_an_older_sample)
{
	kd_rate rate = {0};
	kd_rate_update(&rate, 1000, 1000, 1000, 0, 1000);
	cr_assert_float_eq(kd_rate_update(&rate, 2000, 1, 60000, 0, 1000), KD_RATE_MIN, 1e-9);
	cr_assert_float_eq(kd_rate_update(&rate, 2000, 9999, 1000, 0, 1000), KD_RATE_MIN, 1e-9);
}

Test(rate, splits_by_lag_in_whole_records_and_hands_out_the_rest_in_turn)
{
	int64_t lags[] = {100, 200, 700}, shares[3];
	kd_rate_split(10, lags, 3, 0, shares);
	cr_assert(shares[0] == 1 && shares[1] == 2 && shares[2] == 7);
	kd_rate_split(2, (int64_t[]) {5, 5, 5}, 3, 2, shares);
	cr_assert(shares[0] == 1 && shares[1] == 0 && shares[2] == 1, "the rest goes from partition 2 on");
	kd_rate_split(5000, lags, 3, 0, shares);
	cr_assert(shares[0] == 100 && shares[1] == 200 && shares[2] == 700, "never more than the lag");
}

Test(rate, a_split_of_nothing_and_of_huge_lags_is_exact)
{
	int64_t lags[] = {INT64_MAX / 2, INT64_MAX / 2, 0}, shares[3];
	kd_rate_split(1000, lags, 3, 0, shares);
	cr_assert(shares[0] == 500 && shares[1] == 500 && shares[2] == 0);
	kd_rate_split(1000, (int64_t[]) {0, 0, 0}, 3, 0, shares);
	cr_assert(shares[0] == 0 && shares[1] == 0 && shares[2] == 0);
}

Test(rate, levels_the_large_and_takes_the_small_whole)
{
	int64_t shares[4];
	kd_rate_level(100, (int64_t[]) {1000, 10, 1000, 1}, 4, 0, shares);
	cr_assert_eq(shares[1], 10);
	cr_assert_eq(shares[3], 1);
	cr_assert_eq(shares[0] + shares[2], 89);
	cr_assert(shares[0] - shares[2] <= 1 && shares[2] - shares[0] <= 1);
}
