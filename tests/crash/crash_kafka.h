/* SPDX-License-Identifier: Apache-2.0 */
/* A job from topic to topic, and what the target must be.
 *
 * Rows go to the partition of the source's number, so what a read_committed consumer sees of a target's partition must
 * be what it sees of the source's: the same keys and values in the same order, none missing, none twice. */
#ifndef CRASH_KAFKA_H
#define CRASH_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "job_fixture.h"

#define CRASH_KAFKA_LEAST_VERSION 0x020503ff /* of librdkafka: make check-kafka-sink */

/* Writes the job's file and makes its target, TOPIC.copy; the job's own database stays unused. */
void crash_kafka_write(kt_job *job, int partitions);

/* The rows must be there at a reader's next look: commit markers come a moment after the commit. */
void crash_kafka_must_become_clean(kt_job *job);

#endif
