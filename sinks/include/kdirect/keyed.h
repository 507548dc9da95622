/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/keyed.h: a sink for a target that has no transactions, but takes puts by key: an HTTP service, a cache, a
 * search index.
 *
 * What such a target can have, and no more: every record is put at least once; after a crash puts are repeated with the
 * same identifier, the same key and the same content (the plan makes repetitions identical, I6), in the order of the
 * log within a partition.  Where a put replaces what stands under its key, the end state is that of exactly once; an
 * observer may see a record before its offset range counts as committed, and a count of puts may be too high.  A process
 * that was frozen and superseded may still finish a put that it had begun: pass kd_put.version on and let the target
 * refuse lower ones where that matters.  check, audit and the ledger name this guarantee "keyed".
 *
 * The ledger (plan, positions, identifiers) is kept in an SQLite file: sink.ledger.  A position moves only after flush
 * said that everything put is there to stay.
 *
 *     const kd_sink_ops *const sinks[] = {kd_keyed_sink(&webhook), NULL};      // webhook: a const kd_keyed_ops
 */
#ifndef KDIRECT_KEYED_H
#define KDIRECT_KEYED_H

#include <kdirect/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KD_KEYED_ABI 1u

/* One row to put. */
typedef struct kd_put {
	int64_t version;      /* the record's Kafka offset: grows within a topic-partition */
	int64_t timestamp_ms; /* -1: none */
	const void *key;      /* the record's; NULL: a null key */
	size_t key_size;
	const void *value;    /* the record's value, or the document of the row's fields; NULL: a null value (delete) */
	size_t value_size;
	const char *table;    /* as the transform set it; "" none */
	char identifier[128]; /* job/topic/partition/segment/offset/row: unique for ever, the same on a repetition */
} kd_put;

typedef enum kd_keyed_by {
	KD_KEYED_BY_RECORD,    /* a put replaces what stands under the record's key (null keys are refused) */
	KD_KEYED_BY_IDENTIFIER /* a put is known by its identifier; a repetition changes nothing */
} kd_keyed_by;

typedef struct kd_keyed_ops {
	uint32_t abi; /* KD_KEYED_ABI */
	const char *name;
	const char *summary;
	const kd_option *options; /* "sink....", beside sink.ledger */
	size_t n_options;
	kd_keyed_by by;

	/* Makes ready; looks at the target.  ret_target: how a person names it, owned by the sink until close.  RETRY where
	 * it is away. */
	kd_code (*open)(const kd_sink_context *context, void **ret_sink, const char **ret_target, kd_error *err);
	void (*close)(void *sink); /* accepts NULL */
	/* One per worker; calls of one session never overlap. */
	kd_code (*connect)(void *sink, void **ret_session, kd_error *err);
	void (*disconnect)(void *session); /* accepts NULL */
	/* Sends n puts of a batch partition, in order.  RETRY or REPLAY: the library repeats the batch partition from its
	 * start.  KD_ERECORD, STOP with err->row (from 1, within this call) where the target refuses one. */
	kd_code (*put)(void *session, const kd_batch_partition *batch, const kd_put *puts, size_t n, kd_error *err);
	/* Everything put is there to stay when it returns KD_OK.  NULL: put itself says so. */
	kd_code (*flush)(void *session, kd_error *err);
} kd_keyed_ops;

/* The sink's table of functions, made of ops, which must outlive the program's jobs; made once and kept.  NULL without
 * memory, or where ops is of another abi. */
KD_API const kd_sink_ops *kd_keyed_sink(const kd_keyed_ops *ops);

#ifdef __cplusplus
}
#endif
#endif
