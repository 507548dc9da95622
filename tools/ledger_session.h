/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_session: a read-only look into a job's sink: the sink, one session, and a job's ledger in it.  Faults that
 * may heal are retried for 30 s. */
#ifndef TOOLS_LEDGER_SESSION_H
#define TOOLS_LEDGER_SESSION_H

#include "job_file.h"

enum { VERB_TIMEOUT_MS = 30000 };

struct ledger_session {
	const kd_sink_ops *ops;
	const char *job;
	void *sink, *session;
};

/* KD_ECONFIG where the sink keeps no ledger.  The caller closes in every case. */
kd_code ledger_session_open(const struct job_file *file, const kd_logger *log, struct ledger_session *ret,
	kd_error *err) KD_CHECK;
void ledger_session_close(struct ledger_session *ledger);

/* Reads the ledger in a snapshot of its own. */
kd_code ledger_session_read(struct ledger_session *ledger, const kd_ledger_view *view, kd_error *err) KD_CHECK;

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
