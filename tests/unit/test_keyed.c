// SPDX-License-Identifier: Apache-2.0
// Sinks made of a kd_keyed_ops: what is put, in which order with the ledger, and what a failure of the target means.
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include <kdirect/keyed.h>
#include "tmpdir.h"

/* ---- a target that writes down what it is asked, and does what it is told ---- */

typedef struct fake_session {
	int number;
} fake_session;

static struct {
	kd_buf log; /* one word a call */
	kd_buf puts; /* one line a put */
	size_t calls, most_in_a_call;
	int opened, closed, connected, disconnected, interrupted;
	kd_error fails;       /* what the next put says, once */
	kd_code fails_with;   /* with this code */
	kd_error flush_fails;
	void (*in_put)(void); /* happens during the first put */
	const char *target;
} fake;

static void note(kd_buf *buf, const char *text)
{
	kt_check(kd_buf_printf(buf, "%s", text), "no memory");
}

static const char *text_of(kd_buf *buf)
{
	kt_check(kd_buf_append(buf, "", 1), "no memory");
	buf->size--;
	return buf->data;
}

static kd_code fake_open(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err)
{
	(void) context;
	if (!strcmp(fake.target, "away"))
		return kd_error_set(err, KD_ESINK, KD_RETRY, "it is away");
	if (!strcmp(fake.target, "unfit"))
		return kd_error_set(err, KD_ETARGET, KD_STOP, "it is unfit");
	fake.opened++;
	*ret_sink = &fake;
	*ret_target = fake.target;
	return KD_OK;
}

static void fake_close(void *sink)
{
	fake.closed += sink == &fake;
}

static kd_code fake_connect(void *sink, void **ret_session, kd_error *err)
{
	(void) err;
	fake_session *session = calloc(1, sizeof *session);
	kt_check(session && sink == &fake, "not my sink");
	session->number = ++fake.connected;
	*ret_session = session;
	return KD_OK;
}

static void fake_disconnect(void *session)
{
	fake.disconnected += session != NULL;
	free(session);
}

static void write_down(const kd_put *put)
{
	kt_check(kd_buf_printf(&fake.puts, "%s v%" PRId64 " o%" PRId64 " %s%.*s=%s%.*s%s%s\n", put->identifier, put->version,
			put->offset, put->key ? "" : "(null)", (int) put->key_size, put->key ? (const char *) put->key : "",
			put->value ? "" : "(null)", (int) put->value_size, put->value ? (const char *) put->value : "",
			*put->table ? " in " : "", put->table), "no memory");
}

static kd_code fake_put(void *session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err)
{
	kt_check(session && !strcmp(batch->topic, "o"), "not my session");
	note(&fake.log, "put ");
	fake.calls++;
	fake.most_in_a_call = n > fake.most_in_a_call ? n : fake.most_in_a_call;
	if (fake.calls == 1 && fake.in_put)
		fake.in_put();
	if (fake.fails_with) {
		kd_code code = fake.fails_with;
		*err = fake.fails;
		fake.fails_with = KD_OK;
		return code;
	}
	for (size_t i = 0; i < n; i++)
		write_down(&puts[i]);
	return KD_OK;
}

static kd_code fake_flush(void *session, kd_error *err)
{
	kt_check(session, "not my session");
	note(&fake.log, "flush ");
	*err = fake.flush_fails;
	return err->code;
}

