/* SPDX-License-Identifier: Apache-2.0 */
/* audit_ranges: see audit_ranges.h. */
#include "audit_ranges.h"

#include <stdlib.h>

bool audit_ranges_add(struct audit_ranges *ranges, kd_range range, int64_t rows)
{
	if (ranges->n == ranges->capacity) {
		size_t capacity = ranges->capacity ? 2 * ranges->capacity : 64;
		struct audit_range *items = realloc(ranges->items, capacity * sizeof *items);

		if (!items)
			return false;
		ranges->items = items;
		ranges->capacity = capacity;
	}
	ranges->items[ranges->n++] = (struct audit_range){.range = range, .rows = rows};
	return true;
}

void audit_ranges_row(struct audit_ranges *ranges, int64_t offset)
{
	while (ranges->at < ranges->n && ranges->items[ranges->at].range.until <= offset)
		ranges->at++;
	if (ranges->at < ranges->n && ranges->items[ranges->at].range.from <= offset)
		ranges->items[ranges->at].found++;
}

const struct audit_range *audit_ranges_judge(const struct audit_ranges *ranges, bool at_most, size_t *ret_wrong)
{
	const struct audit_range *first = NULL;

	*ret_wrong = 0;
	for (size_t i = 0; i < ranges->n; i++) {
		const struct audit_range *range = &ranges->items[i];

		if (range->found == range->rows || (at_most && range->found < range->rows))
			continue;
		(*ret_wrong)++;
		first = first ? first : range;
	}
	return first;
}

void audit_ranges_done(struct audit_ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct audit_ranges){0};
}
