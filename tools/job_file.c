/* SPDX-License-Identifier: Apache-2.0 */
/* job_file: a configuration must know the sink's keys before it reads the text, and only the text says which sink.
 * So the text is read once, parsed for sink.type, and parsed again with that sink's table. */
#include "job_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>

#include "parts.h"
#include "program.h"
#include "properties.h"
#include "suggest.h"

enum { MOST_BYTES = 16 << 20 };

static kd_code read_all(const char *path, kd_buf *out, kd_error *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(path, "r");
	kd_code code = KD_OK;
	size_t n = 1;

	if (!file)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not open \"%s\": %s", path, strerror(errno));
	while (n && !code) {
		char *at = kd_buf_reserve(out, 65536);

		n = at ? fread(at, 1, 65536, file) : 0;
		out->size += n;
		if (!at)
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read \"%s\": no memory", path);
		else if (out->size > MOST_BYTES)
			code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": more than 16 MB", path);
	}
	if (!code && ferror(file))
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"%s\": %s", path, strerror(errno));
	if (!is_stdin)
		fclose(file);
	return code;
}

static kd_code apply_property(kd_config *config, const char *name, const char *value, kd_error *err)
{
	char *key = NULL;
	kd_code code;

	if (asprintf(&key, "kafka.%s", name) < 0)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	code = kd_config_set(config, key, value, err);
	free(key);
	return code;
}

/* --set last: it is the most specific. */
static kd_code apply_args(kd_config *config, const struct args *args, kd_error *err)
{
	struct properties properties;
	kd_code code = properties_collect(args, &properties, err);

	for (size_t i = 0; !code && i < properties.n; i++)
		code = apply_property(config, properties.names[i], properties.values[i], err);
	properties_free(&properties);
	for (size_t i = 0; !code && i < args->sets.n; i++) {
		const char *text = args->sets.items[i];
		const char *equals = strchr(text, '=');
		char *key = equals ? strndup(text, (size_t) (equals - text)) : NULL;

		if (!equals || equals == text)
			code = kd_error_set(err, KD_ECONFIG, KD_STOP, "--set \"%s\": not of the form key=value", text);
		else if (!key)
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
		else
			code = kd_config_set(config, key, equals + 1, err);
		free(key);
	}
	return code;
}

static kd_code parse(const struct args *args, const kd_buf *text, const char *name, const kd_sink_ops *sink,
	kd_diagnostic_fn *report, void *opaque, kd_config **ret_config, kd_error *err)
{
	kd_config *config = kd_config_new(sink ? &(kd_options){sink->options, sink->n_options} : NULL, sink ? 1 : 0);
	kd_code code;

	*ret_config = config;
	if (!config)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	code = kd_config_parse(config, text->data ? text->data : "", text->size, name, report, opaque, err);
	return code ? code : apply_args(config, args, err);
}

static void forget(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	(void) diagnostic;
}

static const kd_sink_ops *find_sink(const char *type)
{
	const kd_sink_ops *sink;

	for (size_t i = 0; (sink = program_sink(i)); i++)
		if (strcmp(sink->name, type) == 0)
			return sink;
	return NULL;
}

/* NULL where none is named or none is known by that name: then kd_config_check, or unknown_sink, says so. */
static const kd_sink_ops *sink_of(const struct args *args, const kd_buf *text, const char *name, char *ret_type,
	size_t size)
{
	kd_config *config = NULL;
	kd_error ignored = {0};
	const kd_sink_ops *sink = NULL;
	const char *type;

	ret_type[0] = '\0';
	if (parse(args, text, name, NULL, forget, NULL, &config, &ignored) == KD_OK &&
	    (type = kd_config_peek(config, "sink.type"))) {
		snprintf(ret_type, size, "%s", type);
		sink = find_sink(type);
	}
	kd_config_free(config);
	return sink;
}

/* Without the sink's table its keys are all unknown: of a wrong name that would be a false trail. */
struct filter {
	kd_diagnostic_fn *report;
	void *opaque;
};

static void report_but_sink(void *opaque, const kd_diagnostic *diagnostic)
{
	const struct filter *filter = opaque;

	if (strncmp(diagnostic->message, "unknown key \"sink.", strlen("unknown key \"sink.")) != 0)
		filter->report(filter->opaque, diagnostic);
}

static kd_code unknown_sink(kd_config *config, const char *name, const char *type, kd_diagnostic_fn *report,
	void *opaque, kd_error *err)
{
	const char *names[16];
	struct filter filter = {report, opaque};
	const kd_sink_ops *sink;
	kd_error ignored = {0};
	char message[256];
	size_t n = 0;
	const char *near;

	while (n < 16 && (sink = program_sink(n)))
		names[n++] = sink->name;
	near = suggest(type, names, n);
	snprintf(message, sizeof message, "sink.type: there is no sink \"%s\"%s%s%s", type, near ? "; did you mean \"" : "",
		near ? near : "", near ? "\"?" : "");
	report(opaque, &(kd_diagnostic){.file = name, .message = message});
	if (kd_config_check(config, report_but_sink, &filter, &ignored))
		kd_error_clear(&ignored);
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s: %s", name, message);
}

kd_code job_file_open(const struct args *args, const char *path, kd_diagnostic_fn *report, void *opaque,
	struct job_file *ret, kd_error *err)
{
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
	kd_buf text = {0};
	char type[64] = "";
	kd_code code;

	*ret = (struct job_file){.path = path};
	code = read_all(path, &text, err);
	ret->text = text.data;
	if (code)
		return code;
	ret->sink = sink_of(args, &text, name, type, sizeof type);
	code = parse(args, &text, name, ret->sink, report, opaque, &ret->config, err);
	if (code)
		return code;
	if (!ret->sink && type[0])
		return unknown_sink(ret->config, name, type, report, opaque, err);
	return kd_config_check(ret->config, report, opaque, err);
}

void job_file_done(struct job_file *job)
{
	kd_config_free(job->config);
	free(job->text);
	*job = (struct job_file){0};
}

void job_file_print(void *opaque, const kd_diagnostic *diagnostic)
{
	if (diagnostic->line)
		fprintf(opaque, "%s:%d:%d: %s\n", diagnostic->file, diagnostic->line, diagnostic->column, diagnostic->message);
	else
		fprintf(opaque, "%s: %s\n", diagnostic->file, diagnostic->message);
}

int job_file_or_exit(const struct args *args, const char *verb, const char *path, struct job_file *ret)
{
	kd_error err = {0};
	kd_code code = job_file_open(args, path, job_file_print, stderr, ret, &err);

	if (code == KD_OK)
		return 0;
	fprintf(stderr, "%s %s: %s\n", program_name(), verb, err.message);
	return kd_exit_code(code, &err);
}