static void fake_interrupt(void *session)
{
	kt_check(session, "not my session");
	fake.interrupted++;
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
static const kd_keyed_ops by_record = FAKE(KD_KEYED_BY_RECORD), by_identifier = FAKE(KD_KEYED_BY_IDENTIFIER);

/* ---- a job on it ---- */

typedef struct job {
	const kd_sink_ops *ops;
	kd_config *config;
	void *sink, *session, *encoder;
	kd_owner me;
	kd_batch_partition batch;
	kd_buf rows;
	int64_t n_rows;
} job;

static char *dir, *ledger;

static void say_finding(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

static void must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

static void setup(void)
{
	dir = kt_tmpdir();
	ledger = kt_path(dir, "ledger.db");
	fake.target = "https://host/items";
}

static void teardown(void)
{
	kd_buf_done(&fake.log);
	kd_buf_done(&fake.puts);
	free(ledger);
	kt_tmpdir_remove(dir);
}

TestSuite(keyed, .init = setup, .fini = teardown);

static kd_config *configure(const kd_sink_ops *ops, const char *name)
{
	kd_error err = {0};
	char *text = kt_format("{\"job\": \"%s\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"o\"],"
		" \"sink\": {\"type\": \"fake\", \"ledger\": \"%s\", \"colour\": \"red\", \"tables\": [\"a\", \"b\"]}}", name, ledger);
	kd_config *config = kd_config_new(&(kd_options){ops->options, ops->n_options}, 1);
	must(kd_config_parse(config, text, strlen(text), "job", say_finding, NULL, &err), &err);
	must(kd_config_check(config, say_finding, NULL, &err), &err);
	free(text);
	return config;
}

static kd_code take_over(job *j, const char *name, const char *owner, kd_error *err)
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

static job open_job(const kd_keyed_ops *made_of, const char *name)
{
	kd_error err = {0};
	job j = {.ops = kd_keyed_sink(made_of)};
	j.config = configure(j.ops, name);
	kd_sink_context context = {.ops = j.ops, .config = j.config};
	must(j.ops->open(&context, &j.sink, &err), &err);
	must(j.ops->connect(j.sink, "worker-0", &j.session, &err), &err);
	must(j.ops->encoder_open(j.sink, &j.encoder, &err), &err);
	return j;
}

static job start(const kd_keyed_ops *made_of, const char *owner)
{
	kd_error err = {0};
	job j = open_job(made_of, "j");
	must(take_over(&j, "j", owner, &err), &err);
	kd_new_partition p = {.topic = "o", .partition = 3};
	kd_segment segment;
	kd_cas cas;
	must(j.ops->add_partitions(j.session, &j.me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	return j;
}

static void stop(job *j)
{
	j->ops->encoder_close(j->encoder);
	j->ops->disconnect(j->session);
	j->ops->close(j->sink);
	kd_config_free(j->config);
	kd_buf_done(&j->rows);
}

static void plan(job *j, int64_t from, int64_t until)
{
	kd_error err = {0};
	kd_cas cas;
	j->batch = (kd_batch_partition) {"j", "o", 3, 0, 0, from + 1, {from, until}};
	must(j->ops->append_plan(j->session, &j->me, &j->batch, 1, &cas, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
	j->rows.size = 0;
	j->n_rows = 0;
}

static kd_code add(job *j, int64_t offset, const char *key, const char *value, const char *table, kd_error *err)
{
	kd_record record = {.offset = offset, .timestamp_ms = 1, .key = key, .key_size = key ? strlen(key) : 0,
		.value = value, .value_size = value ? strlen(value) : 0, .table = table};
	uint32_t rows = 0;
	kd_code code = j->ops->encode(j->encoder, &j->batch, &record, &j->rows, &rows, err);
	j->n_rows += rows;
	return code;
}

static void must_add(job *j, int64_t offset, const char *key, const char *value, const char *table)
{
	kd_error err = {0};
	must(add(j, offset, key, value, table, &err), &err);
}

static void add_many(job *j, int n)
{
	for (int i = 0; i < n; i++) {
		char key[16];
		snprintf(key, sizeof key, "k%d", i);
		must_add(j, j->batch.range.from + i, key, "v", NULL);
	}
}

static kd_cas begin(job *j)
{
	kd_error err = {0};
	kd_cas cas;
	must(j->ops->begin(j->session, &j->me, &j->batch, &cas, &err), &err);
	return cas;
}

static kd_code write_rows(job *j, kd_error *err)
{
	return j->ops->write(j->session, j->rows.data, j->rows.size, err);
}

static kd_code commit(job *j, kd_error *err)
{
	kd_durability durability;
	kd_batch_result result = {.records = j->n_rows, .rows = j->n_rows, .witness = {.offset = -1}};
	return j->ops->commit(j->session, &result, &durability, err);
}

/* What the library does with a batch partition, once. */
static kd_code land(job *j, kd_error *err)
{
	cr_assert_eq(begin(j), KD_CAS_DONE);
	kd_code code = write_rows(j, err);
	if (!code)
		code = commit(j, err);
	if (code)
		j->ops->abort(j->session);
	return code;
}

static kd_reread reread(job *j)
{
	kd_error err = {0};
	kd_reread row;
	must(j->ops->reread(j->session, KD_REREAD_DATA, &j->batch, 1, &row, &err), &err);
	return row;
}

/* ---- the table ---- */

Test(keyed, the_table_is_made_once_and_knows_its_options)
{
	static const kd_keyed_ops later = {.abi = KD_KEYED_ABI + 1, .name = "later"};
	const kd_sink_ops *ops = kd_keyed_sink(&by_record);
	cr_assert_eq(kd_keyed_sink(&by_record), ops);
	cr_assert_neq(kd_keyed_sink(&by_identifier), ops);
	cr_assert_null(kd_keyed_sink(&later));
	cr_assert_str_eq(ops->name, "fake");
	cr_assert_eq(ops->guarantee, KD_GUARANTEE_KEYED);
	cr_assert_eq(ops->more, &by_record);
	cr_assert_eq(ops->n_options, 3);
	cr_assert_str_eq(ops->options[0].key, "sink.colour");
	cr_assert_str_eq(ops->options[2].key, "sink.ledger");
	cr_assert(ops->options[2].required);
	cr_assert_eq(strncmp(ops->library(), "sqlite 3.", 9), 0);
}

/* ---- rows ---- */

Test(keyed, a_put_has_identifier_version_key_value_and_table)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	must_add(&j, 0, "a", "one", NULL);
	must_add(&j, 4, "a", "two", "a");
	must_add(&j, 4, "b", "three", "b");
	must_add(&j, 4, "", NULL, "");
	must_add(&j, 9, "c", "", NULL);
	must(land(&j, &err), &err);
	cr_assert_str_eq(text_of(&fake.puts),
		"j/o/3/0/0/0 v0 o0 a=one\n"
		"j/o/3/0/4/0 v4 o4 a=two in a\n"
		"j/o/3/0/4/1 v4 o4 b=three in b\n"
		"j/o/3/0/4/2 v4 o4 =(null)\n"
		"j/o/3/0/9/0 v9 o9 c=\n");
	cr_assert_str_eq(text_of(&fake.log), "put flush ");
	stop(&j);
}

Test(keyed, a_repetition_has_the_same_identifiers)
{
	kd_error err = {0};
	job j = start(&by_identifier, "me");
	plan(&j, 0, 2);
	must_add(&j, 0, NULL, "one", NULL);
	must_add(&j, 0, NULL, "two", NULL);
	cr_assert_eq(begin(&j), KD_CAS_DONE);
	must(write_rows(&j, &err), &err);
	j.ops->abort(j.session);
	char *first = strdup(text_of(&fake.puts));
	fake.puts.size = 0;
	must(land(&j, &err), &err);
	cr_assert_str_eq(text_of(&fake.puts), first);
	cr_assert_str_eq(first, "j/o/3/0/0/0 v0 o0 (null)=one\nj/o/3/0/0/1 v0 o0 (null)=two\n");
	free(first);
	stop(&j);
}

/* A topic made anew begins at offset 0 again: its versions must not look old to the target. */
Test(keyed, versions_grow_over_a_new_segment)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	add_many(&j, 10);
	must(land(&j, &err), &err);
	kd_new_partition p = {.topic = "o", .partition = 3, .new_segment = true, .closed_reason = "recreated", .who = "me"};
	kd_segment segment;
	kd_cas cas;
	must(j.ops->add_partitions(j.session, &j.me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	j.batch = (kd_batch_partition) {"j", "o", 3, segment.partition_index, segment.segment, 100, {0, 1}};
	must(j.ops->append_plan(j.session, &j.me, &j.batch, 1, &cas, &err), &err);
	j.rows.size = 0;
	j.n_rows = 0;
	must_add(&j, 0, "k", "v", NULL);
	fake.puts.size = 0;
	must(land(&j, &err), &err);
	cr_assert_str_eq(text_of(&fake.puts), "j/o/3/1/0/0 v281474976710656 o0 k=v\n");
	stop(&j);
}

Test(keyed, a_null_key_is_a_bad_record_only_where_the_key_counts)
{
	kd_error err = {0};
	job record = start(&by_record, "me");
	plan(&record, 0, 10);
	cr_assert_eq(add(&record, 7, NULL, "v", NULL, &err), KD_ERECORD);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(err.offset, 7);
	cr_assert(strstr(err.message, "\"o/3@7\": its key is null"), "%s", err.message);
	cr_assert_eq(record.rows.size, 0);
	stop(&record);
	job identifier = open_job(&by_identifier, "i");
	identifier.batch = (kd_batch_partition) {"i", "o", 3, 0, 0, 1, {0, 10}};
	must_add(&identifier, 7, NULL, "v", NULL);
	stop(&identifier);
}

Test(keyed, a_table_that_is_not_listed_is_a_configuration_error)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	cr_assert_eq(add(&j, 0, "k", "v", "c", &err), KD_ECONFIG);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "\"c\""), "%s", err.message);
	stop(&j);
}

Test(keyed, puts_come_in_order_in_calls_of_a_bounded_size)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 1201);
	add_many(&j, 1201);
	must(land(&j, &err), &err);
	cr_assert_eq(fake.calls, 3);
	cr_assert_eq(fake.most_in_a_call, KD_KEYED_MOST_PUTS);
	const char *at = text_of(&fake.puts);
	for (int i = 0; i < 1201; i++, at = strchr(at, '\n') + 1) {
		char expected[64];
		int size = snprintf(expected, sizeof expected, "j/o/3/0/%d/0 v%d o%d k%d=v\n", i, i, i, i);
		cr_assert_eq(strncmp(at, expected, (size_t) size), 0, "%.60s, not %s", at, expected);
	}
	plan(&j, 1201, 1211);
	char *large = calloc(1, 600001);
	kt_check(large, "no memory");
	memset(large, 'x', 600000);
	for (int i = 0; i < 10; i++)
		must_add(&j, 1201 + i, "k", large, NULL);
	fake.calls = 0;
	must(land(&j, &err), &err);
	cr_assert_eq(fake.calls, 5, "a megabyte a call");
	free(large);
	stop(&j);
}

/* ---- the order ---- */

Test(keyed, a_position_moves_only_after_flush)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	add_many(&j, 10);
	cr_assert_eq(begin(&j), KD_CAS_DONE);
	must(write_rows(&j, &err), &err);
	cr_assert_eq(reread(&j).position, 0);
	fake.flush_fails = (kd_error) {.code = KD_ESINK, .action = KD_RESOLVE, .message = "who knows"};
	cr_assert_eq(commit(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY, "nobody needs to know: it is put again");
	j.ops->abort(j.session);
	cr_assert_eq(reread(&j).position, 0);
	cr_assert_eq(reread(&j).batch, KD_BATCH_PLANNED);
	fake.flush_fails = (kd_error) {0};
	kd_error_clear(&err);
	must(land(&j, &err), &err);
	cr_assert_eq(reread(&j).position, 10);
	cr_assert_eq(reread(&j).batch, KD_BATCH_COMMITTED);
	cr_assert_eq(begin(&j), KD_CAS_MISS, "committed before");
	cr_assert_str_eq(text_of(&fake.log), "put flush put flush ");
	stop(&j);
}

static void write_to_the_ledger(void)
{
	sqlite3 *db;
	kt_check(sqlite3_open(ledger, &db) == SQLITE_OK, "could not open %s", ledger);
	kt_check(sqlite3_exec(db, "begin immediate; commit", NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(keyed, the_ledger_is_not_locked_while_the_target_is_talked_to)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	fake.in_put = write_to_the_ledger;
	plan(&j, 0, 10);
	add_many(&j, 10);
	must(land(&j, &err), &err);
	stop(&j);
}

Test(keyed, rows_that_were_not_put_are_not_committed)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	add_many(&j, 10);
	j.n_rows = 11;
	cr_assert_eq(land(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(reread(&j).position, 0);
	stop(&j);
}

Test(keyed, an_empty_range_commits_without_the_target)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	must(land(&j, &err), &err);
	cr_assert_eq(reread(&j).position, 10);
	cr_assert_eq(fake.connected, 0);
	stop(&j);
}

/* ---- fencing ---- */

static void successor_starts(void)
{
	kd_error err = {0};
	job next = open_job(&by_record, "j");
	must(take_over(&next, "j", "next", &err), &err);
	stop(&next);
}

Test(keyed, a_superseded_instance_finishes_the_call_it_is_in_and_no_more)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	fake.in_put = successor_starts;
	plan(&j, 0, 1000);
	add_many(&j, 1000);
	cr_assert_eq(begin(&j), KD_CAS_DONE);
	cr_assert_eq(write_rows(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY, "begun again, it is a miss");
	cr_assert_eq(fake.calls, 1);
	j.ops->abort(j.session);
	cr_assert_eq(begin(&j), KD_CAS_MISS);
	cr_assert_str_eq(reread(&j).owner.id, "next");
	cr_assert_eq(reread(&j).position, 0);
	stop(&j);
}

Test(keyed, a_superseded_instance_commits_nothing)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	fake.in_put = successor_starts;
	plan(&j, 0, 10);
	add_many(&j, 10);
	cr_assert_eq(begin(&j), KD_CAS_DONE);
	must(write_rows(&j, &err), &err);
	cr_assert_eq(commit(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY);
	j.ops->abort(j.session);
	cr_assert_eq(begin(&j), KD_CAS_MISS);
	cr_assert_eq(reread(&j).batch, KD_BATCH_PLANNED);
	stop(&j);
}

Test(keyed, another_target_or_feeder_is_refused)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	job other = open_job(&by_record, "other");
	const char *const topics[] = {"o"};
	kd_take_over request = {.job = "other", .owner_id = "x", .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "h", .version = "1", .topics = topics, .n_topics = 1};
	kd_ledger_image image;
	cr_assert_eq(other.ops->take_over(other.session, &request, &image, &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "\"https://host/items\"") && strstr(err.message, "job \"j\" feeds it"), "%s", err.message);
	stop(&other);
	stop(&j);
	fake.target = "https://elsewhere/items";
	kd_error_clear(&err);
	j = open_job(&by_record, "j");
	cr_assert_eq(take_over(&j, "j", "me", &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "\"https://host/items\"") && strstr(err.message, "\"https://elsewhere/items\""), "%s",
		err.message);
	stop(&j);
}

/* ---- what the target says ---- */

Test(keyed, what_may_heal_is_repeated_and_the_rest_stops)
{
	static const struct {
		kd_code with;
		kd_error says;
		kd_code code;
		kd_action action;
		int64_t row;
	} cases[] = {
		{KD_ESINK, {.code = KD_ESINK, .action = KD_RETRY, .message = "busy"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_REPLAY, .message = "gone"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_RESOLVE, .message = "lost"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_STOP, .message = "no"}, KD_ESINK, KD_STOP, 0},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .row = 20, .message = "bad"}, KD_ERECORD, KD_STOP, 520},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_RETRY, .row = 20, .message = "bad"}, KD_ERECORD, KD_STOP, 520},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .row = 501, .message = "bad"}, KD_ERECORD, KD_STOP, 0},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .message = "some"}, KD_ERECORD, KD_STOP, 0},
		{KD_EIO, {0}, KD_EIO, KD_STOP, 0},
	};
	job j = start(&by_record, "me");
	plan(&j, 0, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		kd_error err = {0};
		cr_assert_eq(begin(&j), KD_CAS_DONE);
		j.rows.size = 0;
		add_many(&j, 500);
		must(write_rows(&j, &err), &err);
		fake.fails = cases[i].says;
		fake.fails_with = cases[i].with;
		int disconnected = fake.disconnected;
		cr_assert_eq(write_rows(&j, &err), cases[i].code, "case %zu: %s", i, err.message);
		cr_assert_eq(err.code, cases[i].code, "case %zu: %s", i, err.message);
		cr_assert_eq(err.action, cases[i].action, "case %zu: %s", i, err.message);
		cr_assert_eq(err.row, cases[i].row, "case %zu: row %" PRId64, i, err.row);
		cr_assert_neq(*err.message, '\0');
		j.ops->abort(j.session);
		cr_assert_eq(fake.disconnected, disconnected + 1, "the session that failed is closed");
	}
	stop(&j);
	cr_assert_eq(fake.connected, fake.disconnected);
	cr_assert_eq(fake.opened, fake.closed);
}

