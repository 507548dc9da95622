// SPDX-License-Identifier: Apache-2.0
// pg_read: see the header.
#include "pg_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_call.h"
#include "pg_ledger.h"
#include "pg_schema.h"
#include "pg_sink.h"

kd_code pg_snapshot_begin(void *opaque, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, opaque, "begin a snapshot");
	pg_call_begin(&call, PG_SNAPSHOT);
	kd_code code = pg_call_run(&call, NULL, err);
	pg_call_done(&call);
	return code;
}

void pg_snapshot_end(void *opaque)
{
	pg_session_rollback(opaque);
}

/* ---- a query, row by row ---- */

typedef bool row_fn(void *opaque, const PGresult *result, int row);

static kd_code fetch_all(pg_session *session, row_fn *fn, void *opaque, kd_error *err)
{
	for (bool more = true; more;) {
		pg_call call;
		pg_call_init(&call, session, "read the ledger");
		pg_call_sql(&call, "fetch 5000 from kdirect_rows");
		kd_code code = pg_call_run(&call, NULL, err);
		const PGresult *result = call.statement[0].result;
		int n = code == KD_OK ? PQntuples(result) : 0;
		more = n > 0;
		for (int i = 0; i < n && more; i++)
			more = fn(opaque, result, i);
		pg_call_done(&call);
		if (code != KD_OK)
			return code;
	}
	return KD_OK;
}

/* `declare` is a call that opens the cursor kdirect_rows. */
static kd_code each_row(pg_call *declare, row_fn *fn, void *opaque, kd_error *err)
{
	pg_session *session = declare->session;
	kd_code code = pg_call_run(declare, NULL, err);
	pg_call_done(declare);
	if (code == KD_OK)
		code = fetch_all(session, fn, opaque, err);
	if (code != KD_OK)
		return code;
	pg_call close;
	pg_call_init(&close, session, "read the ledger");
	pg_call_sql(&close, "close kdirect_rows");
	code = pg_call_run(&close, NULL, err);
	pg_call_done(&close);
	return code;
}

static kd_code each_row_of_job(pg_session *session, const char *sql, const char *job, row_fn *fn, void *opaque,
	kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, "read the ledger");
	pg_call_sql(&call, sql);
	pg_call_text(&call, job);
	return each_row(&call, fn, opaque, err);
}

/* ---- the ledger's kinds of rows ---- */

#define CURSOR "declare kdirect_rows no scroll cursor for "

static kd_code read_job(pg_session *session, const char *job, const kd_ledger_view *view, kd_error *err)
{
	int version = 0;
	kd_code code = pg_schema_version(session, &version, err);
	if (code != KD_OK)
		return code;
	if (version == 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not find job \"%s\": there is no ledger in schema \"%s\" yet",
			job, session->sink->ledger_name);
	pg_call call;
	pg_call_init(&call, session, "read the ledger");
	pg_call_sql(&call, "select epoch, cluster_id, target, target_identity, isolation, start_policy"
		" from @job where job = $1");
	pg_call_text(&call, job);
	code = pg_call_run(&call, NULL, err);
	const PGresult *r = call.statement[0].result;
	if (code == KD_OK && PQntuples(r) == 0)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not find job \"%s\": the ledger has no such job", job);
	if (code == KD_OK && view->job)
		view->job(view->opaque, job, pg_int(r, 0, 0), PQgetvalue(r, 0, 1), PQgetvalue(r, 0, 2), PQgetvalue(r, 0, 3),
			PQgetvalue(r, 0, 4), PQgetvalue(r, 0, 5));
	pg_call_done(&call);
	return code;
}

static bool on_segment(void *opaque, const PGresult *result, int row)
{
	const kd_ledger_view *view = opaque;
	kd_segment segment;
	bool go_on = pg_segment_read(result, row, &segment) && view->segment(view->opaque, &segment);
	free(segment.topic);
	free(segment.closed_reason);
	return go_on;
}

static bool on_batch(void *opaque, const PGresult *result, int row)
{
	const kd_ledger_view *view = opaque;
	kd_batch_row batch;
	pg_batch_row_read(result, row, &batch);
	return view->batch(view->opaque, &batch);
}

static bool on_gap(void *opaque, const PGresult *result, int row)
{
	const kd_ledger_view *view = opaque;
	kd_gap gap = {
		.partition_index = (int32_t) pg_int(result, row, 0),
		.range = {pg_int(result, row, 1), pg_int(result, row, 2)},
		.batch_time_ms = pg_int(result, row, 3),
		.at_ms = pg_int(result, row, 4),
	};
	snprintf(gap.reason, sizeof gap.reason, "%s", PQgetvalue(result, row, 5));
	snprintf(gap.who, sizeof gap.who, "%s", PQgetvalue(result, row, 6));
	return view->gap(view->opaque, &gap);
}

static bool on_instance(void *opaque, const PGresult *result, int row)
{
	const kd_ledger_view *view = opaque;
	kd_owner owner = {.epoch = pg_int(result, row, 0)};
	snprintf(owner.id, sizeof owner.id, "%s", PQgetvalue(result, row, 1));
	return view->instance(view->opaque, &owner, PQgetvalue(result, row, 2), pg_int(result, row, 3),
		pg_int(result, row, 4), PQgetvalue(result, row, 5));
}

