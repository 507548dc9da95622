/* SPDX-License-Identifier: Apache-2.0 */
/* config_check: judges every entry against its row of the table, and collects all findings instead of ending at the
 * first.  A value that may be a secret (its option is marked, or a reference brought it in) is never repeated in a
 * finding. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_expand.h"
#include "config_private.h"
#include "parse.h"

char *kd_config_expanded(kd_findings *findings, const kd_origin *origin, size_t at, const char *key, const char *text,
	bool *ret_expanded)
{
	kd_buf out = {0};
	char *why = NULL;

	if (kd_config_expand(text, &out, ret_expanded, &why))
		return out.data;
	if (why)
		kd_findings_add(findings, origin, at, "\"%s\": %s", key, why);
	else
		findings->no_memory = true;
	free(why);
	kd_buf_done(&out);
	return NULL;
}

/* ", not 0": what was there instead of what was wanted; "" where it may be a secret or is long. */
static void describe(const json_t *json, bool may_show, char *ret_text, size_t size)
{
	*ret_text = 0;
	if (json_is_object(json) || json_is_array(json)) {
		snprintf(ret_text, size, ", not an %s", json_is_object(json) ? "object" : "array");
		return;
	}
	char *dump = may_show ? json_dumps(json, JSON_ENCODE_ANY) : NULL;
	if (dump && strlen(dump) <= 40)
		snprintf(ret_text, size, ", not %s", dump);
	free(dump);
}

/* `"stop" or "record"` out of `stop|record` */
static void list_words(const char *values, char *ret_text, size_t size)
{
	size_t used = 0;

	*ret_text = 0;
	while (*values && used < size) {
		size_t word = strcspn(values, "|");
		bool is_last = !values[word];
		const char *between = used == 0 ? "" : is_last ? " or " : ", ";

		used += (size_t) snprintf(ret_text + used, size - used, "%s\"%.*s\"", between, (int) word, values);
		values += word + !is_last;
	}
}

static bool is_word_of(const char *values, const char *word)
{
	size_t size = strlen(word);

	for (; *values; values += strcspn(values, "|"), values += *values == '|')
		if (size && strcspn(values, "|") == size && memcmp(values, word, size) == 0)
			return true;
	return false;
}

static bool has_bounds(const kd_option *option)
{
	return option->min || option->max;
}

static bool is_within(const kd_option *option, int64_t number)
{
	return !has_bounds(option) || (number >= option->min && number <= option->max);
}

static void describe_wanted(const kd_option *option, char *ret_text, size_t size)
{
	char words[160];

	switch (option->type) {
	case KD_OPT_INT:
	case KD_OPT_LIMIT:
		if (has_bounds(option))
			snprintf(words, sizeof words, " from %lld to %lld", (long long) option->min, (long long) option->max);
		snprintf(ret_text, size, "a whole number%s%s", has_bounds(option) ? words : "",
			option->type == KD_OPT_LIMIT ? ", or \"unlimited\"" : "");
		break;
	case KD_OPT_BOOL:
		snprintf(ret_text, size, "true or false");
		break;
	case KD_OPT_ENUM:
		list_words(option->values, words, sizeof words);
		snprintf(ret_text, size, "%s", words);
		break;
	case KD_OPT_STRING:
	case KD_OPT_STRINGS:
	case KD_OPT_START:
	case KD_OPT_MAP:
		snprintf(ret_text, size, "a string");
		break;
	}
}

static bool number_from_text(const kd_option *option, const char *text, int64_t *ret_number)
{
	if (option->type == KD_OPT_BOOL) {
		*ret_number = strcmp(text, "true") == 0;
		return *ret_number || strcmp(text, "false") == 0;
	}
	if (option->type == KD_OPT_LIMIT && strcmp(text, "unlimited") == 0) {
		*ret_number = KD_UNLIMITED;
		return true;
	}
	return kd_parse_int(text, ret_number) && is_within(option, *ret_number);
}

/* Sets a scalar from its text; false where the text is not of the option's kind.  Takes text. */
static bool set_from_text(const kd_option *option, char *take_text, kd_setting *value)
{
	bool ok;

	if (option->type == KD_OPT_STRING || option->type == KD_OPT_ENUM) {
		ok = option->type == KD_OPT_STRING || is_word_of(option->values, take_text);
		free(value->text);
		value->text = take_text;
	} else {
		ok = number_from_text(option, take_text, &value->number);
		free(take_text);
	}
	return ok;
}

