/* SPDX-License-Identifier: Apache-2.0 */
/* args: the command line's options.  Each option is one row of a table; the parser, --help and docs/CLI.md are made
 * from it.  What a row sets is a member of `struct args`, one struct for all verbs: a verb takes only the rows it
 * names.  Parsing is getopt_long's, with one specific line for each mistake. */
#ifndef TOOLS_ARGS_H
#define TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Values given more than once, in the order of the command line; they point into argv. */
struct strings {
	const char **items;
	size_t n;
};

struct args {
	/* a Kafka cluster */
	const char *bootstrap;
	struct strings topics;
	const char *partitions;
	const char *group;
	struct strings properties;
	struct strings property_files;
	/* a job */
	struct strings sets;
	/* output */
	bool json, csv, quiet, verbose;
	const char *log_format;
	const char *log_level;
	int64_t log_every_s;
	/* of one verb or two */
	bool until_latest, offline, sql, deep, strict, execute, no_witness;
	const char *at;
	const char *reason;
	const char *key_separator;
	int64_t max_lag;
	int64_t blocked_after_s;
	int64_t batches;
	int64_t timeout_s;
	int64_t events, kills, seed, minutes, faults;
	const char *dsn;
	bool keep_schema;
	const char *keep;
	const char *dir;
	bool sink;
	/* what is not an option; points into argv */
	char **operands;
	int n_operands;
};

enum arg_type { ARG_END, ARG_FLAG, ARG_TEXT, ARG_LIST, ARG_INT, ARG_ENUM };

struct arg_option {
	enum arg_type type;
	char letter;               /* 0: none */
	const char *name;          /* "max-lag" */
	const char *value;         /* what --help calls its value; NULL: a flag */
	const char *default_value; /* as text; NULL: none */
	const char *values;        /* ARG_ENUM: "error|warn|info|debug" */
	int64_t min, max;          /* ARG_INT */
	const char *help;
	size_t member;             /* offsetof(struct args, ...) */
};

/* A verb as --help, the parser and the reference page see it.  In examples and text $0 is the program's name. */
struct verb {
	const char *name;
	const char *group;   /* its heading in the list of verbs */
	const char *summary; /* one line */
	const char *usage;   /* "JOB [OPTION]..." */
	const char *examples; /* lines: "command\n    what it shows\n" */
	const char *text;    /* what it does: paragraphs separated by an empty line */
	const struct arg_option *const *options; /* tables, NULL-terminated; each ends with {ARG_END} */
	const char *exits;   /* lines: "0 why\n" */
	int min_operands, max_operands;
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
};

/* The tables that verbs share. */
extern const struct arg_option args_job[];    /* -b -X -F --set */
extern const struct arg_option args_set[];    /* --set */
extern const struct arg_option args_cluster[]; /* -b -X -F */
extern const struct arg_option args_topics[]; /* -t -p */
extern const struct arg_option args_output[]; /* --json --csv */
extern const struct arg_option args_json[];   /* --json */
extern const struct arg_option args_logs[];   /* --log-format --log-level --log-every */
extern const struct arg_option args_common[]; /* -q -v -h */

/* What args_parse tells its caller to do. */
enum args_next { ARGS_GO_ON, ARGS_DONE, ARGS_WRONG };

/* Fills *ret_args from argv, defaults first.  ARGS_DONE: --help was asked for and printed.  ARGS_WRONG: one line on
 * stderr says what is wrong.  The caller frees with args_free in every case. */
enum args_next args_parse(const struct verb *verb, int argc, char **argv, struct args *ret_args);
void args_free(struct args *args);

/* A verb's whole life: parse, `body` where there is something to do, free.  Returns the exit code. */
int args_run(const struct verb *verb, int argc, char **argv, int (*body)(const struct args *args));

/* The row that sets an option of this name; NULL: the verb has none. */
const struct arg_option *args_find(const struct verb *verb, const char *name);

/* Prints text wrapped to `width` columns, each line after `indent` spaces; the first one continues what stands in
 * the line already.  Shared with the list of verbs. */
void args_wrap(FILE *to, const char *text, int indent, int width);

void args_help(FILE *to, const struct verb *verb);

#endif
