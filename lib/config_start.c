/* SPDX-License-Identifier: Apache-2.0 */
/* config_start: where a job starts in a topic that it sees for the first time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config_private.h"
#include "parse.h"

#define ENOUGH_FINDINGS 100

#define SHAPES \
	"\"latest\", \"earliest\", {\"timestamp\": \"2026-01-01T00:00:00Z\"} or {\"TOPIC\": {\"PARTITION\": OFFSET}}"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int kd_config_compare_start(const void *left, const void *right)
{
	const kd_start_offset *a = left, *b = right;
	int topics = strcmp(a->topic, b->topic);

	if (topics)
		return topics;
	return a->partition < b->partition ? -1 : a->partition > b->partition;
}

static const char *listed_topic(const kd_config *config, const char *name)
{
	const kd_setting *topics = kd_config_topics(config);

	for (size_t i = 0; i < topics->n_items; i++)
		if (strcmp(topics->items[i], name) == 0)
			return topics->items[i];
	return NULL;
}

static void set_word(kd_config *config, kd_findings *findings, const kd_entry *entry, const char *text)
{
	bool expanded;
	char *word = kd_config_expanded(findings, entry->origin, entry->member.value, "start", text, &expanded);

	if (!word)
		return;
	config->start = strcmp(word, "earliest") == 0 ? KD_START_EARLIEST : KD_START_LATEST;
	if (config->start == KD_START_LATEST && strcmp(word, "latest") != 0)
		kd_findings_add(findings, entry->origin, entry->member.value, "\"start\" must be " SHAPES);
	free(word);
}

/* {"timestamp": text} */
static void set_timestamp(kd_config *config, kd_findings *findings, const kd_entry *entry, const char *text)
{
	const kd_origin *origin = entry->origin;
	size_t at = entry->member.value;
	kd_json_member member = {.value = at};
	bool expanded;

	if (kd_json_next(origin->text, origin->size, &at, &member))
		at = member.value;
	char *time = kd_config_expanded(findings, origin, at, "start", text, &expanded);
	if (!time)
		return;
	config->start = KD_START_TIMESTAMP;
	if (!kd_parse_time(time, now_ms(), &config->start_timestamp_ms) || config->start_timestamp_ms < 0)
		kd_findings_add(findings, origin, at, "\"start\": the timestamp must be a time such as "
			"\"2026-01-01T00:00:00Z\", or relative to now such as \"-1h\"");
	free(time);
}

static bool add_offset(kd_config *config, const char *topic, int32_t partition, int64_t offset)
{
	/* Doubles at each power of two. */
	if ((config->n_start_offsets & (config->n_start_offsets - 1)) == 0) {
		size_t capacity = config->n_start_offsets ? 2 * config->n_start_offsets : 1;
		kd_start_offset *list = realloc(config->start_offsets, capacity * sizeof *list);
		if (!list)
			return false;
		config->start_offsets = list;
	}
	config->start_offsets[config->n_start_offsets++] =
		(kd_start_offset){.topic = topic, .partition = partition, .offset = offset};
	return true;
}

/* {"0": 42, "1": 7} of one topic. */
static void add_partitions(kd_config *config, kd_findings *findings, const kd_origin *origin, size_t at,
	const char *topic)
{
	kd_json_member member;
	size_t found = findings->n;

	while (findings->n - found < ENOUGH_FINDINGS && kd_json_next(origin->text, origin->size, &at, &member)) {
		char *name = kd_config_key_text(origin, member);
		bool no_memory;
		json_t *value = kd_json_load(origin->text + member.value, member.value_size, JSON_DECODE_ANY, NULL, &no_memory);
		int64_t partition = 0, offset = json_integer_value(value);

		if (!name || !value)
			findings->no_memory = true;
		else if (!kd_parse_int(name, &partition) || partition < 0 || partition > INT32_MAX ||
			 (name[0] == '0' && name[1]))
			kd_findings_add(findings, origin, member.key, "\"start\": \"%s\" is not a partition's number", name);
		else if (!json_is_integer(value) || offset < 0)
			kd_findings_add(findings, origin, member.value,
				"\"start\": the offset of %s/%s must be a whole number from 0", topic, name);
		else if (!add_offset(config, topic, (int32_t) partition, offset))
			findings->no_memory = true;
		json_decref(value);
		free(name);
	}
}

static void add_topic(kd_config *config, kd_findings *findings, const kd_origin *origin, kd_json_member member)
{
	char *name = kd_config_key_text(origin, member);
	const char *topic = name ? listed_topic(config, name) : NULL;

	if (!name)
		findings->no_memory = true;
	else if (!topic && name[0] != '_')
		kd_findings_add(findings, origin, member.key, "\"start\": \"%s\" is none of the topics of this job", name);
	else if (topic && origin->text[member.value] != '{')
		kd_findings_add(findings, origin, member.value, "\"start\": the offsets of \"%s\" must be an object, such as "
			"{\"0\": 42, \"1\": 7}", name);
	else if (topic)
		add_partitions(config, findings, origin, member.value, topic);
	free(name);
}

/* Every topic is named, and each of its partitions once. */
static void check_offsets(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	kd_start_offset *list = config->start_offsets;
	const kd_setting *topics = kd_config_topics(config);

	if (config->n_start_offsets)
		qsort(list, config->n_start_offsets, sizeof *list, kd_config_compare_start);
	for (size_t i = 1; i < config->n_start_offsets; i++)
		if (kd_config_compare_start(&list[i - 1], &list[i]) == 0)
			kd_findings_add(findings, entry->origin, entry->member.value, "\"start\": %s/%d is named twice",
				list[i].topic, (int) list[i].partition);
	for (size_t i = 0; i < topics->n_items; i++) {
		bool named = false;
		for (size_t j = 0; !named && j < config->n_start_offsets; j++)
			named = list[j].topic == topics->items[i];
		if (!named)
			kd_findings_add(findings, entry->origin, entry->member.value,
				"\"start\" names no offsets for the topic \"%s\"", topics->items[i]);
	}
}

/* How many members the object at `at` has in the text; jansson keeps only the last of a name. */
static size_t count_members(const kd_origin *origin, size_t at)
{
	kd_json_member member;
	size_t n = 0;

	while (kd_json_next(origin->text, origin->size, &at, &member))
		n++;
	return n;
}

static void set_offsets(kd_config *config, kd_findings *findings, const kd_entry *entry, const json_t *object)
{
	const kd_origin *origin = entry->origin;
	size_t at = entry->member.value, found = findings->n;
	kd_json_member member;

	config->start = KD_START_OFFSETS;
	if (count_members(origin, at) != json_object_size(object)) {
		kd_findings_add(findings, origin, at, "\"start\" names a topic twice");
		return;
	}
	while (findings->n - found < ENOUGH_FINDINGS && kd_json_next(origin->text, origin->size, &at, &member))
		add_topic(config, findings, origin, member);
	if (findings->n == found)
		check_offsets(config, findings, entry);
}

void kd_config_check_start(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	bool no_memory;
	json_t *json = kd_config_entry_json(entry, &no_memory);
	const json_t *timestamp = json_object_get(json, "timestamp");

	findings->no_memory |= no_memory;
	if (json_is_string(json))
		set_word(config, findings, entry, json_string_value(json));
	else if (json_is_string(timestamp) && json_object_size(json) == 1)
		set_timestamp(config, findings, entry, json_string_value(timestamp));
	else if (json_is_object(json))
		set_offsets(config, findings, entry, json);
	else if (!no_memory)
		kd_findings_add(findings, entry->origin, entry->member.value, "\"start\" must be " SHAPES);
	json_decref(json);
}
