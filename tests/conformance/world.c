// SPDX-License-Identifier: Apache-2.0
// world: what the cases share: instances, and each call of a sink in one line.
#include <unistd.h>

#include "conformance.h"
#include "tmpdir.h"
#include "wait.h"

enum { LONGEST_WAIT_MS = 60000 };

static const kd_conformance_hooks no_hooks = {.abi = KD_CONFORMANCE_ABI};

static void make_place(world *w)
{
	w->place.dir = kt_tmpdir();
	w->place.name = kt_own_name("kdc");
	if (w->hooks->open)
		MUST(w->hooks->open(&w->place, &w->db, &e_));
}

static void clear_place(world *w)
{
	if (w->hooks->close)
		w->hooks->close(w->db);
	kt_tmpdir_remove((char *) w->place.dir);
	free((char *) w->place.name);
}

void case_run(const kc_store *store, conformance_case *fn, void (*skip)(const char *why))
{
	world w = {.store = store, .ops = store->ops, .hooks = store->hooks ? store->hooks : &no_hooks, .skip = skip};
	make_place(&w);
	fn(&w);
	clear_place(&w);
}

void needs(world *w, bool there, const char *what)
{
	if (there)
		return;
	clear_place(w);
	w->skip(what);
	abort();
}

void needs_set_back(world *w)
{
	needs(w, (w->hooks->save && w->hooks->restore) || w->store->state_in_dir,
		"needs the hooks save and restore, or a sink that keeps its state below {dir}");
}

void needs_second_target(world *w)
{
	char *json = w->store->sink_json(w, "t2");
	free(json);
	needs(w, json != NULL, "needs {table} in the configuration: two targets that share a ledger");
}

static void complain(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s:%d:%d: %s\n", d->file, d->line, d->column, d->message);
}

kd_config *world_config(world *w, const char *job, const char *table)
{
	char *sink = w->store->sink_json(w, table);
	char *text = kt_format("{\"job\": \"%s\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"%s\"],"
		" \"sink\": %s}", job, TOPIC, sink);
	kd_config *config = kd_config_new(&(kd_options){w->ops->options, w->ops->n_options}, 1);
	kt_check(config, "no memory");
	MUST(kd_config_parse(config, text, strlen(text), "job", complain, NULL, &e_));
	MUST(kd_config_check(config, complain, NULL, &e_));
	free(text);
	free(sink);
	return config;
}

static void print(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) opaque, (void) level, (void) batch_time_ms;
	fprintf(stderr, "the sink says: %s\n", line);
}

static const kd_logger to_stderr = {.fn = print, .level = KD_LOG_WARN};

void instance_connect(instance *i)
{
	const kd_sink_ops *ops = i->w->ops;
	bool reads = *i->owner_id == 'r';
	kd_sink_context context = {.ops = ops, .config = i->config, .log = &to_stderr, .read_only = reads};
	MUST(ops->open(&context, &i->sink, &e_));
	MUST(ops->connect(i->sink, reads ? "tool" : "driver", &i->session, &e_));
}

void instance_disconnect(instance *i)
{
	i->w->ops->disconnect(i->session);
	i->w->ops->close(i->sink);
}

/* Where this instance stands in the list of those that are open; with NULL: a free place. */
static instance **place_of(world *w, const instance *i)
{
	for (size_t n = 0; n < sizeof w->open / sizeof *w->open; n++)
		if (w->open[n] == i)
			return &w->open[n];
	kt_fail("a case has too many instances");
}

instance *instance_open_as(world *w, char id, const char *job, const char *table)
{
	instance *i = calloc(1, sizeof *i);
	kt_check(i, "no memory");
	i->w = w;
	i->job = job;
	i->table = table;
	memset(i->owner_id, id, sizeof i->owner_id - 1);
	i->config = world_config(w, job, table);
	instance_connect(i);
	*place_of(w, NULL) = i;
	return i;
}

instance *instance_open(world *w, char id)
{
	return instance_open_as(w, id, JOB, "t");
}

void instance_close(instance *i)
{
	*place_of(i->w, i) = NULL;
	instance_disconnect(i);
	kd_config_free(i->config);
	kd_ledger_image_done(&i->image);
	free(i);
}

