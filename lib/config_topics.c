/* SPDX-License-Identifier: Apache-2.0 */
/* config_topics: the list of topics, and what Kafka takes for a name. */
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

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

kd_setting *kd_config_topics(const kd_config *config)
{
	size_t i = 0;

	kd_config_find(config, "topics", &i);
	return &config->values[i];
}

static bool is_listed(const kd_setting *topics, const char *name)
{
	for (size_t i = 0; i < topics->n_items; i++)
		if (strcmp(topics->items[i], name) == 0)
			return true;
	return false;
}

/* Judges one name and keeps it. */
static void add_topic(kd_config *config, kd_findings *findings, const kd_entry *entry, size_t at, const char *text)
{
	bool expanded;
	char *name = kd_config_expanded(findings, entry->origin, at, "topics", text, &expanded);

	if (!name)
		return;
	const char *fault = name_fault(name);
	if (!fault && is_listed(kd_config_topics(config), name))
		fault = "the topic is listed twice";
	if (fault) {
		kd_findings_add(findings, entry->origin, at, "\"topics\": \"%s\": %s", expanded ? text : name, fault);
		free(name);
	} else if (!kd_setting_add(kd_config_topics(config), name)) {
		findings->no_memory = true;
	}
}

void kd_config_check_topics(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	int n = kd_config_each_string(config, findings, entry, add_topic);

	kd_config_topics(config)->given = true;
	if (n < 0 && findings->no_memory)
		return;
	if (n < 0)
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"topics\" must be an array of strings, such as [\"orders\"]");
	else if (n == 0)
		kd_findings_add(findings, entry->origin, entry->member.value, "\"topics\" must name at least one topic");
}
