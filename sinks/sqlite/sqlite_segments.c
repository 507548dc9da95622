// SPDX-License-Identifier: Apache-2.0
// sqlite_segments: new partitions of a job, and new lives of old ones.
//
// A call whose answer was lost is made again: so what is already there, as the call wants it, is returned as it is.
#include "sqlite_sink.h"

static int is_mine(sqlite_conn *conn, const kd_owner *me, const char *job, bool *ret_mine)
{
	*ret_mine = false;
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select 1 from kdirect_job where job = ?1 and epoch = ?2 and owner = ?3",
		SQLITE_ARGS(sqlite_text(job), sqlite_int(me->epoch), sqlite_text(me->id)));
	if (rc != SQLITE_OK)
		return rc;
	*ret_mine = sqlite3_step(stmt) == SQLITE_ROW;
	return sqlite3_reset(stmt);
}

/* The newest segment of a partition; *ret_found false where there is none.  The caller frees its strings. */
static int newest(sqlite_conn *conn, const char *job, const kd_new_partition *p, kd_segment *ret_segment,
	bool *ret_found)
{
	*ret_segment = (kd_segment) {0};
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_SEGMENT_COLUMNS SQLITE_SEGMENTS_FROM
		"where p.job = ?1 and p.topic = ?2 and p.kafka_partition = ?3 order by p.segment desc limit 1",
		SQLITE_ARGS(sqlite_text(job), sqlite_text(p->topic), sqlite_int(p->partition)));
	if (rc != SQLITE_OK)
		return rc;
	*ret_found = sqlite3_step(stmt) == SQLITE_ROW;
	bool complete = !*ret_found || sqlite_segment_read(stmt, ret_segment);
	rc = sqlite3_reset(stmt);
	return complete ? rc : SQLITE_NOMEM;
}

/* An open segment that nothing was planned in and that starts where the new one would: made by the call whose answer
 * was lost. */
static bool is_fresh(const kd_segment *segment, const kd_new_partition *p)
{
	return segment->segment > 0 && !segment->closed && segment->start_offset == p->start_offset &&
		segment->planned_until == p->start_offset;
}

static int close_segment(sqlite_conn *conn, const char *job, const kd_segment *old, const kd_new_partition *p)
{
	int64_t now = sqlite_now_ms();
	int rc = sqlite_conn_run(conn, NULL,
		"update kdirect_batch_partition set withdrawn_at = ?3"
		" where job = ?1 and partition_index = ?2 and committed_at is null and withdrawn_at is null",
		SQLITE_ARGS(sqlite_text(job), sqlite_int(old->partition_index), sqlite_int(now)));
	if (rc == SQLITE_OK && old->committed_until < old->planned_until)
		rc = sqlite_conn_run(conn, NULL,
			"insert into kdirect_gap (job, partition_index, from_offset, until_offset, batch_time, at, reason, who)"
			" values (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7)",
			SQLITE_ARGS(sqlite_text(job), sqlite_int(old->partition_index), sqlite_int(old->committed_until),
				sqlite_int(old->planned_until), sqlite_int(now), sqlite_text(p->closed_reason), sqlite_text(p->who)));
	if (rc == SQLITE_OK)
		rc = sqlite_conn_run(conn, NULL,
			"update kdirect_partition set closed_at = ?3, closed_reason = ?4, closed_by = ?5"
			" where job = ?1 and partition_index = ?2",
			SQLITE_ARGS(sqlite_text(job), sqlite_int(old->partition_index), sqlite_int(now),
				sqlite_text(p->closed_reason), sqlite_text(p->who)));
	return rc;
}

/* The batch times of a new life go on from those of the old one: none of a partition is ever used twice (I6). */
static int open_segment(sqlite_conn *conn, const kd_owner *me, const char *job, const kd_new_partition *p,
	int32_t segment, int64_t last_batch_time_ms)
{
	int rc = sqlite_conn_run(conn, NULL,
		"insert into kdirect_partition (job, partition_index, topic, kafka_partition, segment, start_offset, planned_until,"
		"  last_batch_time, epoch, owner, opened_at)"
		" select ?1, coalesce(max(partition_index) + 1, 0), ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9"
		" from kdirect_partition where job = ?1",
		SQLITE_ARGS(sqlite_text(job), sqlite_text(p->topic), sqlite_int(p->partition), sqlite_int(segment),
			sqlite_int(p->start_offset), sqlite_int(last_batch_time_ms), sqlite_int(me->epoch), sqlite_text(me->id),
			sqlite_int(sqlite_now_ms())));
	if (rc == SQLITE_OK)
		rc = sqlite_conn_run(conn, NULL,
			"insert into kdirect_position (job, partition_index, committed_until, epoch, owner, log_start, log_from)"
			" select job, partition_index, start_offset, epoch, owner, ?5, start_offset from kdirect_partition"
			" where job = ?1 and topic = ?2 and kafka_partition = ?3 and segment = ?4",
			SQLITE_ARGS(sqlite_text(job), sqlite_text(p->topic), sqlite_int(p->partition), sqlite_int(segment),
				sqlite_int(p->log_start)));
	return rc;
}

static int add_one(sqlite_conn *conn, const kd_owner *me, const char *job, const kd_new_partition *p,
	kd_segment *ret_segment)
{
	kd_segment old;
	bool found = false;
	int rc = newest(conn, job, p, &old, &found);
	bool keep = found && !old.closed && (!p->new_segment || is_fresh(&old, p));
	if (rc != SQLITE_OK || keep) {
		*ret_segment = old;
		return rc;
	}
	if (found && !old.closed)
		rc = close_segment(conn, job, &old, p);
	if (rc == SQLITE_OK)
		rc = open_segment(conn, me, job, p, found ? old.segment + 1 : 0, old.last_batch_time_ms);
	sqlite_segment_drop(&old);
	return rc == SQLITE_OK ? newest(conn, job, p, ret_segment, &found) : rc;
}

static kd_code add_locked(sqlite_sink *sink, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	sqlite_conn *conn = &sink->writer;
	bool mine;
	int rc = is_mine(conn, me, job, &mine);
	if (rc == SQLITE_OK && !mine)
		return KD_OK;
	for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
		kd_code code = sqlite_refuse_shared_topic(conn, sink, job, partitions[i].topic, err);
		if (code)
			return code;
		rc = add_one(conn, me, job, &partitions[i], &ret_segments[i]);
	}
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not add partitions to job \"%s\"", job);
	*ret_cas = KD_CAS_DONE;
	return KD_OK;
}

kd_code sqlite_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	for (size_t i = 0; i < n; i++)
		ret_segments[i] = (kd_segment) {0};
	kd_code code = sqlite_txn_begin(session, err);
	if (code)
		return code;
	code = add_locked(session->sink, me, job, partitions, n, ret_cas, ret_segments, err);
	if (code || *ret_cas == KD_CAS_MISS)
		sqlite_txn_rollback(session);
	else
		code = sqlite_txn_commit(session, SQLITE_IN_LEDGER_COMMIT, err);
	if (code) {
		*ret_cas = KD_CAS_MISS;
		for (size_t i = 0; i < n; i++)
			sqlite_segment_drop(&ret_segments[i]);
	}
	return code;
}
