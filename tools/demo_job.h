/* SPDX-License-Identifier: Apache-2.0 */
/* demo_job: this very program as a child process: `kdirect run JOB` to be killed, `kdirect audit JOB --deep` to be
 * heard.  A child never outlives its parent: the kernel kills it then. */
#ifndef TOOLS_DEMO_JOB_H
#define TOOLS_DEMO_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Starts `kdirect run job_path`, its output appended to log_path.  Returns its pid, or -1 with errno set. */
pid_t demo_job_start(const char *job_path, const char *log_path);

/* Whether the child has ended; *ret_status is then as waitpid has it. */
bool demo_job_ended(pid_t pid, int *ret_status);

/* Sends the signal and waits for the end for so long, then kills.  Returns the status as waitpid has it. */
int demo_job_end(pid_t pid, int signal_number, int timeout_ms);

/* "exit code 1", "signal 9" */
const char *demo_job_status_text(int status, char *text, size_t size);

/* Runs `kdirect audit job_path --deep` to its end.  *ret_text: what it wrote, to be freed; NULL without memory.
 * Returns its exit code, or -1 where it could not be run. */
int demo_job_audit(const char *job_path, char **ret_text);

#endif
