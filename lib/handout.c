// SPDX-License-Identifier: Apache-2.0
// handout: a batch is made durable, its batch partitions go out to the workers, and come back committed.
//
// Nothing goes out before the plan is durable (I6); a position in memory moves only for what a worker has committed.
#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "job_private.h"
#include "kdirect/fault.h"

kd_part *kd_job_part(kd_job *job, int32_t partition_index)
{
	for (size_t i = 0; i < job->n_parts; i++)
		if (job->parts[i].partition_index == partition_index)
			return &job->parts[i];
	return NULL;
}

static kd_open_batch *open_batch(kd_job *job, int64_t batch_time_ms)
{
	for (size_t i = 0; i < job->n_batches; i++)
		if (job->batches[i].batch_time_ms == batch_time_ms)
			return &job->batches[i];
	kd_open_batch *batches = realloc(job->batches, (job->n_batches + 1) * sizeof *batches);
	if (!batches)
		return NULL;
	job->batches = batches;
	batches[job->n_batches] = (kd_open_batch) {.batch_time_ms = batch_time_ms,
		.planned_mono_ms = kd_clock_mono_ms()};
	return &batches[job->n_batches++];
}

/* The whole batch is committed: the back-pressure learns from it. */
static void close_batch(kd_job *job, kd_open_batch *batch, int64_t now_ms)
{
	int64_t began_ms = batch->planned_mono_ms > job->last_batch_done_ms ? batch->planned_mono_ms :
		job->last_batch_done_ms;
	kd_rate_update(&job->rate, now_ms, batch->records, now_ms - began_ms, began_ms - batch->planned_mono_ms,
		job->settings.interval_ms);
	job->last_batch_done_ms = now_ms;
	kd_log(&job->options.log, KD_LOG_DEBUG, batch->batch_time_ms, "batch committed: %" PRId64 " offsets in %" PRId64
		" ms", batch->records, now_ms - batch->planned_mono_ms);
	pthread_mutex_lock(&job->lock);
	job->progress.batches++;
	pthread_mutex_unlock(&job->lock);
	*batch = job->batches[--job->n_batches];
}

static void count_task(kd_job *job, const kd_task *task, kd_durability durability)
{
	const kd_batch_result *r = &task->result;
	kd_progress *p = &job->progress;
	pthread_mutex_lock(&job->lock);
	p->batch_partitions++;
	p->records += r->records;
	p->rows += r->rows;
	p->dropped += r->dropped;
	for (size_t i = 0; i < r->n_gaps; i++)
		p->gap += r->gaps[i].range.until - r->gaps[i].range.from;
	p->here_only += durability == KD_DURABLE_HERE_ONLY;
	p->last_commit_ms = kd_clock_wall_ms();
	pthread_mutex_unlock(&job->lock);
}

/* A fault point's: as if what is in memory were no longer to be trusted. */
static void forget_all(kd_job *job)
{
	kd_error err = {.code = KD_EWENTBACK, .action = KD_REPLAY, .message = "told to forget what is in memory"};
	kd_job_worker_failed(job, NULL, &err);
}

static void settle(kd_job *job, const kd_task *task)
{
	kd_part *part = kd_job_part(job, task->id.partition_index);
	if (!part)
		return;
	part->committed_until = task->id.range.until;
	part->open_batches--;
	if (task->result.witness.offset >= 0)
		part->witness = task->result.witness;
	job->restarts = 0;
	if (KD_FAULT_FAILS("progress.settled"))
		forget_all(job);
	if (job->options.observer)
		job->options.observer(job->options.observer_opaque, KD_JOB_COMMITTED, &task->id, 1);
	if (job->mirror && task->durability == KD_DURABLE)
		kd_mirror_note(job->mirror, part->topic, part->partition, part->committed_until);
	kd_open_batch *batch = open_batch(job, task->id.batch_time_ms);
	if (batch && --batch->open == 0)
		close_batch(job, batch, task->done_mono_ms);
}

void kd_job_drain_done(kd_job *job)
{
	pthread_mutex_lock(&job->lock);
	kd_task *newest_first = job->done;
	job->done = NULL;
	pthread_mutex_unlock(&job->lock);
	kd_task *tasks = NULL;
	while (newest_first) {
		kd_task *task = newest_first;
		newest_first = task->next;
		task->next = tasks;
		tasks = task;
	}
	while (tasks) {
		kd_task *task = tasks;
		tasks = task->next;
		count_task(job, task, task->durability);
		settle(job, task);
		kd_task_free(task);
	}
}

