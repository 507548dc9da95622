// SPDX-License-Identifier: Apache-2.0
// pg_call: puts statements together, runs them in one round trip, and ends transactions.
#include "pg_call.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "pg_blocker.h"
#include "pg_sink.h"

#define ROLLBACK_MS 5000

/* ---- putting a call together ---- */

void pg_call_init(pg_call *call, pg_session *session, const char *doing)
{
	*call = (pg_call) {.session = session, .doing = doing};
}

static void statement_done(pg_statement *statement)
{
	free(statement->sql);
	for (int i = 0; i < statement->n_values; i++)
		free(statement->value[i]);
	PQclear(statement->result);
}

void pg_call_done(pg_call *call)
{
	for (size_t i = 0; i < call->n; i++)
		statement_done(&call->statement[i]);
	call->n = 0;
}

char *pg_expand(const char *sql, const char *ledger)
{
	kd_buf text = {0};
	bool ok = true;
	for (const char *p = sql; *p && ok; p++) {
		if (*p == '@' && isalpha((unsigned char) p[1]))
			ok = kd_buf_append(&text, ledger, strlen(ledger)) && kd_buf_append(&text, ".", 1);
		else
			ok = kd_buf_append(&text, p, 1);
	}
	if (ok && kd_buf_append(&text, "", 1))
		return text.data;
	kd_buf_done(&text);
	return NULL;
}

static size_t add_statement(pg_call *call, char *owned)
{
	assert(call->n < PG_CALL_STATEMENTS);
	call->statement[call->n] = (pg_statement) {.sql = owned};
	call->no_memory = call->no_memory || !owned;
	return call->n++;
}

size_t pg_call_sql(pg_call *call, const char *sql)
{
	return add_statement(call, pg_expand(sql, call->session->sink->ledger));
}

size_t pg_call_plain(pg_call *call, const char *sql)
{
	return add_statement(call, strdup(sql));
}

static void put(pg_call *call, char *owned)
{
	pg_statement *statement = &call->statement[call->n - 1];
	assert(statement->n_values < PG_CALL_VALUES);
	statement->value[statement->n_values++] = owned;
}

void pg_call_text(pg_call *call, const char *value)
{
	char *copy = value ? strdup(value) : NULL;
	call->no_memory = call->no_memory || (value && !copy);
	put(call, copy);
}

void pg_call_int(pg_call *call, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long) value);
	pg_call_text(call, text);
}

void pg_call_take(pg_call *call, kd_buf *text)
{
	if (!kd_buf_append(text, "", 1)) {
		call->no_memory = true;
		kd_buf_done(text);
	}
	put(call, text->data);
	*text = (kd_buf) {0};
}

/* search_path comes first, so that nothing after it can be made to mean something else.  synchronous_commit is
 * raised where it would lose a confirmed commit, and never lowered. */
static const char settings_sql[] =
	"select pg_backend_pid(), set_config('application_name', $1, true), set_config('lock_timeout', $2, true),"
	" set_config('statement_timeout', $3, true), set_config('idle_in_transaction_session_timeout', $4, true),"
	" set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true),"
	" case when current_setting('synchronous_commit') in ('off', 'local')"
	" then set_config('synchronous_commit', 'on', true) end";

void pg_call_begin(pg_call *call, pg_access access)
{
	const pg_limits *limits = &call->session->limits;
	pg_call_sql(call, access == PG_WRITE ? "begin isolation level read committed read write"
	                                     : "begin isolation level repeatable read read only");
	pg_call_sql(call, "set local search_path to pg_catalog");
	call->settings = pg_call_sql(call, settings_sql);
	pg_call_text(call, call->session->name);
	pg_call_int(call, limits->lock_ms);
	pg_call_int(call, access == PG_WRITE ? limits->statement_ms : 0);
	pg_call_int(call, limits->idle_ms);
	call->statement[call->settings].answer_now = true;
	call->begins = true;
}

