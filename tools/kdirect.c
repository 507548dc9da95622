/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect: the program.  A table of verbs; each is a file of its own, cmd_<verb>.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "suggest.h"
#include "verbs.h"

enum { HELP_WIDTH = 79 };

static const struct verb *const verbs[] = {
	&verb_run, &verb_check, &verb_plan, &verb_offsets, &verb_batches, &verb_audit, &verb_skip, &verb_demo,
};
enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static void print_verbs(FILE *to)
{
	const char *group = "";

	for (size_t i = 0; i < N_VERBS; i++) {
		if (strcmp(group, verbs[i]->group) != 0)
			fprintf(to, "\n%s:\n", verbs[i]->group);
		group = verbs[i]->group;
		fprintf(to, "  %-9s ", verbs[i]->name);
		args_wrap(to, verbs[i]->summary, 12, HELP_WIDTH);
	}
}

static void print_help(FILE *to)
{
	fprintf(to,
		"kdirect: Kafka topics land in a database, every record exactly once\n"
		"\n"
		"Usage: kdirect VERB [OPTION]... [ARGUMENT]...\n"
		"\n"
		"  kdirect demo                              see it work, on this machine\n"
		"  kdirect offsets -b localhost:9092         what a cluster holds\n"
		"  kdirect check orders.json                 is the job right?\n"
		"  kdirect run orders.json                   run it\n"
		"  kdirect audit orders.json                 prove that nothing is missing or doubled\n");
	print_verbs(to);
	fprintf(to,
		"\n"
		"\"kdirect VERB --help\" teaches a verb; \"kdirect --version\" tells all versions.\n"
		"JOB is a JSON file, or - for standard input. Data is written to stdout, all\n"
		"else to stderr.\n"
		"\n"
		"Exit codes: 0 ok; 1 needs a person; 2 usage or configuration; 3 a newer\n"
		"instance took over (do not restart); 4 a fault that may heal (restart).\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static int unknown_verb(const char *name)
{
	const char *names[N_VERBS];
	const char *near;

	for (size_t i = 0; i < N_VERBS; i++)
		names[i] = verbs[i]->name;
	near = suggest(name, names, N_VERBS);
	fprintf(stderr, "kdirect: there is no verb \"%s\"; ", name);
	if (near)
		fprintf(stderr, "did you mean \"kdirect %s\"?\n", near);
	else
		fprintf(stderr, "\"kdirect --help\" lists them\n");
	return 2;
}

static int print_reference(int argc, char **argv)
{
	if (argc == 3 && reference_print(argv[2], verbs, N_VERBS))
		return 0;
	fprintf(stderr, "kdirect: --markdown needs cli or configuration\n");
	return 2;
}

static int option_of_program(int argc, char **argv)
{
	const char *option = argv[1];

	if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	if (strcmp(option, "--version") == 0 || strcmp(option, "-V") == 0) {
		version_print();
		return 0;
	}
	if (strcmp(option, "--markdown") == 0)
		return print_reference(argc, argv);
	fprintf(stderr,
		"kdirect: unknown option \"%s\"; options of a verb stand behind it, and \"kdirect --help\" lists the "
		"verbs\n",
		option);
	return 2;
}

/* "kdirect help run" is "kdirect run --help". */
static int help_verb(int argc, char **argv)
{
	char help[] = "--help";
	const struct verb *verb;

	if (argc < 3) {
		print_help(stdout);
		return 0;
	}
	if (!(verb = find_verb(argv[2])))
		return unknown_verb(argv[2]);
	return verb->run(2, (char *[]){argv[2], help, NULL});
}

static int run_program(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (argv[1][0] == '-')
		return option_of_program(argc, argv);
	if (strcmp(argv[1], "help") == 0)
		return help_verb(argc, argv);
	if (!(verb = find_verb(argv[1])))
		return unknown_verb(argv[1]);
	return verb->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int exit_code;

	signal(SIGPIPE, SIG_IGN);
	exit_code = run_program(argc, argv);
	/* A reader that has seen enough, as head(1), is no fault; a full disk is. */
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE) {
		fprintf(stderr, "kdirect: could not write to standard output: %s\n", strerror(errno));
		return exit_code ? exit_code : 4;
	}
	return exit_code;
}
