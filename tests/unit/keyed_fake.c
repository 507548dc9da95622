// SPDX-License-Identifier: Apache-2.0
// keyed_fake: see the header.
#include "keyed_fake.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"

/* ---- the target ---- */

typedef struct fake_session {
	int number;
} fake_session;

struct kf_target kf_target;

static void note(kd_buf *buf, const char *text)
{
	kt_check(kd_buf_printf(buf, "%s", text), "no memory");
}

const char *kf_text(kd_buf *buf)
{
	kt_check(kd_buf_append(buf, "", 1), "no memory");
	buf->size--;
	return buf->data;
}

static kd_code fake_open(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	(void) context;
	if (!strcmp(kf_target.target, "away"))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "it is away");
	if (!strcmp(kf_target.target, "unfit"))
		return kd_error_set(err, KD_ETARGET, KD_STOP, "it is unfit");
	kf_target.opened++;
	*ret_sink = &kf_target;
	*ret_target = kf_target.target;
	return KD_OK;
}

static void fake_close(void *sink)
{
	kf_target.closed += sink == &kf_target;
}

static kd_code fake_connect(void *sink, void **ret_session, kd_error *err)
{
	(void) err;
	fake_session *session = calloc(1, sizeof *session);
	kt_check(session && sink == &kf_target, "not my sink");
	session->number = ++kf_target.connected;
	*ret_session = session;
	return KD_OK;
}

static void fake_disconnect(void *session)
{
	kf_target.disconnected += session != NULL;
	free(session);
}

static void write_down(const kd_put *put)
{
	kt_check(kd_buf_printf(&kf_target.puts, "%s v%" PRId64 " o%" PRId64 " %s%.*s=%s%.*s%s%s\n", put->identifier,
			put->version,
			put->offset, put->key ? "" : "(null)", (int) put->key_size, put->key ? (const char *) put->key : "",
			put->value ? "" : "(null)", (int) put->value_size, put->value ? (const char *) put->value : "",
			*put->table ? " in " : "", put->table), "no memory");
}

static kd_code fake_put(void *session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	kt_check(session && !strcmp(batch->topic, "o"), "not my session");
	note(&kf_target.log, "put ");
	kf_target.calls++;
	kf_target.most_in_a_call = n > kf_target.most_in_a_call ? n : kf_target.most_in_a_call;
	if (kf_target.calls == 1 && kf_target.in_put)
		kf_target.in_put();
	if (kf_target.fails_with) {
		kd_code code = kf_target.fails_with;
		*err = kf_target.fails;
		if (kf_target.fails_times-- <= 1)
			kf_target.fails_with = KD_OK;
		for (int64_t i = 1; i < err->row && i <= (int64_t) n; i++)
			write_down(&puts[i - 1]);
		return code;
	}
	for (size_t i = 0; i < n; i++)
		write_down(&puts[i]);
	return KD_OK;
}

static kd_code fake_flush(void *session, kd_error *err)
{
	kt_check(session, "not my session");
	note(&kf_target.log, "flush ");
	*err = kf_target.flush_fails;
	return err->code;
}

static void fake_interrupt(void *session)
{
	kt_check(session, "not my session");
	kf_target.interrupted++;
}

static const kd_option fake_options[] = {
	{.key = "sink.colour", .type = KD_OPT_STRING, .help = "Its colour."},
	{.key = "sink.url", .type = KD_OPT_STRING, .help = "Its address."},
};
#define FAKE(how) \
	{ \
		.abi = KD_KEYED_ABI, .name = "fake", .summary = "a fake", .options = fake_options, .n_options = 2, .by = how, \
		.open = fake_open, .close = fake_close, .connect = fake_connect, .disconnect = fake_disconnect, \
		.put = fake_put, .flush = fake_flush, .interrupt = fake_interrupt, \
	}
const kd_keyed_ops kf_by_record = FAKE(KD_KEYED_BY_RECORD), kf_by_identifier = FAKE(KD_KEYED_BY_IDENTIFIER);

/* ---- a job on it ---- */

char *kf_ledger;
static char *dir;

