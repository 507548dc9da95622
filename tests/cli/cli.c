/* SPDX-License-Identifier: Apache-2.0 */
/* See cli.h. */
#include "cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"

enum { MAX_ARGUMENTS = 24, TIMEOUT_MS = 60000 };

static cli_run run_verb(const kt_job *job, const char *verb, const char *first, va_list args)
{
	const char *argv[MAX_ARGUMENTS] = {kt_env("KD_BIN"), verb};
	char *dir = kt_tmpdir();
	int n = 2;
	kt_process *process;
	cli_run run;

	if (job)
		argv[n++] = job->path;
	if (first)
		argv[n++] = first;
	while ((argv[n] = va_arg(args, const char *)))
		kt_check(++n < MAX_ARGUMENTS - 1, "too many arguments");
	process = kt_process_start(dir, NULL, argv);
	run.code = kt_process_wait(process, TIMEOUT_MS);
	run.out = kt_format("%s", kt_process_stdout(process));
	run.err = kt_format("%s", kt_process_stderr(process));
	kt_process_free(process);
	kt_tmpdir_remove(dir);
	return run;
}

cli_run cli_verb(const kt_job *job, const char *verb, ...)
{
	cli_run run;
	va_list args;

	va_start(args, verb);
	run = run_verb(job, verb, NULL, args);
	va_end(args);
	return run;
}

void cli_done(cli_run *run)
{
	free(run->out);
	free(run->err);
}

json_t *cli_json(const kt_job *job, int code, const char *verb, ...)
{
	json_error_t error;
	json_t *json;
	cli_run run;
	va_list args;

	va_start(args, verb);
	run = run_verb(job, verb, "--json", args);
	va_end(args);
	kt_check(run.code == code, "%s ended with %d, not %d:\n%s%s", verb, run.code, code, run.err, run.out);
	json = json_loads(run.out, 0, &error);
	kt_check(json, "%s printed no JSON (%s):\n%s%s", verb, error.text, run.out, run.err);
	cli_done(&run);
	return json;
}

json_t *cli_row(json_t *rows, int partition)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (json_integer_value(json_object_get(row, "partition")) == partition)
			return row;
	kt_fail("no row of partition %d", partition);
}

int64_t cli_int(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	kt_check(json_is_integer(value), "\"%s\" is no number", name);
	return json_integer_value(value);
}

const char *cli_text(json_t *object, const char *name)
{
	json_t *value = json_object_get(object, name);

	kt_check(json_is_string(value), "\"%s\" is no text", name);
	return json_string_value(value);
}
