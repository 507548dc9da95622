/* SPDX-License-Identifier: Apache-2.0 */
/* reference: a program's pages on its command line and its job file (kdirect's are docs/CLI.md and
 * docs/CONFIGURATION.md), made from the tables that --help and the parser use. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"
#include "program.h"
#include "verbs.h"

/* A cell of a table: | would end it. */
static void cell(const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text);
	}
}

/* ---- the command line ---- */

static void option_row(char letter, const char *name, const char *value, const char *default_value, const char *help)
{
	printf("| `");
	if (letter)
		printf("-%c`, `", letter);
	printf("--%s%s%s` | %s%s%s | ", name, value ? " " : "", value ? value : "", default_value ? "`" : "",
		default_value ? default_value : "", default_value ? "`" : "");
	cell(help);
	printf(" |\n");
}

/* "0  why" lines as a list. */
static void exit_codes(const char *text)
{
	while (*text) {
		int size = (int) strcspn(text, "\n");

		printf("- `%c` %.*s\n", text[0], size > 3 ? size - 3 : 0, text + (size > 3 ? 3 : size));
		text += size + (text[size] == '\n');
	}
}

/* A text of a verb's row with the program's name in it. */
static void named(const char *text)
{
	char *own = program_text(text);

	fputs(own ? own : text, stdout);
	free(own);
}

static void print_verb(const struct verb *verb)
{
	const char *name = program_name();

	printf("\n## %s %s\n\n%c%s.\n\n    %s %s %s\n\n```\n", name, verb->name, verb->summary[0] - 'a' + 'A',
		verb->summary + 1, name, verb->name, verb->usage);
	named(verb->examples);
	printf("```\n\n");
	named(verb->text);
	printf("\n\n");
	if (verb->options[0])
		printf("| option | default | |\n|---|---|---|\n");
	for (const struct arg_option *const *table = verb->options; *table; table++)
		for (const struct arg_option *row = *table; row->type != ARG_END; row++)
			option_row(row->letter, row->name, row->value, row->default_value, row->help);
	if (verb->options[0])
		printf("\n");
	printf("Exit codes:\n\n");
	exit_codes(verb->exits);
}

static void print_cli(void)
{
	const char *name = program_name();
	const struct verb *verb;

	printf("<!-- made by \"%s --markdown cli\" from the program's own tables; do not edit -->\n"
		"# The command line\n\n"
		"One program, `%s`. Data is written to standard output, everything else to standard error. `JOB` is a\n"
		"JSON file (see [CONFIGURATION](CONFIGURATION.md)), or `-` for standard input. Every verb takes `--help`.\n",
		name, name);
	if (program_is_kdirect())
		printf("A program that is built on the libraries has the same verbs under its own name.\n");
	printf("\n| verb | does |\n|---|---|\n");
	for (size_t i = 0; (verb = program_verb(i)); i++)
		printf("| [`%s`](#%s-%s) | %s |\n", verb->name, name, verb->name, verb->summary);
	printf("\nExit codes mean the same for every verb: 0 ok; 1 needs a person; 2 usage or configuration; 3 a newer\n"
		"instance took the job over (never restart on it); 4 gave up on a fault that may heal (restart).\n");
	for (size_t i = 0; (verb = program_verb(i)); i++)
		print_verb(verb);
}

/* ---- the job file ---- */

static const char *type_text(const kd_option *option)
{
	switch (option->type) {
	case KD_OPT_STRING: return "text";
	case KD_OPT_INT: return "number";
	case KD_OPT_LIMIT: return "number or `\"unlimited\"`";
	case KD_OPT_BOOL: return "true or false";
	case KD_OPT_ENUM: return "one of";
	case KD_OPT_STRINGS: return "array of text";
	case KD_OPT_START: return "text or object";
	case KD_OPT_MAP: return "object of text";
	}
	return "";
}

static void values_text(const char *values)
{
	while (*values) {
		int size = (int) strcspn(values, "|");

		printf(" `%.*s`", size, values);
		values += size + (values[size] == '|');
	}
}

