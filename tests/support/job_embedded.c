/* SPDX-License-Identifier: Apache-2.0 */
/* A job in the test's own process: see job_embedded.h. */
#include "job_embedded.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include <kdirect/sinks.h>
#include "wait.h"

static void tell(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	kt_fail("%s:%d:%d: %s", diagnostic->file, diagnostic->line, diagnostic->column, diagnostic->message);
}

/* The sink's keys are known only once the text says which sink. */
static const kd_sink_ops *sink_of(const char *text)
{
	for (size_t i = 0; kd_sink_at(i); i++) {
		char key[64] = "\"type\": \"";

		strncat(key, kd_sink_at(i)->name, 32);
		if (strstr(text, strcat(key, "\"")))
			return kd_sink_at(i);
	}
	kt_fail("the job names no sink: %s", text);
}

static void *run(void *opaque)
{
	kt_embedded *job = opaque;

	job->code = kd_job_run(job->job, &job->err);
	atomic_store(&job->ended, true);
	return NULL;
}

kt_embedded *kt_embedded_start(const char *text, const kd_job_options *options)
{
	return kt_embedded_start_with(text, sink_of(text), options);
}

kt_embedded *kt_embedded_start_with(const char *text, const kd_sink_ops *sink, const kd_job_options *options)
{
	kt_embedded *job = calloc(1, sizeof(*job));
	kd_options tables[3] = {{sink->options, sink->n_options}};
	size_t n = 1;

	if (options->decoder)
		tables[n++] = (kd_options){options->decoder->options, options->decoder->n_options};
	if (options->transform)
		tables[n++] = (kd_options){options->transform->options, options->transform->n_options};
	kt_check(job, "no memory");
	job->config = kd_config_new(tables, n);
	kt_check(job->config, "no memory");
	kt_check(kd_config_parse(job->config, text, strlen(text), "job", tell, NULL, &job->err) == KD_OK &&
			 kd_config_check(job->config, tell, NULL, &job->err) == KD_OK &&
			 kd_job_new(job->config, sink, options, &job->job, &job->err) == KD_OK,
		"%s", job->err.message);
	kt_check(pthread_create(&job->thread, NULL, run, job) == 0, "no thread");
	return job;
}

static bool has_ended(void *opaque)
{
	kt_embedded *job = opaque;

	return atomic_load(&job->ended);
}

kd_code kt_embedded_join(kt_embedded *job, int timeout_ms)
{
	kt_await(has_ended, job, timeout_ms, "the job ends");
	return job->code;
}

kd_progress kt_embedded_progress(kt_embedded *job)
{
	kd_progress progress;

	kd_job_progress(job->job, &progress);
	return progress;
}

void kt_embedded_free(kt_embedded *job)
{
	kd_job_stop(job->job);
	pthread_join(job->thread, NULL);
	kd_job_free(job->job);
	kd_config_free(job->config);
	free(job);
}
