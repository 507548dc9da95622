// SPDX-License-Identifier: Apache-2.0
// file_read: what tools read, without a lock: the ledger as it was at one moment.
#include <stdlib.h>
#include <string.h>

#include "../common/process.h"
#include "file_sink.h"

kd_code file_snapshot_begin(void *opaque, kd_error *err)
{
	file_session *session = opaque;
	file_snapshot_end(session);
	if (!file_ledger_init(&session->view, session->sink->dir, session->sink->log)) {
		file_ledger_done(&session->view);
		return file_no_memory(err);
	}
	kd_code code = file_ledger_refresh(&session->view, false, err);
	if (code)
		file_ledger_done(&session->view);
	session->snapshot = code == KD_OK;
	return code;
}

void file_snapshot_end(void *opaque)
{
	file_session *session = opaque;
	if (session->list)
		file_list_done(session->list);
	free(session->list);
	session->list = NULL;
	if (session->snapshot)
		file_ledger_done(&session->view);
	session->snapshot = false;
}

static kd_code has_ledger(const file_session *session, kd_error *err)
{
	if (session->view.fd >= 0)
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: there is none in \"%s\"; has the job run?",
		session->sink->dir);
}

kd_code file_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	file_session *session = opaque;
	bool own = !session->snapshot;
	kd_code code = own ? file_snapshot_begin(session, err) : KD_OK;
	if (!code)
		code = has_ledger(session, err);
	if (!code)
		code = journal_read(session->view.journal, job, view, err);
	if (own)
		file_snapshot_end(session);
	return code;
}

/* Only a process of this machine can be looked at; one that shares the folder from elsewhere is fenced all the same. */
kd_code file_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	file_session *session = opaque;
	bool own = !session->snapshot;
	journal_instance instance;
	char now[PROCESS_MARK_SIZE];
	*ret_who = '\0';
	kd_code code = own ? file_snapshot_begin(session, err) : KD_OK;
	if (!code)
		code = has_ledger(session, err);
	if (!code && journal_owner(session->view.journal, job, &instance)) {
		process_mark(instance.pid, now);
		if (*now && !strcmp(instance.process, now))
			process_describe(instance.pid, instance.host, instance.started_at_ms, ret_who, size);
	}
	if (own)
		file_snapshot_end(session);
	return code;
}
