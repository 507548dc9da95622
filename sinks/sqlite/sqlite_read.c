// SPDX-License-Identifier: Apache-2.0
// sqlite_read: what is read without a lock: the idle owner's check, and the snapshots of tools.
//
// In WAL mode a read transaction sees one state of the file and nobody waits for it.
#include <string.h>

#include "../common/process.h"
#include "sqlite_sink.h"

static kd_code read_error(kd_error *err, sqlite_conn *conn, int rc, const char *job)
{
	return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read the ledger of job \"%s\"", job);
}

kd_code sqlite_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	sqlite_conn *conn;
	*ret_n = 0;
	kd_code code = sqlite_reader(opaque, &conn, err);
	if (code)
		return code;
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select p.partition_index, p.kafka_partition, p.planned_until, s.committed_until, p.epoch, p.owner,"
		" p.last_batch_time "
		SQLITE_SEGMENTS_FROM "where p.job = ?1 and p.closed_at is null order by p.partition_index",
		SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return read_error(err, conn, rc, job);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		if ((*ret_n)++ >= n)
			continue;
		kd_segment *s = &ret_segments[*ret_n - 1];
		*s = (kd_segment) {
			.partition_index = sqlite3_column_int(stmt, 0),
			.partition = sqlite3_column_int(stmt, 1),
			.planned_until = sqlite3_column_int64(stmt, 2),
			.committed_until = sqlite3_column_int64(stmt, 3),
			.owner.epoch = sqlite3_column_int64(stmt, 4),
			.last_batch_time_ms = sqlite3_column_int64(stmt, 6),
		};
		sqlite_column_get(stmt, 5, s->owner.id, sizeof s->owner.id);
	}
	rc = sqlite3_reset(stmt);
	return rc == SQLITE_OK ? KD_OK : read_error(err, conn, rc, job);
}

kd_code sqlite_snapshot_begin(void *opaque, kd_error *err)
{
	sqlite_session *session = opaque;
	sqlite_conn *conn;
	kd_code code = sqlite_reader(session, &conn, err);
	if (code)
		return code;
	/* it is the first read that fixes the snapshot */
	int rc = sqlite_conn_script(conn, "begin; select 1 from sqlite_schema limit 1");
	if (rc != SQLITE_OK) {
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read \"%s\"", session->sink->path);
		(void) sqlite_conn_script(conn, "rollback"); /* where the begin went through */
		return code;
	}
	session->snapshot = true;
	return KD_OK;
}

void sqlite_snapshot_end(void *opaque)
{
	sqlite_session *session = opaque;
	if (session->snapshot && sqlite_conn_script(&session->reader, "rollback") != SQLITE_OK)
		sqlite_conn_close(&session->reader);
	session->snapshot = false;
}

static int read_job(sqlite_conn *conn, const char *job, const kd_ledger_view *view, bool *ret_found)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select epoch, cluster_id, target, target_identity, isolation, start_policy from kdirect_job where job = ?1",
		SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	*ret_found = sqlite3_step(stmt) == SQLITE_ROW;
	if (*ret_found && view->job)
		view->job(view->opaque, job, sqlite3_column_int64(stmt, 0), (const char *) sqlite3_column_text(stmt, 1),
			(const char *) sqlite3_column_text(stmt, 2), (const char *) sqlite3_column_text(stmt, 3),
			(const char *) sqlite3_column_text(stmt, 4), (const char *) sqlite3_column_text(stmt, 5));
	return sqlite3_reset(stmt);
}

static int read_segments(sqlite_conn *conn, const char *job, const kd_ledger_view *view)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_SEGMENT_COLUMNS SQLITE_SEGMENTS_FROM
		"where p.job = ?1 order by p.partition_index", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		kd_segment segment;
		bool complete = sqlite_segment_read(stmt, &segment);
		more = complete && view->segment(view->opaque, &segment);
		sqlite_segment_drop(&segment);
		if (!complete) {
			sqlite3_reset(stmt);
			return SQLITE_NOMEM;
		}
	}
	return sqlite3_reset(stmt);
}

static int read_batches(sqlite_conn *conn, const char *job, const kd_ledger_view *view)
{
	sqlite3_stmt *stmt;
	int rc = view->last_batches > 0
		? sqlite_conn_query(conn, &stmt, "select " SQLITE_BATCH_COLUMNS "from kdirect_batch_partition b"
			" where b.job = ?1 and b.batch_time in (select distinct batch_time from kdirect_batch_partition"
			"  where job = ?1 order by batch_time desc limit ?2)"
			" order by b.batch_time desc, b.partition_index, b.from_offset",
			SQLITE_ARGS(sqlite_text(job), sqlite_int((int64_t) view->last_batches)))
		: sqlite_conn_query(conn, &stmt, "select " SQLITE_BATCH_COLUMNS "from kdirect_batch_partition b"
			" where b.job = ?1 order by b.partition_index, b.from_offset, b.batch_time", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		kd_batch_row row;
		sqlite_batch_read(stmt, &row);
		more = view->batch(view->opaque, &row);
	}
	return sqlite3_reset(stmt);
}

