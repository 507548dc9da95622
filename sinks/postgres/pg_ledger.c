// SPDX-License-Identifier: Apache-2.0
// pg_ledger: the plan made durable, taken back, asked for again, compared and pruned (I3, I6, I7).
// Guards I6: the identifiers come from the rows that moved, so there is no plan without its identifiers, nor the reverse.
#include "pg_ledger.h"

#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#define PRUNE_ROWS 10000

/* ---- reading rows ---- */

bool pg_segment_read(const PGresult *result, int row, kd_segment *ret_segment)
{
	kd_segment *s = ret_segment;
	*s = (kd_segment) {
		.partition_index = (int32_t) pg_int(result, row, 0),
		.topic = pg_dup(result, row, 1),
		.partition = (int32_t) pg_int(result, row, 2),
		.segment = (int32_t) pg_int(result, row, 3),
		.closed = *PQgetvalue(result, row, 4) == 't',
		.closed_reason = pg_dup(result, row, 5),
		.start_offset = pg_int(result, row, 6),
		.planned_until = pg_int(result, row, 7),
		.committed_until = pg_int(result, row, 8),
		.last_batch_time_ms = pg_int(result, row, 9),
		.log_start = pg_int(result, row, 10),
		.log_from = pg_int(result, row, 11),
		.pruned_batches = pg_int(result, row, 12),
		.pruned_records = pg_int(result, row, 13),
		.pruned_rows = pg_int(result, row, 14),
		.pruned_dropped = pg_int(result, row, 15),
		.pruned_gap = pg_int(result, row, 16),
		.witness = {pg_int(result, row, 17), pg_int(result, row, 18), (uint32_t) pg_int(result, row, 19)},
		.owner = {.epoch = pg_int(result, row, 20)},
		.committed_at_ms = pg_int(result, row, 22),
	};
	strncpy(s->owner.id, PQgetvalue(result, row, 21), sizeof s->owner.id - 1);
	return s->topic && (s->closed_reason || PQgetisnull(result, row, 5));
}

static kd_batch_state state_of(int64_t committed_at, int64_t withdrawn_at)
{
	return committed_at ? KD_BATCH_COMMITTED : withdrawn_at ? KD_BATCH_WITHDRAWN : KD_BATCH_PLANNED;
}

void pg_newest_read(const PGresult *result, int row, kd_segment *segment)
{
	if (PQgetisnull(result, row, 23))
		return;
	segment->newest_range = (kd_range) {pg_int(result, row, 23), pg_int(result, row, 24)};
	segment->newest_state = state_of(pg_int(result, row, 25), pg_int(result, row, 26));
}

void pg_batch_row_read(const PGresult *result, int row, kd_batch_row *ret_row)
{
	*ret_row = (kd_batch_row) {
		.partition_index = (int32_t) pg_int(result, row, 0),
		.batch_time_ms = pg_int(result, row, 1),
		.range = {pg_int(result, row, 2), pg_int(result, row, 3)},
		.planned_at_ms = pg_int(result, row, 4),
		.committed_at_ms = pg_int(result, row, 5),
		.withdrawn_at_ms = pg_int(result, row, 6),
		.records = pg_int(result, row, 7),
		.rows = pg_int(result, row, 8),
		.dropped = pg_int(result, row, 9),
		.dead_letters = pg_int(result, row, 10),
		.gap = pg_int(result, row, 11),
	};
	ret_row->state = state_of(ret_row->committed_at_ms, ret_row->withdrawn_at_ms);
	strncpy(ret_row->instance, PQgetvalue(result, row, 12), sizeof ret_row->instance - 1);
}

kd_code pg_ledger_end(pg_session *session, kd_code code, bool done, const char *doing, const char *fault,
	kd_cas *ret_cas, kd_error *err)
{
	if (ret_cas)
		*ret_cas = done ? KD_CAS_DONE : KD_CAS_MISS;
	if (code == KD_OK && done)
		code = pg_session_commit(session, doing, fault, err);
	pg_session_rollback(session);
	return code;
}

/* ---- the plan ---- */

typedef struct arrays {
	kd_buf index, from, until;
} arrays;

