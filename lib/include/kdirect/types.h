/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/types.h: the plain values that travel through a job: offset ranges, batch partitions, records,
 * and the growing buffer that rows are encoded into. */
#ifndef KDIRECT_TYPES_H
#define KDIRECT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A half-open range of Kafka offsets: from is in it, until is not. */
typedef struct kd_range {
	int64_t from;
	int64_t until;
} kd_range;

/* One batch partition: an identifier (job, batch time, partition index) and the offset range that it covers,
 * for ever (I6).  The counterpart of one entry of Spark's HasOffsetRanges. */
typedef struct kd_batch_partition {
	const char *job;
	const char *topic;
	int32_t partition;       /* Kafka's number */
	int32_t partition_index; /* the job's number for this segment; never shifts */
	int32_t segment;         /* which life of the Kafka partition, from 0 */
	int64_t batch_time_ms;   /* since 1970-01-01 UTC; strictly increasing per partition */
	kd_range range;
} kd_batch_partition;

/* One Kafka record, borrowed: valid until the call that got it returns. */
typedef struct kd_record {
	int64_t offset;
	int64_t timestamp_ms; /* -1: none */
	const void *key;      /* NULL: a null key, which an empty key is not */
	size_t key_size;
	const void *value;    /* NULL: a null value (tombstone) */
	size_t value_size;
	const char *table;    /* where its row goes: NULL the sink's own table, else one of sink.tables */
	const struct kd_json_fields *fields; /* of a value that is a JSON object and was read before (json.h); else NULL */
	void *native;         /* the reader's own; for kd_record_header */
} kd_record;

typedef struct kd_header {
	const char *name; /* NUL-terminated, any bytes */
	const void *value; /* NULL: a null value */
	size_t value_size;
} kd_header;

/* The i-th header of a record, in the order of the record, repeats kept.  False past the last one.
 * Headers are parsed on the first call for a record. */
KD_API bool kd_record_header(const kd_record *record, size_t i, kd_header *ret_header);

/* A growing buffer.  {0} is an empty one. */
typedef struct kd_buf {
	char *data;
	size_t size;
	size_t capacity;
} kd_buf;

/* Makes room for `more` bytes behind size and returns where they go, or NULL without memory (the buffer is
 * as it was).  The caller writes there and adds to size. */
KD_API char *kd_buf_reserve(kd_buf *buf, size_t more) KD_CHECK;

/* Appends; false without memory. */
KD_API bool kd_buf_append(kd_buf *buf, const void *bytes, size_t size) KD_CHECK;
KD_API bool kd_buf_printf(kd_buf *buf, const char *format, ...) KD_PRINTF(2, 3) KD_CHECK;

/* Frees what the buffer holds and leaves it empty. */
KD_API void kd_buf_done(kd_buf *buf);

#ifdef __cplusplus
}
#endif
#endif
