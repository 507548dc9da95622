// SPDX-License-Identifier: Apache-2.0
// kafka_admin: what the cluster says about a topic's settings, and the ledger's topic made.
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

kd_code kafka_admin_open(const kafka_pairs *connection, rd_kafka_t **ret_rk, kd_error *err)
{
	char text[256];
	rd_kafka_conf_t *conf = kafka_properties_conf(connection, err);
	if (!conf)
		return err ? err->code : KD_ECONFIG;
	rd_kafka_conf_set_log_cb(conf, NULL); /* what it asks is answered, or fails with a reason */
	*ret_rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (*ret_rk)
		return KD_OK;
	rd_kafka_conf_destroy(conf);
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set up a Kafka client: %s", text);
}

static rd_kafka_AdminOptions_t *new_options(rd_kafka_t *rk)
{
	char text[64];
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_ANY);
	(void) rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ANSWER_MS, text, sizeof text);
	return options;
}

/* ---- settings ---- */

static void read_entry(const rd_kafka_ConfigEntry_t *entry, kafka_topic *topic, char policy[KAFKA_POLICY_SIZE])
{
	const char *name = rd_kafka_ConfigEntry_name(entry), *value = rd_kafka_ConfigEntry_value(entry);
	if (!value)
		return;
	if (!strcmp(name, "max.message.bytes")) {
		topic->message_bytes = strtoll(value, NULL, 10);
	} else if (!strcmp(name, "retention.ms")) {
		topic->retention_ms = strtoll(value, NULL, 10);
	} else if (!strcmp(name, "cleanup.policy")) {
		strncpy(policy, value, KAFKA_POLICY_SIZE - 1);
		topic->compacted = strstr(value, "compact") != NULL;
	}
}

static kd_code read_settings(const rd_kafka_ConfigResource_t *resource, kafka_topic *topic,
	char policy[KAFKA_POLICY_SIZE], bool *ret_exists, kd_error *err)
{
	rd_kafka_resp_err_t native = rd_kafka_ConfigResource_error(resource);
	*ret_exists = native != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && native != RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	if (!*ret_exists || native == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
		return KD_OK; /* what may not be known is judged by whoever needs it */
	if (native)
		return kafka_error_set(err, native, KAFKA_ASKING, "could not look at topic \"%s\": %s", topic->name,
			rd_kafka_err2str(native));
	size_t n;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &n);
	for (size_t i = 0; i < n; i++)
		read_entry(entries[i], topic, policy);
	if (!strstr(policy, "delete"))
		topic->retention_ms = -1;
	return KD_OK;
}

kd_code kafka_admin_describe(rd_kafka_t *rk, kafka_topic *topic, char ret_policy[KAFKA_POLICY_SIZE], bool *ret_exists,
	kd_error *err)
{
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic->name);
	rd_kafka_AdminOptions_t *options = new_options(rk);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	memset(ret_policy, 0, KAFKA_POLICY_SIZE);
	topic->message_bytes = topic->retention_ms = -1;
	rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_ANSWER_MS);
	rd_kafka_resp_err_t native = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	kd_code code;
	if (native) {
		code = kafka_error_set(err, native, KAFKA_ASKING, "could not look at topic \"%s\": %s", topic->name,
			rd_kafka_err2str(native));
	} else {
		size_t n;
		const rd_kafka_ConfigResource_t **answers =
			rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
		code = read_settings(answers[0], topic, ret_policy, ret_exists, err);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(resource);
	return code;
}

/* ---- the ledger's topic ---- */

static rd_kafka_resp_err_t create(rd_kafka_t *rk, rd_kafka_NewTopic_t *wanted)
{
	rd_kafka_AdminOptions_t *options = new_options(rk);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_CreateTopics(rk, &wanted, 1, options, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 2 * KAFKA_ANSWER_MS);
	rd_kafka_resp_err_t native = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (!native) {
		size_t n;
		const rd_kafka_topic_result_t **topics =
			rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
		native = rd_kafka_topic_result_error(topics[0]);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	return native;
}

kd_code kafka_admin_create_ledger(rd_kafka_t *rk, const char *topic, kd_error *err)
{
	char text[256];
	rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, 1, -1, text, sizeof text);
	if (!wanted)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" as sink.ledger_topic: %s", topic, text);
	rd_kafka_NewTopic_set_config(wanted, "cleanup.policy", "compact");
	rd_kafka_resp_err_t native = create(rk, wanted);
	rd_kafka_NewTopic_destroy(wanted);
	if (!native || native == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
		return KD_OK;
	return kafka_error_set(err, native, KAFKA_ASKING, "could not create the ledger's topic \"%s\": %s; make it yourself, "
		"with 1 partition and cleanup.policy=compact (\"check --sql\" shows how)", topic, rd_kafka_err2str(native));
}
