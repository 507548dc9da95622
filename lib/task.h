/* SPDX-License-Identifier: Apache-2.0 */
/* task: one batch partition on its way from Kafka to the sink: its range, and its rows encoded ahead in chunks (or its
 * records, where rows are made within the transaction).
 *
 * Made by the driver, filled by a worker's reader thread, landed by its lander thread, given back to the driver.  It has
 * one owner at a time; only the list of published chunks and the flags named below are shared, under the worker's
 * lock. */
#ifndef KD_TASK_H
#define KD_TASK_H

#include "kdirect/sink.h"
#include "rowmap.h"

/* Chunks are published at about this size: large enough to be cheap, small enough to bound a streaming transaction. */
#define KD_CHUNK_BYTES (64 * 1024)

typedef struct kd_chunk {
	struct kd_chunk *next;
	kd_buf rows;
} kd_chunk;

typedef struct kd_task {
	kd_batch_partition id;
	struct kd_lane *lane;  /* the worker's side of this Kafka partition */
	struct kd_task *next;  /* in its lane, in the order of the log */
	struct kd_task *next_ready;
	int64_t planned_mono_ms, landing_mono_ms, done_mono_ms;

	/* the reader's, until published */
	kd_chunk *open;
	bool begun;
	bool skip_only; /* every offset that is left is in a gap: nothing to read */
	int64_t next_offset; /* where reading goes on */
	const char *program;   /* whose verb "skip" gives a record up; NULL: kdirect's */
	int64_t not_before_ms; /* read no sooner: waiting before a repetition */

	/* filled by the reader; stable once complete.  map, result.rows and result.dropped by who makes the rows */
	kd_rowmap map;
	kd_batch_result result;
	kd_gap *gaps; /* result.gaps points here */
	size_t bytes; /* of all rows */
	kd_durability durability; /* once it is committed */

	/* shared, under the worker's lock */
	kd_chunk *first, *last; /* published, not yet consumed */
	size_t held_bytes;      /* what of the budget it holds */
	bool complete;          /* everything is published */
	bool queued;            /* in the ready queue */
	bool streaming;         /* landed while it is read: its chunks are freed as they are written */
	bool consumed;          /* some of them were */
	bool broken;            /* streaming, and reading it failed: what was landed of it is to be given up */
	bool reread;            /* streaming failed: to be read again */
} kd_task;

/* NULL without memory.  id.topic and id.job are borrowed for the task's life. */
kd_task *kd_task_new(const kd_batch_partition *id);
void kd_task_free(kd_task *task);

/* Forgets all that was read, but for the gaps: the task can be read again. */
void kd_task_reset(kd_task *task);

/* Notes that [range) of the task is given up.  False without memory. */
bool kd_task_add_gap(kd_task *task, kd_range range, const char *reason, const char *who);

/* Is this offset given up? */
bool kd_task_in_gap(const kd_task *task, int64_t offset);

/* The chunk that rows are encoded into; NULL without memory. */
kd_chunk *kd_task_open_chunk(kd_task *task);

void kd_chunk_free(kd_chunk *chunk);

/* Turns a refusal of the record at `offset` into what a person needs: where it is, why, and the way out. */
kd_code kd_task_refuse_record(const kd_task *task, int64_t offset, kd_error *err);

#endif
