/* SPDX-License-Identifier: Apache-2.0 */
/* How the judge's evidence is read: Kafka by the oracle, the sink by plain SQL.  See invariants.h. */
#include "invariants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "file_rows.h"
#include "tmpdir.h"
#include "wait.h"

#define GONE_MS 20000 /* until the server has noticed that a killed client is gone */

void kt_evidence_read_kafka(kt_evidence *e, const char *bootstrap, const char *topic)
{
	e->kafka = kt_oracle_read(bootstrap, topic, true);
}

/* ---- rows of numbers ---- */

typedef void row_fn(kt_evidence *e, const int64_t *column);

enum { COLUMNS = 12 };

static void each_postgres(kt_evidence *e, kt_store *store, const char *sql, row_fn *fn)
{
	PGresult *result = kt_pg_query(&store->pg, "%s", sql);

	kt_check(PQnfields(result) <= COLUMNS, "too many columns: %s", sql);
	for (int i = 0; i < PQntuples(result); i++) {
		int64_t column[COLUMNS];

		for (int k = 0; k < PQnfields(result); k++)
			column[k] = PQgetisnull(result, i, k) ? -1 : strtoll(PQgetvalue(result, i, k), NULL, 10);
		fn(e, column);
	}
	PQclear(result);
}

static void each_sqlite(kt_evidence *e, kt_store *store, const char *sql, row_fn *fn)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	kt_check(rc == SQLITE_OK && sqlite3_column_count(stmt) <= COLUMNS, "%s in: %s", sqlite3_errmsg(store->db), sql);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t column[COLUMNS];

		for (int k = 0; k < sqlite3_column_count(stmt); k++)
			column[k] = sqlite3_column_type(stmt, k) == SQLITE_NULL ? -1 : sqlite3_column_int64(stmt, k);
		fn(e, column);
	}
	kt_check(rc == SQLITE_DONE, "%s in: %s", sqlite3_errmsg(store->db), sql);
	sqlite3_finalize(stmt);
}

static void each(kt_evidence *e, kt_store *store, row_fn *fn, const char *format, ...) KD_PRINTF(4, 5);
static void each(kt_evidence *e, kt_store *store, row_fn *fn, const char *format, ...)
{
	va_list args;
	char *sql;

	va_start(args, format);
	kt_check(vasprintf(&sql, format, args) >= 0, "no memory");
	va_end(args);
	if (store->kind == KT_POSTGRES)
		each_postgres(e, store, sql, fn);
	else
		each_sqlite(e, store, sql, fn);
	free(sql);
}

static bool has_table(kt_store *store, const char *name)
{
	return kt_store_int(store, store->kind == KT_POSTGRES
		? "select count(*) from pg_tables where schemaname = 'public' and tablename = '%s'"
		: "select count(*) from sqlite_schema where type = 'table' and name = '%s'", name) > 0;
}

/* ---- the ledger ---- */

static void add_segment(kt_evidence *e, const int64_t *c)
{
	kt_push(e->segments, e->n_segments, (kt_segment_row) {(int32_t) c[0], (int32_t) c[1], (int32_t) c[2], c[3] > 0, c[4],
		c[5], c[6], c[7], c[8]});
}

static void add_identifier(kt_evidence *e, const int64_t *c)
{
	kt_push(e->identifiers, e->n_identifiers, (kt_identifier) {(int32_t) c[0], c[1], c[2], c[3], c[4] > 0, c[5] > 0, c[6],
		c[7], c[8], c[9], c[10], c[11]});
}

static void add_gap(kt_evidence *e, const int64_t *c)
{
	kt_push(e->gaps, e->n_gaps, (kt_span) {(int32_t) c[0], c[1], c[2], c[3]});
}

static void add_dead_letter(kt_evidence *e, const int64_t *c)
{
	kt_push(e->dead_letters, e->n_dead_letters, (kt_span) {(int32_t) c[0], c[1], c[1] + 1, c[2]});
}

static void read_ledger(kt_evidence *e, kt_store *store, const char *job)
{
	const char *l = store->kind == KT_POSTGRES ? "kdirect." : "kdirect_";

	e->ledger = true;
	each(e, store, add_segment,
		"select p.partition_index, p.kafka_partition, p.segment, case when p.closed_at is null then 0 else 1 end,"
		" p.start_offset, p.planned_until, c.committed_until, c.log_from, p.last_batch_time"
		" from %spartition p join %sposition c on c.job = p.job and c.partition_index = p.partition_index"
		" where p.job = '%s' order by 1", l, l, job);
	each(e, store, add_identifier,
		"select b.partition_index, b.batch_time, b.from_offset, b.until_offset,"
		" case when b.committed_at is null then 0 else 1 end, case when b.withdrawn_at is null then 0 else 1 end,"
		" b.records, b.rows, b.dropped, b.dead_letters, b.gap,"
		" case when b.committed_at is null then null else"
		"  (select max(i.epoch) from %sinstance i where i.job = b.job and i.owner = b.instance) end"
		" from %sbatch_partition b where b.job = '%s'", l, l, job);
	each(e, store, add_gap,
		"select partition_index, from_offset, until_offset, batch_time from %sgap where job = '%s'", l, job);
	each(e, store, add_dead_letter,
		"select partition_index, kafka_offset, batch_time from %sdead_letter where job = '%s'", l, job);
}

