// SPDX-License-Identifier: Apache-2.0
// From a record to the sink's encoder by way of decoder and transform: what arrives there, what is counted, and what
// must not be passed over.  The sink is a table of functions that writes down what it is given.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pipeline.h"
#include "lib/record.h"

#define N(array) (sizeof(array) / sizeof *(array))

static const kd_batch_partition batch = {.job = "j", .topic = "t", .range = {0, 100}};
static kd_buf landed; /* "table|key=value;" for each row */
static kd_error err;
static uint32_t rows;

/* ---- the sink ---- */

static kd_code encode(void *encoder, const kd_batch_partition *id, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *error)
{
	(void) encoder, (void) id;
	if (record->table && strcmp(record->table, "away") == 0)
		return kd_error_set(error, KD_ESINK, KD_RETRY, "the server is away");
	if (record->table && strcmp(record->table, "silent") == 0)
		return KD_ERECORD;
	*ret_rows = 1;
	cr_assert(kd_buf_printf(out, "%s|%.*s=%.*s;", record->table ? record->table : "", (int) record->key_size,
		record->key ? (const char *) record->key : "", record->value ? (int) record->value_size : 4,
		record->value ? (const char *) record->value : "NULL"));
	return KD_OK;
}

static kd_code query(void *session, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque, kd_error *error)
{
	(void) session, (void) error;
	const char *answer[] = {sql, n_params ? params[0] : NULL};
	row(opaque, answer, 2);
	return KD_OK;
}

static const kd_sink_ops sink = {.abi = KD_SINK_ABI, .name = "list", .encode = encode, .query = query};
static const kd_sink_ops blind = {.abi = KD_SINK_ABI, .name = "blind", .encode = encode};

/* ---- one pipeline at a time ---- */

static kd_pipeline *open_with(const kd_decoder_ops *decoder, const kd_transform_ops *transform, bool raw_layout)
{
	kd_pipeline *pipeline = NULL;
	kd_pipeline_conf conf = {.decoder = decoder, .transform = transform, .ops = &sink, .raw_layout = raw_layout};
	err = (kd_error) {0};
	cr_assert_eq(kd_pipeline_open(&conf, &pipeline, &err), KD_OK, "%s", err.message);
	return pipeline;
}

static kd_code push(kd_pipeline *pipeline, int64_t offset, const char *value)
{
	kd_record record = {.offset = offset, .key = "k", .key_size = 1, .value = value,
		.value_size = value ? strlen(value) : 0};
	err = (kd_error) {0};
	landed.size = 0;
	kd_code code = kd_pipeline_encode(pipeline, &batch, &record, &landed, &rows, &err);
	cr_assert(kd_buf_append(&landed, "", 1));
	return code;
}

static void expect(kd_pipeline *pipeline, const char *value, const char *expected, uint32_t n)
{
	cr_assert_eq(push(pipeline, 7, value), KD_OK, "%s: %s", value, err.message);
	cr_expect_str_eq(landed.data, expected);
	cr_expect_eq(rows, n, "%s", value);
}

/* ---- the transforms ---- */

static kd_code keep(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id;
	return kd_emit(out, row, error);
}

static kd_code drop_unpaid(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id;
	kd_value paid;
	if (!kd_row_get(row, "paid", &paid) || !paid.boolean)
		return KD_OK;
	kd_row_set_int(row, "seen", id->range.until);
	return kd_emit(out, row, error);
}

/* A row for each item, and the order itself without them. */
static kd_code split_items(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id;
	kd_value items, order, item;
	kd_code code = KD_OK;
	if (!kd_row_get(row, "items", &items) || !kd_row_get(row, "id", &order))
		return kd_error_set(error, KD_ERECORD, KD_STOP, "an order without id and items");
	kd_row_remove(row, "items");
	code = kd_emit(out, row, error);
	for (size_t at = 0; code == KD_OK && kd_value_element(&items, &at, &item);) {
		kd_row_clear(row);
		kd_row_set_value(row, "order", &order);
		kd_row_read_object(row, &item);
		kd_row_set_table(row, "items");
		code = kd_emit(out, row, error);
	}
	return code;
}

static kd_code to_table(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) id;
	kd_row_set_table(row, state);
	return kd_emit(out, row, error);
}

