/* SPDX-License-Identifier: Apache-2.0 */
/* config_strings: options that are arrays of strings. */
#include <stdlib.h>
#include <string.h>

#include "config_private.h"

/* Far beyond what one job can use; it bounds the search for what is listed twice. */
#define MAX_STRINGS 10000

bool kd_setting_add(kd_setting *setting, char *take_item)
{
	char **items = take_item ? realloc(setting->items, (setting->n_items + 1) * sizeof *items) : NULL;

	if (!items) {
		free(take_item);
		return false;
	}
	setting->items = items;
	items[setting->n_items++] = take_item;
	return true;
}

bool kd_setting_add_list(kd_setting *setting, const char *list)
{
	bool ok = true;

	for (size_t size; ok && *list; list += size + (list[size] == ',')) {
		size = strcspn(list, ",");
		ok = kd_setting_add(setting, strndup(list, size));
	}
	return ok;
}

void kd_setting_done(kd_setting *setting)
{
	for (size_t i = 0; i < setting->n_items; i++)
		free(setting->items[i]);
	free(setting->items);
	free(setting->text);
	*setting = (kd_setting){0};
}

static int each_of_array(kd_config *config, kd_findings *findings, const kd_entry *entry, const json_t *array,
	kd_string_fn *fn)
{
	const kd_origin *origin = entry->origin;
	size_t at = entry->member.value;
	kd_json_member member;
	int n = 0;

	if (json_array_size(array) > MAX_STRINGS) {
		kd_findings_add(findings, origin, at, "\"%s\" has more than %d elements", entry->key, MAX_STRINGS);
		return (int) json_array_size(array);
	}
	for (; kd_json_next(origin->text, origin->size, &at, &member); n++) {
		const json_t *element = json_array_get(array, (size_t) n);

		if (json_is_string(element))
			fn(config, findings, entry, member.value, json_string_value(element));
		else
			kd_findings_add(findings, origin, member.value, "\"%s\" must hold strings only", entry->key);
	}
	return n;
}

/* a,b on a command line */
static int each_of_list(kd_config *config, kd_findings *findings, const kd_entry *entry, const char *list,
	kd_string_fn *fn)
{
	char *copy = strdup(list), *rest = copy, *item;
	int n = 0;

	if (!copy)
		findings->no_memory = true;
	for (; rest && (item = strsep(&rest, ",")); n++)
		fn(config, findings, entry, entry->member.value, item);
	free(copy);
	return n;
}

int kd_config_each_string(kd_config *config, kd_findings *findings, const kd_entry *entry, kd_string_fn *fn)
{
	bool no_memory;
	json_t *json = kd_config_entry_json(entry, &no_memory);
	int n = -1;

	findings->no_memory |= no_memory;
	if (json_is_array(json))
		n = each_of_array(config, findings, entry, json, fn);
	else if (json_is_string(json) && entry->origin->is_override)
		n = each_of_list(config, findings, entry, json_string_value(json), fn);
	json_decref(json);
	return n;
}

/* What no type can say: the engine's lists name things, and each of them once. */
static const char *fault_of(const kd_setting *setting, const char *key, const char *item)
{
	if (strcmp(key, "plugins") != 0 && strcmp(key, "sink.tables") != 0)
		return NULL;
	if (!*item)
		return "a name is not empty";
	for (size_t i = 0; i < setting->n_items; i++)
		if (strcmp(setting->items[i], item) == 0)
			return "it is listed twice";
	return NULL;
}

static void add_string(kd_config *config, kd_findings *findings, const kd_entry *entry, size_t at, const char *text)
{
	size_t i = 0;
	bool expanded;
	char *item = kd_config_expanded(findings, entry->origin, at, entry->key, text, &expanded);

	kd_config_find(config, entry->key, &i);
	const char *fault = item ? fault_of(&config->values[i], entry->key, item) : NULL;
	if (fault) {
		kd_findings_add(findings, entry->origin, at, "\"%s\": \"%s\": %s", entry->key, text, fault);
		free(item);
	} else if (item && !kd_setting_add(&config->values[i], item)) {
		findings->no_memory = true;
	}
}

void kd_config_check_strings(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	size_t i = 0;

	kd_config_find(config, entry->key, &i);
	kd_setting_done(&config->values[i]); /* the default */
	config->values[i].given = true;
	if (kd_config_each_string(config, findings, entry, add_string) < 0 && !findings->no_memory)
		kd_findings_add(findings, entry->origin, entry->member.value, "\"%s\" must be an array of strings, such as "
			"[\"a\", \"b\"]", entry->key);
}