/* A number, true or false that was written as such and not as a string. */
static bool set_from_json(const kd_option *option, const json_t *json, kd_setting *value)
{
	if (option->type == KD_OPT_BOOL && json_is_boolean(json)) {
		value->number = json_is_true(json);
		return true;
	}
	if ((option->type == KD_OPT_INT || option->type == KD_OPT_LIMIT) && json_is_integer(json)) {
		value->number = json_integer_value(json);
		return is_within(option, value->number);
	}
	return false;
}

/* What no type can say: names that Kafka or the ledger would not take. */
static void check_meaning(kd_findings *findings, const kd_entry *entry, const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t size = strlen(text);

	if (strcmp(entry->key, "job") == 0 && (size < 1 || size > 100 || text[strspn(text, letters)]))
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"job\" must be a name of 1 to 100 of the characters a-z A-Z 0-9 . _ -");
	if (strcmp(entry->key, "mirror_group") == 0 && (size < 1 || size > 255))
		kd_findings_add(findings, entry->origin, entry->member.value,
			"\"mirror_group\" must be a name of 1 to 255 characters");
}

static void check_scalar(kd_config *config, kd_findings *findings, const kd_entry *entry, const json_t *json)
{
	const kd_option *option = entry->option;
	bool expanded = false, ok;
	size_t i = 0;
	char wanted[200], got[64];

	kd_config_find(config, entry->key, &i);
	kd_setting *value = &config->values[i];
	value->given = true;
	if (json_is_string(json)) {
		char *text = kd_config_expanded(findings, entry->origin, entry->member.value, entry->key,
			json_string_value(json), &expanded);
		if (!text)
			return;
		ok = set_from_text(option, text, value);
		if (ok && value->text)
			check_meaning(findings, entry, value->text);
	} else {
		ok = set_from_json(option, json, value);
	}
	if (ok)
		return;
	describe_wanted(option, wanted, sizeof wanted);
	describe(json, !option->secret && !expanded, got, sizeof got);
	kd_findings_add(findings, entry->origin, entry->member.value, "\"%s\" must be %s%s", entry->key, wanted, got);
}

