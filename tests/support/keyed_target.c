/* SPDX-License-Identifier: Apache-2.0 */
/* A keyed target: see keyed_target.h. */
#include "keyed_target.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "kdirect/fault.h"
#include "oracle.h"
#include "tmpdir.h"

#define BUSY_MS 10000

typedef struct target {
	const kd_config *config;
	bool by_record, versions;
	int64_t fail_every, calls;
	const char *path, *refuse;
} target;

typedef struct session {
	target *of;
	sqlite3 *db;
	sqlite3_stmt *put, *call;
} session;

static const char make_by_record[] = "create table if not exists t(key blob primary key, value blob, version integer)";
static const char make_by_identifier[] =
	"create table if not exists t(identifier text primary key, key blob, value blob)";
static const char make_calls[] = "create table if not exists calls(pid integer, puts integer)";

static const char put_any[] = "insert or replace into t(key, value, version) values(?1, ?2, ?3)";
static const char put_newer[] =
	"insert into t(key, value, version) values(?1, ?2, ?3) on conflict(key) do update"
	" set value = excluded.value, version = excluded.version where excluded.version >= t.version";
static const char put_identified[] = "insert or replace into t(key, value, identifier) values(?1, ?2, ?3)";

static const kd_option options[] = {
	{.key = "sink.store", .type = KD_OPT_STRING, .required = true, .help = "The file of the target."},
	{.key = "sink.table", .type = KD_OPT_STRING, .help = "Its table, always \"t\"."},
	{.key = "sink.versions", .type = KD_OPT_BOOL, .default_value = "false", .help = "Refuse a lower version."},
	{.key = "sink.fail_every", .type = KD_OPT_INT, .default_value = "0", .max = 1000000,
		.help = "Break down in the middle of every so many calls."},
	{.key = "sink.refuse", .type = KD_OPT_STRING, .help = "Refuse records of this value."},
};

static kd_code say(session *s, kd_error *err)
{
	return kd_error_set(err, KD_ESINK, KD_RETRY, "could not use \"%s\": %s", s->of->path, sqlite3_errmsg(s->db));
}

static kd_code open_target(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	const kd_keyed_ops *ops = context->ops->more;
	target *t = calloc(1, sizeof(*t));

	if (!t)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "no memory");
	*t = (target) {
		.config = context->config,
		.by_record = ops->by == KD_KEYED_BY_RECORD,
		.versions = kd_config_bool(context->config, "sink.versions"),
		.fail_every = kd_config_int(context->config, "sink.fail_every"),
		.path = kd_config_string(context->config, "sink.store"),
		.refuse = kd_config_string(context->config, "sink.refuse"),
	};
	*ret_sink = t;
	*ret_target = t->path;
	return KD_OK;
}

static void disconnect(void *opaque)
{
	session *s = opaque;

	if (!s)
		return;
	sqlite3_finalize(s->put);
	sqlite3_finalize(s->call);
	sqlite3_close(s->db);
	free(s);
}

