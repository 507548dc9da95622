// SPDX-License-Identifier: Apache-2.0
// The suite on PostgreSQL: a database of its own for each case, on the server at KD_TEST_PG.
//
// Without a server the cases are skipped, or fail where KD_TEST_REQUIRE_PG is 1.
#include <criterion/criterion.h>

#include "conformance.h"
#include "pg_fixture.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

static kd_code open_db(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	(void) place, (void) err;
	kt_pg *pg = calloc(1, sizeof *pg);
	kt_check(pg, "no memory");
	kt_pg_open(pg);
	kt_pg_exec(pg, "set client_min_messages = warning");
	*ret_db = pg;
	return KD_OK;
}

static void close_db(void *pg)
{
	kt_pg_close(pg);
	free(pg);
}

static char *sink_json(const world *w, const char *table)
{
	return kt_format("{\"type\": \"postgres\", \"dsn\": \"%s\", \"table\": \"public.%s\"}", ((kt_pg *) w->db)->dsn, table);
}

static void *bytes_of(const PGresult *rows, int row, int column, size_t *ret_size)
{
	if (PQgetisnull(rows, row, column))
		return NULL;
	void *bytes = PQunescapeBytea((const unsigned char *) PQgetvalue(rows, row, column), ret_size);
	kt_check(bytes, "no memory");
	return bytes;
}

static kd_code read_rows(void *pg, kd_conformance_row_fn *row, void *opaque, kd_error *err)
{
	(void) err;
	PGresult *rows = kt_pg_query(pg, "select kafka_topic, kafka_partition, kafka_offset,"
		" coalesce((extract(epoch from kafka_timestamp) * 1000)::bigint, -1), key, value from public.t");
	bool more = true;
	for (int r = 0; more && r < PQntuples(rows); r++) {
		kd_conformance_row found = {.topic = PQgetvalue(rows, r, 0), .partition = atoi(PQgetvalue(rows, r, 1)),
			.offset = atoll(PQgetvalue(rows, r, 2)), .timestamp_ms = atoll(PQgetvalue(rows, r, 3))};
		void *key = bytes_of(rows, r, 4, &found.key_size), *value = bytes_of(rows, r, 5, &found.value_size);
		found.key = key;
		found.value = value;
		more = row(opaque, &found);
		PQfreemem(key);
		PQfreemem(value);
	}
	PQclear(rows);
	return KD_OK;
}

/* Every table of the ledger, and the target. */
#define TABLES \
	"select schemaname s, tablename n from pg_tables where schemaname = 'kdirect' or (schemaname = 'public' and" \
	" tablename = 't')"

static kd_code save_tables(void *pg, kd_error *err)
{
	(void) err;
	kt_pg_exec(pg,
		"do $$ declare r record; begin"
		" drop schema if exists backup cascade; create schema backup;"
		" for r in " TABLES " loop"
		"  execute format('create table backup.%%I as table %%I.%%I', r.s || '_' || r.n, r.s, r.n);"
		" end loop; end $$");
	return KD_OK;
}

static kd_code restore_tables(void *pg, kd_error *err)
{
	(void) err;
	kt_pg_exec(pg,
		"do $$ declare r record; begin"
		" for r in " TABLES " loop"
		"  execute format('delete from %%I.%%I', r.s, r.n);"
		"  execute format('insert into %%I.%%I table backup.%%I', r.s, r.n, r.s || '_' || r.n);"
		" end loop; end $$");
	return KD_OK;
}

static kd_code swallow(void *pg, kd_error *err)
{
	(void) err;
	kt_pg_exec(pg,
		"create function swallow() returns trigger language plpgsql as 'begin return null; end';"
		"create trigger swallows before insert on public.t for each row execute function swallow()");
	return KD_OK;
}

static kd_code refuse(void *pg, int64_t offset, kd_error *err)
{
	(void) err;
	kt_pg_exec(pg,
		"create table public.t (kafka_topic text, kafka_partition int, kafka_offset bigint check (kafka_offset <> %lld),"
		" kafka_timestamp timestamptz, key bytea, value bytea, headers jsonb)", (long long) offset);
	return KD_OK;
}

static kd_code delay_commit(void *pg, int64_t offset, int ms, kd_error *err)
{
	(void) err;
	kt_pg_exec(pg,
		"create function delay() returns trigger language plpgsql as"
		" 'begin perform pg_sleep(%d / 1000.0); return null; end';"
		"create constraint trigger delays after insert on public.t deferrable initially deferred for each row"
		" when (new.kafka_offset = %lld) execute function delay()", ms, (long long) offset);
	return KD_OK;
}

static bool is_delayed(void *pg)
{
	return kt_pg_int(pg, "select count(*) from pg_stat_activity where datname = current_database() and"
		" wait_event = 'PgSleep'") == 1;
}

static const kd_conformance_hooks hooks = {
	.abi = KD_CONFORMANCE_ABI,
	.open = open_db,
	.close = close_db,
	.rows = read_rows,
	.save = save_tables,
	.restore = restore_tables,
	.swallow = swallow,
	.refuse = refuse,
	.delay_commit = delay_commit,
	.commit_is_delayed = is_delayed,
};

static const kc_store postgres_store = {.ops = &kd_postgres_sink, .hooks = &hooks, .sink_json = sink_json};

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
