/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/kafka.h: what tools ask of a Kafka cluster: topics, partitions and their offsets, in few requests.
 *
 * Order of calls: kd_kafka_open, then any of the others, then kd_kafka_close.  One thread at a time per handle.
 * Source: librdkafka's rd_kafka_offsets_for_times sends one ListOffsets per leader; the handle's isolation level
 * decides whether the end is the last stable offset or the high watermark (KIP-98). */
#ifndef KDIRECT_KAFKA_H
#define KDIRECT_KAFKA_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kd_kafka kd_kafka;

typedef struct kd_topic {
	char *name;
	int32_t partitions;
} kd_topic;

/* One row per partition asked for; offsets are -1 where not known or not asked for. */
typedef struct kd_offsets {
	const char *topic; /* borrowed from the request */
	int32_t partition;
	int64_t low;         /* log start */
	int64_t last_stable; /* end of what read_committed delivers */
	int64_t high;        /* high watermark */
	int64_t at_time;     /* first offset at or after the time asked for; the end where there is none */
	int64_t group;       /* committed offset of the group asked for; -1: none */
	int native;          /* rd_kafka_resp_err_t of this partition; 0: none */
} kd_offsets;

typedef enum kd_offsets_what { KD_OFFSETS_LOW = 1, KD_OFFSETS_LAST_STABLE = 2, KD_OFFSETS_HIGH = 4 } kd_offsets_what;

/* Properties as librdkafka names them.  timeout_ms: how long the first contact may take. */
KD_API kd_code kd_kafka_open(const char *const *names, const char *const *values, size_t n, const kd_logger *log,
	int timeout_ms, kd_kafka **ret_kafka, kd_error *err) KD_CHECK;
/* The same from a job's kafka.* keys. */
KD_API kd_code kd_kafka_open_config(const kd_config *config, const kd_logger *log, int timeout_ms,
	kd_kafka **ret_kafka, kd_error *err) KD_CHECK;
KD_API void kd_kafka_close(kd_kafka *kafka);

/* Borrowed, valid until close. */
KD_API const char *kd_kafka_cluster_id(kd_kafka *kafka);

/* The topics named, or all (n 0, internal ones left out).  KD_EBROKER/STOP naming a topic that does not exist. */
KD_API kd_code kd_kafka_topics(kd_kafka *kafka, const char *const *names, size_t n, int timeout_ms,
	kd_topic **ret_topics, size_t *ret_n, kd_error *err) KD_CHECK;
KD_API void kd_topics_free(kd_topic *topics, size_t n);

/* Fills low, last_stable, high as `what` asks (bits of kd_offsets_what).  A partition's own failure goes to its
 * native; KD_OK as long as the brokers answered. */
KD_API kd_code kd_kafka_offsets(kd_kafka *kafka, kd_offsets *rows, size_t n, int what, int timeout_ms,
	kd_error *err) KD_CHECK;
/* Fills at_time. */
KD_API kd_code kd_kafka_offsets_at(kd_kafka *kafka, kd_offsets *rows, size_t n, int64_t time_ms, int timeout_ms,
	kd_error *err) KD_CHECK;
/* Fills group. */
KD_API kd_code kd_kafka_group_offsets(kd_kafka *kafka, const char *group, kd_offsets *rows, size_t n, int timeout_ms,
	kd_error *err) KD_CHECK;

/* Reads [range.from, range.until) of a partition with a consumer of its own and hands out each record; for
 * audits and the witness: it knows no plans.  Ends when the range is complete despite holes (compaction, aborted
 * data, markers).  The callback returns false to end early. */
KD_API kd_code kd_kafka_scan(kd_kafka *kafka, const char *topic, int32_t partition, int64_t from, int64_t until,
	bool (*record)(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
		const void *value, size_t value_size),
	void *opaque, int timeout_ms, kd_error *err) KD_CHECK;

#ifdef __cplusplus
}
#endif
#endif
