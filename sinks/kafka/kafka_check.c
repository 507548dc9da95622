// SPDX-License-Identifier: Apache-2.0
// kafka_check: what `kdirect check` asks of the sink, and what a person does beforehand where the job has few rights.
// Changes nothing.
#include <stdio.h>

#include "../common/findings.h"
#include "kafka_sink.h"

static void say_topics(const findings *r, const kafka_target *target)
{
	for (size_t i = 0; i < target->n_topics; i++) {
		const kafka_topic *topic = &target->topic[i];
		findings_say(r, KD_FINDING_OK, "topic", "\"%s\", %d partitions%s", topic->name, topic->partitions,
			topic->compacted ? ", compacted: records without a key are refused" : "");
		if (topic->retention_ms >= 0)
			findings_say(r, KD_FINDING_NOTE, "topic", "\"%s\" removes records that are older than %.1f days by their own time, which is "
				"carried over: also those that come late", topic->name, (double) topic->retention_ms / 86400000.0);
		if (topic->message_bytes < 0)
			findings_say(r, KD_FINDING_NOTE, "topic", "\"%s\": max.message.bytes may not be known; allow DescribeConfigs, or set "
				"message.max.bytes in sink.properties", topic->name);
	}
	if (target->ledger.partitions)
		findings_say(r, KD_FINDING_OK, "ledger", "\"%s\", compacted, 1 partition", target->ledger.name);
	else
		findings_say(r, KD_FINDING_NOTE, "ledger", "\"%s\" is absent: the first run makes it", target->ledger.name);
	if (!target->coordinates)
		findings_say(r, KD_FINDING_NOTE, "audit", "without sink.coordinates, audit --deep cannot compare the topic with its source");
}

static void look(const findings *r, const kd_sink_context *context, kafka_target *target, const kafka_pairs *connection)
{
	kd_error err = {0};
	kafka_ledger ledger;
	if (kafka_ledger_open(&ledger, connection, target->ledger.name, context->log, &err)) {
		findings_say(r, KD_FINDING_BAD, "brokers", "%s", err.message);
		return;
	}
	findings_say(r, KD_FINDING_OK, "brokers", "cluster %s", kd_kafka_cluster_id(ledger.kafka));
	if (kafka_target_look(target, context->config, connection, ledger.kafka, false, &err))
		findings_say(r, KD_FINDING_BAD, "topic", "%s", err.message);
	else
		say_topics(r, target);
	kafka_ledger_close(&ledger);
}

kd_code kafka_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const findings r = {report, opaque};
	kd_error bad = {0};
	if (kafka_version_check(&bad)) {
		findings_say(&r, KD_FINDING_BAD, "librdkafka", "%s", bad.message);
		return KD_OK;
	}
	findings_say(&r, KD_FINDING_OK, "librdkafka", "%s", rd_kafka_version_str());
	if (kafka_properties_check(context->config, &bad)) {
		findings_say(&r, KD_FINDING_BAD, "properties", "%s", bad.message);
		return KD_OK;
	}
	kafka_target target;
	kafka_pairs connection = {0};
	kd_code code = kafka_target_init(&target, context->config, err);
	if (!code)
		code = kafka_properties_connection(context->config, &connection, err);
	if (!code)
		look(&r, context, &target, &connection);
	kafka_pairs_done(&connection);
	kafka_target_done(&target);
	return code;
}

static bool add_topic_rights(kd_buf *out, const char *topic, const char *operations)
{
	return kd_buf_printf(out, "kafka-acls.sh $BROKERS --add --allow-principal User:$USER --topic %s%s\n", topic, operations);
}

kd_code kafka_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	kafka_target target;
	kd_code code = kafka_target_init(&target, context->config, err);
	if (code) {
		kafka_target_done(&target);
		return code;
	}
	const char *job = kd_config_string(context->config, "job");
	bool ok = kd_buf_printf(out,
		"# Kafka has no SQL: these are commands, with BROKERS=\"--bootstrap-server HOST:PORT\" and USER set.\n"
		"# The run makes the ledger's topic itself where it may.\n"
		"kafka-topics.sh $BROKERS --create --topic %s --partitions 1 --config cleanup.policy=compact\n", target.ledger.name);
	for (size_t i = 0; ok && i < target.n_topics; i++)
		ok = add_topic_rights(out, target.topic[i].name, " --operation Write --operation Describe --operation DescribeConfigs");
	ok = ok && add_topic_rights(out, target.ledger.name,
		" --operation Write --operation Read --operation Describe --operation DescribeConfigs");
	ok = ok && kd_buf_printf(out, "kafka-acls.sh $BROKERS --add --allow-principal User:$USER --transactional-id %s/%s"
		" --operation Write --operation Describe\n", target.ledger.name, job);
	if (ok && target.group)
		ok = kd_buf_printf(out, "kafka-acls.sh $BROKERS --add --allow-principal User:$USER --group %s --operation Read\n",
			target.group);
	kafka_target_done(&target);
	return ok ? KD_OK : kafka_no_memory(err);
}
