/* SPDX-License-Identifier: Apache-2.0 */
/* worker: reads, encodes and lands the batch partitions of a fixed set of Kafka partitions.
 *
 * A worker shares nothing with other workers.  It is two threads around one lock:
 *   reader  owns the Kafka consumer, the encoder and the pipeline ahead of it; drains all its partitions as records
 *           come, encodes each range into chunks of the sink's bytes, and queues a range when it is complete
 *   lander  owns the sink session; lands whole ranges, each in one transaction (commit.c), in order per partition
 * Encoding ahead keeps the transaction, and its locks, as short as the server allows; the chunks stay until the commit
 * is confirmed, so a lost connection costs no second read.  Where rows depend on tables of the sink (a transform that
 * looks up), chunks hold the records instead, and encoder and pipeline are the lander's (commit_look_up.c).
 *
 * Memory (I12): encoded bytes count against a budget.  When it is spent and no range is complete, the largest range at
 * the head of its partition is landed while it is read (streaming): its chunks are freed as they are written.  Where
 * that transaction fails, the range is read again; its plan makes the repetition identical (I6). */
#ifndef KD_WORKER_H
#define KD_WORKER_H

#include "ledger.h"
#include "pipeline.h"
#include "task.h"

typedef struct kd_worker kd_worker;
typedef struct kd_lane kd_lane;

typedef struct kd_worker_conf {
	const kd_config *config;
	const kd_logger *log;
	const kd_sink_ops *ops;
	void *sink;
	const kd_decoder_ops *decoder;     /* NULL: records go to the encoder as they are, and there is no transform */
	const kd_transform_ops *transform; /* NULL: none */
	bool raw_layout; /* see pipeline.h */
	const char *job;
	kd_owner me;
	int number;
	size_t n_partitions; /* of the whole job, for the reader's prefetch */
	size_t budget_bytes;
	bool record_loss; /* on_data_loss: "record" */
	int64_t retry_timeout_ms;
	void *opaque;
	/* Both are called from the worker's threads.  done: the task was committed (or had been before) and is the
	 * driver's again.  failed: the worker cannot go on; called once; id: the batch partition at fault, or NULL. */
	void (*done)(void *opaque, kd_task *task, kd_durability durability);
	void (*failed)(void *opaque, const kd_batch_partition *id, const kd_error *err);
} kd_worker_conf;

typedef struct kd_worker_counters {
	int64_t retries, resolves;
	int64_t bytes; /* encoded */
	double bytes_per_record; /* of late; 0: not known */
} kd_worker_counters;

kd_code kd_worker_start(const kd_worker_conf *conf, kd_worker **ret_worker, kd_error *err) KD_CHECK;

/* Adds a partition, read from `position` on, after its log has shown the witness (offset -1: none).  topic is borrowed
 * for the worker's life.  NULL without memory. */
kd_lane *kd_worker_add(kd_worker *worker, const char *topic, int32_t partition, int64_t position,
	const kd_witness *witness);

/* Something speaks for another log behind the partition's name: the last record noted must show itself before the next
 * one is delivered.  Any thread. */
void kd_worker_doubt(kd_lane *lane);

/* Takes the task; tasks of a lane are submitted in the order of the log. */
void kd_worker_submit(kd_worker *worker, kd_lane *lane, kd_task *take_task);

void kd_worker_counters_get(kd_worker *worker, kd_worker_counters *ret_counters);

/* Asks both threads to end: what is not landing yet is given up; a transaction that is past its last row may finish. */
void kd_worker_stop(kd_worker *worker);

/* Waits for the threads and frees everything, tasks too.  Accepts NULL. */
void kd_worker_free(kd_worker *worker);

#endif
