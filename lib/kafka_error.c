// SPDX-License-Identifier: Apache-2.0
// kafka_error: the table of librdkafka's errors.  RETRY: the cluster may heal, or a client library that starts anew
// gets it right.  STOP: a person must change something first (rights, secrets, limits, topics).
#include "kafka_error.h"

#include <stdarg.h>
#include <stdio.h>

typedef struct row {
	rd_kafka_resp_err_t native;
	kd_kafka_verdict verdict;
} row;

#define ROW(name, code, action) {RD_KAFKA_RESP_ERR_##name, {code, action}}

static const row rows[] = {
	// Connections and brokers that are away, or slow.
	ROW(_TRANSPORT, KD_EBROKER, KD_RETRY),
	ROW(_ALL_BROKERS_DOWN, KD_EBROKER, KD_RETRY),
	ROW(_RESOLVE, KD_EBROKER, KD_RETRY),
	ROW(_TIMED_OUT, KD_EBROKER, KD_RETRY),
	ROW(_TIMED_OUT_QUEUE, KD_EBROKER, KD_RETRY),
	ROW(_MSG_TIMED_OUT, KD_EBROKER, KD_RETRY),
	ROW(_SSL, KD_EBROKER, KD_RETRY),
	ROW(_WAIT_COORD, KD_EBROKER, KD_RETRY),
	ROW(_WAIT_CACHE, KD_EBROKER, KD_RETRY),
	ROW(_NODE_UPDATE, KD_EBROKER, KD_RETRY),
	ROW(_IN_PROGRESS, KD_EBROKER, KD_RETRY),
	ROW(_PREV_IN_PROGRESS, KD_EBROKER, KD_RETRY),
	ROW(_OUTDATED, KD_EBROKER, KD_RETRY),
	ROW(_INTR, KD_EBROKER, KD_RETRY),
	ROW(_RETRY, KD_EBROKER, KD_RETRY),
	ROW(_PARTIAL, KD_EBROKER, KD_RETRY),
	ROW(_QUEUE_FULL, KD_EBROKER, KD_RETRY),
	ROW(REQUEST_TIMED_OUT, KD_EBROKER, KD_RETRY),
	ROW(NETWORK_EXCEPTION, KD_EBROKER, KD_RETRY),
	ROW(BROKER_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(KAFKA_STORAGE_ERROR, KD_EBROKER, KD_RETRY),
	ROW(THROTTLING_QUOTA_EXCEEDED, KD_EBROKER, KD_RETRY),
	// Leaders, coordinators and offsets that move.
	ROW(LEADER_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(NOT_LEADER_FOR_PARTITION, KD_EBROKER, KD_RETRY),
	ROW(REPLICA_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(FENCED_LEADER_EPOCH, KD_EBROKER, KD_RETRY),
	ROW(UNKNOWN_LEADER_EPOCH, KD_EBROKER, KD_RETRY),
	ROW(OFFSET_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(PREFERRED_LEADER_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(LISTENER_NOT_FOUND, KD_EBROKER, KD_RETRY),
	ROW(COORDINATOR_LOAD_IN_PROGRESS, KD_EBROKER, KD_RETRY),
	ROW(COORDINATOR_NOT_AVAILABLE, KD_EBROKER, KD_RETRY),
	ROW(NOT_COORDINATOR, KD_EBROKER, KD_RETRY),
	ROW(UNSTABLE_OFFSET_COMMIT, KD_EBROKER, KD_RETRY),
	ROW(FETCH_SESSION_ID_NOT_FOUND, KD_EBROKER, KD_RETRY),
	ROW(INVALID_FETCH_SESSION_EPOCH, KD_EBROKER, KD_RETRY),
	ROW(NOT_CONTROLLER, KD_EBROKER, KD_RETRY),
	// Bytes that arrived damaged: read again, from a fresh assignment.
	ROW(_BAD_MSG, KD_EBROKER, KD_RETRY),
	ROW(_BAD_COMPRESSION, KD_EBROKER, KD_RETRY),
	ROW(_UNDERFLOW, KD_EBROKER, KD_RETRY),
	ROW(INVALID_MSG, KD_EBROKER, KD_RETRY),
	// The log is not what the plan was made from.
	ROW(_AUTO_OFFSET_RESET, KD_ELOSS, KD_STOP),
	ROW(OFFSET_OUT_OF_RANGE, KD_ELOSS, KD_STOP),
	ROW(_UNKNOWN_TOPIC, KD_ELOSS, KD_STOP),
	ROW(_UNKNOWN_PARTITION, KD_ELOSS, KD_STOP),
	ROW(UNKNOWN_TOPIC_OR_PART, KD_ELOSS, KD_STOP),
	// Rights and secrets.
	ROW(_AUTHENTICATION, KD_EBROKER, KD_STOP),
	ROW(SASL_AUTHENTICATION_FAILED, KD_EBROKER, KD_STOP),
	ROW(UNSUPPORTED_SASL_MECHANISM, KD_EBROKER, KD_STOP),
	ROW(ILLEGAL_SASL_STATE, KD_EBROKER, KD_STOP),
	ROW(TOPIC_AUTHORIZATION_FAILED, KD_EBROKER, KD_STOP),
	ROW(GROUP_AUTHORIZATION_FAILED, KD_EBROKER, KD_STOP),
	ROW(CLUSTER_AUTHORIZATION_FAILED, KD_EBROKER, KD_STOP),
	ROW(SECURITY_DISABLED, KD_EBROKER, KD_STOP),
	// Limits and versions.
	ROW(MSG_SIZE_TOO_LARGE, KD_EBROKER, KD_STOP),
	ROW(RECORD_LIST_TOO_LARGE, KD_EBROKER, KD_STOP),
	ROW(TOPIC_EXCEPTION, KD_EBROKER, KD_STOP),
	ROW(UNSUPPORTED_VERSION, KD_EBROKER, KD_STOP),
	ROW(UNSUPPORTED_COMPRESSION_TYPE, KD_EBROKER, KD_STOP),
	ROW(_UNSUPPORTED_FEATURE, KD_EBROKER, KD_STOP),
	ROW(_NOT_IMPLEMENTED, KD_EBROKER, KD_STOP),
	ROW(_CRIT_SYS_RESOURCE, KD_ENOMEM, KD_STOP),
	ROW(_INVALID_ARG, KD_EINVAL, KD_STOP),
};

kd_kafka_verdict kd_kafka_judge(rd_kafka_resp_err_t native)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].native == native)
			return rows[i].verdict;
	return (kd_kafka_verdict) {KD_EBROKER, KD_STOP};
}

kd_code kd_kafka_error(rd_kafka_resp_err_t native, kd_error *err, const char *format, ...)
{
	const kd_kafka_verdict verdict = kd_kafka_judge(native);
	char text[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (err && !err->code) {
		kd_error_set(err, verdict.code, verdict.action, "%s", text);
		err->native = native;
	}
	return verdict.code;
}

bool kd_kafka_is_unknown_topic(rd_kafka_resp_err_t native)
{
	return native == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC || native == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
		native == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}