kd_code instance_try_take_over(instance *i, const char *cluster_id, kd_error *err)
{
	static const char *const topics[] = {TOPIC};
	kd_take_over request = {
		.job = i->job,
		.owner_id = i->owner_id,
		.cluster_id = cluster_id,
		.start_policy = "earliest",
		.isolation = "read_committed",
		.topics = topics,
		.n_topics = 1,
		.host = "here",
		.pid = getpid(),
		.started_at_ms = STARTED_AT_MS,
		.version = "1",
		.judge = i->judge,
		.opaque = i->judges,
		.had_epoch = i->had_epoch,
	};
	kd_ledger_image_done(&i->image);
	kd_code code = i->w->ops->take_over(i->session, &request, &i->image, err);
	if (!code)
		i->me = i->image.owner;
	return code;
}

void instance_take_over(instance *i)
{
	MUST(instance_try_take_over(i, "cluster", &e_));
}

void get_ready_again(instance *i, const kd_error *err, int64_t began_ms)
{
	const kd_sink_ops *ops = i->w->ops;
	kt_check(err->action != KD_STOP && kt_now_ms() - began_ms < LONGEST_WAIT_MS, "%s", err->message);
	ops->abort(i->session);
	if (!ops->usable(i->session)) {
		ops->disconnect(i->session);
		i->session = NULL;
		MUST(ops->connect(i->sink, "driver", &i->session, &e_));
	}
	kt_pause();
}

void instance_take_over_at_last(instance *i)
{
	kd_error err = {0};
	for (int64_t began_ms = kt_now_ms(); instance_try_take_over(i, "cluster", &err) != KD_OK; kd_error_clear(&err))
		get_ready_again(i, &err, began_ms);
}

instance *instance_start(world *w, char id, int partitions)
{
	instance *i = instance_open(w, id);
	instance_take_over(i);
	if (i->image.n_segments == 0 && partitions > 0)
		expect_eq(add_partitions(i, 0, partitions), KD_CAS_DONE);
	return i;
}

kd_batch_partition entry(int index, int64_t batch_time, int64_t from, int64_t until)
{
	return (kd_batch_partition) {JOB, TOPIC, index, index, 0, batch_time, {from, until}};
}

static kd_code try_add_partitions(instance *i, int first, int n, kd_cas *ret_cas, kd_error *err)
{
	kd_new_partition partition[64] = {{0}};
	kd_segment segment[64];
	for (int p = 0; p < n; p++)
		partition[p] = (kd_new_partition) {.topic = TOPIC, .partition = first + p};
	kd_code code = i->w->ops->add_partitions(i->session, &i->me, i->job, partition, (size_t) n, ret_cas, segment, err);
	for (int p = 0; p < n && !code && *ret_cas == KD_CAS_DONE; p++)
		free(segment[p].topic);
	return code;
}

kd_cas add_partitions(instance *i, int first, int n)
{
	kd_cas cas;
	MUST(try_add_partitions(i, first, n, &cas, &e_));
	return cas;
}

kd_cas add_partitions_at_last(instance *i, int first, int n)
{
	kd_cas cas;
	kd_error err = {0};
	for (int64_t began_ms = kt_now_ms(); try_add_partitions(i, first, n, &cas, &err) != KD_OK; kd_error_clear(&err))
		get_ready_again(i, &err, began_ms);
	return cas;
}

kd_cas plan(instance *i, const kd_batch_partition *e)
{
	kd_cas cas;
	MUST(i->w->ops->append_plan(i->session, &i->me, e, 1, &cas, &e_));
	return cas;
}

kd_cas begin_as(instance *i, const kd_owner *me, const kd_batch_partition *e)
{
	kd_cas cas;
	MUST(i->w->ops->begin(i->session, me, e, &cas, &e_));
	return cas;
}

kd_cas begin(instance *i, const kd_batch_partition *e)
{
	return begin_as(i, &i->me, e);
}

kd_cas withdraw(instance *i, const kd_batch_partition *e)
{
	kd_cas cas;
	MUST(i->w->ops->withdraw(i->session, &i->me, e, &cas, &e_));
	return cas;
}

static kd_code encode_and_write(instance *i, const kd_batch_partition *e, const kd_record *records, size_t n,
	kd_error *err)
{
	void *encoder;
	kd_buf buf = {0};
	MUST(i->w->ops->encoder_open(i->sink, &encoder, &e_));
	for (size_t r = 0; r < n; r++) {
		uint32_t rows;
		MUST(i->w->ops->encode(encoder, e, &records[r], &buf, &rows, &e_));
		expect_eq(rows, 1);
	}
	MUST(i->w->ops->flush(encoder, e, &buf, &e_));
	kd_code code = i->w->ops->write(i->session, buf.data, buf.size, err);
	kd_buf_done(&buf);
	i->w->ops->encoder_close(encoder);
	return code;
}

void write_record(instance *i, const kd_batch_partition *e, const kd_record *record)
{
	MUST(encode_and_write(i, e, record, 1, &e_));
}

