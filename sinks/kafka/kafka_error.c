// SPDX-License-Identifier: Apache-2.0
// kafka_error: what librdkafka's errors mean for a sink, by one table.  What is in no row stops the job.
#include <stdarg.h>
#include <stdio.h>

#include "kafka_sink.h"

typedef struct row {
	rd_kafka_resp_err_t native;
	kd_code code;
	kd_action action; /* RETRY: may heal, by what the phase allows.  STOP: never */
} row;

#define MAY_HEAL(name) {RD_KAFKA_RESP_ERR_##name, KD_ESINK, KD_RETRY}
#define REFUSED(name) {RD_KAFKA_RESP_ERR_##name, KD_ETARGET, KD_STOP}
#define BAD_RECORD(name) {RD_KAFKA_RESP_ERR_##name, KD_ERECORD, KD_STOP}

static const row rows[] = {
	// Brokers that are away, slow, or moving.
	MAY_HEAL(_TRANSPORT),
	MAY_HEAL(_ALL_BROKERS_DOWN),
	MAY_HEAL(_RESOLVE),
	MAY_HEAL(_TIMED_OUT),
	MAY_HEAL(_TIMED_OUT_QUEUE),
	MAY_HEAL(_MSG_TIMED_OUT),
	MAY_HEAL(_WAIT_COORD),
	MAY_HEAL(_WAIT_CACHE),
	MAY_HEAL(_IN_PROGRESS),
	MAY_HEAL(_RETRY),
	MAY_HEAL(_INTR),
	MAY_HEAL(_QUEUE_FULL),
	MAY_HEAL(_SSL),
	MAY_HEAL(REQUEST_TIMED_OUT),
	MAY_HEAL(NETWORK_EXCEPTION),
	MAY_HEAL(BROKER_NOT_AVAILABLE),
	MAY_HEAL(KAFKA_STORAGE_ERROR),
	MAY_HEAL(LEADER_NOT_AVAILABLE),
	MAY_HEAL(NOT_LEADER_FOR_PARTITION),
	MAY_HEAL(REPLICA_NOT_AVAILABLE),
	MAY_HEAL(NOT_ENOUGH_REPLICAS),
	MAY_HEAL(NOT_ENOUGH_REPLICAS_AFTER_APPEND),
	MAY_HEAL(COORDINATOR_LOAD_IN_PROGRESS),
	MAY_HEAL(COORDINATOR_NOT_AVAILABLE),
	MAY_HEAL(NOT_COORDINATOR),
	MAY_HEAL(NOT_CONTROLLER),
	MAY_HEAL(OFFSET_NOT_AVAILABLE),
	MAY_HEAL(FENCED_LEADER_EPOCH),
	MAY_HEAL(UNKNOWN_LEADER_EPOCH),
	MAY_HEAL(PREFERRED_LEADER_NOT_AVAILABLE),
	MAY_HEAL(LISTENER_NOT_FOUND),
	MAY_HEAL(UNSTABLE_OFFSET_COMMIT),
	MAY_HEAL(_NODE_UPDATE),
	MAY_HEAL(_PARTIAL),
	MAY_HEAL(_BAD_MSG),
	MAY_HEAL(THROTTLING_QUOTA_EXCEEDED),
	MAY_HEAL(UNKNOWN), /* a broker's own: seen where a commit meets another producer's init */
	MAY_HEAL(UNKNOWN_TOPIC_OR_PART), /* of a topic that was there at the start: a broker that does not know it yet */
	MAY_HEAL(_UNKNOWN_TOPIC),
	// A transaction that is over, and a producer that must be made anew.
	MAY_HEAL(_FENCED),
	MAY_HEAL(PRODUCER_FENCED),
	MAY_HEAL(INVALID_PRODUCER_EPOCH),
	MAY_HEAL(INVALID_PRODUCER_ID_MAPPING),
	MAY_HEAL(UNKNOWN_PRODUCER_ID),
	MAY_HEAL(INVALID_TXN_STATE),
	MAY_HEAL(CONCURRENT_TRANSACTIONS),
	MAY_HEAL(TRANSACTION_COORDINATOR_FENCED),
	MAY_HEAL(OUT_OF_ORDER_SEQUENCE_NUMBER),
	MAY_HEAL(DUPLICATE_SEQUENCE_NUMBER),
	MAY_HEAL(_STATE),
	MAY_HEAL(_PURGE_QUEUE),
	MAY_HEAL(_PURGE_INFLIGHT),
	MAY_HEAL(_FATAL),
	MAY_HEAL(_GAPLESS_GUARANTEE),
	MAY_HEAL(_CONFLICT),
	MAY_HEAL(_PREV_IN_PROGRESS),
	MAY_HEAL(_OUTDATED),
	// Rights, secrets and limits.
	REFUSED(_AUTHENTICATION),
	REFUSED(SASL_AUTHENTICATION_FAILED),
	REFUSED(TOPIC_AUTHORIZATION_FAILED),
	REFUSED(GROUP_AUTHORIZATION_FAILED),
	REFUSED(CLUSTER_AUTHORIZATION_FAILED),
	REFUSED(TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
	REFUSED(INVALID_TRANSACTION_TIMEOUT),
	REFUSED(UNSUPPORTED_VERSION),
	REFUSED(UNSUPPORTED_FOR_MESSAGE_FORMAT),
	REFUSED(_UNSUPPORTED_FEATURE),
	REFUSED(_UNKNOWN_PARTITION),
	REFUSED(TOPIC_EXCEPTION),
	REFUSED(POLICY_VIOLATION),
	REFUSED(INVALID_REPLICATION_FACTOR),
	REFUSED(INVALID_CONFIG),
	// The record itself.
	BAD_RECORD(MSG_SIZE_TOO_LARGE),
	BAD_RECORD(INVALID_RECORD),
	BAD_RECORD(INVALID_TIMESTAMP),
};

void kafka_error_judge(rd_kafka_resp_err_t native, kafka_phase phase, kd_code *ret_code, kd_action *ret_action)
{
	static const kd_action healing[] = {[KAFKA_ASKING] = KD_RETRY, [KAFKA_IN_DATA] = KD_REPLAY,
		[KAFKA_IN_COMMIT] = KD_RESOLVE};
	*ret_code = KD_ESINK;
	*ret_action = KD_STOP;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].native != native)
			continue;
		*ret_code = rows[i].code;
		*ret_action = rows[i].action == KD_RETRY ? healing[phase] : KD_STOP;
	}
}

kd_code kafka_error_set(kd_error *err, rd_kafka_resp_err_t native, kafka_phase phase, const char *format, ...)
{
	kd_code code;
	kd_action action;
	char text[sizeof err->message];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	kafka_error_judge(native, phase, &code, &action);
	bool first = err && !err->code;
	kd_error_set(err, code, action, "%s", text);
	if (first)
		err->native = native;
	return code;
}
