// SPDX-License-Identifier: Apache-2.0
// store_sink: the table of functions, opening and closing.
#include "store_sink.h"

#include <pthread.h>
#include <stdlib.h>

static void store_close(void *opaque)
{
	store_sink *sink = opaque;
	if (!sink)
		return;
	if (sink->ops->close)
		sink->ops->close(sink->store);
	free(sink);
}

/* An error that says nothing would be taken for success further out. */
static kd_code explained(const kd_store_ops *ops, kd_code code, kd_error *err)
{
	if (code && err && !err->code)
		kd_error_set(err, code, KD_STOP, "could not open sink \"%s\": it did not say why", ops->name);
	return code;
}

static kd_code store_open(const kd_sink_context *context, void **ret_sink, kd_error *err)
{
	store_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not open the sink: no memory");
	sink->ops = context->ops->more;
	sink->config = context->config;
	kd_code code = explained(sink->ops, sink->ops->open(context, &sink->store, &sink->info, err), err);
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
	kd_code code = explained(ops, ops->open(context, &store, &info, &bad), &bad);
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

typedef struct table {
	struct table *next;
	kd_sink_ops sink;
} table;

static table *make_table(const kd_store_ops *ops)
{
	table *t = malloc(sizeof *t);
	if (!t)
		return NULL;
	t->sink = slots;
	t->sink.name = ops->name;
	t->sink.summary = ops->summary;
	t->sink.options = ops->options;
	t->sink.n_options = ops->n_options;
	t->sink.more = ops;
	return t;
}

const kd_sink_ops *kd_store_sink(const kd_store_ops *ops)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static table *tables; /* under the lock; kept for good */
	if (ops->abi != KD_STORE_ABI)
		return NULL;
	pthread_mutex_lock(&lock);
	table *t = tables;
	while (t && t->sink.more != ops)
		t = t->next;
	if (!t && (t = make_table(ops))) {
		t->next = tables;
		tables = t;
	}
	pthread_mutex_unlock(&lock);
	return t ? &t->sink : NULL;
}
