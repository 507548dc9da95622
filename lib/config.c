/* SPDX-License-Identifier: Apache-2.0 */
/* config: a configuration's life: made, parsed, overridden, asked.  Judging it is config_check.c's. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_private.h"

#define MAX_TEXT_BYTES ((size_t) 16 << 20)

static size_t count_options(const kd_config *config)
{
	size_t n;

	kd_config_options(&n);
	return n + config->n_more;
}

/* All tables in one array, so that an option has one number. */
static bool join_tables(kd_config *config, const kd_options *tables, size_t n)
{
	size_t total = 0;

	config->n_tables = n;
	for (size_t i = 0; i < n; i++)
		total += tables[i].n;
	config->more = calloc(total ? total : 1, sizeof *config->more);
	for (size_t i = 0; config->more && i < n; i++)
		for (size_t k = 0; k < tables[i].n; k++) {
			assert(tables[i].items[k].type != KD_OPT_START && tables[i].items[k].type != KD_OPT_MAP);
			config->more[config->n_more++] = tables[i].items[k];
		}
	return config->more != NULL;
}

kd_config *kd_config_new(const kd_options *tables, size_t n)
{
	kd_config *config = calloc(1, sizeof *config);

	if (!config)
		return NULL;
	if (join_tables(config, tables, n))
		config->values = calloc(count_options(config), sizeof *config->values);
	if (!config->values) {
		kd_config_free(config);
		return NULL;
	}
	return config;
}

void kd_config_forget(kd_config *config)
{
	for (size_t i = 0; config->values && i < count_options(config); i++)
		kd_setting_done(&config->values[i]);
	for (size_t i = 0; i < config->n_kafka; i++) {
		free(config->kafka[i].name);
		free(config->kafka[i].value);
	}
	free(config->kafka);
	free(config->start_offsets);
	config->kafka = NULL;
	config->start_offsets = NULL;
	config->n_kafka = config->n_start_offsets = 0;
	config->start = KD_START_LATEST;
	config->start_timestamp_ms = 0;
	config->checked = false;
}

void kd_config_free(kd_config *config)
{
	if (!config)
		return;
	kd_config_forget(config);
	for (size_t i = 0; i < config->n_entries; i++)
		free(config->entries[i].key);
	for (size_t i = 0; i < config->n_origins; i++) {
		free(config->origins[i]->name);
		free(config->origins[i]->text);
		free(config->origins[i]);
	}
	free(config->entries);
	free(config->origins);
	free(config->values);
	free(config->more);
	free(config->peeked);
	free(config);
}

/* Keeps a copy of the text; NULL without memory. */
static kd_origin *add_origin(kd_config *config, const char *name, const char *text, size_t size)
{
	kd_origin **origins = realloc(config->origins, (config->n_origins + 1) * sizeof *origins);
	kd_origin *origin = calloc(1, sizeof *origin);

	if (origins)
		config->origins = origins;
	if (origin) {
		origin->name = strdup(name);
		origin->text = malloc(size + 1);
		origin->size = size;
	}
	if (!origins || !origin || !origin->name || !origin->text) {
		if (origin) {
			free(origin->name);
			free(origin->text);
		}
		free(origin);
		return NULL;
	}
	memcpy(origin->text, text, size);
	origin->text[size] = 0;
	return config->origins[config->n_origins++] = origin;
}

/* Reports where jansson stopped.  The text that it quotes is left out: it may be part of a password. */
static kd_code report_syntax(const kd_origin *origin, const json_error_t *json_err, kd_diagnostic_fn *report,
	void *opaque, kd_error *err)
{
	kd_json_place place = KD_JSON_START;
	char message[JSON_ERROR_TEXT_LENGTH + 32];
	const char *quoted = strstr(json_err->text, " near '");
	size_t at = json_err->position > 0 ? (size_t) json_err->position - 1 : 0;

	snprintf(message, sizeof message, "%s", json_err->text);
	if (quoted) {
		size_t token = strlen(quoted) - strlen(" near ''");

		message[quoted - json_err->text] = 0;
		if (token > 0 && token <= at + 1)
			at = at + 1 - token;
	}
	kd_json_advance(origin->text, origin->size, &place, at);
	if (report)
		report(opaque, &(kd_diagnostic){.file = origin->name, .line = place.line, .column = place.column,
			.message = message});
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": line %d, column %d: %s", origin->name,
		place.line, place.column, message);
}

