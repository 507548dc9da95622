/* SPDX-License-Identifier: Apache-2.0 */
/* config_topics: the list of topics, and what Kafka takes for a name. */
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

/* Far beyond what one job can serve; it bounds the search for names listed twice. */
#define MAX_TOPICS 10000

/* Kafka's own rule (org.apache.kafka.common.internals.Topic). */
static const char *name_fault(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = strlen(name);

	if (name[0] == '^')
		return "topic patterns are not supported yet: list the topics by name";
	if (size == 0)
		return "a topic's name is not empty";
	if (size > 249)
		return "a topic's name has at most 249 characters";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "Kafka allows no topic of this name";
	if (name[strspn(name, letters)])
		return "a topic's name has only the characters a-z A-Z 0-9 . _ -";
	return NULL;
}

static bool is_listed(const kd_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_topics; i++)
		if (strcmp(config->topics[i], name) == 0)
			return true;
	return false;
}

/* Judges one name and keeps it. */
static void add_topic(kd_config *config, kd_findings *findings, const kd_origin *origin, size_t at, const char *text)
{
	bool expanded;
	char *name = kd_config_expanded(findings, origin, at, "topics", text, &expanded);

	if (!name)
		return;
	const char *fault = name_fault(name);
	if (!fault && is_listed(config, name))
		fault = "the topic is listed twice";
	char **topics = fault ? NULL : realloc(config->topics, (config->n_topics + 1) * sizeof *topics);
	if (topics) {
		config->topics = topics;
		config->topics[config->n_topics++] = name;
		return;
	}
	if (fault)
		kd_findings_add(findings, origin, at, "\"topics\": \"%s\": %s", expanded ? text : name, fault);
	else
		findings->no_memory = true;
	free(name);
}

static void add_array(kd_config *config, kd_findings *findings, const kd_entry *entry, const json_t *array)
{
	const kd_origin *origin = entry->origin;
	size_t at = entry->member.value, i = 0;
	kd_json_member member;

	if (json_array_size(array) > MAX_TOPICS) {
		kd_findings_add(findings, origin, at, "\"topics\" has more than %d elements", MAX_TOPICS);
		return;
	}
	while (kd_json_next(origin->text, origin->size, &at, &member)) {
		const json_t *element = json_array_get(array, i++);

		if (json_is_string(element))
			add_topic(config, findings, origin, member.value, json_string_value(element));
		else
			kd_findings_add(findings, origin, member.value, "\"topics\" must hold strings only");
	}
	if (i == 0)
		kd_findings_add(findings, origin, entry->member.value, "\"topics\" must name at least one topic");
}

/* a,b on a command line */
static void add_list(kd_config *config, kd_findings *findings, const kd_entry *entry, const char *list)
{
	char *copy = strdup(list), *rest = copy, *name;

	if (!copy)
		findings->no_memory = true;
	while (rest && (name = strsep(&rest, ",")))
		add_topic(config, findings, entry->origin, entry->member.value, name);
	free(copy);
}

void kd_config_check_topics(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	json_t *json = kd_config_entry_json(entry);

	if (json_is_array(json))
		add_array(config, findings, entry, json);
	else if (json_is_string(json) && entry->origin->is_override)
		add_list(config, findings, entry, json_string_value(json));
	else
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"topics\" must be an array of strings, such as [\"orders\"]");
	json_decref(json);
}
