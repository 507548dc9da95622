// SPDX-License-Identifier: Apache-2.0
// file_sink: the sink's table of functions, its options, opening and closing.  See file_sink.h for how it works.
#include "file_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <kdirect/sinks.h>

static const kd_option options[] = {
	{.key = "sink.path", .type = KD_OPT_STRING, .required = true,
		.help = "The folder; it is made where it is absent. The ledger is below it in _kdirect. It must be on a local "
			"disk, or where flock, rename and fsync work as on one."},
	{.key = "sink.format", .type = KD_OPT_ENUM, .default_value = "jsonl", .values = "jsonl|csv",
		.help = "jsonl: a JSON object a line. csv: RFC 4180 with a line of column names; a null is an empty value, empty "
			"text is two quotes."},
	{.key = "sink.compression", .type = KD_OPT_ENUM, .default_value = "none", .values = "none|gzip|zstd",
		.help = "How files are compressed."},
	{.key = "sink.layout", .type = KD_OPT_ENUM, .values = "raw|fields",
		.help = "raw: coordinates, key, value and headers of each record; what is not text is base64. fields: the record's "
			"own JSON document, with its coordinates in front. Without it: raw for jsonl, fields for csv."},
	{.key = "sink.folders", .type = KD_OPT_STRING, .default_value = "topic={topic}/date={date}/",
		.help = "The folders below sink.path, made of text and {topic}, {partition}, {table}, {date}, {hour}; date and "
			"hour are of the batch time, in UTC."},
	{.key = "sink.table", .type = KD_OPT_STRING, .default_value = "main",
		.help = "What {table} stands for where a transform names no table."},
	{.key = "sink.columns", .type = KD_OPT_STRINGS,
		.help = "The columns of csv: names of top-level JSON fields, and kafka_topic, kafka_partition, kafka_offset, "
			"kafka_timestamp, kafka_key, kafka_headers. Other fields are left out."},
	{.key = "sink.null_value", .type = KD_OPT_ENUM, .default_value = "error", .values = "error|skip",
		.help = "Layout fields: what happens to a record whose value is null; skipped ones are counted as dropped."},
};

static bool init_lock(file_sink *sink)
{
	pthread_condattr_t monotonic;
	bool ok = pthread_condattr_init(&monotonic) == 0;
	ok = ok && pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0;
	return ok && pthread_cond_init(&sink->freed, &monotonic) == 0 && pthread_mutex_init(&sink->lock, NULL) == 0;
}

/* "/data", "/data/_kdirect", "/data/_kdirect/tmp" */
static bool init_paths(file_sink *sink, const char *path)
{
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		size--;
	sink->path = strndup(path, size);
	bool ok = sink->path && asprintf(&sink->dir, "%s/_kdirect", sink->path) > 0;
	return ok && asprintf(&sink->tmp_dir, "%s/tmp", sink->dir) > 0;
}

static const char *shape_words(const file_shape *shape)
{
	return shape->raw ? "raw" : "fields";
}

/* Jobs below one path are told apart by their first folder, where that is always the same. */
static bool format_info(file_sink *sink)
{
	kd_buf prefix = {0};
	if (!file_template_prefix(&sink->folders, sink->shape.table, &prefix) || !kd_buf_append(&prefix, "", 1)) {
		kd_buf_done(&prefix);
		return false;
	}
	const char *slash = *prefix.data ? "/" : "";
	bool ok = asprintf(&sink->target, "%s%s%s", sink->path, slash, prefix.data) > 0;
	ok = ok && asprintf(&sink->identity, "file:%s", prefix.data) > 0;
	ok = ok && asprintf(&sink->summary, "files %s/%s*.%s, layout %s", sink->path, sink->folders.text,
		file_shape_extension(&sink->shape), shape_words(&sink->shape)) > 0;
	kd_buf_done(&prefix);
	sink->info = (kd_sink_info) {.target = sink->target, .identity = sink->identity,
		.layout = shape_words(&sink->shape), .summary = sink->summary,
		.has_offsets = file_shape_has_offsets(&sink->shape)};
	sink->journal_target = (journal_target) {.name = sink->target, .identity = sink->identity, .noun = "folder"};
	return ok;
}

