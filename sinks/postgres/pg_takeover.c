// SPDX-License-Identifier: Apache-2.0
// pg_takeover: whose take-over committed last owns the job (I7).
//
// One transaction: the job's row, then its partition rows, then its position rows, each locked by partition_index; a
// new epoch and my name into every one of them.  That write fences the predecessor, waits for its work in flight (a
// frozen one is ended, pg_blocker.h), and is the only way positions are read.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "pg_ledger.h"
#include "pg_sink.h"
#include "pg_tiling.h"

#define LOCK_WAIT_MS 500

static const char doing[] = "take the job over";

static bool topics_array(kd_buf *text, const kd_take_over *request)
{
	bool ok = true;
	for (size_t i = 0; i < request->n_topics && ok; i++)
		ok = pg_array_text(text, request->topics[i]);
	return ok && pg_array_end(text);
}

/* ---- the job's row ---- */

static const char insert_job_sql[] =
	"insert into @job (job, epoch, owner, cluster_id, target, target_identity, topics, start_policy, isolation)"
	" values ($1, 0, '', $2, $3, $4, $5::text[], $6, $7) on conflict (job) do nothing";

/* Also the first thing that waits for another take-over. */
static const char lock_job_sql[] =
	"select epoch, cluster_id, target, target_identity, topics = $2::text[],"
	" format('update %I.job set target_identity = %L where job = %L', $3::text, $4::text, $1::text)"
	" from @job where job = $1 for update";

typedef struct stored {
	bool created, same_topics;
	int64_t epoch;
} stored;

static kd_code refuse(const char *what, const char *old, const char *new, const kd_take_over *request, kd_error *err)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP,
		"could not take job \"%s\" over: its ledger was made for %s \"%s\", now it is \"%s\"; give the job another name, "
		"or bring the old one back", request->job, what, old, new);
}

/* A table of the same name may be the same one, rebuilt: only a person knows. */
static kd_code refuse_target(const pg_sink *sink, const kd_take_over *request, const PGresult *row, kd_error *err)
{
	const char *old = PQgetvalue(row, 0, 2), *new = sink->tables[0].target;
	if (!strcmp(old, new))
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take job \"%s\" over: its ledger was made for table %s (%s), now that name is another table (%s); "
			"bring the old one back, or, where the new one holds all its rows: %s", request->job, old,
			PQgetvalue(row, 0, 3), sink->identity, PQgetvalue(row, 0, 5));
	char was[256], is[256];
	snprintf(was, sizeof was, "%s (%s)", old, PQgetvalue(row, 0, 3));
	snprintf(is, sizeof is, "%s (%s)", new, sink->identity);
	return refuse("target", was, is, request, err);
}

static kd_code judge_job(const pg_sink *sink, const kd_take_over *request, const PGresult *row, kd_error *err)
{
	if (PQntuples(row) != 1)
		return kd_error_set(err, KD_ELEDGER, KD_STOP, "could not take job \"%s\" over: its row is gone", request->job);
	if (strcmp(PQgetvalue(row, 0, 1), request->cluster_id) != 0)
		return refuse("Kafka cluster", PQgetvalue(row, 0, 1), request->cluster_id, request, err);
	if (strcmp(PQgetvalue(row, 0, 3), sink->identity) != 0)
		return refuse_target(sink, request, row, err);
	return KD_OK;
}

kd_code pg_take_over_judge(const kd_take_over *request, const PGresult *incumbent, kd_error *err)
{
	if (!request->judge || PQntuples(incumbent) != 1)
		return KD_OK;
	kd_incumbent now = {.owner.epoch = pg_int(incumbent, 0, 0), .started_at_ms = pg_int(incumbent, 0, 2)};
	strncpy(now.owner.id, PQgetvalue(incumbent, 0, 1), sizeof now.owner.id - 1);
	return request->judge(request->opaque, &now, err);
}

