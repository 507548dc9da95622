/* SPDX-License-Identifier: Apache-2.0 */
/* audit_check: does a ledger prove what it promises?  Pure: it is handed a ledger row by row and tells each finding.
 *
 * Order of calls: audit_check_new; then, for one snapshot of one job, a first reading (audit_check_segment,
 * audit_check_gap, and audit_check_note for every batch row) and audit_check_turn; then a second reading
 * (audit_check_batch for every batch row) and audit_check_end.  Both readings come in the order of kd_ledger_view:
 * segments by partition index, batch rows by (partition index, from, batch time), gaps by (partition index, from).
 *
 * What it proves, segment by segment (the invariants are those of docs/GUARANTEES.md):
 *   I1, I3  committed ranges tile [log_from, committed_until) without a hole, rows account for all records (at
 *           least one row for each that was not dropped; exactly one where no transform may split)
 *   I2      no offset is in two committed ranges, none is committed beyond the position
 *   I6      one range per identifier: batch times strictly increase and are never used again, not even those of
 *           withdrawn plans; what is planned and not committed chains from committed_until to planned_until
 *   I10     every gap lies in the committed range of its batch, and is counted there
 *
 * Memory: the segments, and 32 bytes for each gap and each withdrawn plan; batch rows are not kept. */
#ifndef TOOLS_AUDIT_CHECK_H
#define TOOLS_AUDIT_CHECK_H

#include <kdirect/sink.h>

#include "segment_list.h"

struct audit_finding {
	const char *invariant; /* "I1" */
	const kd_segment *segment; /* NULL: of no segment */
	kd_range range;
	char text[400];
};
typedef void audit_finding_fn(void *opaque, const struct audit_finding *finding);

/* What the ledger says of a segment, pruned rows included. */
struct audit_sums {
	int64_t ranges, records, rows, dropped, dead_letters, gap; /* committed */
	int64_t planned, withdrawn; /* plans */
};

struct audit_check;

/* NULL without memory. */
struct audit_check *audit_check_new(audit_finding_fn *fn, void *opaque);
void audit_check_free(struct audit_check *check);
/* The job has a transform: it may make several rows of a record.  Before the first reading. */
void audit_check_may_split(struct audit_check *check);

/* The first reading; false without memory. */
bool audit_check_segment(struct audit_check *check, const kd_segment *segment);
bool audit_check_gap(struct audit_check *check, const kd_gap *gap);
bool audit_check_note(struct audit_check *check, const kd_batch_row *row);
void audit_check_turn(struct audit_check *check);

/* The second reading. */
void audit_check_batch(struct audit_check *check, const kd_batch_row *row);
void audit_check_end(struct audit_check *check);

/* The segments seen, and the sums of the i-th. */
const struct segments *audit_check_segments(const struct audit_check *check);
const struct audit_sums *audit_check_sums(const struct audit_check *check, size_t i);
int64_t audit_check_findings(const struct audit_check *check);

/* Calls fn for each gap of a partition index, in order. */
void audit_check_each_gap(const struct audit_check *check, int32_t partition_index,
	void (*fn)(void *opaque, kd_range range), void *opaque);

#endif
