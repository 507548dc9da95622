/* SPDX-License-Identifier: Apache-2.0 */
/* Servers from C: see servers.h. */
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "process.h"
#include "tmpdir.h"

#define MAX_ARGUMENTS 16
#define TIMEOUT_MS 120000

static char *run(const char *const *argv)
{
	char *dir = kt_tmpdir();
	kt_process *process = kt_process_start(dir, NULL, argv);
	char *line;

	kt_check(kt_process_wait(process, TIMEOUT_MS) == 0, "%s %s failed: %s", argv[0], argv[1],
		kt_process_stderr(process));
	line = strdup(kt_process_stdout(process));
	kt_check(line, "no memory");
	line[strcspn(line, "\n")] = '\0';
	kt_process_free(process);
	kt_tmpdir_remove(dir);
	return line;
}

char *kt_server(const char *script, const char *verb, const char *dir, ...)
{
	char *path = kt_path(kt_env("KD_TEST_SUPPORT"), script);
	const char *argv[MAX_ARGUMENTS] = {path, verb, dir};
	va_list args;
	char *line;

	va_start(args, dir);
	for (int i = 3; (argv[i] = va_arg(args, const char *)); i++)
		kt_check(i + 2 < MAX_ARGUMENTS, "too many arguments");
	va_end(args);
	line = run(argv);
	free(path);
	return line;
}

/* A child that outlives the test waits for its death (the end of a pipe) and removes the server, so that a test that
 * crashed leaves none behind. */
static void remove_with_me(const char *script, const char *dir)
{
	int ends[2];
	pid_t pid;

	kt_check(pipe2(ends, O_CLOEXEC) == 0, "could not make a pipe: %s", strerror(errno));
	pid = fork();
	kt_check(pid >= 0, "could not fork: %s", strerror(errno));
	if (pid == 0) {
		char *path = kt_path(kt_env("KD_TEST_SUPPORT"), script);
		setsid();
		dup2(ends[0], STDIN_FILENO);
		close(ends[1]);
		execlp("sh", "sh", "-c", "cat >/dev/null; \"$0\" remove \"$1\" >/dev/null 2>&1", path, dir, (char *) NULL);
		_exit(127);
	}
	close(ends[0]);
}

char *kt_server_start(const char *script, const char *dir, const char *argument)
{
	remove_with_me(script, dir);
	return kt_server(script, "start", dir, argument, NULL);
}

char *kt_server_follow(const char *script, const char *dir, const char *primary)
{
	remove_with_me(script, dir);
	return kt_server(script, "standby", dir, primary, NULL);
}
