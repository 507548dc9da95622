// SPDX-License-Identifier: Apache-2.0
// main: the command line of kdirect-sink-conformance.
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>

#include "program.h"
#include "tmpdir.h"

#define PROGRAM "kdirect-sink-conformance"

noreturn void usage_error(const char *format, ...)
{
	va_list args;
	fprintf(stderr, PROGRAM ": ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\ntry: " PROGRAM " --help\n");
	exit(EXIT_USAGE);
}

static const char help[] =
	PROGRAM ": judges a transactional sink\n"
	"\n"
	"Usage: " PROGRAM " [OPTION]... OBJECT.so [JOB.json]\n"
	"       " PROGRAM " [OPTION]... --sink NAME [JOB.json]\n"
	"\n"
	"Runs the suite that every sink of kdirect passes on the sink that the shared object\n"
	"brings (kd_plugin_entry in kdirect/connector.h), and prints TAP: a line for each case,\n"
	"and why one failed.\n"
	"\n"
	"Configuration:\n"
	"  The sink's keys are the \"sink\" of JOB.json, and --set.  In their values stands\n"
	"    {dir}    a new empty folder, another one for each case\n"
	"    {name}   a new word for each case, for the name of a database: [a-z0-9_]\n"
	"    {table}  \"t\" or \"t2\": two targets that share a ledger; leave it out where each target\n"
	"             has a ledger of its own\n"
	"      --set KEY=VALUE      a key of the sink: --set 'sink.path={dir}/data'\n"
	"      --sink NAME          which of the object's sinks; without an object, one of kdirect's\n"
	"      --hooks OBJECT.so    looks behind the sink's back (kd_conformance_entry in\n"
	"                           kdirect/conformance.h); else taken from the sink's own object\n"
	"\n"
	"Cases:\n"
	"      --list               the cases, without running them\n"
	"      --only PATTERN       those whose name fits the shell pattern; repeats\n"
	"      --timeout SECONDS    for one case [60]\n"
	"\n"
	"Output:\n"
	"      --json               one JSON object instead of TAP\n"
	"      --help, --version\n"
	"\n"
	"A case that needs a hook which is not there is skipped, and says which; the end of the\n"
	"report lists what was not looked at.\n"
	"\n"
	"Exit codes: 0 every case that could be run passed; 1 one failed; 2 usage or configuration.\n"
	"\n"
	"Example:\n"
	"  cc -shared -fPIC -o mysink.so mysink.c $(pkg-config --cflags kdconnector)\n"
	"  " PROGRAM " --set 'sink.path={dir}/data' ./mysink.so\n";

enum { SET = 256, SINK, HOOKS, LIST, ONLY, TIMEOUT, JSON, HELP, VERSION };
static const struct option options[] = {
	{"set", required_argument, NULL, SET}, {"sink", required_argument, NULL, SINK},
	{"hooks", required_argument, NULL, HOOKS}, {"list", no_argument, NULL, LIST},
	{"only", required_argument, NULL, ONLY}, {"timeout", required_argument, NULL, TIMEOUT},
	{"json", no_argument, NULL, JSON}, {"help", no_argument, NULL, HELP}, {"version", no_argument, NULL, VERSION},
	{NULL, 0, NULL, 0},
};

static void take_timeout(arguments *args, const char *text)
{
	char *end;
	long seconds = strtol(text, &end, 10);
	if (*end || seconds < 1 || seconds > 86400)
		usage_error("--timeout wants seconds, not \"%s\"", text);
	args->timeout_s = (int) seconds;
}

static void take_option(arguments *args, int option, const char *word)
{
	switch (option) {
	case SET: args->set[args->n_set++] = optarg; break;
	case SINK: args->sink = optarg; break;
	case HOOKS: args->hooks = optarg; break;
	case LIST: args->list = true; break;
	case ONLY: args->only[args->n_only++] = optarg; break;
	case TIMEOUT: take_timeout(args, optarg); break;
	case JSON: args->json = true; break;
	case HELP: fputs(help, stdout); exit(EXIT_CONFORMS);
	case VERSION: printf(PROGRAM " " KD_VERSION "\n"); exit(EXIT_CONFORMS);
	default: usage_error("\"%s\" is no option, or lacks its value", word);
	}
}

static bool is_object(const char *name)
{
	size_t size = strlen(name);
	return size > 3 && !strcmp(name + size - 3, ".so");
}

static arguments parse(int argc, char **argv)
{
	arguments args = {.timeout_s = 60, .set = calloc((size_t) argc, sizeof *args.set),
		.only = calloc((size_t) argc, sizeof *args.only)};
	int option;
	kt_check(args.set && args.only, "no memory");
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(&args, option, argv[optind - 1]);
	if (optind < argc && (!args.sink || is_object(argv[optind])))
		args.object = argv[optind++];
	if (optind < argc)
		args.job = argv[optind++];
	if (optind < argc)
		usage_error("there is one argument too many: \"%s\"", argv[optind]);
	if (!args.object && !args.sink && !args.list)
		usage_error("which sink?  Name its shared object");
	return args;
}

static size_t count_chosen(const arguments *args)
{
	size_t n = 0;
	for (size_t g = 0; g < n_groups; g++)
		for (size_t c = 0; c < groups[g].n; c++)
			n += is_chosen(args, groups[g].cases[c].name);
	if (n == 0)
		usage_error("no case fits --only; --list names them");
	return n;
}

static void list(const arguments *args)
{
	for (size_t g = 0; g < n_groups; g++)
		for (size_t c = 0; c < groups[g].n; c++)
			if (is_chosen(args, groups[g].cases[c].name))
				printf("%s\t%s\n", groups[g].name, groups[g].cases[c].name);
}

static int run(const arguments *args)
{
	size_t n = count_chosen(args);
	subject *s = subject_find(args);
	report *r = report_begin(s, args, n);
	for (size_t g = 0; g < n_groups; g++)
		for (size_t c = 0; c < groups[g].n; c++) {
			const named_case *one = &groups[g].cases[c];
			if (!is_chosen(args, one->name))
				continue;
			finding f = run_case(s, one->fn, args->timeout_s);
			report_case(r, &groups[g], one->name, &f);
			free(f.text);
		}
	int code = report_end(r);
	subject_free(s);
	return code;
}

int main(int argc, char **argv)
{
	arguments args = parse(argc, argv);
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	int code = EXIT_CONFORMS;
	if (args.list)
		list(&args);
	else
		code = run(&args);
	free(args.set);
	free(args.only);
	return code;
}
