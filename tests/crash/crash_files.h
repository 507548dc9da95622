/* SPDX-License-Identifier: Apache-2.0 */
/* A job that writes files, and what its folder must be. */
#ifndef CRASH_FILES_H
#define CRASH_FILES_H

#include "job_fixture.h"

/* The job's own database is not used: it writes files.  more: further keys of the job.  Returns their folder. */
char *crash_files_write(kt_job *job, const char *more);

/* Every record of the topic once. */
void crash_files_must_be_clean(const char *folder, const char *topic);
/* A folder in it: nothing, or not there. */
void crash_files_must_be_empty(const char *folder, const char *name);

#endif
