// SPDX-License-Identifier: Apache-2.0
// worker: starts, feeds and ends a worker's two threads; what they do is in worker_read.c and worker_land.c.
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "worker_private.h"

#define GRACE_MS 2000

static bool init_lock(kd_worker *w)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	bool ok = pthread_mutex_init(&w->lock, NULL) == 0 && pthread_cond_init(&w->lander_wakes, &attr) == 0 &&
		pthread_cond_init(&w->reader_wakes, &attr) == 0;
	pthread_condattr_destroy(&attr);
	return ok;
}

static kd_code start_threads(kd_worker *w, kd_error *err)
{
	int failure = pthread_create(&w->reader_thread, NULL, kd_worker_read, w);
	w->reader_started = failure == 0;
	if (!failure)
		failure = pthread_create(&w->lander_thread, NULL, kd_worker_land, w);
	w->lander_started = w->reader_started && failure == 0;
	if (!failure)
		return KD_OK;
	return kd_error_set(err, KD_EIO, KD_STOP, "could not start a thread: error %d", failure);
}

static kd_code open_pipeline(kd_worker *w, kd_error *err)
{
	const kd_worker_conf *conf = &w->conf;
	kd_pipeline_conf pipeline = {.part = {.config = conf->config, .log = conf->log, .worker = conf->number},
		.decoder = conf->decoder, .transform = conf->transform, .ops = conf->ops, .encoder = w->encoder,
		.raw_layout = conf->raw_layout};
	w->looks_up = conf->transform && conf->transform->look_up;
	return conf->decoder ? kd_pipeline_open(&pipeline, &w->pipeline, err) : KD_OK;
}

kd_code kd_worker_start(const kd_worker_conf *conf, kd_worker **ret_worker, kd_error *err)
{
	kd_worker *w = calloc(1, sizeof *w);
	if (!w || !init_lock(w)) {
		free(w);
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a worker");
	}
	w->conf = *conf;
	w->ledger = (kd_ledger) {.ops = conf->ops, .job = conf->job, .me = conf->me};
	kd_code code = kd_reader_open(conf->config, conf->log, conf->n_partitions, &w->reader, err);
	if (code == KD_OK)
		code = conf->ops->encoder_open(conf->sink, &w->encoder, err);
	if (code == KD_OK)
		code = open_pipeline(w, err);
	if (code == KD_OK)
		code = start_threads(w, err);
	if (code != KD_OK) {
		kd_worker_stop(w);
		kd_worker_free(w);
		return code;
	}
	*ret_worker = w;
	return KD_OK;
}

kd_lane *kd_worker_add(kd_worker *w, const char *topic, int32_t partition, int64_t position,
	const kd_witness *witness)
{
	kd_lane *lane = calloc(1, sizeof *lane);
	if (!lane)
		return NULL;
	*lane = (kd_lane) {.topic = topic, .partition = partition, .position = position, .slot = -1,
		.witness = *witness, .seen = *witness};
	pthread_mutex_lock(&w->lock);
	if (w->last_lane)
		w->last_lane->next = lane;
	else
		w->lanes = lane;
	w->last_lane = lane;
	pthread_mutex_unlock(&w->lock);
	kd_reader_wake(w->reader);
	return lane;
}

void kd_worker_doubt(kd_lane *lane)
{
	atomic_store(&lane->doubted, true);
}

void kd_worker_submit(kd_worker *w, kd_lane *lane, kd_task *take_task)
{
	take_task->lane = lane;
	pthread_mutex_lock(&w->lock);
	if (lane->tail)
		lane->tail->next = take_task;
	else
		lane->head = take_task;
	lane->tail = take_task;
	pthread_mutex_unlock(&w->lock);
	kd_reader_wake(w->reader);
}

void kd_worker_counters_get(kd_worker *w, kd_worker_counters *ret_counters)
{
	pthread_mutex_lock(&w->lock);
	*ret_counters = w->counters;
	pthread_mutex_unlock(&w->lock);
}

