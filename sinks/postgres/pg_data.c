// SPDX-License-Identifier: Apache-2.0
// pg_data: one batch partition's rows and its identifier, in one transaction.
//
// The order is the protocol.  The tables are locked first, so that a wait for somebody's ACCESS EXCLUSIVE holds no
// ledger lock, and that they stay what they are (pg_shape.h).  Then the position moves, and from what moved the
// identifier is marked: a zombie fails at the position and never locks a batch row.  COPY is sent only after both are
// known to have matched.
#include "pg_data.h"

#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "pg_call.h"
#include "pg_copy.h"
#include "pg_gather.h"
#include "pg_shape.h"
#include "pg_sink.h"

/* ---- begin ---- */

static const char move_sql[] =
	"with moved as ("
	" update @position set committed_until = $5::bigint"
	" where job = $1 and partition_index = $2::int and committed_until = $4::bigint"
	" and epoch = $6::bigint and owner = $7 returning partition_index),"
	" marked as ("
	" update @batch_partition b set committed_at = clock_timestamp(), instance = $7 from moved m"
	" where b.job = $1 and b.batch_time = $3::bigint and b.partition_index = m.partition_index"
	" and b.from_offset = $4::bigint and b.until_offset = $5::bigint"
	" and b.committed_at is null and b.withdrawn_at is null returning 1)"
	" select (select count(*) from moved), (select count(*) from marked)";

/* What is kept by table is made once a session. */
static bool make_tallies(pg_session *session)
{
	size_t n = session->sink->n_tables;
	if (!session->tally)
		session->tally = calloc(n, sizeof *session->tally);
	if (n > 1 && !session->gather)
		session->gather = pg_gather_new(n);
	return session->tally && (session->gather || n == 1);
}

static void forget_rows(pg_session *session)
{
	session->copying = false;
	session->written = session->copies = 0;
	session->failed = (kd_error) {0};
	memset(session->tally, 0, session->sink->n_tables * sizeof *session->tally);
	if (session->gather)
		pg_gather_forget(session->gather);
}

static kd_code remember(pg_session *session, const kd_batch_partition *entry, kd_error *err)
{
	char *job = make_tallies(session) ? strdup(entry->job) : NULL;
	if (!job)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not begin a batch partition: no memory");
	free(session->job);
	session->job = job;
	session->batch_time_ms = entry->batch_time_ms;
	session->partition_index = entry->partition_index;
	session->here_only = false;
	forget_rows(session);
	session->phase = PG_PHASE_DATA;
	return KD_OK;
}

static void add_move(pg_call *call, const kd_owner *me, const kd_batch_partition *entry)
{
	pg_call_text(call, entry->job);
	pg_call_int(call, entry->partition_index);
	pg_call_int(call, entry->batch_time_ms);
	pg_call_int(call, entry->range.from);
	pg_call_int(call, entry->range.until);
	pg_call_int(call, me->epoch);
	pg_call_text(call, me->id);
}

kd_code pg_data_begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	pg_session *session = opaque;
	kd_code code = remember(session, entry, err);
	session->me = *me;
	if (code != KD_OK)
		return code;
	pg_call call;
	pg_call_init(&call, session, "begin a batch partition");
	pg_call_begin(&call, PG_WRITE);
	pg_call_plain(&call, session->sink->lock_targets);
	size_t shape = pg_shape_ask(&call);
	size_t move = pg_call_sql(&call, move_sql);
	add_move(&call, me, entry);
	pg_call_sql(&call, "set local search_path to default"); /* what the target's triggers rely on */
	code = pg_call_run(&call, NULL, err);
	if (code == KD_OK)
		code = pg_shape_judge(&call, shape, err);
	const PGresult *counts = call.statement[move].result;
	bool done = code == KD_OK && pg_int(counts, 0, 0) == 1 && pg_int(counts, 0, 1) == 1;
	pg_call_done(&call);
	*ret_cas = done ? KD_CAS_DONE : KD_CAS_MISS;
	if (!done)
		pg_session_rollback(session);
	else if (KD_FAULT_FAILS("sink.after_begin"))
		pg_conn_cut(session);
	return code;
}