static bool fill_arrays(arrays *a, const kd_batch_partition *entries, size_t n)
{
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = pg_array_int(&a->index, entries[i].partition_index) && pg_array_int(&a->from, entries[i].range.from) &&
			pg_array_int(&a->until, entries[i].range.until);
	return ok && pg_array_end(&a->index) && pg_array_end(&a->from) && pg_array_end(&a->until);
}

static const char lock_partitions_sql[] =
	"select partition_index from @partition where job = $1 and partition_index = any($2::int[])"
	" order by partition_index for update";

static const char append_sql[] =
	"with moved as ("
	" update @partition p set planned_until = e.until_offset, last_batch_time = $5::bigint"
	" from unnest($2::int[], $3::bigint[], $4::bigint[]) e (partition_index, from_offset, until_offset)"
	" where p.job = $1 and p.partition_index = e.partition_index and p.planned_until = e.from_offset"
	" and p.last_batch_time < $5::bigint and p.epoch = $6::bigint and p.owner = $7 and p.closed_at is null"
	" returning p.partition_index, e.from_offset, e.until_offset)"
	" insert into @batch_partition (job, batch_time, partition_index, from_offset, until_offset)"
	" select $1, $5::bigint, partition_index, from_offset, until_offset from moved";

kd_code pg_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	static const char doing[] = "append the plan";
	pg_session *session = opaque;
	session->me = *me;
	arrays lock = {0}, a = {0};
	pg_call call;
	pg_call_init(&call, session, doing);
	call.no_memory = !fill_arrays(&lock, entries, n) || !fill_arrays(&a, entries, n);
	pg_call_begin(&call, PG_WRITE);
	pg_call_sql(&call, lock_partitions_sql);
	pg_call_text(&call, entries[0].job);
	pg_call_take(&call, &lock.index);
	size_t append = pg_call_sql(&call, append_sql);
	pg_call_text(&call, entries[0].job);
	pg_call_take(&call, &a.index);
	pg_call_take(&call, &a.from);
	pg_call_take(&call, &a.until);
	pg_call_int(&call, entries[0].batch_time_ms);
	pg_call_int(&call, me->epoch);
	pg_call_text(&call, me->id);
	kd_code code = pg_call_run(&call, NULL, err);
	bool done = code == KD_OK && pg_call_rows(&call, append) == (int64_t) n;
	pg_call_done(&call);
	kd_buf_done(&lock.from);
	kd_buf_done(&lock.until);
	if (KD_FAULT_FAILS("plan.before_commit"))
		pg_conn_cut(session);
	return pg_ledger_end(session, code, done, doing, KD_FAULT_NAME("plan.commit_sent"), ret_cas, err);
}

/* ---- withdrawal ---- */

static const char withdraw_sql[] =
	"with moved as ("
	" update @partition set planned_until = $4::bigint"
	" where job = $1 and partition_index = $2::int and planned_until = $5::bigint and epoch = $6::bigint"
	" and owner = $7 and closed_at is null returning partition_index),"
	" marked as ("
	" update @batch_partition b set withdrawn_at = clock_timestamp() from moved m"
	" where b.job = $1 and b.batch_time = $3::bigint and b.partition_index = m.partition_index"
	" and b.from_offset = $4::bigint and b.until_offset = $5::bigint"
	" and b.committed_at is null and b.withdrawn_at is null returning 1)"
	" select (select count(*) from moved) + (select count(*) from marked)";

kd_code pg_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	static const char doing[] = "withdraw a plan";
	pg_session *session = opaque;
	session->me = *me;
	pg_call call;
	pg_call_init(&call, session, doing);
	pg_call_begin(&call, PG_WRITE);
	size_t withdraw = pg_call_sql(&call, withdraw_sql);
	pg_call_text(&call, entry->job);
	pg_call_int(&call, entry->partition_index);
	pg_call_int(&call, entry->batch_time_ms);
	pg_call_int(&call, entry->range.from);
	pg_call_int(&call, entry->range.until);
	pg_call_int(&call, me->epoch);
	pg_call_text(&call, me->id);
	kd_code code = pg_call_run(&call, NULL, err);
	bool done = code == KD_OK && pg_call_number(&call, withdraw) == 2;
	pg_call_done(&call);
	if (KD_FAULT_FAILS("withdraw.before_commit"))
		pg_conn_cut(session);
	return pg_ledger_end(session, code, done, doing, KD_FAULT_NAME("withdraw.commit_sent"), ret_cas, err);
}

