/* SPDX-License-Identifier: Apache-2.0 */
/* option_table: see option_table.h.  A mistake in a table is its programmer's; found here, before the table is used, it
 * is told by the key instead of by what it does to a job's configuration. */
#include "option_table.h"

#include <string.h>

static size_t word_size(const char *key)
{
	return strcspn(key, ".");
}

static bool is_below(const char *key, const char *word, size_t size)
{
	return strncmp(key, word, size) == 0 && key[size] == '.' && key[size + 1];
}

/* Whether the engine has an option that is called so, or (only_word) that has the same first word. */
static bool is_of_engine(const char *key, bool only_word)
{
	size_t n = 0;
	const kd_option *options = kd_config_options(&n);

	for (size_t i = 0; i < n; i++) {
		size_t size = word_size(options[i].key);

		if (strcmp(options[i].key, key) == 0)
			return true;
		if (only_word && word_size(key) == size && strncmp(options[i].key, key, size) == 0)
			return true;
	}
	return false;
}

static kd_code check_key(kd_options table, size_t i, const char *group, kd_error *err)
{
	const char *key = table.items[i].key;

	if (!key || !key[0])
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option %zu has no key", i + 1);
	if (group && !is_below(key, group, strlen(group)))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": its key must begin with \"%s.\"", key, group);
	if (!group && !is_below(key, key, word_size(key)))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": its key must be below a word of its own, as "
			"\"app.%s\"", key, key);
	if (is_of_engine(key, !group))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": the %s is kdirect's own", key,
			group ? "key" : "first word of its key");
	for (size_t j = 0; j < i; j++)
		if (strcmp(table.items[j].key, key) == 0)
			return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\" is there twice", key);
	return KD_OK;
}

static kd_code check_type(const kd_option *option, kd_error *err)
{
	if (option->type < KD_OPT_STRING || option->type >= KD_OPT_START)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": only kdirect has options of its type", option->key);
	if (option->type == KD_OPT_ENUM && (!option->values || !option->values[0]))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": a KD_OPT_ENUM needs values, as \"yes|no\"",
			option->key);
	if ((option->type == KD_OPT_INT || option->type == KD_OPT_LIMIT) && option->min > option->max)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "option \"%s\": its min, %lld, is above its max, %lld", option->key,
			(long long) option->min, (long long) option->max);
	return KD_OK;
}

static void note(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) diagnostic;
	*(bool *) opaque = true;
}

/* Of an empty job all findings are what it lacks; an error without any is about the defaults. */
static kd_code check_defaults(kd_options table, kd_error *err)
{
	kd_config *config = kd_config_new(&table, 1);
	kd_error found = {0};
	bool went_on = false;

	if (!config)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	kd_code code = kd_config_check(config, note, &went_on, &found);
	kd_config_free(config);
	return went_on || !code ? KD_OK : kd_error_set(err, code, KD_STOP, "%s", found.message);
}

kd_code option_table_check(kd_options table, const char *group, kd_error *err)
{
	kd_code code = KD_OK;

	if (table.n > 0 && !table.items)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "it counts %zu options and has none", table.n);
	for (size_t i = 0; !code && i < table.n; i++) {
		code = check_key(table, i, group, err);
		if (!code)
			code = check_type(&table.items[i], err);
	}
	return code ? code : check_defaults(table, err);
}