void kd_worker_queue_ready(kd_worker *w, kd_task *task)
{
	if (!task->queued) {
		task->queued = true;
		if (w->last_ready)
			w->last_ready->next_ready = task;
		else
			w->ready = task;
		w->last_ready = task;
	}
	pthread_cond_signal(&w->lander_wakes);
}

void kd_worker_empty_encoder(kd_worker *w, const kd_task *task)
{
	kd_buf unused = {0};
	kd_error err = {0};
	if (w->conf.ops->flush(w->encoder, &task->id, &unused, &err) != KD_OK)
		kd_log(w->conf.log, KD_LOG_DEBUG, task->id.batch_time_ms, "%s", err.message);
	kd_buf_done(&unused);
}

void kd_worker_fail(kd_worker *w, const kd_batch_partition *id, const kd_error *err)
{
	pthread_mutex_lock(&w->lock);
	bool first = !w->failed;
	w->failed = true;
	pthread_mutex_unlock(&w->lock);
	bool stopping = atomic_load(&w->stop);
	kd_worker_stop(w);
	if (first && !stopping)
		w->conf.failed(w->conf.opaque, id, err);
}

void kd_worker_wait_locked(kd_worker *w, pthread_cond_t *condition, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(condition, &w->lock, &until);
}

void kd_worker_pause(kd_worker *w, int64_t ms)
{
	int64_t end_ms = kd_clock_mono_ms() + ms;
	pthread_mutex_lock(&w->lock);
	for (int64_t left = ms; left > 0 && !atomic_load(&w->stop); left = end_ms - kd_clock_mono_ms())
		kd_worker_wait_locked(w, &w->reader_wakes, left);
	pthread_mutex_unlock(&w->lock);
}

void kd_worker_stop(kd_worker *w)
{
	atomic_store(&w->stop, true);
	if (w->reader)
		kd_reader_wake(w->reader);
	pthread_mutex_lock(&w->lock);
	pthread_cond_broadcast(&w->lander_wakes);
	pthread_cond_broadcast(&w->reader_wakes);
	pthread_mutex_unlock(&w->lock);
}

static void free_lanes(kd_worker *w)
{
	while (w->lanes) {
		kd_lane *lane = w->lanes;
		w->lanes = lane->next;
		while (lane->head) {
			kd_task *task = lane->head;
			lane->head = task->next;
			kd_task_free(task);
		}
		free(lane);
	}
}

/* The lander may finish what it is committing; a sink that does not answer is not waited for. */
static void interrupt_threads(kd_worker *w)
{
	const kd_sink_ops *ops = w->conf.ops;
	int64_t end_ms = kd_clock_mono_ms() + GRACE_MS;
	pthread_mutex_lock(&w->lock);
	for (int64_t left = GRACE_MS; left > 0 && !(w->lander_ended && w->reader_ended); left = end_ms - kd_clock_mono_ms())
		kd_worker_wait_locked(w, &w->reader_wakes, left);
	if (!w->lander_ended && w->ledger.session && ops->interrupt)
		ops->interrupt(w->ledger.session);
	if (!(w->looks_up ? w->lander_ended : w->reader_ended) && ops->encoder_interrupt)
		ops->encoder_interrupt(w->encoder);
	pthread_mutex_unlock(&w->lock);
}

void kd_worker_free(kd_worker *w)
{
	if (!w)
		return;
	if (w->reader_started && w->lander_started)
		interrupt_threads(w);
	if (w->reader_started)
		pthread_join(w->reader_thread, NULL);
	if (w->lander_started)
		pthread_join(w->lander_thread, NULL);
	kd_pipeline_close(w->pipeline);
	kd_records_done(&w->records);
	kd_buf_done(&w->rows);
	if (w->encoder)
		w->conf.ops->encoder_close(w->encoder);
	kd_reader_close(w->reader);
	free_lanes(w);
	pthread_cond_destroy(&w->lander_wakes);
	pthread_cond_destroy(&w->reader_wakes);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
