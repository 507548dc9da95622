// SPDX-License-Identifier: Apache-2.0
// kafka_properties: which librdkafka properties the sink's handles get.  The job's own kafka.* give the way to the
// cluster where the target is in the same one; sink.properties come on top; what the promise rests on comes last.
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

static size_t find(const kafka_pairs *pairs, const char *name)
{
	size_t i = 0;
	while (i < pairs->n && strcmp(pairs->name[i], name) != 0)
		i++;
	return i;
}

static bool grow(kafka_pairs *pairs)
{
	char **names = realloc(pairs->name, (pairs->n + 1) * sizeof *names);
	pairs->name = names ? names : pairs->name;
	char **values = names ? realloc(pairs->value, (pairs->n + 1) * sizeof *values) : NULL;
	pairs->value = values ? values : pairs->value;
	return values != NULL;
}

void kafka_pairs_set(kafka_pairs *pairs, const char *name, const char *value)
{
	size_t i = find(pairs, name);
	char *copy = strdup(value), *key = i == pairs->n ? strdup(name) : NULL;
	if (!copy || (i == pairs->n && (!key || !grow(pairs)))) {
		free(copy);
		free(key);
		pairs->no_memory = true;
		return;
	}
	if (i == pairs->n)
		pairs->name[pairs->n++] = key;
	else
		free(pairs->value[i]);
	pairs->value[i] = copy;
}

const char *kafka_pairs_get(const kafka_pairs *pairs, const char *name)
{
	size_t i = find(pairs, name);
	return i < pairs->n ? pairs->value[i] : NULL;
}

void kafka_pairs_done(kafka_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++) {
		free(pairs->name[i]);
		free(pairs->value[i]);
	}
	free(pairs->name);
	free(pairs->value);
	*pairs = (kafka_pairs) {0};
}

/* ---- which ones may be set ---- */

typedef struct refusal {
	const char *name;
	const char *allowed; /* NULL: no value */
	const char *reason;
} refusal;

#define BY_LIBRARY "the sink sets it itself"

static const refusal refusals[] = {
	{"transactional.id", NULL, "it is made of sink.ledger_topic and the job: by it a newer start fences an older one"},
	{"enable.idempotence", "true", "without it a repeated request would store records twice"},
	{"acks", "all", "a record that one broker alone has may be lost with it"},
	{"request.required.acks", "all", "a record that one broker alone has may be lost with it"},
	{"api.version.request", "true", "without it librdkafka speaks a protocol that knows no transactions"},
	{"partitioner", NULL, "sink.partitioner chooses it"},
	{"bootstrap.servers", NULL, "sink.brokers names them"},
	{"metadata.broker.list", NULL, "sink.brokers names them"},
	{"queuing.strategy", "fifo", "any other would change the order of records"},
	{"delivery.report.only.error", "false", "every record's delivery is counted before a commit"},
	{"plugin.library.paths", NULL, "a plug-in could change what is written"},
	{"isolation.level", "read_committed", "the ledger is read by it"},
	{"log.queue", NULL, BY_LIBRARY},
	{"enabled_events", NULL, BY_LIBRARY},
};

static const char *refused_because(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (!strcmp(refusals[i].name, name))
			return refusals[i].allowed && !strcmp(refusals[i].allowed, value) ? NULL : refusals[i].reason;
	return NULL;
}

/* "name=value" in two; false without a "=". */
static bool split(const char *text, char **ret_name, const char **ret_value)
{
	const char *equals = strchr(text, '=');
	*ret_name = equals ? strndup(text, (size_t) (equals - text)) : NULL;
	*ret_value = equals ? equals + 1 : NULL;
	return equals != NULL;
}

/* librdkafka's own words may repeat a value, which may be a secret: only the name is told. */
static kd_code judge(const char *name, const char *value, kd_error *err)
{
	const char *reason = refused_because(name, value);
	if (reason)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set \"%s\" in sink.properties: %s", name, reason);
	char text[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, name, value, text, sizeof text);
	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_OK)
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set \"%s\" in sink.properties: librdkafka %s %s", name,
		rd_kafka_version_str(), result == RD_KAFKA_CONF_UNKNOWN ? "has no such property" : "does not take this value");
}

