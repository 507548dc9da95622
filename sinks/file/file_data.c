// SPDX-License-Identifier: Apache-2.0
// file_data: the data transaction: a file a table, and one line of the ledger that makes them count (I1, I2, I9).
//
// begin only asks: what it finds can change while rows are written, by a take-over that did not wait any longer.  So
// commit asks again under the lock, where nobody can come between the answer and the commit point.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/fault.h>

#include "file_sink.h"

static void forget(file_session *session, bool keep)
{
	for (size_t i = 0; session->out && i <= session->sink->shape.n_tables; i++)
		file_out_done(&session->out[i], keep);
	free(session->out);
	free(session->job);
	free(session->topic);
	session->out = NULL;
	session->job = session->topic = NULL;
	session->in_data = false;
	file_unclaim(session);
}

static bool remember(file_session *session, const kd_owner *me, const kd_batch_partition *entry)
{
	session->job = strdup(entry->job);
	session->topic = strdup(entry->topic);
	session->out = calloc(session->sink->shape.n_tables + 1, sizeof *session->out);
	session->me = *me;
	session->entry = *entry;
	session->entry.job = session->job;
	session->entry.topic = session->topic;
	session->rows = 0;
	session->in_doubt = false;
	return session->job && session->topic && session->out;
}

kd_code file_begin(void *opaque, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	file_session *session = opaque;
	*ret_cas = KD_CAS_MISS;
	if (!remember(session, me, entry)) {
		forget(session, false);
		return file_no_memory(err);
	}
	kd_code code = file_claim(session, entry->job, entry->partition_index, err);
	if (!code)
		code = file_lock(session, err);
	if (!code) {
		*ret_cas = journal_may_commit(session->sink->ledger.journal, me, entry);
		file_unlock(session);
	}
	session->in_data = !code && *ret_cas == KD_CAS_DONE;
	if (!session->in_data)
		forget(session, false);
	return code;
}

/* ---- rows ---- */

/* No other attempt, of this process or another, has a file of this name. */
static char *make_path(const file_session *session, const char *place)
{
	const char *slash = strrchr(place, '/');
	char *path;
	file_sink *sink = session->sink;
	uint64_t attempt = atomic_fetch_add(&sink->attempts, 1);
	if (asprintf(&path, "%s/%s.%.12s-%" PRIx64 "-%" PRIx64, sink->tmp_dir, slash ? slash + 1 : place, session->me.id,
			(uint64_t) file_now_ms(), attempt) < 0)
		return NULL;
	return path;
}

static kd_code open_out(file_session *session, uint32_t table, kd_error *err)
{
	const file_shape *shape = &session->sink->shape;
	file_out *out = &session->out[table];
	char *place;
	kd_code code = file_place(session->sink, &session->entry, table ? shape->tables[table - 1] : NULL, &place, err);
	if (code)
		return code;
	code = file_out_open(out, make_path(session, place), place, shape->compression, err);
	if (!code && shape->header)
		code = file_out_write(out, shape->header, strlen(shape->header), err);
	return code;
}

kd_code file_write(void *opaque, const void *bytes, size_t size, kd_error *err)
{
	file_session *session = opaque;
	const char *at = bytes, *end = at + size;
	kd_code code = KD_OK;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write: no batch partition is open");
	while (at < end && !code) {
		file_row row;
		memcpy(&row, at, sizeof row);
		file_out *out = &session->out[row.table];
		if (!out->path)
			code = open_out(session, row.table, err);
		if (!code)
			code = file_out_write(out, at + sizeof row, row.size, err);
		at += sizeof row + row.size;
		out->rows++;
		session->rows++;
	}
	return code;
}

/* ---- commit ---- */

/* The files are durable, and their folders are there: only names are left to do. */
static kd_code finish_files(file_session *session, kd_error *err)
{
	file_sink *sink = session->sink;
	kd_code code = KD_OK;
	bool any = false;
	for (size_t i = 0; !code && i <= sink->shape.n_tables; i++) {
		file_out *out = &session->out[i];
		if (!out->path)
			continue;
		any = true;
		code = file_out_close(out, err);
		if (!code)
			code = file_make_folder(sink, sink->path, out->place, FILE_IN_DATA, err);
	}
	return code || !any ? code : file_sync_folder(sink->tmp_dir, FILE_IN_DATA, err);
}

/* Nothing can be undone any more: what fails here is finished by whoever has the lock next. */
static kd_code put_in_place(file_session *session, kd_error *err)
{
	file_sink *sink = session->sink;
	kd_code code = KD_FAULT_ERROR("file.committed", KD_EIO, KD_RESOLVE, err);
	for (size_t i = 0; !code && i <= sink->shape.n_tables; i++)
		if (session->out[i].path)
			code = file_put_in_place(sink, session->out[i].name, session->out[i].place, FILE_IN_DOUBT, err);
	if (code)
		atomic_store(&sink->unsettled, true);
	return code;
}

static kd_code commit_locked(file_session *session, const kd_batch_result *result, const char *note, kd_error *err)
{
	file_sink *sink = session->sink;
	journal_step step;
	kd_cas cas;
	kd_code code = journal_commit(sink->ledger.journal, &session->me, &session->entry, result, note, file_now_ms(), &cas,
		&step, err);
	if (code)
		return code;
	if (cas == KD_CAS_MISS)
		return kd_error_set(err, KD_EBUSY, KD_REPLAY,
			"could not commit %s/%" PRId32 " [%" PRId64 ", %" PRId64 "): the ledger was changed while its rows were written",
			session->topic, session->entry.partition, session->entry.range.from, session->entry.range.until);
	code = file_ledger_append(&sink->ledger, &step, FILE_IN_DATA, err);
	journal_step_done(&step);
	session->in_doubt = !code || !sink->ledger.journal;
	if (code)
		return code;
	code = put_in_place(session, err);
	return code ? code : KD_FAULT_ERROR("file.renamed", KD_EIO, KD_RESOLVE, err);
}

kd_code file_commit(void *opaque, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	file_session *session = opaque;
	*ret_durability = KD_DURABLE;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not commit: no batch partition is open");
	if (session->rows != result->rows)
		return kd_error_set(err, KD_ESINK, KD_STOP, "could not commit to \"%s\": it was given %" PRId64 " of %" PRId64
			" rows", session->sink->target, session->rows, result->rows);
	kd_code code = finish_files(session, err);
	if (!code)
		code = KD_FAULT_ERROR("file.synced", KD_EIO, KD_REPLAY, err);
	if (code)
		return code;
	char *note = file_note(session->out, session->sink->shape.n_tables + 1);
	if (!note)
		return kd_error_set(err, KD_ENOMEM, KD_REPLAY, "could not commit: no memory");
	code = file_lock(session, err);
	if (!code) {
		code = commit_locked(session, result, note, err);
		file_unlock(session);
	} else if (err && err->action == KD_RETRY) {
		err->action = KD_REPLAY;
	}
	free(note);
	if (!code)
		forget(session, true);
	return code;
}

/* After a commit whose outcome is open the files stay: whoever has the lock next knows whether they count. */
void file_abort(void *opaque)
{
	file_session *session = opaque;
	if (session->in_data)
		forget(session, session->in_doubt);
}
