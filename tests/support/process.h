/* SPDX-License-Identifier: Apache-2.0 */
/* A program run as a child: kdirect above all.  Its output goes to files, so that it never waits for a reader, and it
 * dies with the thread that started it, so that a test that failed leaves none behind.
 *
 *     kt_process *job = kt_kdirect(dir, NULL, "run", path, "--until-latest", NULL);
 *     cr_assert_eq(kt_process_wait(job, 30000), 0, "%s", kt_process_stderr(job));
 *     kt_process_free(job);
 */
#ifndef KT_PROCESS_H
#define KT_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct kt_process kt_process;

/* Starts argv[0] (argv ends with NULL).  env: "NAME=value" on top of the test's own environment, ends with NULL, or
 * NULL.  dir: where the output files go. */
kt_process *kt_process_start(const char *dir, const char *const *env, const char *const *argv);

/* Starts the kdirect program ($KD_BIN) with these arguments; the last one is NULL. */
kt_process *kt_kdirect(const char *dir, const char *const *env, ...) __attribute__((sentinel));

/* Waits for its end: its exit code, or 128 + the signal that ended it.  After timeout_ms it is killed and the test
 * fails, showing its stderr.  May be called again. */
int kt_process_wait(kt_process *process, int timeout_ms);

/* Waits until its stderr holds the text; false when it ended or timeout_ms went by without that. */
bool kt_process_says(kt_process *process, const char *text, int timeout_ms);

bool kt_process_running(kt_process *process);
void kt_process_signal(kt_process *process, int signal);
/* Is it stopped as a whole (SIGSTOP)?  For kt_wait_until: process is a kt_process. */
bool kt_process_is_stopped(void *process);
pid_t kt_process_pid(const kt_process *process);

/* What it wrote so far; valid until the next call for the same stream, or free. */
const char *kt_process_stdout(kt_process *process);
const char *kt_process_stderr(kt_process *process);

/* Kills it where it still runs.  Accepts NULL. */
void kt_process_free(kt_process *process);

#endif
