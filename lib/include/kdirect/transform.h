/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/transform.h: what turns records into rows: decoders (bytes -> fields) and transforms (keep, change, drop,
 * split), each a const table of functions.
 *
 * Each worker opens a state of its own; calls with one state never overlap.  A record may come again after a failure,
 * with the same batch partition: what a decoder and a transform make of it must depend on nothing but the record, their
 * configuration and, in look_up, the tables that it reads.  Effects outside of the rows are not exactly once: leave them
 * to a sink. */
#ifndef KDIRECT_TRANSFORM_H
#define KDIRECT_TRANSFORM_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"
#include "kdirect/row.h"
#include "kdirect/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KD_DECODER_ABI 1u
#define KD_TRANSFORM_ABI 1u

/* What a decoder or a transform is opened with; outlives its state. */
typedef struct kd_part_context {
	const kd_config *config;
	const kd_logger *log;
	int worker; /* from 0 */
} kd_part_context;

typedef struct kd_decoder_ops {
	uint32_t abi;        /* KD_DECODER_ABI */
	const char *name;    /* the value of decode.type */
	const char *summary; /* one line for --help */
	const kd_option *options; /* its configuration keys, "decode...." */
	size_t n_options;

	/* Both may be NULL: then the state is the context itself, a const kd_part_context *. */
	kd_code (*open)(const kd_part_context *context, void **ret_state, kd_error *err);
	void (*close)(void *state); /* accepts NULL */
	/* Gives the row its fields.  KD_ERECORD, STOP with the reason where the bytes are not what they should be; the
	 * library adds where the record is and the way out.  Not called for a null value: its row has no fields. */
	kd_code (*decode)(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
		kd_error *err);
} kd_decoder_ops;

/* The open data transaction of a batch partition, for reading. */
typedef struct kd_tx kd_tx;

/* One row of an answer, as text; NULL: a null.  False ends the reading. */
typedef bool kd_tx_row(void *opaque, const char *const *values, size_t n);

/* Reads the sink's database within the transaction that will hold the rows.  sql is the program's own text; what comes
 * from records goes into params ($1, $2, ... as text; NULL: a null).  KD_ECONFIG where the sink has no tables to read. */
KD_API kd_code kd_tx_query(kd_tx *tx, const char *sql, const char *const *params, size_t n_params, kd_tx_row *row,
	void *opaque, kd_error *err) KD_CHECK;

/* The i-th of the records that look_up was called with, decoded as apply will see it: until the next call, for reading.
 * KD_ERECORD where it cannot be decoded: return it. */
KD_API kd_code kd_tx_decode(kd_tx *tx, size_t i, kd_row **ret_row, kd_error *err) KD_CHECK;

typedef struct kd_transform_ops {
	uint32_t abi;        /* KD_TRANSFORM_ABI */
	const char *name;    /* the value of transform.type */
	const char *summary;
	const kd_option *options; /* its configuration keys, "transform...." */
	size_t n_options;

	/* Both may be NULL: then the state is the context itself, a const kd_part_context *. */
	kd_code (*open)(const kd_part_context *context, void **ret_state, kd_error *err);
	void (*close)(void *state); /* accepts NULL */
	/* NULL, unless rows depend on tables of the sink.  Then it is called in the batch partition's data transaction with
	 * the next n records (some hundreds), before apply is called for each of them: read there what they need.
	 * kd_tx_decode gives their fields, kd_tx_query the tables, as the transaction sees them, and the rows commit with
	 * it.  Such a job decodes inside the transaction instead of ahead of it, which costs speed. */
	kd_code (*look_up)(void *state, const kd_batch_partition *batch, const kd_record *records, size_t n, kd_tx *tx,
		kd_error *err);
	/* Emits what becomes of the row: nothing (dropped), itself, or several.  KD_ERECORD, STOP with the reason where the
	 * record cannot be used; an err that was set counts also where KD_OK is returned.  Where the job names no decoder,
	 * the row has fields if the sink's layout is "fields" (json), else none (raw). */
	kd_code (*apply)(void *state, const kd_batch_partition *batch, kd_row *row, kd_rows *out, kd_error *err);
} kd_transform_ops;

/* The decoders that the library brings: raw (no fields, the bytes as they are), text (UTF-8 is checked), json (the
 * top-level fields of an object), csv (decode.columns names the fields). */
KD_API extern const kd_decoder_ops kd_raw_decoder, kd_text_decoder, kd_json_decoder, kd_csv_decoder;
/* By name; NULL: the library has none of this name. */
KD_API const kd_decoder_ops *kd_decoder_find(const char *name);
/* The i-th, from 0; NULL past the last. */
KD_API const kd_decoder_ops *kd_decoder_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
