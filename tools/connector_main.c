/* SPDX-License-Identifier: Apache-2.0 */
/* connector_main: a program's whole life: its first argument is a verb or an option of the program, and each verb is a
 * file of its own, cmd_<verb>.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "connector_help.h"
#include "connector_run.h"
#include "parts.h"
#include "program.h"
#include "suggest.h"
#include "verbs.h"

static int unknown_verb(const char *name)
{
	const char *names[MOST_VERBS];
	const char *near;
	size_t n = 0;

	for (; program_verb(n); n++)
		names[n] = program_verb(n)->name;
	near = suggest(name, names, n);
	fprintf(stderr, "%s: there is no verb \"%s\"; ", program_name(), name);
	if (near)
		fprintf(stderr, "did you mean \"%s %s\"?\n", program_name(), near);
	else
		fprintf(stderr, "\"%s --help\" lists them\n", program_name());
	return 2;
}

static int print_reference(int argc, char **argv)
{
	if (argc == 3 && reference_print(argv[2]))
		return 0;
	fprintf(stderr, "%s: --markdown needs cli or configuration\n", program_name());
	return 2;
}

static int option_of_program(int argc, char **argv)
{
	const char *option = argv[1];

	if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0) {
		connector_help(stdout);
		return 0;
	}
	if (strcmp(option, "--version") == 0 || strcmp(option, "-V") == 0) {
		version_print();
		return 0;
	}
	if (strcmp(option, "--markdown") == 0)
		return print_reference(argc, argv);
	fprintf(stderr,
		"%s: unknown option \"%s\"; options of a verb stand behind it, and \"%s --help\" lists the verbs\n",
		program_name(), option, program_name());
	return 2;
}

/* "NAME help run" is "NAME run --help". */
static int help_verb(int argc, char **argv)
{
	char help[] = "--help";
	const struct verb *verb;

	if (argc < 3) {
		connector_help(stdout);
		return 0;
	}
	if (!(verb = program_find_verb(argv[2])))
		return unknown_verb(argv[2]);
	return verb->run(2, (char *[]){argv[2], help, NULL});
}

static int run_program(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		connector_help(stderr);
		return 2;
	}
	if (argv[1][0] == '-')
		return option_of_program(argc, argv);
	if (strcmp(argv[1], "help") == 0)
		return help_verb(argc, argv);
	if (!(verb = program_find_verb(argv[1])))
		return unknown_verb(argv[1]);
	return verb->run(argc - 1, argv + 1);
}

/* Whether what the program brings can be used: said once and at every start, its --help included. */
static bool has_good_parts(void)
{
	struct parts parts = {0};
	kd_error err = {0};
	kd_code code = parts_add_program(&parts, &err);

	parts_done(&parts);
	if (code)
		fprintf(stderr, "%s: %s\n", program_name(), err.message);
	return code == KD_OK;
}

int connector_run(const kd_connector *connector, const struct verb *const *more, size_t n, int argc, char **argv)
{
	int exit_code;

	if (connector->abi != KD_CONNECTOR_ABI || !connector->name || !connector->version || !connector->summary) {
		fprintf(stderr, "a connector needs abi %u (it has %u), a name, a version and a summary: built for another "
			"kdirect?\n", KD_CONNECTOR_ABI, (unsigned) connector->abi);
		return 2;
	}
	program_set(connector, more, n);
	if (!has_good_parts())
		return 2;
	signal(SIGPIPE, SIG_IGN);
	exit_code = run_program(argc, argv);
	/* A reader that has seen enough, as head(1), is no fault; a full disk is. */
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE) {
		fprintf(stderr, "%s: could not write to standard output: %s\n", program_name(), strerror(errno));
		return exit_code ? exit_code : 4;
	}
	return exit_code;
}

int kd_connector_main(const kd_connector *connector, int argc, char **argv)
{
	return connector_run(connector, NULL, 0, argc, argv);
}
