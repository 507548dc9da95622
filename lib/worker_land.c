// SPDX-License-Identifier: Apache-2.0
// worker_land: a worker's lander thread: takes complete ranges, in order per partition, and commits each (I5).
#include "clock.h"
#include "commit.h"

void kd_worker_set_session(kd_worker *w, void *session)
{
	pthread_mutex_lock(&w->lock);
	w->ledger.session = session;
	pthread_mutex_unlock(&w->lock);
}

/* Takes a task out of the ready queue. */
static void unqueue(kd_worker *w, kd_task *before, kd_task *task)
{
	if (before)
		before->next_ready = task->next_ready;
	else
		w->ready = task->next_ready;
	if (w->last_ready == task)
		w->last_ready = before;
	task->next_ready = NULL;
	task->queued = false;
}

/* The oldest ready task that is the first of its partition.  NULL: stop. */
static kd_task *next_task(kd_worker *w)
{
	kd_task *found = NULL;
	pthread_mutex_lock(&w->lock);
	while (!found && !atomic_load(&w->stop)) {
		kd_task *before = NULL;
		for (kd_task *task = w->ready; task && !found; task = task->next_ready) {
			if (task == task->lane->head)
				found = task;
			else
				before = task;
		}
		if (found) {
			unqueue(w, before, found);
			w->landing = found;
		} else {
			kd_worker_wait_locked(w, &w->lander_wakes, 1000);
		}
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

static void finish(kd_worker *w, kd_task *task, kd_durability durability)
{
	kd_lane *lane = task->lane;
	pthread_mutex_lock(&w->lock);
	lane->head = task->next;
	if (!lane->head)
		lane->tail = NULL;
	w->used_bytes -= task->held_bytes;
	w->landing = NULL;
	pthread_cond_signal(&w->reader_wakes);
	pthread_mutex_unlock(&w->lock);
	task->next = NULL;
	task->done_mono_ms = kd_clock_mono_ms();
	w->conf.done(w->conf.opaque, task, durability);
}

static void give_back_to_reader(kd_worker *w, kd_task *task)
{
	kd_log(w->conf.log, KD_LOG_WARN, task->id.batch_time_ms,
		"a range larger than memory_mb was interrupted while it was landed: it is read again");
	pthread_mutex_lock(&w->lock);
	task->reread = true;
	w->landing = NULL;
	pthread_mutex_unlock(&w->lock);
	kd_reader_wake(w->reader);
}

void *kd_worker_land(void *worker)
{
	kd_worker *w = worker;
	kd_error err = {0};
	kd_code code = KD_OK;
	kd_task *task = NULL;
	while (code == KD_OK && (task = next_task(w))) {
		kd_durability durability;
		bool reread = false;
		code = kd_commit_land(w, task, &durability, &reread, &err);
		if (code == KD_OK && reread)
			give_back_to_reader(w, task);
		else if (code == KD_OK)
			finish(w, task, durability);
	}
	void *session = w->ledger.session;
	kd_worker_set_session(w, NULL);
	if (session)
		w->conf.ops->disconnect(session);
	if (code != KD_OK)
		kd_worker_fail(w, &task->id, &err);
	pthread_mutex_lock(&w->lock);
	w->lander_ended = true;
	pthread_cond_broadcast(&w->reader_wakes);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}