static void print_key(const kd_option *option)
{
	printf("| `%s` | %s", option->key, type_text(option));
	if (option->type == KD_OPT_ENUM && option->values)
		values_text(option->values);
	if ((option->type == KD_OPT_INT || option->type == KD_OPT_LIMIT) && option->max > option->min)
		printf(", %lld to %lld", (long long) option->min, (long long) option->max);
	if (option->required)
		printf(" | required | ");
	else if (option->default_value && option->default_value[0])
		printf(" | `%s` | ", option->default_value);
	else
		printf(" | | ");
	cell(option->help);
	printf("%s |\n", option->secret ? " Never shown in output, ledger or logs." : "");
}

static void print_keys(const kd_option *options, size_t n)
{
	printf("| key | value | default | |\n|---|---|---|---|\n");
	for (size_t i = 0; i < n; i++)
		print_key(&options[i]);
}

static void print_part(const char *kind, const char *name, const char *summary, const kd_option *options, size_t n)
{
	printf("\n## %s `%s`\n\n%s\n\n", kind, name, summary ? summary : "");
	if (n)
		print_keys(options, n);
}

static void print_parts(void)
{
	const kd_sink_ops *sink;
	const kd_decoder_ops *decoder;
	const kd_transform_ops *transform;

	for (size_t i = 0; (sink = program_sink(i)); i++)
		print_part("Sink", sink->name, sink->summary, sink->options, sink->n_options);
	for (size_t i = 0; (decoder = program_decoder(i)); i++)
		print_part("Decoder", decoder->name, decoder->summary, decoder->options, decoder->n_options);
	for (size_t i = 0; (transform = program_transform(i)); i++)
		print_part("Transform", transform->name, transform->summary, transform->options, transform->n_options);
}

static void print_plugins(void)
{
	printf("\n## Plugins\n\n"
		"`\"plugins\": [\"./mine.so\"]` loads shared objects that bring sinks, decoders and transforms; their keys are\n"
		"judged like all others. A path is taken from the job file's folder, or from the current one where the job comes from\n"
		"standard input. A plugin has all rights of the program. So it is refused, with its path, its mode and the command\n"
		"that heals it, unless nobody but root and the user who runs the program could have put it there: the file, and\n"
		"each folder above it, also behind a symbolic link, must belong to one of these two, and must not be writable by\n"
		"others, nor by a group that is neither root's nor the user's own primary one. A sticky folder such as `/tmp` may\n"
		"be writable. Access control lists are not looked at. Two parts of one kind and name are refused.\n");
}

static void print_configuration(void)
{
	const kd_connector *connector = program_connector();
	size_t n;
	const kd_option *options = kd_config_options(&n);

	printf("<!-- made by \"%s --markdown configuration\" from the program's own tables; do not edit -->\n"
		"# The job file\n\n"
		"A job is one JSON object. A key such as `batch.interval_ms` is the member `interval_ms` of the object\n"
		"`batch`. Unknown keys are errors; keys that begin with `_` are comments. `${env:NAME}` and `${file:PATH}`\n"
		"within a text are replaced by an environment variable or a file's content, for secrets. `%s check`\n"
		"finds every mistake at once; `--set KEY=VALUE` wins over the file.\n\n"
		"```json\n"
		"{ \"job\": \"orders\",\n"
		"  \"kafka\": { \"bootstrap.servers\": \"localhost:9092\" },\n"
		"  \"topics\": [\"orders\"],\n"
		"  \"start\": \"earliest\",\n"
		"  \"sink\": { \"type\": \"postgres\", \"dsn\": \"host=localhost dbname=app\",\n"
		"            \"table\": \"public.orders\" } }\n"
		"```\n\n"
		"## The job\n\n", program_name(), program_name());
	print_keys(options, n);
	print_plugins();
	if (connector->n_options) {
		printf("\n## Of %s itself\n\n", connector->name);
		print_keys(connector->options, connector->n_options);
	}
	print_parts();
}

bool reference_print(const char *page)
{
	if (strcmp(page, "cli") == 0)
		print_cli();
	else if (strcmp(page, "configuration") == 0)
		print_configuration();
	else
		return false;
	return true;
}
