/* SPDX-License-Identifier: Apache-2.0 */
/* connector_help: see connector_help.h. */
#include "connector_help.h"

#include <string.h>

#include "parts.h"
#include "program.h"

enum { HELP_WIDTH = 79, NAME_COLUMN = 12, KEY_COLUMN = 29 };

static void print_verbs(FILE *to)
{
	const char *group = "";
	const struct verb *verb;

	for (size_t i = 0; (verb = program_verb(i)); i++) {
		if (strcmp(group, verb->group) != 0)
			fprintf(to, "\n%s:\n", verb->group);
		group = verb->group;
		fprintf(to, "  %-9s ", verb->name);
		args_wrap(to, verb->summary, NAME_COLUMN, HELP_WIDTH);
	}
}

static void print_part(FILE *to, const char *name, const char *summary)
{
	fprintf(to, "  %-9s ", name);
	args_wrap(to, summary ? summary : "", NAME_COLUMN, HELP_WIDTH);
}

static void print_parts(FILE *to)
{
	const kd_sink_ops *sink;
	const kd_decoder_ops *decoder;
	const kd_transform_ops *transform;

	for (size_t i = 0; (sink = program_sink(i)); i++) {
		fprintf(to, "%s", i == 0 ? "\nSinks (sink.type):\n" : "");
		print_part(to, sink->name, sink->summary);
	}
	for (size_t i = 0; (decoder = program_decoder(i)); i++) {
		fprintf(to, "%s", i == 0 ? "\nDecoders (decode.type):\n" : "");
		print_part(to, decoder->name, decoder->summary);
	}
	for (size_t i = 0; (transform = program_transform(i)); i++) {
		fprintf(to, "%s", i == 0 ? "\nTransforms (transform.type):\n" : "");
		print_part(to, transform->name, transform->summary);
	}
}

/* The connector's own keys, and its transforms': those of kdirect's sinks are in the reference. */
static void print_keys(FILE *to, const kd_option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char left[80];
		int size = snprintf(left, sizeof left, "  %s", options[i].key);

		if (size < KEY_COLUMN - 1)
			fprintf(to, "%-*s", KEY_COLUMN, left);
		else
			fprintf(to, "%s\n%*s", left, KEY_COLUMN, "");
		if (options[i].required)
			fprintf(to, "(required) ");
		else if (options[i].default_value && options[i].default_value[0])
			fprintf(to, "[%s] ", options[i].default_value);
		args_wrap(to, options[i].help ? options[i].help : "", KEY_COLUMN, HELP_WIDTH);
	}
}

static void print_own_keys(FILE *to, const kd_connector *connector)
{
	const kd_transform_ops *const *transforms = connector->parts.transforms;
	const kd_decoder_ops *const *decoders = connector->parts.decoders;
	size_t n = connector->n_options;

	for (size_t i = 0; transforms && transforms[i]; i++)
		n += transforms[i]->n_options;
	for (size_t i = 0; decoders && decoders[i]; i++)
		n += decoders[i]->n_options;
	if (n == 0)
		return;
	fprintf(to, "\nKeys of a job file that this program adds (defaults in brackets):\n");
	print_keys(to, connector->options, connector->n_options);
	for (size_t i = 0; decoders && decoders[i]; i++)
		print_keys(to, decoders[i]->options, decoders[i]->n_options);
	for (size_t i = 0; transforms && transforms[i]; i++)
		print_keys(to, transforms[i]->options, transforms[i]->n_options);
}

static void print_examples(FILE *to, const char *name)
{
	static const struct {
		const char *verb, *arguments, *shows;
	} rows[] = {
		{"demo", "", "see it work, on this machine"},
		{"new", "orders", "write a connector of your own"},
		{"offsets", "-b localhost:9092", "what a cluster holds"},
		{"check", "orders.json", "is the job right?"},
		{"run", "orders.json", "run it"},
		{"audit", "orders.json", "prove that nothing is missing or doubled"},
	};

	int width = strlen(name) > 13 ? (int) strlen(name) + 27 : 40; /* two spaces behind the longest, which man pages need */

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char left[128];

		snprintf(left, sizeof left, "%s %s %s", name, rows[i].verb, rows[i].arguments);
		if (program_find_verb(rows[i].verb))
			fprintf(to, "  %-*s %s\n", width, left, rows[i].shows);
	}
}

void connector_help(FILE *to)
{
	const kd_connector *connector = program_connector();
	const char *name = program_name();

	fprintf(to, "%s: %s\n\nUsage: %s VERB [OPTION]... [ARGUMENT]...\n\n", name, connector->summary, name);
	print_examples(to, name);
	print_verbs(to);
	print_parts(to);
	print_own_keys(to, connector);
	fprintf(to, "\n\"%s VERB --help\" teaches a verb.\n\"%s --version\" tells all versions.\n"
		"\"%s --markdown configuration\" is the reference of the job file.\n", name, name, name);
	fprintf(to,
		"JOB is a JSON file, or - for standard input. Data is written to stdout, all\n"
		"else to stderr.\n"
		"\n"
		"Exit codes: 0 ok; 1 needs a person; 2 usage or configuration; 3 a newer\n"
		"instance took over (do not restart); 4 a fault that may heal (restart).\n");
}
