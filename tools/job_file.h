/* SPDX-License-Identifier: Apache-2.0 */
/* job_file: a verb's JOB argument made into a checked configuration and the parts that it names. */
#ifndef TOOLS_JOB_FILE_H
#define TOOLS_JOB_FILE_H

#include <kdirect/config.h>
#include <kdirect/job.h>
#include <kdirect/sink.h>

#include "args.h"
#include "parts.h"

struct job_file {
	const char *path; /* as given; "-": standard input */
	char *text;
	kd_config *config;
	const kd_sink_ops *sink;
	const kd_decoder_ops *decoder;     /* NULL: none is named */
	const kd_transform_ops *transform; /* NULL: none is named */
	struct parts parts;                /* all that it could name */
};

/* Reads and checks; every finding goes to `report`.  KD_ECONFIG where there was one: err then counts them.  The
 * caller calls job_file_done in every case. */
kd_code job_file_open(const struct args *args, const char *path, kd_diagnostic_fn *report, void *opaque,
	struct job_file *ret, kd_error *err) KD_CHECK;
void job_file_done(struct job_file *job);

/* What every job of this file and program is made with. */
kd_job_options job_file_options(const struct job_file *job, const kd_logger *log);

/* A kd_diagnostic_fn that prints "file:line:col: message" to the FILE * in opaque. */
void job_file_print(void *opaque, const kd_diagnostic *diagnostic);

/* For verbs that need a whole job: opens it, tells every finding on stderr, and returns 0 or the exit code. */
int job_file_or_exit(const struct args *args, const char *verb, const char *path, struct job_file *ret);

#endif
