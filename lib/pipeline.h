/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline: what stands between a record and the sink's encoder where a job decodes or transforms:
 *
 *     record -> decoder (fields) -> transform (keep, change, drop, split) -> encoder, 0 to n times
 *
 * One a worker, used by one of its threads: the reader's, ahead of the transaction, or, where the transform looks up,
 * the lander's, within it.  A job that neither decodes nor transforms has none, and pays nothing. */
#ifndef KD_PIPELINE_H
#define KD_PIPELINE_H

#include "kdirect/sink.h"
#include "kdirect/transform.h"

typedef struct kd_pipeline kd_pipeline;

typedef struct kd_pipeline_conf {
	kd_part_context part;
	const kd_decoder_ops *decoder;
	const kd_transform_ops *transform; /* NULL: rows go on as they were decoded */
	const kd_sink_ops *ops;
	void *encoder;
	bool raw_layout; /* the sink stores records, not fields: rows that no transform changed are the record itself */
} kd_pipeline_conf;

/* May these parts be used together?  KD_EINVAL for another abi, KD_ECONFIG where the transform looks up and the sink
 * cannot.  Either part may be NULL. */
kd_code kd_pipeline_check(const kd_decoder_ops *decoder, const kd_transform_ops *transform, const kd_sink_ops *ops,
	kd_error *err) KD_CHECK;

/* The library's decoder by its name; KD_ECONFIG, with the names that there are, where it has none. */
kd_code kd_pipeline_find_decoder(const char *name, const kd_decoder_ops **ret_decoder, kd_error *err) KD_CHECK;

/* Opens decoder and transform. */
kd_code kd_pipeline_open(const kd_pipeline_conf *conf, kd_pipeline **ret_pipeline, kd_error *err) KD_CHECK;
/* Accepts NULL. */
void kd_pipeline_close(kd_pipeline *pipeline);

/* As the encoder's encode: adds what becomes of the record to out; *ret_rows: how many rows, 0: dropped.
 * KD_ERECORD has err->offset. */
kd_code kd_pipeline_encode(kd_pipeline *pipeline, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err) KD_CHECK;

/* Lets the transform look up for the next n records, in the session's data transaction. */
kd_code kd_pipeline_look_up(kd_pipeline *pipeline, const kd_batch_partition *batch, const kd_record *records, size_t n,
	void *session, kd_error *err) KD_CHECK;

#endif
