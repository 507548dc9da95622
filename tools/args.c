/* SPDX-License-Identifier: Apache-2.0 */
/* args: parses a verb's options by its tables and prints its --help from them.  getopt_long does the reading; what
 * it calls '?' is turned here into one line that names the option and, where one is near, the one that was meant. */
#include "args.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "range_arg.h"
#include "suggest.h"

enum { MOST_OPTIONS = 48, HELP_COLUMN = 29, HELP_WIDTH = 79, FIRST_LONG = 256 };

#define MEMBER(name) offsetof(struct args, name)

#define ROW_BOOTSTRAP \
	{ARG_TEXT, 'b', "bootstrap-server", "HOST:PORT,...", NULL, NULL, 0, 0, \
	 "the Kafka brokers to ask first; with a JOB, instead of its bootstrap.servers", MEMBER(bootstrap)}
#define ROW_PROPERTY \
	{ARG_LIST, 'X', "property", "NAME=VALUE", NULL, NULL, 0, 0, \
	 "a librdkafka property, such as security.protocol=ssl (repeats)", MEMBER(properties)}
#define ROW_FILE \
	{ARG_LIST, 'F', "properties-file", "FILE", NULL, NULL, 0, 0, \
	 "a file of librdkafka properties, name=value a line: keeps secrets out of the list of processes (repeats)", \
	 MEMBER(property_files)}
#define ROW_SET \
	{ARG_LIST, 0, "set", "KEY=VALUE", NULL, NULL, 0, 0, \
	 "a key of the job file, such as batch.interval_ms=500; wins over the file (repeats)", MEMBER(sets)}
#define ROW_JSON \
	{ARG_FLAG, 0, "json", NULL, NULL, NULL, 0, 0, "print JSON, for programs", MEMBER(json)}

const struct arg_option args_cluster[] = {ROW_BOOTSTRAP, ROW_PROPERTY, ROW_FILE, {.type = ARG_END}};
const struct arg_option args_set[] = {ROW_SET, {.type = ARG_END}};
const struct arg_option args_job[] = {
	ROW_SET,
	ROW_BOOTSTRAP, ROW_PROPERTY, ROW_FILE,
	{.type = ARG_END}};
const struct arg_option args_topics[] = {
	{ARG_LIST, 't', "topic", "TOPIC", "all", NULL, 0, 0, "only this topic (repeats)", MEMBER(topics)},
	{ARG_TEXT, 'p', "partitions", "LIST", "all", NULL, 0, 0, "only these partitions, such as 0,3,8-11",
	 MEMBER(partitions)},
	{.type = ARG_END}};
const struct arg_option args_output[] = {
	ROW_JSON,
	{ARG_FLAG, 0, "csv", NULL, NULL, NULL, 0, 0, "print CSV with a line of headings (RFC 4180)", MEMBER(csv)},
	{.type = ARG_END}};
const struct arg_option args_json[] = {ROW_JSON, {.type = ARG_END}};
const struct arg_option args_logs[] = {
	{ARG_ENUM, 0, "log-format", "FORMAT", "logfmt", "logfmt|json", 0, 0, "logfmt or json, one line each, on stderr",
	 MEMBER(log_format)},
	{ARG_ENUM, 0, "log-level", "LEVEL", "info", "error|warn|info|debug", 0, 0, "error, warn, info or debug",
	 MEMBER(log_level)},
	{ARG_INT, 0, "log-every", "SECONDS", "10", NULL, 0, 86400,
	 "batches are folded into one line, and a fault that repeats is told once, in so many seconds; 0: tell each",
	 MEMBER(log_every_s)},
	{.type = ARG_END}};
const struct arg_option args_common[] = {
	{ARG_FLAG, 'q', "quiet", NULL, NULL, NULL, 0, 0, "only errors on stderr", MEMBER(quiet)},
	{ARG_FLAG, 'v', "verbose", NULL, NULL, NULL, 0, 0, "also debug lines on stderr", MEMBER(verbose)},
	{.type = ARG_END}};

/* ---- the rows of a verb ---- */

static size_t rows_of(const struct verb *verb, const struct arg_option *rows[MOST_OPTIONS])
{
	size_t n = 0;

	for (const struct arg_option *const *table = verb->options; *table; table++)
		for (const struct arg_option *row = *table; row->type != ARG_END && n < MOST_OPTIONS; row++)
			rows[n++] = row;
	return n;
}

const struct arg_option *args_find(const struct verb *verb, const char *name)
{
	const struct arg_option *rows[MOST_OPTIONS];
	size_t n = rows_of(verb, rows);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

/* ---- values ---- */

static bool in_words(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; *at;) {
		size_t n = strcspn(at, "|");

		if (n == size && memcmp(at, word, size) == 0)
			return true;
		at += n + (at[n] == '|');
	}
	return false;
}

static bool append(struct strings *list, const char *item)
{
	const char **items = realloc(list->items, (list->n + 1) * sizeof *items);

	if (!items)
		return false;
	list->items = items;
	items[list->n++] = item;
	return true;
}

