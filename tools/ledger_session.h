/* SPDX-License-Identifier: Apache-2.0 */
/* ledger_session: a read-only look into a job's sink: the sink, one session, and a job's ledger in it.  Faults that
 * may heal are retried for 30 s. */
#ifndef TOOLS_LEDGER_SESSION_H
#define TOOLS_LEDGER_SESSION_H

#include "job_file.h"
#include "segment_list.h"

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

#endif
