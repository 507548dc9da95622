// SPDX-License-Identifier: Apache-2.0
// keyed_sink: makes a sink's table of functions of a kd_keyed_ops; opening, closing, `check`.  See keyed_sink.h for how
// it works.
#include "keyed_sink.h"

#include <stdlib.h>
#include <string.h>

#include "../common/made.h"
#include "../sqlite/sqlite_ledger.h"
#include "kdirect/sinks.h"

static const char ledger_key[] = "sink.ledger";

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
}

static const kd_keyed_ops *ops_of(const kd_sink_context *context)
{
	return context->ops->more;
}

/* A slot that the author forgot is found before it is called. */
static kd_code check_ops(const kd_keyed_ops *ops, kd_error *err)
{
	kd_code code = made_check_abi(ops->abi, KD_KEYED_ABI, err);
	if (code)
		return code;
	const made_slot needed[] = {{"name", ops->name && *ops->name}, {"options", ops->options || !ops->n_options},
		{"open", ops->open}, {"close", ops->close}, {"connect", ops->connect}, {"disconnect", ops->disconnect},
		{"put", ops->put}};
	code = made_check_slots(ops->name, needed, sizeof needed / sizeof *needed, err);
	if (!code && ops->by != KD_KEYED_BY_RECORD && ops->by != KD_KEYED_BY_IDENTIFIER)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use sink \"%s\": its by is %d, which is none of keyed.h",
			ops->name, (int) ops->by);
	return code;
}

/* ---- the sink ---- */

static void keyed_close(void *opaque)
{
	keyed_sink *sink = opaque;
	if (!sink)
		return;
	kd_sqlite_sink.close(sink->ledger);
	if (sink->opened)
		sink->ops->close(sink->target);
	free(sink->identity);
	free(sink->summary);
	free(sink);
}

/* An error that says nothing would be taken for success further out. */
static kd_code open_target(const kd_keyed_ops *ops, const kd_sink_context *context, void **ret_target,
	const char **ret_name, kd_error *err)
{
	kd_code code = ops->open(context, ret_target, ret_name, err);
	if (code && (!err || !err->code))
		kd_error_set(err, code, KD_STOP, "could not open sink \"%s\": it did not say why", ops->name);
	return code;
}

static bool format_info(keyed_sink *sink, const char *target, const char *ledger)
{
	bool by_record = sink->ops->by == KD_KEYED_BY_RECORD;
	kd_buf identity = {0}, summary = {0};
	bool ok = kd_buf_printf(&identity, "keyed:%s:%s", sink->ops->name, target) && kd_buf_append(&identity, "", 1) &&
		kd_buf_printf(&summary, "%s, ledger in %s (%s)", sink->ops->name, ledger, sqlite_library()) &&
		kd_buf_append(&summary, "", 1);
	sink->identity = identity.data;
	sink->summary = summary.data;
	sink->info = (kd_sink_info) {
		.target = target,
		.identity = sink->identity,
		.layout = by_record ? "by record key" : "by identifier",
		.summary = sink->summary,
	};
	return ok;
}

/* Tools read the ledger alone: the target may be away. */
static kd_code open_all(keyed_sink *sink, const kd_sink_context *context, kd_error *err)
{
	const char *target = sink->ops->name;
	kd_code code = KD_OK;
	if (!context->read_only) {
		code = open_target(sink->ops, context, &sink->target, &target, err);
		sink->opened = !code;
	}
	const char *path = kd_config_string(context->config, ledger_key);
	if (!code && !format_info(sink, target, path))
		code = no_memory(err);
	sqlite_ledger_conf conf = {.option = ledger_key, .path = path, .target = sink->info.target,
		.identity = sink->info.identity, .log = context->log, .read_only = context->read_only};
	return code ? code : sqlite_ledger_open(&conf, &sink->ledger, err);
}

static kd_code keyed_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	keyed_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return no_memory(err);
	sink->ops = ops_of(context);
	sink->config = context->config;
	kd_code code = check_ops(sink->ops, err);
	if (!code)
		code = open_all(sink, context, err);
	if (code)
		keyed_close(sink);
	else
		*ret_sink = sink;
	return code;
}

static const kd_sink_info *keyed_info(void *sink)
{
	return &((keyed_sink *) sink)->info;
}

