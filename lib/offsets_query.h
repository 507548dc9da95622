/* SPDX-License-Identifier: Apache-2.0 */
/* offsets_query: one kind of offset of many partitions, in few requests, in bounded time.
 *
 * Works around librdkafka 2.0.2: after a leader moved it answers NOT_LEADER until its metadata are asked for, and a
 * partition without a leader holds up all others of the request. */
#ifndef KD_OFFSETS_QUERY_H
#define KD_OFFSETS_QUERY_H

#include "kafka_client.h"
#include "kdirect/kafka.h"

typedef struct kd_offset_answer {
	int64_t offset; /* as ListOffsets tells it; -1 for a time: none so late.  Undefined with native set */
	int native;     /* rd_kafka_resp_err_t; 0: answered */
} kd_offset_answer;

/* which: RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END (by the client's isolation level) or milliseconds since 1970.
 * *careful is kept between calls: true after one where a partition failed.  Fails only where no broker answered at
 * all. */
kd_code kd_offsets_query(kd_client *client, const kd_offsets *rows, size_t n, int64_t which, int timeout_ms,
	bool *careful, kd_offset_answer *ret_answers, kd_error *err) KD_CHECK;

#endif