static kd_code lock_job(pg_session *session, const kd_take_over *request, stored *ret, kd_error *err)
{
	const pg_sink *sink = session->sink;
	kd_buf insert_topics = {0}, lock_topics = {0};
	pg_call call;
	pg_call_init(&call, session, doing);
	call.no_memory = !topics_array(&insert_topics, request) || !topics_array(&lock_topics, request);
	pg_call_begin(&call, PG_WRITE);
	size_t insert = pg_call_sql(&call, insert_job_sql);
	pg_call_text(&call, request->job);
	pg_call_text(&call, request->cluster_id);
	pg_call_text(&call, sink->tables[0].target);
	pg_call_text(&call, sink->identity);
	pg_call_take(&call, &insert_topics);
	pg_call_text(&call, request->start_policy);
	pg_call_text(&call, request->isolation);
	size_t lock = pg_call_sql(&call, lock_job_sql);
	pg_call_text(&call, request->job);
	pg_call_take(&call, &lock_topics);
	pg_call_text(&call, sink->ledger_name);
	pg_call_text(&call, sink->identity);
	size_t incumbent = pg_call_sql(&call, PG_INCUMBENT);
	pg_call_text(&call, request->job);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *row = call.statement[lock].result;
	if (code == KD_OK)
		code = pg_take_over_judge(request, call.statement[incumbent].result, err);
	if (code == KD_OK)
		code = judge_job(sink, request, row, err);
	if (code == KD_OK) {
		ret->created = pg_call_rows(&call, insert) == 1;
		ret->same_topics = *PQgetvalue(row, 0, 4) == 't';
		ret->epoch = pg_int(row, 0, 0);
	}
	pg_call_done(&call);
	return code;
}

/* ---- one table, one feeder ---- */

/* Two jobs that start at once with the same table wait here for one another, and the later one sees the earlier. */
static const char lock_target_sql[] =
	"select pg_advisory_xact_lock(hashtextextended('kdirect target ' || $1::text, 0))";

static const char rivals_sql[] =
	"select o.job, (select t.topic from unnest(o.topics) t (topic) where t.topic = any($3::text[]) limit 1)"
	" from @job o where o.job <> $1 and o.target_identity = $2 and o.topics && $3::text[] limit 1";

static kd_code refuse_rivals(pg_session *session, const kd_take_over *request, kd_error *err)
{
	kd_buf topics = {0};
	pg_call call;
	pg_call_init(&call, session, doing);
	call.no_memory = !topics_array(&topics, request);
	pg_call_sql(&call, lock_target_sql);
	pg_call_text(&call, session->sink->identity);
	size_t rivals = pg_call_sql(&call, rivals_sql);
	pg_call_text(&call, request->job);
	pg_call_text(&call, session->sink->identity);
	pg_call_take(&call, &topics);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *result = call.statement[rivals].result;
	if (code == KD_OK && PQntuples(result) > 0)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not take job \"%s\" over: job \"%s\" feeds \"%s\" from topic \"%s\" too, every record would land twice; "
			"use another table, or remove the other job from the ledger", request->job, PQgetvalue(result, 0, 0),
			session->sink->tables[0].target, PQgetvalue(result, 0, 1));
	pg_call_done(&call);
	return code;
}

/* ---- the fence, and what it reads ---- */

static const char fence_job_sql[] =
	"update @job set epoch = $2::bigint, owner = $3, target = $4, topics = $5::text[], start_policy = $6, isolation = $7,"
	" taken_over_at = clock_timestamp() where job = $1";

static const char lock_partitions_sql[] =
	"select partition_index from @partition where job = $1 order by partition_index for update";
static const char fence_partitions_sql[] =
	"update @partition set epoch = $2::bigint, owner = $3 where job = $1";
static const char lock_positions_sql[] =
	"select partition_index from @position where job = $1 order by partition_index for update";
static const char fence_positions_sql[] =
	"update @position set epoch = $2::bigint, owner = $3 where job = $1";

static const char instance_sql[] =
	"insert into @instance (job, epoch, owner, host, pid, started_at, version)"
	" values ($1, $2::bigint, $3, $4, $5::bigint, to_timestamp($6::bigint / 1000.0), $7)";

static const char segments_sql[] =
	"select " PG_SEGMENT_COLUMNS ", " PG_NEWEST_COLUMNS PG_SEGMENTS PG_NEWEST " where p.job = $1"
	" order by p.partition_index";

/* No join: without statistics, as in a young ledger, the server would compare every plan with every partition. */
static const char plans_sql[] =
	"select " PG_BATCH_COLUMNS " from @batch_partition b where b.job = $1"
	" and b.committed_at is null and b.withdrawn_at is null and b.partition_index <> all (array("
	" select partition_index from @partition where job = $1 and closed_at is not null))"
	" order by b.partition_index, b.from_offset, b.batch_time";