/* As careless as one can be: says all is well whatever happened. */
static kd_code careless(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	kd_code code = to_table(state, id, row, out, error);
	kd_row_set_table(row, NULL);
	code = kd_emit(out, row, NULL);
	return code ? KD_OK : KD_OK;
}

static kd_code fail_silently(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id, (void) row, (void) out, (void) error;
	return KD_ESINK;
}

static kd_code set_bad_text(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id;
	kd_row_set_text(row, "bad", "\xFF", 1);
	return kd_emit(out, row, error);
}

/* What no memory holds; and once more, as if nothing had happened. */
static kd_code ask_too_much(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id;
	kd_row_set_bytes(row, "bytes", "", SIZE_MAX / 2);
	kd_code code = kd_emit(out, row, error);
	return code || kd_emit(out, row, NULL) ? KD_OK : KD_OK;
}

/* Refuses the record, and forgets to say so. */
static kd_code set_and_forget(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id, (void) row, (void) out;
	kd_error_set(error, KD_ERECORD, KD_STOP, "it is not mine");
	return KD_OK;
}

/* Does not look at what kd_emit said of a text that is none. */
static kd_code emit_and_forget(void *state, const kd_batch_partition *id, kd_row *row, kd_rows *out, kd_error *error)
{
	(void) state, (void) id, (void) error;
	kd_row_set_text(row, "bad", "\xff", 1);
	kd_code ignored = kd_emit(out, row, NULL);
	(void) ignored;
	return KD_OK;
}

static kd_code away(const kd_part_context *context, void **ret_state, kd_error *error)
{
	(void) context, (void) error;
	*ret_state = "away";
	return KD_OK;
}

static kd_code silent(const kd_part_context *context, void **ret_state, kd_error *error)
{
	(void) context, (void) error;
	*ret_state = "silent";
	return KD_OK;
}

#define TRANSFORM(function) {.abi = KD_TRANSFORM_ABI, .name = #function, .apply = function}
static const kd_transform_ops keeper = TRANSFORM(keep), dropper = TRANSFORM(drop_unpaid);
static const kd_transform_ops splitter = TRANSFORM(split_items);
static const kd_transform_ops silent_failer = TRANSFORM(fail_silently), bad_text_setter = TRANSFORM(set_bad_text);

Test(pipeline, keeps_changes_and_drops)
{
	kd_pipeline *pipeline = open_with(&kd_json_decoder, &keeper, false);
	expect(pipeline, " {\"a\": 1.0}", "|k= {\"a\": 1.0};", 1);
	expect(pipeline, NULL, "|k=NULL;", 1);
	kd_pipeline_close(pipeline);
	pipeline = open_with(&kd_json_decoder, &dropper, false);
	expect(pipeline, "{\"id\":1, \"paid\":true}", "|k={\"id\":1,\"paid\":true,\"seen\":100};", 1);
	expect(pipeline, "{\"id\":1, \"paid\":false}", "", 0);
	expect(pipeline, NULL, "", 0);
	kd_pipeline_close(pipeline);
}

Test(pipeline, splits_a_record_into_rows_of_several_tables)
{
	kd_pipeline *pipeline = open_with(&kd_json_decoder, &splitter, false);
	for (int i = 0; i < 3; i++) /* read again, it comes to the same */
		expect(pipeline, "{\"id\":7,\"items\":[{\"sku\":\"a\"},{\"sku\":\"\\u0062\",\"order\":8}],\"n\":2}",
			"|k={\"id\":7,\"n\":2};items|k={\"order\":7,\"sku\":\"a\"};items|k={\"order\":8,\"sku\":\"\\u0062\"};", 3);
	expect(pipeline, "{\"id\":7,\"items\":[]}", "|k={\"id\":7};", 1); /* the table is the sink's own again */
	cr_expect_eq(push(pipeline, 7, "{\"id\":7,\"items\":[1]}"), KD_ERECORD);
	cr_expect_eq(push(pipeline, 7, "{}"), KD_ERECORD);
	cr_expect(strstr(err.message, "without id and items"));
	cr_expect_eq(err.offset, 7);
	cr_expect_eq(err.action, KD_STOP);
	kd_pipeline_close(pipeline);
}