/* ---- check ---- */

static kd_code keyed_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const kd_keyed_ops *ops = ops_of(context);
	kd_code code = check_ops(ops, err);
	if (code)
		return code;
	code = sqlite_ledger_check(ledger_key, kd_config_string(context->config, ledger_key), report, opaque, err);
	if (code)
		return code;
	kd_error bad = {0};
	void *target = NULL;
	const char *name = "";
	code = open_target(ops, context, &target, &name, &bad);
	if (!code) {
		report(opaque, KD_FINDING_OK, "target", name);
		ops->close(target);
	} else if (bad.action == KD_STOP) {
		report(opaque, KD_FINDING_BAD, "target", bad.message);
	} else {
		return kd_error_set(err, bad.code, bad.action, "%s", bad.message);
	}
	report(opaque, KD_FINDING_NOTE, "keys", ops->by == KD_KEYED_BY_RECORD
		? "a put replaces what stands under the record's key; a record without a key stops the job"
		: "a put is known by its identifier");
	return KD_OK;
}

static kd_code keyed_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	(void) context;
	return sqlite_ledger_ddl(out, err);
}

/* ---- sessions ---- */

static void keyed_disconnect(void *opaque)
{
	keyed_session *session = opaque;
	if (!session)
		return;
	keyed_abort(session);
	keyed_disconnect_target(session);
	kd_sqlite_sink.disconnect(session->ledger);
	pthread_mutex_destroy(&session->lock);
	free(session);
}

/* The target is connected to when there is something to put: the driver never needs it. */
static kd_code keyed_connect(void *opaque, const char *role, void **ret_session, kd_error *err)
{
	keyed_sink *sink = opaque;
	keyed_session *session = calloc(1, sizeof *session);
	if (!session || pthread_mutex_init(&session->lock, NULL) != 0) {
		free(session);
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open a session: no memory");
	}
	session->sink = sink;
	kd_code code = kd_sqlite_sink.connect(sink->ledger, role, &session->ledger, err);
	if (code) {
		pthread_mutex_destroy(&session->lock);
		free(session);
	} else {
		*ret_session = session;
	}
	return code;
}

/* What went bad is opened anew by the next batch partition: the session itself stays. */
static bool keyed_usable(void *session)
{
	(void) session;
	return true;
}

/* ---- the table ---- */

static const kd_option ledger_option = {.key = ledger_key, .type = KD_OPT_STRING, .required = true,
	.help = "The SQLite file of the ledger: plans, positions and identifiers; it is made where it is absent.  It must be "
		"on a local disk, and is as dear as the data."};

static const kd_sink_ops slots = {
	.abi = KD_SINK_ABI,
	.options = &ledger_option,
	.n_options = 1,
	.guarantee = KD_GUARANTEE_KEYED,
	.library = sqlite_library,
	.open = keyed_open,
	.close = keyed_close,
	.info = keyed_info,
	.check = keyed_check,
	.ddl = keyed_ddl,
	.connect = keyed_connect,
	.disconnect = keyed_disconnect,
	.usable = keyed_usable,
	.interrupt = keyed_interrupt,
	.take_over = keyed_take_over,
	.add_partitions = keyed_add_partitions,
	.append_plan = keyed_append_plan,
	.withdraw = keyed_withdraw,
	.reread = keyed_reread,
	.verify = keyed_verify,
	.prune = keyed_prune,
	.begin = keyed_begin,
	.write = keyed_write,
	.commit = keyed_commit,
	.abort = keyed_abort,
	.encoder_open = keyed_encoder_open,
	.encoder_close = keyed_encoder_close,
	.encode = keyed_encode,
	.flush = keyed_encoder_flush,
	.snapshot_begin = keyed_snapshot_begin,
	.snapshot_end = keyed_snapshot_end,
	.read_ledger = keyed_read_ledger,
	.owner_alive = keyed_owner_alive,
};

const kd_sink_ops *kd_keyed_sink(const kd_keyed_ops *ops)
{
	made_head head = {.abi = ops->abi};
	if (ops->abi == KD_KEYED_ABI)
		head = (made_head) {KD_SINK_ABI, ops->name, ops->summary, {ops->options, ops->n_options}};
	return made_sink(&slots, ops, &head);
}