static void say_finding(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

void kf_must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

void kf_setup(void)
{
	dir = kt_tmpdir();
	kf_ledger = kt_path(dir, "ledger.db");
	kf_target.target = "https://host/items";
}

void kf_teardown(void)
{
	kd_buf_done(&kf_target.log);
	kd_buf_done(&kf_target.puts);
	free(kf_ledger);
	kt_tmpdir_remove(dir);
}

kd_config *kf_configure(const kd_sink_ops *ops, const char *name)
{
	kd_error err = {0};
	char *text = kt_format("{\"job\": \"%s\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"o\"],"
		" \"sink\": {\"type\": \"fake\", \"ledger\": \"%s\", \"colour\": \"red\", \"tables\": [\"a\", \"b\"]}}", name,
		kf_ledger);
	kd_config *config = kd_config_new(&(kd_options){ops->options, ops->n_options}, 1);
	kf_must(kd_config_parse(config, text, strlen(text), "job", say_finding, NULL, &err), &err);
	kf_must(kd_config_check(config, say_finding, NULL, &err), &err);
	free(text);
	return config;
}

kd_code kf_take_over(kf_job *j, const char *name, const char *owner, kd_error *err)
{
	kd_take_over request = {.job = name, .owner_id = owner, .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "h", .version = "1"};
	kd_ledger_image image;
	kd_code code = j->ops->take_over(j->session, &request, &image, err);
	if (!code) {
		j->me = image.owner;
		kd_ledger_image_done(&image);
	}
	return code;
}

kf_job kf_open(const kd_keyed_ops *made_of, const char *name)
{
	kd_error err = {0};
	kf_job j = {.ops = kd_keyed_sink(made_of)};
	j.config = kf_configure(j.ops, name);
	kd_sink_context context = {.ops = j.ops, .config = j.config};
	kf_must(j.ops->open(&context, &j.sink, &err), &err);
	kf_must(j.ops->connect(j.sink, "worker-0", &j.session, &err), &err);
	kf_must(j.ops->encoder_open(j.sink, &j.encoder, &err), &err);
	return j;
}

kf_job kf_start(const kd_keyed_ops *made_of, const char *owner)
{
	kd_error err = {0};
	kf_job j = kf_open(made_of, "j");
	kf_must(kf_take_over(&j, "j", owner, &err), &err);
	kd_new_partition p = {.topic = "o", .partition = 3};
	kd_segment segment;
	kd_cas cas;
	kf_must(j.ops->add_partitions(j.session, &j.me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	return j;
}

void kf_stop(kf_job *j)
{
	j->ops->encoder_close(j->encoder);
	j->ops->disconnect(j->session);
	j->ops->close(j->sink);
	kd_config_free(j->config);
	kd_buf_done(&j->rows);
}

void kf_plan(kf_job *j, int64_t from, int64_t until)
{
	kd_error err = {0};
	kd_cas cas;
	j->batch = (kd_batch_partition) {"j", "o", 3, 0, 0, from + 1, {from, until}};
	kf_must(j->ops->append_plan(j->session, &j->me, &j->batch, 1, &cas, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
	j->rows.size = 0;
	j->n_rows = 0;
}

kd_code kf_add(kf_job *j, int64_t offset, const char *key, const char *value, const char *table, kd_error *err)
{
	kd_record record = {.offset = offset, .timestamp_ms = 1, .key = key, .key_size = key ? strlen(key) : 0,
		.value = value, .value_size = value ? strlen(value) : 0, .table = table};
	uint32_t rows = 0;
	kd_code code = j->ops->encode(j->encoder, &j->batch, &record, &j->rows, &rows, err);
	j->n_rows += rows;
	return code;
}

void kf_must_add(kf_job *j, int64_t offset, const char *key, const char *value, const char *table)
{
	kd_error err = {0};
	kf_must(kf_add(j, offset, key, value, table, &err), &err);
}

void kf_add_many(kf_job *j, int n)
{
	for (int i = 0; i < n; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		kf_must_add(j, j->batch.range.from + i, key, "v", NULL);
	}
}

kd_cas kf_begin(kf_job *j)
{
	kd_error err = {0};
	kd_cas cas;
	kf_must(j->ops->begin(j->session, &j->me, &j->batch, &cas, &err), &err);
	return cas;
}

kd_code kf_write(kf_job *j, kd_error *err)
{
	return j->ops->write(j->session, j->rows.data, j->rows.size, err);
}

kd_code kf_commit(kf_job *j, kd_error *err)
{
	kd_durability durability;
	kd_batch_result result = {.records = j->n_rows, .rows = j->n_rows, .witness = {.offset = -1}};
	return j->ops->commit(j->session, &result, &durability, err);
}

/* What the library does with a batch partition, once. */
kd_code kf_land(kf_job *j, kd_error *err)
{
	cr_assert_eq(kf_begin(j), KD_CAS_DONE);
	kd_code code = kf_write(j, err);
	if (!code)
		code = kf_commit(j, err);
	if (code)
		j->ops->abort(j->session);
	return code;
}

kd_reread kf_reread(kf_job *j)
{
	kd_error err = {0};
	kd_reread row;
	kf_must(j->ops->reread(j->session, KD_REREAD_DATA, &j->batch, 1, &row, &err), &err);
	return row;
}
