/* SPDX-License-Identifier: Apache-2.0 */
/* The observer beside the job: see observer.h. */
#include "observer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

#define REST_MS 20 /* between two looks, at least */

struct kt_observer {
	pthread_t thread;
	atomic_bool ends;
	kt_store_kind kind;
	PGconn *conn;
	sqlite3 *db;
	char *ledger_sql, *rows_sql, *counter_sql; /* counter_sql NULL: there is no counter */
	kt_look *looks;                            /* of each partition index, by the query's order */
	size_t n_looks;
	kt_evidence seen;
};

/* ---- one look, judged ---- */

void kt_look_judge(kt_judgement *judgement, const kt_look *look)
{
	judgement->of[9].looked = true;
	if (look->rows != look->told)
		kt_found(judgement, 9, "partition index %d: %" PRId64 " rows were visible, committed identifiers tell of %" PRId64,
			look->index, look->rows, look->told);
	else if (look->last >= look->until)
		kt_found(judgement, 9, "partition index %d: offset %" PRId64 " was visible with position %" PRId64, look->index,
			look->last, look->until);
	if (look->counted < 0)
		return;
	judgement->of[11].looked = true;
	if (look->counted != look->rows)
		kt_found(judgement, 11, "partition index %d: %" PRId64 " rows were visible, the counter said %" PRId64,
			look->index, look->rows, look->counted);
}

/* ---- taking it: tables of numbers, whatever the database ---- */

enum { COLUMNS = 4 };

typedef struct numbers {
	int64_t (*row)[COLUMNS];
	size_t n;
} numbers;

static bool ask_postgres(kt_observer *o, const char *sql, numbers *ret)
{
	PGresult *result = PQexec(o->conn, sql);
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;

	for (int i = 0; ok && i < PQntuples(result); i++) {
		int64_t row[COLUMNS] = {0};

		for (int k = 0; k < PQnfields(result) && k < COLUMNS; k++)
			row[k] = strtoll(PQgetvalue(result, i, k), NULL, 10);
		ret->row = kt_push_(ret->row, ret->n, sizeof(*ret->row));
		memcpy(ret->row[ret->n++], row, sizeof(row));
	}
	PQclear(result);
	return ok;
}

static bool ask_sqlite(kt_observer *o, const char *sql, numbers *ret)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sqlite3_prepare_v2(o->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t row[COLUMNS] = {0};

		for (int k = 0; k < sqlite3_column_count(stmt) && k < COLUMNS; k++)
			row[k] = sqlite3_column_int64(stmt, k);
		ret->row = kt_push_(ret->row, ret->n, sizeof(*ret->row));
		memcpy(ret->row[ret->n++], row, sizeof(row));
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}

static bool ask(kt_observer *o, const char *sql, numbers *ret)
{
	ret->n = 0;
	free(ret->row);
	ret->row = NULL;
	return o->kind == KT_POSTGRES ? ask_postgres(o, sql, ret) : ask_sqlite(o, sql, ret);
}

static void take_ledger(kt_observer *o, const numbers *table)
{
	free(o->looks);
	o->looks = calloc(table->n + 1, sizeof(*o->looks));
	kt_check(o->looks, "no memory");
	o->n_looks = table->n;
	for (size_t i = 0; i < table->n; i++)
		o->looks[i] = (kt_look) {.index = (int32_t) table->row[i][0], .partition = (int32_t) table->row[i][1],
			.until = table->row[i][2], .told = table->row[i][3], .last = -1, .counted = o->counter_sql ? 0 : -1};
}

static kt_look *look_at(kt_observer *o, int64_t partition)
{
	for (size_t i = 0; i < o->n_looks; i++)
		if (o->looks[i].partition == partition)
			return &o->looks[i];
	return NULL;
}

/* Rows of a partition that the ledger does not know are without an identifier, too. */
static void take_rows(kt_observer *o, const numbers *table)
{
	for (size_t i = 0; i < table->n; i++) {
		kt_look *look = look_at(o, table->row[i][0]);

		if (!look) {
			kt_found(&o->seen.seen, 9, "partition %" PRId64 ": %" PRId64 " rows were visible, and no position",
				table->row[i][0], table->row[i][1]);
			continue;
		}
		look->rows = table->row[i][1];
		look->last = table->row[i][2];
	}
}

