/* SPDX-License-Identifier: Apache-2.0 */
/* A job file of any bytes is refused with a place and a reason, or is a configuration that can be read. */
#include "fuzz.h"

#include <kdirect/config.h>
#include <kdirect/sinks.h>

enum { MOST_SINKS = 16 };

/* The keys of all sinks at once: a key may be given that the sink of the file does not have. */
static kd_config *new_config(const char *sink)
{
	const kd_sink_ops *ops = sink ? kd_sink_find(sink) : NULL;
	kd_options table = {ops ? ops->options : NULL, ops ? ops->n_options : 0};

	return kd_config_new(&table, 1);
}

typedef struct findings {
	int n;
} findings;

static void count(void *opaque, const kd_diagnostic *diagnostic)
{
	findings *f = opaque;

	fuzz_check(diagnostic->file && diagnostic->message && *diagnostic->message, "a finding says nothing");
	fuzz_check(diagnostic->line >= 0 && diagnostic->column >= 0, "a finding is nowhere");
	fuzz_check(!strchr(diagnostic->message, '\n'), "a finding of two lines: %s", diagnostic->message);
	f->n++;
}

static void read_one(const kd_config *config, const kd_option *option)
{
	switch (option->type) {
	case KD_OPT_INT:
	case KD_OPT_LIMIT: {
		int64_t value = kd_config_int(config, option->key);
		if ((option->min || option->max) && kd_config_is_set(config, option->key) && value != KD_UNLIMITED)
			fuzz_check(value >= option->min && value <= option->max, "%s is out of its bounds", option->key);
		break;
	}
	case KD_OPT_BOOL:
		(void) kd_config_bool(config, option->key);
		break;
	case KD_OPT_STRINGS:
		for (size_t i = 0; i < kd_config_strings_count(config, option->key); i++)
			fuzz_check(kd_config_strings_at(config, option->key, i), "%s has a hole", option->key);
		break;
	case KD_OPT_STRING:
	case KD_OPT_ENUM:
		if (option->required)
			fuzz_check(kd_config_string(config, option->key), "%s is required and not there", option->key);
		break;
	case KD_OPT_START:
	case KD_OPT_MAP:
		break;
	}
}

static void read_all(const kd_config *config)
{
	size_t n;
	const kd_option *options = kd_config_options(&n);
	const char *name, *value;

	for (size_t i = 0; i < n; i++)
		if (options[i].type != KD_OPT_MAP && strcmp(options[i].key, "topics") != 0)
			read_one(config, &options[i]);
	fuzz_check(kd_config_topic_count(config) > 0, "no topic, and no finding");
	for (size_t i = 0; i < kd_config_topic_count(config); i++)
		fuzz_check(kd_config_topic(config, i) && *kd_config_topic(config, i), "an empty topic");
	for (size_t i = 0; i < kd_config_kafka_count(config); i++)
		kd_config_kafka(config, i, &name, &value);
	if (kd_config_start(config) == KD_START_OFFSETS)
		(void) kd_config_start_offset(config, kd_config_topic(config, 0), 0);
	(void) kd_config_read_committed(config);
}

static void try_with(const char *sink, const uint8_t *data, size_t size)
{
	kd_config *config = new_config(sink);
	kd_error err = {0};
	findings found = {0};

	fuzz_check(config, "no memory");
	kd_code code = kd_config_parse(config, (const char *) data, size, "fuzz", count, &found, &err);
	if (!code) {
		(void) kd_config_peek(config, "sink.type");
		(void) kd_config_peek_at(config, "plugins", 0);
		code = kd_config_check(config, count, &found, &err);
	}
	fuzz_check((code == KD_OK) == (found.n == 0), "code %d with %d findings: %s", code, found.n, err.message);
	fuzz_check(code == KD_OK || code == KD_ECONFIG, "code %d: %s", code, err.message);
	if (!code)
		read_all(config);
	kd_config_free(config);
}

static bool holds(const uint8_t *data, size_t size, const char *text)
{
	return memmem(data, size, text, strlen(text));
}

/* What a file or the environment brings in is not the input's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (holds(data, size, "file:") || holds(data, size, "\\u"))
		return 0;
	for (size_t i = 0; i < MOST_SINKS && kd_sink_at(i); i++)
		if (holds(data, size, kd_sink_at(i)->name))
			try_with(kd_sink_at(i)->name, data, size);
	try_with(NULL, data, size);
	return 0;
}
