// SPDX-License-Identifier: Apache-2.0
// pg_sink: the postgres sink's configuration, its life, and its table of functions.
#include "pg_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/sinks.h>
#include "pg_call.h"
#include "pg_check.h"
#include "pg_data.h"
#include "pg_encode.h"
#include "pg_ledger.h"
#include "pg_query.h"
#include "pg_read.h"
#include "pg_schema.h"
#include "pg_target.h"

static const kd_option options[] = {
	{.key = "sink.dsn", .type = KD_OPT_STRING, .secret = true, .default_value = "",
		.help = "A libpq connection string or postgresql:// address. What it leaves open comes from PGHOST, PGPASSFILE, "
			"service files and the like."},
	{.key = "sink.table", .type = KD_OPT_STRING, .required = true,
		.help = "The table that rows land in, as SQL names it: schema.table, odd names in double quotes."},
	{.key = "sink.layout", .type = KD_OPT_ENUM, .values = "raw|fields",
		.help = "raw: key, value and coordinates as they come. fields: columns filled from the JSON fields of their names. "
			"By default the table's columns decide."},
	{.key = "sink.format", .type = KD_OPT_ENUM, .default_value = "raw", .values = "raw|text|json",
		.help = "In the raw layout, key and value as bytea, text or jsonb."},
	{.key = "sink.unknown_fields", .type = KD_OPT_ENUM, .default_value = "ignore", .values = "ignore|error",
		.help = "A JSON field that no column has: count it and name it once, or stop."},
	{.key = "sink.null_value", .type = KD_OPT_ENUM, .default_value = "error", .values = "error|skip",
		.help = "A null record value in the fields layout: stop, or skip it and count it as dropped."},
	{.key = "sink.ledger_schema", .type = KD_OPT_STRING, .default_value = "kdirect",
		.help = "The schema of the ledger's tables. Jobs may share it."},
};

/* ---- the sink's life ---- */

static int within(int64_t value, int low, int high)
{
	return value < low ? low : value > high ? high : (int) value;
}

/* Everything that waits must end well before the job gives up (retry_timeout_ms). */
static pg_limits make_limits(const kd_config *config)
{
	int64_t retry_ms = kd_config_int(config, "retry_timeout_ms");
	if (retry_ms <= 0)
		retry_ms = 600000;
	pg_limits limits = {
		.connect_ms = within(retry_ms / 2, 1000, 10000),
		.lock_wait_ms = 1000,
		.lock_ms = within(retry_ms / 4, 1000, 15000),
		.statement_ms = within(retry_ms / 2, 5000, 600000),
		.idle_ms = within(retry_ms / 2, 1000, 60000),
	};
	limits.answer_ms = limits.statement_ms + 15000;
	return limits;
}

static bool copy_names(pg_sink *sink)
{
	sink->ledger_name = strdup(kd_config_string(sink->config, "sink.ledger_schema"));
	sink->ledger = sink->ledger_name ? pg_quote(sink->ledger_name) : NULL;
	return sink->ledger != NULL;
}

kd_code pg_sink_new(const kd_sink_context *context, pg_sink **ret_sink, kd_error *err)
{
	pg_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not open the sink: no memory");
	pthread_mutex_init(&sink->lock, NULL);
	sink->config = context->config;
	sink->log = context->log;
	sink->read_only = context->read_only;
	sink->job = kd_config_string(context->config, "job");
	sink->dsn = kd_config_string(context->config, "sink.dsn");
	sink->limits = make_limits(context->config);
	kd_code code = copy_names(sink) ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "could not open the sink: no memory");
	if (code == KD_OK)
		code = pg_tables_new(sink->config, &sink->tables, &sink->n_tables, err);
	if (code != KD_OK) {
		pg_sink_free(sink);
		return code;
	}
	*ret_sink = sink;
	return KD_OK;
}

void pg_sink_free(pg_sink *sink)
{
	if (!sink)
		return;
	free(sink->by_oid);
	pg_tables_free(sink->tables, sink->n_tables);
	free(sink->ledger);
	free(sink->ledger_name);
	free(sink->lock_targets);
	free(sink->identity);
	free(sink->summary);
	pthread_mutex_destroy(&sink->lock);
	free(sink);
}

static kd_code pg_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	pg_sink *sink = NULL;
	pg_session *session = NULL;
	kd_code code = pg_sink_new(context, &sink, err);
	if (code == KD_OK)
		code = pg_conn_open(sink, "open", NULL, &session, err);
	if (code == KD_OK)
		code = pg_schema_open(session, sink->read_only, err);
	if (code == KD_OK)
		code = pg_target_open(sink, session, err);
	pg_conn_close(session);
	if (code != KD_OK) {
		pg_sink_free(sink);
		return code;
	}
	*ret_sink = sink;
	return KD_OK;
}

