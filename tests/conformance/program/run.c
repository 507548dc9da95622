// SPDX-License-Identifier: Apache-2.0
// run: one case in a process of its own, with a folder of its own and a deadline.
//
// The process leads a group, so that the puppets it made end with it.  What anybody in it says goes to a file, which
// becomes the case's diagnostics.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"
#include "tmpdir.h"
#include "wait.h"

enum { SKIPPED_STATUS = 77 };

static noreturn void leave_skipped(const char *why)
{
	fprintf(stderr, "%s\n", why);
	_exit(SKIPPED_STATUS);
}

static void skip(const char *why)
{
	leave_skipped(why);
}

static noreturn void be_the_case(const subject *s, conformance_case *fn, const char *dir, const char *said)
{
	int fd = open(said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	sigset_t none;
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_CORE, &(struct rlimit) {0, 0});
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 || setenv("KD_TEST_TMP", dir, 1) != 0)
		_exit(1);
	case_run(&s->store, fn, skip);
	fflush(NULL);
	_exit(0);
}

/* SIGCHLD is blocked, and wakes.  False: the deadline came first. */
static bool wait_for(pid_t pid, int timeout_s, int *ret_status)
{
	int64_t end = kt_now_ms() + timeout_s * INT64_C(1000);
	sigset_t child;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, ret_status, WNOHANG) == 0) {
		int64_t left = end - kt_now_ms();
		if (left <= 0)
			return false;
		sigtimedwait(&child, NULL, &(struct timespec) {left / 1000, left % 1000 * 1000000});
	}
	return true;
}

static char *and_then(char *text, const char *more)
{
	char *both = kt_format("%s%s", text, more);
	free(text);
	return both;
}

static void judge(finding *f, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		f->outcome = PASSED;
		return;
	}
	f->outcome = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED_STATUS ? SKIPPED : FAILED;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT) {
		char *how = kt_format("the case ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
		f->text = and_then(f->text, how);
		free(how);
	}
}

finding run_case(const subject *s, conformance_case *fn, int timeout_s)
{
	char *dir = kt_tmpdir(), *said = kt_path(dir, "said");
	finding f = {.ms = kt_now_ms()};
	int status = 0;
	fflush(NULL);
	pid_t pid = fork();
	kt_check(pid >= 0, "could not fork: %s", strerror(errno));
	if (pid == 0)
		be_the_case(s, fn, dir, said);
	setpgid(pid, pid);
	bool ended = wait_for(pid, timeout_s, &status);
	kill(-pid, SIGKILL);
	if (!ended)
		waitpid(pid, &status, 0);
	f.ms = kt_now_ms() - f.ms;
	f.text = kt_read_file(said);
	if (ended) {
		judge(&f, status);
	} else {
		char *late = kt_format("not done after %d s (--timeout)\n", timeout_s);
		f.outcome = FAILED;
		f.text = and_then(f.text, late);
		free(late);
	}
	free(said);
	kt_tmpdir_remove(dir);
	return f;
}