Test(pipeline, decodes_where_there_is_no_transform)
{
	kd_pipeline *pipeline = open_with(&kd_json_decoder, NULL, false);
	expect(pipeline, "{ \"a\":1,\"a\":2}", "|k={ \"a\":1,\"a\":2};", 1);
	cr_expect_eq(push(pipeline, 0, "[]"), KD_ERECORD);
	cr_expect_eq(err.offset, 0);
	expect(pipeline, NULL, "|k=NULL;", 1);
	kd_pipeline_close(pipeline);
	pipeline = open_with(&kd_text_decoder, NULL, false);
	expect(pipeline, "any text", "|k=any text;", 1);
	cr_expect_eq(push(pipeline, 3, "\xFF"), KD_ERECORD);
	cr_expect_eq(err.offset, 3);
	kd_pipeline_close(pipeline);
}

static kd_code decode_pair(void *state, const kd_batch_partition *id, const kd_record *record, kd_row *row,
	kd_error *error)
{
	(void) state, (void) id, (void) error;
	kd_row_set_text(row, "all", record->value, record->value_size);
	return KD_OK;
}

/* Fields made of other bytes are what a sink of fields gets; a sink of records gets the record, until it is changed. */
Test(pipeline, hands_on_fields_to_columns_and_the_record_to_a_raw_layout)
{
	static const kd_decoder_ops pair = {.abi = KD_DECODER_ABI, .name = "pair", .decode = decode_pair};
	kd_pipeline *pipeline = open_with(&pair, &keeper, false);
	expect(pipeline, "x=1", "|k={\"all\":\"x=1\"};", 1);
	kd_pipeline_close(pipeline);
	pipeline = open_with(&pair, &keeper, true);
	expect(pipeline, "x=1", "|k=x=1;", 1);
	kd_pipeline_close(pipeline);
	pipeline = open_with(&pair, &bad_text_setter, true);
	cr_expect_eq(push(pipeline, 5, "x=1"), KD_ERECORD);
	cr_expect_eq(err.offset, 5);
	kd_pipeline_close(pipeline);
}

Test(pipeline, passes_no_failure_of_the_sink_over_whatever_the_transform_says)
{
	const kd_transform_ops stubborn = {.abi = KD_TRANSFORM_ABI, .name = "stubborn", .open = away, .apply = careless};
	kd_pipeline *pipeline = open_with(&kd_json_decoder, &stubborn, false);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(push(pipeline, 7, "{}"), KD_ESINK);
		cr_expect_eq(err.action, KD_RETRY);
		cr_expect_str_eq(err.message, "the server is away");
		cr_expect_str_eq(landed.data, ""); /* nor does it get anything after its failure */
	}
	kd_pipeline_close(pipeline);
	const kd_transform_ops quiet = {.abi = KD_TRANSFORM_ABI, .name = "quiet", .open = silent, .apply = careless};
	pipeline = open_with(&kd_json_decoder, &quiet, false);
	cr_expect_eq(push(pipeline, 7, "{}"), KD_ERECORD);
	cr_expect(strstr(err.message, "sink \"list\" failed with KD_ERECORD and gave no reason"), "%s", err.message);
	cr_expect_eq(err.offset, 7);
	kd_pipeline_close(pipeline);
	const kd_transform_ops greedy = TRANSFORM(ask_too_much);
	pipeline = open_with(&kd_json_decoder, &greedy, false);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(push(pipeline, 7, "{}"), KD_ENOMEM, "a record without memory was dropped");
	kd_pipeline_close(pipeline);
	const kd_transform_ops forgetful[] = {TRANSFORM(set_and_forget), TRANSFORM(emit_and_forget)};
	for (size_t i = 0; i < N(forgetful); i++) {
		pipeline = open_with(&kd_json_decoder, &forgetful[i], false);
		cr_expect_eq(push(pipeline, 7, "{}"), KD_ERECORD, "case %zu: a refused record was dropped", i);
		cr_expect(*err.message && err.offset == 7, "%s", err.message);
		kd_pipeline_close(pipeline);
	}
	pipeline = open_with(&kd_json_decoder, &silent_failer, false);
	cr_expect_eq(push(pipeline, 7, "{}"), KD_ESINK);
	cr_expect(strstr(err.message, "transform \"fail_silently\" failed with KD_ESINK"), "%s", err.message);
	kd_pipeline_close(pipeline);
}

