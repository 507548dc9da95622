/* SPDX-License-Identifier: Apache-2.0 */
/* audit_ranges: compares how many rows each committed range of a segment has in the table with what the ledger counted,
 * for jobs whose transform makes several rows of a record: then an offset may be there more than once.  Pure.
 *
 * Order of calls: audit_ranges_add for each committed range, in order; audit_ranges_row for each row of the table, by
 * offset; audit_ranges_judge. */
#ifndef TOOLS_AUDIT_RANGES_H
#define TOOLS_AUDIT_RANGES_H

#include <stdbool.h>
#include <stddef.h>

#include <kdirect/types.h>

struct audit_range {
	kd_range range;
	int64_t rows;  /* the ledger's */
	int64_t found; /* the table's */
};

struct audit_ranges {
	struct audit_range *items;
	size_t n, capacity;
	size_t at; /* the range that the last row was in, or the next one */
};

/* False without memory. */
bool audit_ranges_add(struct audit_ranges *ranges, kd_range range, int64_t rows);
void audit_ranges_row(struct audit_ranges *ranges, int64_t offset);
/* The first range whose rows are not what the ledger counted; NULL: there is none.  at_most: fewer are right too, since
 * a job writes to other tables as well. */
const struct audit_range *audit_ranges_judge(const struct audit_ranges *ranges, bool at_most, size_t *ret_wrong);
void audit_ranges_done(struct audit_ranges *ranges);

#endif
