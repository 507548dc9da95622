// SPDX-License-Identifier: Apache-2.0
// kafka_read: what tools read: the ledger as it was committed, by a consumer of their own, without a producer that would
// fence the owner; and who the owner is.
//
// A snapshot is the ledger's topic up to its last stable offset.  One job's transactions follow one another, so that
// offset never lies within one of them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/process.h"
#include "kafka_sink.h"

#define SIGN_OF_LIFE_MS 60000 /* an owner on another host counts as alive for so long after the last one */

kd_code kafka_snapshot_begin(void *opaque, kd_error *err)
{
	kafka_session *session = opaque;
	const kafka_sink *sink = session->sink;
	kd_code code = KD_OK;
	kafka_snapshot_end(session);
	if (sink->read_only && !sink->target.ledger.partitions)
		return KD_OK; /* no ledger: read_ledger says so */
	code = kafka_ledger_open(&session->view, &sink->connection, sink->target.ledger.name, sink->log, err);
	if (!code)
		code = kafka_ledger_read(&session->view, &session->interrupted, err);
	if (code)
		kafka_snapshot_end(session);
	return code;
}

void kafka_snapshot_end(void *opaque)
{
	kafka_session *session = opaque;
	kafka_ledger_close(&session->view);
	kafka_places_free(session->places);
	session->places = NULL;
}

static kd_code no_ledger(const kafka_session *session, kd_error *err)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: there is no topic \"%s\"; has the job run?",
		session->sink->target.ledger.name);
}

kd_code kafka_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	kafka_session *session = opaque;
	return session->view.journal ? journal_read(session->view.journal, job, view, err) : no_ledger(session, err);
}

/* ---- the owner ---- */

static bool newest_commit(void *opaque, const kd_segment *segment)
{
	int64_t *newest_ms = opaque;
	*newest_ms = segment->committed_at_ms > *newest_ms ? segment->committed_at_ms : *newest_ms;
	return true;
}

/* Here the process is looked at; of another machine nothing is known but when it last wrote. */
static kd_code judge_owner(const journal *j, const char *job, const journal_instance *owner, bool *ret_alive,
	kd_error *err)
{
	if (process_mark_is_here(owner->process)) {
		char mark[PROCESS_MARK_SIZE];
		process_mark(owner->pid, mark);
		*ret_alive = *mark && !strcmp(mark, owner->process);
		return KD_OK;
	}
	int64_t newest_ms = owner->taken_over_at_ms;
	const kd_ledger_view view = {.opaque = &newest_ms, .segment = newest_commit};
	kd_code code = journal_read(j, job, &view, err);
	*ret_alive = kafka_wall_ms() - newest_ms < SIGN_OF_LIFE_MS;
	return code;
}

kd_code kafka_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	kafka_session *session = opaque;
	journal_instance owner;
	bool alive = false;
	if (size)
		*ret_who = '\0';
	kd_code code = kafka_snapshot_begin(session, err);
	if (!code && session->view.journal && journal_owner(session->view.journal, job, &owner)) {
		code = judge_owner(session->view.journal, job, &owner, &alive, err);
		if (!code && alive)
			process_describe(owner.pid, owner.host, owner.started_at_ms, ret_who, size);
	}
	kafka_snapshot_end(session);
	return code;
}
