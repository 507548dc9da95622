/* SPDX-License-Identifier: Apache-2.0 */
/* F29: memory runs out at the n-th allocation, n = 1, 2, 3 ... until a call survives, once and from then on for ever, in
 * the pieces that need no broker and no server: configuration, decoders and rows, encoders, the file sink's ledger.  Each
 * call says KD_ENOMEM and keeps nothing, or does all that it does with memory. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include <kdirect/sinks.h>
#include <kdirect/transform.h>
#include "lib/row_private.h"
#include "sinks/file/file_sink.h"
#include "sinks/postgres/pg_encode.h"
#include "tests/faults/local_memory.h"
#include "tmpdir.h"

#define N(array) (sizeof(array) / sizeof *(array))

enum { MOST = 20000 };

static const kd_logger silent;

/* Headers that need no librdkafka: in place of the library's. */
bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header)
{
	static const kd_header all[] = {{"a", "x\"\n", 3}, {"b", "\xFF", 1}, {"c", NULL, 0}};

	(void) record;
	if (i < N(all))
		*ret_header = all[i];
	return i < N(all);
}

/* ---- a trial ---- */

/* What a call made, to be the same each time. */
static char said[1 << 16];
static size_t n_said;

static void say(const void *bytes, size_t size)
{
	kt_check(size <= sizeof(said) - n_said, "more than a trial may say");
	if (size > 0)
		memcpy(said + n_said, bytes, size);
	n_said += size;
}

static void say_text(const char *text)
{
	say(text ? text : "(null)", text ? strlen(text) : 6);
}

typedef kd_code trial(const void *opaque, kd_error *err);

/* Returns whether a failure was met. */
static bool try_once(const char *what, trial *run, const void *opaque, kd_code expected, long nth, bool for_ever)
{
	static char first[sizeof(said)];
	static size_t n_first;
	kd_error err = {0};

	n_said = 0;
	local_memory_watch(nth, for_ever);
	kd_code code = run(opaque, &err);
	long failed = local_memory_failures(), left = local_memory_end();
	cr_assert_eq(left, 0, "%s, allocation %ld%s: %ld blocks are kept, 0x%lx", what, nth, for_ever ? " ..." : "", left,
		local_memory_failed_at());
	if (nth == 0) {
		memcpy(first, said, n_said);
		n_first = n_said;
	}
	if (failed == 0 || code != KD_ENOMEM) {
		cr_assert_eq(code, expected, "%s, allocation %ld%s, 0x%lx: %s %s", what, nth, for_ever ? " ..." : "",
			local_memory_failed_at(), kd_code_name(code), err.message);
		cr_assert(n_said == n_first && memcmp(said, first, n_said) == 0, "%s, allocation %ld%s, 0x%lx: another result: %.*s",
			what, nth, for_ever ? " ..." : "", local_memory_failed_at(), (int) n_said, said);
	}
	cr_assert(code == KD_OK || *err.message, "%s, allocation %ld: %s without a reason", what, nth, kd_code_name(code));
	return failed > 0;
}

static void survives(const char *what, trial *run, const void *opaque, kd_code expected)
{
	long nth = 0;

	cr_assert_not(try_once(what, run, opaque, expected, 0, false));
	cr_assert_gt(local_memory_allocations(), 0, "%s allocates nothing", what);
	while (try_once(what, run, opaque, expected, ++nth, false))
		cr_assert_lt(nth, MOST);
	for (long n = 1; n < nth; n++)
		try_once(what, run, opaque, expected, n, true);
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for the trial");
}

/* ---- configuration ---- */

/* That there is one: without memory its text may leave out what was found instead, and jansson tell another place. */
static void hear(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	cr_assert(*diagnostic->message);
	say("!", 1);
}

typedef struct setting {
	const kd_options *tables;
	size_t n_tables;
	const char *text, *defaults, *key, *value;
} setting;

static kd_code make_config(const setting *s, kd_config **ret_config, kd_error *err)
{
	kd_config *config = kd_config_new(s->tables, s->n_tables);
	kd_code code = config ? KD_OK : no_memory(err);

	if (!code)
		code = kd_config_parse(config, s->text, strlen(s->text), "job", hear, NULL, err);
	if (!code && s->defaults)
		code = kd_config_defaults(config, s->defaults, strlen(s->defaults), "defaults", hear, NULL, err);
	if (!code && s->key)
		code = kd_config_set(config, s->key, s->value, err);
	if (!code)
		code = kd_config_check(config, hear, NULL, err);
	*ret_config = code ? NULL : config;
	if (code)
		kd_config_free(config);
	return code;
}

