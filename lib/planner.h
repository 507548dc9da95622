/* SPDX-License-Identifier: Apache-2.0 */
/* planner: pure: positions + ends of the log + limits -> the next batch's offset ranges.
 *
 * Promises: from is the position where the last plan ended (I3); until lies in [from, end], and end is the last stable
 * offset, never what was fetched (I6); limits count whole records; over successive batches every partition that has
 * news advances.  It does no I/O and knows no clock. */
#ifndef KD_PLANNER_H
#define KD_PLANNER_H

#include <stddef.h>
#include <stdint.h>

#include "kdirect/config.h"
#include "kdirect/job.h"

typedef struct kd_planner_partition {
	int64_t from;  /* planned_until */
	int64_t end;   /* last stable offset; under read_uncommitted the high watermark */
	int64_t high;  /* high watermark, -1 not known: tells an open transaction */
	bool full;     /* has as many batches planned as it may: left out */
	int64_t until; /* result; == from: no news, or none now */
	kd_cap cap;    /* result: what held until back */
} kd_planner_partition;

typedef struct kd_planner_limits {
	int64_t records_per_partition; /* max_rate_per_partition x interval; KD_UNLIMITED */
	int64_t backpressure;          /* records a batch, shared by lag; KD_UNLIMITED */
	int64_t records;               /* max_records_per_batch; KD_UNLIMITED */
	int64_t memory_records;        /* as many as the read-ahead holds; KD_UNLIMITED */
} kd_planner_limits;

/* Fills until and cap of every partition; returns the number of records (offsets) planned, or -1 without memory. `turn`
 * grows by one from batch to batch: it rotates what rounding leaves over. */
int64_t kd_planner_plan(kd_planner_partition *partitions, size_t n, const kd_planner_limits *limits, size_t turn);

/* max_rate_per_partition (records a second) as records of one batch: at least 1, so that a low rate is slow, not stuck. */
int64_t kd_planner_rate_records(int64_t records_per_second, int64_t interval_ms);

#endif
