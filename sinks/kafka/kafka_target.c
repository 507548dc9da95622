// SPDX-License-Identifier: Apache-2.0
// kafka_target: the topics that rows go to, and the ledger's, as the configuration names them and as the cluster has
// them.
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

static size_t count_tables(const kd_config *config)
{
	return kd_config_strings_count(config, "sink.tables");
}

kd_code kafka_target_init(kafka_target *target, const kd_config *config, kd_error *err)
{
	*target = (kafka_target) {.n_topics = 1 + count_tables(config)};
	target->topic = calloc(target->n_topics, sizeof *target->topic);
	if (!target->topic)
		return kafka_no_memory(err);
	target->topic[0].name = kd_config_string(config, "sink.topic");
	for (size_t i = 1; i < target->n_topics; i++)
		target->topic[i].name = kd_config_strings_at(config, "sink.tables", i - 1);
	target->ledger.name = kd_config_string(config, "sink.ledger_topic");
	target->by_source = !strcmp(kd_config_string(config, "sink.partitioner"), "source");
	target->coordinates = kd_config_bool(config, "sink.coordinates");
	target->group = kd_config_string(config, "sink.group");
	if (kafka_target_find(target, target->ledger.name) >= 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" for rows: it is the ledger's topic",
			target->ledger.name);
	return KD_OK;
}

void kafka_target_done(kafka_target *target)
{
	free(target->topic);
	*target = (kafka_target) {0};
}

int kafka_target_find(const kafka_target *target, const char *name)
{
	if (!name || !*name)
		return 0;
	for (size_t i = 0; i < target->n_topics; i++)
		if (!strcmp(target->topic[i].name, name))
			return (int) i;
	return -1;
}

kd_code kafka_target_judge_ledger(const kafka_topic *ledger, const char *policy, kd_error *err)
{
	if (!*policy)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\" for the ledger: whether it is compacted may not "
			"be known; allow DescribeConfigs on it", ledger->name);
	if (strcmp(policy, "compact") != 0)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\" for the ledger: its cleanup.policy is \"%s\", "
			"which would forget positions; set it to compact", ledger->name, policy);
	if (ledger->partitions > 1)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\" for the ledger: it has %d partitions, not 1",
			ledger->name, ledger->partitions);
	return KD_OK;
}

/* A job that reads what it writes would never end. */
static kd_code refuse_sources(const kafka_target *target, const kd_config *config, kd_error *err)
{
	if (kd_config_string(config, "sink.brokers"))
		return KD_OK; /* take-over compares the clusters */
	for (size_t i = 0; i < kd_config_topic_count(config); i++) {
		const char *name = kd_config_topic(config, i);
		if (kafka_target_find(target, name) >= 0 || !strcmp(name, target->ledger.name))
			return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not write to topic \"%s\": the job reads it, and would read "
				"what it writes without end", name);
	}
	return KD_OK;
}

/* A topic that was just made may be unknown to the broker that is asked: it is asked again for a while. */
static kd_code count_partitions(kd_kafka *kafka, kafka_topic *topic, kd_error *err)
{
	int64_t end_ms = kafka_mono_ms() + KAFKA_ANSWER_MS;
	for (;;) {
		kd_error why = {0};
		kd_topic *found = NULL;
		size_t n = 0;
		kd_code code = kd_kafka_topics(kafka, &topic->name, 1, KAFKA_ANSWER_MS, &found, &n, &why);
		topic->partitions = !code && n ? found[0].partitions : 0;
		kd_topics_free(found, n);
		if (!code || kafka_mono_ms() >= end_ms) {
			if (code && err && !err->code)
				*err = why;
			return code;
		}
		kafka_pause(50);
	}
}

static kd_code look_at_rows(kafka_topic *topic, rd_kafka_t *rk, kd_kafka *kafka, kd_error *err)
{
	char policy[KAFKA_POLICY_SIZE];
	bool exists = false;
	kd_code code = kafka_admin_describe(rk, topic, policy, &exists, err);
	if (!code && !exists)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not write to topic \"%s\": there is none; make it first",
			topic->name);
	return code ? code : count_partitions(kafka, topic, err);
}

/* A broker learns of a new topic a moment after it was made. */
static kd_code make_ledger(kafka_topic *ledger, rd_kafka_t *rk, char policy[KAFKA_POLICY_SIZE], bool *ret_exists,
	kd_error *err)
{
	int64_t end_ms = kafka_mono_ms() + KAFKA_ANSWER_MS;
	kd_code code = kafka_admin_create_ledger(rk, ledger->name, err);
	while (!code && !*ret_exists && kafka_mono_ms() < end_ms) {
		kafka_pause(20);
		code = kafka_admin_describe(rk, ledger, policy, ret_exists, err);
	}
	if (!code && !*ret_exists)
		code = kd_error_set(err, KD_ESINK, KD_RETRY, "the ledger's topic \"%s\" was made and is not there yet", ledger->name);
	return code;
}

static kd_code look_at_ledger(kafka_target *target, rd_kafka_t *rk, kd_kafka *kafka, bool may_create, kd_error *err)
{
	char policy[KAFKA_POLICY_SIZE];
	bool exists = false;
	kd_code code = kafka_admin_describe(rk, &target->ledger, policy, &exists, err);
	if (!code && !exists && may_create)
		code = make_ledger(&target->ledger, rk, policy, &exists, err);
	if (code || !exists)
		return code;
	code = count_partitions(kafka, &target->ledger, err);
	return code ? code : kafka_target_judge_ledger(&target->ledger, policy, err);
}

kd_code kafka_target_look(kafka_target *target, const kd_config *config, const kafka_pairs *connection,
	kd_kafka *kafka, bool may_create, kd_error *err)
{
	rd_kafka_t *rk = NULL;
	kd_code code = refuse_sources(target, config, err);
	if (!code)
		code = kafka_admin_open(connection, &rk, err);
	for (size_t i = 0; !code && i < target->n_topics; i++)
		code = look_at_rows(&target->topic[i], rk, kafka, err);
	if (!code)
		code = look_at_ledger(target, rk, kafka, may_create, err);
	if (rk)
		rd_kafka_destroy(rk);
	return code;
}
