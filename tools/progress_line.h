/* SPDX-License-Identifier: Apache-2.0 */
/* progress_line: a job's progress in one line for a terminal.  Pure. */
#ifndef TOOLS_PROGRESS_LINE_H
#define TOOLS_PROGRESS_LINE_H

#include <stddef.h>

#include <kdirect/job.h>

/* "1,234,567 records, 250,000/s, lag 12,345, ETA 1 min 3 s"; at most width columns. */
const char *progress_line(const kd_progress *progress, char *text, size_t size, int width);

#endif
