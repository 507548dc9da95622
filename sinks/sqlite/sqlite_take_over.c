// SPDX-License-Identifier: Apache-2.0
// sqlite_take_over: a new start makes the job its own (I7).
//
// One transaction: a new epoch in the job's row, my owner in every partition's and position's row, then the image is
// read.  From its COMMIT on, a compare-and-set of the owner before finds nothing to change.
#include <stdlib.h>
#include <string.h>

#include "../common/process.h"
#include "sqlite_sink.h"

typedef struct stored_job {
	kd_incumbent now; /* epoch 0: no such job */
	char cluster_id[128];
	char target[256];
	char identity[256];
} stored_job;

static int read_job(sqlite_conn *conn, const char *job, stored_job *ret_job)
{
	*ret_job = (stored_job) {0};
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select j.epoch, j.cluster_id, j.target, j.target_identity, j.owner, i.started_at from kdirect_job j"
		" left join kdirect_instance i on i.job = j.job and i.epoch = j.epoch and i.owner = j.owner where j.job = ?1",
		SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		ret_job->now.owner.epoch = sqlite3_column_int64(stmt, 0);
		sqlite_column_get(stmt, 1, ret_job->cluster_id, sizeof ret_job->cluster_id);
		sqlite_column_get(stmt, 2, ret_job->target, sizeof ret_job->target);
		sqlite_column_get(stmt, 3, ret_job->identity, sizeof ret_job->identity);
		sqlite_column_get(stmt, 4, ret_job->now.owner.id, sizeof ret_job->now.owner.id);
		ret_job->now.started_at_ms = sqlite3_column_int64(stmt, 5); /* 0 where that instance is not there */
	}
	return sqlite3_reset(stmt);
}

static kd_code refuse_another(const sqlite_sink *sink, const kd_take_over *request, const stored_job *stored,
	kd_error *err)
{
	if (strcmp(stored->cluster_id, request->cluster_id) != 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take over job \"%s\": it reads from Kafka cluster \"%s\", this is \"%s\"; "
			"use the old cluster, or another job name", request->job, stored->cluster_id, request->cluster_id);
	if (strcmp(stored->identity, sink->info.identity) != 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take over job \"%s\": it writes to \"%s\", this is \"%s\"; "
			"use the old target, or another job name", request->job, stored->target, sink->info.target);
	return KD_OK;
}

kd_code sqlite_refuse_shared_topic(sqlite_conn *conn, const sqlite_sink *sink, const char *job, const char *topic,
	kd_error *err)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt,
		"select j.job from kdirect_job j join kdirect_partition p on p.job = j.job"
		" where j.job <> ?1 and j.target_identity = ?2 and p.topic = ?3 limit 1",
		SQLITE_ARGS(sqlite_text(job), sqlite_text(sink->info.identity), sqlite_text(topic)));
	char other[256] = "";
	if (rc == SQLITE_OK) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			sqlite_column_get(stmt, 0, other, sizeof other);
		rc = sqlite3_reset(stmt);
	}
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not look for other jobs");
	if (*other)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not use \"%s\" for topic \"%s\" in job \"%s\": job \"%s\" feeds it from this topic; use another "
			"target, or end that job for good with: delete from kdirect_job where job = '%s'",
			sink->info.target, topic, job, other, other);
	return KD_OK;
}

static int write_job(sqlite_conn *conn, const sqlite_sink *sink, const kd_take_over *r, int64_t epoch)
{
	return sqlite_conn_run(conn, NULL,
		"insert into kdirect_job"
		" (job, epoch, owner, cluster_id, target, target_identity, start_policy, isolation, created_at)"
		" values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
		" on conflict (job) do update set epoch = excluded.epoch, owner = excluded.owner, target = excluded.target,"
		"  start_policy = excluded.start_policy, isolation = excluded.isolation",
		SQLITE_ARGS(sqlite_text(r->job), sqlite_int(epoch), sqlite_text(r->owner_id), sqlite_text(r->cluster_id),
			sqlite_text(sink->info.target), sqlite_text(sink->info.identity), sqlite_text(r->start_policy),
			sqlite_text(r->isolation), sqlite_int(sqlite_now_ms())));
}

static int write_instance(sqlite_conn *conn, const kd_take_over *r, int64_t epoch)
{
	char process[PROCESS_MARK_SIZE];
	process_mark(r->pid, process);
	return sqlite_conn_run(conn, NULL,
		"insert or replace into kdirect_instance"
		" (job, epoch, owner, host, pid, process, started_at, taken_over_at, version)"
		" values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
		SQLITE_ARGS(sqlite_text(r->job), sqlite_int(epoch), sqlite_text(r->owner_id), sqlite_text(r->host),
			sqlite_int(r->pid), sqlite_text(process), sqlite_int(r->started_at_ms), sqlite_int(sqlite_now_ms()),
			sqlite_text(r->version)));
}

/* My owner into every segment: what fences whoever had them. */
static int write_owner(sqlite_conn *conn, const kd_take_over *r, int64_t epoch)
{
	const sqlite_arg args[] = {sqlite_text(r->job), sqlite_int(epoch), sqlite_text(r->owner_id)};
	int rc = sqlite_conn_run(conn, NULL, "update kdirect_partition set epoch = ?2, owner = ?3 where job = ?1", args, 3);
	if (rc == SQLITE_OK)
		rc = sqlite_conn_run(conn, NULL, "update kdirect_position set epoch = ?2, owner = ?3 where job = ?1", args, 3);
	return rc;
}