/* ---- what the triggers wrote down ---- */

/* Rows that landed one behind the other are one landing. */
static void add_landing(kt_evidence *e, const int64_t *c)
{
	kt_landing *last = e->n_landings ? &e->landings[e->n_landings - 1] : NULL;

	if (last && last->partition == c[0] && last->high < c[1]) {
		last->high = c[2];
		return;
	}
	kt_push(e->landings, e->n_landings, (kt_landing) {(int32_t) c[0], c[1], c[2]});
}

static void add_counter(kt_evidence *e, const int64_t *c)
{
	kt_push(e->counters, e->n_counters, (kt_counter) {(int32_t) c[0], c[1], c[2], c[3], c[4]});
}

static void add_event(kt_evidence *e, const int64_t *c)
{
	kt_push(e->events, e->n_events, (kt_event) {(kt_deed) c[0], (int32_t) c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8]});
}

static void read_triggers(kt_evidence *e, kt_store *store, const char *table, const char *job)
{
	if (has_table(store, "landing"))
		each(e, store, add_landing, "select partition, low, high from landing order by n");
	else if (store->kind == KT_SQLITE)
		each(e, store, add_landing, "select kafka_partition, kafka_offset, kafka_offset from %s order by rowid", table);
	if (has_table(store, "counter"))
		each(e, store, add_counter,
			"select k.p, coalesce(c.n, 0), coalesce(c.bytes, 0), coalesce(r.n, 0), coalesce(r.bytes, 0)"
			" from (select partition as p from counter union select kafka_partition from %s) k"
			" left join counter c on c.partition = k.p"
			" left join (select p, count(*) as n, sum(bytes) as bytes"
			"  from (select kafka_partition as p, coalesce(max(length(value)), 0) as bytes from %s"
			"   group by kafka_partition, kafka_offset) as d group by p) r on r.p = k.p", table, table);
	if (has_table(store, "ledger_log"))
		each(e, store, add_event,
			"select case deed when 'started' then 0 when 'planned' then 1 when 'committed' then 2 when 'withdrawn' then 3"
			" else 4 end, coalesce(partition_index, 0), batch_time, from_offset, until_offset, epoch, holding, session,"
			" \"transaction\" from ledger_log where job = '%s' order by n", job);
}

/* ---- what is left in the database ---- */

typedef struct left {
	kt_store *store;
	int64_t sessions, locks;
} left;

static bool nothing_is_left(void *opaque)
{
	left *l = opaque;

	l->sessions = kt_store_int(l->store, "select count(*) from pg_stat_activity where datname = current_database()"
		" and application_name like 'kdirect%%'");
	l->locks = kt_store_int(l->store, "select (select count(*) from pg_locks l join pg_stat_activity a using (pid)"
		" where a.datname = current_database() and a.application_name like 'kdirect%%')"
		" + (select count(*) from pg_prepared_xacts where database = current_database())");
	return !l->sessions && !l->locks;
}

/* SQLite: whoever can write holds no lock against anybody. */
static void read_left(kt_evidence *e, kt_store *store)
{
	left l = {.store = store};

	if (store->kind == KT_POSTGRES) {
		(void) kt_wait_until(nothing_is_left, &l, GONE_MS);
	} else if (sqlite3_exec(store->db, "begin immediate; rollback", NULL, NULL, NULL) != SQLITE_OK) {
		l.locks = 1;
		sqlite3_exec(store->db, "rollback", NULL, NULL, NULL);
	}
	e->sessions_left = l.sessions;
	e->locks_left = l.locks;
}

void kt_evidence_read_store(kt_evidence *e, kt_store *store, const char *table, const char *topic, const char *job)
{
	read_left(e, store);
	e->content = true;
	e->rows = kt_store_rows(store, table, topic);
	read_ledger(e, store, job);
	read_triggers(e, store, table, job);
}

/* ---- files ---- */

typedef struct collected {
	kt_evidence *e;
	const char *topic;
} collected;

static bool add_file_row(void *opaque, const kt_file_row *row)
{
	collected *c = opaque;
	const kt_oracle_row found = {row->partition, row->offset,
		kt_checksum(row->key, row->key_size, row->value, row->value_size)};

	if (strcmp(row->topic, c->topic) == 0)
		kt_push(c->e->rows.rows, c->e->rows.n, found);
	return true;
}

void kt_evidence_read_folder(kt_evidence *e, const char *folder, const char *topic)
{
	collected c = {e, topic};

	e->content = true;
	kt_folder_rows(folder, add_file_row, &c);
}
