// SPDX-License-Identifier: Apache-2.0
// The suite on SQLite: a file in a folder of its own, looked at through connections that do not stay open.
#include <sqlite3.h>

#include "conformance.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tmpdir.h"

typedef struct sqlite_db {
	char *dir, *path, *backup;
} sqlite_db;

static sqlite3 *connect_to(const char *path)
{
	sqlite3 *db;
	kt_check(sqlite3_open(path, &db) == SQLITE_OK, "could not open %s", path);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static void *open_db(void)
{
	sqlite_db *d = calloc(1, sizeof *d);
	kt_check(d, "no memory");
	d->dir = kt_tmpdir();
	d->path = kt_path(d->dir, "data.db");
	d->backup = kt_path(d->dir, "backup.db");
	return d;
}

static void close_db(void *opaque)
{
	sqlite_db *d = opaque;
	free(d->path);
	free(d->backup);
	kt_tmpdir_remove(d->dir);
	free(d);
}

static char *sink_json(void *opaque, const char *table)
{
	return kt_format("{\"type\": \"sqlite\", \"path\": \"%s\", \"table\": \"%s\"}", ((sqlite_db *) opaque)->path, table);
}

static int64_t number(void *opaque, const char *sql)
{
	sqlite3 *db = connect_to(((sqlite_db *) opaque)->path);
	sqlite3_stmt *stmt;
	kt_check(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	kt_check(sqlite3_step(stmt) == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));
	int64_t n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void execute(void *opaque, const char *sql)
{
	sqlite3 *db = connect_to(((sqlite_db *) opaque)->path);
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

static void save(void *opaque)
{
	sqlite_db *d = opaque;
	copy(d->path, d->backup);
}

static void restore(void *opaque)
{
	sqlite_db *d = opaque;
	copy(d->backup, d->path);
}

static void swallow(void *opaque)
{
	execute(opaque, "create trigger swallows before insert on t begin select raise(ignore); end");
}

static void refuse(void *opaque, int64_t offset)
{
	char *sql = kt_format("create table t (kafka_topic text, kafka_partition integer, kafka_offset integer"
		" check (kafka_offset <> %lld), kafka_timestamp text, key blob, value blob, headers text)", (long long) offset);
	execute(opaque, sql);
	free(sql);
}

static const kc_store sqlite_store = {
	.ops = &kd_sqlite_sink,
	.open = open_db,
	.close = close_db,
	.sink_json = sink_json,
	.number = number,
	.execute = execute,
	.save = save,
	.restore = restore,
	.swallow = swallow,
	.refuse = refuse,
	.size_of_value = "length(value)",
};

#define SQLITE_TEST(name) \
	Test(sqlite, name, .timeout = 120) \
	{ \
		conformance_run(&sqlite_store, case_##name); \
	}
CASES(SQLITE_TEST)