static bool whole_number(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	char *end = NULL;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end || errno || n < min || n > max)
		return false;
	*ret = n;
	return true;
}

static bool wrong_value(const struct verb *verb, const struct arg_option *row, const char *text)
{
	fprintf(stderr, "%s %s: --%s \"%s\": ", program_name(), verb->name, row->name, text);
	if (row->type == ARG_ENUM) {
		fprintf(stderr, "must be one of");
		for (const char *at = row->values; *at; at += *at == '|') {
			int size = (int) strcspn(at, "|");

			fprintf(stderr, " %.*s", size, at);
			at += size;
		}
		fputc('\n', stderr);
	} else
		fprintf(stderr, "must be a whole number from %lld to %lld\n", (long long) row->min, (long long) row->max);
	return false;
}

static bool assign(const struct verb *verb, const struct arg_option *row, const char *text, struct args *args)
{
	void *member = (char *) args + row->member;

	switch (row->type) {
	case ARG_FLAG:
		*(bool *) member = true;
		return true;
	case ARG_TEXT:
		*(const char **) member = text;
		return true;
	case ARG_ENUM:
		*(const char **) member = text;
		return in_words(row->values, text) || wrong_value(verb, row, text);
	case ARG_LIST:
		if (append(member, text))
			return true;
		fprintf(stderr, "%s %s: no memory\n", program_name(), verb->name);
		return false;
	case ARG_INT:
		return whole_number(text, row->min, row->max, member) || wrong_value(verb, row, text);
	case ARG_END:
		break;
	}
	return false;
}

/* A default is told in --help for every type, but only numbers and words are stored: "all" is the empty list. */
static void assign_defaults(const struct arg_option *const *rows, size_t n, struct args *args)
{
	for (size_t i = 0; i < n; i++) {
		void *member = (char *) args + rows[i]->member;

		if (!rows[i]->default_value)
			continue;
		if (rows[i]->type == ARG_ENUM)
			*(const char **) member = rows[i]->default_value;
		else if (rows[i]->type == ARG_INT)
			(void) whole_number(rows[i]->default_value, INT64_MIN, INT64_MAX, member);
	}
}

/* ---- parsing ---- */

static enum args_next unknown_option(const struct verb *verb, const struct arg_option *const *rows, size_t n,
	const char *given)
{
	const char *names[MOST_OPTIONS + 1];
	char word[64];
	const char *near;

	snprintf(word, sizeof word, "%.*s", (int) strcspn(given + 2, "="), given + 2);
	for (size_t i = 0; i < n; i++)
		names[i] = rows[i]->name;
	names[n] = "help";
	near = suggest(word, names, n + 1);
	fprintf(stderr, "%s %s: unknown option \"--%s\"", program_name(), verb->name, word);
	if (near)
		fprintf(stderr, "; did you mean --%s?\n", near);
	else
		fprintf(stderr, "; \"%s %s --help\" lists them\n", program_name(), verb->name);
	return ARGS_WRONG;
}

static enum args_next unknown_letter(const struct verb *verb, int letter)
{
	fprintf(stderr, "%s %s: unknown option \"-%c\"; \"%s %s --help\" lists them\n", program_name(), verb->name, letter,
		program_name(), verb->name);
	return ARGS_WRONG;
}

static enum args_next check_operands(const struct verb *verb, const struct args *args)
{
	const char *name = program_name();

	if (args->n_operands < verb->min_operands)
		fprintf(stderr, "%s %s: something is missing; usage: %s %s %s\n", name, verb->name, name, verb->name,
			verb->usage);
	else if (args->n_operands > verb->max_operands)
		fprintf(stderr, "%s %s: \"%s\" is one too many; usage: %s %s %s\n", name, verb->name,
			args->operands[verb->max_operands], name, verb->name, verb->usage);
	else if (args->json && args->csv)
		fprintf(stderr, "%s %s: --json and --csv exclude each other\n", name, verb->name);
	else if (args->partitions && !partitions_valid(args->partitions))
		fprintf(stderr, "%s %s: --partitions \"%s\": must be numbers and ranges, such as 0,3,8-11\n", name, verb->name,
			args->partitions);
	else
		return ARGS_GO_ON;
	return ARGS_WRONG;
}

/* getopt's two forms of the rows; 'h' is every verb's. */
static void getopt_tables(const struct arg_option *const *rows, size_t n, char *letters, struct option *options)
{
	*letters++ = ':';
	*letters++ = 'h';
	for (size_t i = 0; i < n; i++) {
		options[i] = (struct option){rows[i]->name, rows[i]->value ? required_argument : no_argument, NULL,
			FIRST_LONG + (int) i};
		if (!rows[i]->letter)
			continue;
		*letters++ = rows[i]->letter;
		if (rows[i]->value)
			*letters++ = ':';
	}
	*letters = '\0';
	options[n] = (struct option){"help", no_argument, NULL, 'h'};
	options[n + 1] = (struct option){NULL, 0, NULL, 0};
}

