/* SPDX-License-Identifier: Apache-2.0 */
/* worker_private: what a worker's two threads share, and nobody else sees. */
#ifndef KD_WORKER_PRIVATE_H
#define KD_WORKER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pipeline.h"
#include "reader.h"
#include "record.h"
#include "retry.h"
#include "worker.h"

/* A Kafka partition of a worker. */
struct kd_lane {
	struct kd_lane *next; /* all lanes of the worker, oldest first; under the lock */
	const char *topic;
	int32_t partition;
	int64_t position; /* where reading starts */
	/* reader thread only */
	int slot; /* the reader's; -1: not added yet */
	kd_witness witness; /* to be seen in the log before anything else; offset -1: nothing to see */
	bool looking;       /* for the witness */
	kd_witness seen;    /* the next witness, should the log come into doubt: of a record delivered since */
	bool rested;        /* everything submitted was read since the last look */
	int64_t next_look_ms;
	atomic_bool doubted; /* set by the driver, or after an absence: look for the witness */
	/* both threads */
	kd_task *head, *tail; /* tasks in the order of the log, the one that lands next first; under the lock */
};

struct kd_worker {
	kd_worker_conf conf;
	pthread_t reader_thread, lander_thread;
	bool reader_started, lander_started;

	bool looks_up; /* rows are made within the data transaction, by the lander thread */
	/* of the thread that makes rows */
	void *encoder;
	kd_pipeline *pipeline; /* NULL: records go to the encoder as they are */

	/* reader thread only */
	kd_reader *reader;
	kd_retry reader_retry;
	int64_t awake_ms; /* when it last ran, as far as it knows */

	/* lander thread only; the session is set under the lock, so that a stop may interrupt it */
	kd_ledger ledger; /* its session is NULL while there is no connection */
	kd_retry lander_retry;
	kd_records records; /* of the chunk at hand, and their rows; only where the transform looks up */
	kd_buf rows;

	pthread_mutex_t lock;
	pthread_cond_t lander_wakes; /* a task is ready, a chunk was published, or stop */
	pthread_cond_t reader_wakes; /* budget was given back, or stop */
	/* under the lock */
	kd_lane *lanes, *last_lane;
	kd_task *ready, *last_ready; /* complete or streaming, oldest first */
	kd_task *landing;
	size_t used_bytes;
	kd_worker_counters counters;
	bool failed;
	bool reader_ended, lander_ended;

	atomic_bool stop;
};

/* The threads; `worker` is a kd_worker. */
void *kd_worker_read(void *worker);
void *kd_worker_land(void *worker);

/* The lander's: NULL before the session is disconnected. */
void kd_worker_set_session(kd_worker *worker, void *session);

/* Puts a task into the ready queue and wakes the lander.  Under the lock. */
void kd_worker_queue_ready(kd_worker *worker, kd_task *task);

/* What the encoder holds back of a range that begins again must not come with it.  The encoder's thread. */
void kd_worker_empty_encoder(kd_worker *worker, const kd_task *task);

/* Ends the worker with an error: tells the driver once and stops both threads.  id may be NULL. */
void kd_worker_fail(kd_worker *worker, const kd_batch_partition *id, const kd_error *err);

/* Waits on a condition, the lock held, for at most ms. */
void kd_worker_wait_locked(kd_worker *worker, pthread_cond_t *condition, int64_t ms);

/* Waits ms, less when the worker is stopped. */
void kd_worker_pause(kd_worker *worker, int64_t ms);

#endif
