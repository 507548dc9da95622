// SPDX-License-Identifier: Apache-2.0
// planner: pure: the next batch's offset ranges.  See planner.h for what it promises.
#include "planner.h"

#include <stdlib.h>

#include "rate.h"

const char *kd_cap_name(kd_cap cap)
{
	switch (cap) {
	case KD_CAP_NONE: return "none";
	case KD_CAP_RATE: return "max_rate_per_partition";
	case KD_CAP_BACKPRESSURE: return "backpressure";
	case KD_CAP_RECORDS: return "max_records_per_batch";
	case KD_CAP_MEMORY: return "memory_mb";
	case KD_CAP_OPEN_TXN: return "open transaction";
	}
	return "?";
}

int64_t kd_planner_rate_records(int64_t records_per_second, int64_t interval_ms)
{
	if (records_per_second == KD_UNLIMITED)
		return KD_UNLIMITED;
	__extension__ __int128 records = (__int128) records_per_second * interval_ms / 1000;
	return records < 1 ? 1 : records > INT64_MAX ? INT64_MAX : (int64_t) records;
}

/* Lowers each wish to its share, and remembers why. */
static void cap_to(kd_planner_partition *partitions, int64_t *wishes, const int64_t *shares, size_t n, kd_cap cap)
{
	for (size_t i = 0; i < n; i++)
		if (shares[i] < wishes[i]) {
			wishes[i] = shares[i];
			partitions[i].cap = cap;
		}
}

static void wish(kd_planner_partition *p, int64_t per_partition, int64_t *ret_wish)
{
	int64_t lag = p->end > p->from && !p->full ? p->end - p->from : 0;
	p->cap = p->end >= 0 && p->high > p->end ? KD_CAP_OPEN_TXN : KD_CAP_NONE;
	if (per_partition != KD_UNLIMITED && lag > per_partition) {
		lag = per_partition;
		p->cap = KD_CAP_RATE;
	}
	*ret_wish = lag;
}

int64_t kd_planner_plan(kd_planner_partition *partitions, size_t n, const kd_planner_limits *limits, size_t turn)
{
	int64_t *wishes = calloc(n ? n : 1, 2 * sizeof *wishes);
	if (!wishes)
		return -1;
	int64_t *shares = wishes + n;
	for (size_t i = 0; i < n; i++)
		wish(&partitions[i], limits->records_per_partition, &wishes[i]);
	if (limits->backpressure != KD_UNLIMITED) {
		kd_rate_split(limits->backpressure, wishes, n, turn, shares);
		cap_to(partitions, wishes, shares, n, KD_CAP_BACKPRESSURE);
	}
	if (limits->records != KD_UNLIMITED) {
		kd_rate_level(limits->records, wishes, n, turn, shares);
		cap_to(partitions, wishes, shares, n, KD_CAP_RECORDS);
	}
	if (limits->memory_records != KD_UNLIMITED) {
		kd_rate_level(limits->memory_records, wishes, n, turn, shares);
		cap_to(partitions, wishes, shares, n, KD_CAP_MEMORY);
	}
	int64_t total = 0;
	for (size_t i = 0; i < n; i++) {
		partitions[i].until = partitions[i].from + wishes[i];
		total += wishes[i];
	}
	free(wishes);
	return total;
}
