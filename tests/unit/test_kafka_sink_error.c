// SPDX-License-Identifier: Apache-2.0
// The Kafka sink's table of errors: each row by phase, and what is in no row.
#include <criterion/criterion.h>

#include "sinks/kafka/kafka_sink.h"

typedef struct expectation {
	rd_kafka_resp_err_t native;
	kd_code code;
	kd_action asking, in_data, in_commit;
} expectation;

#define HEALS(name) {RD_KAFKA_RESP_ERR_##name, KD_ESINK, KD_RETRY, KD_REPLAY, KD_RESOLVE}
#define STOPS(name, code) {RD_KAFKA_RESP_ERR_##name, code, KD_STOP, KD_STOP, KD_STOP}

Test(kafka_sink_error, the_phase_decides_what_is_done_about_what_may_heal)
{
	static const expectation expected[] = {
		HEALS(_TRANSPORT), HEALS(_TIMED_OUT), HEALS(_MSG_TIMED_OUT), HEALS(NOT_LEADER_FOR_PARTITION),
		HEALS(COORDINATOR_LOAD_IN_PROGRESS), HEALS(NOT_COORDINATOR), HEALS(UNKNOWN_LEADER_EPOCH),
		HEALS(NOT_ENOUGH_REPLICAS), HEALS(_FENCED), HEALS(PRODUCER_FENCED), HEALS(INVALID_PRODUCER_EPOCH),
		HEALS(INVALID_TXN_STATE), HEALS(OUT_OF_ORDER_SEQUENCE_NUMBER), HEALS(_PURGE_QUEUE), HEALS(UNKNOWN), HEALS(_FATAL),
		STOPS(TOPIC_AUTHORIZATION_FAILED, KD_ETARGET), STOPS(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KD_ETARGET),
		STOPS(GROUP_AUTHORIZATION_FAILED, KD_ETARGET), STOPS(_AUTHENTICATION, KD_ETARGET),
		STOPS(INVALID_TRANSACTION_TIMEOUT, KD_ETARGET), STOPS(_UNKNOWN_PARTITION, KD_ETARGET),
		STOPS(MSG_SIZE_TOO_LARGE, KD_ERECORD), STOPS(INVALID_RECORD, KD_ERECORD), STOPS(INVALID_TIMESTAMP, KD_ERECORD),
		STOPS(INVALID_REQUIRED_ACKS, KD_ESINK), STOPS(_CRIT_SYS_RESOURCE, KD_ESINK), /* in no row */
	};
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		const expectation *e = &expected[i];
		const kd_action actions[] = {[KAFKA_ASKING] = e->asking, [KAFKA_IN_DATA] = e->in_data,
			[KAFKA_IN_COMMIT] = e->in_commit};
		for (int phase = KAFKA_ASKING; phase <= KAFKA_IN_COMMIT; phase++) {
			kd_code code;
			kd_action action;
			kafka_error_judge(e->native, (kafka_phase) phase, &code, &action);
			cr_assert_eq(code, e->code, "%s", rd_kafka_err2name(e->native));
			cr_assert_eq(action, actions[phase], "%s in phase %d", rd_kafka_err2name(e->native), phase);
		}
	}
}