static const char segments_sql[] =
	CURSOR "select " PG_SEGMENT_COLUMNS PG_SEGMENTS " where p.job = $1 order by p.partition_index";

static const char batches_sql[] =
	CURSOR "select " PG_BATCH_COLUMNS " from @batch_partition b where b.job = $1"
	" order by b.partition_index, b.from_offset, b.batch_time";

/* Steps from one batch time to the next lower one by the primary key, so that a long ledger costs nothing. */
static const char last_batches_sql[] =
	CURSOR "with recursive t (batch_time, i) as ("
	" (select max(batch_time), 1 from @batch_partition where job = $1) union all"
	" select (select max(b.batch_time) from @batch_partition b where b.job = $1 and b.batch_time < t.batch_time), t.i + 1"
	" from t where t.batch_time is not null and t.i < $2::bigint)"
	" select " PG_BATCH_COLUMNS " from @batch_partition b join t on t.batch_time = b.batch_time where b.job = $1"
	" order by b.batch_time desc, b.partition_index";

static const char gaps_sql[] =
	CURSOR "select partition_index, from_offset, until_offset, batch_time, " PG_MS("at") ", reason, who"
	" from @gap where job = $1 order by partition_index, from_offset";

static const char instances_sql[] =
	CURSOR "select epoch, owner, host, pid, " PG_MS("started_at") ", version from @instance where job = $1"
	" order by epoch desc, taken_over_at desc";

static kd_code read_batches(pg_session *session, const char *job, const kd_ledger_view *view, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, "read the ledger");
	pg_call_sql(&call, view->last_batches > 0 ? last_batches_sql : batches_sql);
	pg_call_text(&call, job);
	if (view->last_batches > 0)
		pg_call_int(&call, (int64_t) view->last_batches);
	return each_row(&call, on_batch, (void *) view, err);
}

kd_code pg_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	pg_session *session = opaque;
	kd_code code = read_job(session, job, view, err);
	if (code == KD_OK && view->segment)
		code = each_row_of_job(session, segments_sql, job, on_segment, (void *) view, err);
	if (code == KD_OK && view->batch)
		code = read_batches(session, job, view, err);
	if (code == KD_OK && view->gap)
		code = each_row_of_job(session, gaps_sql, job, on_gap, (void *) view, err);
	if (code == KD_OK && view->instance)
		code = each_row_of_job(session, instances_sql, job, on_instance, (void *) view, err);
	return code;
}

/* ---- the target's offsets ---- */

typedef struct offsets {
	bool (*row)(void *opaque, int64_t offset);
	void *opaque;
} offsets;

static bool on_offset(void *opaque, const PGresult *result, int row)
{
	const offsets *o = opaque;
	return o->row(o->opaque, pg_int(result, row, 0));
}

kd_code pg_scan_offsets(void *opaque, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *row_opaque, kd_error *err)
{
	pg_session *session = opaque;
	kd_buf sql = {0};
	pg_call call;
	pg_call_init(&call, session, "read the target's offsets");
	bool ok = session->sink->tables[0].qualified &&
		kd_buf_printf(&sql, CURSOR "select kafka_offset from %s where kafka_topic = $1 and kafka_partition = $2::bigint"
			" and kafka_offset >= $3::bigint and kafka_offset < $4::bigint order by kafka_offset",
			session->sink->tables[0].qualified) && kd_buf_append(&sql, "", 1);
	if (!ok)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not read the target's offsets: there is no such table");
	pg_call_plain(&call, sql.data);
	kd_buf_done(&sql);
	pg_call_text(&call, topic);
	pg_call_int(&call, partition);
	pg_call_int(&call, range.from);
	pg_call_int(&call, range.until);
	offsets o = {row, row_opaque};
	return each_row(&call, on_offset, &o, err);
}

/* ---- who is alive ---- */

/* An engine's session is named kdirect/<job>/driver or .../worker-<n>.  A pooler's connection keeps the name of whoever
 * used it last, so behind a pooler only a session that was in use lately counts. */
static const char alive_sql[] =
	"select i.pid, i.host, i.started_at::text from pg_stat_activity a"
	" left join lateral (select pid, host, started_at from @instance where job = $1"
	" order by epoch desc, taken_over_at desc limit 1) i on true"
	" where (a.application_name = $2 || 'driver' or starts_with(a.application_name, $2 || 'worker-'))"
	" and a.datname = current_database() and a.pid <> pg_backend_pid()"
	" and ($3 = 'direct' or coalesce(a.state <> 'idle' or a.state_change > clock_timestamp() - interval '60 s', true))"
	" limit 1";

kd_code pg_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	pg_session *session = opaque;
	char prefix[PG_NAME_SIZE];
	pg_conn_name(job, "", prefix);
	bool direct = session->backend == PQbackendPID(session->conn);
	ret_who[0] = '\0';
	pg_call call;
	pg_call_init(&call, session, "ask whether the job is running");
	pg_call_sql(&call, alive_sql);
	pg_call_text(&call, job);
	pg_call_text(&call, prefix);
	pg_call_text(&call, direct ? "direct" : "pooled");
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *r = call.statement[0].result;
	if (code == KD_OK && PQntuples(r) > 0)
		snprintf(ret_who, size, "pid %s on host %s since %s", PQgetvalue(r, 0, 0), PQgetvalue(r, 0, 1),
			PQgetvalue(r, 0, 2));
	pg_call_done(&call);
	return code;
}