void pg_call_commit(pg_call *call)
{
	pg_call_sql(call, "commit");
	call->commits = true;
}

/* ---- running it ---- */

static bool send_statement(PGconn *conn, const pg_statement *statement)
{
	return PQsendQueryParams(conn, statement->sql, statement->n_values, NULL,
		       (const char *const *) statement->value, NULL, NULL, 0) &&
		(!statement->answer_now || PQsendFlushRequest(conn));
}

static kd_code send_all(pg_call *call, kd_error *err)
{
	pg_session *session = call->session;
	bool ok = PQenterPipelineMode(session->conn) == 1;
	session->in_transaction = session->in_transaction || call->begins;
	if (call->begins)
		session->backend = 0;
	if (call->commits)
		session->phase = session->phase == PG_PHASE_DATA ? PG_PHASE_DATA_COMMIT : PG_PHASE_CALL_COMMIT;
	for (size_t i = 0; i < call->n && ok; i++)
		ok = send_statement(session->conn, &call->statement[i]);
	ok = ok && PQpipelineSync(session->conn) && PQflush(session->conn) >= 0;
	return ok ? KD_OK : pg_conn_lost(session, call->doing, err);
}

/* BEGIN READ WRITE asks a standby for "a feature not supported".  To us it is a primary that is another host now, behind
 * a pooler say, or that will be promoted: a fresh connection may meet it. */
static bool is_standby(const pg_call *call, size_t i, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return call->begins && i == 0 && sqlstate && !strcmp(sqlstate, "0A000");
}

static void judge(pg_call *call, size_t i, const PGresult *result, kd_error *err)
{
	pg_session *session = call->session;
	if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED)
		return;
	if (is_standby(call, i, result)) {
		session->lost = true;
		(void) kd_error_set(err, KD_ESINK, pg_error_action(PG_VERDICT_LOST, session->phase),
			"could not %s: the server is a standby now: %s (0A000)", call->doing,
			PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
		return;
	}
	(void) pg_error_result(err, result, session->lost, session->phase, call->doing);
	pg_blocker_name(session, err);
}

/* Takes a statement's results: one, then NULL.  False: the connection is lost. */
static bool take_results(pg_call *call, size_t i, kd_code *code, kd_error *err)
{
	pg_session *session = call->session;
	pg_statement *statement = &call->statement[i];
	for (;;) {
		PGresult *result = NULL;
		if (!pg_conn_result(session, call->doing, &result, err))
			return false;
		if (!result)
			return true;
		if (pg_conn_failed(result)) {
			judge(call, i, result, err);
			*code = err && err->code ? err->code : KD_ESINK;
		}
		PQclear(statement->result);
		statement->result = result;
		if (session->lost)
			return false;
		if (call->begins && i == call->settings && PQresultStatus(result) == PGRES_TUPLES_OK)
			session->backend = (int) pg_int(result, 0, 0);
	}
}

static bool take_sync(pg_call *call, kd_error *err)
{
	PGresult *result = NULL;
	if (!pg_conn_result(call->session, call->doing, &result, err))
		return false;
	bool synced = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
	PQclear(result);
	return synced && PQexitPipelineMode(call->session->conn) == 1;
}

static kd_code check_tag(pg_session *session, PGresult *result, const char *doing, kd_error *err)
{
	if (!strcmp(PQcmdStatus(result), "COMMIT"))
		return KD_OK;
	/* COMMIT of a transaction that had failed answers OK, and rolls back. */
	return kd_error_set(err, KD_ESINK, pg_error_action(PG_VERDICT_AGAIN, session->phase),
		"could not %s: the server answered COMMIT with %s", doing, PQcmdStatus(result));
}

static void transaction_ended(pg_session *session)
{
	session->in_transaction = false;
	session->backend = 0;
	session->blockers[0] = '\0';
	session->phase = PG_PHASE_CALL;
}

