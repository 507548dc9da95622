// SPDX-License-Identifier: Apache-2.0
// pg_copy: see the header.
//
// libpq accepts COPY data for as long as the caller has some, also after the server has refused a row (measured: 164 MB
// more).  During COPY the server speaks only to complain, or to pass a notice of a trigger on.  So the socket is
// watched, and when it has something that was no notice, the COPY is ended with a failure of ours: the server then
// answers with its own error, if there is one.  If there is none it was a false alarm: the batch partition is replayed
// without watching.
#include "pg_copy.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "pg_blocker.h"
#include "pg_sink.h"

#define CHUNK 65536
#define MAX_RUNS 65536 /* runs of rows that one COPY may have: a bound on what is kept to tell a line's row */

static const char doing[] = "store rows";

typedef enum heard { HEARD_NOTHING, HEARD_COMPLAINT, HEARD_END } heard;

static heard listen(pg_session *session)
{
	unsigned notices = session->notices;
	if (!PQconsumeInput(session->conn) || PQputCopyData(session->conn, "", 0) < 0)
		return HEARD_END;
	return session->notices == notices && !session->blind ? HEARD_COMPLAINT : HEARD_NOTHING;
}

/* Sends what libpq holds back. */
static heard flush(pg_session *session)
{
	int64_t start = pg_conn_now_ms();
	for (;;) {
		int pending = PQflush(session->conn);
		if (pending <= 0)
			return pending < 0 ? HEARD_END : HEARD_NOTHING;
		int ready = pg_conn_poll(session, POLLIN | POLLOUT, session->limits.lock_wait_ms);
		if (ready < 0 || pg_conn_now_ms() - start > session->limits.answer_ms)
			return HEARD_END;
		kd_error ignored = {0}; /* the repetition will be told the same */
		if (ready == 0 && !pg_blocker_look(session, &ignored))
			return HEARD_END;
		if (ready & POLLIN) {
			heard what = listen(session);
			if (what != HEARD_NOTHING)
				return what;
		}
	}
}

static heard send_bytes(pg_session *session, const char *bytes, size_t size)
{
	for (size_t sent = 0; sent < size;) {
		size_t n = size - sent < CHUNK ? size - sent : CHUNK;
		int ready = pg_conn_poll(session, POLLIN, 0);
		if (ready != 0) {
			heard what = ready > 0 ? listen(session) : HEARD_END;
			if (what != HEARD_NOTHING)
				return what;
		}
		if (PQputCopyData(session->conn, bytes + sent, (int) n) != 1)
			return HEARD_END;
		sent += n;
		if (KD_FAULT_FAILS("sink.copy_mid"))
			pg_conn_cut(session);
		heard what = flush(session);
		if (what != HEARD_NOTHING)
			return what;
	}
	return HEARD_NOTHING;
}

/* ---- results ---- */

static kd_code refused(pg_session *session, const PGresult *result, kd_error *err)
{
	const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
	bool fresh = err && !err->code;
	kd_code code = pg_error_result(err, result, session->lost, session->phase, doing);
	if (!fresh)
		return code;
	if (code == KD_ERECORD) {
		const struct pg_columns *columns = session->sink->tables[session->copy_table].columns;
		err->row = pg_lines_row(&session->copy_lines, pg_error_copy_line(context, columns->table));
	}
	size_t n = strlen(err->message);
	if (context)
		snprintf(err->message + n, sizeof err->message - n, "; %.400s", context);
	pg_blocker_name(session, err);
	return code;
}

/* All results of the COPY that has ended. */
static kd_code take_tag(pg_session *session, kd_error *err)
{
	kd_code code = KD_OK;
	int64_t rows = 0;
	for (;;) {
		PGresult *result = NULL;
		if (!pg_conn_result(session, doing, &result, err))
			return code != KD_OK ? code : KD_ESINK;
		if (!result)
			break;
		if (PQresultStatus(result) == PGRES_COMMAND_OK)
			rows += strtoll(PQcmdTuples(result), NULL, 10);
		else if (code == KD_OK)
			code = refused(session, result, err);
		PQclear(result);
	}
	session->tally[session->copy_table].stored += rows;
	return code;
}