Test(keyed, an_interrupt_reaches_the_target_and_ends_what_comes_after)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	plan(&j, 0, 10);
	add_many(&j, 10);
	cr_assert_eq(begin(&j), KD_CAS_DONE);
	must(write_rows(&j, &err), &err);
	j.ops->interrupt(j.session);
	cr_assert_eq(fake.interrupted, 1);
	cr_assert_neq(write_rows(&j, &err), KD_OK);
	cr_assert_neq(err.action, KD_STOP);
	cr_assert_eq(fake.calls, 1);
	j.ops->abort(j.session);
	stop(&j);
}

/* ---- tools ---- */

Test(keyed, a_tool_reads_the_ledger_while_the_target_is_away)
{
	kd_error err = {0};
	job j = start(&by_record, "me");
	stop(&j);
	fake.target = "away";
	j.config = configure(j.ops, "j");
	kd_sink_context context = {.ops = j.ops, .config = j.config, .read_only = true};
	kd_ledger_view view = {0};
	must(j.ops->open(&context, &j.sink, &err), &err);
	must(j.ops->connect(j.sink, "tool", &j.session, &err), &err);
	must(j.ops->read_ledger(j.session, "j", &view, &err), &err);
	cr_assert_not(j.ops->info(j.sink)->has_offsets);
	j.ops->disconnect(j.session);
	j.ops->close(j.sink);
	kd_config_free(j.config);
}

static void collect(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	if (strcmp(what, "folder") != 0)
		kt_check(kd_buf_printf(opaque, "%d %s: %.40s\n", level, what, message), "no memory");
}

Test(keyed, check_looks_at_ledger_and_target)
{
	static const struct {
		const char *target, *says;
	} cases[] = {
		{"https://host/items", "0 target: https://host/items\n"},
		{"unfit", "2 target: it is unfit\n"},
	};
	kd_error err = {0};
	const kd_sink_ops *ops = kd_keyed_sink(&by_record);
	kd_config *config = configure(ops, "j");
	kd_sink_context context = {.ops = ops, .config = config, .read_only = true};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		kd_buf said = {0};
		fake.target = cases[i].target;
		must(ops->check(&context, collect, &said, &err), &err);
		cr_assert(strstr(text_of(&said), cases[i].says), "%s", said.data);
		cr_assert(strstr(said.data, "1 file: "), "%s", said.data);
		kd_buf_done(&said);
	}
	kd_buf said = {0};
	fake.target = "away";
	cr_assert_eq(ops->check(&context, collect, &said, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_RETRY);
	kd_buf_done(&said);
	cr_assert_eq(fake.opened, fake.closed);
	kd_config_free(config);
}