static bool prepare(session *s)
{
	const char *put = !s->of->by_record ? put_identified : s->of->versions ? put_newer : put_any;

	/* A process that is killed loses nothing, a machine might: no test pulls the plug. */
	return sqlite3_exec(s->db, "pragma journal_mode = wal; pragma synchronous = off", NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_exec(s->db, s->of->by_record ? make_by_record : make_by_identifier, NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_exec(s->db, make_calls, NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(s->db, put, -1, &s->put, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(s->db, "insert into calls values(?1, ?2)", -1, &s->call, NULL) == SQLITE_OK;
}

static kd_code connect_target(void *sink, void **ret_session, kd_error *err)
{
	session *s = calloc(1, sizeof(*s));
	kd_code code = KD_OK;

	if (!s)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "no memory");
	s->of = sink;
	if (sqlite3_open(s->of->path, &s->db) == SQLITE_OK)
		sqlite3_busy_timeout(s->db, BUSY_MS);
	if (!prepare(s))
		code = say(s, err);
	if (code)
		disconnect(s);
	else
		*ret_session = s;
	return code;
}

static bool note_call(session *s, size_t n)
{
	sqlite3_bind_int64(s->call, 1, getpid());
	sqlite3_bind_int64(s->call, 2, (int64_t) n);
	sqlite3_step(s->call);
	return sqlite3_reset(s->call) == SQLITE_OK;
}

/* A null pointer is bound as NULL, an empty one as an empty blob. */
static bool store(session *s, const kd_put *put)
{
	sqlite3_bind_blob64(s->put, 1, put->key, put->key_size, SQLITE_STATIC);
	sqlite3_bind_blob64(s->put, 2, put->value, put->value_size, SQLITE_STATIC);
	if (s->of->by_record)
		sqlite3_bind_int64(s->put, 3, put->version);
	else
		sqlite3_bind_text(s->put, 3, put->identifier, -1, SQLITE_STATIC);
	sqlite3_step(s->put);
	return sqlite3_reset(s->put) == SQLITE_OK;
}

static bool is_refused(const target *t, const kd_put *put)
{
	return t->refuse && put->value_size == strlen(t->refuse) && memcmp(put->value, t->refuse, put->value_size) == 0;
}

static kd_code put_all(void *opaque, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	session *s = opaque;
	target *t = s->of;
	bool fails = t->fail_every && ++t->calls % t->fail_every == 0;

	(void) batch;
	if (!note_call(s, n))
		return say(s, err);
	for (size_t i = 0; i < n; i++) {
		if (i == n / 2)
			KD_FAULT("target.put");
		if (i == n / 2 && fails)
			return kd_error_set(err, KD_ESINK, KD_RETRY, "the target broke down");
		if (is_refused(t, &puts[i])) {
			kd_error_set(err, KD_ERECORD, KD_STOP, "the target refuses it");
			err->row = (int64_t) i + 1;
			return KD_ERECORD;
		}
		if (!store(s, &puts[i]))
			return say(s, err);
	}
	return KD_OK;
}

#define OPS(how, as) \
	{ \
		.abi = KD_KEYED_ABI, .name = as, .summary = "a table by key, for tests", .options = options, \
		.n_options = sizeof(options) / sizeof(options[0]), .by = how, .open = open_target, .close = free, \
		.connect = connect_target, .disconnect = disconnect, .put = put_all, \
	}
const kd_keyed_ops kt_keyed_by_record = OPS(KD_KEYED_BY_RECORD, "keyed_by_record");
const kd_keyed_ops kt_keyed_by_identifier = OPS(KD_KEYED_BY_IDENTIFIER, "keyed_by_identifier");

/* ---- as a test sees it ---- */

static void must(kt_keyed_store *store_, int rc, const char *what)
{
	kt_check(rc == SQLITE_OK || rc == SQLITE_ROW || rc == SQLITE_DONE, "%s in: %s", sqlite3_errmsg(store_->db), what);
}

void kt_keyed_open(kt_keyed_store *store_, const char *dir)
{
	store_->path = kt_path(dir, "target.db");
	kt_check(sqlite3_open(store_->path, &store_->db) == SQLITE_OK, "could not open \"%s\"", store_->path);
	sqlite3_busy_timeout(store_->db, BUSY_MS);
}

void kt_keyed_close(kt_keyed_store *store_)
{
	sqlite3_close(store_->db);
	free(store_->path);
}

int64_t kt_keyed_int(kt_keyed_store *store_, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t number;

	if (sqlite3_prepare_v2(store_->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return 0;
	must(store_, sqlite3_step(stmt), sql);
	number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return number;
}

typedef struct reading {
	kt_keyed_store *store;
	sqlite3_stmt *stmt;
	const char *topic;
	bool by_record;
} reading;

static void expect(void *opaque, const kt_oracle_record *record)
{
	reading *r = opaque;
	char *identifier = kt_format("j/%s/%" PRId32 "/0/%" PRId64 "/0", r->topic, record->partition, record->offset);

	sqlite3_bind_blob64(r->stmt, 1, record->key, record->key_size, SQLITE_STATIC);
	sqlite3_bind_blob64(r->stmt, 2, record->value, record->value_size, SQLITE_STATIC);
	if (r->by_record)
		sqlite3_bind_int64(r->stmt, 3, record->offset);
	else
		sqlite3_bind_text(r->stmt, 3, identifier, -1, SQLITE_STATIC);
	sqlite3_step(r->stmt);
	must(r->store, sqlite3_reset(r->stmt), "expect");
	free(identifier);
}

int64_t kt_keyed_judge(kt_keyed_store *store_, const kd_keyed_ops *ops, const char *bootstrap, const char *topic,
	bool committed)
{
	reading r = {.store = store_, .topic = topic, .by_record = ops->by == KD_KEYED_BY_RECORD};
	const char *make = r.by_record
		? "drop table if exists temp.e; create temp table e(key blob primary key, value blob, version integer); begin"
		: "drop table if exists temp.e; create temp table e(identifier text primary key, key blob, value blob); begin";
	const char *put = r.by_record ? "insert or replace into temp.e(key, value, version) values(?1, ?2, ?3)"
				      : "insert into temp.e(key, value, identifier) values(?1, ?2, ?3)";

	must(store_, sqlite3_exec(store_->db, make, NULL, NULL, NULL), make);
	must(store_, sqlite3_prepare_v2(store_->db, put, -1, &r.stmt, NULL), put);
	kt_oracle_each(bootstrap, topic, committed, expect, &r);
	sqlite3_finalize(r.stmt);
	must(store_, sqlite3_exec(store_->db, "commit", NULL, NULL, NULL), "commit");
	return kt_keyed_int(store_, "select (select count(*) from (select * from temp.e except select * from main.t))"
		" + (select count(*) from (select * from main.t except select * from temp.e))");
}