/* ---- write ---- */

/* Where a transform went on after its query failed, that error is the one to tell: the server would only say that the
 * transaction is aborted. */
static kd_code check_queries(const pg_session *session, kd_error *err)
{
	if (session->failed.code && err && !err->code)
		*err = session->failed;
	return session->failed.code;
}

static kd_code put(pg_session *session, const struct pg_frame *frame, kd_error *err)
{
	struct pg_lines_run run = {1, session->written + 1};
	pg_lines lines = {.run = &run, .n = 1, .lines = frame->rows};
	session->written += frame->rows;
	return session->gather ? pg_gather_rows(session, frame, run.row, err) : pg_copy_rows(session, frame, &lines, err);
}

kd_code pg_data_write(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	pg_session *session = opaque;
	size_t position = 0;
	struct pg_frame frame;
	kd_code code = check_queries(session, err);
	while (code == KD_OK && pg_frame_next(bytes, size, &position, &frame))
		code = put(session, &frame, err);
	return code;
}

/* ---- did the tables take what they were sent? ---- */

static const char triggers_sql[] =
	"select coalesce(string_agg(quote_ident(t.tgname), ', '), '') from pg_trigger t"
	" where t.tgrelid in (select $1::oid union all select relid::oid from pg_partition_tree($1::oid::regclass))"
	" and not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype & 1 = 1 and t.tgtype & 66 > 0";

static kd_code refuse_loss(pg_session *session, size_t table, kd_error *err)
{
	kd_error ignored = {0};
	pg_call call;
	pg_call_init(&call, session, "list the triggers");
	pg_call_sql(&call, "set local search_path to pg_catalog");
	size_t triggers = pg_call_sql(&call, triggers_sql);
	pg_call_int(&call, session->sink->tables[table].oid);
	kd_code code = pg_call_run(&call, NULL, &ignored);
	const char *names = code == KD_OK ? PQgetvalue(call.statement[triggers].result, 0, 0) : "";
	(void) kd_error_set(err, KD_ESINK, KD_STOP,
		"could not commit a batch partition: %lld rows were sent and %s stored %lld of them; %s%s",
		(long long) session->tally[table].sent, session->sink->tables[table].target,
		(long long) session->tally[table].stored,
		*names ? "look at its triggers " : "it has no trigger that could swallow rows: this is a defect", names);
	pg_call_done(&call);
	return KD_ESINK;
}

/* A BEFORE trigger that returns null swallows a row without an error. */
static kd_code check_tables(pg_session *session, kd_error *err)
{
	for (size_t i = 0; i < session->sink->n_tables; i++)
		if (session->tally[i].stored != session->tally[i].sent)
			return refuse_loss(session, i, err);
	return KD_OK;
}

kd_code pg_data_settle(pg_session *session, kd_error *err)
{
	kd_code code = check_queries(session, err);
	if (code == KD_OK && session->gather)
		code = pg_gather_land(session, err);
	if (code == KD_OK)
		code = pg_copy_end(session, err);
	return code == KD_OK ? check_tables(session, err) : code;
}

/* ---- commit ---- */

static kd_code check_rows(const pg_session *session, const kd_batch_result *result, kd_error *err)
{
	int64_t stored = 0;
	for (size_t i = 0; i < session->sink->n_tables; i++)
		stored += session->tally[i].stored;
	if (stored == result->rows)
		return KD_OK;
	return kd_error_set(err, KD_ESINK, KD_STOP,
		"could not commit a batch partition: %lld rows were encoded and %s stored %lld: this is a defect",
		(long long) result->rows, session->sink->tables[0].target, (long long) stored);
}