static void pg_close(void *sink)
{
	pg_sink_free(sink);
}

static const kd_sink_info *pg_info(void *opaque)
{
	const pg_sink *sink = opaque;
	return &sink->info;
}

static kd_code pg_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	pg_sink *sink = NULL;
	kd_code code = pg_sink_new(context, &sink, err);
	if (code == KD_OK)
		code = pg_schema_ddl(sink, "kdirect_job", out, err);
	pg_sink_free(sink);
	return code;
}

/* ---- sessions ---- */

static kd_code pg_connect(void *sink, const char *role, void **ret_session, kd_error *err)
{
	pg_session *session = NULL;
	kd_code code = pg_conn_open(sink, role, NULL, &session, err);
	*ret_session = session;
	return code;
}

static void pg_disconnect(void *session)
{
	pg_conn_close(session);
}

static bool pg_usable(void *opaque)
{
	const pg_session *session = opaque;
	return !session->lost && PQstatus(session->conn) == CONNECTION_OK;
}

static void pg_interrupt(void *session)
{
	pg_conn_interrupt(session);
}

/* ---- encoders ---- */

/* The encoder talks to the server by itself, in libpq's blocking manner. */
static kd_code connect_encoder(void *opaque, PGconn **ret_conn, kd_error *err)
{
	pg_session *session = NULL;
	kd_code code = pg_conn_open(opaque, "encoder", NULL, &session, err);
	if (code != KD_OK)
		return code;
	*ret_conn = pg_conn_release(session);
	return KD_OK;
}

static kd_code pg_encoder_new(void *opaque, void **ret_encoder, kd_error *err)
{
	pg_sink *sink = opaque;
	if (!sink->tables[0].columns)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not encode rows: the table is not there");
	struct pg_encoder_conf conf = {
		.tables = sink->tables,
		.n_tables = sink->n_tables,
		.unknown_fields_error = !strcmp(kd_config_string(sink->config, "sink.unknown_fields"), "error"),
		.null_value_skip = !strcmp(kd_config_string(sink->config, "sink.null_value"), "skip"),
		.connect = connect_encoder,
		.opaque = sink,
		.log = sink->log,
	};
	struct pg_encoder *encoder = NULL;
	kd_code code = pg_encoder_open(&conf, &encoder, err);
	*ret_encoder = encoder;
	return code;
}

static void pg_encoder_end(void *encoder)
{
	pg_encoder_close(encoder);
}

static void pg_encoder_stop(void *encoder)
{
	pg_encoder_interrupt(encoder);
}

static kd_code pg_encode_record(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	return pg_encode(encoder, batch, record, out, ret_rows, err);
}

static kd_code pg_encode_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	return pg_flush(encoder, batch, out, err);
}

static const char *pg_library(void)
{
	static char text[64];

	snprintf(text, sizeof text, "libpq %d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
	return text;
}

const kd_sink_ops kd_postgres_sink = {
	.abi = KD_SINK_ABI,
	.name = "postgres",
	.summary = "a PostgreSQL table, by binary COPY; the ledger lives in the same database",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.library = pg_library,
	.open = pg_open,
	.close = pg_close,
	.info = pg_info,
	.check = pg_check,
	.ddl = pg_ddl,
	.connect = pg_connect,
	.disconnect = pg_disconnect,
	.usable = pg_usable,
	.interrupt = pg_interrupt,
	.take_over = pg_take_over,
	.add_partitions = pg_add_partitions,
	.append_plan = pg_append_plan,
	.withdraw = pg_withdraw,
	.reread = pg_reread,
	.verify = pg_verify,
	.prune = pg_prune,
	.begin = pg_data_begin,
	.write = pg_data_write,
	.commit = pg_data_commit,
	.abort = pg_data_abort,
	.query = pg_query,
	.encoder_open = pg_encoder_new,
	.encoder_close = pg_encoder_end,
	.encoder_interrupt = pg_encoder_stop,
	.encode = pg_encode_record,
	.flush = pg_encode_flush,
	.snapshot_begin = pg_snapshot_begin,
	.snapshot_end = pg_snapshot_end,
	.read_ledger = pg_read_ledger,
	.scan_offsets = pg_scan_offsets,
	.owner_alive = pg_owner_alive,
};
