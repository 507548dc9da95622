// SPDX-License-Identifier: Apache-2.0
// sqlite_data: the data transaction: position, identifier and rows in one commit (I1, I2, I9).
//
// begin moves committed_until and then marks the identifier with exactly the planned range; each must change exactly
// one row, and not one row of data is stored before both did.  commit adds what the batch partition came to, writes
// the gaps, and refuses when a table kept another number of rows than it was given: a trigger that says
// raise(ignore) and a constraint with "on conflict ignore" swallow rows without an error.
//
// A ledger alone (sqlite_ledger.h) has no table to count in: the one that it belongs to counts for itself.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kdirect/fault.h"
#include "sqlite_sink.h"

static int move_position(sqlite_conn *conn, const kd_owner *me, const kd_batch_partition *e, int64_t now_ms,
	int *ret_moved)
{
	return sqlite_conn_run(conn, ret_moved,
		"update kdirect_position set committed_until = ?4, committed_at = ?5"
		" where job = ?1 and partition_index = ?2 and committed_until = ?3 and epoch = ?6 and owner = ?7",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->range.from),
			sqlite_int(e->range.until), sqlite_int(now_ms), sqlite_int(me->epoch), sqlite_text(me->id)));
}

static int mark_identifier(sqlite_conn *conn, const kd_owner *me, const kd_batch_partition *e, int64_t now_ms,
	int *ret_marked)
{
	return sqlite_conn_run(conn, ret_marked,
		"update kdirect_batch_partition set committed_at = ?6, instance = ?7"
		" where job = ?1 and partition_index = ?2 and batch_time = ?3 and from_offset = ?4 and until_offset = ?5"
		"  and committed_at is null and withdrawn_at is null",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->batch_time_ms),
			sqlite_int(e->range.from), sqlite_int(e->range.until), sqlite_int(now_ms), sqlite_text(me->id)));
}

kd_code sqlite_begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	char *job = strdup(entry->job);
	if (!job)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not begin a batch partition: no memory");
	kd_code code = sqlite_txn_begin(session, err);
	if (code) {
		free(job);
		return code;
	}
	sqlite_conn *conn = &session->sink->writer;
	int64_t now_ms = sqlite_now_ms();
	int moved = 0, marked = 0;
	int rc = move_position(conn, me, entry, now_ms, &moved);
	if (rc == SQLITE_OK && KD_FAULT_FAILS("sqlite.position_moved"))
		rc = SQLITE_FULL;
	if (rc == SQLITE_OK && moved == 1)
		rc = mark_identifier(conn, me, entry, now_ms, &marked);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not move the position of job \"%s\"",
			entry->job);
	if (rc != SQLITE_OK || moved != 1 || marked != 1) {
		sqlite_txn_rollback(session);
		free(job);
		return code;
	}
	session->in_data = true;
	session->job = job;
	session->entry = *entry;
	session->entry.job = job;
	session->entry.topic = NULL;
	session->rows_sent = 0;
	memset(session->counts, 0, session->sink->n_targets * sizeof *session->counts);
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}

/* Stores the row at *cursor and moves past it.  *ret_number: its target's. */
static int store_row(sqlite_session *session, const char **cursor, uint32_t *ret_number)
{
	sqlite_sink *sink = session->sink;
	uint32_t number = *ret_number = sqlite_take_number(cursor);
	const sqlite_target *target = &sink->targets[number];
	const unsigned char *mask = (const unsigned char *) *cursor;
	sqlite3_stmt *stmt;
	int rc = sqlite_inserts_find(&sink->inserts[number], sink->writer.db, target, mask, &stmt);
	*cursor += sqlite_mask_size(target);
	int parameter = 1;
	for (size_t i = 0; i < target->n_columns && rc == SQLITE_OK; i++)
		if (sqlite_mask_has(mask, i))
			rc = sqlite_bind_value(stmt, parameter++, cursor);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_step(stmt);
	session->counts[number].sent++;
	session->counts[number].stored += sqlite3_changes(sink->writer.db);
	return sqlite3_reset(stmt);
}

