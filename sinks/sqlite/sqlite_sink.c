// SPDX-License-Identifier: Apache-2.0
// sqlite_sink: the sink's table of functions, its options, opening and closing.  See sqlite_sink.h for how it works.
#include "sqlite_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sqlite_check.h"

static const kd_option options[] = {
	{.key = "sink.path", .type = KD_OPT_STRING, .required = true,
		.help = "The database file; it is made where it is absent.  It must be on a local disk."},
	{.key = "sink.table", .type = KD_OPT_STRING, .required = true,
		.help = "The table that rows go to, in the same file as the ledger; a raw one is made where it is absent."},
	{.key = "sink.layout", .type = KD_OPT_ENUM, .values = "raw|fields",
		.help = "raw: one row a record, key and value as they are.  fields: top-level JSON fields by column name.  "
			"Without it the table decides: absent or with exactly the raw columns is raw."},
	{.key = "sink.format", .type = KD_OPT_ENUM, .default_value = "raw", .values = "raw|text|json",
		.help = "Layout raw: key and value as blobs, as text (UTF-8 is checked), or as JSON text (checked)."},
	{.key = "sink.unknown_fields", .type = KD_OPT_ENUM, .default_value = "ignore", .values = "ignore|error",
		.help = "Layout fields: what happens to a JSON field without a column; ignored ones are named once in the log."},
	{.key = "sink.null_value", .type = KD_OPT_ENUM, .default_value = "error", .values = "error|skip",
		.help = "Layout fields: what happens to a record whose value is null; skipped ones are counted as dropped."},
};

kd_code sqlite_check_path(const char *path, kd_error *err)
{
	if (!*path || !strcmp(path, ":memory:"))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" as sink.path: it must name a file", path);
	return KD_OK;
}

static bool format_info(sqlite_sink *sink)
{
	const sqlite_target *target = &sink->target;
	static const char *const formats[] = {"blob", "text", "json"};
	kd_buf identity = {0}, summary = {0};
	bool ok = kd_buf_printf(&identity, "sqlite:%s", target->table) && kd_buf_append(&identity, "", 1) &&
		kd_buf_printf(&summary, "SQLite %s, %s, table %s, ", sqlite3_libversion(), sink->path, target->table);
	if (ok && target->raw)
		ok = kd_buf_printf(&summary, "layout raw (%s)", formats[target->format]);
	else if (ok)
		ok = kd_buf_printf(&summary, "layout fields (%zu columns)", target->n_columns);
	ok = ok && kd_buf_append(&summary, "", 1);
	sink->identity = identity.data;
	sink->summary = summary.data;
	sink->info = (kd_sink_info) {
		.target = target->table,
		.identity = sink->identity,
		.layout = target->raw ? "raw" : "fields",
		.summary = sink->summary,
		.has_offsets = sqlite_target_has_offsets(target),
	};
	return ok;
}

static kd_code create_table(sqlite_sink *sink, kd_error *err)
{
	kd_buf sql = {0};
	kd_code code = sqlite_target_ddl(&sink->target, &sql, err);
	if (!code && !kd_buf_append(&sql, "", 1))
		code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not create the table: no memory");
	int rc = code ? SQLITE_OK : sqlite_conn_script(&sink->writer, sql.data);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, sink->writer.db, rc, SQLITE_IN_LEDGER, "could not create table \"%s\"",
			sink->target.table);
	kd_buf_done(&sql);
	sink->target.exists = !code;
	return code;
}

/* Does a row with every column compile?  A trigger or a check that needs an extension does not. */
static kd_code try_insert(sqlite_sink *sink, kd_error *err)
{
	unsigned char *mask = malloc(sqlite_mask_size(&sink->target));
	sqlite3_stmt *stmt;
	if (!mask)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not look at the table: no memory");
	memset(mask, 0xff, sqlite_mask_size(&sink->target));
	int rc = sqlite_inserts_find(&sink->inserts, sink->writer.db, &sink->target, mask, &stmt);
	free(mask);
	if (rc == SQLITE_OK)
		return KD_OK;
	return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s\": %s", sink->target.table,
		sqlite3_errmsg(sink->writer.db));
}

/* Ledger and table are made in one transaction: of two first starts one waits for the other. */
static kd_code prepare_file(sqlite_sink *sink, const kd_config *config, kd_error *err)
{
	sqlite_session session = {.sink = sink};
	kd_code code = sqlite_conn_open(&sink->writer, sink->path, SQLITE_MODE_CREATE, err);
	if (code)
		return code;
	code = sqlite_txn_begin(&session, err);
	if (code)
		return code;
	code = sqlite_schema_ensure(&sink->writer, err);
	if (!code)
		code = sqlite_target_init(&sink->target, config, &sink->writer, err);
	if (!code && !sink->target.exists)
		code = create_table(sink, err);
	if (!code)
		code = try_insert(sink, err);
	if (!code)
		return sqlite_txn_commit(&session, SQLITE_IN_LEDGER, err);
	sqlite_txn_rollback(&session);
	return code;
}