/* Splits a whole text into entries. */
static kd_code parse(kd_config *config, const char *text, size_t size, const char *name, bool is_default,
	kd_diagnostic_fn *report, void *opaque, kd_error *err)
{
	json_error_t json_err;

	if (size > MAX_TEXT_BYTES)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": more than 16 MB", name);
	kd_origin *origin = add_origin(config, name, text, size);
	if (!origin)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read \"%s\": no memory", name);
	origin->is_default = is_default;
	if (!is_default)
		config->file = origin;
	bool no_memory;
	json_t *root = kd_json_load(origin->text, size, 0, &json_err, &no_memory);
	if (no_memory)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read \"%s\": no memory", name);
	if (!root)
		return report_syntax(origin, &json_err, report, opaque, err);
	bool is_object = json_is_object(root);
	json_decref(root);
	if (!is_object) {
		snprintf(json_err.text, sizeof json_err.text, "a job is an object: { ... }");
		json_err.position = 1;
		return report_syntax(origin, &json_err, report, opaque, err);
	}
	return kd_config_split(config, origin, 0, "", err);
}

kd_code kd_config_parse(kd_config *config, const char *text, size_t size, const char *name, kd_diagnostic_fn *report,
	void *opaque, kd_error *err)
{
	assert(!config->file);
	return parse(config, text, size, name, false, report, opaque, err);
}

kd_code kd_config_defaults(kd_config *config, const char *text, size_t size, const char *name, kd_diagnostic_fn *report,
	void *opaque, kd_error *err)
{
	return parse(config, text, size, name, true, report, opaque, err);
}

kd_code kd_config_load(kd_config *config, const char *path, kd_diagnostic_fn *report, void *opaque, kd_error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "<stdin>" : path;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	kd_buf text = {0};
	int failed = fd < 0 ? errno : kd_config_read(fd, MAX_TEXT_BYTES, &text);
	kd_code code;

	if (fd >= 0 && !is_stdin)
		close(fd);
	if (failed)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": %s", name,
			failed == EFBIG ? "more than 16 MB" : strerror(failed));
	else
		code = kd_config_parse(config, text.size ? text.data : "", text.size, name, report, opaque, err);
	kd_buf_done(&text);
	return code;
}

bool kd_config_has_text(kd_config *config)
{
	if (!config->file)
		config->file = add_origin(config, "--set", "", 0);
	return config->file != NULL;
}

kd_code kd_config_set(kd_config *config, const char *key, const char *value, kd_error *err)
{
	kd_origin *origin = kd_config_has_text(config) ? add_origin(config, "--set", value, strlen(value)) : NULL;
	kd_code code = KD_OK;

	if (!origin)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set \"%s\": no memory", key);
	origin->is_override = true;
	size_t first = kd_json_skip_space(origin->text, origin->size, 0);
	bool no_memory;
	json_t *json = kd_json_load(origin->text, origin->size, JSON_DECODE_ANY, NULL, &no_memory);
	if (no_memory)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set \"%s\": no memory", key);
	bool is_parent = json_is_object(json) && kd_config_is_parent(config, key);
	json_decref(json);
	if (is_parent) {
		char *prefix = NULL;
		if (asprintf(&prefix, "%s.", key) < 0)
			return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set \"%s\": no memory", key);
		code = kd_config_split(config, origin, first, prefix, err);
		free(prefix);
	} else {
		kd_json_member whole = {.value_size = origin->size};
		char *copy = strdup(key);
		if (!copy || !kd_config_add_entry(config, copy, origin, whole, false))
			return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set \"%s\": no memory", key);
	}
	return code;
}

/* The entry that holds; NULL: the key is not given. */
static const kd_entry *entry_of(const kd_config *config, const char *key)
{
	for (size_t i = 0; i < config->n_entries; i++)
		if (!config->entries[i].is_repeat && strcmp(config->entries[i].key, key) == 0)
			return &config->entries[i];
	return NULL;
}