static void file_close(void *opaque)
{
	file_sink *sink = opaque;
	if (!sink)
		return;
	if (sink->lock_fd >= 0)
		close(sink->lock_fd);
	file_ledger_done(&sink->ledger);
	file_shape_done(&sink->shape);
	file_template_done(&sink->folders);
	pthread_cond_destroy(&sink->freed);
	pthread_mutex_destroy(&sink->lock);
	for (size_t i = 0; i < FILE_KNOWN; i++)
		free(sink->known[i]);
	free(sink->path);
	free(sink->dir);
	free(sink->tmp_dir);
	free(sink->target);
	free(sink->identity);
	free(sink->summary);
	free(sink);
}

/* Makes the folders and, under the lock, the ledger where there is none. */
static kd_code prepare(file_sink *sink, kd_error *err)
{
	file_session session = {.sink = sink, .claims_fd = -1};
	bool absolute = *sink->path == '/';
	char *inside;
	if (asprintf(&inside, "%s/", sink->tmp_dir + absolute) < 0)
		return file_no_memory(err);
	kd_code code = file_make_folder(sink, absolute ? "" : ".", inside, FILE_IN_LEDGER, err);
	free(inside);
	if (!code)
		code = file_lock(&session, err);
	if (!code)
		file_unlock(&session);
	return code;
}

static kd_code configure(file_sink *sink, const kd_config *config, kd_error *err)
{
	const char *path = kd_config_string(config, "sink.path");
	if (!*path)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"\" as sink.path: it must name a folder");
	kd_code code = file_shape_init(&sink->shape, config, err);
	if (!code)
		code = file_template_init(&sink->folders, kd_config_string(config, "sink.folders"), err);
	if (!code && (!init_paths(sink, path) || !format_info(sink) ||
		!file_ledger_init(&sink->ledger, sink->dir, sink->log)))
		code = file_no_memory(err);
	return code;
}

static kd_code file_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	file_sink *sink = calloc(1, sizeof *sink);
	if (!sink || !init_lock(sink)) {
		free(sink);
		return file_no_memory(err);
	}
	sink->log = context->log;
	sink->read_only = context->read_only;
	sink->lock_fd = sink->ledger.fd = -1;
	atomic_store(&sink->unsettled, true);
	kd_code code = configure(sink, context->config, err);
	if (!code && !sink->read_only)
		code = prepare(sink, err);
	if (code)
		file_close(sink);
	else
		*ret_sink = sink;
	return code;
}

static const kd_sink_info *file_info(void *sink)
{
	return &((file_sink *) sink)->info;
}

static kd_code file_connect(void *sink, const char *role, void **ret_session, kd_error *err)
{
	(void) role; /* there is no server that would list it */
	file_session *session = calloc(1, sizeof *session);
	if (!session)
		return file_no_memory(err);
	session->sink = sink;
	session->claims_fd = -1;
	*ret_session = session;
	return KD_OK;
}

static void file_disconnect(void *opaque)
{
	file_session *session = opaque;
	if (!session)
		return;
	file_abort(session);
	file_snapshot_end(session);
	if (session->claims_fd >= 0)
		close(session->claims_fd);
	free(session);
}

/* What went bad is opened anew by the next call: the session itself stays. */
static bool file_usable(void *session)
{
	(void) session;
	return true;
}

static const char *file_library(void)
{
	static char text[96];
	snprintf(text, sizeof text, "zlib %s, libzstd %s", zlibVersion(), ZSTD_versionString());
	return text;
}

const kd_sink_ops kd_file_sink = {
	.abi = KD_SINK_ABI,
	.name = "file",
	.summary = "JSON lines or CSV in folders, for whoever reads folders; each file whole, and once",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.library = file_library,
	.open = file_open,
	.close = file_close,
	.info = file_info,
	.check = file_check,
	.ddl = file_ddl,
	.connect = file_connect,
	.disconnect = file_disconnect,
	.usable = file_usable,
	.interrupt = file_interrupt,
	.take_over = file_take_over,
	.add_partitions = file_add_partitions,
	.append_plan = file_append_plan,
	.withdraw = file_withdraw,
	.reread = file_reread,
	.verify = file_verify,
	.prune = file_prune,
	.begin = file_begin,
	.write = file_write,
	.commit = file_commit,
	.abort = file_abort,
	.encoder_open = file_encoder_open,
	.encoder_close = file_encoder_close,
	.encode = file_encode,
	.flush = file_flush,
	.snapshot_begin = file_snapshot_begin,
	.snapshot_end = file_snapshot_end,
	.read_ledger = file_read_ledger,
	.scan_offsets = file_scan_offsets,
	.owner_alive = file_owner_alive,
};
