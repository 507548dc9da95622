/* SPDX-License-Identifier: Apache-2.0 */
/* What each error of librdkafka means for a job: the table, row by row. */
#include <criterion/criterion.h>
#include <string.h>

#include "kafka_error.h"

#define EACH(code, action, ...) \
	do { \
		const rd_kafka_resp_err_t natives[] = {__VA_ARGS__}; \
		check_each(natives, sizeof natives / sizeof natives[0], code, action); \
	} while (0)
#define E(name) RD_KAFKA_RESP_ERR_##name

static void check_each(const rd_kafka_resp_err_t *natives, size_t n, kd_code code, kd_action action)
{
	for (size_t i = 0; i < n; i++) {
		const kd_kafka_verdict verdict = kd_kafka_judge(natives[i]);
		cr_expect_eq(verdict.code, code, "%s: %s", rd_kafka_err2name(natives[i]), kd_code_name(verdict.code));
		cr_expect_eq(verdict.action, action, "%s: %s", rd_kafka_err2name(natives[i]),
			kd_action_name(verdict.action));
	}
}

Test(kafka_error, brokers_that_are_away_or_slow_may_come_back)
{
	EACH(KD_EBROKER, KD_RETRY, E(_TRANSPORT), E(_ALL_BROKERS_DOWN), E(_RESOLVE), E(_TIMED_OUT), E(_TIMED_OUT_QUEUE),
		E(_MSG_TIMED_OUT), E(_SSL), E(_WAIT_COORD), E(_WAIT_CACHE), E(_NODE_UPDATE), E(_IN_PROGRESS),
		E(_PREV_IN_PROGRESS), E(_OUTDATED), E(_INTR), E(_RETRY), E(_PARTIAL), E(_QUEUE_FULL), E(REQUEST_TIMED_OUT),
		E(NETWORK_EXCEPTION), E(BROKER_NOT_AVAILABLE), E(KAFKA_STORAGE_ERROR), E(THROTTLING_QUOTA_EXCEEDED));
}

Test(kafka_error, leaders_and_coordinators_that_move_are_found_again)
{
	EACH(KD_EBROKER, KD_RETRY, E(LEADER_NOT_AVAILABLE), E(NOT_LEADER_FOR_PARTITION), E(REPLICA_NOT_AVAILABLE),
		E(FENCED_LEADER_EPOCH), E(UNKNOWN_LEADER_EPOCH), E(OFFSET_NOT_AVAILABLE), E(PREFERRED_LEADER_NOT_AVAILABLE),
		E(LISTENER_NOT_FOUND), E(COORDINATOR_LOAD_IN_PROGRESS), E(COORDINATOR_NOT_AVAILABLE), E(NOT_COORDINATOR),
		E(UNSTABLE_OFFSET_COMMIT), E(FETCH_SESSION_ID_NOT_FOUND), E(INVALID_FETCH_SESSION_EPOCH), E(NOT_CONTROLLER));
}

Test(kafka_error, damaged_bytes_are_fetched_again)
{
	EACH(KD_EBROKER, KD_RETRY, E(_BAD_MSG), E(_BAD_COMPRESSION), E(_UNDERFLOW), E(INVALID_MSG));
}

Test(kafka_error, offsets_and_topics_that_are_gone_are_a_loss)
{
	EACH(KD_ELOSS, KD_STOP, E(_AUTO_OFFSET_RESET), E(OFFSET_OUT_OF_RANGE), E(_UNKNOWN_TOPIC), E(_UNKNOWN_PARTITION),
		E(UNKNOWN_TOPIC_OR_PART));
}

Test(kafka_error, rights_secrets_limits_and_versions_need_a_person)
{
	EACH(KD_EBROKER, KD_STOP, E(_AUTHENTICATION), E(SASL_AUTHENTICATION_FAILED), E(UNSUPPORTED_SASL_MECHANISM),
		E(ILLEGAL_SASL_STATE), E(TOPIC_AUTHORIZATION_FAILED), E(GROUP_AUTHORIZATION_FAILED),
		E(CLUSTER_AUTHORIZATION_FAILED), E(SECURITY_DISABLED), E(MSG_SIZE_TOO_LARGE), E(RECORD_LIST_TOO_LARGE),
		E(TOPIC_EXCEPTION), E(UNSUPPORTED_VERSION), E(UNSUPPORTED_COMPRESSION_TYPE), E(_UNSUPPORTED_FEATURE),
		E(_NOT_IMPLEMENTED));
	EACH(KD_ENOMEM, KD_STOP, E(_CRIT_SYS_RESOURCE));
	EACH(KD_EINVAL, KD_STOP, E(_INVALID_ARG));
}

Test(kafka_error, an_error_that_nobody_thought_of_stops_the_job)
{
	EACH(KD_EBROKER, KD_STOP, E(UNKNOWN), (rd_kafka_resp_err_t) 9999, (rd_kafka_resp_err_t) -77);
}

Test(kafka_error, fills_an_error_with_the_native_code_and_the_message)
{
	kd_error err = {0};
	cr_assert_eq(kd_kafka_error(E(_TRANSPORT), &err, "could not %s", "connect"), KD_EBROKER);
	cr_assert_eq(err.native, E(_TRANSPORT));
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert_str_eq(err.message, "could not connect");
	/* The first error wins. */
	kd_kafka_error(E(_AUTHENTICATION), &err, "later");
	cr_assert_eq(err.native, E(_TRANSPORT));
	cr_assert_eq(kd_kafka_error(E(_AUTHENTICATION), NULL, "nobody listens"), KD_EBROKER);
}
