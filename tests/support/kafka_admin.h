/* SPDX-License-Identifier: Apache-2.0 */
/* Topics of a real cluster, through librdkafka's admin calls (no JVM is started).  Every call returns when the cluster's
 * metadata show its effect, and fails the test where it is refused. */
#ifndef KT_KAFKA_ADMIN_H
#define KT_KAFKA_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kt_admin kt_admin;

/* bootstrap NULL: the suite's cluster (KD_TEST_KAFKA). */
kt_admin *kt_admin_open(const char *bootstrap);
void kt_admin_close(kt_admin *admin);

/* The rest are topic settings as name, value pairs ("cleanup.policy", "compact"), ended by NULL.
 * As many replicas as the cluster's default.replication.factor. */
void kt_topic_create(kt_admin *admin, const char *topic, int partitions, ...) __attribute__((sentinel));
/* The same, with every partition on these brokers: the first is the one that leads. */
void kt_topic_create_on(kt_admin *admin, const char *topic, int partitions, const int32_t *brokers, size_t n, ...)
	__attribute__((sentinel));
void kt_topic_delete(kt_admin *admin, const char *topic);
/* Adds partitions until there are `total`. */
void kt_topic_grow(kt_admin *admin, const char *topic, int total);
/* Replaces the topic's settings by these. */
void kt_topic_alter(kt_admin *admin, const char *topic, ...) __attribute__((sentinel));
/* Makes `before` the log start of a partition, at once: what retention does in time. */
void kt_records_delete(kt_admin *admin, const char *topic, int partition, int64_t before);

/* Where the cluster has an authorizer: allows a user to describe the topic, and with read to read it. */
void kt_topic_allow(kt_admin *admin, const char *topic, const char *user, bool read);

/* The broker that leads a partition, as its node id; -1: none. */
int kt_topic_leader(kt_admin *admin, const char *topic, int partition);
/* How many brokers are in sync with it. */
int kt_topic_in_sync(kt_admin *admin, const char *topic, int partition);
/* Low and high watermark. */
void kt_topic_watermarks(kt_admin *admin, const char *topic, int partition, int64_t *ret_low, int64_t *ret_high);

#endif
