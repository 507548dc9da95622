// SPDX-License-Identifier: Apache-2.0
// The suite on SQLite: a file in a folder of its own, looked at through connections that do not stay open.
#include <sqlite3.h>

#include <criterion/criterion.h>

#include "conformance.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

typedef struct sqlite_db {
	char *path, *backup;
} sqlite_db;

static sqlite3 *connect_to(const char *path)
{
	sqlite3 *db;
	kt_check(sqlite3_open(path, &db) == SQLITE_OK, "could not open %s", path);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static kd_code open_db(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	(void) err;
	sqlite_db *d = calloc(1, sizeof *d);
	kt_check(d, "no memory");
	d->path = kt_path(place->dir, "data.db");
	d->backup = kt_path(place->dir, "backup.db");
	*ret_db = d;
	return KD_OK;
}

static void close_db(void *opaque)
{
	sqlite_db *d = opaque;
	free(d->path);
	free(d->backup);
	free(d);
}

static char *sink_json(const world *w, const char *table)
{
	return kt_format("{\"type\": \"sqlite\", \"path\": \"%s/data.db\", \"table\": \"%s\"}", w->place.dir, table);
}

/* An empty value is no NULL, though SQLite's pointer to it is one. */
static const void *bytes_of(sqlite3_stmt *stmt, int column, size_t *ret_size)
{
	const void *bytes = sqlite3_column_blob(stmt, column);
	*ret_size = (size_t) sqlite3_column_bytes(stmt, column);
	return bytes || sqlite3_column_type(stmt, column) == SQLITE_NULL ? bytes : "";
}

static bool read_row(sqlite3_stmt *stmt, kd_conformance_row_fn *row, void *opaque)
{
	kd_conformance_row found = {.topic = (const char *) sqlite3_column_text(stmt, 0),
		.partition = sqlite3_column_int(stmt, 1), .offset = sqlite3_column_int64(stmt, 2),
		.timestamp_ms = sqlite3_column_int64(stmt, 3)};
	found.key = bytes_of(stmt, 4, &found.key_size);
	found.value = bytes_of(stmt, 5, &found.value_size);
	return row(opaque, &found);
}

static kd_code read_rows(void *opaque, kd_conformance_row_fn *row, void *row_opaque, kd_error *err)
{
	(void) err;
	sqlite3 *db = connect_to(((sqlite_db *) opaque)->path);
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, "select kafka_topic, kafka_partition, kafka_offset, coalesce(cast(round((julianday("
		"kafka_timestamp) - 2440587.5) * 86400000) as integer), -1), key, value from t", -1, &stmt, NULL);
	kt_check(rc == SQLITE_OK, "%s", sqlite3_errmsg(db));
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && read_row(stmt, row, row_opaque))
		;
	kt_check(rc == SQLITE_DONE || rc == SQLITE_ROW, "%s", sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return KD_OK;
}

static void execute(sqlite_db *d, const char *sql)
{
	sqlite3 *db = connect_to(d->path);
	kt_check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* By SQLite's own backup, which takes one consistent state and puts it back in one transaction. */
static void copy(const char *from, const char *to)
{
	sqlite3 *source = connect_to(from), *target = connect_to(to);
	sqlite3_backup *backup = sqlite3_backup_init(target, "main", source, "main");
	kt_check(backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE, "could not copy %s", from);
	sqlite3_backup_finish(backup);
	sqlite3_close(source);
	sqlite3_close(target);
}

static kd_code save_file(void *opaque, kd_error *err)
{
	(void) err;
	sqlite_db *d = opaque;
	copy(d->path, d->backup);
	return KD_OK;
}

static kd_code restore_file(void *opaque, kd_error *err)
{
	(void) err;
	sqlite_db *d = opaque;
	copy(d->backup, d->path);
	return KD_OK;
}

static kd_code swallow(void *opaque, kd_error *err)
{
	(void) err;
	execute(opaque, "create trigger swallows before insert on t begin select raise(ignore); end");
	return KD_OK;
}

static kd_code refuse(void *opaque, int64_t offset, kd_error *err)
{
	(void) err;
	char *sql = kt_format("create table t (kafka_topic text, kafka_partition integer, kafka_offset integer"
		" check (kafka_offset <> %lld), kafka_timestamp text, key blob, value blob, headers text)", (long long) offset);
	execute(opaque, sql);
	free(sql);
	return KD_OK;
}

static const kd_conformance_hooks hooks = {
	.abi = KD_CONFORMANCE_ABI,
	.open = open_db,
	.close = close_db,
	.rows = read_rows,
	.save = save_file,
	.restore = restore_file,
	.swallow = swallow,
	.refuse = refuse,
};

static const kc_store sqlite_store = {.ops = &kd_sqlite_sink, .hooks = &hooks, .sink_json = sink_json};

#define SQLITE_TEST(name) \
	Test(sqlite, name, .timeout = 120) \
	{ \
		conformance_run(&sqlite_store, case_##name); \
	}
CASES(SQLITE_TEST)
