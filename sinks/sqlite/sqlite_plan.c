// SPDX-License-Identifier: Apache-2.0
// sqlite_plan: plans made durable, given back, and looked up again (I3, I6).
//
// Each is a compare-and-set on kdirect_partition: it names the position that it starts from and my owner, and counts
// what it changed.  Anything but all of it is rolled back and told as KD_CAS_MISS.
#include "sqlite_sink.h"

static int plan_one(sqlite_conn *conn, const kd_owner *me, const kd_batch_partition *e, int64_t now_ms, int *ret_moved)
{
	int rc = sqlite_conn_run(conn, ret_moved,
		"update kdirect_partition set planned_until = ?4, last_batch_time = ?5"
		" where job = ?1 and partition_index = ?2 and planned_until = ?3 and last_batch_time < ?5"
		"  and epoch = ?6 and owner = ?7 and closed_at is null",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->range.from),
			sqlite_int(e->range.until), sqlite_int(e->batch_time_ms), sqlite_int(me->epoch), sqlite_text(me->id)));
	if (rc != SQLITE_OK || *ret_moved != 1)
		return rc;
	return sqlite_conn_run(conn, NULL,
		"insert into kdirect_batch_partition"
		" (job, partition_index, batch_time, from_offset, until_offset, planned_at, instance)"
		" values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->batch_time_ms),
			sqlite_int(e->range.from), sqlite_int(e->range.until), sqlite_int(now_ms), sqlite_text(me->id)));
}

kd_code sqlite_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	kd_code code = sqlite_txn_begin(session, err);
	if (code)
		return code;
	sqlite_conn *conn = &session->sink->writer;
	int64_t now_ms = sqlite_now_ms();
	int rc = SQLITE_OK, moved = 1;
	for (size_t i = 0; i < n && rc == SQLITE_OK && moved == 1; i++)
		rc = plan_one(conn, me, &entries[i], now_ms, &moved);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not store the plan of job \"%s\"",
			entries[0].job);
	if (rc != SQLITE_OK || moved != 1) {
		sqlite_txn_rollback(session);
		return code;
	}
	code = sqlite_txn_commit(session, SQLITE_IN_LEDGER_COMMIT, err);
	if (!code)
		*ret_cas = KD_CAS_DONE;
	return code;
}

/* Both rows or none: the segment's newest plan is the one that planned_until ends. */
static int withdraw_one(sqlite_conn *conn, const kd_owner *me, const kd_batch_partition *e, bool *ret_done)
{
	int moved = 0, marked = 0;
	int rc = sqlite_conn_run(conn, &moved,
		"update kdirect_partition set planned_until = ?3"
		" where job = ?1 and partition_index = ?2 and planned_until = ?4 and epoch = ?5 and owner = ?6"
		"  and closed_at is null",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->range.from),
			sqlite_int(e->range.until), sqlite_int(me->epoch), sqlite_text(me->id)));
	if (rc == SQLITE_OK && moved == 1)
		rc = sqlite_conn_run(conn, &marked,
			"update kdirect_batch_partition set withdrawn_at = ?6"
			" where job = ?1 and partition_index = ?2 and batch_time = ?3 and from_offset = ?4 and until_offset = ?5"
			"  and committed_at is null and withdrawn_at is null",
			SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->batch_time_ms),
				sqlite_int(e->range.from), sqlite_int(e->range.until), sqlite_int(sqlite_now_ms())));
	*ret_done = moved == 1 && marked == 1;
	return rc;
}

kd_code sqlite_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	kd_code code = sqlite_txn_begin(session, err);
	if (code)
		return code;
	sqlite_conn *conn = &session->sink->writer;
	bool done;
	int rc = withdraw_one(conn, me, entry, &done);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not withdraw a plan of job \"%s\"", entry->job);
	if (rc != SQLITE_OK || !done) {
		sqlite_txn_rollback(session);
		return code;
	}
	code = sqlite_txn_commit(session, SQLITE_IN_LEDGER_COMMIT, err);
	if (!code)
		*ret_cas = KD_CAS_DONE;
	return code;
}

static int reread_segment(sqlite_conn *conn, kd_reread_kind kind, const kd_batch_partition *e, kd_reread *row)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, kind == KD_REREAD_PLAN
		? "select epoch, owner, planned_until, last_batch_time from kdirect_partition"
		  " where job = ?1 and partition_index = ?2"
		: "select epoch, owner, committed_until, 0 from kdirect_position where job = ?1 and partition_index = ?2",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index)));
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		row->found = true;
		row->owner.epoch = sqlite3_column_int64(stmt, 0);
		sqlite_column_get(stmt, 1, row->owner.id, sizeof row->owner.id);
		row->position = sqlite3_column_int64(stmt, 2);
		row->last_batch_time_ms = sqlite3_column_int64(stmt, 3);
	}
	return sqlite3_reset(stmt);
}

static int reread_batch(sqlite_conn *conn, const kd_batch_partition *e, kd_reread *row)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_BATCH_COLUMNS "from kdirect_batch_partition b"
		" where b.job = ?1 and b.partition_index = ?2 and b.batch_time = ?3",
		SQLITE_ARGS(sqlite_text(e->job), sqlite_int(e->partition_index), sqlite_int(e->batch_time_ms)));
	if (rc != SQLITE_OK)
		return rc;
	row->batch = KD_BATCH_ABSENT;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		kd_batch_row batch;
		sqlite_batch_read(stmt, &batch);
		row->batch = batch.state;
		row->range = batch.range;
	}
	return sqlite3_reset(stmt);
}

kd_code sqlite_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	sqlite_session *session = opaque;
	kd_code code = sqlite_txn_begin(session, err); /* the lock that waits for whoever still writes */
	if (code)
		return code;
	sqlite_conn *conn = &session->sink->writer;
	int rc = SQLITE_OK;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		ret_rows[i] = (kd_reread) {0};
		rc = reread_segment(conn, kind, &entries[i], &ret_rows[i]);
		if (rc == SQLITE_OK)
			rc = reread_batch(conn, &entries[i], &ret_rows[i]);
	}
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read the ledger of job \"%s\"",
			entries[0].job);
	sqlite_txn_rollback(session);
	return code;
}
