// SPDX-License-Identifier: Apache-2.0
// The suite on PostgreSQL: a database of its own for each case, on the server at KD_TEST_PG.
//
// Without a server the cases are skipped, or fail where KD_TEST_REQUIRE_PG is 1.
#include "conformance.h"
#include "pg_fixture.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"
#include "wait.h"

static void *open_db(void)
{
	kt_pg *pg = calloc(1, sizeof *pg);
	kt_check(pg, "no memory");
	kt_pg_open(pg);
	kt_pg_exec(pg, "set client_min_messages = warning");
	return pg;
}

static void close_db(void *pg)
{
	kt_pg_close(pg);
	free(pg);
}

static char *sink_json(void *pg, const char *table)
{
	return kt_format("{\"type\": \"postgres\", \"dsn\": \"%s\", \"table\": \"public.%s\"}", ((kt_pg *) pg)->dsn, table);
}

static int64_t number(void *pg, const char *sql)
{
	return kt_pg_int(pg, "%s", sql);
}

static void execute(void *pg, const char *sql)
{
	kt_pg_exec(pg, "%s", sql);
}

/* Every table of the ledger, and the target. */
#define TABLES \
	"select schemaname s, tablename n from pg_tables where schemaname = 'kdirect' or (schemaname = 'public' and" \
	" tablename = 't')"

static void save(void *pg)
{
	kt_pg_exec(pg,
		"do $$ declare r record; begin"
		" drop schema if exists backup cascade; create schema backup;"
		" for r in " TABLES " loop"
		"  execute format('create table backup.%%I as table %%I.%%I', r.s || '_' || r.n, r.s, r.n);"
		" end loop; end $$");
}

static void restore(void *pg)
{
	kt_pg_exec(pg,
		"do $$ declare r record; begin"
		" for r in " TABLES " loop"
		"  execute format('delete from %%I.%%I', r.s, r.n);"
		"  execute format('insert into %%I.%%I table backup.%%I', r.s, r.n, r.s || '_' || r.n);"
		" end loop; end $$");
}

static void swallow(void *pg)
{
	kt_pg_exec(pg,
		"create function swallow() returns trigger language plpgsql as 'begin return null; end';"
		"create trigger swallows before insert on public.t for each row execute function swallow()");
}

static void refuse(void *pg, int64_t offset)
{
	kt_pg_exec(pg,
		"create table public.t (kafka_topic text, kafka_partition int, kafka_offset bigint check (kafka_offset <> %lld),"
		" kafka_timestamp timestamptz, key bytea, value bytea, headers jsonb)", (long long) offset);
}

static void delay_commit(void *pg, int64_t offset, int ms)
{
	kt_pg_exec(pg,
		"create function delay() returns trigger language plpgsql as"
		" 'begin perform pg_sleep(%d / 1000.0); return null; end';"
		"create constraint trigger delays after insert on public.t deferrable initially deferred for each row"
		" when (new.kafka_offset = %lld) execute function delay()", ms, (long long) offset);
}

static bool is_delayed(void *pg)
{
	return kt_pg_int(pg, "select count(*) from pg_stat_activity where datname = current_database() and"
		" wait_event = 'PgSleep'") == 1;
}

static void await_delayed_commit(void *pg)
{
	kt_await(is_delayed, pg, 30000, "a commit is under way");
}

static const kc_store postgres_store = {
	.ops = &kd_postgres_sink,
	.open = open_db,
	.close = close_db,
	.sink_json = sink_json,
	.number = number,
	.execute = execute,
	.save = save,
	.restore = restore,
	.swallow = swallow,
	.refuse = refuse,
	.delay_commit = delay_commit,
	.await_delayed_commit = await_delayed_commit,
	.size_of_value = "octet_length(value)",
};

static void run(conformance_case *fn)
{
	const char *required = getenv("KD_TEST_REQUIRE_PG");
	if (!getenv("KD_TEST_PG") && !(required && !strcmp(required, "1")))
		cr_skip_test("KD_TEST_PG names no server");
	conformance_run(&postgres_store, fn);
}

#define POSTGRES_TEST(name) \
	Test(postgres, name, .timeout = 120) \
	{ \
		run(case_##name); \
	}
CASES(POSTGRES_TEST)
