// SPDX-License-Identifier: Apache-2.0
// store_ledger: the slots of the ledger; see the header for how a change is made.
#include <stdlib.h>
#include <time.h>

#include "../common/process.h"
#include "store_sink.h"

enum { MOST_PRUNED = 1000, LOCK_WAIT_MS = 10000, LOCK_PAUSE_NS = 2000000 };

kd_code store_no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not keep the ledger: no memory");
}

int64_t store_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- lines ---- */

/* Without memory the old journal stays, and the first line that does not fit says so. */
static void forget(void *opaque)
{
	store_session *s = opaque;
	journal_free(s->journal);
	s->journal = journal_new();
}

static kd_code take_line(void *opaque, const char *key, size_t key_size, const char *state, size_t state_size,
	kd_error *err)
{
	store_session *s = opaque;
	return s->journal ? journal_apply(s->journal, key, key_size, state, state_size, err) : store_no_memory(err);
}

kd_code store_read(store_session *s, kd_error *err)
{
	const kd_store_reader reader = {.opaque = s, .forget = forget, .line = take_line};
	kd_code code = s->sink->ops->read(s->store, &reader, err);
	if (!code && !s->journal)
		code = store_no_memory(err);
	if (!code)
		code = journal_check(s->journal, err);
	s->broken = s->broken || code;
	return code;
}

/* Who waits asks again and again: not every store can tell when it is free, and a job that stops need not wait. */
static kd_code wait_for_lock(store_session *s, kd_error *err)
{
	struct timespec began, now;
	clock_gettime(CLOCK_MONOTONIC, &began);
	for (;;) {
		kd_error busy = {0};
		kd_code code = s->sink->ops->lock(s->store, &busy);
		clock_gettime(CLOCK_MONOTONIC, &now);
		bool late = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000 >= LOCK_WAIT_MS;
		if (!code)
			return KD_OK;
		if (code != KD_EBUSY || late || atomic_load(&s->interrupted))
			return kd_error_set(err, code, busy.action, "%s", busy.message);
		nanosleep(&(struct timespec) {.tv_nsec = LOCK_PAUSE_NS}, NULL);
	}
}

kd_code store_lock(store_session *s, kd_error *err)
{
	kd_code code = wait_for_lock(s, err);
	if (code)
		return code;
	code = store_read(s, err);
	if (code)
		store_unlock(s);
	return code;
}

void store_unlock(store_session *s)
{
	s->sink->ops->unlock(s->store);
}

kd_code store_append(store_session *s, journal_step *step, const kd_buf *rows, kd_error *err)
{
	kd_store_line *lines = calloc(step->n + 1, sizeof *lines);
	kd_code code = lines ? KD_OK : store_no_memory(err);
	for (size_t i = 0; lines && i < step->n; i++)
		lines[i] = (kd_store_line) {step->line[i].key, step->line[i].state};
	if (!code && step->n > 0)
		code = s->sink->ops->append(s->store, lines, step->n, rows ? rows->data : NULL, rows ? rows->size : 0, err);
	free(lines);
	journal_step_done(step);
	return code;
}

/* After the journal has answered: makes its step durable where there is one, and ends the change. */
static kd_code finish(store_session *s, kd_code code, kd_cas cas, journal_step *step, kd_error *err)
{
	if (!code && cas == KD_CAS_DONE)
		code = store_append(s, step, NULL, err);
	journal_step_done(step);
	store_unlock(s);
	return code;
}

/* ---- the slots ---- */

static kd_code take_over_locked(store_session *s, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	char process[PROCESS_MARK_SIZE];
	journal_step step = {0};
	kd_owner me;
	bool created = !journal_knows(s->journal, request->job);
	process_mark(request->pid, process);
	kd_code code = journal_take_over(s->journal, request, &s->sink->target, process, store_now_ms(), &me, &step, err);
	if (!code)
		code = store_append(s, &step, NULL, err);
	if (!code)
		code = store_read(s, err);
	return code ? code : journal_image(s->journal, request->job, created, ret_image, err);
}

kd_code store_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	store_session *s = opaque;
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	code = take_over_locked(s, request, ret_image, err);
	store_unlock(s);
	return code;
}

static kd_code add_locked(store_session *s, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	journal_step step = {0};
	kd_code code = journal_add_partitions(s->journal, me, job, &s->sink->target, partitions, n, store_now_ms(), ret_cas, &step,
		err);
	if (code || *ret_cas == KD_CAS_MISS)
		return code;
	code = store_append(s, &step, NULL, err);
	if (!code)
		code = store_read(s, err);
	return code ? code : journal_added(s->journal, job, partitions, n, ret_segments, err);
}

kd_code store_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	store_session *s = opaque;
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	code = add_locked(s, me, job, partitions, n, ret_cas, ret_segments, err);
	store_unlock(s);
	return code;
}

kd_code store_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	store_session *s = opaque;
	journal_step step = {0};
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	code = journal_append_plan(s->journal, me, entries, n, store_now_ms(), ret_cas, &step, err);
	return finish(s, code, *ret_cas, &step, err);
}

kd_code store_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	store_session *s = opaque;
	journal_step step = {0};
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	code = journal_withdraw(s->journal, me, entry, store_now_ms(), ret_cas, &step, err);
	return finish(s, code, *ret_cas, &step, err);
}

kd_code store_prune(void *opaque, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	store_session *s = opaque;
	journal_step step = {0};
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	int64_t before = store_now_ms() - keep_days * 24 * 3600 * 1000;
	code = journal_prune(s->journal, me, job, before, MOST_PRUNED, ret_removed, ret_more, &step, err);
	return finish(s, code, KD_CAS_DONE, &step, err);
}

/* Under the lock, so that what is under way is waited for. */
kd_code store_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	store_session *s = opaque;
	kd_code code = store_lock(s, err);
	if (code)
		return code;
	journal_reread(s->journal, kind, entries, n, ret_rows);
	store_unlock(s);
	return KD_OK;
}

kd_code store_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	store_session *s = opaque;
	kd_code code = store_read(s, err);
	if (!code)
		journal_verify(s->journal, job, ret_segments, n, ret_n);
	return code;
}