static kd_code configure(const void *opaque, kd_error *err)
{
	kd_config *config;
	kd_code code = make_config(opaque, &config, err);

	if (code)
		return code;
	for (size_t i = 0; i < kd_config_topic_count(config); i++)
		say_text(kd_config_topic(config, i));
	for (size_t i = 0; i < kd_config_kafka_count(config); i++) {
		const char *name, *value;
		kd_config_kafka(config, i, &name, &value);
		say_text(name);
		say_text(value);
	}
	int64_t numbers[] = {kd_config_start(config), kd_config_start_offset(config, "a", 1),
		kd_config_int(config, "batch.interval_ms"), kd_config_int(config, "batch.max_records_per_batch")};
	say(numbers, sizeof(numbers));
	say_text(kd_config_string(config, "sink.path"));
	kd_config_free(config);
	return KD_OK;
}

/* F29 */
Test(memory, a_configuration_is_read_as_a_whole_or_not)
{
	const kd_options tables[] = {{kd_file_sink.options, kd_file_sink.n_options},
		{kd_csv_decoder.options, kd_csv_decoder.n_options}};

	cr_assert_eq(setenv("KD_TEST_SECRET", "s3cret", 1), 0);
	survives("a configuration", configure, &(setting) {tables, N(tables),
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\", \"sasl.password\": \"${env:KD_TEST_SECRET}\"},\n"
		" \"topics\": [\"a\", \"b\"], \"start\": {\"a\": {\"1\": 7, \"2\": 8}, \"b\": {\"0\": 1}},\n"
		" \"decode\": {\"type\": \"csv\", \"columns\": [\"x\", \"y\"]},\n"
		" \"sink\": {\"type\": \"file\", \"path\": \"/data\", \"format\": \"csv\", \"columns\": [\"kafka_offset\", \"x\"]}}",
		"{\"batch\": {\"interval_ms\": 20}}", "batch.max_records_per_batch", "77"}, KD_OK);
}

/* F29 */
Test(memory, every_finding_of_a_configuration_is_told_or_none_is_trusted)
{
	const kd_options tables[] = {{kd_file_sink.options, kd_file_sink.n_options}};

	survives("a wrong configuration", configure, &(setting) {tables, N(tables),
		"{\"job\": 7, \"kafka\": {\"bootstrap.servers\": \"localhost:1\", \"password\": \"${env:NOT_THERE}\"},\n"
		" \"topics\": [], \"strat\": \"earliest\", \"batch\": {\"interval_ms\": \"x\"}, \"sink\": {\"type\": \"file\"}}", NULL,
		NULL, NULL}, KD_ECONFIG);
	survives("no JSON", configure, &(setting) {tables, N(tables), "{\"job\": \"j\",\n \"topics\": [\"a\" \"b\"]}", NULL, NULL,
		NULL}, KD_ECONFIG);
}

/* ---- decoders and rows ---- */

typedef struct decoding {
	const kd_decoder_ops *decoder;
	const char *value;
	const kd_config *config;
} decoding;

static const kd_batch_partition batch = {.job = "j", .topic = "t", .range = {0, 100}};

static void change(kd_row *row, int i)
{
	char name[32];

	for (int f = 0; f < 80; f++) { /* enough of them to be found by an index */
		snprintf(name, sizeof(name), "new%d", f);
		kd_row_set_text(row, name, i % 2 ? "\"quoted\"\n" : "plain", i % 2 ? 9 : 5);
	}
	kd_row_set_int(row, "a", i);
	kd_row_remove(row, "b");
}

static kd_code decode_into(const decoding *d, void *state, kd_row *row, kd_error *err)
{
	kd_code code = KD_OK;

	for (int i = 0; i < 3 && !code; i++) {
		kd_record record = {.offset = i, .timestamp_ms = -1, .value = d->value, .value_size = strlen(d->value)}, result;
		kd_row_begin(row, &record);
		code = d->decoder->decode(state, &batch, &row->record, row, err);
		if (!code)
			change(row, i);
		if (!code)
			code = kd_row_result(row, &result, err);
		if (!code)
			say(result.value, result.value_size);
	}
	return code;
}

static kd_code decode(const void *opaque, kd_error *err)
{
	const decoding *d = opaque;
	const kd_part_context context = {.config = d->config, .log = &silent};
	void *state = (void *) &context;
	kd_row *row = kd_row_new();
	kd_code code = row ? KD_OK : no_memory(err);
	bool opened = false;

	if (!code && d->decoder->open) {
		code = d->decoder->open(&context, &state, err);
		opened = !code;
	}
	if (!code)
		code = decode_into(d, state, row, err);
	if (opened && d->decoder->close)
		d->decoder->close(state);
	kd_row_free(row);
	return code;
}