/* Keeps a copy of a string of the text, for the caller to borrow until the next look.  Takes text. */
static const char *keep_peeked(kd_config *config, char *take_text)
{
	free(config->peeked);
	return config->peeked = take_text;
}

const char *kd_config_peek(kd_config *config, const char *key)
{
	const kd_entry *entry = entry_of(config, key);
	bool no_memory; /* then it is as good as not given: the check will say so */
	json_t *json = entry ? kd_config_entry_json(entry, &no_memory) : NULL;
	char *text = json_is_string(json) ? strdup(json_string_value(json)) : NULL;

	json_decref(json);
	return keep_peeked(config, text);
}

/* The i-th item of a,b; NULL past the last. */
static char *item_of_list(const char *list, size_t i)
{
	kd_setting items = {0};
	char *item = kd_setting_add_list(&items, list) && i < items.n_items ? strdup(items.items[i]) : NULL;

	kd_setting_done(&items);
	return item;
}

const char *kd_config_peek_at(kd_config *config, const char *key, size_t i)
{
	const kd_entry *entry = entry_of(config, key);
	bool no_memory; /* then it is as good as not given: the check will say so */
	json_t *json = entry ? kd_config_entry_json(entry, &no_memory) : NULL;
	const json_t *element = json_array_get(json, i);
	char *text = NULL;

	if (json_is_string(element))
		text = strdup(json_string_value(element));
	else if (json_is_string(json) && entry->origin->is_override)
		text = item_of_list(json_string_value(json), i);
	json_decref(json);
	return keep_peeked(config, text);
}

/* The value of a key of one of two types. */
static const kd_setting *value_of(const kd_config *config, const char *key)
{
	size_t i = 0;
	const kd_option *option = kd_config_find(config, key, &i);

	assert(config->checked);
	assert(option && option->type <= KD_OPT_ENUM);
	return option ? &config->values[i] : NULL;
}

const char *kd_config_string(const kd_config *config, const char *key)
{
	return value_of(config, key)->text;
}

int64_t kd_config_int(const kd_config *config, const char *key)
{
	return value_of(config, key)->number;
}

bool kd_config_bool(const kd_config *config, const char *key)
{
	return value_of(config, key)->number != 0;
}

bool kd_config_is_set(const kd_config *config, const char *key)
{
	for (size_t i = 0; i < config->n_entries; i++)
		if (strcmp(config->entries[i].key, key) == 0)
			return true;
	return false;
}

static const kd_setting *strings_of(const kd_config *config, const char *key)
{
	size_t i = 0;
	const kd_option *option = kd_config_find(config, key, &i);

	assert(config->checked);
	assert(option && option->type == KD_OPT_STRINGS);
	return &config->values[i];
}

size_t kd_config_strings_count(const kd_config *config, const char *key)
{
	return strings_of(config, key)->n_items;
}

const char *kd_config_strings_at(const kd_config *config, const char *key, size_t i)
{
	const kd_setting *setting = strings_of(config, key);

	return i < setting->n_items ? setting->items[i] : NULL;
}

size_t kd_config_topic_count(const kd_config *config)
{
	return kd_config_topics(config)->n_items;
}

const char *kd_config_topic(const kd_config *config, size_t i)
{
	assert(i < kd_config_topic_count(config));
	return kd_config_topics(config)->items[i];
}

size_t kd_config_kafka_count(const kd_config *config)
{
	return config->n_kafka;
}

void kd_config_kafka(const kd_config *config, size_t i, const char **ret_name, const char **ret_value)
{
	assert(i < config->n_kafka);
	*ret_name = config->kafka[i].name;
	*ret_value = config->kafka[i].value;
}

kd_start_kind kd_config_start(const kd_config *config)
{
	return config->start;
}

int64_t kd_config_start_timestamp_ms(const kd_config *config)
{
	return config->start_timestamp_ms;
}

int64_t kd_config_start_offset(const kd_config *config, const char *topic, int32_t partition)
{
	kd_start_offset key = {.topic = topic, .partition = partition};
	const kd_start_offset *found = NULL;

	if (config->n_start_offsets)
		found = bsearch(&key, config->start_offsets, config->n_start_offsets, sizeof key, kd_config_compare_start);
	return found ? found->offset : -1;
}