/* ---- asking again, under the lock ---- */

static const char reread_plan_sql[] =
	"select partition_index, epoch, owner, planned_until, last_batch_time from @partition"
	" where job = $1 and partition_index = any($2::int[]) order by partition_index for update";

static const char reread_data_sql[] =
	"select partition_index, epoch, owner, committed_until, 0 from @position"
	" where job = $1 and partition_index = any($2::int[]) order by partition_index for update";

/* In the order of the entries. */
static const char reread_batches_sql[] =
	"select b.from_offset, b.until_offset, b.committed_at is not null, b.withdrawn_at is not null"
	" from unnest($2::int[], $3::bigint[]) with ordinality e (partition_index, batch_time, i)"
	" left join lateral (select * from @batch_partition o where o.job = $1 and o.batch_time = e.batch_time"
	" and o.partition_index = e.partition_index offset 0) b on true order by e.i";

static void fill_segment(kd_reread *row, const PGresult *segments, int32_t partition_index)
{
	*row = (kd_reread) {.found = false};
	for (int i = 0; i < PQntuples(segments); i++) {
		if (pg_int(segments, i, 0) != partition_index)
			continue;
		row->found = true;
		row->owner.epoch = pg_int(segments, i, 1);
		strncpy(row->owner.id, PQgetvalue(segments, i, 2), sizeof row->owner.id - 1);
		row->position = pg_int(segments, i, 3);
		row->last_batch_time_ms = pg_int(segments, i, 4);
		return;
	}
}

static void fill_batch(kd_reread *row, const PGresult *batches, int i)
{
	row->batch = KD_BATCH_ABSENT;
	if (PQgetisnull(batches, i, 0))
		return;
	row->range = (kd_range) {pg_int(batches, i, 0), pg_int(batches, i, 1)};
	row->batch = state_of(*PQgetvalue(batches, i, 2) == 't', *PQgetvalue(batches, i, 3) == 't');
}

kd_code pg_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	pg_session *session = opaque;
	kd_buf lock = {0}, index = {0}, time = {0};
	bool ok = true;
	for (size_t i = 0; i < n && ok; i++)
		ok = pg_array_int(&lock, entries[i].partition_index) && pg_array_int(&index, entries[i].partition_index) &&
			pg_array_int(&time, entries[i].batch_time_ms);
	pg_call call;
	pg_call_init(&call, session, "ask the ledger again");
	call.no_memory = !(ok && pg_array_end(&lock) && pg_array_end(&index) && pg_array_end(&time));
	pg_call_begin(&call, PG_WRITE);
	size_t segments = pg_call_sql(&call, kind == KD_REREAD_PLAN ? reread_plan_sql : reread_data_sql);
	pg_call_text(&call, n > 0 ? entries[0].job : "");
	pg_call_take(&call, &lock);
	size_t batches = pg_call_sql(&call, reread_batches_sql);
	pg_call_text(&call, n > 0 ? entries[0].job : "");
	pg_call_take(&call, &index);
	pg_call_take(&call, &time);
	pg_call_sql(&call, "rollback");
	kd_code code = pg_call_run(&call, NULL, err);
	for (size_t i = 0; i < n && code == KD_OK; i++) {
		fill_segment(&ret_rows[i], call.statement[segments].result, entries[i].partition_index);
		fill_batch(&ret_rows[i], call.statement[batches].result, (int) i);
	}
	pg_call_done(&call);
	pg_session_rollback(session);
	return code;
}

/* ---- the plain look of an idle owner ---- */

