/* SPDX-License-Identifier: Apache-2.0 */
/* process: which process a number stands for, for ledgers that have no server to ask who is still there.
 *
 * A mark is "boot/namespace/start time": a number that was given to another process, or means another one in another
 * container, has another mark. */
#ifndef SINKS_PROCESS_H
#define SINKS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_MARK_SIZE 160

/* The mark of the process with this number; "" where there is none, or only what is left of one. */
void process_mark(int64_t pid, char ret_mark[PROCESS_MARK_SIZE]);

/* Is it the mark of a process that can be seen from here, dead or alive? */
bool process_mark_is_here(const char *mark);

/* Is it stopped, as SIGSTOP leaves a process? */
bool process_is_stopped(int64_t pid);

/* "pid 4711 on host a since 2026-01-01T00:00:00Z" */
void process_describe(int64_t pid, const char *host, int64_t started_at_ms, char *ret_who, size_t size);

#endif
