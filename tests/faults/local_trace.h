/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of a running job that fail at their n-th time, injected by strace, n being counted in each thread for
 * itself. */
#ifndef LOCAL_TRACE_H
#define LOCAL_TRACE_H

#include "job_fixture.h"

/* Which calls fail, how, and at which time. */
typedef struct local_trace {
	const char *calls, *error;
	int nth;
	const char *const *paths; /* NULL, or only on these files; ends with NULL */
	const char *codes;        /* exit codes that a run with such a failure may end with, as in "014" */
} local_trace;

/* Skips the test, with the reason, where strace may not trace here. */
void local_trace_or_skip(void);
/* For a test of its own that says so in the suite's output, and is passed over where strace may. */
void local_trace_tell(void);

/* kdirect run JOB --until-latest [--set SET ...] under such a failure; ends with NULL.  It must end with 0, or where it
 * came to a failure with one of the codes, which is returned; *ret_injected: it came to that. */
int local_trace_run(kt_job *job, const local_trace *trace, bool *ret_injected, ...) __attribute__((sentinel));

/* The next n to try: in CI the first few, and then fewer and fewer; KD_LOCAL_ALL=1 tries all. */
int local_trace_next(int nth);

#endif