static const struct arg_option *row_of(const struct arg_option *const *rows, size_t n, int c)
{
	if (c >= FIRST_LONG)
		return rows[c - FIRST_LONG];
	for (size_t i = 0; i < n; i++)
		if (rows[i]->letter == c)
			return rows[i];
	return NULL;
}

enum args_next args_parse(const struct verb *verb, int argc, char **argv, struct args *ret_args)
{
	const struct arg_option *rows[MOST_OPTIONS];
	size_t n = rows_of(verb, rows);
	struct option options[MOST_OPTIONS + 2];
	char letters[2 * MOST_OPTIONS + 3];
	int c;

	*ret_args = (struct args){.max_lag = -1};
	assign_defaults(rows, n, ret_args);
	getopt_tables(rows, n, letters, options);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		const struct arg_option *row;

		if (c == 'h') {
			args_help(stdout, verb);
			return ARGS_DONE;
		}
		if (c == ':') {
			fprintf(stderr, "%s %s: option \"%s\" needs a value\n", program_name(), verb->name, argv[optind - 1]);
			return ARGS_WRONG;
		}
		if (c == '?' && optopt >= FIRST_LONG) {
			fprintf(stderr, "%s %s: option \"--%s\" takes no value\n", program_name(), verb->name,
				rows[optopt - FIRST_LONG]->name);
			return ARGS_WRONG;
		}
		if (c == '?' && optopt)
			return unknown_letter(verb, optopt);
		if (c == '?')
			return unknown_option(verb, rows, n, argv[optind - 1]);
		row = row_of(rows, n, c);
		if (!row || !assign(verb, row, optarg, ret_args))
			return ARGS_WRONG;
	}
	ret_args->operands = argv + optind;
	ret_args->n_operands = argc - optind;
	return check_operands(verb, ret_args);
}

void args_free(struct args *args)
{
	free(args->topics.items);
	free(args->properties.items);
	free(args->property_files.items);
	free(args->sets.items);
	*args = (struct args){0};
}

int args_run(const struct verb *verb, int argc, char **argv, int (*body)(const struct args *args))
{
	struct args args;
	enum args_next next = args_parse(verb, argc, argv, &args);
	int exit_code = next == ARGS_DONE ? 0 : next == ARGS_WRONG ? 2 : body(&args);

	args_free(&args);
	return exit_code;
}

/* ---- help ---- */

void args_wrap(FILE *to, const char *text, int indent, int width)
{
	int column = indent;

	for (const char *at = text; *at;) {
		int size = (int) strcspn(at, " \n");

		if (column > indent && column + 1 + size > width) {
			fprintf(to, "\n%*s", indent, "");
			column = indent;
		}
		column += fprintf(to, "%s%.*s", column > indent ? " " : "", size, at);
		at += size;
		if (strncmp(at, "\n\n", 2) == 0) {
			fprintf(to, "\n\n%*s", indent, "");
			column = indent;
		}
		at += strspn(at, " \n");
	}
	fputc('\n', to);
}

static void help_row(FILE *to, char letter, const char *name, const char *value, const char *text,
	const char *default_value)
{
	char left[64], all[512];
	int size;

	size = snprintf(left, sizeof left, "  %c%c%s --%s%s%s", letter ? '-' : ' ', letter ? letter : ' ',
		letter ? "," : " ", name, value ? " " : "", value ? value : "");
	if (size < HELP_COLUMN - 1)
		fprintf(to, "%-*s", HELP_COLUMN, left);
	else
		fprintf(to, "%s\n%*s", left, HELP_COLUMN, "");
	if (default_value)
		snprintf(all, sizeof all, "%s [%s]", text, default_value);
	else
		snprintf(all, sizeof all, "%s", text);
	args_wrap(to, all, HELP_COLUMN, HELP_WIDTH);
}

static void indent_lines(FILE *to, const char *text)
{
	char *own = program_text(text);

	for (const char *at = own ? own : text; *at;) {
		int size = (int) strcspn(at, "\n");

		fprintf(to, "  %.*s\n", size, at);
		at += size + (at[size] == '\n');
	}
	free(own);
}

static void paragraphs(FILE *to, const char *text)
{
	char *own = program_text(text);

	fprintf(to, "  ");
	args_wrap(to, own ? own : text, 2, HELP_WIDTH);
	free(own);
}

void args_help(FILE *to, const struct verb *verb)
{
	const struct arg_option *rows[MOST_OPTIONS];
	size_t n = rows_of(verb, rows);

	fprintf(to, "%s %s: %s\n\nUsage: %s %s %s\n\nExamples:\n", program_name(), verb->name, verb->summary,
		program_name(), verb->name, verb->usage);
	indent_lines(to, verb->examples);
	fprintf(to, "\nWhat it does:\n");
	paragraphs(to, verb->text);
	fprintf(to, "\nOptions (defaults in brackets):\n");
	for (size_t i = 0; i < n; i++)
		help_row(to, rows[i]->letter, rows[i]->name, rows[i]->value, rows[i]->help, rows[i]->default_value);
	help_row(to, 'h', "help", NULL, "this text", NULL);
	fprintf(to, "\nExit codes:\n");
	indent_lines(to, verb->exits);
}
