/* SPDX-License-Identifier: Apache-2.0 */
/* A job's database by plain SQL: see job_store.h. */
#include "job_store.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "kdirect/types.h"
#include "tmpdir.h"

#define BUSY_MS 20000

void kt_store_open(kt_store *store, kt_store_kind kind, const char *dir)
{
	*store = (kt_store) {.kind = kind};
	if (kind == KT_POSTGRES) {
		kt_pg_open(&store->pg);
		store->sink = kt_format("\"type\": \"postgres\", \"dsn\": \"%s\"", store->pg.dsn);
		return;
	}
	store->path = kt_path(dir, "sink.db");
	store->sink = kt_format("\"type\": \"sqlite\", \"path\": \"%s\"", store->path);
	kt_check(sqlite3_open(store->path, &store->db) == SQLITE_OK, "could not open \"%s\"", store->path);
	sqlite3_busy_timeout(store->db, BUSY_MS);
}

void kt_store_close(kt_store *store)
{
	if (store->kind == KT_POSTGRES)
		kt_pg_close(&store->pg);
	sqlite3_close(store->db);
	free(store->path);
	free(store->sink);
	*store = (kt_store) {0};
}

/* ---- SQL ---- */

static KD_PRINTF(2, 0) char *make_sql(const kt_store *store, const char *format, va_list args)
{
	kd_buf sql = {0};
	char *text;

	kt_check(vasprintf(&text, format, args) >= 0, "no memory");
	for (const char *at = text; *at; at++) {
		bool of_ledger = *at == '@' && isalpha((unsigned char) at[1]);
		bool done = of_ledger ? kd_buf_append(&sql, store->kind == KT_POSTGRES ? "kdirect." : "kdirect_", 8)
				      : kd_buf_append(&sql, at, 1);
		kt_check(done, "no memory");
	}
	kt_check(kd_buf_append(&sql, "", 1), "no memory");
	free(text);
	return sql.data;
}

static sqlite3_stmt *prepare(kt_store *store, const char *sql)
{
	sqlite3_stmt *stmt;

	kt_check(sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s in: %s", sqlite3_errmsg(store->db),
		sql);
	return stmt;
}

static bool step(kt_store *store, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	kt_check(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s in: %s", sqlite3_errmsg(store->db), sqlite3_sql(stmt));
	return rc == SQLITE_ROW;
}

void kt_store_exec(kt_store *store, const char *format, ...)
{
	va_list args;
	char *sql, *reason = NULL;

	va_start(args, format);
	sql = make_sql(store, format, args);
	va_end(args);
	if (store->kind == KT_POSTGRES)
		kt_pg_exec(&store->pg, "%s", sql);
	else
		kt_check(sqlite3_exec(store->db, sql, NULL, NULL, &reason) == SQLITE_OK, "%s in: %s", reason, sql);
	free(sql);
}

static char *first_value(kt_store *store, const char *sql)
{
	sqlite3_stmt *stmt;
	const char *text = NULL;
	char *value;

	if (store->kind == KT_POSTGRES)
		return kt_pg_value(&store->pg, "%s", sql);
	stmt = prepare(store, sql);
	if (step(store, stmt))
		text = (const char *) sqlite3_column_text(stmt, 0);
	value = strdup(text ? text : "");
	kt_check(value, "no memory");
	sqlite3_finalize(stmt);
	return value;
}

char *kt_store_text(kt_store *store, const char *format, ...)
{
	va_list args;
	char *sql, *value;

	va_start(args, format);
	sql = make_sql(store, format, args);
	va_end(args);
	value = first_value(store, sql);
	free(sql);
	return value;
}

int64_t kt_store_int(kt_store *store, const char *format, ...)
{
	va_list args;
	char *sql, *value;
	int64_t number;

	va_start(args, format);
	sql = make_sql(store, format, args);
	va_end(args);
	value = first_value(store, sql);
	number = strtoll(value, NULL, 10);
	free(value);
	free(sql);
	return number;
}

bool kt_store_is_made(kt_store *store)
{
	if (store->kind == KT_POSTGRES)
		return kt_store_int(store,
			"select count(*) from pg_tables where tablename in ('t', 'instance') and schemaname <> 'pg_catalog'") == 2;
	return kt_store_int(store, "select count(*) from sqlite_schema where name in ('t', 'kdirect_instance')") == 2;
}

/* ---- rows ---- */

static void add_row(kt_oracle *rows, kt_oracle_row row)
{
	if ((rows->n & (rows->n - 1)) == 0) {
		rows->rows = realloc(rows->rows, (rows->n ? 2 * rows->n : 1) * sizeof(*rows->rows));
		kt_check(rows->rows, "no memory");
	}
	rows->rows[rows->n++] = row;
}

static void read_sqlite(kt_store *store, const char *sql, kt_oracle *rows)
{
	sqlite3_stmt *stmt = prepare(store, sql);

	while (step(store, stmt)) {
		const void *part[2];
		size_t size[2];

		for (int i = 0; i < 2; i++) {
			bool null = sqlite3_column_type(stmt, 2 + i) == SQLITE_NULL;
			part[i] = sqlite3_column_blob(stmt, 2 + i);
			size[i] = (size_t) sqlite3_column_bytes(stmt, 2 + i);
			if (!null && !part[i])
				part[i] = ""; /* SQLite's empty blob has no address */
		}
		add_row(rows, (kt_oracle_row) {sqlite3_column_int(stmt, 0), sqlite3_column_int64(stmt, 1),
			kt_checksum(part[0], size[0], part[1], size[1])});
	}
	sqlite3_finalize(stmt);
}

static int64_t big_endian(const char *bytes, int size)
{
	uint64_t number = 0;

	for (int i = 0; i < size; i++)
		number = number << 8 | (unsigned char) bytes[i];
	return (int64_t) number;
}

static void read_postgres(kt_store *store, const char *sql, kt_oracle *rows)
{
	PGresult *result = PQexecParams(store->pg.conn, sql, 0, NULL, NULL, NULL, NULL, 1);

	kt_check(PQresultStatus(result) == PGRES_TUPLES_OK, "%sin: %s", PQerrorMessage(store->pg.conn), sql);
	for (int i = 0; i < PQntuples(result); i++) {
		const void *part[2];

		for (int k = 0; k < 2; k++)
			part[k] = PQgetisnull(result, i, 2 + k) ? NULL : PQgetvalue(result, i, 2 + k);
		add_row(rows, (kt_oracle_row) {(int32_t) big_endian(PQgetvalue(result, i, 0), 4),
			big_endian(PQgetvalue(result, i, 1), 8),
			kt_checksum(part[0], (size_t) PQgetlength(result, i, 2), part[1], (size_t) PQgetlength(result, i, 3))});
	}
	PQclear(result);
}

kt_oracle kt_store_rows(kt_store *store, const char *table, const char *topic)
{
	kt_oracle rows = {0};
	char *sql = kt_format("select kafka_partition, kafka_offset, key, value from %s where kafka_topic = '%s'"
			      " order by 1, 2", table, topic);

	if (store->kind == KT_POSTGRES)
		read_postgres(store, sql, &rows);
	else
		read_sqlite(store, sql, &rows);
	free(sql);
	return rows;
}
