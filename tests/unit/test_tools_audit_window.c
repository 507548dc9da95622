/* SPDX-License-Identifier: Apache-2.0 */
/* The deep audit's comparison of table and Kafka: what is missing, double, given up, or no longer in Kafka. */
#include <criterion/criterion.h>

#include "tools/audit_window.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct audit_window_sums compare(const int64_t *table, size_t n_table, const int64_t *kafka, size_t n_kafka,
	const kd_range *gaps, size_t n_gaps, const kd_range *others, size_t n_others)
{
	static unsigned char counts[WINDOW_OFFSETS];
	struct audit_window window = {.counts = counts, .gaps = gaps, .n_gaps = n_gaps, .others = others,
		.n_others = n_others};

	audit_window_open(&window, 100, 200);
	for (size_t i = 0; i < n_table; i++)
		audit_window_table(&window, table[i]);
	for (size_t i = 0; i < n_kafka; i++)
		audit_window_kafka(&window, kafka[i]);
	audit_window_close(&window);
	return window.sums;
}

Test(audit_window, equal_sides_have_no_finding)
{
	static const int64_t offsets[] = {100, 101, 150, 199};
	struct audit_window_sums sums = compare(offsets, 4, offsets, 4, NULL, 0, NULL, 0);

	cr_expect_eq(sums.both, 4);
	cr_expect_eq(sums.missing + sums.doubled + sums.gone + sums.in_gaps, 0);
}

Test(audit_window, tells_missing_double_and_gone_apart)
{
	static const int64_t table[] = {100, 101, 101, 101, 150}, kafka[] = {100, 101, 102, 199};
	struct audit_window_sums sums = compare(table, COUNT(table), kafka, COUNT(kafka), NULL, 0, NULL, 0);

	cr_expect_eq(sums.both, 2);
	cr_expect_eq(sums.missing, 2);
	cr_expect_eq(sums.missing_examples[0], 102);
	cr_expect_eq(sums.missing_examples[1], 199);
	cr_expect_eq(sums.doubled, 2);
	cr_expect_eq(sums.doubled_examples[0], 101);
	cr_expect_eq(sums.gone, 1);
}

Test(audit_window, what_was_given_up_is_not_missing_and_must_not_be_there)
{
	static const int64_t table[] = {100, 111}, kafka[] = {100, 110, 111, 112, 120};
	static const kd_range gaps[] = {{110, 113}, {120, 130}};
	struct audit_window_sums sums = compare(table, COUNT(table), kafka, COUNT(kafka), gaps, 2, NULL, 0);

	cr_expect_eq(sums.missing, 0);
	cr_expect_eq(sums.in_gaps, 4);
	cr_expect_eq(sums.from_gap, 1);
}

Test(audit_window, an_offset_may_be_there_once_for_each_segment_that_covered_it)
{
	static const int64_t table[] = {100, 100, 120, 120, 130, 130, 130}, kafka[] = {100, 120, 130};
	static const kd_range others[] = {{110, 140}};
	struct audit_window_sums sums = compare(table, COUNT(table), kafka, COUNT(kafka), NULL, 0, others, 1);

	cr_expect_eq(sums.doubled, 2);
	cr_expect_eq(sums.alike, 2);
	cr_expect_eq(sums.doubled_examples[0], 100);
	cr_expect_eq(sums.doubled_examples[1], 130);
}

Test(audit_window, keeps_a_bounded_number_of_examples)
{
	int64_t kafka[50];
	struct audit_window_sums sums;

	for (int i = 0; i < 50; i++)
		kafka[i] = 100 + i;
	sums = compare(NULL, 0, kafka, 50, NULL, 0, NULL, 0);
	cr_expect_eq(sums.missing, 50);
	cr_expect_eq(sums.n_missing_examples, (size_t) WINDOW_EXAMPLES);
}

Test(audit_window, ignores_what_lies_outside)
{
	static const int64_t outside[] = {0, 99, 200, 1000};
	struct audit_window_sums sums = compare(outside, 4, outside, 4, NULL, 0, NULL, 0);

	cr_expect_eq(sums.rows + sums.kafka + sums.missing, 0);
}
