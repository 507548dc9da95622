// SPDX-License-Identifier: Apache-2.0
// Measuring a program as a whole process.
#include "measure.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"

double kt_now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
	return (double) t.tv_sec + (double) t.tv_usec / 1e6;
}

kt_cost kt_measure(const char *dir, const char *const *argv)
{
	char *path = kt_path(dir, "measured.out");
	double start_s = kt_now_s();
	pid_t pid = fork();
	kt_check(pid >= 0, "could not fork");
	if (pid == 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(argv[0], (char *const *) argv);
		_exit(127);
	}
	int status = 0;
	struct rusage usage;
	kt_check(wait4(pid, &status, 0, &usage) == pid, "could not wait for %s", argv[0]);
	kt_cost cost = {.wall_s = kt_now_s() - start_s, .cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime),
		.peak_kb = usage.ru_maxrss, .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
	char *output = kt_read_file(path);
	kt_check(cost.status == 0, "%s ended with %d: %s", argv[0], cost.status, output);
	free(output);
	free(path);
	return cost;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;
	return x < y ? -1 : x > y;
}

double kt_median(double *values, int n)
{
	qsort(values, (size_t) n, sizeof *values, by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
