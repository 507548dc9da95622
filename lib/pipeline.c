// SPDX-License-Identifier: Apache-2.0
// pipeline: see the header.
//
// Nothing here remembers anything from record to record but the parts' own states and memory that is used again: a
// range that is read again comes to the same rows (I6).
#include "pipeline.h"

#include <stdlib.h>

#include "row_private.h"

struct kd_rows {
	kd_pipeline *pipeline;
	const kd_batch_partition *batch;
	kd_buf *out;
	uint32_t n;
	kd_error failure; // the first of the encoder's; code KD_OK: none
};

struct kd_tx {
	kd_pipeline *pipeline;
	void *session;
	const kd_batch_partition *batch;
	const kd_record *records;
	size_t n;
};

struct kd_pipeline {
	kd_pipeline_conf conf;
	void *decoder, *transform;
	kd_row *row;
	kd_rows rows;
};

// ---- which parts ----

kd_code kd_pipeline_check(const kd_decoder_ops *decoder, const kd_transform_ops *transform, const kd_sink_ops *ops,
	kd_error *err)
{
	if (decoder && decoder->abi != KD_DECODER_ABI)
		return kd_error_set(err, KD_EINVAL, KD_STOP,
			"decoder \"%s\" was built for another version of kdirect (abi %u, not %u)", decoder->name, decoder->abi,
			KD_DECODER_ABI);
	if (transform && transform->abi != KD_TRANSFORM_ABI)
		return kd_error_set(err, KD_EINVAL, KD_STOP,
			"transform \"%s\" was built for another version of kdirect (abi %u, not %u)", transform->name,
			transform->abi, KD_TRANSFORM_ABI);
	if (transform && transform->look_up && !ops->query)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"transform \"%s\" looks up in the sink's tables, and sink \"%s\" has none to read", transform->name,
			ops->name);
	return KD_OK;
}

kd_code kd_pipeline_find_decoder(const char *name, const kd_decoder_ops **ret_decoder, kd_error *err)
{
	kd_buf names = {0};
	const kd_decoder_ops *decoder;
	*ret_decoder = kd_decoder_find(name);
	if (*ret_decoder)
		return KD_OK;
	bool ok = true;
	for (size_t i = 0; ok && (decoder = kd_decoder_at(i)); i++)
		ok = kd_buf_printf(&names, "%s%s", i ? ", " : "", decoder->name);
	kd_code code = kd_error_set(err, KD_ECONFIG, KD_STOP, "decode.type \"%s\" is no decoder of this program; there are %s",
		name, ok && names.data ? names.data : "others");
	kd_buf_done(&names);
	return code;
}

// ---- a worker's own ----

static kd_code open_parts(kd_pipeline *p, kd_error *err)
{
	const kd_decoder_ops *decoder = p->conf.decoder;
	const kd_transform_ops *transform = p->conf.transform;
	kd_code code = KD_OK;
	p->decoder = decoder->open ? NULL : (void *) &p->conf.part;
	p->transform = !transform || transform->open ? NULL : (void *) &p->conf.part;
	if (decoder->open)
		code = kd_error_explain(err, decoder->open(&p->conf.part, &p->decoder, err), "decoder", decoder->name);
	if (code == KD_OK && transform && transform->open)
		code = kd_error_explain(err, transform->open(&p->conf.part, &p->transform, err), "transform",
			transform->name);
	return code;
}

kd_code kd_pipeline_open(const kd_pipeline_conf *conf, kd_pipeline **ret_pipeline, kd_error *err)
{
	kd_pipeline *p = calloc(1, sizeof *p);
	kd_code code = KD_OK;
	if (p) {
		p->conf = *conf;
		p->rows.pipeline = p;
		p->row = kd_row_new();
	}
	if (!p || !p->row)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a worker's rows");
	else
		code = open_parts(p, err);
	if (code == KD_OK)
		*ret_pipeline = p;
	else
		kd_pipeline_close(p);
	return code;
}

void kd_pipeline_close(kd_pipeline *p)
{
	if (!p)
		return;
	if (p->transform && p->conf.transform->open && p->conf.transform->close)
		p->conf.transform->close(p->transform);
	if (p->decoder && p->conf.decoder->open && p->conf.decoder->close)
		p->conf.decoder->close(p->decoder);
	kd_row_free(p->row);
	free(p);
}

// ---- a record ----

