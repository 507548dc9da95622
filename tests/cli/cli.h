/* SPDX-License-Identifier: Apache-2.0 */
/* A verb run on a job under test, and what it printed. */
#ifndef TESTS_CLI_H
#define TESTS_CLI_H

#include <jansson.h>

#include "job_fixture.h"

typedef struct cli_run {
	int code;
	char *out, *err;
} cli_run;

/* kdirect VERB JOB ARGS...; job NULL: no JOB.  The caller ends it with cli_done. */
cli_run cli_verb(const kt_job *job, const char *verb, ...) __attribute__((sentinel));
void cli_done(cli_run *run);

/* Runs it with --json and fails the test unless it ends with `code` and printed JSON; the caller decrefs. */
json_t *cli_json(const kt_job *job, int code, const char *verb, ...) __attribute__((sentinel));

/* The row of a partition in an array of objects with a member "partition"; fails the test where there is none. */
json_t *cli_row(json_t *rows, int partition);
int64_t cli_int(json_t *object, const char *name);
const char *cli_text(json_t *object, const char *name);

#endif
