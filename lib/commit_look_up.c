// SPDX-License-Identifier: Apache-2.0
// commit_look_up: see the header.
#include "commit_look_up.h"

#include <inttypes.h>

#include "kdirect/fault.h"

void kd_commit_look_up_begin(kd_task *task)
{
	kd_rowmap_done(&task->map);
	task->result.rows = task->result.dropped = 0;
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for rows");
}

static bool is_in(const kd_task *task, int64_t offset)
{
	return offset > 0 && offset >= task->id.range.from && offset < task->id.range.until;
}

/* An error of a record, where one is named. */
static kd_code refuse(const kd_task *task, kd_error *err)
{
	err->row = 0;
	if (is_in(task, err->offset))
		return kd_task_refuse_record(task, err->offset, err);
	return kd_error_prefix(err, "could not look up for %s/%d [%" PRId64 ", %" PRId64 ")", task->id.topic,
		task->id.partition, task->id.range.from, task->id.range.until);
}

static kd_code look_up(kd_worker *w, kd_task *task, kd_error *err)
{
	kd_code code = kd_pipeline_look_up(w->pipeline, &task->id, w->records.items, w->records.n, w->ledger.session, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("commit.looked-up", KD_ESINK, KD_REPLAY, err);
	return code == KD_ERECORD ? refuse(task, err) : code;
}

static kd_code make_row(kd_worker *w, kd_task *task, const kd_record *record, kd_error *err)
{
	uint32_t rows = 0;
	kd_code code = kd_pipeline_encode(w->pipeline, &task->id, record, &w->rows, &rows, err);
	if (code == KD_ERECORD) {
		err->row = 0;
		return kd_task_refuse_record(task, err->offset, err);
	}
	if (code != KD_OK)
		return code;
	if (!kd_rowmap_add(&task->map, record->offset, rows))
		return no_memory(err);
	task->result.rows += rows;
	task->result.dropped += rows == 0;
	return KD_OK;
}

static kd_code make_rows(kd_worker *w, kd_task *task, kd_error *err)
{
	kd_code code = KD_OK;
	w->rows.size = 0;
	for (size_t i = 0; code == KD_OK && i < w->records.n; i++)
		code = make_row(w, task, &w->records.items[i], err);
	if (code != KD_OK) {
		kd_worker_empty_encoder(w, task); /* it knows nothing of a transform that failed */
		return code;
	}
	code = w->conf.ops->flush(w->encoder, &task->id, &w->rows, err);
	return code == KD_ERECORD ? refuse(task, err) : code;
}

kd_code kd_commit_look_up_write(kd_worker *w, kd_task *task, const kd_chunk *chunk, kd_error *err)
{
	if (!kd_records_unpack(&w->records, &chunk->rows))
		return no_memory(err);
	kd_code code = w->records.n ? look_up(w, task, err) : KD_OK;
	if (code == KD_OK)
		code = make_rows(w, task, err);
	if (code == KD_OK && w->rows.size)
		code = w->conf.ops->write(w->ledger.session, w->rows.data, w->rows.size, err);
	return code;
}
