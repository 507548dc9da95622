/* SPDX-License-Identifier: Apache-2.0 */
/* reader_limits: pure: how much a consumer may fetch ahead, so that its memory is bounded by the number of partitions
 * and not by the backlog (I12). */
#ifndef KD_READER_LIMITS_H
#define KD_READER_LIMITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct kd_reader_limits {
	int64_t queued_messages;      /* queued.min.messages, per partition */
	int64_t queued_kbytes;        /* queued.max.messages.kbytes, per partition */
	int64_t partition_fetch_bytes; /* fetch.message.max.bytes */
	int64_t fetch_bytes;          /* fetch.max.bytes, per broker */
	int64_t wait_ms;              /* fetch.wait.max.ms */
} kd_reader_limits;

/* n_partitions: of the whole job, over all its readers; 0 counts as 1. */
kd_reader_limits kd_reader_limits_for(size_t n_partitions);

#endif