static void take_counter(kt_observer *o, const numbers *table)
{
	for (size_t i = 0; i < table->n; i++) {
		kt_look *look = look_at(o, table->row[i][0]);

		if (look)
			look->counted = table->row[i][1];
	}
}

static bool look_in_snapshot(kt_observer *o)
{
	numbers table = {0};
	bool ok = ask(o, o->ledger_sql, &table);

	if (ok)
		take_ledger(o, &table);
	ok = ok && ask(o, o->rows_sql, &table);
	if (ok)
		take_rows(o, &table);
	if (ok && o->counter_sql) {
		ok = ask(o, o->counter_sql, &table);
		if (ok)
			take_counter(o, &table);
	}
	free(table.row);
	return ok;
}

/* ---- the thread ---- */

static void remember(kt_observer *o, const kt_look *look)
{
	kt_evidence *e = &o->seen;

	for (size_t i = e->n_sights; i-- > 0;)
		if (e->sights[i].partition == look->partition) {
			if (e->sights[i].rows == look->rows)
				return;
			break;
		}
	if (look->rows)
		kt_push(e->sights, e->n_sights, (kt_sight) {look->partition, look->rows, look->last});
}

/* A snapshot that could not be had (the server is away, the ledger is not there yet) is no look. */
static void look(kt_observer *o)
{
	bool postgres = o->kind == KT_POSTGRES;
	numbers nothing = {0};
	bool ok = ask(o, postgres ? "begin isolation level repeatable read read only" : "begin", &nothing) &&
		look_in_snapshot(o);

	ask(o, "rollback", &nothing);
	if (!ok && postgres && PQstatus(o->conn) != CONNECTION_OK)
		PQreset(o->conn);
	if (!ok)
		return;
	o->seen.looks++;
	for (size_t i = 0; i < o->n_looks; i++) {
		kt_look_judge(&o->seen.seen, &o->looks[i]);
		remember(o, &o->looks[i]);
	}
}

static void *observe(void *opaque)
{
	kt_observer *o = opaque;

	while (!atomic_load(&o->ends)) {
		int64_t began = kt_now_ms();

		look(o);
		int64_t now = kt_now_ms(), rest_until = now + REST_MS + 4 * (now - began);
		while (!atomic_load(&o->ends) && kt_now_ms() < rest_until)
			kt_pause();
	}
	look(o);
	return NULL;
}

static char *ledger_sql(const char *prefix, const char *job)
{
	return kt_format("select p.partition_index, p.kafka_partition, c.committed_until, c.pruned_rows + coalesce("
			 "(select sum(b.rows) from %sbatch_partition b where b.job = p.job"
			 " and b.partition_index = p.partition_index and b.committed_at is not null), 0)"
			 " from %spartition p join %sposition c on c.job = p.job and c.partition_index = p.partition_index"
			 " where p.job = '%s'", prefix, prefix, prefix, job);
}

kt_observer *kt_observer_start(const kt_store *store, const char *table, const char *job, bool counter)
{
	kt_observer *o = calloc(1, sizeof(*o));

	kt_check(o, "no memory");
	o->kind = store->kind;
	o->ledger_sql = ledger_sql(store->kind == KT_POSTGRES ? "kdirect." : "kdirect_", job);
	o->rows_sql = kt_format("select kafka_partition, count(*), max(kafka_offset) from %s group by 1", table);
	o->counter_sql = counter ? kt_format("select partition, n from counter") : NULL;
	if (store->kind == KT_POSTGRES) {
		o->conn = kt_pg_connect(store->pg.dsn);
	} else {
		kt_check(sqlite3_open(store->path, &o->db) == SQLITE_OK, "could not open \"%s\"", store->path);
		sqlite3_busy_timeout(o->db, 20000);
	}
	kt_check(pthread_create(&o->thread, NULL, observe, o) == 0, "no thread");
	return o;
}

void kt_observer_stop(kt_observer *o, kt_evidence *evidence)
{
	atomic_store(&o->ends, true);
	pthread_join(o->thread, NULL);
	evidence->seen = o->seen.seen;
	evidence->looks = o->seen.looks;
	evidence->sights = o->seen.sights;
	evidence->n_sights = o->seen.n_sights;
	PQfinish(o->conn);
	sqlite3_close(o->db);
	free(o->looks);
	free(o->ledger_sql);
	free(o->rows_sql);
	free(o->counter_sql);
	free(o);
}
