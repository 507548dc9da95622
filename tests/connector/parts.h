/* SPDX-License-Identifier: Apache-2.0 */
/* Parts that the programs and plugins of this folder bring: a decoder of "name=value;..." lines, and a transform that
 * drops, changes and splits. */
#ifndef TESTS_CONNECTOR_PARTS_H
#define TESTS_CONNECTOR_PARTS_H

#include <string.h>

#include <kdirect/transform.h>

static kd_code pairs_decode(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
	kd_error *err)
{
	const char *at = record->value, *end = at + record->value_size;

	(void) state;
	(void) batch;
	while (at < end) {
		const char *stop = memchr(at, ';', (size_t) (end - at));
		stop = stop ? stop : end;
		const char *equals = memchr(at, '=', (size_t) (stop - at));
		char name[32] = "";

		if (!equals || (size_t) (equals - at) >= sizeof name)
			return kd_error_set(err, KD_ERECORD, KD_STOP, "not of the form name=value");
		memcpy(name, at, (size_t) (equals - at));
		kd_row_set_text(row, name, equals + 1, (size_t) (stop - equals - 1));
		at = stop + 1;
	}
	return KD_OK;
}

static const kd_decoder_ops pairs_decoder = {
	.abi = KD_DECODER_ABI,
	.name = "pairs",
	.summary = "name=value;name=value",
	.decode = pairs_decode,
};

static kd_code shape_open(const kd_part_context *context, void **ret_state, kd_error *err)
{
	(void) err;
	*ret_state = (void *) context->config;
	return KD_OK;
}

/* copies=N: emits N rows; the field "to" names their table; a "bad" record is refused; N 0 drops it. */
static kd_code shape_apply(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err)
{
	const kd_config *config = state;
	int64_t copies = kd_config_int(config, "transform.copies");
	kd_value value;
	char table[32] = "";
	kd_code code = KD_OK;

	(void) batch;
	if (kd_row_get(row, "bad", &value))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "it says that it is bad");
	if (kd_row_get(row, "copies", &value) && value.type == KD_VALUE_TEXT)
		copies = value.size ? value.text[0] - '0' : 0;
	if (kd_row_get(row, "to", &value) && value.size < sizeof table) {
		memcpy(table, value.text, value.size);
		kd_row_set_table(row, table);
	}
	for (int64_t i = 0; !code && i < copies; i++) {
		kd_row_set_int(row, "copy", i);
		code = kd_emit(out, row, err);
	}
	return code;
}

static const kd_option shape_options[] = {
	{.key = "transform.copies", .type = KD_OPT_INT, .default_value = "1", .min = 0, .max = 9,
	 .help = "How many rows of each record, where it does not say."},
};

static const kd_transform_ops shape_transform = {
	.abi = KD_TRANSFORM_ABI,
	.name = "shape",
	.summary = "drops, changes and splits",
	.options = shape_options,
	.n_options = 1,
	.open = shape_open,
	.apply = shape_apply,
};

#endif