/* F29 */
Test(memory, a_record_is_decoded_and_changed_as_a_whole_or_not)
{
	static const char *const values[][2] = {{"text", "caf\xC3\xA9"}, {"csv", "1,\"say \"\"x\"\"\",z"},
		{"json", "{\"a\": 1, \"b\": [1, {\"c\": \"\\u00e9\"}], \"na\\u006de\": \"esc\\naped\", \"d\": 1e99}"}};
	kd_config *config;
	kd_error err = {0};

	for (size_t i = 0; i < N(values); i++) {
		const kd_decoder_ops *decoder = kd_decoder_find(values[i][0]);
		char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],"
			" \"decode\": {\"type\": \"%s\"%s}, \"sink\": {\"type\": \"null\"}}", decoder->name,
			i == 1 ? ", \"columns\": [\"a\", \"b\", \"c\"]" : "");
		cr_assert_eq(make_config(&(setting) {&(kd_options) {decoder->options, decoder->n_options}, 1, text, NULL, NULL,
			NULL}, &config, &err), KD_OK, "%s", err.message);
		survives(decoder->name, decode, &(decoding) {decoder, values[i][1], config}, KD_OK);
		kd_config_free(config);
		free(text);
	}
}

/* ---- encoders ---- */

/* A column of text takes no other key. */
static kd_code encode_with(const kd_sink_ops *ops, void *sink, bool key_is_text, const char *value, kd_error *err)
{
	void *encoder;
	kd_buf out = {0};
	kd_code code = ops->encoder_open(sink, &encoder, err);

	if (code)
		return code;
	for (int i = 0; i < 3 && !code; i++) {
		kd_record record = {.offset = i, .timestamp_ms = 1700000000000, .key = "k\xFF", .key_size = key_is_text ? 1 : 2,
			.value = value, .value_size = strlen(value)};
		uint32_t rows;
		code = ops->encode(encoder, &batch, &record, &out, &rows, err);
	}
	if (!code)
		code = ops->flush(encoder, &batch, &out, err);
	if (!code)
		say(out.data, out.size);
	kd_buf_done(&out);
	ops->encoder_close(encoder);
	return code;
}

/* opaque: the job's text. */
static kd_code encode_for_files(const void *opaque, kd_error *err)
{
	kd_options table = {kd_file_sink.options, kd_file_sink.n_options};
	kd_config *config;
	void *sink = NULL;
	kd_code code = make_config(&(setting) {&table, 1, opaque, NULL, NULL, NULL}, &config, err);

	if (code)
		return code;
	code = kd_file_sink.open(&(kd_sink_context) {.config = config, .read_only = true, .log = &silent}, &sink, err);
	if (!code)
		code = encode_with(&kd_file_sink, sink, strstr(opaque, "csv"), "{ \"a\": 1, \"b\": \"x,\\\"\", \"c\": [1, 2]}", err);
	if (sink)
		kd_file_sink.close(sink);
	kd_config_free(config);
	return code;
}

/* F29 */
Test(memory, rows_of_files_are_made_as_a_whole_or_not)
{
	static const char *const shapes[] = {"\"format\": \"jsonl\"", "\"layout\": \"fields\"",
		"\"format\": \"csv\", \"columns\": [\"kafka_topic\", \"kafka_key\", \"kafka_headers\", \"b\", \"c\"]"};

	for (size_t i = 0; i < N(shapes); i++) {
		char *text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"t\"],"
			" \"sink\": {\"type\": \"file\", \"path\": \"/data\", %s}}", shapes[i]);
		survives(shapes[i], encode_for_files, text, KD_OK);
		free(text);
	}
}

/* A table made by hand. */
static struct pg_column made_columns[] = {
	{.name = "a", .quoted = "\"a\"", .type = PG_INT4, .typmod = -1, .type_text = "integer"},
	{.name = "B", .quoted = "\"B\"", .type = PG_TEXT, .typmod = -1, .type_text = "text"},
	{.name = "n", .quoted = "\"n\"", .type = PG_NUMERIC, .typmod = -1, .type_text = "numeric"},
	{.name = "j", .quoted = "\"j\"", .type = PG_JSONB, .typmod = -1, .type_text = "jsonb"},
	{.name = "kafka_headers", .quoted = "\"kafka_headers\"", .type = PG_JSONB, .typmod = -1, .type_text = "jsonb"},
};
static struct pg_columns made = {.schema = "public", .table = "t", .qualified = "\"public\".\"t\"",
	.column = made_columns, .n = N(made_columns), .utf8 = true};

static kd_code open_pg(void *sink, void **ret_encoder, kd_error *err)
{
	static const pg_table table = {.written = (char *) "t", .columns = &made};

	(void) sink;
	return pg_encoder_open(&(struct pg_encoder_conf) {.tables = &table, .n_tables = 1, .log = &silent},
		(struct pg_encoder **) ret_encoder, err);
}