kd_code pg_call_run(pg_call *call, const char *fault, kd_error *err)
{
	pg_session *session = call->session;
	if (call->no_memory)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", call->doing);
	kd_code code = send_all(call, err);
	if (code != KD_OK)
		return code;
	if (fault && KD_FAULT_FAILS(fault))
		pg_conn_cut(session);
	for (size_t i = 0; i < call->n; i++)
		if (!take_results(call, i, &code, err))
			return code != KD_OK ? code : pg_conn_lost(session, call->doing, err);
	if (!take_sync(call, err))
		return code != KD_OK ? code : pg_conn_lost(session, call->doing, err);
	if (call->commits && code == KD_OK) {
		code = check_tag(session, call->statement[call->n - 1].result, call->doing, err);
		transaction_ended(session);
	}
	return code;
}

int64_t pg_call_number(const pg_call *call, size_t statement)
{
	const PGresult *result = call->statement[statement].result;
	return PQntuples(result) > 0 ? pg_int(result, 0, 0) : 0;
}

int64_t pg_call_rows(const pg_call *call, size_t statement)
{
	PGresult *result = call->statement[statement].result;
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return PQntuples(result);
	return strtoll(PQcmdTuples(result), NULL, 10);
}

/* ---- ending a transaction ---- */

kd_code pg_session_commit(pg_session *session, const char *doing, const char *fault, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, doing);
	pg_call_commit(&call);
	kd_code code = pg_call_run(&call, fault, err);
	pg_call_done(&call);
	return code;
}

void pg_session_rollback(pg_session *session)
{
	/* A call that ended its transaction itself leaves nothing to roll back: the server would warn in its log. */
	if (session->lost || !session->in_transaction || PQtransactionStatus(session->conn) == PQTRANS_IDLE) {
		transaction_ended(session);
		return;
	}
	int answer_ms = session->limits.answer_ms;
	session->limits.answer_ms = ROLLBACK_MS;
	kd_error ignored = {0};
	PGresult *result = NULL;
	bool ok = PQpipelineStatus(session->conn) == PQ_PIPELINE_OFF && PQsendQuery(session->conn, "rollback");
	do {
		PQclear(result);
		ok = ok && pg_conn_result(session, "roll back", &result, &ignored) && !pg_conn_failed(result);
	} while (ok && result);
	session->limits.answer_ms = answer_ms;
	session->lost = session->lost || !ok;
	transaction_ended(session);
}

kd_code pg_script(pg_session *session, const char *sql, const char *doing, kd_error *err)
{
	if (!PQsendQuery(session->conn, sql))
		return pg_conn_lost(session, doing, err);
	kd_code code = KD_OK;
	for (;;) {
		PGresult *result = NULL;
		if (!pg_conn_result(session, doing, &result, err))
			return err && err->code ? err->code : KD_ESINK;
		if (!result)
			return code;
		if (pg_conn_failed(result))
			code = pg_error_result(err, result, session->lost, session->phase, doing);
		PQclear(result);
	}
}

/* ---- values ---- */

int64_t pg_int(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

char *pg_dup(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? NULL : strdup(PQgetvalue(result, row, column));
}

static bool array_separator(kd_buf *text)
{
	return kd_buf_append(text, text->size ? "," : "{", 1);
}

bool pg_array_int(kd_buf *text, int64_t value)
{
	return array_separator(text) && kd_buf_printf(text, "%lld", (long long) value);
}

bool pg_array_text(kd_buf *text, const char *value)
{
	bool ok = array_separator(text) && kd_buf_append(text, "\"", 1);
	for (const char *p = value; *p && ok; p++)
		ok = (*p != '"' && *p != '\\') || kd_buf_append(text, "\\", 1) ? kd_buf_append(text, p, 1) : false;
	return ok && kd_buf_append(text, "\"", 1);
}

bool pg_array_end(kd_buf *text)
{
	if ((!text->size && !kd_buf_append(text, "{", 1)) || !kd_buf_append(text, "}", 2))
		return false;
	text->size--; /* the NUL is there, and does not count */
	return true;
}
