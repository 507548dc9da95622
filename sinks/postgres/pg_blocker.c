// SPDX-License-Identifier: Apache-2.0
// pg_blocker: who blocks us, and ending it where it is ours.
#include "pg_blocker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pg_call.h"
#include "pg_ledger.h"
#include "pg_sink.h"

#define LOOK_MS 3000

/* Everything but the role in "kdirect/<job>/<role>". */
static void own_prefix(const char *name, char ret_prefix[PG_NAME_SIZE])
{
	snprintf(ret_prefix, PG_NAME_SIZE, "%s", name);
	strrchr(ret_prefix, '/')[1] = '\0';
}

/* The name is asked for again in the same statement: the pid may be another session's by now. */
static void end_one(pg_session *second, pg_session *blocked, const char *prefix, int pid)
{
	pg_call call;
	kd_error err = {0};
	pg_call_init(&call, second, "end a blocking session");
	pg_call_sql(&call, "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
		" where pid operator(pg_catalog.=) $1::pg_catalog.int4 and pg_catalog.starts_with(application_name, $2)");
	pg_call_int(&call, pid);
	pg_call_text(&call, prefix);
	if (pg_call_run(&call, NULL, &err) == KD_OK) {
		kd_log(blocked->sink->log, KD_LOG_WARN, 0, "ended session %d of this job: it held locks that we wait for", pid);
	} else {
		size_t n = strlen(blocked->blockers);
		snprintf(blocked->blockers + n, sizeof blocked->blockers - n, " (not allowed from here: %s)", err.sqlstate);
	}
	pg_call_done(&call);
}

static void note(pg_session *blocked, const PGresult *result, int row)
{
	size_t n = strlen(blocked->blockers);
	snprintf(blocked->blockers + n, sizeof blocked->blockers - n,
		"%swaiting for session %s of role \"%s\" (%s); to end it: select pg_terminate_backend(%s)", n ? "; " : "",
		PQgetvalue(result, row, 0), PQgetvalue(result, row, 1), PQgetvalue(result, row, 2),
		PQgetvalue(result, row, 0));
}

/* Did a newer instance take the job over from the one that works in this session?  A committed epoch never goes away,
 * but with the whole database: so this look is enough to end oneself, though never to go on. */
static bool is_superseded(const pg_session *blocked, const PGresult *job, kd_error *err)
{
	const kd_owner *me = &blocked->me;
	if (blocked->taking)
		return pg_take_over_judge(blocked->taking, job, err) != KD_OK;
	if (me->epoch == 0 || PQntuples(job) != 1)
		return false;
	int64_t epoch = pg_int(job, 0, 0);
	if (epoch < me->epoch || (epoch == me->epoch && !strcmp(PQgetvalue(job, 0, 1), me->id)))
		return false;
	(void) kd_error_set(err, KD_EFENCED, KD_STOP,
		"job \"%s\" was taken over by a newer instance (epoch %" PRId64 ", this one has %" PRId64 ")",
		blocked->sink->job, epoch, me->epoch);
	return true;
}

/* Notes who blocks, and ends those of this job.  False: they are the owner's, and I am not. */
static bool deal_with(pg_session *second, pg_session *blocked, const char *prefix, const pg_call *call, kd_error *err)
{
	const PGresult *result = call->statement[0].result;
	if (PQntuples(result) > 0)
		blocked->blockers[0] = '\0';
	for (int i = 0; i < PQntuples(result); i++) {
		note(blocked, result, i);
		int pid = (int) pg_int(result, i, 0);
		if (*PQgetvalue(result, i, 3) != 't' || pg_conn_is_own(blocked->sink, pid))
			continue;
		if (is_superseded(blocked, call->statement[1].result, err))
			return false;
		end_one(second, blocked, prefix, pid);
	}
	return true;
}

static bool look(pg_session *second, pg_session *blocked, kd_error *failed, kd_error *err)
{
	char prefix[PG_NAME_SIZE];
	own_prefix(blocked->name, prefix);
	pg_call call;
	pg_call_init(&call, second, "ask who blocks this job");
	pg_call_sql(&call, "select a.pid, a.usename, a.application_name, pg_catalog.starts_with(a.application_name, $2)"
		" from pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::pg_catalog.int4)) b(pid)"
		" join pg_catalog.pg_stat_activity a on a.pid operator(pg_catalog.=) b.pid");
	pg_call_int(&call, blocked->backend);
	pg_call_text(&call, prefix);
	/* before that there may be no ledger yet: another start is making it */
	if (blocked->taking || blocked->me.epoch != 0) {
		pg_call_sql(&call, PG_INCUMBENT);
		pg_call_text(&call, blocked->sink->job);
	}
	bool mine = pg_call_run(&call, NULL, failed) != KD_OK || deal_with(second, blocked, prefix, &call, err);
	pg_call_done(&call);
	return mine;
}

bool pg_blocker_look(pg_session *session, kd_error *err)
{
	if (!session->in_transaction || !session->backend)
		return true;
	kd_error failed = {0};
	pg_session *second = NULL;
	pg_limits limits = session->sink->limits;
	limits.connect_ms = limits.answer_ms = LOOK_MS;
	bool mine = pg_conn_open(session->sink, "blocker", &limits, &second, &failed) != KD_OK ||
		look(second, session, &failed, err);
	pg_conn_close(second);
	if (failed.code)
		snprintf(session->blockers, sizeof session->blockers, "and could not ask who blocks: %.400s", failed.message);
	return mine;
}

void pg_blocker_name(const pg_session *session, kd_error *err)
{
	size_t n = err ? strlen(err->message) : 0;
	if (err && err->code == KD_EBUSY && session->blockers[0])
		snprintf(err->message + n, sizeof err->message - n, "; %s", session->blockers);
}