static const char finish_sql[] =
	"with p as ("
	" update @position set committed_at = clock_timestamp(),"
	" log_start = case when $4::bigint < 0 then log_start else $4::bigint end,"
	" witness_offset = case when $5::bigint < 0 then witness_offset else $5::bigint end,"
	" witness_timestamp = case when $5::bigint < 0 then witness_timestamp else $6::bigint end,"
	" witness_checksum = case when $5::bigint < 0 then witness_checksum else $7::bigint end"
	" where job = $1 and partition_index = $2::int)"
	" update @batch_partition set committed_at = clock_timestamp(), records = $8::bigint, rows = $9::bigint,"
	" dropped = $10::bigint, gap = $11::bigint"
	" where job = $1 and batch_time = $3::bigint and partition_index = $2::int";

static const char gaps_sql[] =
	"insert into @gap (job, partition_index, batch_time, from_offset, until_offset, reason, who)"
	" select $1, $2::int, $3::bigint, e.from_offset, e.until_offset, e.reason, e.who"
	" from unnest($4::bigint[], $5::bigint[], $6::text[], $7::text[]) e (from_offset, until_offset, reason, who)";

static void add_identifier(pg_call *call, const pg_session *session)
{
	pg_call_text(call, session->job);
	pg_call_int(call, session->partition_index);
	pg_call_int(call, session->batch_time_ms);
}

static int64_t gap_sum(const kd_batch_result *result)
{
	int64_t sum = 0;
	for (size_t i = 0; i < result->n_gaps; i++)
		sum += result->gaps[i].range.until - result->gaps[i].range.from;
	return sum;
}

static void add_counts(pg_call *call, const kd_batch_result *result)
{
	pg_call_sql(call, finish_sql);
	add_identifier(call, call->session);
	pg_call_int(call, result->log_start);
	pg_call_int(call, result->witness.offset);
	pg_call_int(call, result->witness.timestamp_ms);
	pg_call_int(call, result->witness.checksum);
	pg_call_int(call, result->records);
	pg_call_int(call, result->rows);
	pg_call_int(call, result->dropped);
	pg_call_int(call, gap_sum(result));
}

static void add_gaps(pg_call *call, const kd_batch_result *result)
{
	kd_buf from = {0}, until = {0}, reason = {0}, who = {0};
	bool ok = true;
	for (size_t i = 0; i < result->n_gaps && ok; i++) {
		const kd_gap *gap = &result->gaps[i];
		ok = pg_array_int(&from, gap->range.from) && pg_array_int(&until, gap->range.until) &&
			pg_array_text(&reason, gap->reason) && pg_array_text(&who, gap->who);
	}
	call->no_memory = call->no_memory || !ok || !pg_array_end(&from) || !pg_array_end(&until) ||
		!pg_array_end(&reason) || !pg_array_end(&who);
	pg_call_sql(call, gaps_sql);
	add_identifier(call, call->session);
	pg_call_take(call, &from);
	pg_call_take(call, &until);
	pg_call_take(call, &reason);
	pg_call_take(call, &who);
}

kd_code pg_data_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	pg_session *session = opaque;
	kd_code code = pg_data_settle(session, err);
	if (code == KD_OK)
		code = check_rows(session, result, err);
	if (code != KD_OK)
		return code;
	pg_call call;
	pg_call_init(&call, session, "commit a batch partition");
	pg_call_sql(&call, "set local search_path to pg_catalog");
	add_counts(&call, result);
	if (result->n_gaps > 0)
		add_gaps(&call, result);
	pg_call_sql(&call, "set local search_path to default"); /* for triggers deferred until COMMIT */
	pg_call_commit(&call);
	if (KD_FAULT_FAILS("sink.before_commit"))
		pg_conn_cut(session);
	code = pg_call_run(&call, KD_FAULT_NAME("sink.commit_sent"), err);
	pg_call_done(&call);
	if (code == KD_OK && KD_FAULT_FAILS("sink.after_commit"))
		pg_conn_cut(session);
	*ret_durability = session->here_only ? KD_DURABLE_HERE_ONLY : KD_DURABLE;
	return code;
}

void pg_data_abort(void *opaque)
{
	pg_session *session = opaque;
	pg_copy_cancel(session);
	if (session->tally)
		forget_rows(session);
	pg_session_rollback(session);
}
