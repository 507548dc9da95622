/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of each range in a table, against the ledger's counts. */
#include <criterion/criterion.h>

#include "tools/audit_ranges.h"

enum { MOST = 6 };

static const struct {
	const char *name;
	bool at_most;
	struct audit_range ranges[MOST]; /* found is not read */
	int64_t offsets[MOST + 4];       /* ascending, from 1 */
	size_t wrong;
	int64_t first_from; /* of the first wrong range */
} cases[] = {
	{.name = "nothing"},
	{.name = "several rows of a record", .ranges = {{{1, 5}, 4, 0}, {{5, 9}, 1, 0}}, .offsets = {1, 1, 3, 4, 8}},
	{.name = "a range whose records were all dropped", .ranges = {{{1, 5}, 0, 0}, {{5, 9}, 1, 0}}, .offsets = {6}},
	{.name = "a row too many", .ranges = {{{1, 5}, 2, 0}, {{5, 9}, 1, 0}}, .offsets = {1, 1, 3, 6}, .wrong = 1,
	 .first_from = 1},
	{.name = "a row too few", .ranges = {{{1, 5}, 2, 0}, {{5, 9}, 3, 0}}, .offsets = {1, 1, 6, 6}, .wrong = 1,
	 .first_from = 5},
	{.name = "no row at all", .ranges = {{{1, 5}, 2, 0}, {{5, 9}, 3, 0}}, .wrong = 2, .first_from = 1},
	{.name = "fewer, where rows go to other tables too", .at_most = true, .ranges = {{{1, 5}, 2, 0}, {{5, 9}, 3, 0}},
	 .offsets = {1, 6}},
	{.name = "more, where rows go to other tables too", .at_most = true, .ranges = {{{1, 5}, 2, 0}, {{5, 9}, 1, 0}},
	 .offsets = {1, 6, 6}, .wrong = 1, .first_from = 5},
	{.name = "rows of offsets that no range holds", .ranges = {{{3, 5}, 1, 0}, {{7, 9}, 1, 0}},
	 .offsets = {1, 2, 3, 5, 6, 8, 9, 20}},
};

Test(tools_audit_ranges, are_right_when_each_has_the_rows_that_the_ledger_counted)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct audit_ranges ranges = {0};
		size_t wrong;

		for (size_t k = 0; k < MOST && cases[i].ranges[k].range.until; k++)
			cr_assert(audit_ranges_add(&ranges, cases[i].ranges[k].range, cases[i].ranges[k].rows));
		for (size_t k = 0; k < MOST + 4 && cases[i].offsets[k]; k++)
			audit_ranges_row(&ranges, cases[i].offsets[k]);
		const struct audit_range *first = audit_ranges_judge(&ranges, cases[i].at_most, &wrong);
		cr_expect_eq(wrong, cases[i].wrong, "%s: %zu", cases[i].name, wrong);
		cr_expect_eq(first ? first->range.from : 0, cases[i].first_from, "%s", cases[i].name);
		audit_ranges_done(&ranges);
	}
}
