/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/sinks.h: the sinks that this build knows, by the name that a job file gives in sink.type. */
#ifndef KDIRECT_SINKS_H
#define KDIRECT_SINKS_H

#include <stddef.h>

#include <kdirect/sink.h>

#ifdef __cplusplus
extern "C" {
#endif

KD_API extern const kd_sink_ops kd_postgres_sink;
KD_API extern const kd_sink_ops kd_sqlite_sink;
KD_API extern const kd_sink_ops kd_file_sink;
KD_API extern const kd_sink_ops kd_kafka_sink; /* refuses to open with librdkafka before 2.5.3 */
KD_API extern const kd_sink_ops kd_null_sink;

/* NULL: there is no sink of this name. */
KD_API const kd_sink_ops *kd_sink_find(const char *type);

/* The i-th sink, from 0, in the order of the reference page; NULL past the last. */
KD_API const kd_sink_ops *kd_sink_at(size_t i);

#ifdef __cplusplus
}
#endif
#endif
