// SPDX-License-Identifier: Apache-2.0
// pg_judge_ask: see the header.  The time-outs are the server's; should it fall silent, the last one is ours.
#include "pg_judge_ask.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pg_error.h"

#define INTERRUPT_MS 200 // how soon an interrupt is noticed
#define ANSWER_MS 45000 // longer than the server's own limits below

#define SETTINGS \
	"set local timezone = 'UTC'; set local datestyle = 'ISO'; set local statement_timeout = 30000; " \
	"set local lock_timeout = 10000; set local idle_in_transaction_session_timeout = 30000; set local search_path = "

static const char begin_read[] = "begin isolation level read committed read only; " SETTINGS "pg_catalog";
static const char begin_write[] = "begin isolation level read committed read write; " SETTINGS "default";

void pg_helper_interrupt(struct pg_helper *helper)
{
	atomic_store(&helper->interrupted, true);
}

void pg_helper_close(struct pg_helper *helper)
{
	PQfinish(helper->conn);
	helper->conn = NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

// Sends and reads what there is until a result is complete.
static bool wait_result(const struct pg_helper *helper, int64_t deadline_ms)
{
	PGconn *conn = helper->conn;
	for (;;) {
		int unsent = PQflush(conn);
		if (unsent < 0)
			return false;
		if (unsent == 0 && !PQisBusy(conn))
			return true;
		int64_t left = deadline_ms - now_ms();
		struct pollfd socket = {PQsocket(conn), (short) (unsent ? POLLIN | POLLOUT : POLLIN), 0};
		if (left <= 0 || atomic_load(&helper->interrupted))
			return false;
		int ready = poll(&socket, 1, left < INTERRUPT_MS ? (int) left : INTERRUPT_MS);
		if (ready < 0 && errno != EINTR)
			return false;
		if (ready > 0 && socket.revents & ~POLLOUT && !PQconsumeInput(conn))
			return false;
	}
}

static bool succeeded(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

// The last result of what was sent, or the first that is an error; NULL: the connection is lost.
static PGresult *take_result(const struct pg_helper *helper)
{
	PGresult *kept = NULL;
	int64_t deadline_ms = now_ms() + ANSWER_MS;
	for (;;) {
		if (!wait_result(helper, deadline_ms)) {
			PQclear(kept);
			return NULL;
		}
		PGresult *result = PQgetResult(helper->conn);
		if (!result)
			return kept;
		if (kept && !succeeded(kept)) {
			PQclear(result);
		} else {
			PQclear(kept);
			kept = result;
		}
	}
}

static PGresult *command(const struct pg_helper *helper, const char *sql)
{
	return PQsendQuery(helper->conn, sql) ? take_result(helper) : NULL;
}

static PGresult *query(const struct pg_helper *helper, const struct pg_question *question)
{
	const char *const values[] = {question->parameter};
	const int lengths[] = {(int) question->size}, formats[] = {1};
	int n = question->type ? 1 : 0;
	if (!PQsendQueryParams(helper->conn, question->sql, n, &question->type, values, lengths, formats, 1))
		return NULL;
	return take_result(helper);
}

// The server's own words; where they are about a value, without a frame around them.
static kd_code failure(const PGconn *conn, const PGresult *result, const char *doing, kd_error *err)
{
	if (!result)
		return pg_error_lost(err, PQerrorMessage(conn), PG_PHASE_CALL, doing);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool lost = PQstatus(conn) == CONNECTION_BAD;
	if (lost || pg_error_rule(sqlstate)->code != KD_ERECORD)
		return pg_error_result(err, result, lost, PG_PHASE_CALL, doing);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	if (err && !err->code)
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
	return kd_error_set(err, KD_ERECORD, KD_STOP, "%s%s%s%s", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
		detail ? " (" : "", detail ? detail : "", detail ? ")" : "");
}

static kd_code ask_once(const struct pg_helper *helper, const struct pg_question *question, PGresult **ret_rows,
	kd_error *err)
{
	PGconn *conn = helper->conn;
	PGresult *begun = command(helper, question->writes ? begin_write : begin_read), *rows = NULL;
	kd_code code = succeeded(begun) ? KD_OK : failure(conn, begun, question->doing, err);
	if (!code) {
		rows = query(helper, question);
		code = succeeded(rows) ? KD_OK : failure(conn, rows, question->doing, err);
	}
	PGresult *ended = PQstatus(conn) == CONNECTION_BAD ? NULL : command(helper, "commit");
	if (!code && !succeeded(ended))
		code = failure(conn, ended, question->doing, err);
	PQclear(ended);
	PQclear(begun);
	if (code)
		PQclear(rows);
	else
		*ret_rows = rows;
	return code;
}

static kd_code open_conn(struct pg_helper *helper, kd_error *err)
{
	kd_code code = helper->connect(helper->opaque, &helper->conn, err);
	if (!code && PQsetnonblocking(helper->conn, 1) != 0)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not use a connection: no memory");
	return code;
}

kd_code pg_helper_ask(struct pg_helper *helper, const struct pg_question *question, PGresult **ret_rows,
	kd_error *err)
{
	*ret_rows = NULL;
	if (question->size > INT_MAX)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "%zu bytes are more than the server takes at once",
			question->size);
	for (bool again = false;; again = true) {
		bool fresh = !helper->conn;
		kd_code code = fresh ? open_conn(helper, err) : KD_OK;
		if (!code)
			code = ask_once(helper, question, ret_rows, err);
		bool ready = helper->conn && PQtransactionStatus(helper->conn) == PQTRANS_IDLE;
		if (!ready)
			pg_helper_close(helper);
		if (!code || ready || fresh || again || atomic_load(&helper->interrupted))
			return code;
		kd_error_clear(err); // a connection that was idle may have died long ago: that is no news
	}
}
