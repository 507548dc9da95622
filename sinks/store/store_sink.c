// SPDX-License-Identifier: Apache-2.0
// store_sink: the table of functions, opening and closing.
#include "store_sink.h"

#include <stdlib.h>

#include "../common/made.h"

/* A slot that the author forgot is found before it is called. */
static kd_code check_ops(const kd_store_ops *ops, kd_error *err)
{
	kd_code code = made_check_abi(ops->abi, KD_STORE_ABI, err);
	if (code)
		return code;
	const made_slot needed[] = {{"name", ops->name && *ops->name}, {"options", ops->options || !ops->n_options},
		{"noun", ops->noun}, {"open", ops->open}, {"connect", ops->connect}, {"disconnect", ops->disconnect},
		{"lock", ops->lock}, {"unlock", ops->unlock}, {"read", ops->read}, {"append", ops->append},
		{"encode", ops->encode}};
	return made_check_slots(ops->name, needed, sizeof needed / sizeof *needed, err);
}

static void store_close(void *opaque)
{
	store_sink *sink = opaque;
	if (!sink)
		return;
	if (sink->ops->close)
		sink->ops->close(sink->store);
	free(sink);
}

static kd_code store_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	store_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
	sink->ops = context->ops->more;
	sink->config = context->config;
	kd_code code = check_ops(sink->ops, err);
	if (!code) {
		code = sink->ops->open(context, &sink->store, &sink->info, err);
		code = kd_error_explain(err, code, "store", sink->ops->name);
	}
	if (code) {
		free(sink);
		return code;
	}
	sink->target = (journal_target) {sink->info.target, sink->info.identity, sink->ops->noun};
	*ret_sink = sink;
	return KD_OK;
}

static const kd_sink_info *store_info(void *sink)
{
	return &((store_sink *) sink)->info;
}

static kd_code store_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const kd_store_ops *ops = context->ops->more;
	kd_error bad = {0};
	void *store = NULL;
	kd_sink_info info = {0};
	kd_code code = check_ops(ops, err);
	if (code)
		return code;
	code = ops->open(context, &store, &info, &bad);
	code = kd_error_explain(&bad, code, "store", ops->name);
	if (!code) {
		report(opaque, KD_FINDING_OK, "target", info.summary);
		if (ops->close)
			ops->close(store);
	} else if (bad.action == KD_STOP) {
		report(opaque, KD_FINDING_BAD, "target", bad.message);
	} else {
		return kd_error_set(err, bad.code, bad.action, "%s", bad.message);
	}
	return KD_OK;
}

static kd_code store_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	const kd_store_ops *ops = context->ops->more;
	return kd_buf_printf(out, "-- %s has no tables: it makes what it needs\n", ops->name) ? KD_OK : store_no_memory(err);
}

static void store_disconnect(void *opaque)
{
	store_session *s = opaque;
	if (!s)
		return;
	store_abort(s);
	s->sink->ops->disconnect(s->store);
	journal_free(s->journal);
	free(s);
}

static kd_code store_connect(void *opaque, const char *role, void **ret_session, kd_error *err)
{
	store_sink *sink = opaque;
	(void) role;
	store_session *s = calloc(1, sizeof *s);
	if (!s || !(s->journal = journal_new())) {
		free(s);
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open a session: no memory");
	}
	s->sink = sink;
	kd_code code = sink->ops->connect(sink->store, &s->store, err);
	if (code) {
		journal_free(s->journal);
		free(s);
	} else {
		*ret_session = s;
	}
	return code;
}

/* A wait for the lock ends. */
static void store_interrupt(void *session)
{
	atomic_store(&((store_session *) session)->interrupted, true);
}

static bool store_usable(void *session)
{
	store_session *s = session;
	return !s->broken && !atomic_load(&s->interrupted);
}

static const kd_sink_ops slots = {
	.abi = KD_SINK_ABI,
	.guarantee = KD_GUARANTEE_EXACTLY_ONCE,
	.open = store_open,
	.close = store_close,
	.info = store_info,
	.check = store_check,
	.ddl = store_ddl,
	.connect = store_connect,
	.disconnect = store_disconnect,
	.usable = store_usable,
	.interrupt = store_interrupt,
	.take_over = store_take_over,
	.add_partitions = store_add_partitions,
	.append_plan = store_append_plan,
	.withdraw = store_withdraw,
	.reread = store_reread,
	.verify = store_verify,
	.prune = store_prune,
	.begin = store_begin,
	.write = store_write,
	.commit = store_commit,
	.abort = store_abort,
	.encoder_open = store_encoder_open,
	.encoder_close = store_encoder_close,
	.encode = store_encode,
	.flush = store_flush,
	.snapshot_begin = store_snapshot_begin,
	.snapshot_end = store_snapshot_end,
	.read_ledger = store_read_ledger,
	.scan_offsets = store_scan_offsets,
	.owner_alive = store_owner_alive,
};

const kd_sink_ops *kd_store_sink(const kd_store_ops *ops)
{
	made_head head = {.abi = ops->abi};
	if (ops->abi == KD_STORE_ABI)
		head = (made_head) {KD_SINK_ABI, ops->name, ops->summary, {ops->options, ops->n_options}};
	return made_sink(&slots, ops, &head);
}
