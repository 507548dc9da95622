// SPDX-License-Identifier: Apache-2.0
// pg_world: see the header.
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_finding(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	fprintf(stderr, "%s:%d:%d: %s\n", diagnostic->file, diagnostic->line, diagnostic->column, diagnostic->message);
}

/* A rollback too many is harmless, but the server's log would fill with it. */
static void print_line(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) opaque;
	(void) batch_time_ms;
	if (level <= KD_LOG_WARN)
		fprintf(stderr, "log %d: %s\n", (int) level, line);
	kt_check(!strstr(line, "no transaction in progress"), "a transaction was ended twice");
}

static const kd_logger logger = {.fn = print_line, .level = KD_LOG_DEBUG};

void pg_world_open(pg_world *w, const char *table, const char *more)
{
	*w = (pg_world) {.ops = kd_sink_find("postgres"), .job = JOB};
	kt_pg_open(&w->pg);
	snprintf(w->dsn, sizeof w->dsn, "%s", w->pg.dsn);
	snprintf(w->table, sizeof w->table, "%s", table);
	snprintf(w->more, sizeof w->more, "%s", more ? more : "");
}

void pg_world_close(pg_world *w)
{
	kt_pg_close(&w->pg);
}

kd_config *pg_world_config(const pg_world *w)
{
	char text[4096];
	snprintf(text, sizeof text,
		"{\"job\": \"%s\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"" TOPIC "\"],"
		" \"retry_timeout_ms\": 20000,"
		" \"sink\": {\"type\": \"postgres\", \"dsn\": \"%s\", \"table\": \"%s\"%s%s}}",
		w->job, w->dsn, w->table, w->more[0] ? ", " : "", w->more);
	kd_config *config = kd_config_new(&(kd_options){w->ops->options, w->ops->n_options}, 1);
	MUST(kd_config_parse(config, text, strlen(text), "job.json", print_finding, NULL, &failure));
	MUST(kd_config_check(config, print_finding, NULL, &failure));
	return config;
}

kd_code try_open(pg_world *w, void **ret_sink, kd_config **ret_config, kd_error *err)
{
	*ret_config = pg_world_config(w);
	kd_sink_context context = {.config = *ret_config, .log = &logger};
	return w->ops->open(&context, ret_sink, err);
}

instance *open_instance(pg_world *w, char id)
{
	instance *i = calloc(1, sizeof *i);
	kt_check(i, "no memory");
	i->w = w;
	memset(i->id, id, sizeof i->id - 1);
	MUST(try_open(w, &i->sink, &i->config, &failure));
	MUST(w->ops->connect(i->sink, "driver", &i->session, &failure));
	return i;
}

void reconnect(instance *i, const char *role)
{
	i->w->ops->disconnect(i->session);
	MUST(i->w->ops->connect(i->sink, role, &i->session, &failure));
}

kd_code try_take_over(instance *i, kd_error *err)
{
	static const char *const topics[] = {TOPIC};
	kd_take_over request = {
		.job = i->w->job, .owner_id = i->id, .cluster_id = "cluster", .start_policy = "earliest",
		.isolation = "read_committed", .topics = topics, .n_topics = 1, .host = "here", .pid = 4711,
		.started_at_ms = 1767225600123, .version = "test"};
	kd_ledger_image_done(&i->image);
	kd_code code = i->w->ops->take_over(i->session, &request, &i->image, err);
	if (code == KD_OK)
		i->me = i->image.owner;
	return code;
}

