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
#include "sqlite_ledger.h"

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

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
}

static bool format_info(sqlite_sink *sink)
{
	const sqlite_target *target = sink->targets;
	static const char *const formats[] = {"blob", "text", "json"};
	kd_buf identity = {0}, summary = {0};
	bool ok = kd_buf_printf(&identity, "sqlite:%s", target->table) && kd_buf_append(&identity, "", 1) &&
		kd_buf_printf(&summary, "SQLite %s, %s, table %s, ", sqlite3_libversion(), sink->path, target->table);
	if (ok && target->raw)
		ok = kd_buf_printf(&summary, "layout raw (%s)", formats[target->format]);
	else if (ok)
		ok = kd_buf_printf(&summary, "layout fields (%zu columns)", target->n_columns);
	for (size_t i = 1; i < sink->n_targets && ok; i++)
		ok = kd_buf_printf(&summary, "%s %s", i == 1 ? "; tables" : ",", sink->targets[i].table);
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

/* The sink's own table first, then those beside it. */
static kd_code init_targets(sqlite_sink *sink, const kd_config *config, sqlite_conn *conn, kd_error *err)
{
	size_t n = 1 + kd_config_strings_count(config, "sink.tables");
	sink->targets = calloc(n, sizeof *sink->targets);
	sink->inserts = calloc(n, sizeof *sink->inserts);
	if (!sink->targets || !sink->inserts)
		return no_memory(err);
	kd_code code = KD_OK;
	for (; sink->n_targets < n && !code; sink->n_targets += !code) {
		const char *beside = sink->n_targets ? kd_config_strings_at(config, "sink.tables", sink->n_targets - 1) : NULL;
		code = sqlite_target_init(&sink->targets[sink->n_targets], config, beside, conn, err);
	}
	return code;
}

static kd_code create_table(sqlite_sink *sink, kd_error *err)
{
	kd_buf sql = {0};
	kd_code code = sqlite_target_ddl(sink->targets, &sql, err);
	if (!code && !kd_buf_append(&sql, "", 1))
		code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not create the table: no memory");
	int rc = code ? SQLITE_OK : sqlite_conn_script(&sink->writer, sql.data);
	if (rc != SQLITE_OK)
		code = sqlite_error_set(err, sink->writer.db, rc, SQLITE_IN_LEDGER, "could not create table \"%s\"",
			sink->targets->table);
	kd_buf_done(&sql);
	sink->targets->exists = !code;
	return code;
}

/* Does a row with every column compile?  A trigger or a check that needs an extension does not. */
static kd_code try_insert(sqlite_sink *sink, size_t i, kd_error *err)
{
	const sqlite_target *target = &sink->targets[i];
	unsigned char *mask = malloc(sqlite_mask_size(target));
	sqlite3_stmt *stmt;
	if (!mask)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not look at the table: no memory");
	memset(mask, 0xff, sqlite_mask_size(target));
	int rc = sqlite_inserts_find(&sink->inserts[i], sink->writer.db, target, mask, &stmt);
	free(mask);
	if (rc == SQLITE_OK)
		return KD_OK;
	if (rc == SQLITE_NOMEM)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not look at the table: no memory");
	return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use table \"%s\": %s", target->table,
		sqlite3_errmsg(sink->writer.db));
}

static kd_code prepare_targets(sqlite_sink *sink, const kd_config *config, kd_error *err)
{
	kd_code code = init_targets(sink, config, &sink->writer, err);
	if (!code && !sink->targets->exists)
		code = create_table(sink, err);
	for (size_t i = 0; !code && i < sink->n_targets; i++)
		code = try_insert(sink, i, err);
	return code;
}

/* Ledger and table are made in one transaction: of two first starts one waits for the other.  config NULL: the ledger
 * alone. */
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
	if (!code && config)
		code = prepare_targets(sink, config, err);
	if (!code)
		return sqlite_txn_commit(&session, SQLITE_IN_LEDGER, err);
	sqlite_txn_rollback(&session);
	return code;
}

static kd_code look_at_file(sqlite_sink *sink, const kd_config *config, kd_error *err)
{
	if (access(sink->path, F_OK) != 0 && errno == ENOENT)
		return init_targets(sink, config, NULL, err);
	sqlite_conn conn = {0};
	kd_code code = sqlite_conn_open(&conn, sink->path, SQLITE_MODE_READ, err);
	if (!code)
		code = init_targets(sink, config, &conn, err);
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
	for (size_t i = 0; i < sink->n_targets; i++)
		sqlite_inserts_done(&sink->inserts[i]);
	sqlite_conn_close(&sink->writer);
	for (size_t i = 0; i < sink->n_targets; i++)
		sqlite_target_done(&sink->targets[i]);
	pthread_cond_destroy(&sink->freed);
	pthread_mutex_destroy(&sink->lock);
	free(sink->targets);
	free(sink->inserts);
	free(sink->identity);
	free(sink->summary);
	free(sink->path);
	free(sink);
}

static kd_code new_sink(const char *option, const char *path, const kd_logger *log, bool read_only,
	sqlite_sink **ret_sink, kd_error *err)
{
	kd_code code = sqlite_check_path(option, path, err);
	if (code)
		return code;
	sqlite_sink *sink = calloc(1, sizeof *sink);
	if (!sink || !init_lock(sink)) {
		free(sink);
		return no_memory(err);
	}
	sink->log = log;
	sink->read_only = read_only;
	sink->path = strdup(path);
	if (!sink->path) {
		sqlite_close(sink);
		return no_memory(err);
	}
	*ret_sink = sink;
	return KD_OK;
}

static kd_code sqlite_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	const kd_config *config = context->config;
	sqlite_sink *sink;
	kd_code code = new_sink("sink.path", kd_config_string(config, "sink.path"), context->log, context->read_only, &sink,
		err);
	if (code)
		return code;
	code = sink->read_only ? look_at_file(sink, config, err) : prepare_file(sink, config, err);
	if (!code && !format_info(sink))
		code = no_memory(err);
	if (code)
		sqlite_close(sink);
	else
		*ret_sink = sink;
	return code;
}

kd_code sqlite_ledger_open(const sqlite_ledger_conf *conf, void **ret_ledger, kd_error *err)
{
	sqlite_sink *sink;
	kd_code code = new_sink(conf->option, conf->path, conf->log, conf->read_only, &sink, err);
	if (code)
		return code;
	if (!sink->read_only)
		code = prepare_file(sink, NULL, err);
	sink->info = (kd_sink_info) {.target = conf->target, .identity = conf->identity};
	if (code)
		sqlite_close(sink);
	else
		*ret_ledger = sink;
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
	if (session) {
		session->sink = sink;
		session->counts = calloc(session->sink->n_targets + 1, sizeof *session->counts);
	}
	if (!session || !session->counts) {
		free(session);
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open a session: no memory");
	}
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
	free(session->counts);
	free(session);
}

/* A connection that went bad is opened anew by the next transaction: the session itself stays. */
static bool sqlite_usable(void *session)
{
	(void) session;
	return true;
}

const char *sqlite_library(void)
{
	static char text[64];
	snprintf(text, sizeof text, "sqlite %s", sqlite3_libversion());
	return text;
}

const kd_sink_ops kd_sqlite_sink = {
	.abi = KD_SINK_ABI,
	.name = "sqlite",
	.summary = "a table in an SQLite file, the ledger beside it: nothing to install or to run",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.library = sqlite_library,
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
	.query = sqlite_query,
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
