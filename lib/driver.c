// SPDX-License-Identifier: Apache-2.0
// driver: how the driver's thread waits, is woken, and keeps its session with the sink.
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "clock.h"
#include "job_private.h"
#include "kdirect/fault.h"

/* ---- events ---- */

void kd_job_wake(kd_job *job)
{
	uint64_t one = 1;
	ssize_t written = write(job->event_fd, &one, sizeof one);
	(void) written; /* a full counter wakes as well */
}

void kd_job_wait(kd_job *job, int64_t ms)
{
	struct pollfd fd = {.fd = job->event_fd, .events = POLLIN};
	if (poll(&fd, 1, ms > INT32_MAX ? INT32_MAX : (int) ms) > 0) {
		uint64_t count;
		ssize_t got = read(job->event_fd, &count, sizeof count);
		(void) got;
	}
}

void kd_job_stop(kd_job *job)
{
	atomic_store(&job->stop, true);
	kd_job_wake(job);
}

void kd_job_task_done(void *opaque, kd_task *task, kd_durability durability)
{
	kd_job *job = opaque;
	task->durability = durability;
	pthread_mutex_lock(&job->lock);
	task->next = job->done;
	job->done = task;
	pthread_mutex_unlock(&job->lock);
	kd_job_wake(job);
}

void kd_job_worker_failed(void *opaque, const kd_batch_partition *id, const kd_error *err)
{
	kd_job *job = opaque;
	pthread_mutex_lock(&job->lock);
	if (job->failure.code == KD_OK) {
		job->failure = *err;
		job->failed_index = id ? id->partition_index : -1;
	}
	pthread_mutex_unlock(&job->lock);
	kd_job_wake(job);
}

/* ---- the driver's session ---- */

kd_code kd_job_ensure_session(kd_job *job, kd_error *err)
{
	if (job->ledger.session)
		return KD_OK;
	kd_code code = KD_FAULT_ERROR("sink.before_connect", KD_ESINK, KD_RETRY, err);
	return code == KD_OK ? job->ops->connect(job->sink, "driver", &job->ledger.session, err) : code;
}

static void mend_session(kd_job *job)
{
	if (!job->ledger.session)
		return;
	job->ops->abort(job->ledger.session);
	if (job->ops->usable(job->ledger.session))
		return;
	job->ops->disconnect(job->ledger.session);
	job->ledger.session = NULL;
}

bool kd_job_try_again(kd_job *job, int64_t timeout_ms, kd_error *err)
{
	int64_t wait_ms;
	mend_session(job);
	if (err->action == KD_STOP || err->code == KD_EWENTBACK || atomic_load(&job->stop))
		return false;
	if (!kd_retry_again(&job->retry, kd_clock_mono_ms(), timeout_ms, &wait_ms)) {
		kd_error_prefix(err, "gave up after %d tries", job->retry.tries);
		return false;
	}
	kd_log(&job->options.log, KD_LOG_WARN, 0, "%s; trying again in %" PRId64 " ms", err->message, wait_ms);
	pthread_mutex_lock(&job->lock);
	job->progress.retries++;
	job->gone.retries++;
	pthread_mutex_unlock(&job->lock);
	kd_error_clear(err);
	for (int64_t end_ms = kd_clock_mono_ms() + wait_ms; wait_ms > 0 && !atomic_load(&job->stop);
		wait_ms = end_ms - kd_clock_mono_ms())
		kd_job_wait(job, wait_ms);
	return true;
}
