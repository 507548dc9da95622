/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign against a table of PostgreSQL or SQLite, with an effect that would tell of every repetition (I11). */
#include <inttypes.h>
#include <string.h>

#include "crash.h"
#include "tmpdir.h"

static void open_postgres(crash_campaign *campaign)
{
	kt_store_exec(&campaign->job.store,
		"create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz,"
		"  key bytea, value bytea, headers jsonb);"
		"create table counter(partition int primary key, n bigint not null, bytes bigint not null);"
		"create function count_rows() returns trigger language plpgsql as $$ begin"
		"  insert into counter select kafka_partition, count(*), coalesce(sum(length(value)), 0) from news group by 1"
		"   on conflict (partition) do update set n = counter.n + excluded.n, bytes = counter.bytes + excluded.bytes;"
		"  return null; end $$;"
		"create trigger counting after insert on t referencing new table as news"
		" for each statement execute function count_rows()");
	kt_job_write(&campaign->job, "\"workers\": 2");
}

static void open_sqlite(crash_campaign *campaign)
{
	kt_store_exec(&campaign->job.store,
		"create table t(kafka_topic text not null, kafka_partition integer not null, kafka_offset integer not null,"
		"  kafka_timestamp text, key blob, value blob, headers text);"
		"create table counter(partition integer primary key, n integer not null, bytes integer not null);"
		"create trigger counting after insert on t begin"
		"  insert into counter values(new.kafka_partition, 1, coalesce(length(new.value), 0))"
		"   on conflict (partition) do update set n = n + 1, bytes = bytes + excluded.bytes; end");
}

/* Where the counter of a partition is not the exact count and sum of the table. */
static int64_t wrong_counters(kt_store *store)
{
	return kt_store_int(store,
		"select count(*) from (select kafka_partition as p, count(*) as n, coalesce(sum(length(value)), 0) as bytes from t"
		" group by 1) as r left join counter c on c.partition = r.p where c.n is null or c.n <> r.n or c.bytes <> r.bytes");
}

static crash_finding judge(crash_campaign *campaign)
{
	kt_store *store = &campaign->job.store;
	kt_verdict v = kt_judge_table(store, "t", campaign->job.topic);
	int64_t untiled = kt_judge_tiling(store, "j"), counters = wrong_counters(store);

	crash_audit(&campaign->job, NULL);
	return (crash_finding) {.rows = v.rows, .missing = v.missing, .doubled = v.doubled,
		.wrong = v.altered + v.foreign + untiled + counters,
		.what = kt_format(", altered %" PRId64 ", foreign %" PRId64 ", not tiled %" PRId64 ", counters wrong %" PRId64,
			v.altered, v.foreign, untiled, counters)};
}

static bool postgres_passes(const crash_point *point)
{
	return point->postgres;
}

static bool sqlite_passes(const crash_point *point)
{
	return point->sqlite;
}

static void close_nothing(crash_campaign *campaign)
{
	(void) campaign;
}

const crash_sink crash_postgres = {.name = "postgres", .store = KT_POSTGRES, .passes = postgres_passes,
	.open = open_postgres, .judge = judge, .close = close_nothing};
const crash_sink crash_sqlite = {.name = "sqlite", .store = KT_SQLITE, .passes = sqlite_passes, .open = open_sqlite,
	.judge = judge, .close = close_nothing};