/* After a complaint: the server's own error, or a false alarm. */
static kd_code hear_out(pg_session *session, kd_error *err)
{
	session->copying = false;
	if (PQputCopyEnd(session->conn, "kdirect stopped sending: the server had something to say") != 1)
		return pg_conn_lost(session, doing, err);
	kd_code code = take_tag(session, err);
	if (err && !strcmp(err->sqlstate, "57014"))
		session->blind = true;
	if (code == KD_OK)
		code = kd_error_set(err, KD_ESINK, KD_REPLAY, "could not %s: the server ended COPY by itself", doing);
	return code;
}

static kd_code after(pg_session *session, heard what, kd_error *err)
{
	if (what == HEARD_NOTHING)
		return KD_OK;
	if (what == HEARD_COMPLAINT)
		return hear_out(session, err);
	session->copying = false;
	return pg_conn_lost(session, doing, err);
}

/* ---- opening and ending ---- */

static bool remember(pg_session *session, const struct pg_frame *frame)
{
	size_t size = frame->n_columns * sizeof(uint16_t);
	char *columns = realloc(session->copy_columns, size + 1);
	if (!columns)
		return false;
	memcpy(columns, frame->columns, size);
	session->copy_columns = columns;
	session->copy_n_columns = frame->n_columns;
	session->copy_table = frame->table;
	pg_lines_clear(&session->copy_lines);
	return true;
}

static kd_code wait_for_copy_in(pg_session *session, kd_error *err)
{
	PGresult *result = NULL;
	if (!pg_conn_result(session, doing, &result, err))
		return KD_ESINK;
	kd_code code = KD_OK;
	if (PQresultStatus(result) == PGRES_COPY_IN) {
		session->copying = true;
	} else {
		code = result ? refused(session, result, err) : pg_conn_lost(session, doing, err);
		if (code != KD_OK && !session->lost)
			(void) take_tag(session, err);
	}
	PQclear(result);
	return code;
}

static kd_code open_copy(pg_session *session, const struct pg_frame *frame, kd_error *err)
{
	kd_buf sql = {0};
	if (!remember(session, frame) ||
		!pg_frame_copy_sql(session->sink->tables[frame->table].columns, frame, &sql) || !kd_buf_append(&sql, "", 1)) {
		kd_buf_done(&sql);
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
	}
	if (KD_FAULT_FAILS("sink.before_copy"))
		pg_conn_cut(session);
	session->copies++;
	bool sent = PQsendQuery(session->conn, sql.data);
	kd_buf_done(&sql);
	kd_code code = sent ? wait_for_copy_in(session, err) : pg_conn_lost(session, doing, err);
	return code == KD_OK ? after(session, send_bytes(session, PG_COPY_HEADER, PG_COPY_HEADER_SIZE), err) : code;
}

bool pg_copy_takes(const pg_session *session, const struct pg_frame *frame)
{
	struct pg_frame open = {.table = session->copy_table, .columns = session->copy_columns,
		.n_columns = session->copy_n_columns};
	return session->copying && session->copy_lines.n < MAX_RUNS && pg_frame_same_columns(&open, frame);
}

kd_code pg_copy_rows(pg_session *session, const struct pg_frame *frame, const pg_lines *lines, kd_error *err)
{
	kd_code code = KD_OK;
	if (session->copying && !pg_copy_takes(session, frame))
		code = pg_copy_end(session, err);
	if (code == KD_OK && !session->copying)
		code = open_copy(session, frame, err);
	if (code == KD_OK && !pg_lines_append(&session->copy_lines, lines))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
	if (code != KD_OK)
		return code;
	session->tally[frame->table].sent += frame->rows;
	return after(session, send_bytes(session, frame->tuples, frame->size), err);
}

kd_code pg_copy_end(pg_session *session, kd_error *err)
{
	if (!session->copying)
		return KD_OK;
	kd_code code = after(session, send_bytes(session, PG_COPY_TRAILER, PG_COPY_TRAILER_SIZE), err);
	if (code != KD_OK)
		return code;
	if (KD_FAULT_FAILS("sink.copy_end"))
		pg_conn_cut(session);
	session->copying = false;
	if (PQputCopyEnd(session->conn, NULL) != 1)
		return pg_conn_lost(session, doing, err);
	return take_tag(session, err);
}

void pg_copy_cancel(pg_session *session)
{
	if (!session->copying || session->lost)
		return;
	kd_error ignored = {0};
	session->copying = false;
	int answer_ms = session->limits.answer_ms;
	session->limits.answer_ms = 5000;
	if (PQputCopyEnd(session->conn, "kdirect gave the batch partition up") != 1)
		session->lost = true;
	else
		(void) take_tag(session, &ignored);
	session->limits.answer_ms = answer_ms;
}
