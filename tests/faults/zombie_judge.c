/* SPDX-License-Identifier: Apache-2.0 */
/* What zombies leave behind is judged: records against rows, the ledger's tiling, and an effect that would tell of
 * every repetition (I1-I4, I11). */
#include <inttypes.h>

#include "check.h"
#include "job_judge.h"
#include "zombie.h"

void zombie_make_table(kt_store *store)
{
	if (store->kind == KT_POSTGRES)
		kt_store_exec(store,
			"create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz,"
			"  key bytea, value bytea, headers jsonb);"
			"create table counter(partition int primary key, n bigint not null);"
			"create function count_rows() returns trigger language plpgsql as $$ begin"
			"  insert into counter select kafka_partition, count(*) from news group by 1"
			"   on conflict (partition) do update set n = counter.n + excluded.n;"
			"  return null; end $$;"
			"create trigger counting after insert on t referencing new table as news"
			" for each statement execute function count_rows()");
	else
		kt_store_exec(store,
			"create table t(kafka_topic text not null, kafka_partition integer not null, kafka_offset integer not null,"
			"  kafka_timestamp text, key blob, value blob, headers text);"
			"create table counter(partition integer primary key, n integer not null);"
			"create trigger counting after insert on t begin"
			"  insert into counter values(new.kafka_partition, 1) on conflict (partition) do update set n = n + 1; end");
}

void zombie_judge(zombie_stage *stage)
{
	kt_job *job = &stage->job;

	kt_job_catch_up(job, NULL);
	kt_judge_clean(&job->store, "t", job->topic);
	int64_t wrong = kt_store_int(&job->store, "select count(*) from (select kafka_partition as p, count(*) as n from t"
		" group by 1) as r left join counter c on c.partition = r.p where c.n is null or c.n <> r.n");
	kt_check(wrong == 0, "%" PRId64 " counters are wrong", wrong);
}
