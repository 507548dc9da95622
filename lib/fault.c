// SPDX-License-Identifier: Apache-2.0
// fault: what a named fault point does in a test build; nothing in any other.
#include "kdirect/fault.h"

#ifdef KD_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void act(const char *action)
{
	if (!strncmp(action, "kill", 4))
		raise(SIGKILL);
	else if (!strncmp(action, "stop", 4))
		raise(SIGSTOP); /* of this thread first: kill() may let it run on for a moment */
	else if (!strncmp(action, "exit", 4))
		_exit(99);
	else if (!strncmp(action, "sleep:", 6)) {
		long ms = strtol(action + 6, NULL, 10);
		struct timespec t = {ms / 1000, ms % 1000 * 1000000};
		nanosleep(&t, NULL);
	}
}

/* KD_FAULT is a list of name:hit:action; each entry has a counter of its own, by its place in the list. */
void kd_fault_hit(const char *name)
{
	static _Atomic long hits[16];
	const char *spec = getenv("KD_FAULT");
	size_t length = strlen(name);
	for (int i = 0; spec && i < 16; i++) {
		if (!strncmp(spec, name, length) && spec[length] == ':') {
			char *action = NULL;
			long wanted = strtol(spec + length + 1, &action, 10);
			if (atomic_fetch_add(&hits[i], 1) + 1 == wanted && *action == ':')
				act(action + 1);
		}
		spec = strchr(spec, ',');
		spec = spec ? spec + 1 : NULL;
	}
}
#else
typedef int kd_fault_is_compiled_out;
#endif