kd_code kafka_properties_check(const kd_config *config, kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t i = 0; !code && i < kd_config_strings_count(config, "sink.properties"); i++) {
		char *name;
		const char *value;
		if (!split(kd_config_strings_at(config, "sink.properties", i), &name, &value))
			return kd_error_set(err, KD_ECONFIG, KD_STOP,
				"could not read entry %zu of sink.properties: it must be \"name=value\"", i + 1);
		code = name ? judge(name, value, err) : kafka_no_memory(err);
		free(name);
	}
	return code;
}

/* ---- what each handle gets ---- */

/* Of kafka.*: what leads to a cluster, and nothing of how a consumer reads. */
static bool is_connection(const char *name)
{
	static const char *const beginnings[] = {"bootstrap.servers", "metadata.broker.list", "security.", "sasl.", "ssl.",
		"enable.sasl.", "enable.ssl.", "https.", "client.id", "client.dns.lookup", "client.software.", "socket.",
		"broker.address.", "broker.version.", "connections.", "reconnect.", "retry.backoff.", "api.version.", "debug",
		"topic.metadata.", "metadata.", "message.max.bytes", "receive.message.max.bytes", "log_level", "resolve_"};
	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
		if (!strncmp(name, beginnings[i], strlen(beginnings[i])))
			return true;
	return false;
}

static void add_job(kafka_pairs *pairs, const kd_config *config)
{
	for (size_t i = 0; i < kd_config_kafka_count(config); i++) {
		const char *name, *value;
		kd_config_kafka(config, i, &name, &value);
		if (is_connection(name))
			kafka_pairs_set(pairs, name, value);
	}
}

static void add_own(kafka_pairs *pairs, const kd_config *config, bool connection_only)
{
	for (size_t i = 0; i < kd_config_strings_count(config, "sink.properties"); i++) {
		char *name;
		const char *value;
		if (!split(kd_config_strings_at(config, "sink.properties", i), &name, &value) || !name)
			pairs->no_memory = true;
		else if (!connection_only || is_connection(name))
			kafka_pairs_set(pairs, name, value);
		free(name);
	}
}

static void add_cluster(kafka_pairs *pairs, const kd_config *config)
{
	const char *brokers = kd_config_string(config, "sink.brokers");
	if (brokers)
		kafka_pairs_set(pairs, "bootstrap.servers", brokers);
	else
		add_job(pairs, config);
}

static kd_code ended(kafka_pairs *pairs, kd_error *err)
{
	if (!pairs->no_memory)
		return KD_OK;
	kafka_pairs_done(pairs);
	return kafka_no_memory(err);
}

kd_code kafka_properties_connection(const kd_config *config, kafka_pairs *ret_pairs, kd_error *err)
{
	*ret_pairs = (kafka_pairs) {0};
	add_cluster(ret_pairs, config);
	add_own(ret_pairs, config, true);
	kafka_pairs_set(ret_pairs, "isolation.level", "read_committed");
	return ended(ret_pairs, err);
}

kd_code kafka_properties_producer(const kd_config *config, const char *transactional_id, kafka_pairs *ret_pairs,
	kd_error *err)
{
	*ret_pairs = (kafka_pairs) {0};
	kafka_pairs_set(ret_pairs, "socket.nagle.disable", "true");
	kafka_pairs_set(ret_pairs, "reconnect.backoff.max.ms", "2000");
	kafka_pairs_set(ret_pairs, "transaction.timeout.ms", "60000");
	add_cluster(ret_pairs, config);
	add_own(ret_pairs, config, false);
	kafka_pairs_set(ret_pairs, "transactional.id", transactional_id);
	kafka_pairs_set(ret_pairs, "enable.idempotence", "true");
	kafka_pairs_set(ret_pairs, "acks", "all");
	kafka_pairs_set(ret_pairs, "partitioner", "murmur2_random"); /* as Java's clients, so that keys meet */
	kafka_pairs_set(ret_pairs, "log.queue", "true");
	return ended(ret_pairs, err);
}

rd_kafka_conf_t *kafka_properties_conf(const kafka_pairs *pairs, kd_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];
	for (size_t i = 0; i < pairs->n; i++) {
		if (!strcmp(pairs->name[i], "isolation.level"))
			continue; /* a producer has none */
		if (rd_kafka_conf_set(conf, pairs->name[i], pairs->value[i], text, sizeof text) == RD_KAFKA_CONF_OK)
			continue;
		kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set \"%s\" for the sink's producer: librdkafka %s refuses it",
			pairs->name[i], rd_kafka_version_str());
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	return conf;
}
