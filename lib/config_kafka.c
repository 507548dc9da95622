/* SPDX-License-Identifier: Apache-2.0 */
/* config_kafka: which librdkafka properties a job may set.  What would break the promise is refused with the reason;
 * everything else is tried on a scratch configuration, so that librdkafka itself says what it does not take. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "parse.h"

typedef struct refusal {
	const char *name;
	const char *allowed; /* the values that do no harm, separated by |; "" for none */
	const char *reason;
} refusal;

#define OWN_POSITIONS "a job's positions are kept in the sink's ledger, not in Kafka"
#define NO_GROUP "a job assigns its partitions itself and joins no group"

static const refusal refusals[] = {
	{"enable.auto.commit", "false", OWN_POSITIONS},
	{"auto.commit.enable", "false", OWN_POSITIONS},
	{"auto.commit.interval.ms", "", OWN_POSITIONS},
	{"enable.auto.offset.store", "false", OWN_POSITIONS},
	{"offset.store.method", "", OWN_POSITIONS},
	{"offset.store.path", "", OWN_POSITIONS},
	{"offset.store.sync.interval.ms", "", OWN_POSITIONS},
	{"auto.offset.reset", "error", "any other reset would pass over lost records in silence; see \"on_data_loss\""},
	{"enable.partition.eof", "true", "the end of a range is found by it where a range ends in transaction markers"},
	{"isolation.level", "read_committed|read_uncommitted", "it is \"read_committed\" or \"read_uncommitted\""},
	{"partition.assignment.strategy", "", NO_GROUP},
	{"group.instance.id", "", NO_GROUP},
	{"group.protocol", "", NO_GROUP},
	{"group.remote.assignor", "", NO_GROUP},
	{"check.crcs", "true", "a record that was damaged on its way would be stored"},
	{"allow.auto.create.topics", "false", "a misspelt topic would be created, empty"},
	{"api.version.request", "true", "without it librdkafka speaks a protocol that knows no transactions and no headers"},
	{"plugin.library.paths", "", "a plug-in could change what is delivered"},
	{"transactional.id", "", "a job reads without transactions; what the kafka sink writes with stands in sink.properties"},
};

#define FIRST_SAFE_RACK 0x020800ff /* earlier ones lose their place when they fetch from a follower (#4616, #4254) */

static bool is_allowed(const char *allowed, const char *value)
{
	size_t size = strlen(value);

	for (; *allowed; allowed += strcspn(allowed, "|"), allowed += *allowed == '|')
		if (size && strcspn(allowed, "|") == size && memcmp(allowed, value, size) == 0)
			return true;
	return false;
}

/* Why the property cannot be set to this value; NULL where it can. */
static const char *refused_because(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
		if (strcmp(refusals[i].name, name) == 0)
			return is_allowed(refusals[i].allowed, value) ? NULL : refusals[i].reason;
	if (strcmp(name, "client.rack") == 0 && rd_kafka_version() < FIRST_SAFE_RACK)
		return "librdkafka before 2.8 can lose its place when it fetches from a follower";
	if (strcmp(name, "group.id") == 0 && !*value)
		return "a group's name is not empty";
	return NULL;
}

/* The known property nearest to an unknown name, to be freed; NULL where none is near. */
static char *nearest_property(rd_kafka_conf_t *conf, const char *name)
{
	size_t n = 0, distance = kd_parse_slip(name) + 1;
	const char **dump = rd_kafka_conf_dump(conf, &n), *best = NULL;

	for (size_t i = 0; dump && i + 1 < n; i += 2) {
		size_t d = kd_parse_distance(name, dump[i], distance);
		if (d < distance) {
			distance = d;
			best = dump[i];
		}
	}
	if (kd_parse_distance(name, "bootstrap.servers", distance) < distance)
		best = "bootstrap.servers";
	char *found = best ? strdup(best) : NULL;
	if (dump)
		rd_kafka_conf_dump_free(dump, n);
	return found;
}

