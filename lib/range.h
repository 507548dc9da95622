/* SPDX-License-Identifier: Apache-2.0 */
/* range: pure: when is a range of offsets complete, although the log has holes?
 *
 * Offsets are dense in no log: transaction markers, aborted data and compaction leave holes, also at a range's end and
 * over the whole of it.  So a range is not complete when its last offset was seen, but when it is known that nothing
 * below `until` is still to come.  Three things tell so: a record at or beyond until, the end of the partition (EOF),
 * and the consumer's position.  What they told is kept across ranges, because EOF is told once only.
 *
 * One kd_range_tracker follows one assignment of one partition.  Guards I1, I2 and I5: whatever the client library
 * hands out, each offset of a range is delivered at most once, in order, and none from outside the range. */
#ifndef KD_RANGE_H
#define KD_RANGE_H

#include "kdirect/types.h"

typedef struct kd_range_tracker {
	kd_range range;  /* the one being read */
	int64_t cursor;  /* each record of this assignment below it was handed out */
	int64_t next;    /* no record below it is still to come from the client library */
	uint64_t extras; /* records dropped because they were outside the order or below the range */
} kd_range_tracker;

typedef enum kd_range_verdict {
	KD_RANGE_DELIVER, /* the next record of the range */
	KD_RANGE_LATER,   /* belongs to a range after this one: keep it */
	KD_RANGE_EXTRA    /* handed out before, or below the range: drop it */
} kd_range_verdict;

/* Fetching starts anew at `position`; nothing that was known holds any longer. */
void kd_range_assign(kd_range_tracker *tracker, int64_t position);

/* The next range to read.  False where it does not follow on what was handed out: assign at range.from first. */
bool kd_range_begin(kd_range_tracker *tracker, kd_range range);

/* Judges a record that came, in the order of its coming. */
kd_range_verdict kd_range_offer(kd_range_tracker *tracker, int64_t offset);

/* EOF or position told that nothing below `next` is still to come. */
void kd_range_advance(kd_range_tracker *tracker, int64_t next);

/* kept: the offset of the first record that came and was not handed out yet, -1 if there is none.  True: the range
 * holds no further record. */
bool kd_range_complete(kd_range_tracker *tracker, int64_t kept);

#endif