// The row was refused, or the encoder failed: whatever the transform makes of that, the record has failed.
static kd_code keep_failure(kd_rows *out, kd_code code, const kd_error *err)
{
	if (err != &out->failure)
		out->failure = *err;
	return kd_error_explain(&out->failure, code, "sink", out->pipeline->conf.ops->name);
}

kd_code kd_emit(kd_rows *out, kd_row *row, kd_error *err)
{
	const kd_pipeline_conf *conf = &out->pipeline->conf;
	kd_record record;
	uint32_t n = 0;
	if (out->failure.code) {
		if (err && !err->code)
			*err = out->failure;
		return out->failure.code;
	}
	kd_error *to = err && !err->code ? err : &out->failure;
	kd_code code = kd_row_result(row, &record, to);
	if (code == KD_OK)
		code = conf->ops->encode(conf->encoder, out->batch, &record, out->out, &n, to);
	out->n += n;
	return code == KD_OK ? KD_OK : keep_failure(out, code, to);
}

static kd_code decode(kd_pipeline *p, const kd_batch_partition *batch, kd_error *err)
{
	const kd_decoder_ops *decoder = p->conf.decoder;
	kd_row *row = p->row;
	if (!row->record.value)
		return KD_OK;
	kd_code code = decoder->decode(p->decoder, batch, &row->record, row, err);
	code = kd_error_explain(err, code, "decoder", decoder->name);
	if (p->conf.raw_layout)
		row->changed = false;
	return code;
}

static kd_code apply(kd_pipeline *p, const kd_batch_partition *batch, kd_error *err)
{
	const kd_transform_ops *transform = p->conf.transform;
	if (!transform)
		return kd_emit(&p->rows, p->row, err);
	kd_code code = transform->apply(p->transform, batch, p->row, &p->rows, err);
	return kd_error_explain(err, code, "transform", transform->name);
}

// What must not be passed over, even where the transform did.
static kd_code conclude(kd_pipeline *p, kd_code code, kd_error *err)
{
	if (code == KD_OK && !err->code && p->rows.failure.code)
		*err = p->rows.failure;
	if (code == KD_OK)
		code = err->code;
	if (code == KD_OK && p->row->problem.code == KD_ENOMEM)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "%s", p->row->problem.message);
	if (code == KD_ERECORD && (!p->rows.failure.code || err->offset <= 0))
		err->offset = p->row->record.offset;
	if (p->rows.failure.code)
		kd_error_clear(&p->rows.failure);
	return code;
}

kd_code kd_pipeline_encode(kd_pipeline *p, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err)
{
	kd_row_begin(p->row, record);
	p->rows.batch = batch;
	p->rows.out = out;
	p->rows.n = 0;
	kd_code code = decode(p, batch, err);
	if (code == KD_OK)
		code = apply(p, batch, err);
	*ret_rows = p->rows.n;
	return code == KD_OK && !err->code && !p->rows.failure.code && !p->row->problem.code ? KD_OK
		: conclude(p, code, err);
}

// ---- looking up ----

kd_code kd_tx_query(kd_tx *tx, const char *sql, const char *const *params, size_t n_params, kd_tx_row *row,
	void *opaque, kd_error *err)
{
	const kd_sink_ops *ops = tx->pipeline->conf.ops;
	if (!ops->query)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "sink \"%s\" has no tables to read", ops->name);
	return ops->query(tx->session, sql, params, n_params, row, opaque, err);
}

kd_code kd_tx_decode(kd_tx *tx, size_t i, kd_row **ret_row, kd_error *err)
{
	if (i >= tx->n)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not look up for record %zu of %zu", i, tx->n);
	kd_row_begin(tx->pipeline->row, &tx->records[i]);
	kd_code code = decode(tx->pipeline, tx->batch, err);
	if (code == KD_ERECORD)
		err->offset = tx->records[i].offset;
	*ret_row = tx->pipeline->row;
	return code;
}

kd_code kd_pipeline_look_up(kd_pipeline *p, const kd_batch_partition *batch, const kd_record *records, size_t n,
	void *session, kd_error *err)
{
	const kd_transform_ops *transform = p->conf.transform;
	kd_tx tx = {p, session, batch, records, n};
	kd_code code = transform->look_up(p->transform, batch, records, n, &tx, err);
	return kd_error_explain(err, code, "transform", transform->name);
}