/* Lets librdkafka judge.  may_show: its message may repeat the value. */
static void try_property(kd_findings *findings, const kd_entry *entry, const kd_property *property, bool may_show)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[512] = "";
	rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property->name, property->value, why, sizeof why);

	if (result == RD_KAFKA_CONF_UNKNOWN) {
		char *near = nearest_property(conf, property->name);
		kd_findings_add(findings, entry->origin, entry->member.key,
			"\"kafka\": librdkafka %s has no property \"%s\"%s%s%s", rd_kafka_version_str(), property->name,
			near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		free(near);
	} else if (result != RD_KAFKA_CONF_OK) {
		kd_findings_add(findings, entry->origin, entry->member.value, "\"%s\" is refused by librdkafka%s%s", entry->key,
			may_show ? ": " : "", may_show ? why : "");
	}
	rd_kafka_conf_destroy(conf);
}

/* A scalar as the text that librdkafka wants, or NULL after a finding. */
static char *scalar_text(kd_findings *findings, const kd_entry *entry, bool *ret_expanded)
{
	const char *raw = entry->origin->text + entry->member.value;
	bool no_memory;
	json_t *json = kd_config_entry_json(entry, &no_memory);
	char *text = NULL;

	findings->no_memory |= no_memory;
	*ret_expanded = false;
	if (json_is_string(json)) {
		text = kd_config_expanded(findings, entry->origin, entry->member.value, entry->key, json_string_value(json),
			ret_expanded);
	} else if (json_is_number(json) || json_is_boolean(json)) {
		text = strndup(raw, entry->member.value_size);
		findings->no_memory |= !text;
	} else if (!no_memory) {
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"%s\" must be a string, a number, true or false", entry->key);
	}
	json_decref(json);
	return text;
}

/* Whether what the property holds may be shown to others. */
static bool is_public(const char *name)
{
	return !strstr(name, "password") && !strstr(name, "secret") && !strstr(name, ".pem") && !strstr(name, "oauth");
}

static bool keep(kd_config *config, kd_property property)
{
	kd_property *list = realloc(config->kafka, (config->n_kafka + 1) * sizeof *list);

	if (!list)
		return false;
	config->kafka = list;
	config->kafka[config->n_kafka++] = property;
	return true;
}

void kd_config_check_kafka(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	const char *dot = strchr(entry->key, '.');
	kd_property property = {0};
	bool expanded;

	if (!dot) {
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"kafka\" must be an object, such as {\"bootstrap.servers\": \"localhost:9092\"}");
		return;
	}
	property.value = scalar_text(findings, entry, &expanded);
	if (!property.value)
		return;
	property.name = strdup(dot + 1);
	if (!property.name || !keep(config, property)) {
		findings->no_memory = true;
		free(property.name);
		free(property.value);
		return;
	}
	const char *reason = refused_because(property.name, property.value);
	if (reason)
		kd_findings_add(findings, entry->origin, entry->member.key, "\"%s\" cannot be set%s: %s", entry->key,
			strlen(property.value) && !expanded ? " so" : "", reason);
	else
		try_property(findings, entry, &property, !expanded && is_public(property.name));
}

void kd_config_check_kafka_whole(const kd_config *config, kd_findings *findings)
{
	static const char *const sources[] = {"kafka", "kafka.bootstrap.servers", "kafka.metadata.broker.list",
		"kafka.test.mock.num.brokers"};
	bool has_map = false, has_source = false;

	for (size_t i = 0; i < config->n_entries; i++) {
		const kd_entry *entry = &config->entries[i];

		has_map |= entry->option && entry->option->type == KD_OPT_MAP;
		for (size_t j = 0; j < sizeof sources / sizeof sources[0]; j++)
			has_source |= !entry->is_parent && strcmp(entry->key, sources[j]) == 0;
	}
	if (has_map && !has_source)
		kd_findings_add_nowhere(findings, config->origins[0], "missing key \"kafka.bootstrap.servers\"");
}

bool kd_config_read_committed(const kd_config *config)
{
	for (size_t i = 0; i < kd_config_kafka_count(config); i++) {
		const char *name, *value;
		kd_config_kafka(config, i, &name, &value);
		if (!strcmp(name, "isolation.level"))
			return strcmp(value, "read_uncommitted") != 0;
	}
	return true;
}
