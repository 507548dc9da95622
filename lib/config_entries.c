/* SPDX-License-Identifier: Apache-2.0 */
/* config_entries: splits JSON text into one entry for each dotted key, with its place.  Judges nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_private.h"
#include "kdirect/json.h"

/* Nobody writes that many; it bounds the search for repeated keys. */
#define MAX_ENTRIES 4096

const kd_option *kd_config_option(const kd_config *config, size_t i)
{
	size_t n;
	const kd_option *own = kd_config_options(&n);

	if (i < n)
		return &own[i];
	return i - n < config->n_more ? &config->more[i - n] : NULL;
}

/* Whether `key` is `group`, a dot, and something behind it. */
static bool is_below(const char *key, const char *group)
{
	size_t size = strlen(group);

	return strncmp(key, group, size) == 0 && key[size] == '.';
}

const kd_option *kd_config_find(const kd_config *config, const char *key, size_t *ret_i)
{
	const kd_option *option;

	for (size_t i = 0; (option = kd_config_option(config, i)); i++)
		if (strcmp(key, option->key) == 0 || (option->type == KD_OPT_MAP && is_below(key, option->key))) {
			if (ret_i)
				*ret_i = i;
			return option;
		}
	return NULL;
}

bool kd_config_is_parent(const kd_config *config, const char *key)
{
	const kd_option *option;

	for (size_t i = 0; (option = kd_config_option(config, i)); i++)
		if (is_below(option->key, key) || (option->type == KD_OPT_MAP && strcmp(option->key, key) == 0))
			return true;
	return false;
}

char *kd_config_key_text(const kd_origin *origin, kd_json_member member)
{
	bool no_memory;
	json_t *json = kd_json_load(origin->text + member.key, member.key_size, JSON_DECODE_ANY, NULL, &no_memory);
	char *text = json ? strdup(json_string_value(json)) : NULL;

	json_decref(json);
	return text;
}

json_t *kd_config_entry_json(const kd_entry *entry, bool *ret_no_memory)
{
	const char *text = entry->origin->text + entry->member.value;
	size_t size = entry->member.value_size;
	json_t *json = kd_json_load(text, size, JSON_DECODE_ANY, NULL, ret_no_memory);

	if (!entry->origin->is_override || *ret_no_memory)
		return json;
	/* On a command line 500 may be a name, and "earliest" comes without its quotes. */
	kd_option_type type = entry->option ? entry->option->type : KD_OPT_STRING;
	bool wants_text = type == KD_OPT_STRING || type == KD_OPT_ENUM || type == KD_OPT_MAP;
	if (!json || (wants_text && !json_is_string(json))) {
		json_decref(json);
		json = json_stringn(text, size);
		*ret_no_memory = !json && kd_utf8_is_text(text, size, NULL);
	}
	return json;
}

bool kd_config_add_entry(kd_config *config, char *take_key, const kd_origin *origin, kd_json_member member,
	bool is_parent)
{
	kd_entry entry = {.key = take_key, .origin = origin, .member = member, .is_parent = is_parent};

	if (config->n_entries == config->capacity_entries) {
		size_t capacity = config->capacity_entries ? 2 * config->capacity_entries : 32;
		kd_entry *entries = realloc(config->entries, capacity * sizeof *entries);
		if (!entries) {
			free(take_key);
			return false;
		}
		config->entries = entries;
		config->capacity_entries = capacity;
	}
	entry.option = kd_config_find(config, take_key, NULL);
	for (size_t i = 0; i < config->n_entries; i++) {
		kd_entry *earlier = &config->entries[i];

		if (strcmp(earlier->key, take_key) != 0 || (origin->is_override && is_parent))
			continue;
		if (origin->is_default) {
			free(take_key);
			return true;
		}
		if (origin->is_override || earlier->origin->is_default) {
			free(earlier->key);
			*earlier = entry;
			return true;
		}
		entry.is_repeat = true;
	}
	config->entries[config->n_entries++] = entry;
	return true;
}

static kd_code no_memory(const kd_origin *origin, kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read \"%s\": no memory", origin->name);
}

/* One member, and what is in it where it is a group of options. */
static kd_code split_member(kd_config *config, const kd_origin *origin, kd_json_member member, const char *key,
	kd_error *err)
{
	bool is_parent = origin->text[member.value] == '{' && kd_config_is_parent(config, key);
	char *copy = strdup(key), *prefix = NULL;

	if (config->n_entries >= MAX_ENTRIES) {
		free(copy);
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": more than %d keys", origin->name,
			MAX_ENTRIES);
	}
	if (!copy || !kd_config_add_entry(config, copy, origin, member, is_parent))
		return no_memory(origin, err);
	if (!is_parent)
		return KD_OK;
	if (asprintf(&prefix, "%s.", key) < 0)
		return no_memory(origin, err);
	kd_code code = kd_config_split(config, origin, member.value, prefix, err);
	free(prefix);
	return code;
}

kd_code kd_config_split(kd_config *config, const kd_origin *origin, size_t at, const char *prefix, kd_error *err)
{
	kd_json_member member;
	kd_code code = KD_OK;

	while (!code && kd_json_next(origin->text, origin->size, &at, &member)) {
		char *name = kd_config_key_text(origin, member), *key = NULL;

		if (!name || asprintf(&key, "%s%s", prefix, name) < 0)
			code = no_memory(origin, err);
		else if (name[0] != '_') /* else: a comment */
			code = split_member(config, origin, member, key, err);
		free(name);
		free(key);
	}
	return code;
}
