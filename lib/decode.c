// SPDX-License-Identifier: Apache-2.0
// decode: the decoders that the library brings, and those of them that have no state: raw, text, json.  csv has a file
// of its own.
#include <string.h>

#include "kdirect/transform.h"
#include "row_private.h"

static const kd_decoder_ops *const decoders[] = {&kd_raw_decoder, &kd_text_decoder, &kd_json_decoder, &kd_csv_decoder};

const kd_decoder_ops *kd_decoder_at(size_t i)
{
	return i < sizeof decoders / sizeof *decoders ? decoders[i] : NULL;
}

const kd_decoder_ops *kd_decoder_find(const char *name)
{
	const kd_decoder_ops *decoder = NULL;
	for (size_t i = 0; (decoder = kd_decoder_at(i)) && strcmp(decoder->name, name) != 0; i++)
		;
	return decoder;
}

static kd_code decode_raw(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
	kd_error *err)
{
	(void) state, (void) batch, (void) record, (void) row, (void) err;
	return KD_OK;
}

const kd_decoder_ops kd_raw_decoder = {
	.abi = KD_DECODER_ABI,
	.name = "raw",
	.summary = "no fields: the bytes as they are",
	.decode = decode_raw,
};

static kd_code decode_text(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
	kd_error *err)
{
	(void) state, (void) batch, (void) row;
	size_t at;
	if (kd_utf8_is_text(record->value, record->value_size, &at))
		return KD_OK;
	return kd_error_set(err, KD_ERECORD, KD_STOP, "the value is not text: byte %zu is %s", at,
		((const char *) record->value)[at] ? "not UTF-8" : "NUL");
}

const kd_decoder_ops kd_text_decoder = {
	.abi = KD_DECODER_ABI,
	.name = "text",
	.summary = "no fields: the value must be UTF-8 text",
	.decode = decode_text,
};

static kd_code decode_json(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
	kd_error *err)
{
	(void) state, (void) batch;
	size_t good, at;
	row->is_document = kd_row_read(row, record->value, record->value_size, &good);
	if (row->is_document)
		return KD_OK;
	if (record->value_size == 0)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the value is empty, not a JSON object");
	if (!kd_utf8_is_text(record->value, record->value_size, &at))
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the value is not a JSON object: byte %zu is %s", at,
			((const char *) record->value)[at] ? "not UTF-8" : "NUL");
	return kd_error_set(err, KD_ERECORD, KD_STOP, "the value is not one JSON object: malformed at or behind byte %zu",
		good);
}

const kd_decoder_ops kd_json_decoder = {
	.abi = KD_DECODER_ABI,
	.name = "json",
	.summary = "the top-level fields of a JSON object",
	.decode = decode_json,
};
