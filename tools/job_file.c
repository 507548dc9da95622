/* SPDX-License-Identifier: Apache-2.0 */
/* job_file: a configuration must know the keys of its sink, decoder and transform before it reads the text, and only
 * the text says which they are, and which plugins bring them.  So the text is read once, parsed for their names, and
 * parsed again with their tables. */
#include "job_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"
#include "program.h"
#include "properties.h"

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

/* ---- one reading of the text ---- */

struct reading {
	const struct args *args;
	const char *name; /* of the file, in findings */
	kd_buf text;
	kd_diagnostic_fn *report;
	void *opaque;
};

static void forget(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	(void) diagnostic;
}

/* A program with one part of a kind needs no name of it in the file. */
static kd_code imply(kd_config *config, enum part_kind kind, kd_error *err)
{
	const char *only = program_only(kind), *key = part_kind_key(kind);
	kd_buf text = {0};
	kd_code code;

	if (!only)
		return KD_OK;
	if (!kd_buf_printf(&text, "{\"%.*s\": {\"type\": \"%s\"}}", (int) strcspn(key, "."), key, only))
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	code = kd_config_defaults(config, text.data, text.size, program_name(), NULL, NULL, err);
	kd_buf_done(&text);
	return code;
}

static kd_code add_defaults(const struct reading *reading, kd_config *config, kd_error *err)
{
	const char *defaults = program_connector()->defaults;
	char name[128];
	kd_code code = KD_OK;

	snprintf(name, sizeof name, "<defaults of %s>", program_name());
	if (defaults)
		code = kd_config_defaults(config, defaults, strlen(defaults), name, reading->report, reading->opaque, err);
	for (int kind = 0; !code && kind < PART_KINDS; kind++)
		code = imply(config, (enum part_kind) kind, err);
	return code;
}

/* The caller frees *ret_config in every case. */
static kd_code parse(const struct reading *reading, const kd_options *tables, size_t n, kd_config **ret_config,
	kd_error *err)
{
	kd_config *config = kd_config_new(tables, n);
	kd_code code;

	*ret_config = config;
	if (!config)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	code = kd_config_parse(config, reading->text.data ? reading->text.data : "", reading->text.size, reading->name,
		reading->report, reading->opaque, err);
	if (!code)
		code = apply_args(config, reading->args, err);
	return code ? code : add_defaults(reading, config, err);
}

/* ---- the parts that it names ---- */

static kd_code load_plugins(struct job_file *job, kd_config *config, kd_error *err)
{
	const char *slash = strrchr(job->path, '/'), *path;
	char *folder = slash ? strndup(job->path, slash == job->path ? 1 : (size_t) (slash - job->path)) : strdup(".");
	kd_code code = folder ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");

	for (size_t i = 0; !code && (path = kd_config_peek_at(config, "plugins", i)); i++) {
		char *copy = strdup(path);

		code = copy ? plugin_load(&job->parts, copy, folder, err) : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
		free(copy);
	}
	free(folder);
	return code;
}

/* What a first look at the text, without any table, says. */
struct named {
	char *types[PART_KINDS]; /* NULL: not named */
	const struct part *parts[PART_KINDS];
	bool unknown; /* one is named that is not there */
};

static kd_code look(struct job_file *job, const struct reading *reading, struct named *named, kd_error *err)
{
	struct reading silent = *reading;
	kd_config *config = NULL;
	kd_error ignored = {0};
	const char *type;
	kd_code code = parts_add_program(&job->parts, err);

	silent.report = forget;
	/* What is wrong with the text is told by the second reading. */
	if (!code && parse(&silent, NULL, 0, &config, &ignored) == KD_OK) {
		code = load_plugins(job, config, err);
		for (int kind = 0; !code && kind < PART_KINDS; kind++) {
			if (!(type = kd_config_peek(config, part_kind_key((enum part_kind) kind))))
				continue;
			if (!(named->types[kind] = strdup(type)))
				code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
			else if (!(named->parts[kind] = parts_find(&job->parts, (enum part_kind) kind, type)))
				named->unknown = true;
		}
	}
	kd_config_free(config);
	return code;
}

