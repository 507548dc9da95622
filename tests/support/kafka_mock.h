/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka's brokers in this process, spoken to over real sockets, also by a child.
 *
 * What they lack: lookup by timestamp, a last stable offset, aborted data; they keep 5 MB or 100,000 messages of a
 * partition.  The guarantees are tested on a real broker. */
#ifndef KT_KAFKA_MOCK_H
#define KT_KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "oracle.h"

typedef struct kt_mock kt_mock;

kt_mock *kt_mock_open(int brokers);
void kt_mock_close(kt_mock *mock);

/* Borrowed, valid until close. */
const char *kt_mock_bootstrap(const kt_mock *mock);
/* For the faults that rdkafka_mock.h can make. */
rd_kafka_mock_cluster_t *kt_mock_cluster(const kt_mock *mock);

void kt_mock_topic(kt_mock *mock, const char *topic, int partitions);
/* A new topic with so many numbers in each partition, as a plain consumer reads it. */
kt_oracle kt_mock_filled(kt_mock *mock, const char *topic, int partitions, int64_t records);

#endif
