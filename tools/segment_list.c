/* SPDX-License-Identifier: Apache-2.0 */
/* segment_list: see segment_list.h. */
#include "segment_list.h"

#include <stdlib.h>
#include <string.h>

bool segments_add(void *opaque, const kd_segment *segment)
{
	struct segments *segments = opaque;
	kd_segment *copy;

	if (segments->n == segments->capacity) {
		size_t capacity = segments->capacity ? 2 * segments->capacity : 64;
		kd_segment *items = realloc(segments->items, capacity * sizeof *items);

		if (!items)
			return !(segments->failed = true);
		segments->items = items;
		segments->capacity = capacity;
	}
	copy = &segments->items[segments->n++];
	*copy = *segment;
	copy->topic = strdup(segment->topic);
	copy->closed_reason = segment->closed_reason ? strdup(segment->closed_reason) : NULL;
	segments->failed = !copy->topic || (segment->closed_reason && !copy->closed_reason);
	return !segments->failed;
}

void segments_free(struct segments *segments)
{
	for (size_t i = 0; i < segments->n; i++) {
		free(segments->items[i].topic);
		free(segments->items[i].closed_reason);
	}
	free(segments->items);
	*segments = (struct segments){0};
}

const kd_segment *segments_find(const struct segments *segments, int32_t partition_index)
{
	for (size_t low = 0, high = segments->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (segments->items[middle].partition_index == partition_index)
			return &segments->items[middle];
		if (segments->items[middle].partition_index < partition_index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
