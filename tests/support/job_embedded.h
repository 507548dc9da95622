/* SPDX-License-Identifier: Apache-2.0 */
/* A job in the test's own process: what a program does that is built on the library.
 *
 *     kt_embedded *job = kt_embedded_start(text, &(kd_job_options) {.until_latest = true});
 *     cr_assert_eq(kt_embedded_join(job, 30000), KD_OK, "%s", job->err.message);
 *     kt_embedded_free(job);
 */
#ifndef KT_JOB_EMBEDDED_H
#define KT_JOB_EMBEDDED_H

#include <pthread.h>
#include <stdatomic.h>

#include "kdirect/job.h"

typedef struct kt_embedded {
	kd_config *config;
	kd_job *job;
	pthread_t thread;
	atomic_bool ended;
	kd_code code; /* once it has ended */
	kd_error err;
} kt_embedded;

/* text: the job file.  A configuration that is refused fails the test. */
kt_embedded *kt_embedded_start(const char *text, const kd_job_options *options);
/* The same with a sink of the test's own: a registered one, say, with faults put around its functions. */
kt_embedded *kt_embedded_start_with(const char *text, const kd_sink_ops *sink, const kd_job_options *options);
/* Waits for its end; fails the test after timeout_ms. */
kd_code kt_embedded_join(kt_embedded *job, int timeout_ms);
kd_progress kt_embedded_progress(kt_embedded *job);
/* Stops it where it still runs. */
void kt_embedded_free(kt_embedded *job);

#endif
