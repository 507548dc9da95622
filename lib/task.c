// SPDX-License-Identifier: Apache-2.0
// task: one batch partition on its way from Kafka to the sink.
#include "task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kd_task *kd_task_new(const kd_batch_partition *id)
{
	kd_task *task = calloc(1, sizeof *task);
	if (!task)
		return NULL;
	task->id = *id;
	task->next_offset = id->range.from;
	task->result.witness.offset = -1;
	task->result.log_start = -1;
	return task;
}

void kd_chunk_free(kd_chunk *chunk)
{
	if (chunk)
		kd_buf_done(&chunk->rows);
	free(chunk);
}

static void free_chunks(kd_task *task)
{
	while (task->first) {
		kd_chunk *chunk = task->first;
		task->first = chunk->next;
		kd_chunk_free(chunk);
	}
	task->last = NULL;
	kd_chunk_free(task->open);
	task->open = NULL;
}

void kd_task_free(kd_task *task)
{
	if (!task)
		return;
	free_chunks(task);
	kd_rowmap_done(&task->map);
	free(task->gaps);
	free(task);
}

void kd_task_reset(kd_task *task)
{
	free_chunks(task);
	kd_rowmap_done(&task->map);
	task->result.records = task->result.rows = task->result.dropped = 0;
	task->result.witness.offset = -1;
	task->bytes = task->held_bytes = 0;
	task->next_offset = task->id.range.from;
	task->begun = task->skip_only = task->complete = task->streaming = task->consumed = task->broken =
		task->reread = false;
}

bool kd_task_add_gap(kd_task *task, kd_range range, const char *reason, const char *who)
{
	size_t n = task->result.n_gaps;
	kd_gap *gaps = realloc(task->gaps, (n + 1) * sizeof *gaps);
	if (!gaps)
		return false;
	gaps[n] = (kd_gap) {.partition_index = task->id.partition_index, .range = range,
		.batch_time_ms = task->id.batch_time_ms};
	snprintf(gaps[n].reason, sizeof gaps[n].reason, "%s", reason);
	snprintf(gaps[n].who, sizeof gaps[n].who, "%s", who);
	task->gaps = gaps;
	task->result.gaps = gaps;
	task->result.n_gaps = n + 1;
	return true;
}

bool kd_task_in_gap(const kd_task *task, int64_t offset)
{
	for (size_t i = 0; i < task->result.n_gaps; i++)
		if (offset >= task->gaps[i].range.from && offset < task->gaps[i].range.until)
			return true;
	return false;
}

kd_chunk *kd_task_open_chunk(kd_task *task)
{
	if (!task->open)
		task->open = calloc(1, sizeof *task->open);
	return task->open;
}

kd_code kd_task_refuse_record(const kd_task *task, int64_t offset, kd_error *err)
{
	const kd_batch_partition *id = &task->id;
	kd_error_prefix(err, "could not deliver %s/%d@%" PRId64, id->topic, id->partition, offset);
	size_t n = strlen(err->message);
	snprintf(err->message + n, sizeof err->message - n,
		"; nothing of its batch partition was committed; to give this record up: %s skip JOB %s/%d@%" PRId64
		" --reason TEXT --execute", task->program ? task->program : "kdirect", id->topic, id->partition, offset);
	err->offset = offset;
	return err->code;
}
