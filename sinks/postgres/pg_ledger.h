/* SPDX-License-Identifier: Apache-2.0 */
/* pg_ledger: the ledger's slots of kd_sink_ops, as lib/include/kdirect/sink.h says them.
 *
 * Locks are always taken in one order: job, then partition rows, then position rows, each by partition_index; a batch
 * row only under its segment's row.  Every one of these is a transaction of its own, and leaves none open. */
#ifndef PG_LEDGER_H
#define PG_LEDGER_H

#include <kdirect/sink.h>

#include "pg_call.h"

/* Of a timestamptz: milliseconds since 1970, 0 for null. */
#define PG_MS(column) "coalesce(round(extract(epoch from " column ") * 1000)::bigint, 0)"

/* Who owns the job $1.  A statement of its own: one that locks the job waits with an older snapshot, and would not see the
 * instance of whom it has waited for. */
#define PG_INCUMBENT \
	"select j.epoch, j.owner, coalesce(pg_catalog.round(extract(epoch from i.started_at) operator(pg_catalog.*) 1000)" \
	"::pg_catalog.int8, 0) from @job j left join @instance i on i.job operator(pg_catalog.=) j.job" \
	" and i.epoch operator(pg_catalog.=) j.epoch and i.owner operator(pg_catalog.=) j.owner" \
	" where j.job operator(pg_catalog.=) $1"

/* A segment's two rows, p and q.  "offset 0" keeps the planner from making this a join: a young ledger has no
 * statistics, and the plan it would pick then compares every row of one table with every row of the other. */
#define PG_SEGMENTS \
	" from @partition p cross join lateral (select * from @position s where s.job = p.job" \
	" and s.partition_index = p.partition_index offset 0) q"

/* What pg_segment_read takes, from PG_SEGMENTS. */
#define PG_SEGMENT_COLUMNS \
	"p.partition_index, p.topic, p.kafka_partition, p.segment, p.closed_at is not null, p.closed_reason," \
	" p.start_offset, p.planned_until, q.committed_until, p.last_batch_time, q.log_start, q.log_from," \
	" q.pruned_batches, q.pruned_records, q.pruned_rows, q.pruned_dropped, q.pruned_gap," \
	" q.witness_offset, q.witness_timestamp, q.witness_checksum," \
	" case when q.epoch < p.epoch then p.epoch else q.epoch end," \
	" case when q.epoch < p.epoch then p.owner else q.owner end, " PG_MS("q.committed_at")

/* A segment's newest identifier, behind PG_SEGMENTS and PG_SEGMENT_COLUMNS: for take-over. */
#define PG_NEWEST \
	" left join lateral (select * from @batch_partition o where o.job = p.job and o.batch_time = p.last_batch_time" \
	" and o.partition_index = p.partition_index offset 0) b on true"
#define PG_NEWEST_COLUMNS "b.from_offset, b.until_offset, " PG_MS("b.committed_at") ", " PG_MS("b.withdrawn_at")
void pg_newest_read(const PGresult *result, int row, kd_segment *segment);

/* Reads a row of PG_SEGMENT_COLUMNS; false without memory (what was read is in *ret_segment all the same). */
bool pg_segment_read(const PGresult *result, int row, kd_segment *ret_segment) KD_CHECK;

/* What pg_batch_row_read takes, from batch_partition b. */
#define PG_BATCH_COLUMNS \
	"b.partition_index, b.batch_time, b.from_offset, b.until_offset, " PG_MS("b.planned_at") ", " \
	PG_MS("b.committed_at") ", " PG_MS("b.withdrawn_at") ", b.records, b.rows, b.dropped, b.dead_letters, b.gap," \
	" b.instance"
void pg_batch_row_read(const PGresult *result, int row, kd_batch_row *ret_row);

/* Ends a ledger transaction: COMMIT where it did what was asked, else ROLLBACK. */
kd_code pg_ledger_end(pg_session *session, kd_code code, bool done, const char *doing, const char *fault,
	kd_cas *ret_cas, kd_error *err) KD_CHECK;

/* May the request take over from whom PG_INCUMBENT tells of?  Also where that tells of nobody. */
kd_code pg_take_over_judge(const kd_take_over *request, const PGresult *incumbent, kd_error *err) KD_CHECK;
kd_code pg_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code pg_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code pg_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code pg_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code pg_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code pg_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code pg_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);

#endif
