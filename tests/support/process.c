/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: see process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

#define MAX_ARGUMENTS 32

struct kt_process {
	pid_t pid;
	bool ended;
	int code;
	char *out_path, *err_path;
	char *out, *err;
};

static void become(const kt_process *process, const char *const *env, const char *const *argv, pid_t parent)
{
	int in = open("/dev/null", O_RDONLY);
	int out = open(process->out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	int err = open(process->err_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || in < 0 || out < 0 || err < 0)
		_exit(126);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	for (; env && *env; env++)
		putenv((char *) *env);
	execvp(argv[0], (char *const *) argv);
	dprintf(STDERR_FILENO, "could not run \"%s\": %s\n", argv[0], strerror(errno));
	_exit(127);
}

kt_process *kt_process_start(const char *dir, const char *const *env, const char *const *argv)
{
	static atomic_int count;
	kt_process *process = calloc(1, sizeof(*process));
	pid_t parent = getpid();
	int number = atomic_fetch_add(&count, 1);

	kt_check(process, "no memory");
	process->out_path = kt_format("%s/%d.%d.out", dir, (int) parent, number);
	process->err_path = kt_format("%s/%d.%d.err", dir, (int) parent, number);
	process->pid = fork();
	kt_check(process->pid >= 0, "could not fork: %s", strerror(errno));
	if (process->pid == 0)
		become(process, env, argv, parent);
	return process;
}

kt_process *kt_kdirect(const char *dir, const char *const *env, ...)
{
	const char *argv[MAX_ARGUMENTS] = {kt_env("KD_BIN")};
	va_list args;

	va_start(args, env);
	for (int i = 1; (argv[i] = va_arg(args, const char *)); i++)
		kt_check(i + 2 < MAX_ARGUMENTS, "too many arguments");
	va_end(args);
	return kt_process_start(dir, env, argv);
}

bool kt_process_running(kt_process *process)
{
	int status;

	if (!process->ended && waitpid(process->pid, &status, WNOHANG) == process->pid) {
		process->ended = true;
		process->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	return !process->ended;
}

static bool has_ended(void *opaque)
{
	return !kt_process_running(opaque);
}

int kt_process_wait(kt_process *process, int timeout_ms)
{
	if (!kt_wait_until(has_ended, process, timeout_ms)) {
		kt_process_signal(process, SIGKILL);
		kt_fail("process %d did not end within %d ms; its stderr:\n%s", (int) process->pid, timeout_ms,
			kt_process_stderr(process));
	}
	return process->code;
}

bool kt_process_says(kt_process *process, const char *text, int timeout_ms)
{
	int64_t end = kt_now_ms() + timeout_ms;

	for (;;) {
		bool running = kt_process_running(process);
		if (strstr(kt_process_stderr(process), text))
			return true;
		if (!running || kt_now_ms() >= end)
			return false;
		kt_pause();
	}
}

void kt_process_signal(kt_process *process, int signal)
{
	if (!process->ended)
		kill(process->pid, signal);
}

pid_t kt_process_pid(const kt_process *process)
{
	return process->pid;
}

bool kt_process_is_stopped(void *opaque)
{
	kt_process *process = opaque;
	char *path = kt_format("/proc/%d/stat", (int) kt_process_pid(process)), *stat = kt_read_file(path);
	const char *rest = strrchr(stat, ')');
	bool stopped = rest && rest[2] == 'T';

	free(stat);
	free(path);
	return stopped;
}

const char *kt_process_stdout(kt_process *process)
{
	free(process->out);
	return process->out = kt_read_file(process->out_path);
}

const char *kt_process_stderr(kt_process *process)
{
	free(process->err);
	return process->err = kt_read_file(process->err_path);
}

void kt_process_free(kt_process *process)
{
	if (!process)
		return;
	if (kt_process_running(process)) {
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
	}
	free(process->out_path);
	free(process->err_path);
	free(process->out);
	free(process->err);
	free(process);
}