/* ---- what goes out ---- */

kd_batch_partition kd_job_identify(const kd_job *job, const kd_part *part, int64_t batch_time_ms, kd_range range)
{
	return (kd_batch_partition) {.job = job->settings.name, .topic = part->topic, .partition = part->partition,
		.partition_index = part->partition_index, .segment = part->segment, .batch_time_ms = batch_time_ms,
		.range = range};
}

kd_code kd_job_give_task(kd_job *job, kd_part *part, int64_t batch_time_ms, kd_range range, kd_error *err)
{
	kd_batch_partition id = kd_job_identify(job, part, batch_time_ms, range);
	kd_task *task = kd_task_new(&id);
	kd_open_batch *batch = open_batch(job, batch_time_ms);
	if (part->worker < 0) {
		part->worker = part->partition_index % (int) job->n_workers;
		part->lane = kd_worker_add(job->workers[part->worker], part->topic, part->partition, range.from,
			&part->witness);
	}
	bool gap_ok = task && kd_job_apply_skip(job, task);
	if (!task || !batch || !part->lane || !gap_ok) {
		kd_task_free(task);
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a batch partition");
	}
	task->planned_mono_ms = kd_clock_mono_ms();
	task->program = job->options.program;
	batch->open++;
	batch->records += range.until - range.from;
	part->open_batches++;
	kd_worker_submit(job->workers[part->worker], part->lane, task);
	return KD_OK;
}

static kd_code make_durable(kd_job *job, const kd_batch_partition *entries, size_t n, kd_error *err)
{
	for (;;) {
		kd_code code = KD_FAULT_ERROR("plan.before_durable", KD_ESINK, KD_RETRY, err);
		if (code == KD_OK)
			code = kd_job_ensure_session(job, err);
		if (code == KD_OK)
			code = kd_ledger_plan(&job->ledger, entries, n, err);
		if (code == KD_OK)
			code = KD_FAULT_ERROR("plan.after_durable", KD_ESINK, KD_RESOLVE, err);
		if (code == KD_OK) {
			kd_retry_reset(&job->retry);
			return KD_OK;
		}
		if (!kd_job_try_again(job, job->settings.retry_timeout_ms, err))
			return err->code;
	}
}

static size_t list_entries(const kd_job *job, const kd_planner_partition *ranges, int64_t batch_time_ms,
	kd_batch_partition *entries)
{
	size_t n = 0;
	for (size_t i = 0; i < job->n_parts; i++) {
		const kd_part *part = &job->parts[i];
		if (ranges[i].until > ranges[i].from)
			entries[n++] = kd_job_identify(job, part, batch_time_ms, (kd_range) {ranges[i].from, ranges[i].until});
	}
	return n;
}

static kd_code hand_out(kd_job *job, const kd_planner_partition *ranges, int64_t batch_time_ms, kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t i = 0; code == KD_OK && i < job->n_parts; i++) {
		kd_part *part = &job->parts[i];
		if (ranges[i].until <= ranges[i].from)
			continue;
		part->planned_until = ranges[i].until;
		part->last_batch_time_ms = batch_time_ms;
		code = kd_job_give_task(job, part, batch_time_ms, (kd_range) {ranges[i].from, ranges[i].until}, err);
	}
	return code;
}

static int64_t batch_time_for(const kd_job *job, const kd_planner_partition *ranges)
{
	int64_t last_ms = 0;
	for (size_t i = 0; i < job->n_parts; i++)
		if (ranges[i].until > ranges[i].from && job->parts[i].last_batch_time_ms > last_ms)
			last_ms = job->parts[i].last_batch_time_ms;
	return kd_clock_batch_time_ms(kd_clock_wall_ms(), last_ms);
}

kd_code kd_job_plan_batch(kd_job *job, const kd_planner_partition *ranges, kd_error *err)
{
	int64_t batch_time_ms = batch_time_for(job, ranges);
	kd_batch_partition *entries = calloc(job->n_parts, sizeof *entries);
	if (!entries)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	size_t n = list_entries(job, ranges, batch_time_ms, entries);
	kd_code code = make_durable(job, entries, n, err);
	if (code == KD_OK) {
		pthread_mutex_lock(&job->lock);
		job->progress.batch_time_ms = batch_time_ms;
		pthread_mutex_unlock(&job->lock);
		if (job->options.observer)
			job->options.observer(job->options.observer_opaque, KD_JOB_PLANNED, entries, n);
		code = hand_out(job, ranges, batch_time_ms, err);
	}
	free(entries);
	return code;
}