/* The array with room for one element more than n, which may have moved; NULL without memory: it stays as it was. */
static void *grow(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array; /* the capacity is the power of two at or above n */
	return realloc(array, (n ? 2 * n : 1) * size);
}

static int read_segments(sqlite_conn *conn, const char *job, kd_ledger_image *image)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_SEGMENT_COLUMNS SQLITE_SEGMENTS_FROM
		"where p.job = ?1 order by p.partition_index", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		kd_segment *more = grow(image->segments, image->n_segments, sizeof *more);
		image->segments = more ? more : image->segments;
		if (!more || !sqlite_segment_read(stmt, &more[image->n_segments++])) {
			sqlite3_reset(stmt);
			return SQLITE_NOMEM;
		}
	}
	return sqlite3_reset(stmt);
}

static int read_plans(sqlite_conn *conn, const char *job, kd_ledger_image *image)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select " SQLITE_BATCH_COLUMNS
		"from kdirect_batch_partition b join kdirect_partition p on p.job = b.job and p.partition_index = b.partition_index"
		" where b.job = ?1 and b.committed_at is null and b.withdrawn_at is null and p.closed_at is null"
		" order by b.partition_index, b.from_offset, b.batch_time", SQLITE_ARGS(sqlite_text(job)));
	if (rc != SQLITE_OK)
		return rc;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		kd_batch_row *more = grow(image->plans, image->n_plans, sizeof *more);
		if (!more) {
			sqlite3_reset(stmt);
			return SQLITE_NOMEM;
		}
		image->plans = more;
		sqlite_batch_read(stmt, &more[image->n_plans++]);
	}
	return sqlite3_reset(stmt);
}

/* A segment has both of its rows, and what has identifiers is a segment.  By the primary keys: history is stepped over. */
static const char lost_sql[] =
	"with recursive i (x) as ("
	" select min(partition_index) from kdirect_batch_partition where job = ?1 union all"
	" select (select min(b.partition_index) from kdirect_batch_partition b where b.job = ?1 and b.partition_index > i.x)"
	" from i where i.x is not null)"
	" select p.partition_index, 'kdirect_position' from kdirect_partition p where p.job = ?1 and not exists"
	" (select 1 from kdirect_position s where s.job = ?1 and s.partition_index = p.partition_index)"
	" union all"
	" select f.x, 'kdirect_partition' from (select partition_index as x from kdirect_position where job = ?1"
	" union all select x from i where x is not null) f where not exists"
	" (select 1 from kdirect_partition p where p.job = ?1 and p.partition_index = f.x) limit 1";

/* What is not there is not read, so that the library does not see it: the partition would begin anew (I2). */
static kd_code refuse_lost_rows(sqlite_conn *conn, const char *job, kd_error *err)
{
	sqlite3_stmt *stmt;
	kd_code code = KD_OK;
	int rc = sqlite_conn_query(conn, &stmt, lost_sql, SQLITE_ARGS(sqlite_text(job)));
	if (rc == SQLITE_OK) {
		if (sqlite3_step(stmt) == SQLITE_ROW)
			code = kd_error_set(err, KD_ELEDGER, KD_STOP,
				"the ledger does not tile: partition index %d has no row in %s; was it changed by hand? put back what was "
				"changed, from a backup or by what `audit` lists", sqlite3_column_int(stmt, 0),
				(const char *) sqlite3_column_text(stmt, 1));
		rc = sqlite3_reset(stmt);
	}
	if (code == KD_OK && rc != SQLITE_OK)
		code = sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not take over job \"%s\"", job);
	return code;
}

static kd_code take_over_locked(sqlite_sink *sink, const kd_take_over *request, kd_ledger_image *image, kd_error *err)
{
	sqlite_conn *conn = &sink->writer;
	stored_job stored;
	int rc = read_job(conn, request->job, &stored);
	if (rc == SQLITE_OK) {
		kd_code code = request->judge ? request->judge(request->opaque, &stored.now, err) : KD_OK;
		if (!code && stored.now.owner.epoch)
			code = refuse_another(sink, request, &stored, err);
		if (!code)
			code = refuse_lost_rows(conn, request->job, err);
		if (code)
			return code;
	}
	for (size_t i = 0; i < request->n_topics && rc == SQLITE_OK; i++) {
		kd_code code = sqlite_refuse_shared_topic(conn, sink, request->job, request->topics[i], err);
		if (code)
			return code;
	}
	image->created = stored.now.owner.epoch == 0;
	image->owner.epoch = kd_take_over_epoch(request, stored.now.owner.epoch);
	strncpy(image->owner.id, request->owner_id, sizeof image->owner.id - 1);
	if (rc == SQLITE_OK)
		rc = write_job(conn, sink, request, image->owner.epoch);
	if (rc == SQLITE_OK)
		rc = write_instance(conn, request, image->owner.epoch);
	if (rc == SQLITE_OK)
		rc = write_owner(conn, request, image->owner.epoch);
	if (rc == SQLITE_OK)
		rc = read_segments(conn, request->job, image);
	if (rc == SQLITE_OK)
		rc = read_plans(conn, request->job, image);
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not take over job \"%s\"", request->job);
	return KD_OK;
}

kd_code sqlite_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	sqlite_session *session = opaque;
	*ret_image = (kd_ledger_image) {0};
	kd_code code = sqlite_txn_begin(session, err);
	if (code)
		return code;
	code = take_over_locked(session->sink, request, ret_image, err);
	if (code)
		sqlite_txn_rollback(session);
	else
		code = sqlite_txn_commit(session, SQLITE_IN_LEDGER_COMMIT, err);
	if (code)
		kd_ledger_image_done(ret_image);
	return code;
}
