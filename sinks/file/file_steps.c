// SPDX-License-Identifier: Apache-2.0
// file_steps: the ledger's slots: lock, ask sinks/journal, make its lines durable, unlock.
#include <stdlib.h>
#include <string.h>

#include "../common/process.h"
#include "file_sink.h"

#define MOST_PRUNED 5000 /* identifiers a call, so that the lock is not held for long */
#define DAY_MS 86400000

/* Ends a step that was asked for under the lock: writes it where it may be. */
static kd_code end_step(file_session *session, kd_code code, bool may_be, journal_step *step, kd_error *err)
{
	if (!code && may_be)
		code = file_ledger_append(&session->sink->ledger, step, FILE_IN_LEDGER, err);
	journal_step_done(step);
	return code;
}

/* After a step: what it made, from the ledger as it is now. */
static kd_code look_again(file_sink *sink, kd_error *err)
{
	return sink->ledger.journal ? KD_OK : file_ledger_refresh(&sink->ledger, true, err);
}

static kd_code take_over_locked(file_session *session, const kd_take_over *request, kd_ledger_image *ret_image,
	kd_error *err)
{
	file_sink *sink = session->sink;
	char process[PROCESS_MARK_SIZE];
	kd_owner me;
	journal_step step = {0};
	bool created = !journal_knows(sink->ledger.journal, request->job);
	process_mark(request->pid, process);
	kd_code code = created ? file_refuse_strangers(sink, request->job, err) : KD_OK;
	if (!code)
		code = journal_take_over(sink->ledger.journal, request, &sink->journal_target, process, file_now_ms(), &me, &step,
			err);
	code = end_step(session, code, true, &step, err);
	if (!code)
		code = look_again(sink, err);
	if (!code)
		code = journal_image(sink->ledger.journal, request->job, created, ret_image, err);
	if (!code)
		code = file_sweep(sink, sink->ledger.journal, request->job, err);
	if (code)
		kd_ledger_image_done(ret_image);
	return code;
}

/* Whoever of this job writes rows may commit them first, if it does not take long (I7). */
kd_code file_take_over(void *opaque, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	file_session *session = opaque;
	*ret_image = (kd_ledger_image) {0};
	kd_code code = file_claim(session, request->job, -1, err);
	if (code)
		return code;
	atomic_store(&session->sink->unsettled, true); /* the one before may have died between its commit point and its renames */
	code = file_lock(session, err);
	if (!code) {
		code = take_over_locked(session, request, ret_image, err);
		file_unlock(session);
	}
	file_unclaim(session);
	return code;
}

kd_code file_add_partitions(void *opaque, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	file_session *session = opaque;
	file_sink *sink = session->sink;
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	for (size_t i = 0; i < n; i++)
		ret_segments[i] = (kd_segment) {0};
	kd_code code = file_lock(session, err);
	if (code)
		return code;
	code = journal_add_partitions(sink->ledger.journal, me, job, &sink->journal_target, partitions, n, file_now_ms(),
		ret_cas, &step, err);
	code = end_step(session, code, *ret_cas == KD_CAS_DONE, &step, err);
	if (!code && *ret_cas == KD_CAS_DONE)
		code = look_again(sink, err);
	if (!code && *ret_cas == KD_CAS_DONE)
		code = journal_added(sink->ledger.journal, job, partitions, n, ret_segments, err);
	file_unlock(session);
	if (code)
		*ret_cas = KD_CAS_MISS;
	return code;
}

kd_code file_append_plan(void *opaque, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	file_session *session = opaque;
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	kd_code code = file_lock(session, err);
	if (code)
		return code;
	code = journal_append_plan(session->sink->ledger.journal, me, entries, n, file_now_ms(), ret_cas, &step, err);
	code = end_step(session, code, *ret_cas == KD_CAS_DONE, &step, err);
	file_unlock(session);
	if (code)
		*ret_cas = KD_CAS_MISS;
	return code;
}

kd_code file_withdraw(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	file_session *session = opaque;
	journal_step step = {0};
	*ret_cas = KD_CAS_MISS;
	kd_code code = file_lock(session, err);
	if (code)
		return code;
	code = journal_withdraw(session->sink->ledger.journal, me, entry, file_now_ms(), ret_cas, &step, err);
	code = end_step(session, code, *ret_cas == KD_CAS_DONE, &step, err);
	file_unlock(session);
	if (code)
		*ret_cas = KD_CAS_MISS;
	return code;
}

kd_code file_reread(void *opaque, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	file_session *session = opaque;
	kd_code code = file_lock(session, err); /* waits for whoever is at a commit point */
	if (code)
		return code;
	journal_reread(session->sink->ledger.journal, kind, entries, n, ret_rows);
	file_unlock(session);
	return KD_OK;
}

/* Without the lock: what is read is whole steps. */
kd_code file_verify(void *opaque, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	file_session *session = opaque;
	*ret_n = 0;
	kd_code code = file_take_turn(session, err);
	if (code)
		return code;
	code = file_ledger_refresh(&session->sink->ledger, false, err);
	if (!code)
		journal_verify(session->sink->ledger.journal, job, ret_segments, n, ret_n);
	file_give_up_turn(session);
	return code;
}

kd_code file_prune(void *opaque, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	file_session *session = opaque;
	journal_step step = {0};
	*ret_removed = 0;
	*ret_more = false;
	kd_code code = file_lock(session, err);
	if (code)
		return code;
	code = journal_prune(session->sink->ledger.journal, me, job, file_now_ms() - keep_days * DAY_MS, MOST_PRUNED,
		ret_removed, ret_more, &step, err);
	code = end_step(session, code, *ret_removed > 0, &step, err);
	file_unlock(session);
	if (code) {
		*ret_removed = 0;
		*ret_more = false;
	}
	return code;
}
