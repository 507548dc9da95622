/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_error: what each of librdkafka's errors means for a job: one table, chosen where the native error is seen. */
#ifndef KD_KAFKA_ERROR_H
#define KD_KAFKA_ERROR_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "kdirect/error.h"

typedef struct kd_kafka_verdict {
	kd_code code;
	kd_action action;
} kd_kafka_verdict;

/* An error that is in no row of the table is KD_EBROKER, STOP. */
kd_kafka_verdict kd_kafka_judge(rd_kafka_resp_err_t native);

/* Fills *err with the verdict, the native code and the message; returns the code. */
kd_code kd_kafka_error(rd_kafka_resp_err_t native, kd_error *err, const char *format, ...) KD_PRINTF(3, 4);

/* True: the error says that a topic or partition does not exist. */
bool kd_kafka_is_unknown_topic(rd_kafka_resp_err_t native);

#endif
