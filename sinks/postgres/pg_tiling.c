// SPDX-License-Identifier: Apache-2.0
// pg_tiling: one statement that finds what take-over must not go on from.  See the header.
#include "pg_tiling.h"

#include "pg_sink.h"

/* A batch time is used once, and pruning keeps a segment's last identifier: so the newest one is there, and where it is
 * committed nothing is planned or committed beyond it.  One that is open begins a chain that recovery checks. */
static const char tiling_sql[] =
	"with s as ("
	" select p.topic, p.kafka_partition, p.partition_index, p.start_offset, p.planned_until, p.last_batch_time,"
	" q.committed_until, b.batch_time is null as lost, b.until_offset, b.committed_at is not null as done"
	" from @partition p"
	" left join lateral (select * from @position o where o.job = p.job"
	" and o.partition_index = p.partition_index offset 0) q on true"
	" left join lateral (select * from @batch_partition o where o.job = p.job and o.batch_time = p.last_batch_time"
	" and o.partition_index = p.partition_index offset 0) b on true"
	" where p.job = $1 and p.closed_at is null),"
	" found as ("
	" select topic || '/' || kafka_partition || ' ' as name, partition_index, case"
	" when committed_until is null then format('has no row in %I.position', $2::text)"
	" when last_batch_time = 0 and committed_until <> start_offset then"
	" format('stands at %s, but starts at %s and never had a batch', committed_until, start_offset)"
	" when last_batch_time > 0 and lost then"
	" format('had its newest batch at %s, which is not in %I.batch_partition', last_batch_time, $2::text)"
	" when done and until_offset <> committed_until then"
	" format('stands at %s, but its newest batch %s is committed until %s', committed_until, last_batch_time,"
	" until_offset)"
	" when done and until_offset <> planned_until then"
	" format('is planned until %s, but its newest batch %s ends at %s', planned_until, last_batch_time, until_offset)"
	" end as what, case"
	" when committed_until is null then format('insert into %I.position (job, partition_index, committed_until, epoch,"
	" owner, log_start, log_from) select job, partition_index, max(until_offset), 0, '''', min(from_offset),"
	" min(from_offset) from %1$I.batch_partition where job = %L and partition_index = %s and committed_at is not null"
	" group by job, partition_index', $2::text, $1::text, partition_index)"
	" when last_batch_time = 0 then format('update %I.position set committed_until = %s where job = %L and"
	" partition_index = %s', $2::text, start_offset, $1::text, partition_index)"
	" when done then format('update %I.position set committed_until = %s where job = %3$L and partition_index = %4$s;"
	" update %1$I.partition set planned_until = %2$s where job = %3$L and partition_index = %4$s', $2::text,"
	" until_offset, $1::text, partition_index)"
	" else '' end as mend from s"
	" union all"
	" select '', r.partition_index, format('has rows in %I.%s, but none in %1$I.partition', $2::text, r.source), ''"
	" from (select 'position' as source, partition_index from @position where job = $1"
	" union all select 'batch_partition', partition_index from (select partition_index from @batch_partition"
	" where job = $1 order by batch_time desc, partition_index desc limit 1000) n) r"
	" where r.partition_index <> all (array(select partition_index from @partition where job = $1)))"
	" select name, partition_index, what, mend from found where what is not null order by partition_index limit 1";

size_t pg_tiling_ask(pg_call *call, const char *job)
{
	size_t statement = pg_call_sql(call, tiling_sql);
	pg_call_text(call, job);
	pg_call_text(call, call->session->sink->ledger_name);
	return statement;
}

kd_code pg_tiling_judge(const pg_call *call, size_t statement, kd_error *err)
{
	const PGresult *found = call->statement[statement].result;
	if (PQntuples(found) == 0)
		return KD_OK;
	const char *mend = PQgetvalue(found, 0, 3);
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"the ledger does not tile: %s(partition index %s) %s; was it changed by hand? nothing was read or written. "
		"put back what was changed%s%s%s", PQgetvalue(found, 0, 0), PQgetvalue(found, 0, 1), PQgetvalue(found, 0, 2),
		*mend ? " (" : ", from a backup or by what `audit` lists", mend, *mend ? ")" : "");
}