static int read_gaps(sqlite_conn *conn, const char *job, const kd_ledger_view *view)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select partition_index, from_offset, until_offset, batch_time, at, reason, who from kdirect_gap"
		" where job = ?1 order by partition_index, from_offset", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		kd_gap gap = {
			.partition_index = sqlite3_column_int(stmt, 0),
			.range = {sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2)},
			.batch_time_ms = sqlite3_column_int64(stmt, 3),
			.at_ms = sqlite3_column_int64(stmt, 4),
		};
		sqlite_column_get(stmt, 5, gap.reason, sizeof gap.reason);
		sqlite_column_get(stmt, 6, gap.who, sizeof gap.who);
		more = view->gap(view->opaque, &gap);
	}
	return sqlite3_reset(stmt);
}

static int read_instances(sqlite_conn *conn, const char *job, const kd_ledger_view *view)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select epoch, owner, host, pid, started_at, version from kdirect_instance where job = ?1"
		" order by taken_over_at desc, epoch desc", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		kd_owner owner = {.epoch = sqlite3_column_int64(stmt, 0)};
		sqlite_column_get(stmt, 1, owner.id, sizeof owner.id);
		more = view->instance(view->opaque, &owner, (const char *) sqlite3_column_text(stmt, 2),
			sqlite3_column_int64(stmt, 3), sqlite3_column_int64(stmt, 4), (const char *) sqlite3_column_text(stmt, 5));
	}
	return sqlite3_reset(stmt);
}

/* The reader of a session whose file has a ledger. */
static kd_code ledger_reader(sqlite_session *session, sqlite_conn **ret_conn, kd_error *err)
{
	kd_code code = KD_OK;
	*ret_conn = &session->reader;
	if (!session->snapshot)
		code = sqlite_reader(session, ret_conn, err);
	int version = 0;
	if (!code)
		code = sqlite_schema_version(*ret_conn, &version, err);
	if (!code && version == 0)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: there is none in \"%s\"; has the job run?",
			session->sink->path);
	return code;
}

kd_code sqlite_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	sqlite_conn *conn;
	kd_code code = ledger_reader(opaque, &conn, err);
	if (code)
		return code;
	bool found = false;
	int rc = read_job(conn, job, view, &found);
	if (rc == SQLITE_OK && !found)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read the ledger: it has no job \"%s\"; has it run?", job);
	if (rc == SQLITE_OK && view->segment)
		rc = read_segments(conn, job, view);
	if (rc == SQLITE_OK && view->batch)
		rc = read_batches(conn, job, view);
	if (rc == SQLITE_OK && view->gap)
		rc = read_gaps(conn, job, view);
	if (rc == SQLITE_OK && view->instance)
		rc = read_instances(conn, job, view);
	return rc == SQLITE_OK ? KD_OK : read_error(err, conn, rc, job);
}

/* "select kafka_offset from t where kafka_topic = ?1 and ..." with the table's own name. */
static bool scan_sql(kd_buf *sql, const sqlite_target *target)
{
	return kd_buf_printf(sql, "select kafka_offset from ") && sqlite_quote(sql, target->table) &&
		kd_buf_printf(sql, " where kafka_topic = ?1 and kafka_partition = ?2 and kafka_offset >= ?3"
			" and kafka_offset < ?4 order by kafka_offset");
}

static int scan(sqlite_conn *conn, const char *sql, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_text(stmt, 1, topic, -1, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 2, partition);
	sqlite3_bind_int64(stmt, 3, range.from);
	sqlite3_bind_int64(stmt, 4, range.until);
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW)
		more = row(opaque, sqlite3_column_int64(stmt, 0));
	return sqlite3_finalize(stmt);
}

kd_code sqlite_scan_offsets(void *opaque, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *row_opaque, kd_error *err)
{
	sqlite_session *session = opaque;
	const sqlite_target *target = session->sink->targets;
	sqlite_conn *conn = &session->reader;
	kd_code code = session->snapshot ? KD_OK : sqlite_reader(session, &conn, err);
	if (code)
		return code;
	kd_buf sql = {0};
	int rc = scan_sql(&sql, target) ? scan(conn, sql.data, topic, partition, range, row, row_opaque) : SQLITE_NOMEM;
	kd_buf_done(&sql);
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read the offsets in \"%s\"", target->table);
	return KD_OK;
}

/* Only a process of this machine can be looked at; one that shares the file from elsewhere is fenced all the same. */
kd_code sqlite_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	sqlite_conn *conn;
	*ret_who = '\0';
	kd_code code = ledger_reader(opaque, &conn, err);
	if (code)
		return code;
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select i.pid, i.host, i.process, i.started_at from kdirect_instance i join kdirect_job j"
		" on j.job = i.job and j.epoch = i.epoch and j.owner = i.owner where i.job = ?1", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return read_error(err, conn, rc, job);
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		char then[PROCESS_MARK_SIZE], now[PROCESS_MARK_SIZE];
		sqlite_column_get(stmt, 2, then, sizeof then);
		process_mark(sqlite3_column_int64(stmt, 0), now);
		if (*now && !strcmp(then, now))
			process_describe(sqlite3_column_int64(stmt, 0), (const char *) sqlite3_column_text(stmt, 1),
				sqlite3_column_int64(stmt, 3), ret_who, size);
	}
	rc = sqlite3_reset(stmt);
	return rc == SQLITE_OK ? KD_OK : read_error(err, conn, rc, job);
}
