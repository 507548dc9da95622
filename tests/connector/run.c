/* SPDX-License-Identifier: Apache-2.0 */
/* See run.h. */
#include "run.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "process.h"
#include "tmpdir.h"

enum { MOST_ARGUMENTS = 24, TIMEOUT_MS = 60000 };

/* A shell changes the folder and gives the input. */
static const char script[] = "cd \"$1\" && input=$2 && shift 2 && exec \"$@\" <\"$input\"";

char *built(const char *name)
{
	char *path = kt_format("%s", kt_env("KD_BIN"));
	char *slash = strstr(path, "/bin/kdirect");

	kt_check(slash, "KD_BIN is not .../bin/kdirect: %s", path);
	*slash = '\0';
	char *result = kt_format("%s/tests/connector/%s", path, name);
	free(path);
	return result;
}

run_result run_program(const char *program, const char *dir, const char *input, ...)
{
	char *output = kt_tmpdir();
	char *file = input ? kt_write_file(output, "input", "%s", input) : strdup("/dev/null");
	const char *argv[MOST_ARGUMENTS] = {"/bin/sh", "-c", script, "sh", dir, file, program ? program : kt_env("KD_BIN")};
	int n = 7;
	run_result result;
	va_list args;

	va_start(args, input);
	while ((argv[n] = va_arg(args, const char *)))
		kt_check(++n < MOST_ARGUMENTS, "too many arguments");
	va_end(args);
	kt_process *process = kt_process_start(output, NULL, argv);
	result.code = kt_process_wait(process, TIMEOUT_MS);
	result.out = kt_format("%s", kt_process_stdout(process));
	result.err = kt_format("%s", kt_process_stderr(process));
	kt_process_free(process);
	free(file);
	kt_tmpdir_remove(output);
	return result;
}

void run_done(run_result *result)
{
	free(result->out);
	free(result->err);
}
