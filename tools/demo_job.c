/* SPDX-License-Identifier: Apache-2.0 */
/* demo_job: see demo_job.h. */
#include "demo_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <kdirect/types.h>

enum { LOOK_MS = 5, MOST_AUDIT_BYTES = 1 << 20 };

/* In the child, after fork: only calls that are safe there.  Never returns. */
static void become(pid_t parent, int output, char *const *argv)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before that call */
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(127);
	execv("/proc/self/exe", argv);
	_exit(127);
}

static pid_t spawn(char *const *argv, int output)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		become(parent, output, argv);
	return pid;
}

pid_t demo_job_start(const char *job_path, const char *log_path)
{
	char program[] = "kdirect", verb[] = "run";
	char *job = strdup(job_path);
	int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	pid_t pid = job && log >= 0 ? spawn((char *[]){program, verb, job, NULL}, log) : -1;

	if (log >= 0)
		close(log);
	free(job);
	return pid;
}

bool demo_job_ended(pid_t pid, int *ret_status)
{
	return waitpid(pid, ret_status, WNOHANG) == pid;
}

int demo_job_end(pid_t pid, int signal_number, int timeout_ms)
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
	int status = 0;

	kill(pid, signal_number);
	for (int waited_ms = 0; waited_ms < timeout_ms; waited_ms += LOOK_MS) {
		if (demo_job_ended(pid, &status))
			return status;
		nanosleep(&look, NULL);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

const char *demo_job_status_text(int status, char *text, size_t size)
{
	if (WIFEXITED(status))
		snprintf(text, size, "exit code %d", WEXITSTATUS(status));
	else
		snprintf(text, size, "signal %d", WTERMSIG(status));
	return text;
}

/* Reads to the end; NUL-terminated; NULL without memory.  What is too much is read and dropped, so that the writer
 * can end. */
static char *read_all(int fd)
{
	kd_buf text = {0};
	bool ok = true;

	for (;;) {
		char bytes[4096];
		ssize_t n = read(fd, bytes, sizeof bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (text.size < MOST_AUDIT_BYTES)
			ok = kd_buf_append(&text, bytes, (size_t) n) && ok;
	}
	if (ok && kd_buf_append(&text, "", 1))
		return text.data;
	kd_buf_done(&text);
	return NULL;
}

int demo_job_audit(const char *job_path, char **ret_text)
{
	char program[] = "kdirect", verb[] = "audit", deep[] = "--deep", quiet[] = "-q";
	char *job = strdup(job_path);
	int ends[2], status = 0;

	*ret_text = NULL;
	if (!job || pipe2(ends, O_CLOEXEC) < 0) {
		free(job);
		return -1;
	}
	pid_t pid = spawn((char *[]){program, verb, job, deep, quiet, NULL}, ends[1]);
	close(ends[1]);
	free(job);
	if (pid > 0)
		*ret_text = read_all(ends[0]);
	close(ends[0]);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
