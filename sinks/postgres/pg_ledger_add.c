// SPDX-License-Identifier: Apache-2.0
// pg_ledger_add: new segments, under the job's lock and my epoch, all or none.
//
// Repeating the call after an unknown outcome finds what the first one made and answers with it: a segment that is open
// and starts where it should, with nothing planned in it, is the one that was asked for.
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "pg_ledger.h"

static const char doing[] = "add partitions";

typedef struct additions {
	const kd_new_partition *wanted;
	size_t n;
	int32_t next_index;                            /* the job's next free one */
	kd_buf close_index, close_reason, close_who;   /* segments to close */
	kd_buf index, topic, partition, start, log_start; /* segments to open */
	kd_buf all;                                    /* the index that answers each entry */
} additions;

static void additions_done(additions *a)
{
	kd_buf *const bufs[] = {&a->close_index, &a->close_reason, &a->close_who, &a->index, &a->topic, &a->partition,
		&a->start, &a->log_start, &a->all};
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		kd_buf_done(bufs[i]);
}

/* ---- step one: lock, and see what is there ---- */

static const char lock_job_sql[] = "select epoch, owner from @job where job = $1 for update";

#define NAMED \
	" (p.topic, p.kafka_partition) in (select e.topic, e.kafka_partition" \
	" from unnest($2::text[], $3::int[]) e (topic, kafka_partition))"

static const char lock_partitions_sql[] =
	"select 1 from @partition p where p.job = $1 and p.closed_at is null and" NAMED
	" order by p.partition_index for update";

static const char lock_positions_sql[] =
	"select 1 from @position q where q.job = $1 and q.partition_index = any(array("
	" select p.partition_index from @partition p where p.job = $1 and p.closed_at is null and" NAMED
	")) order by q.partition_index for update";

/* In the order of the entries; null where there is no open segment. */
static const char look_sql[] =
	"select p.partition_index, p.segment, p.start_offset, p.planned_until, q.committed_until,"
	" (select coalesce(max(m.partition_index), -1) + 1 from @partition m where m.job = $1)"
	" from unnest($2::text[], $3::int[]) with ordinality e (topic, kafka_partition, i)"
	" left join lateral (select * from @partition o where o.job = $1 and o.topic = e.topic"
	" and o.kafka_partition = e.kafka_partition and o.closed_at is null offset 0) p on true"
	" left join lateral (select * from @position o where o.job = $1"
	" and o.partition_index = p.partition_index offset 0) q on true order by e.i";

/* Job, topics, partitions: the parameters that the three share. */
static void add_names(pg_call *call, const char *job, const additions *a)
{
	kd_buf topics = {0}, partitions = {0};
	bool ok = true;
	for (size_t i = 0; i < a->n && ok; i++)
		ok = pg_array_text(&topics, a->wanted[i].topic) && pg_array_int(&partitions, a->wanted[i].partition);
	call->no_memory = call->no_memory || !ok || !pg_array_end(&topics) || !pg_array_end(&partitions);
	pg_call_text(call, job);
	pg_call_take(call, &topics);
	pg_call_take(call, &partitions);
}

static bool is_mine(const PGresult *row, const kd_owner *me)
{
	return PQntuples(row) == 1 && pg_int(row, 0, 0) == me->epoch && !strcmp(PQgetvalue(row, 0, 1), me->id);
}

static bool serves(const kd_new_partition *wanted, const PGresult *look, int i)
{
	if (PQgetisnull(look, i, 0))
		return false;
	if (!wanted->new_segment)
		return true;
	int64_t start = pg_int(look, i, 2), planned = pg_int(look, i, 3), committed = pg_int(look, i, 4);
	return pg_int(look, i, 1) > 0 && start == wanted->start_offset && planned == start && committed == start;
}

static bool choose_one(additions *a, const PGresult *look, int i)
{
	const kd_new_partition *wanted = &a->wanted[i];
	if (serves(wanted, look, i))
		return pg_array_int(&a->all, pg_int(look, i, 0));
	if (!PQgetisnull(look, i, 0) &&
		!(pg_array_int(&a->close_index, pg_int(look, i, 0)) &&
			pg_array_text(&a->close_reason, wanted->closed_reason ? wanted->closed_reason : "") &&
			pg_array_text(&a->close_who, wanted->who ? wanted->who : "")))
		return false;
	int32_t index = a->next_index++;
	return pg_array_int(&a->all, index) && pg_array_int(&a->index, index) && pg_array_text(&a->topic, wanted->topic) &&
		pg_array_int(&a->partition, wanted->partition) && pg_array_int(&a->start, wanted->start_offset) &&
		pg_array_int(&a->log_start, wanted->log_start);
}

static bool choose(additions *a, const PGresult *look)
{
	a->next_index = (int32_t) pg_int(look, 0, 5);
	for (size_t i = 0; i < a->n; i++)
		if (!choose_one(a, look, (int) i))
			return false;
	kd_buf *const bufs[] = {&a->close_index, &a->close_reason, &a->close_who, &a->index, &a->topic, &a->partition,
		&a->start, &a->log_start, &a->all};
	bool ok = true;
	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		ok = ok && pg_array_end(bufs[i]);
	return ok;
}

static kd_code look(pg_session *session, const kd_owner *me, const char *job, additions *a, bool *ret_mine,
	kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, doing);
	pg_call_begin(&call, PG_WRITE);
	size_t row = pg_call_sql(&call, lock_job_sql);
	pg_call_text(&call, job);
	pg_call_sql(&call, lock_partitions_sql);
	add_names(&call, job, a);
	pg_call_sql(&call, lock_positions_sql);
	add_names(&call, job, a);
	size_t found = pg_call_sql(&call, look_sql);
	add_names(&call, job, a);
	kd_code code = pg_call_run(&call, NULL, err);
	*ret_mine = code == KD_OK && is_mine(call.statement[row].result, me);
	if (*ret_mine && !choose(a, call.statement[found].result))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
	pg_call_done(&call);
	return code;
}