kd_code pg_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	static const char sql[] =
		"select " PG_SEGMENT_COLUMNS PG_SEGMENTS " where p.job = $1 and p.closed_at is null order by p.partition_index";
	pg_session *session = opaque;
	pg_call call;
	pg_call_init(&call, session, "compare the ledger with memory");
	pg_call_begin(&call, PG_SNAPSHOT);
	size_t read = pg_call_sql(&call, sql);
	pg_call_text(&call, job);
	pg_call_sql(&call, "rollback");
	kd_code code = pg_call_run(&call, NULL, err);
	*ret_n = code == KD_OK ? (size_t) pg_call_rows(&call, read) : 0;
	for (size_t i = 0; i < *ret_n && i < n && code == KD_OK; i++) {
		if (!pg_segment_read(call.statement[read].result, (int) i, &ret_segments[i]))
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not compare the ledger with memory: no memory");
		free(ret_segments[i].topic);
		free(ret_segments[i].closed_reason);
		ret_segments[i].topic = ret_segments[i].closed_reason = NULL;
	}
	pg_call_done(&call);
	pg_session_rollback(session);
	return code;
}

/* ---- pruning ---- */

/* Only from the front: a row that is young enough keeps every later one of its partition, whatever its clock says.  The
 * front is as many rows as may go, and one a segment that may not: its last. */
static const char prune_sql[] =
	"with front as ("
	" select batch_time, partition_index, until_offset, committed_at from @batch_partition"
	" where job = $1 and committed_at is not null order by batch_time"
	" limit $5::bigint + (select count(*) from @position where job = $1)),"
	" due as ("
	" select f.batch_time, f.partition_index,"
	" bool_and(f.committed_at < clock_timestamp() - make_interval(days => $4::int))"
	" over (partition by f.partition_index order by f.batch_time) as old"
	" from front f cross join lateral (select 1 from @position s where s.job = $1"
	" and s.partition_index = f.partition_index and s.committed_until > f.until_offset"
	" and s.epoch = $2::bigint and s.owner = $3 offset 0) q),"
	" gone as ("
	" delete from @batch_partition b using due where due.old and b.job = $1 and b.batch_time = due.batch_time"
	" and b.partition_index = due.partition_index"
	" returning b.partition_index, b.until_offset, b.records, b.rows, b.dropped, b.dead_letters, b.gap),"
	" sums as ("
	" select partition_index, max(until_offset) as until_offset, count(*) as batches, sum(records) as records,"
	" sum(rows) as rows, sum(dropped) as dropped, sum(dead_letters) as dead_letters, sum(gap) as gap"
	" from gone group by partition_index),"
	" added as ("
	" update @position q set log_from = sums.until_offset, pruned_batches = q.pruned_batches + sums.batches,"
	" pruned_records = q.pruned_records + sums.records, pruned_rows = q.pruned_rows + sums.rows,"
	" pruned_dropped = q.pruned_dropped + sums.dropped,"
	" pruned_dead_letters = q.pruned_dead_letters + sums.dead_letters, pruned_gap = q.pruned_gap + sums.gap"
	" from sums where q.job = $1 and q.partition_index = sums.partition_index returning 1)"
	" select (select count(*) from gone),"
	" (select count(*) from gone) > 0 and (select count(*) from front) >= $5::bigint";

kd_code pg_prune(void *opaque, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	static const char doing[] = "prune the ledger";
	pg_session *session = opaque;
	session->me = *me;
	pg_call call;
	pg_call_init(&call, session, doing);
	pg_call_begin(&call, PG_WRITE);
	pg_call_sql(&call, "select partition_index from @position where job = $1 order by partition_index for update");
	pg_call_text(&call, job);
	size_t prune = pg_call_sql(&call, prune_sql);
	pg_call_text(&call, job);
	pg_call_int(&call, me->epoch);
	pg_call_text(&call, me->id);
	pg_call_int(&call, keep_days);
	pg_call_int(&call, PRUNE_ROWS);
	kd_code code = pg_call_run(&call, NULL, err);
	*ret_removed = code == KD_OK ? pg_call_number(&call, prune) : 0;
	*ret_more = code == KD_OK && *PQgetvalue(call.statement[prune].result, 0, 1) == 't';
	pg_call_done(&call);
	if (KD_FAULT_FAILS("prune.before_commit"))
		pg_conn_cut(session);
	return pg_ledger_end(session, code, true, doing, KD_FAULT_NAME("prune.commit_sent"), NULL, err);
}
