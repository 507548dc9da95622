/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds: see holding.h. */
#include "holding.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include "check.h"
#include "wait.h"

enum {
	BEGINS_MS = 60000,
	SETTLES_MS = 2000,
	JOBS_WORKERS = 2,    /* at the most, of the jobs that are followed; */
	JOBS_MEMORY_MB = 2 * 24, /* they leave this at its default; the Kafka sink's rows are in librdkafka's queue, too */
	FEW_DESCRIPTORS = 24, FEW_THREADS = 16, /* of the driver, and of each worker */
	FIXED_KB = 24 * 1024, /* code, the libraries' own buffers, what the allocator keeps */
};

/* ---- one look ---- */

static int descriptors_of(pid_t pid)
{
	char path[64];
	int n = -2; /* "." and ".." */

	snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
	DIR *dir = opendir(path);
	kt_check(dir, "process %d is gone", (int) pid);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A thread may end while it is looked at. */
static void name_threads(pid_t pid, char *names, size_t size)
{
	char path[300], name[32];
	size_t at = 0;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
	DIR *dir = opendir(path);
	kt_check(dir, "process %d is gone", (int) pid);
	while ((entry = readdir(dir)) && at + sizeof(name) + 1 < size) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int) pid, entry->d_name);
		FILE *file = *entry->d_name == '.' ? NULL : fopen(path, "r");
		if (file && fscanf(file, "%31s", name) == 1)
			at += (size_t) snprintf(names + at, size - at, " %s", name);
		if (file)
			fclose(file);
	}
	closedir(dir);
}

kt_holding kt_holding_of(pid_t pid)
{
	kt_holding holding = {.descriptors = descriptors_of(pid)};
	char path[64], line[128];

	snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
	FILE *file = fopen(path, "r");
	kt_check(file, "process %d is gone", (int) pid);
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "VmRSS: %ld kB", &holding.resident_kb);
		sscanf(line, "VmHWM: %ld kB", &holding.peak_kb);
		sscanf(line, "Threads: %d", &holding.threads);
	}
	fclose(file);
	name_threads(pid, holding.names, sizeof(holding.names));
	return holding;
}

/* ---- the judgement ---- */

void kt_judge_holding(kt_judgement *judgement, kt_holding base, kt_holding now, long more_kb)
{
	judgement->of[12].looked = true;
	if (now.descriptors > base.descriptors)
		kt_found(judgement, 12, "%d descriptors are open, %d were", now.descriptors, base.descriptors);
	if (now.threads > base.threads)
		kt_found(judgement, 12, "%d threads are there, %d were:%s", now.threads, base.threads, now.names);
	if (now.resident_kb > base.resident_kb + more_kb)
		kt_found(judgement, 12, "%ld KB are resident, %ld were", now.resident_kb, base.resident_kb);
}

void kt_judge_life(kt_judgement *judgement, const kt_life *life, int workers, long memory_mb)
{
	long more_kb = memory_mb * 1024 + FIXED_KB;
	kt_holding allowed = life->start, most = life->work;

	allowed.descriptors += (1 + workers) * FEW_DESCRIPTORS;
	allowed.threads += (1 + workers) * FEW_THREADS;
	most.resident_kb = most.peak_kb;
	if (life->begun && life->worked)
		kt_judge_holding(judgement, allowed, most, more_kb);
	if (life->begun && life->ended)
		kt_judge_holding(judgement, life->start, life->end, more_kb);
}

/* ---- a life ---- */

static bool stands_or_ended(void *process)
{
	return !kt_process_running(process) || kt_process_is_stopped(process);
}

/* A thread that was joined leaves /proc a moment later, also where the process stands still. */
static kt_holding at_rest(pid_t pid, int threads)
{
	int64_t until = kt_now_ms() + SETTLES_MS;
	kt_holding holding = kt_holding_of(pid);

	while (holding.threads > threads && kt_now_ms() < until) {
		kt_pause();
		holding = kt_holding_of(pid);
	}
	return holding;
}

/* Waits for `threads` at the most, but not for long.  False: it ended. */
static bool look(kt_process *process, int timeout_ms, int threads, kt_holding *ret_holding)
{
	kt_check(kt_wait_until(stands_or_ended, process, timeout_ms), "neither stopped nor ended within %d ms:\n%s",
		timeout_ms, kt_process_stderr(process));
	if (!kt_process_running(process))
		return false;
	*ret_holding = at_rest(kt_process_pid(process), threads);
	kt_process_signal(process, SIGCONT);
	return true;
}

kt_life kt_life_begin(kt_process *process)
{
	kt_life life = {0};

	life.begun = KT_LIFE && look(process, BEGINS_MS, INT_MAX, &life.start);
	return life;
}

void kt_life_end(kt_life *life, kt_process *process, int timeout_ms)
{
	kt_judgement judgement = {0};

	if (!life->begun)
		return;
	life->worked = look(process, timeout_ms, INT_MAX, &life->work);
	life->ended = life->worked && look(process, timeout_ms, life->start.threads, &life->end);
	kt_judge_life(&judgement, life, JOBS_WORKERS, JOBS_MEMORY_MB);
	kt_judgement_must_be_clean(&judgement);
}
