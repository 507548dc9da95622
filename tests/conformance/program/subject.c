// SPDX-License-Identifier: Apache-2.0
// subject: the sink under test, found in a shared object or among kdirect's own, with its configuration and hooks.
#include <dlfcn.h>

#include "program.h"
#include <kdirect/connector.h>
#include <kdirect/sinks.h>
#include "tmpdir.h"

/* A name without a slash would be looked for where libraries are installed. */
static void *load(const char *path)
{
	char *full = kt_format("%s%s", strchr(path, '/') ? "" : "./", path);
	void *object = dlopen(full, RTLD_NOW | RTLD_LOCAL);
	if (!object)
		usage_error("could not load \"%s\": %s", path, dlerror());
	free(full);
	return object;
}

static const kd_sink_ops *choose(const arguments *args, const kd_plugin *plugin)
{
	const kd_sink_ops *const *sinks = plugin->parts.sinks;
	if (!sinks || !sinks[0])
		usage_error("could not test \"%s\": it brings no sink", args->object);
	for (size_t i = 0; args->sink && sinks[i]; i++)
		if (!strcmp(sinks[i]->name, args->sink))
			return sinks[i];
	if (args->sink)
		usage_error("could not test \"%s\": it brings no sink \"%s\"", args->object, args->sink);
	if (sinks[1])
		usage_error("could not test \"%s\": it brings more than one sink; choose with --sink NAME", args->object);
	return sinks[0];
}

static const kd_sink_ops *sink_of_object(const arguments *args, void *object)
{
	const kd_plugin *(*plugin_entry)(void) = (const kd_plugin *(*)(void)) dlsym(object, "kd_plugin_entry");
	if (!plugin_entry)
		usage_error("could not test \"%s\": it does not define kd_plugin_entry (see kdirect/connector.h)", args->object);
	const kd_plugin *plugin = plugin_entry();
	if (!plugin || plugin->abi != KD_PLUGIN_ABI)
		usage_error("could not test \"%s\": it was built for another version of kdirect/connector.h", args->object);
	return choose(args, plugin);
}

static const kd_conformance_hooks *hooks_of_object(const char *path, void *object)
{
	const kd_conformance_hooks *(*hooks_entry)(void) =
		(const kd_conformance_hooks *(*)(void)) dlsym(object, "kd_conformance_entry");
	const kd_conformance_hooks *hooks = hooks_entry ? hooks_entry() : NULL;
	if (hooks && hooks->abi != KD_CONFORMANCE_ABI)
		usage_error("could not use the hooks of \"%s\": built for another version of kdirect/conformance.h", path);
	return hooks;
}

/* ---- configuration ---- */

/* "sink.path" = text into {"path": ...}; a value that is no JSON is a string. */
static void set(json_t *sink, const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	if (!equals || strncmp(assignment, "sink.", 5) != 0 || equals == assignment + 5)
		usage_error("--set wants a key of the sink, sink.KEY=VALUE, not \"%s\"", assignment);
	json_t *value = json_loads(equals + 1, JSON_DECODE_ANY, NULL);
	if (!value)
		value = json_string(equals + 1);
	char *key = strndup(assignment + 5, (size_t) (equals - assignment - 5));
	kt_check(value && key && json_object_set_new(sink, key, value) == 0, "no memory");
	free(key);
}

static json_t *sink_of_job(const char *path)
{
	json_error_t error;
	json_t *job = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!job && error.line < 0)
		usage_error("%s", error.text);
	if (!job)
		usage_error("%s:%d:%d: %s", path, error.line, error.column, error.text);
	json_t *sink = json_incref(json_object_get(job, "sink"));
	if (!json_is_object(sink))
		usage_error("%s: it has no object \"sink\"", path);
	json_decref(job);
	return sink;
}

/* Replaces each {word} in text, within JSON strings: names and paths of ours need no escapes. */
static char *replace(char *text, const char *word, const char *by)
{
	char *at;
	while ((at = strstr(text, word)) != NULL) {
		char *next = kt_format("%.*s%s%s", (int) (at - text), text, by, at + strlen(word));
		free(text);
		text = next;
	}
	return text;
}

static char *sink_json(const world *w, const char *table)
{
	const subject *s = (const subject *) w->store;
	char *text = json_dumps(s->sink, JSON_COMPACT);
	kt_check(text, "no memory");
	if (strcmp(table, "t") != 0 && !strstr(text, "{table}")) {
		free(text);
		return NULL;
	}
	text = replace(text, "{table}", table);
	text = replace(text, "{name}", w->place.name);
	return replace(text, "{dir}", w->place.dir);
}

static void configure(subject *s, const arguments *args)
{
	s->sink = args->job ? sink_of_job(args->job) : json_object();
	for (int i = 0; i < args->n_set; i++)
		set(s->sink, args->set[i]);
	const char *type = json_string_value(json_object_get(s->sink, "type"));
	if (type && strcmp(type, s->store.ops->name) != 0)
		usage_error("the job's sink.type is \"%s\", and the sink under test \"%s\"", type, s->store.ops->name);
	kt_check(json_object_set_new(s->sink, "type", json_string(s->store.ops->name)) == 0, "no memory");
	char *text = json_dumps(s->sink, JSON_COMPACT);
	kt_check(text, "no memory");
	s->store.state_in_dir = strstr(text, "{dir}") != NULL;
	free(text);
}

subject *subject_find(const arguments *args)
{
	static subject one; /* a program has one */
	subject *s = &one;
	s->store.sink_json = sink_json;
	if (args->object) {
		void *object = load(args->object);
		s->store.ops = sink_of_object(args, object);
		s->store.hooks = hooks_of_object(args->object, object);
	} else if ((s->store.ops = kd_sink_find(args->sink)) == NULL) {
		usage_error("kdirect has no sink \"%s\"", args->sink);
	}
	if (args->hooks && !(s->store.hooks = hooks_of_object(args->hooks, load(args->hooks))))
		usage_error("could not use \"%s\": it does not define kd_conformance_entry", args->hooks);
	if (s->store.ops->guarantee != KD_GUARANTEE_EXACTLY_ONCE)
		usage_error("the suite is for sinks that promise exactly once; \"%s\" promises: %s", s->store.ops->name,
			kd_guarantee_name(s->store.ops->guarantee));
	configure(s, args);
	return s;
}

void subject_free(subject *s)
{
	json_decref(s->sink);
}