static kd_code fill_image(const PGresult *segments, const PGresult *plans, kd_ledger_image *image, kd_error *err)
{
	size_t n_segments = (size_t) PQntuples(segments), n_plans = (size_t) PQntuples(plans);
	image->segments = calloc(n_segments + 1, sizeof *image->segments);
	image->plans = calloc(n_plans + 1, sizeof *image->plans);
	bool ok = image->segments && image->plans;
	for (size_t i = 0; i < n_segments && ok; i++) {
		image->n_segments = i + 1;
		ok = pg_segment_read(segments, (int) i, &image->segments[i]);
		pg_newest_read(segments, (int) i, &image->segments[i]);
	}
	for (size_t i = 0; i < n_plans && ok; i++) {
		image->n_plans = i + 1;
		pg_batch_row_read(plans, (int) i, &image->plans[i]);
	}
	return ok ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
}

static void mine(pg_call *call, const char *sql, const kd_take_over *request, int64_t epoch)
{
	pg_call_sql(call, sql);
	pg_call_text(call, request->job);
	pg_call_int(call, epoch);
	pg_call_text(call, request->owner_id);
}

static void job_only(pg_call *call, const char *sql, const kd_take_over *request)
{
	pg_call_sql(call, sql);
	pg_call_text(call, request->job);
}

static kd_code fence(pg_session *session, const kd_take_over *request, int64_t epoch, kd_ledger_image *image,
	kd_error *err)
{
	kd_buf topics = {0};
	pg_call call;
	pg_call_init(&call, session, doing);
	call.no_memory = !topics_array(&topics, request);
	mine(&call, fence_job_sql, request, epoch);
	pg_call_text(&call, session->sink->tables[0].target);
	pg_call_take(&call, &topics);
	pg_call_text(&call, request->start_policy);
	pg_call_text(&call, request->isolation);
	job_only(&call, lock_partitions_sql, request);
	mine(&call, fence_partitions_sql, request, epoch);
	job_only(&call, lock_positions_sql, request);
	mine(&call, fence_positions_sql, request, epoch);
	mine(&call, instance_sql, request, epoch);
	pg_call_text(&call, request->host);
	pg_call_int(&call, request->pid);
	pg_call_int(&call, request->started_at_ms);
	pg_call_text(&call, request->version);
	size_t tiling = pg_tiling_ask(&call, request->job);
	size_t segments = call.n;
	job_only(&call, segments_sql, request);
	job_only(&call, plans_sql, request);
	kd_code code = pg_call_run(&call, NULL, err);
	if (code == KD_OK)
		code = pg_tiling_judge(&call, tiling, err);
	if (code == KD_OK)
		code = fill_image(call.statement[segments].result, call.statement[segments + 1].result, image, err);
	pg_call_done(&call);
	return code;
}

static kd_code take_over(pg_session *session, const kd_take_over *request, kd_ledger_image *image, kd_error *err)
{
	stored job = {0};
	kd_code code = lock_job(session, request, &job, err);
	if (code == KD_OK && KD_FAULT_FAILS("takeover.locked"))
		pg_conn_cut(session);
	if (code == KD_OK && (job.created || !job.same_topics))
		code = refuse_rivals(session, request, err);
	const int64_t epoch = kd_take_over_epoch(request, job.epoch);
	if (code == KD_OK)
		code = fence(session, request, epoch, image, err);
	if (code != KD_OK)
		return code;
	image->created = job.created;
	image->owner.epoch = epoch;
	strncpy(image->owner.id, request->owner_id, sizeof image->owner.id - 1);
	if (KD_FAULT_FAILS("takeover.before_commit"))
		pg_conn_cut(session);
	return pg_session_commit(session, doing, KD_FAULT_NAME("takeover.commit_sent"), err);
}

kd_code pg_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	pg_session *session = opaque;
	int lock_wait_ms = session->limits.lock_wait_ms;
	session->limits.lock_wait_ms = LOCK_WAIT_MS;
	session->me = (kd_owner) {.epoch = 0}; /* whose time may be over: what counts while it waits is the request's judge */
	session->taking = request;
	*ret_image = (kd_ledger_image) {0};
	kd_code code = take_over(session, request, ret_image, err);
	if (code != KD_OK)
		kd_ledger_image_done(ret_image);
	session->limits.lock_wait_ms = lock_wait_ms;
	session->taking = NULL;
	pg_session_rollback(session);
	return code;
}