/* ---- states ---- */

static int opened, closed;

static kd_code open_state(const kd_part_context *context, void **ret_state, kd_error *error)
{
	if (context->worker == 13)
		return kd_error_set(error, KD_ECONFIG, KD_STOP, "not thirteen");
	opened++;
	*ret_state = &opened;
	return KD_OK;
}

static void close_state(void *state)
{
	closed += state == &opened;
}

static kd_code refuse_to_open(const kd_part_context *context, void **ret_state, kd_error *error)
{
	(void) context, (void) ret_state;
	return kd_error_set(error, KD_ECONFIG, KD_STOP, "transform.rule is missing");
}

Test(pipeline, closes_what_it_opened_and_only_that)
{
	const kd_decoder_ops decoder = {.abi = KD_DECODER_ABI, .name = "d", .open = open_state, .close = close_state,
		.decode = decode_pair};
	kd_transform_ops transform = {.abi = KD_TRANSFORM_ABI, .name = "t", .open = open_state, .close = close_state,
		.apply = keep};
	kd_pipeline_close(open_with(&decoder, &transform, false));
	cr_expect(opened == 2 && closed == 2);
	transform.open = refuse_to_open;
	kd_pipeline *pipeline = NULL;
	kd_pipeline_conf conf = {.decoder = &decoder, .transform = &transform, .ops = &sink};
	cr_expect_eq(kd_pipeline_open(&conf, &pipeline, &err), KD_ECONFIG);
	cr_expect(!pipeline && opened == 3 && closed == 3);
	conf.part.worker = 13;
	cr_expect_eq(kd_pipeline_open(&conf, &pipeline, &err), KD_ECONFIG);
	cr_expect(opened == 3 && closed == 3);
	kd_pipeline_close(NULL);
}

/* ---- which parts go together ---- */

static kd_code look_up(void *state, const kd_batch_partition *id, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *error);

static const kd_transform_ops looker = {.abi = KD_TRANSFORM_ABI, .name = "enrich", .look_up = look_up, .apply = keep};

Test(pipeline, refuses_parts_of_another_version_and_lookers_up_where_there_is_nothing_to_read)
{
	const kd_decoder_ops old_decoder = {.abi = 99, .name = "old"};
	const kd_transform_ops old_transform = {.abi = 99, .name = "old"};
	const struct {
		const kd_decoder_ops *decoder;
		const kd_transform_ops *transform;
		const kd_sink_ops *ops;
		kd_code code;
		const char *reason;
	} cases[] = {{NULL, NULL, &blind, KD_OK, ""}, {&kd_json_decoder, &keeper, &blind, KD_OK, ""},
		{&old_decoder, NULL, &sink, KD_EINVAL, "decoder \"old\" was built for another version of kdirect (abi 99, not 1)"},
		{NULL, &old_transform, &sink, KD_EINVAL, "transform \"old\" was built for another version"},
		{NULL, &looker, &sink, KD_OK, ""}, {NULL, &looker, &blind, KD_ECONFIG, "sink \"blind\" has none to read"}};
	for (size_t i = 0; i < N(cases); i++) {
		err = (kd_error) {0};
		cr_expect_eq(kd_pipeline_check(cases[i].decoder, cases[i].transform, cases[i].ops, &err), cases[i].code);
		cr_expect(strstr(err.message, cases[i].reason), "%s", err.message);
	}
	const kd_decoder_ops *decoder = NULL;
	err = (kd_error) {0};
	cr_expect_eq(kd_pipeline_find_decoder("avro", &decoder, &err), KD_ECONFIG);
	cr_expect(strstr(err.message, "\"avro\"") && strstr(err.message, "raw, text, json, csv"), "%s", err.message);
	cr_expect_eq(kd_pipeline_find_decoder("csv", &decoder, &err), KD_OK);
	cr_expect_eq(decoder, &kd_csv_decoder);
}

/* ---- looking up, in records that were packed ---- */

static char looked_up[256];

static bool note(void *opaque, const char *const *values, size_t n)
{
	(void) opaque;
	cr_expect_eq(n, 2);
	snprintf(looked_up + strlen(looked_up), sizeof looked_up - strlen(looked_up), "%s(%s) ", values[0], values[1]);
	return true;
}

