/* SPDX-License-Identifier: Apache-2.0 */
/* A job under strace: see local_trace.h. */
#include "local_trace.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"

enum { RUN_MS = 180000, ASK_MS = 30000, CLOSE = 3, ARGUMENTS = 40 };

/* Asks for what the tests do: threads followed, a call that fails.  NULL, or why not. */
static const char *refusal(void)
{
	static char why[256];
	char *dir = kt_tmpdir();
	kt_process *probe = kt_process_start(dir, NULL, (const char *const[]) {"strace", "-f", "-qq", "--seccomp-bpf", "-o",
		"/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1", "true", NULL});
	int code = kt_process_wait(probe, ASK_MS);
	const char *said = kt_process_stderr(probe);

	snprintf(why, sizeof(why), "strace may not trace here (exit code %d): %.*s", code, (int) strcspn(said, "\n"), said);
	kt_process_free(probe);
	kt_tmpdir_remove(dir);
	return code == 0 ? NULL : why;
}

void local_trace_or_skip(void)
{
	const char *why = refusal();

	if (why)
		cr_skip_test("%s", why);
}

void local_trace_tell(void)
{
	const char *why = refusal();

	if (!why)
		cr_skip_test("strace may trace here");
	printf("faults: 0 system calls failed: %s\n", why);
	fflush(stdout);
}

int local_trace_run(kt_job *job, const local_trace *trace, bool *ret_injected, ...)
{
	char *notes = kt_path(job->dir, "strace"), *calls = kt_format("trace=%s", trace->calls);
	char *inject = kt_format("inject=%s:error=%s:when=%d", trace->calls, trace->error, trace->nth);
	const char *argv[ARGUMENTS] = {"strace", "-f", "-qq", "--seccomp-bpf", "-o", notes, "-e", calls, "-e", inject};
	int n = 10;
	va_list settings;

	for (const char *const *path = trace->paths; path && *path; path++) {
		argv[n++] = "-P";
		argv[n++] = *path;
	}
	for (const char *const *word = (const char *const[]) {kt_env("KD_BIN"), "run", job->path, "--until-latest", NULL};
		*word; word++)
		argv[n++] = *word;
	va_start(settings, ret_injected);
	for (const char *set; (set = va_arg(settings, const char *));) {
		kt_check(n + 3 < ARGUMENTS, "too many arguments");
		argv[n++] = "--set";
		argv[n++] = set;
	}
	va_end(settings);
	kt_process *run = kt_process_start(job->dir, NULL, argv);
	int code = kt_process_wait(run, RUN_MS);
	char *said = kt_read_file(notes);
	*ret_injected = strstr(said, "(INJECTED)") != NULL;
	kt_check(code == 0 || (*ret_injected && code < 10 && strchr(trace->codes, '0' + code)),
		"%s %s, the %d.: exit code %d: %s", trace->calls, trace->error, trace->nth, code, kt_process_stderr(run));
	kt_process_free(run);
	free(said);
	free(inject);
	free(calls);
	free(notes);
	return code;
}

int local_trace_next(int nth)
{
	return nth + (getenv("KD_LOCAL_ALL") || nth < CLOSE ? 1 : 1 + nth / 2);
}
