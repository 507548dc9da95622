/* SPDX-License-Identifier: Apache-2.0 */
/* What the judge sets up in a sink before a run: triggers that write down what happens there.  See invariants.h.
 *
 * The engine knows nothing of them, and they need nothing of it but the tables that docs/LEDGER.md describes. */
#include "invariants.h"

/* ---- the table: a counter (I11), and the order of landings (I5) ---- */

static const char postgres_table[] =
	"create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz,"
	"  key bytea, value bytea, headers jsonb);"
	"create table counter(partition int primary key, n bigint not null, bytes bigint not null);"
	"create table landing(n bigserial primary key, partition int not null, low bigint not null, high bigint not null);"
	"create function count_rows() returns trigger language plpgsql as $$ begin"
	"  insert into counter select kafka_partition, count(*), coalesce(sum(length(value)), 0) from news group by 1"
	"   on conflict (partition) do update set n = counter.n + excluded.n, bytes = counter.bytes + excluded.bytes;"
	"  insert into landing(partition, low, high) select kafka_partition, min(kafka_offset), max(kafka_offset)"
	"   from news group by 1;"
	"  return null; end $$;"
	"create trigger counting after insert on t referencing new table as news"
	" for each statement execute function count_rows()";

/* The order of landings is the order of SQLite's row numbers. */
static const char sqlite_table[] =
	"create table t(kafka_topic text not null, kafka_partition integer not null, kafka_offset integer not null,"
	"  kafka_timestamp text, key blob, value blob, headers text);"
	"create table counter(partition integer primary key, n integer not null, bytes integer not null);"
	"create trigger counting after insert on t begin"
	"  insert into counter values(new.kafka_partition, 1, coalesce(length(new.value), 0))"
	"   on conflict (partition) do update set n = n + 1, bytes = bytes + excluded.bytes; end";

void kt_watch_table(kt_store *store)
{
	kt_store_exec(store, "%s", store->kind == KT_POSTGRES ? postgres_table : sqlite_table);
}

/* ---- the ledger: who did what in which order (I6, I7) ----
 *
 * PostgreSQL gives an event its number at COMMIT, while the row locks of the deed are held: numbers of one segment are in
 * the order of its commits, and a take-over's comes after all work that it waited for. */

/* PostgreSQL tells the planner by its session only: the one that it took over in. */
static const char postgres_log[] =
	"create table if not exists ledger_log(n bigserial primary key, deed text not null, job text not null,"
	"  batch_time bigint, partition_index int, from_offset bigint, until_offset bigint, owner text, epoch bigint,"
	"  holding bigint, session bigint not null default pg_backend_pid(),"
	"  transaction bigint not null default txid_current());"
	"create or replace function log_identifier() returns trigger language plpgsql set search_path = public as $$"
	" declare what text; who text; begin"
	"  if tg_op = 'INSERT' then"
	"   insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset, holding)"
	"    select 'planned', new.job, new.batch_time, new.partition_index, new.from_offset, new.until_offset, p.epoch"
	"    from kdirect.partition p where p.job = new.job and p.partition_index = new.partition_index;"
	"   if new.committed_at is null then return null; end if;"
	"   what := 'committed'; who := new.instance;"
	"  elsif old.committed_at is null and new.committed_at is not null then what := 'committed'; who := new.instance;"
	"  elsif old.withdrawn_at is null and new.withdrawn_at is not null then what := 'withdrawn';"
	"  end if;"
	"  if tg_op = 'UPDATE' and (old.from_offset <> new.from_offset or old.until_offset <> new.until_offset) then"
	"   insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset)"
	"    values('changed', new.job, new.batch_time, new.partition_index, new.from_offset, new.until_offset);"
	"  end if;"
	"  if what is null then return null; end if;"
	"  insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset, owner, epoch, holding)"
	"   select what, new.job, new.batch_time, new.partition_index, new.from_offset, new.until_offset, who,"
	"    (select max(i.epoch) from kdirect.instance i where i.job = new.job and i.owner = who), p.epoch"
	"   from kdirect.position p where p.job = new.job and p.partition_index = new.partition_index;"
	"  return null; end $$;"
	"create or replace function log_instance() returns trigger language plpgsql set search_path = public as $$ begin"
	"  insert into ledger_log(deed, job, owner, epoch) values('started', new.job, new.owner, new.epoch);"
	"  return null; end $$;"
	"drop trigger if exists log_identifier on kdirect.batch_partition;"
	"create constraint trigger log_identifier after insert or update on kdirect.batch_partition"
	" deferrable initially deferred for each row execute function log_identifier();"
	"drop trigger if exists log_instance on kdirect.instance;"
	"create constraint trigger log_instance after insert on kdirect.instance"
	" deferrable initially deferred for each row execute function log_instance()";

#define SQLITE_EPOCH(who) "(select max(epoch) from kdirect_instance where job = new.job and owner = " who ")"
#define SQLITE_HOLDING(table) \
	"(select epoch from kdirect_" table " where job = new.job and partition_index = new.partition_index)"
#define SQLITE_LOG(deed, who, table) \
	"insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset, owner, epoch, holding)" \
	" values('" deed "', new.job, new.batch_time, new.partition_index, new.from_offset, new.until_offset, " who ", " \
	SQLITE_EPOCH(who) ", " SQLITE_HOLDING(table) "); "

static const char sqlite_log[] =
	"create table if not exists ledger_log(n integer primary key autoincrement, deed text not null, job text not null,"
	"  batch_time integer, partition_index integer, from_offset integer, until_offset integer, owner text,"
	"  epoch integer, holding integer, session integer not null default 0, \"transaction\" integer not null default 0);"
	"create trigger if not exists log_planned after insert on kdirect_batch_partition begin "
	SQLITE_LOG("planned", "new.instance", "partition")
	"end;"
	"create trigger if not exists log_committed after update on kdirect_batch_partition"
	" when old.committed_at is null and new.committed_at is not null begin "
	SQLITE_LOG("committed", "new.instance", "position")
	"end;"
	"create trigger if not exists log_withdrawn after update on kdirect_batch_partition"
	" when old.withdrawn_at is null and new.withdrawn_at is not null begin "
	SQLITE_LOG("withdrawn", "null", "partition")
	"end;"
	"create trigger if not exists log_changed after update on kdirect_batch_partition"
	" when old.from_offset <> new.from_offset or old.until_offset <> new.until_offset begin "
	SQLITE_LOG("changed", "null", "partition")
	"end;"
	"create trigger if not exists log_instance after insert on kdirect_instance begin"
	" insert into ledger_log(deed, job, owner, epoch) values('started', new.job, new.owner, new.epoch); end";

void kt_watch_ledger(kt_store *store)
{
	kt_store_exec(store, "%s", store->kind == KT_POSTGRES ? postgres_log : sqlite_log);
}
