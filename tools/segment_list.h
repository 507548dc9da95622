/* SPDX-License-Identifier: Apache-2.0 */
/* segment_list: a job's segments, kept from a reading of its ledger. */
#ifndef TOOLS_SEGMENT_LIST_H
#define TOOLS_SEGMENT_LIST_H

#include <kdirect/sink.h>

/* Deep copies of the job's segments, by partition_index; the caller frees with segments_free. */
struct segments {
	kd_segment *items;
	size_t n, capacity;
	bool failed; /* no memory */
};
/* kd_ledger_view's segment slot; opaque is a struct segments. */
bool segments_add(void *opaque, const kd_segment *segment);
void segments_free(struct segments *segments);
/* NULL: no such partition index. */
const kd_segment *segments_find(const struct segments *segments, int32_t partition_index);

#endif