static kd_code look_up(void *state, const kd_batch_partition *id, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *error)
{
	(void) state, (void) id;
	kd_code code = KD_OK;
	for (size_t i = 0; code == KD_OK && i < n; i++) {
		char *value = strndup(records[i].value, records[i].value_size);
		code = kd_tx_query(tx, "select", (const char *[]) {value}, 1, note, NULL, error);
		free(value);
	}
	return code;
}

Test(pipeline, looks_up_in_records_that_were_packed)
{
	kd_pipeline *pipeline = open_with(&kd_raw_decoder, &looker, true);
	kd_record records[] = {{.offset = 3, .timestamp_ms = 5, .key = "k", .key_size = 1, .value = "ab", .value_size = 2},
		{.offset = 9, .timestamp_ms = -1, .value = "", .value_size = 0},
		{.offset = 10, .timestamp_ms = 6, .key = "", .key_size = 0}};
	kd_buf packed = {0};
	kd_records unpacked = {0};
	kd_header header;
	for (int turn = 0; turn < 2; turn++) {
		packed.size = 0;
		for (size_t i = 0; i < N(records); i++)
			cr_assert(kd_record_pack(&records[i], &packed));
		cr_assert(kd_records_unpack(&unpacked, &packed));
		cr_assert_eq(unpacked.n, N(records));
		for (size_t i = 0; i < N(records); i++) {
			const kd_record *a = &records[i], *b = &unpacked.items[i];
			cr_expect(a->offset == b->offset && a->timestamp_ms == b->timestamp_ms);
			cr_expect(!a->key == !b->key && a->key_size == b->key_size && !a->value == !b->value);
			cr_expect(a->value_size == b->value_size && memcmp(a->value ? a->value : "", b->value ? b->value : "",
				a->value_size) == 0);
			cr_expect_not(kd_record_header(b, 0, &header));
		}
	}
	err = (kd_error) {0};
	cr_assert_eq(kd_pipeline_look_up(pipeline, &batch, unpacked.items, 2, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_str_eq(looked_up, "select(ab) select() ");
	kd_records_done(&unpacked);
	kd_buf_done(&packed);
	kd_pipeline_close(pipeline);
}

static kd_code look_at_fields(void *state, const kd_batch_partition *id, const kd_record *records, size_t n, kd_tx *tx,
	kd_error *error)
{
	(void) id, (void) records;
	cr_expect_eq(((const kd_part_context *) state)->worker, 0, "without open the state is the context");
	kd_code code = KD_OK;
	kd_row *row;
	kd_value value;
	for (size_t i = 0; code == KD_OK && i < n; i++) {
		code = kd_tx_decode(tx, i, &row, error);
		if (code == KD_OK && kd_row_get(row, "a", &value))
			snprintf(looked_up + strlen(looked_up), sizeof looked_up - strlen(looked_up), "%.*s ", (int) value.size,
				value.text);
	}
	return code == KD_OK && kd_tx_decode(tx, n, &row, &(kd_error) {0}) == KD_OK ? KD_EINVAL : code;
}

Test(pipeline, gives_a_looker_up_the_fields_of_its_records)
{
	const kd_transform_ops reader = {.abi = KD_TRANSFORM_ABI, .name = "reader", .look_up = look_at_fields, .apply = keep};
	kd_pipeline *pipeline = open_with(&kd_json_decoder, &reader, false);
	kd_record records[] = {{.offset = 3, .value = "{\"a\":1}", .value_size = 7}, {.offset = 4},
		{.offset = 7, .value = "{\"a\":\"x\"}", .value_size = 9}, {.offset = 8, .value = "[", .value_size = 1}};
	looked_up[0] = '\0';
	err = (kd_error) {0};
	cr_assert_eq(kd_pipeline_look_up(pipeline, &batch, records, 3, NULL, &err), KD_OK, "%s", err.message);
	cr_expect_str_eq(looked_up, "1 x ");
	cr_assert_eq(kd_pipeline_look_up(pipeline, &batch, records, 4, NULL, &err), KD_ERECORD);
	cr_expect_eq(err.offset, 8, "%s", err.message);
	kd_pipeline_close(pipeline);
}
