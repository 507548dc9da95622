/* SPDX-License-Identifier: Apache-2.0 */
/* The judge: see job_judge.h. */
#include "job_judge.h"

#include <inttypes.h>

#include "check.h"

static int compare(const kt_oracle_row *a, const kt_oracle_row *b)
{
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

kt_verdict kt_judge(const kt_oracle *kafka, const kt_oracle *table)
{
	kt_verdict verdict = {.rows = (int64_t) table->n};
	size_t i = 0, k = 0;

	while (i < kafka->n || k < table->n) {
		int order = i == kafka->n ? 1 : k == table->n ? -1 : compare(&kafka->rows[i], &table->rows[k]);

		if (order < 0) {
			verdict.missing++;
			i++;
		} else if (order > 0) {
			bool again = k > 0 && compare(&table->rows[k - 1], &table->rows[k]) == 0;
			verdict.doubled += again;
			verdict.foreign += !again;
			k++;
		} else {
			verdict.altered += kafka->rows[i].checksum != table->rows[k].checksum;
			i++;
			k++;
		}
	}
	return verdict;
}

kt_verdict kt_judge_table(kt_store *store, const char *table, const char *topic)
{
	kt_oracle kafka = kt_oracle_read(NULL, topic, true);
	kt_oracle rows = kt_store_rows(store, table, topic);
	kt_verdict verdict = kt_judge(&kafka, &rows);

	kt_oracle_done(&kafka);
	kt_oracle_done(&rows);
	return verdict;
}

int64_t kt_judge_tiling(kt_store *store, const char *job)
{
	int64_t gaping = kt_store_int(store,
		"select count(*) from (select from_offset,"
		"  lag(until_offset) over (partition by partition_index order by batch_time) as before"
		"  from @batch_partition where job = '%s' and committed_at is not null) as b where before <> from_offset", job);
	int64_t at_ends = kt_store_int(store,
		"select count(*) from @partition p join @position c on c.job = p.job and c.partition_index = p.partition_index"
		" left join (select partition_index, min(from_offset) as first, max(until_offset) as last"
		"  from @batch_partition where job = '%s' and committed_at is not null group by 1) as b"
		" on b.partition_index = p.partition_index where p.job = '%s'"
		" and (coalesce(b.first, c.log_from) <> c.log_from"
		"  or coalesce(b.last, c.log_from) <> c.committed_until)", job, job);

	return gaping + at_ends;
}

void kt_judge_clean(kt_store *store, const char *table, const char *topic)
{
	kt_verdict v = kt_judge_table(store, table, topic);

	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign,
		"%" PRId64 " rows of \"%s\": missing %" PRId64 ", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64,
		v.rows, topic, v.missing, v.doubled, v.altered, v.foreign);
	kt_check(kt_judge_tiling(store, "j") == 0, "the ledger does not tile");
}
