// SPDX-License-Identifier: Apache-2.0
// fault: what a named fault point does in a test build; nothing in any other.
//
// Points stand on the way of each record, too: what the environment says is read once, and without any of it a pass
// costs one comparison.
#include "kdirect/fault.h"

#ifdef KD_FAULTS
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ENTRIES = 16, MOST_NAMES = 128, TRACED_PASSES = 100 };

/* One name:hit:action of KD_FAULT. */
struct entry {
	char *name, *action;
	long hit;
	bool and_on;
	_Atomic long passes;
};

/* How often a point was passed: for the trace, which knows names that no entry has. */
struct count {
	const char *name;
	long passes;
};

static struct entry entries[MOST_ENTRIES];
static size_t n_entries;
static int trace_fd = -1;
static struct count counts[MOST_NAMES];
static pthread_mutex_t counts_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- what the environment says ---- */

static void refuse(const char *what)
{
	fprintf(stderr, "KD_FAULT: could not read \"%s\"\n", what);
	_exit(97);
}

static bool is_action(const char *action)
{
	static const char *const plain[] = {"kill", "stop", "exit", "fail"};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (!strcmp(action, plain[i]))
			return true;
	return !strncmp(action, "sleep:", 6) || !strncmp(action, "signal:", 7);
}

static void read_entry(char *text)
{
	struct entry *entry = &entries[n_entries];
	char *end = strchr(text, ':');
	if (!end || n_entries == MOST_ENTRIES)
		refuse(text);
	*end = '\0';
	entry->name = text;
	entry->hit = strtol(end + 1, &end, 10);
	entry->and_on = *end == '+';
	end += entry->and_on;
	if (entry->hit < 1 || *end != ':' || !is_action(end + 1))
		refuse(text);
	entry->action = end + 1;
	n_entries++;
}

static void read_environment(void)
{
	const char *spec = getenv("KD_FAULT"), *trace = getenv("KD_FAULT_TRACE");
	char *rest = spec ? strdup(spec) : NULL; /* kept for good */
	for (char *text; (text = strsep(&rest, ","));)
		if (*text)
			read_entry(text);
	if (trace && *trace && (trace_fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) < 0)
		refuse(trace);
}

/* ---- the trace ---- */

static long count_pass(const char *name)
{
	long passes = 0;
	pthread_mutex_lock(&counts_lock);
	for (size_t i = 0; i < MOST_NAMES && !passes; i++) {
		if (!counts[i].name)
			counts[i].name = name;
		if (!strcmp(counts[i].name, name))
			passes = ++counts[i].passes;
	}
	pthread_mutex_unlock(&counts_lock);
	return passes;
}

static void trace(const char *name, long pass, const char *action)
{
	char line[192];
	int n = snprintf(line, sizeof line, "%s %ld%s%s\n", name, pass, *action ? " " : "", action);
	if (write(trace_fd, line, (size_t) n) != n) /* one write a line: threads do not mix */
		refuse("KD_FAULT_TRACE");
}

static void trace_pass(const char *name)
{
	long pass = count_pass(name);
	if (pass <= TRACED_PASSES || (pass & (pass - 1)) == 0)
		trace(name, pass, "");
}

/* ---- what happens ---- */

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

/* True: the point is to fail. */
static bool act(const char *action)
{
	if (!strcmp(action, "kill"))
		raise(SIGKILL);
	else if (!strcmp(action, "stop"))
		raise(SIGSTOP); /* of this thread first: kill() may let it run on for a moment */
	else if (!strcmp(action, "exit"))
		_exit(99);
	else if (!strncmp(action, "sleep:", 6))
		sleep_ms(strtol(action + 6, NULL, 10));
	else if (!strncmp(action, "signal:", 7))
		kill(getpid(), (int) strtol(action + 7, NULL, 10));
	return !strcmp(action, "fail");
}

bool kd_fault_hit(const char *name)
{
	pthread_once(&once, read_environment);
	bool fails = false;
	if (trace_fd >= 0)
		trace_pass(name);
	for (size_t i = 0; i < n_entries; i++) {
		struct entry *entry = &entries[i];
		if (strcmp(entry->name, name) != 0)
			continue;
		long pass = atomic_fetch_add(&entry->passes, 1) + 1;
		if (pass != entry->hit && !(entry->and_on && pass > entry->hit))
			continue;
		if (trace_fd >= 0)
			trace(name, pass, entry->action);
		fails |= act(entry->action);
	}
	return fails;
}

kd_code kd_fault_error(const char *name, kd_code code, kd_action action, kd_error *err)
{
	return kd_fault_hit(name) ? kd_error_set(err, code, action, "fault point \"%s\": told to fail", name) : KD_OK;
}
#else
typedef int kd_fault_is_compiled_out;
#endif
