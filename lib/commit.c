// SPDX-License-Identifier: Apache-2.0
// commit: lands one batch partition.  States and transitions are in commit.h.
#include "commit.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "commit_look_up.h"
#include "kdirect/fault.h"

static kd_code ensure_session(kd_worker *w, kd_error *err)
{
	if (w->ledger.session)
		return KD_OK;
	char role[32];
	void *session = NULL;
	snprintf(role, sizeof role, "worker-%d", w->conf.number);
	kd_code code = KD_FAULT_ERROR("sink.before_connect", KD_ESINK, KD_RETRY, err);
	if (code == KD_OK)
		code = w->conf.ops->connect(w->conf.sink, role, &session, err);
	kd_worker_set_session(w, code == KD_OK ? session : NULL);
	return code;
}

/* The next chunk of a task that is landed while it is read; waits for the reader.  NULL: that was the last, stop, or
 * reading broke off. */
static kd_chunk *take_chunk(kd_worker *w, kd_task *task)
{
	pthread_mutex_lock(&w->lock);
	while (!task->first && !task->complete && !task->broken && !atomic_load(&w->stop))
		kd_worker_wait_locked(w, &w->lander_wakes, 1000);
	kd_chunk *chunk = task->broken || atomic_load(&w->stop) ? NULL : task->first;
	if (chunk) {
		task->first = chunk->next;
		task->last = task->first ? task->last : NULL;
		task->consumed = true;
		task->held_bytes -= chunk->rows.capacity;
		w->used_bytes -= chunk->rows.capacity;
		pthread_cond_signal(&w->reader_wakes);
	}
	pthread_mutex_unlock(&w->lock);
	return chunk;
}

static kd_code stopped(kd_error *err)
{
	return kd_error_set(err, KD_ESTOPPED, KD_STOP, "stopped");
}

static kd_code write_chunk(kd_worker *w, kd_task *task, const kd_chunk *chunk, kd_error *err)
{
	if (w->looks_up)
		return kd_commit_look_up_write(w, task, chunk, err);
	return w->conf.ops->write(w->ledger.session, chunk->rows.data, chunk->rows.size, err);
}

static kd_code write_streaming(kd_worker *w, kd_task *task, kd_error *err)
{
	kd_code code = KD_OK;
	kd_chunk *chunk;
	while (code == KD_OK && (chunk = take_chunk(w, task))) {
		code = write_chunk(w, task, chunk, err);
		kd_chunk_free(chunk);
	}
	return code == KD_OK && atomic_load(&w->stop) ? stopped(err) : code;
}

static kd_code write_rows(kd_worker *w, kd_task *task, kd_error *err)
{
	if (task->streaming)
		return write_streaming(w, task, err);
	for (const kd_chunk *chunk = task->first; chunk; chunk = chunk->next) {
		if (atomic_load(&w->stop))
			return stopped(err);
		kd_code code = write_chunk(w, task, chunk, err);
		if (code != KD_OK)
			return code;
	}
	return KD_OK;
}

static kd_code begin_or_skip(kd_worker *w, kd_task *task, bool *ret_done, kd_error *err)
{
	kd_code code = kd_ledger_begin(&w->ledger, &task->id, ret_done, err);
	if (code == KD_OK && *ret_done)
		kd_log(w->conf.log, KD_LOG_INFO, task->id.batch_time_ms,
			"%s/%d [%" PRId64 ", %" PRId64 ") was committed before: skipped", task->id.topic, task->id.partition,
			task->id.range.from, task->id.range.until);
	return code;
}

static bool has_broken_off(kd_worker *w, const kd_task *task)
{
	pthread_mutex_lock(&w->lock);
	bool broken = task->broken;
	pthread_mutex_unlock(&w->lock);
	return broken;
}

static kd_code give_up_streamed(kd_worker *w, bool *ret_reread)
{
	w->conf.ops->abort(w->ledger.session);
	*ret_reread = true;
	return KD_OK;
}

/* One try.  *ret_reread is set where the rows are gone and nothing was committed. */
static kd_code land_once(kd_worker *w, kd_task *task, kd_durability *ret_durability, bool *ret_reread, kd_error *err)
{
	bool done = false;
	*ret_durability = KD_DURABLE;
	kd_code code = begin_or_skip(w, task, &done, err);
	if (code != KD_OK || done)
		return code;
	code = KD_FAULT_ERROR("commit.begun", KD_ESINK, KD_REPLAY, err);
	if (code != KD_OK)
		return code;
	if (task->consumed || has_broken_off(w, task))
		return give_up_streamed(w, ret_reread);
	if (w->looks_up)
		kd_commit_look_up_begin(task);
	code = write_rows(w, task, err);
	if (code == KD_OK && has_broken_off(w, task))
		return give_up_streamed(w, ret_reread);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("commit.written", KD_ESINK, KD_REPLAY, err);
	if (code == KD_OK)
		code = w->conf.ops->commit(w->ledger.session, &task->result, ret_durability, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("commit.done", KD_ESINK, KD_RESOLVE, err);
	return code;
}

static void close_session(kd_worker *w)
{
	void *session = w->ledger.session;
	w->conf.ops->abort(session);
	if (!w->conf.ops->usable(session)) {
		kd_worker_set_session(w, NULL);
		w->conf.ops->disconnect(session);
	}
}

/* May this be tried again?  Where so, waits and says so. */
static bool try_again(kd_worker *w, const kd_task *task, kd_error *err)
{
	int64_t wait_ms;
	if (err->action == KD_STOP || err->code == KD_EWENTBACK || atomic_load(&w->stop))
		return false;
	if (!kd_retry_again(&w->lander_retry, kd_clock_mono_ms(), w->conf.retry_timeout_ms, &wait_ms)) {
		kd_error_prefix(err, "gave up after %d tries", w->lander_retry.tries);
		return false;
	}
	pthread_mutex_lock(&w->lock);
	if (err->action == KD_RESOLVE)
		w->counters.resolves++;
	else
		w->counters.retries++;
	pthread_mutex_unlock(&w->lock);
	kd_log(w->conf.log, KD_LOG_WARN, task->id.batch_time_ms, "%s (%s); trying again in %" PRId64 " ms", err->message,
		err->action == KD_RESOLVE ? "the outcome is unknown: the repeated write decides" : "nothing was committed",
		wait_ms);
	kd_worker_pause(w, wait_ms);
	return true;
}

kd_code kd_commit_land(kd_worker *w, kd_task *task, kd_durability *ret_durability, bool *ret_reread, kd_error *err)
{
	task->landing_mono_ms = kd_clock_mono_ms();
	for (;;) {
		kd_error_clear(err);
		*ret_reread = false;
		kd_code code = ensure_session(w, err);
		if (code == KD_OK)
			code = land_once(w, task, ret_durability, ret_reread, err);
		code = kd_error_explain(err, code, "sink", w->conf.ops->name);
		if (code == KD_OK) {
			kd_retry_reset(&w->lander_retry);
			return KD_OK;
		}
		if (w->ledger.session)
			close_session(w);
		if (code == KD_ERECORD && err->row > 0)
			return kd_task_refuse_record(task, kd_rowmap_offset(&task->map, err->row), err);
		if (!try_again(w, task, err))
			return err->code;
	}
}
