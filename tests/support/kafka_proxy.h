/* SPDX-License-Identifier: Apache-2.0 */
/* A broker behind a fault proxy (tools/fault_proxy.h): whoever asks the proxy is sent back to it by the broker's
 * metadata; whoever asks the broker itself, as admin, producer and oracle do, is not.
 *
 *     char *direct = kt_broker_start(dir);                 for admin, producer, oracle: KD_TEST_KAFKA
 *     ... kt_job_open ...
 *     struct fault_proxy *proxy = kt_kafka_proxy_open(&job, dir, "\"socket.timeout.ms\": 3000", NULL);
 */
#ifndef KT_KAFKA_PROXY_H
#define KT_KAFKA_PROXY_H

#include "pg_proxy.h"

/* Kafka's numbers of the requests that a job makes. */
enum { KT_FETCH = 1, KT_LIST_OFFSETS = 2, KT_METADATA = 3 };

/* Starts it in `dir`, for as long as this process lives, and returns how to get to it directly; the caller frees it. */
char *kt_broker_start(const char *dir);

/* Opens the proxy that the broker in `dir` speaks of. */
struct fault_proxy *kt_broker_proxy_open(const char *dir);

/* The same, and writes the job file anew so that the job goes through it.
 * properties: librdkafka's, as JSON, or NULL; more: further keys, as for kt_job_write. */
struct fault_proxy *kt_kafka_proxy_open(kt_job *job, const char *dir, const char *properties, const char *more);

#endif