/* ---- step two: close and open ---- */

static const char withdraw_sql[] =
	"update @batch_partition set withdrawn_at = clock_timestamp() where job = $1 and partition_index = any($2::int[])"
	" and committed_at is null and withdrawn_at is null";

static const char gap_sql[] =
	"insert into @gap (job, partition_index, from_offset, until_offset, reason, who)"
	" select p.job, p.partition_index, q.committed_until, p.planned_until, e.reason, e.who"
	" from unnest($2::int[], $3::text[], $4::text[]) e (partition_index, reason, who)"
	" join @partition p on p.job = $1 and p.partition_index = e.partition_index"
	" join @position q on q.job = $1 and q.partition_index = e.partition_index"
	" where q.committed_until < p.planned_until order by p.partition_index";

static const char close_sql[] =
	"update @partition p set closed_at = clock_timestamp(), closed_reason = e.reason, closed_by = e.who"
	" from unnest($2::int[], $3::text[], $4::text[]) e (partition_index, reason, who)"
	" where p.job = $1 and p.partition_index = e.partition_index";

static const char open_sql[] =
	"insert into @partition"
	" (job, partition_index, topic, kafka_partition, segment, start_offset, planned_until, epoch, owner)"
	" select $1, e.partition_index, e.topic, e.kafka_partition,"
	" (select coalesce(max(o.segment), -1) + 1 from @partition o"
	" where o.job = $1 and o.topic = e.topic and o.kafka_partition = e.kafka_partition),"
	" e.start_offset, e.start_offset, $6::bigint, $7"
	" from unnest($2::int[], $3::text[], $4::int[], $5::bigint[])"
	" e (partition_index, topic, kafka_partition, start_offset)";

static const char open_position_sql[] =
	"insert into @position (job, partition_index, committed_until, log_start, log_from, epoch, owner)"
	" select $1, e.partition_index, e.start_offset, e.log_start, e.start_offset, $5::bigint, $6"
	" from unnest($2::int[], $3::bigint[], $4::bigint[]) e (partition_index, start_offset, log_start)";

static const char answer_sql[] =
	"select " PG_SEGMENT_COLUMNS PG_SEGMENTS
	" where p.job = $1 and p.partition_index = any($2::int[]) order by array_position($2::int[], p.partition_index)";

static void array(pg_call *call, const kd_buf *text)
{
	pg_call_text(call, text->data);
}

static void add_closing(pg_call *call, const char *job, const additions *a)
{
	pg_call_sql(call, withdraw_sql);
	pg_call_text(call, job);
	array(call, &a->close_index);
	static const char *const both[] = {gap_sql, close_sql};
	for (size_t i = 0; i < 2; i++) {
		pg_call_sql(call, both[i]);
		pg_call_text(call, job);
		array(call, &a->close_index);
		array(call, &a->close_reason);
		array(call, &a->close_who);
	}
}

static void add_opening(pg_call *call, const kd_owner *me, const char *job, const additions *a)
{
	pg_call_sql(call, open_sql);
	pg_call_text(call, job);
	array(call, &a->index);
	array(call, &a->topic);
	array(call, &a->partition);
	array(call, &a->start);
	pg_call_int(call, me->epoch);
	pg_call_text(call, me->id);
	pg_call_sql(call, open_position_sql);
	pg_call_text(call, job);
	array(call, &a->index);
	array(call, &a->start);
	array(call, &a->log_start);
	pg_call_int(call, me->epoch);
	pg_call_text(call, me->id);
}

static kd_code read_answer(const PGresult *result, size_t n, kd_segment *ret_segments, kd_error *err)
{
	bool ok = true;
	for (size_t i = 0; i < n; i++) {
		ok = pg_segment_read(result, (int) i, &ret_segments[i]) && ok;
		free(ret_segments[i].closed_reason);
		ret_segments[i].closed_reason = NULL;
	}
	return ok ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
}

static kd_code add(pg_session *session, const kd_owner *me, const char *job, const additions *a,
	kd_segment *ret_segments, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, doing);
	add_closing(&call, job, a);
	add_opening(&call, me, job, a);
	size_t answer = pg_call_sql(&call, answer_sql);
	pg_call_text(&call, job);
	array(&call, &a->all);
	kd_code code = pg_call_run(&call, NULL, err);
	if (code == KD_OK && pg_call_rows(&call, answer) != (int64_t) a->n)
		code = kd_error_set(err, KD_ELEDGER, KD_STOP, "could not %s: a segment has no position", doing);
	if (code == KD_OK)
		code = read_answer(call.statement[answer].result, a->n, ret_segments, err);
	pg_call_done(&call);
	return code;
}

kd_code pg_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	pg_session *session = opaque;
	additions a = {.wanted = partitions, .n = n};
	session->me = *me;
	bool own = false;
	*ret_cas = KD_CAS_DONE;
	if (n == 0)
		return KD_OK;
	memset(ret_segments, 0, n * sizeof *ret_segments);
	kd_code code = look(session, me, job, &a, &own, err);
	if (code == KD_OK && own)
		code = add(session, me, job, &a, ret_segments, err);
	if (KD_FAULT_FAILS("partitions.before_commit"))
		pg_conn_cut(session);
	code = pg_ledger_end(session, code, own, doing, KD_FAULT_NAME("partitions.commit_sent"), ret_cas, err);
	for (size_t i = 0; i < n && code != KD_OK; i++) {
		free(ret_segments[i].topic);
		ret_segments[i].topic = NULL;
	}
	additions_done(&a);
	return code;
}
