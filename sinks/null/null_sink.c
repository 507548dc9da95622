// SPDX-License-Identifier: Apache-2.0
// null_sink: the table of functions; see the header.
#include "null_sink.h"

#include <stdlib.h>

static const kd_sink_info info = {.target = "nowhere", .identity = "null", .layout = "raw",
	.summary = "null: counts and forgets, for benchmarks"};

static void null_close(void *opaque)
{
	null_sink *sink = opaque;
	if (!sink)
		return;
	null_ledger_done(sink);
	pthread_mutex_destroy(&sink->lock);
	free(sink);
}

static kd_code null_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	(void) context;
	null_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return null_no_memory(err);
	pthread_mutex_init(&sink->lock, NULL);
	*ret_sink = sink;
	return KD_OK;
}

static const kd_sink_info *null_info(void *sink)
{
	(void) sink;
	return &info;
}

static kd_code null_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	(void) context, (void) err;
	report(opaque, KD_FINDING_NOTE, "sink", "null stores nothing: a benchmark's sink");
	return KD_OK;
}

static kd_code null_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	(void) context;
	return kd_buf_printf(out, "-- null has no tables\n") ? KD_OK : null_no_memory(err);
}

static kd_code null_connect(void *sink, const char *role, void **ret_session, kd_error *err)
{
	(void) role;
	null_session *session = calloc(1, sizeof *session);
	if (!session)
		return null_no_memory(err);
	session->sink = sink;
	*ret_session = session;
	return KD_OK;
}

static bool null_usable(void *session)
{
	return session != NULL;
}

static kd_code null_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	(void) session, (void) me, (void) job, (void) keep_days, (void) err;
	*ret_removed = 0;
	*ret_more = false;
	return KD_OK;
}

static kd_code null_write(void *session, const void *bytes, size_t size, kd_error *err)
{
	(void) session, (void) bytes, (void) size, (void) err;
	return KD_OK;
}

static void null_abort(void *session)
{
	((null_session *) session)->open.job = NULL;
}

static kd_code null_encoder_open(void *sink, void **ret_encoder, kd_error *err)
{
	(void) err;
	*ret_encoder = sink; /* it has no state of its own */
	return KD_OK;
}

static void null_encoder_close(void *encoder)
{
	(void) encoder;
}

static kd_code null_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	(void) encoder, (void) batch, (void) record, (void) out, (void) err;
	*ret_rows = 1;
	return KD_OK;
}

static kd_code null_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	return KD_OK;
}

static kd_code null_snapshot_begin(void *session, kd_error *err)
{
	(void) session, (void) err;
	return KD_OK;
}

static void null_snapshot_end(void *session)
{
	(void) session;
}

static kd_code null_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err)
{
	(void) session, (void) topic, (void) partition, (void) range, (void) row, (void) opaque;
	return kd_error_set(err, KD_EINVAL, KD_STOP, "could not read offsets: null stores no rows");
}

static kd_code null_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err)
{
	(void) session, (void) job, (void) err;
	if (size)
		*ret_who = '\0';
	return KD_OK;
}

const kd_sink_ops kd_null_sink = {
	.abi = KD_SINK_ABI,
	.name = "null",
	.summary = "nowhere: counts and forgets, for benchmarks",
	.guarantee = KD_GUARANTEE_NONE,
	.open = null_open,
	.close = null_close,
	.info = null_info,
	.check = null_check,
	.ddl = null_ddl,
	.connect = null_connect,
	.disconnect = free,
	.usable = null_usable,
	.take_over = null_take_over,
	.add_partitions = null_add_partitions,
	.append_plan = null_append_plan,
	.withdraw = null_withdraw,
	.reread = null_reread,
	.verify = null_verify,
	.prune = null_prune,
	.begin = null_begin,
	.write = null_write,
	.commit = null_commit,
	.abort = null_abort,
	.encoder_open = null_encoder_open,
	.encoder_close = null_encoder_close,
	.encode = null_encode,
	.flush = null_flush,
	.snapshot_begin = null_snapshot_begin,
	.snapshot_end = null_snapshot_end,
	.read_ledger = null_read_ledger,
	.scan_offsets = null_scan_offsets,
	.owner_alive = null_owner_alive,
};
