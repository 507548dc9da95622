// SPDX-License-Identifier: Apache-2.0
// sqlite_prune: old identifiers are deleted, and what they counted is kept as sums.
//
// What goes is always a prefix of a segment's committed ranges, so that the rest still tiles from log_from (I3).  A
// segment's last committed range stays: the next one must meet it.
#include "sqlite_sink.h"

#define MOST_PRUNED 5000 /* rows a call, so that the lock is not held for long */

typedef struct prefix {
	int64_t n, until, batch_time, records, rows, dropped, dead_letters, gap;
} prefix;

/* The rows of a segment that may go, at most `most`.  One is known to be not the last when another follows. */
static int find_prefix(sqlite_conn *conn, const char *job, int32_t index, int64_t before_ms, int64_t most, prefix *ret)
{
	*ret = (prefix) {0};
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_BATCH_COLUMNS
		"from kdirect_batch_partition b join kdirect_position s on s.job = b.job and s.partition_index = b.partition_index"
		" where b.job = ?1 and b.partition_index = ?2 and b.committed_at is not null"
		"  and b.until_offset <= s.committed_until order by b.batch_time limit ?3",
		SQLITE_ARGS(sqlite_text(job), sqlite_int(index), sqlite_int(most + 1)));
	if (rc != SQLITE_OK)
		return rc;
	kd_batch_row row = {0}, next;
	for (bool first = true; sqlite3_step(stmt) == SQLITE_ROW; first = false, row = next) {
		sqlite_batch_read(stmt, &next);
		if (first)
			continue;
		if (row.committed_at_ms >= before_ms)
			break;
		ret->n++;
		ret->until = row.range.until;
		ret->batch_time = row.batch_time_ms;
		ret->records += row.records;
		ret->rows += row.rows;
		ret->dropped += row.dropped;
		ret->dead_letters += row.dead_letters;
		ret->gap += row.gap;
	}
	return sqlite3_reset(stmt);
}

static int remove_prefix(sqlite_conn *conn, const char *job, int32_t index, const prefix *p)
{
	int removed = 0;
	int rc = sqlite_conn_run(conn, &removed,
		"delete from kdirect_batch_partition"
		" where job = ?1 and partition_index = ?2 and batch_time <= ?3 and committed_at is not null",
		SQLITE_ARGS(sqlite_text(job), sqlite_int(index), sqlite_int(p->batch_time)));
	if (rc == SQLITE_OK && removed != p->n)
		return SQLITE_CONSTRAINT;
	if (rc == SQLITE_OK)
		rc = sqlite_conn_run(conn, NULL,
			"update kdirect_position set log_from = ?3, pruned_batches = pruned_batches + ?4,"
			"  pruned_records = pruned_records + ?5, pruned_rows = pruned_rows + ?6,"
			"  pruned_dropped = pruned_dropped + ?7, pruned_dead_letters = pruned_dead_letters + ?8,"
			"  pruned_gap = pruned_gap + ?9"
			" where job = ?1 and partition_index = ?2",
			SQLITE_ARGS(sqlite_text(job), sqlite_int(index), sqlite_int(p->until), sqlite_int(p->n),
				sqlite_int(p->records), sqlite_int(p->rows), sqlite_int(p->dropped), sqlite_int(p->dead_letters),
				sqlite_int(p->gap)));
	return rc;
}

/* My segment at or after `index`; -1 where there is none. */
static int next_segment(sqlite_conn *conn, const kd_owner *me, const char *job, int32_t index, int32_t *ret_index)
{
	*ret_index = -1;
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select partition_index from kdirect_position"
		" where job = ?1 and partition_index >= ?2 and epoch = ?3 and owner = ?4 order by partition_index limit 1",
		SQLITE_ARGS(sqlite_text(job), sqlite_int(index), sqlite_int(me->epoch), sqlite_text(me->id)));
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		*ret_index = sqlite3_column_int(stmt, 0);
	return sqlite3_reset(stmt);
}

static int prune_all(sqlite_conn *conn, const kd_owner *me, const char *job, int64_t before_ms, int64_t *ret_removed)
{
	int32_t index;
	int rc = next_segment(conn, me, job, 0, &index);
	while (rc == SQLITE_OK && index >= 0 && *ret_removed < MOST_PRUNED) {
		prefix p;
		rc = find_prefix(conn, job, index, before_ms, MOST_PRUNED - *ret_removed, &p);
		if (rc == SQLITE_OK && p.n > 0)
			rc = remove_prefix(conn, job, index, &p);
		*ret_removed += p.n;
		if (rc == SQLITE_OK)
			rc = next_segment(conn, me, job, index + 1, &index);
	}
	return rc;
}

kd_code sqlite_prune(void *opaque, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_removed = 0;
	*ret_more = false;
	kd_code code = sqlite_txn_begin(session, err);
	if (code)
		return code;
	sqlite_conn *conn = &session->sink->writer;
	int rc = prune_all(conn, me, job, sqlite_now_ms() - keep_days * 86400000, ret_removed);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not prune the ledger of job \"%s\"", job);
	if (code || *ret_removed == 0)
		sqlite_txn_rollback(session);
	else
		code = sqlite_txn_commit(session, SQLITE_IN_LEDGER_COMMIT, err);
	if (code)
		*ret_removed = 0;
	*ret_more = *ret_removed >= MOST_PRUNED;
	return code;
}
