/* SPDX-License-Identifier: Apache-2.0 */
/* audit_deep: compares what is in the table with what Kafka serves now, record by record where rows carry their
 * offset, else by counts.  What Kafka no longer holds, by retention or compaction, is counted as not checkable. */
#ifndef TOOLS_AUDIT_DEEP_H
#define TOOLS_AUDIT_DEEP_H

#include <kdirect/kafka.h>

#include "audit_check.h"
#include "audit_window.h"
#include "ledger_session.h"

struct audit_deep {
	bool checked;      /* Kafka was read for this segment */
	bool by_offsets;   /* else by counts */
	bool split;        /* records gave several rows: rows are compared by range, offsets as a subset of Kafka's */
	struct audit_window_sums sums;
	int64_t not_checkable; /* records of the ledger that Kafka no longer holds */
	char note[256];    /* why it was not checked, or only by counts; "" */
};

struct audit_deep_job {
	const struct ledger_session *ledger; /* within its snapshot */
	const struct audit_check *check;     /* after audit_check_end */
	kd_kafka *kafka;
	bool has_tables; /* rows may go to other tables than the one that is read */
	audit_finding_fn *fn;
	void *opaque;
};

/* Checks the i-th segment.  Findings go to fn. */
kd_code audit_deep_segment(const struct audit_deep_job *job, size_t i, struct audit_deep *ret, kd_error *err) KD_CHECK;

#endif