static kd_code encode_pg(void *encoder, const kd_batch_partition *of, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	return pg_encode(encoder, of, record, out, ret_rows, err);
}

static kd_code flush_pg(void *encoder, const kd_batch_partition *of, kd_buf *out, kd_error *err)
{
	return pg_flush(encoder, of, out, err);
}

static void close_pg(void *encoder)
{
	pg_encoder_close(encoder);
}

static kd_code encode_for_postgres(const void *opaque, kd_error *err)
{
	static const kd_sink_ops ops = {.encoder_open = open_pg, .encode = encode_pg, .flush = flush_pg,
		.encoder_close = close_pg};

	return encode_with(&ops, NULL, false, opaque, err);
}

/* F29 */
Test(memory, rows_of_postgresql_are_made_as_a_whole_or_not)
{
	kd_error err = {0};

	cr_assert_eq(pg_columns_choose(&made, PG_LAYOUT_AUTO, PG_FORMAT_RAW, &err), KD_OK, "%s", err.message);
	survives("rows for COPY", encode_for_postgres,
		"{\"a\": 1, \"\\u0042\": \"x\\ny\", \"n\": 12345.6700, \"j\": {\"k\": [1, \"\\n\"]}, \"unknown\": 1}", KD_OK);
}

/* ---- the ledger of files ---- */

static bool say_batch(void *opaque, const kd_batch_row *row)
{
	(void) opaque;
	say(&row->range, sizeof(row->range));
	return true;
}

static bool say_segment(void *opaque, const kd_segment *segment)
{
	(void) opaque;
	say_text(segment->topic);
	say(&segment->planned_until, sizeof(segment->planned_until));
	return true;
}

static kd_code look_at(file_ledger *ledger, kd_error *err)
{
	const kd_ledger_view view = {.batch = say_batch, .segment = say_segment};
	kd_ledger_image image = {0};
	kd_code code = file_ledger_refresh(ledger, false, err);

	if (!code)
		code = journal_image(ledger->journal, "j", false, &image, err);
	if (!code)
		code = journal_read(ledger->journal, "j", &view, err);
	kd_ledger_image_done(&image);
	return code;
}

/* opaque: its folder. */
static kd_code read_ledger(const void *opaque, kd_error *err)
{
	file_ledger ledger;
	kd_code code = file_ledger_init(&ledger, opaque, &silent) ? KD_OK : no_memory(err);

	if (!code)
		code = look_at(&ledger, err);
	file_ledger_done(&ledger);
	return code;
}

static void must_append(file_ledger *ledger, kd_code code, journal_step *step, kd_error *err)
{
	kt_check(code == KD_OK && file_ledger_append(ledger, step, FILE_IN_LEDGER, err) == KD_OK, "%s", err->message);
	journal_step_done(step);
}

/* A job, two partitions and a plan of each. */
static void write_ledger(const char *dir)
{
	static const journal_target target = {.name = "/data", .identity = "file:", .noun = "folder"};
	const kd_take_over request = {.job = "j", .owner_id = "0123456789abcdef0123456789abcdef", .cluster_id = "c",
		.start_policy = "earliest", .isolation = "read_committed", .host = "here \"{", .pid = 1, .version = "1\\"};
	const kd_new_partition partitions[] = {{.topic = "t"}, {.topic = "t", .partition = 1}};
	const kd_batch_partition plans[] = {{"j", "t", 0, 0, 0, 10, {0, 5}}, {"j", "t", 1, 1, 0, 10, {0, 7}}};
	file_ledger ledger;
	kd_owner me;
	kd_cas cas;
	kd_error err = {0};
	journal_step step;

	kt_check(file_ledger_init(&ledger, dir, &silent) && file_ledger_refresh(&ledger, true, &err) == KD_OK, "%s", err.message);
	kd_code code = journal_take_over(ledger.journal, &request, &target, "", 5, &me, &step, &err);
	must_append(&ledger, code, &step, &err);
	code = journal_add_partitions(ledger.journal, &me, "j", &target, partitions, 2, 5, &cas, &step, &err);
	must_append(&ledger, code, &step, &err);
	code = journal_append_plan(ledger.journal, &me, plans, 2, 5, &cas, &step, &err);
	must_append(&ledger, code, &step, &err);
	file_ledger_done(&ledger);
}

/* F29 */
Test(memory, a_ledger_of_files_is_read_as_a_whole_or_not)
{
	char *dir = kt_tmpdir();

	write_ledger(dir);
	survives("a ledger", read_ledger, dir, KD_OK);
	kt_tmpdir_remove(dir);
}