kd_code sqlite_write(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	sqlite_session *session = opaque;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write: no batch partition is open");
	const char *cursor = bytes, *end = cursor + size;
	while (cursor < end) {
		uint32_t number;
		session->rows_sent++;
		int rc = store_row(session, &cursor, &number);
		if (rc == SQLITE_OK)
			continue;
		bool first = err && !err->code;
		kd_code code = sqlite_error_set(err, session->sink->writer.db, rc, SQLITE_IN_ROW,
			"could not insert into \"%s\"", session->sink->targets[number].table);
		if (first && code == KD_ERECORD)
			err->row = session->rows_sent;
		return code;
	}
	return KD_OK;
}

static int write_gaps(sqlite_conn *conn, const kd_batch_partition *e, const kd_batch_result *r, int64_t *ret_sum)
{
	*ret_sum = 0;
	for (size_t i = 0; i < r->n_gaps; i++) {
		const kd_gap *gap = &r->gaps[i];
		*ret_sum += gap->range.until - gap->range.from;
		int rc = sqlite_conn_run(conn, NULL,
			"insert into kdirect_gap (job, partition_index, from_offset, until_offset, batch_time, at, reason, who)"
			" values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(gap->range.from),
				sqlite_int(gap->range.until), sqlite_int(e->batch_time_ms), sqlite_int(sqlite_now_ms()),
				sqlite_text(gap->reason), sqlite_text(gap->who)));
		if (rc != SQLITE_OK)
			return rc;
	}
	return SQLITE_OK;
}

static int write_result(sqlite_conn *conn, const kd_batch_partition *e, const kd_batch_result *r)
{
	int64_t gap;
	int rc = write_gaps(conn, e, r, &gap);
	if (rc == SQLITE_OK)
		rc = sqlite_conn_run(conn, NULL,
			"update kdirect_batch_partition set records = ?4, rows = ?5, dropped = ?6, gap = ?7"
			" where job = ?1 and partition_index = ?2 and batch_time = ?3",
			SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->batch_time_ms),
				sqlite_int(r->records), sqlite_int(r->rows), sqlite_int(r->dropped), sqlite_int(gap)));
	if (rc == SQLITE_OK && r->log_start >= 0)
		rc = sqlite_conn_run(conn, NULL, "update kdirect_position set log_start = ?3 where job = ?1 and partition_index = ?2",
			SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(r->log_start)));
	if (rc == SQLITE_OK && r->witness.offset >= 0)
		rc = sqlite_conn_run(conn, NULL,
			"update kdirect_position set witness_offset = ?3, witness_timestamp = ?4, witness_checksum = ?5"
			" where job = ?1 and partition_index = ?2",
			SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(r->witness.offset),
				sqlite_int(r->witness.timestamp_ms), sqlite_int(r->witness.checksum)));
	return rc;
}

static kd_code check_counts(const sqlite_session *session, const kd_batch_result *result, kd_error *err)
{
	const sqlite_sink *sink = session->sink;
	for (size_t i = 0; i < sink->n_targets; i++)
		if (session->counts[i].stored != session->counts[i].sent)
			return kd_error_set(err, KD_ESINK, KD_STOP,
				"could not commit to \"%s\": it stored %" PRId64 " of %" PRId64 " rows; a trigger that ignores rows, or a "
				"constraint with \"on conflict ignore\", takes them away", sink->targets[i].table,
				session->counts[i].stored, session->counts[i].sent);
	if (sink->n_targets && session->rows_sent != result->rows)
		return kd_error_set(err, KD_ESINK, KD_STOP,
			"could not commit to \"%s\": %" PRId64 " of the batch partition's %" PRId64 " rows were written",
			sink->targets->table, session->rows_sent, result->rows);
	return KD_OK;
}

static void forget(sqlite_session *session)
{
	session->in_data = false;
	free(session->job);
	session->job = NULL;
}

kd_code sqlite_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_durability = KD_DURABLE;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not commit: no batch partition is open");
	kd_code code = check_counts(session, result, err);
	if (code)
		return code;
	sqlite_conn *conn = &session->sink->writer;
	int rc = write_result(conn, &session->entry, result);
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_DATA, "could not complete the ledger of job \"%s\"",
			session->job);
	forget(session);
	return sqlite_txn_commit(session, SQLITE_IN_DATA_COMMIT, err);
}

void sqlite_abort(void *opaque)
{
	sqlite_session *session = opaque;
	if (!session->in_data)
		return;
	forget(session);
	sqlite_txn_rollback(session);
}
