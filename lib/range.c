// SPDX-License-Identifier: Apache-2.0
// range: when is a range complete despite holes.  See range.h.
#include "range.h"

#include <assert.h>

void kd_range_assign(kd_range_tracker *tracker, int64_t position)
{
	tracker->range = (kd_range) {position, position};
	tracker->cursor = position;
	tracker->next = position;
}

bool kd_range_begin(kd_range_tracker *tracker, kd_range range)
{
	assert(range.from <= range.until);
	tracker->range = range;
	return range.from == tracker->cursor;
}

kd_range_verdict kd_range_offer(kd_range_tracker *tracker, int64_t offset)
{
	if (offset < tracker->cursor) {
		tracker->extras++;
		return KD_RANGE_EXTRA;
	}
	if (offset >= tracker->range.until)
		return KD_RANGE_LATER;
	tracker->cursor = offset + 1;
	kd_range_advance(tracker, offset + 1);
	return KD_RANGE_DELIVER;
}

void kd_range_advance(kd_range_tracker *tracker, int64_t next)
{
	if (next > tracker->next)
		tracker->next = next;
}

// A kept record below until is still to be handed out, whatever `next` says: the client's position runs ahead of what
// is kept here.
bool kd_range_complete(kd_range_tracker *tracker, int64_t kept)
{
	const int64_t until = tracker->range.until;
	const bool complete = kept >= 0 ? kept >= until : tracker->next >= until;
	if (complete && tracker->cursor < until)
		tracker->cursor = until;
	return complete;
}
