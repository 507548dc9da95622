/* SPDX-License-Identifier: Apache-2.0 */
/* A record's bytes through each decoder and a transform that reads and changes what it finds.  What comes out is one
 * JSON object by the judgement of jansson, whatever came in; and jansson takes every document that our scanner takes.
 *
 * The input is a byte for the decoder and the changes, then the record's value. */
#include "fuzz.h"

#include <jansson.h>
#include <kdirect/json.h>

#include "lib/pipeline.h"
#include "lib/utf8.h"

enum { DECODERS = 4, MOST_MEMBERS = 64 };

/* ---- jansson as the judge ---- */

/* What jansson refuses and PostgreSQL takes: numbers that no double holds, and documents that are deeper than its own
 * limit.  What it takes and PostgreSQL does not: a zero byte at the end. */
static bool is_excused(const json_error_t *error)
{
	return strstr(error->text, "too big") || strstr(error->text, "maximum parsing depth") ||
		strstr(error->text, "real number overflow");
}

static void compare_with_jansson(const char *text, size_t size, bool ours, const char *what)
{
	json_error_t error;
	json_t *theirs = json_loadb(text, size, JSON_DECODE_ANY, &error);

	if (ours)
		fuzz_check(theirs || is_excused(&error), "%s: taken by us; jansson says: %s", what, error.text);
	else
		fuzz_check(!theirs || memchr(text, 0, size), "%s: refused by us, taken by jansson", what);
	json_decref(theirs);
}

static void scan(const char *text, size_t size)
{
	static kd_json json;
	kd_json_value value;

	compare_with_jansson(text, size, kd_json_whole(&json, text, size, &value), "whole");
	(void) kd_utf8_is_text(text, size, NULL);
}

/* ---- a transform that does everything ---- */

static void read_value(kd_row *row, const kd_value *value, int depth)
{
	const char *name;
	size_t at = 0, name_size, n = 0;
	kd_value inner;
	int64_t whole;
	double real;

	(void) kd_value_int(value, &whole);
	(void) kd_value_double(value, &real);
	(void) kd_value_is(value, "x");
	while (depth < 3 && n++ < MOST_MEMBERS && kd_value_element(value, &at, &inner))
		read_value(row, &inner, depth + 1);
	at = n = 0;
	while (depth < 3 && n++ < MOST_MEMBERS && kd_value_member(value, &at, &name, &name_size, &inner))
		read_value(row, &inner, depth + 1);
}

static void change(kd_row *row, unsigned char how, const kd_value *value)
{
	if (how & 8)
		kd_row_set_value(row, "copy", value);
	if (how & 16)
		kd_row_rename(row, "copy", "a");
	if (how & 32)
		kd_row_read_object(row, value);
	if (how & 64)
		kd_row_set_int(row, "n", (int64_t) value->size);
	if (how & 128)
		kd_row_remove(row, "id");
}

static unsigned char how_now;

static kd_code apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const char *name;
	size_t name_size;
	kd_value value;

	(void) state, (void) batch;
	for (size_t i = 0; i < MOST_MEMBERS && kd_row_at(row, i, &name, &name_size, &value); i++)
		read_value(row, &value, 0);
	if (kd_row_at(row, 0, &name, &name_size, &value))
		change(row, how_now, &value);
	if (how_now & 4)
		kd_row_set_text(row, "t", "\"\\\n\xC3\xA9", 5);
	return kd_emit(out, row, err);
}

static const kd_transform_ops transform = {.abi = KD_TRANSFORM_ABI, .name = "all", .apply = apply};

/* ---- the sink ---- */

static const kd_record *came;
static int decoder_now;

static kd_code encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	(void) encoder, (void) batch, (void) out, (void) err;
	*ret_rows = 1;
	if (record->value == came->value)
		return KD_OK; /* unchanged: the record's own bytes, judged above */
	json_error_t error;
	json_t *root = json_loadb(record->value, record->value_size, 0, &error);
	fuzz_check(json_is_object(root) || is_excused(&error), "decoder %d made no object: %.*s: %s", decoder_now,
		(int) record->value_size, (const char *) record->value, error.text);
	json_decref(root);
	return KD_OK;
}

static const kd_sink_ops sink = {.abi = KD_SINK_ABI, .name = "judge", .encode = encode};

/* ---- the pipelines ---- */

static kd_pipeline *pipelines[DECODERS];

static kd_config *csv_config(void)
{
	kd_options table = {kd_csv_decoder.options, kd_csv_decoder.n_options};
	kd_config *config = kd_config_new(&table, 1);
	kd_error err = {0};
	static const char *const given[][2] = {{"job", "j"}, {"topics", "t"}, {"kafka.bootstrap.servers", "h:1"},
		{"sink.type", "null"}, {"decode.columns", "a,b,c"}};

	for (size_t i = 0; i < sizeof given / sizeof *given; i++)
		fuzz_check(kd_config_set(config, given[i][0], given[i][1], &err) == KD_OK, "%s", err.message);
	fuzz_check(kd_config_check(config, NULL, NULL, &err) == KD_OK, "%s", err.message);
	return config;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static kd_logger silent;
	const kd_decoder_ops *decoders[DECODERS] = {&kd_raw_decoder, &kd_text_decoder, &kd_json_decoder, &kd_csv_decoder};
	kd_config *config = csv_config();

	(void) argc, (void) argv;
	for (int i = 0; i < DECODERS; i++) {
		kd_pipeline_conf conf = {.part = {config, &silent, 0}, .decoder = decoders[i], .transform = &transform,
			.ops = &sink};
		kd_error err = {0};
		fuzz_check(kd_pipeline_open(&conf, &pipelines[i], &err) == KD_OK, "%s", err.message);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const kd_batch_partition batch = {.job = "j", .topic = "t", .range = {0, 1000}};
	static int64_t offset;
	kd_buf out = {0};
	kd_error err = {0};
	uint32_t rows = 0;

	if (size == 0)
		return 0;
	kd_record record = {.offset = offset++ % 1000, .timestamp_ms = -1, .value = data + 1, .value_size = size - 1};
	how_now = data[0];
	decoder_now = data[0] % DECODERS;
	came = &record;
	scan((const char *) data + 1, size - 1);
	kd_code code = kd_pipeline_encode(pipelines[decoder_now], &batch, &record, &out, &rows, &err);
	fuzz_check(code == KD_OK || code == KD_ERECORD, "code %d: %s", code, err.message);
	fuzz_check(!code || err.message[0], "refused without a reason");
	kd_buf_done(&out);
	return 0;
}