/* Without a part's table its keys are all unknown: of a wrong name that would be a false trail. */
struct filter {
	const struct reading *reading;
	const struct named *named;
};

static void report_but_parts(void *opaque, const kd_diagnostic *diagnostic)
{
	const struct filter *filter = opaque;
	char start[64];

	for (int kind = 0; kind < PART_KINDS; kind++) {
		const char *key = part_kind_key((enum part_kind) kind);

		snprintf(start, sizeof start, "unknown key \"%.*s.", (int) strcspn(key, "."), key);
		if (!filter->named->parts[kind] && (filter->named->types[kind] || kind == PART_SINK) &&
		    strncmp(diagnostic->message, start, strlen(start)) == 0)
			return;
	}
	filter->reading->report(filter->reading->opaque, diagnostic);
}

/* One name that leads nowhere, and what else is wrong. */
static kd_code unknown_part(const struct job_file *job, const struct reading *reading, const struct named *named,
	kd_error *err)
{
	struct filter filter = {reading, named};
	kd_error ignored = {0};
	char message[256] = "";

	for (int kind = PART_KINDS - 1; kind >= 0; kind--) {
		if (!named->types[kind] || named->parts[kind])
			continue;
		const char *near = parts_suggest(&job->parts, (enum part_kind) kind, named->types[kind]);
		snprintf(message, sizeof message, "%s: there is no %s \"%s\"%s%s%s", part_kind_key((enum part_kind) kind),
			part_kind_name((enum part_kind) kind), named->types[kind], near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
		reading->report(reading->opaque, &(kd_diagnostic){.file = reading->name, .message = message});
	}
	if (kd_config_check(job->config, report_but_parts, &filter, &ignored))
		kd_error_clear(&ignored);
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s: %s", reading->name, message);
}

static kd_code read_whole(struct job_file *job, const struct reading *reading, const struct named *named, kd_error *err)
{
	const kd_connector *connector = program_connector();
	kd_options tables[PART_KINDS + 1];
	size_t n = 0;
	kd_code code;

	for (int kind = 0; kind < PART_KINDS; kind++)
		if (named->parts[kind])
			tables[n++] = part_options(named->parts[kind]);
	tables[n++] = (kd_options){connector->options, connector->n_options};
	code = parse(reading, tables, n, &job->config, err);
	if (code)
		return code;
	if (named->unknown)
		return unknown_part(job, reading, named, err);
	job->sink = named->parts[PART_SINK] ? named->parts[PART_SINK]->ops : NULL;
	job->decoder = named->parts[PART_DECODER] ? named->parts[PART_DECODER]->ops : NULL;
	job->transform = named->parts[PART_TRANSFORM] ? named->parts[PART_TRANSFORM]->ops : NULL;
	return kd_config_check(job->config, report_but_parts, &(struct filter){reading, named}, err);
}

/* ---- the file ---- */

kd_code job_file_open(const struct args *args, const char *path, kd_diagnostic_fn *report, void *opaque,
	struct job_file *ret, kd_error *err)
{
	struct reading reading = {.args = args, .name = strcmp(path, "-") == 0 ? "<stdin>" : path, .report = report,
		.opaque = opaque};
	struct named named = {0};
	kd_code code;

	*ret = (struct job_file){.path = path};
	code = read_all(path, &reading.text, err);
	ret->text = reading.text.data;
	if (!code)
		code = look(ret, &reading, &named, err);
	if (!code)
		code = read_whole(ret, &reading, &named, err);
	for (int kind = 0; kind < PART_KINDS; kind++)
		free(named.types[kind]);
	return code;
}

void job_file_done(struct job_file *job)
{
	kd_config_free(job->config);
	parts_done(&job->parts);
	free(job->text);
	*job = (struct job_file){0};
}

kd_job_options job_file_options(const struct job_file *job, const kd_logger *log)
{
	return (kd_job_options){.log = *log, .version = program_connector()->version, .program = program_name(),
		.decoder = job->decoder, .transform = job->transform};
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