static kd_code try_write_range(instance *i, const kd_batch_partition *e, kd_error *err)
{
	size_t n = (size_t) (e->range.until - e->range.from);
	kd_record *records = calloc(n, sizeof *records);
	kt_check(records, "no memory");
	for (size_t r = 0; r < n; r++)
		records[r] = (kd_record) {.offset = e->range.from + (int64_t) r, .timestamp_ms = 1700000000000,
			.key = "k", .key_size = 1, .value = "value", .value_size = 5};
	kd_code code = encode_and_write(i, e, records, n, err);
	free(records);
	return code;
}

void write_range(instance *i, const kd_batch_partition *e)
{
	MUST(try_write_range(i, e, &e_));
}

kd_batch_result result_of(const kd_batch_partition *e)
{
	int64_t n = e->range.until - e->range.from;
	return (kd_batch_result) {.records = n, .rows = n, .witness = {.offset = -1}};
}

void commit(instance *i, const kd_batch_partition *e)
{
	kd_batch_result result = result_of(e);
	kd_durability durability;
	MUST(i->w->ops->commit(i->session, &result, &durability, &e_));
}

kd_code try_land(instance *i, const kd_batch_partition *e, kd_error *err)
{
	kd_batch_result result = result_of(e);
	kd_durability durability;
	kd_cas cas = KD_CAS_MISS;
	kd_code code = i->w->ops->begin(i->session, &i->me, e, &cas, err);
	if (code || cas == KD_CAS_MISS)
		return code;
	code = try_write_range(i, e, err);
	return code ? code : i->w->ops->commit(i->session, &result, &durability, err);
}

void land(instance *i, const kd_batch_partition *e)
{
	expect_eq(begin(i, e), KD_CAS_DONE);
	write_range(i, e);
	commit(i, e);
}

void plan_and_land(instance *i, const kd_batch_partition *e)
{
	expect_eq(plan(i, e), KD_CAS_DONE);
	land(i, e);
}

kd_reread reread(instance *i, kd_reread_kind kind, const kd_batch_partition *e)
{
	kd_reread row;
	MUST(i->w->ops->reread(i->session, kind, e, 1, &row, &e_));
	return row;
}

bool is_committed(const kd_reread *r, const kd_batch_partition *e)
{
	return r->found && r->batch == KD_BATCH_COMMITTED && r->range.from == e->range.from &&
		r->range.until == e->range.until && r->position >= e->range.until;
}

static bool take_segment(void *opaque, const kd_segment *segment)
{
	ledger *l = opaque;
	kt_check(l->n_segments < sizeof l->segment / sizeof *l->segment, "too many segments");
	l->segment[l->n_segments] = *segment;
	l->segment[l->n_segments].topic = l->segment[l->n_segments].closed_reason = NULL;
	l->n_segments++;
	return true;
}

static bool take_batch(void *opaque, const kd_batch_row *row)
{
	ledger *l = opaque;
	kt_check(l->n_batches < sizeof l->batch / sizeof *l->batch, "too many batches");
	l->batch[l->n_batches++] = *row;
	return true;
}

static bool take_gap(void *opaque, const kd_gap *gap)
{
	ledger *l = opaque;
	kt_check(l->n_gaps < sizeof l->gap / sizeof *l->gap, "too many gaps");
	l->gap[l->n_gaps++] = *gap;
	return true;
}

static bool take_instance(void *opaque, const kd_owner *owner, const char *host, int64_t pid, int64_t started_at_ms,
	const char *version)
{
	ledger *l = opaque;
	(void) host, (void) pid, (void) started_at_ms, (void) version;
	kt_check(l->n_instances < sizeof l->instance / sizeof *l->instance, "too many instances");
	l->instance[l->n_instances++] = *owner;
	return true;
}

ledger *read_ledger(instance *i)
{
	ledger *l = calloc(1, sizeof *l);
	kt_check(l, "no memory");
	kd_ledger_view view = {.opaque = l, .segment = take_segment, .batch = take_batch, .gap = take_gap,
		.instance = take_instance};
	MUST(i->w->ops->snapshot_begin(i->session, &e_));
	MUST(i->w->ops->read_ledger(i->session, JOB, &view, &e_));
	i->w->ops->snapshot_end(i->session);
	return l;
}

const kd_batch_row *find_batch(const ledger *l, const kd_batch_partition *e)
{
	for (size_t b = 0; b < l->n_batches; b++)
		if (l->batch[b].partition_index == e->partition_index && l->batch[b].batch_time_ms == e->batch_time_ms)
			return &l->batch[b];
	return NULL;
}