/* The last name of a dotted key. */
static const char *last_name(const char *key)
{
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

/* "interval" for "batch.interval_ms": the right name in the wrong place, or without its unit. */
static bool is_same_name(const char *key, const char *candidate)
{
	const char *name = last_name(key), *other = last_name(candidate);
	size_t size = strlen(name);

	return strcmp(name, other) == 0 || (size >= 4 && strncmp(name, other, size) == 0 && other[size] == '_');
}

/* Keeps in *best what is nearest to the key. */
static void consider(const char *key, const char *candidate, const char **best, size_t *best_distance)
{
	size_t distance = kd_parse_distance(key, candidate, *best_distance);

	if (distance > 1 && is_same_name(key, candidate))
		distance = 1;
	if (distance < *best_distance) {
		*best = candidate;
		*best_distance = distance;
	}
}

static void report_unknown(const kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	const kd_option *option;
	const char *best = NULL;
	size_t distance = kd_parse_slip(last_name(entry->key)) + 1;

	consider(entry->key, "batch", &best, &distance);
	consider(entry->key, "sink", &best, &distance);
	consider(entry->key, "decode", &best, &distance);
	consider(entry->key, "transform", &best, &distance);
	for (size_t i = 0; (option = kd_config_option(config, i)); i++)
		consider(entry->key, option->key, &best, &distance);
	if (best)
		kd_findings_add(findings, entry->origin, entry->member.key, "unknown key \"%s\": did you mean \"%s\"?",
			entry->key, best);
	else
		kd_findings_add(findings, entry->origin, entry->member.key, "unknown key \"%s\"", entry->key);
}

/* An entry without an option: a group that is no object, a sink's key that nobody here knows, or a mistake. */
static void check_optionless(const kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	if (kd_config_is_parent(config, entry->key))
		kd_findings_add(findings, entry->origin, entry->member.value, "\"%s\" must be an object", entry->key);
	else if (config->n_tables > 0 || strncmp(entry->key, "sink.", 5) != 0)
		report_unknown(config, findings, entry);
}

static void check_entry(kd_config *config, kd_findings *findings, const kd_entry *entry)
{
	if (entry->is_repeat) {
		kd_findings_add(findings, entry->origin, entry->member.key, "\"%s\" is given twice", entry->key);
		return;
	}
	if (entry->is_parent)
		return;
	if (!entry->option) {
		check_optionless(config, findings, entry);
		return;
	}
	if (entry->option->type == KD_OPT_MAP) {
		kd_config_check_kafka(config, findings, entry);
		return;
	}
	if (entry->option->type == KD_OPT_START || strcmp(entry->key, "topics") == 0)
		return; /* after the others, and in this order: a start names topics */
	if (entry->option->type == KD_OPT_STRINGS) {
		kd_config_check_strings(config, findings, entry);
		return;
	}
	bool no_memory;
	json_t *json = kd_config_entry_json(entry, &no_memory);
	findings->no_memory |= no_memory;
	if (json)
		check_scalar(config, findings, entry, json);
	else if (!no_memory)
		kd_findings_add(findings, entry->origin, entry->member.value, "\"%s\" is not valid UTF-8", entry->key);
	json_decref(json);
}

static void check_missing(const kd_config *config, kd_findings *findings)
{
	const kd_option *option;

	for (size_t i = 0; (option = kd_config_option(config, i)); i++) {
		bool seen = !option->required;
		for (size_t j = 0; !seen && j < config->n_entries; j++)
			seen = config->entries[j].option == option;
		if (!seen)
			kd_findings_add_nowhere(findings, config->file, "missing key \"%s\"", option->key);
	}
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not check the configuration: no memory");
}

/* A default that its own option does not take is a mistake in the table. */
static kd_code refuse_default(const kd_option *option, kd_error *err)
{
	char wanted[200];

	describe_wanted(option, wanted, sizeof wanted);
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": its default must be %s, not \"%s\"", option->key, wanted,
		option->default_value);
}

/* Values as if nothing was given. */
static kd_code set_defaults(kd_config *config, kd_error *err)
{
	const kd_option *option;
	kd_code code = KD_OK;

	for (size_t i = 0; !code && (option = kd_config_option(config, i)); i++) {
		bool is_scalar = option->type <= KD_OPT_ENUM, ok = true;
		char *text = is_scalar && option->default_value ? strdup(option->default_value) : NULL;

		if (option->type == KD_OPT_STRINGS && option->default_value)
			ok = kd_setting_add_list(&config->values[i], option->default_value);
		if (!ok || (is_scalar && option->default_value && !text))
			code = no_memory(err);
		else if (text && !set_from_text(option, text, &config->values[i]))
			code = refuse_default(option, err);
	}
	return code;
}

static void check_all(kd_config *config, kd_findings *findings)
{
	const kd_entry *topics = NULL, *start = NULL;

	for (size_t i = 0; i < config->n_entries; i++) {
		const kd_entry *entry = &config->entries[i];

		check_entry(config, findings, entry);
		if (strcmp(entry->key, "topics") == 0 && !entry->is_repeat)
			topics = entry;
		if (entry->option && entry->option->type == KD_OPT_START && !entry->is_repeat)
			start = entry;
	}
	if (topics)
		kd_config_check_topics(config, findings, topics);
	if (start)
		kd_config_check_start(config, findings, start);
	check_missing(config, findings);
	kd_config_check_kafka_whole(config, findings);
}

kd_code kd_config_check(kd_config *config, kd_diagnostic_fn *report, void *opaque, kd_error *err)
{
	kd_findings findings = {0};

	kd_config_forget(config);
	if (!kd_config_has_text(config))
		return no_memory(err);
	kd_code code = set_defaults(config, err);
	if (code)
		return code;
	check_all(config, &findings);
	kd_findings_report(&findings, report, opaque);
	size_t n = findings.n;
	bool is_out_of_memory = findings.no_memory;
	kd_findings_done(&findings);
	if (is_out_of_memory)
		return no_memory(err);
	config->checked = true;
	if (n == 0)
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\": %zu %s in the configuration",
		config->file->name, n, n == 1 ? "error" : "errors");
}