static kd_code look_at_file(sqlite_sink *sink, const kd_config *config, kd_error *err)
{
	if (access(sink->path, F_OK) != 0 && errno == ENOENT)
		return sqlite_target_init(&sink->target, config, NULL, err);
	sqlite_conn conn = {0};
	kd_code code = sqlite_conn_open(&conn, sink->path, SQLITE_MODE_READ, err);
	if (!code)
		code = sqlite_target_init(&sink->target, config, &conn, err);
	sqlite_conn_close(&conn);
	return code;
}

static bool init_lock(sqlite_sink *sink)
{
	pthread_condattr_t monotonic;
	bool ok = pthread_condattr_init(&monotonic) == 0;
	ok = ok && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0;
	return ok && pthread_cond_init(&sink->freed, &monotonic) == 0 && pthread_mutex_init(&sink->lock, NULL) == 0;
}

static void sqlite_close(void *opaque)
{
	sqlite_sink *sink = opaque;
	if (!sink)
		return;
	sqlite_inserts_done(&sink->inserts);
	sqlite_conn_close(&sink->writer);
	sqlite_target_done(&sink->target);
	pthread_cond_destroy(&sink->freed);
	pthread_mutex_destroy(&sink->lock);
	free(sink->identity);
	free(sink->summary);
	free(sink->path);
	free(sink);
}

static kd_code sqlite_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	const char *path = kd_config_string(context->config, "sink.path");
	kd_code code = sqlite_check_path(path, err);
	if (code)
		return code;
	sqlite_sink *sink = calloc(1, sizeof *sink);
	if (!sink || !init_lock(sink)) {
		free(sink);
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
	}
	sink->log = context->log;
	sink->read_only = context->read_only;
	sink->path = strdup(path);
	if (!sink->path)
		code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
	if (!code)
		code = sink->read_only ? look_at_file(sink, context->config, err) : prepare_file(sink, context->config, err);
	if (!code && !format_info(sink))
		code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
	if (code)
		sqlite_close(sink);
	else
		*ret_sink = sink;
	return code;
}

static const kd_sink_info *sqlite_info(void *sink)
{
	return &((sqlite_sink *) sink)->info;
}

static kd_code sqlite_connect(void *sink, const char *role, void **ret_session, kd_error *err)
{
	(void) role; /* there is no server that would list it */
	sqlite_session *session = calloc(1, sizeof *session);
	if (!session)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open a session: no memory");
	session->sink = sink;
	*ret_session = session;
	return KD_OK;
}

static void sqlite_disconnect(void *opaque)
{
	sqlite_session *session = opaque;
	if (!session)
		return;
	sqlite_abort(session);
	sqlite_snapshot_end(session);
	sqlite_conn_close(&session->reader);
	free(session);
}

/* A connection that went bad is opened anew by the next transaction: the session itself stays. */
static bool sqlite_usable(void *session)
{
	(void) session;
	return true;
}

const kd_sink_ops kd_sqlite_sink = {
	.abi = KD_SINK_ABI,
	.name = "sqlite",
	.summary = "a table in an SQLite file, the ledger beside it: nothing to install or to run",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.open = sqlite_open,
	.close = sqlite_close,
	.info = sqlite_info,
	.check = sqlite_check,
	.ddl = sqlite_ddl,
	.connect = sqlite_connect,
	.disconnect = sqlite_disconnect,
	.usable = sqlite_usable,
	.interrupt = sqlite_interrupt,
	.take_over = sqlite_take_over,
	.add_partitions = sqlite_add_partitions,
	.append_plan = sqlite_append_plan,
	.withdraw = sqlite_withdraw,
	.reread = sqlite_reread,
	.verify = sqlite_verify,
	.prune = sqlite_prune,
	.begin = sqlite_begin,
	.write = sqlite_write,
	.commit = sqlite_commit,
	.abort = sqlite_abort,
	.encoder_open = sqlite_encoder_open,
	.encoder_close = sqlite_encoder_close,
	.encode = sqlite_encode,
	.flush = sqlite_flush,
	.snapshot_begin = sqlite_snapshot_begin,
	.snapshot_end = sqlite_snapshot_end,
	.read_ledger = sqlite_read_ledger,
	.scan_offsets = sqlite_scan_offsets,
	.owner_alive = sqlite_owner_alive,
};
