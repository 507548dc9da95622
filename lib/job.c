// SPDX-License-Identifier: Apache-2.0
// job: joins the driver and its workers: one run, take-over by take-over.
//
// kd_job_run's thread is the driver.  A run is start -> steady -> stop; where the database went back in time, or a log
// turned out to be another one, the workers end and a fresh take-over follows: what the tables say is all that counts.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "job_private.h"
#include "kdirect/fault.h"

#define MOST_RESTARTS 5

static void read_settings(kd_job *job)
{
	const kd_config *c = job->config;
	kd_settings *s = &job->settings;
	s->name = kd_config_string(c, "job");
	s->read_committed = kd_config_read_committed(c);
	s->record_loss = !strcmp(kd_config_string(c, "on_data_loss"), "record");
	s->backpressure = kd_config_bool(c, "batch.backpressure");
	s->interval_ms = kd_config_int(c, "batch.interval_ms");
	s->max_records = kd_config_int(c, "batch.max_records_per_batch");
	s->max_rate = kd_config_int(c, "batch.max_rate_per_partition");
	s->budget_bytes = kd_config_int(c, "memory_mb") * 1024 * 1024;
	s->retry_timeout_ms = kd_config_int(c, "retry_timeout_ms");
	s->keep_days = kd_config_int(c, "ledger_keep_days");
	s->workers = kd_config_int(c, "workers");
}

static bool make_owner_id(kd_job *job)
{
	unsigned char bytes[(KD_OWNER_SIZE - 1) / 2];
	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t) sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(job->owner_id + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* Decoder and transform, as far as they are known before the sink is: by the caller or by their names. */
static kd_code choose_parts(kd_job *job, kd_error *err)
{
	kd_job_options *options = &job->options;
	const char *decode = kd_config_string(job->config, "decode.type");
	const char *transform = kd_config_string(job->config, "transform.type");
	if (transform && !options->transform)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "transform.type \"%s\" is no transform of this program",
			transform);
	if (decode && !options->decoder) {
		kd_code code = kd_pipeline_find_decoder(decode, &options->decoder, err);
		if (code != KD_OK)
			return code;
	}
	return kd_pipeline_check(options->decoder, options->transform, job->ops, err);
}

kd_code kd_job_new(const kd_config *config, const kd_sink_ops *sink, const kd_job_options *options, kd_job **ret_job,
	kd_error *err)
{
	if (sink->abi != KD_SINK_ABI)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "sink \"%s\" was built for another version of kdirect (abi %u, not %u)",
			sink->name, sink->abi, KD_SINK_ABI);
	kd_job *job = calloc(1, sizeof *job);
	if (!job)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a job");
	job->config = config;
	job->ops = sink;
	job->options = *options;
	job->event_fd = -1;
	job->failed_index = -1;
	job->started_at_ms = kd_clock_wall_ms();
	pthread_mutex_init(&job->lock, NULL);
	read_settings(job);
	kd_code code = choose_parts(job, err);
	if (code == KD_OK) {
		job->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (job->event_fd < 0 || !make_owner_id(job))
			code = kd_error_set(err, KD_EIO, KD_STOP, "could not make a job: %s", strerror(errno));
	}
	if (code == KD_OK)
		*ret_job = job;
	else
		kd_job_free(job);
	return code;
}

void kd_job_progress(kd_job *job, kd_progress *ret_progress)
{
	pthread_mutex_lock(&job->lock);
	*ret_progress = job->progress;
	pthread_mutex_unlock(&job->lock);
}

/* ---- a run ---- */

static void set_running(kd_job *job, bool running)
{
	pthread_mutex_lock(&job->lock);
	job->progress.running = running;
	pthread_mutex_unlock(&job->lock);
}

static void close_all(kd_job *job)
{
	if (job->ledger.session)
		job->ops->disconnect(job->ledger.session);
	job->ledger.session = NULL;
	if (job->sink)
		job->ops->close(job->sink);
	job->sink = NULL;
	kd_mirror_close(job->mirror);
	job->mirror = NULL;
	kd_kafka_close(job->kafka);
	job->kafka = NULL;
	free(job->parts);
	job->parts = NULL;
	job->n_parts = 0;
}

static kd_code run_once(kd_job *job, kd_error *err)
{
	kd_code code = kd_job_start(job, err);
	if (code == KD_OK)
		code = kd_job_steady(job, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("shutdown.begun", KD_ESINK, KD_RETRY, err);
	kd_job_stop_workers(job);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("shutdown.mid", KD_ESINK, KD_RETRY, err);
	return code;
}

/* The database went back, or a segment was closed: take over again, unless that leads nowhere. */
static bool take_over_again(kd_job *job, kd_error *err)
{
	if (err->code != KD_EWENTBACK || atomic_load(&job->stop))
		return false;
	if (++job->restarts > MOST_RESTARTS) {
		kd_error_prefix(err, "gave up after %d take-overs in a row", MOST_RESTARTS);
		err->action = KD_RETRY;
		return false;
	}
	kd_log(&job->options.log, KD_LOG_WARN, 0, "%s; taking over again", err->message);
	pthread_mutex_lock(&job->lock);
	job->progress.went_back++;
	job->failure = (kd_error) {0};
	pthread_mutex_unlock(&job->lock);
	kd_error_clear(err);
	return true;
}

kd_code kd_job_run(kd_job *job, kd_error *err)
{
	kd_error own = {0};
	set_running(job, true);
	kd_code code;
	do
		code = run_once(job, &own);
	while (code != KD_OK && take_over_again(job, &own));
	if (job->mirror)
		kd_mirror_send(job->mirror, true);
	close_all(job);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("shutdown.end", KD_ESINK, KD_RETRY, &own);
	set_running(job, false);
	if (code == KD_ESTOPPED || (code != KD_OK && atomic_load(&job->stop) && own.action != KD_STOP))
		code = KD_OK;
	if (code != KD_OK && err && !err->code)
		*err = own;
	return code;
}

void kd_job_free(kd_job *job)
{
	if (!job)
		return;
	if (job->event_fd >= 0)
		close(job->event_fd);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

kd_code kd_job_skip(const kd_config *config, const kd_sink_ops *sink, const kd_job_options *options, const char *topic,
	int32_t partition, kd_range range, const char *reason, const char *who, kd_error *err)
{
	kd_skip skip = {.topic = topic, .partition = partition, .range = range, .reason = reason, .who = who};
	kd_job *job = NULL;
	kd_code code = kd_job_new(config, sink, options, &job, err);
	if (code == KD_OK) {
		job->skip = &skip;
		code = kd_job_run(job, err);
	}
	kd_job_free(job);
	return code;
}

int kd_exit_code(kd_code code, const kd_error *err)
{
	switch (code) {
	case KD_OK:
	case KD_ESTOPPED:
		return 0;
	case KD_ECONFIG:
		return 2;
	case KD_EFENCED:
		return 3;
	default:
		return err && err->action != KD_STOP ? 4 : 1;
	}
}