static void add_partitions(instance *i, int first, int n)
{
	kd_new_partition wanted[64] = {0};
	kd_segment segments[64];
	for (int k = 0; k < n; k++)
		wanted[k] = (kd_new_partition) {.topic = TOPIC, .partition = first + k};
	kd_cas cas;
	MUST(i->w->ops->add_partitions(i->session, &i->me, i->w->job, wanted, (size_t) n, &cas, segments, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	for (int k = 0; k < n; k++)
		free(segments[k].topic);
}

instance *start(pg_world *w, char id, int partitions)
{
	instance *i = open_instance(w, id);
	MUST(try_take_over(i, &failure));
	if (i->image.n_segments == 0 && partitions > 0)
		add_partitions(i, 0, partitions);
	return i;
}

void stop(instance *i)
{
	i->w->ops->disconnect(i->session);
	i->w->ops->close(i->sink);
	kd_config_free(i->config);
	kd_ledger_image_done(&i->image);
	free(i);
}

kd_batch_partition entry(int index, int64_t batch_time, int64_t from, int64_t until)
{
	return (kd_batch_partition) {.job = JOB, .topic = TOPIC, .partition = index, .partition_index = index,
		.batch_time_ms = batch_time, .range = {from, until}};
}

kd_cas plan(instance *i, const kd_batch_partition *e)
{
	kd_cas cas;
	MUST(i->w->ops->append_plan(i->session, &i->me, e, 1, &cas, &failure));
	return cas;
}

kd_cas begin(instance *i, const kd_batch_partition *e)
{
	kd_cas cas;
	MUST(i->w->ops->begin(i->session, &i->me, e, &cas, &failure));
	return cas;
}

kd_code write_values(instance *i, const kd_batch_partition *e, const char *const *values, kd_error *why)
{
	void *encoder = NULL;
	kd_buf out = {0};
	MUST(i->w->ops->encoder_open(i->sink, &encoder, &failure));
	for (int64_t offset = e->range.from; offset < e->range.until; offset++) {
		char text[32];
		snprintf(text, sizeof text, "%lld", (long long) offset);
		const char *value = values ? values[offset - e->range.from] : text;
		kd_record record = {.offset = offset, .timestamp_ms = 1767225600000 + offset, .key = text,
			.key_size = strlen(text), .value = value, .value_size = value ? strlen(value) : 0};
		uint32_t rows = 0;
		MUST(i->w->ops->encode(encoder, e, &record, &out, &rows, &failure));
	}
	MUST(i->w->ops->flush(encoder, e, &out, &failure));
	kd_code code = i->w->ops->write(i->session, out.data, out.size, why);
	i->w->ops->encoder_close(encoder);
	kd_buf_done(&out);
	return code;
}

#define PIECE_BYTES 65536 /* as large as the engine's chunks */

static kd_code write_piece(instance *i, const kd_batch_partition *e, void *encoder, kd_buf *out, kd_error *err)
{
	MUST(i->w->ops->flush(encoder, e, out, &failure));
	kd_code code = i->w->ops->write(i->session, out->data, out->size, err);
	out->size = 0;
	return code;
}

kd_code write_made(instance *i, const kd_batch_partition *e, size_t n, make_row_fn *make, void *opaque, kd_error *err)
{
	void *encoder = NULL;
	kd_buf out = {0};
	kd_code code = KD_OK;
	MUST(i->w->ops->encoder_open(i->sink, &encoder, &failure));
	for (size_t k = 0; k < n && code == KD_OK; k++) {
		made_row row = make(opaque, k);
		kd_record record = {.offset = row.offset, .timestamp_ms = 1767225600000, .key = "k", .key_size = 1,
			.value = row.value, .value_size = strlen(row.value), .table = row.table};
		uint32_t rows = 0;
		code = i->w->ops->encode(encoder, e, &record, &out, &rows, err);
		if (code == KD_OK && out.size > PIECE_BYTES)
			code = write_piece(i, e, encoder, &out, err);
	}
	if (code == KD_OK)
		code = write_piece(i, e, encoder, &out, err);
	i->w->ops->encoder_close(encoder);
	kd_buf_done(&out);
	return code;
}

static made_row row_at(void *opaque, size_t i)
{
	const made_row *rows = opaque;
	return rows[i];
}

kd_code write_rows(instance *i, const kd_batch_partition *e, const made_row *rows, size_t n, kd_error *err)
{
	return write_made(i, e, n, row_at, (void *) rows, err);
}

void write_range(instance *i, const kd_batch_partition *e)
{
	MUST(write_values(i, e, NULL, &failure));
}

kd_batch_result result_of(const kd_batch_partition *e)
{
	int64_t n = e->range.until - e->range.from;
	return (kd_batch_result) {.records = n, .rows = n, .witness = {e->range.until - 1, 5, 7}};
}

kd_code try_commit_rows(instance *i, const kd_batch_partition *e, int64_t n, kd_error *err)
{
	kd_batch_result result = result_of(e);
	kd_durability durability;
	result.rows = n;
	return i->w->ops->commit(i->session, &result, &durability, err);
}

kd_code try_commit(instance *i, const kd_batch_partition *e, kd_error *err)
{
	kd_batch_result result = result_of(e);
	kd_durability durability;
	return i->w->ops->commit(i->session, &result, &durability, err);
}

void land(instance *i, const kd_batch_partition *e)
{
	cr_assert_eq(begin(i, e), KD_CAS_DONE);
	write_range(i, e);
	MUST(try_commit(i, e, &failure));
}

void plan_and_land(instance *i, const kd_batch_partition *e)
{
	cr_assert_eq(plan(i, e), KD_CAS_DONE);
	land(i, e);
}

kd_reread reread(instance *i, kd_reread_kind kind, const kd_batch_partition *e)
{
	kd_reread row = {0};
	MUST(i->w->ops->reread(i->session, kind, e, 1, &row, &failure));
	return row;
}
