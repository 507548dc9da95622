/* SPDX-License-Identifier: Apache-2.0 */
/* job_private: a job from the inside: what its driver thread owns, and the little it shares with its workers.
 *
 * The driver thread is the one that called kd_job_run.  It owns everything here but what stands under `lock`: the list
 * of finished tasks and the failure, which workers write, and the progress, which any thread may read. */
#ifndef KD_JOB_PRIVATE_H
#define KD_JOB_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "kdirect/job.h"
#include "kdirect/kafka.h"
#include "ledger.h"
#include "mirror.h"
#include "planner.h"
#include "rate.h"
#include "retry.h"
#include "worker.h"

/* A batch that is not complete yet. */
typedef struct kd_open_batch {
	int64_t batch_time_ms;
	int32_t open; /* batch partitions still to commit */
	int64_t records;
	int64_t planned_mono_ms, landing_mono_ms; /* landing: the first of them */
} kd_open_batch;

/* A Kafka partition's open segment, as the driver knows it. */
typedef struct kd_part {
	const char *topic; /* the configuration's string */
	int32_t partition, partition_index, segment;
	int64_t committed_until, planned_until, last_batch_time_ms;
	int64_t log_start; /* lowest this segment may show; -1: not known */
	kd_witness witness;
	int open_batches;     /* planned, not committed */
	int64_t low, end, high; /* the log's, as last asked; -1: not known */
	int64_t goal;         /* until_latest: commit up to here */
	int64_t short_since_ms; /* monotonic time since when the log ends below planned_until; 0: it does not */
	kd_lane *lane;
	int worker;
} kd_part;

typedef struct kd_settings {
	const char *name;
	bool read_committed, record_loss, backpressure;
	int64_t interval_ms, max_records, max_rate, budget_bytes, retry_timeout_ms, keep_days, workers;
} kd_settings;

/* `kdirect skip`: land one planned range with a gap in it, and nothing else. */
typedef struct kd_skip {
	const char *topic, *reason, *who;
	int32_t partition;
	kd_range range;
} kd_skip;

struct kd_job {
	const kd_config *config;
	const kd_sink_ops *ops;
	kd_job_options options;
	kd_settings settings;
	const kd_skip *skip; /* NULL: a whole run */
	char owner_id[KD_OWNER_SIZE];
	int64_t started_at_ms;
	int64_t found_epoch; /* the job's, when a take-over of this start first saw it; -1: none has */

	atomic_bool stop;
	int event_fd; /* stop, a finished task, a failure */

	kd_kafka *kafka;
	void *sink;
	kd_ledger ledger; /* session NULL: no connection */
	kd_retry retry;
	kd_mirror *mirror;
	kd_part *parts;
	size_t n_parts;
	kd_worker **workers;
	size_t n_workers;
	kd_open_batch *batches;
	size_t n_batches;
	kd_rate rate;
	size_t turn;
	bool backlog;      /* the last plan was capped: plan again as soon as there is room */
	bool goals_set;    /* every partition of this take-over has its goal */
	bool was_up;       /* the first contact was made: from now on faults are waited for */
	int64_t refused_since_ms; /* Kafka does not know a topic; monotonic, 0: it does */
	int64_t rate_at_ms, rate_records; /* the last sample of records_per_second */
	int64_t next_tick_ms, next_look_ms, next_verify_ms, next_prune_ms, next_mirror_ms,
		next_blocked_ms; /* monotonic */
	int64_t last_batch_done_ms;
	int restarts;      /* take-overs in a row without a commit between */
	kd_worker_counters gone; /* sums of workers that ended, and the driver's own retries */
	struct {           /* a partition behind whose name a worker found another log; topic NULL: none */
		const char *topic;
		int32_t partition;
		char what[KD_REASON_SIZE];
	} accused;

	pthread_mutex_t lock;
	/* under the lock */
	kd_task *done;
	kd_error failure; /* code KD_OK: none */
	int32_t failed_index; /* partition index at fault; -1: none */
	kd_progress progress;
};

/* Each file below calls only those above it. */

/* ---- driver.c: how the driver's thread waits, and keeps its session ---- */
void kd_job_wake(kd_job *job);
/* Waits for an event at most ms. */
void kd_job_wait(kd_job *job, int64_t ms);
/* Callbacks of the workers; any thread. */
void kd_job_task_done(void *job, kd_task *task, kd_durability durability);
void kd_job_worker_failed(void *job, const kd_batch_partition *id, const kd_error *err);
/* Sees to it that the driver has a session; one try. */
kd_code kd_job_ensure_session(kd_job *job, kd_error *err) KD_CHECK;
/* After a failed call: may it be tried again?  Waits, repairs the session; false: give up, err says why. */
bool kd_job_try_again(kd_job *job, int64_t timeout_ms, kd_error *err);

/* ---- segments.c: which Kafka partitions there are, where they start, and whether a log is still the same one ---- */
/* Adds what is new in Kafka to the ledger and to job->parts.  known: what take-over read, at a start. */
kd_code kd_job_find_partitions(kd_job *job, const kd_segment *known, size_t n_known, kd_error *err) KD_CHECK;
/* Asks Kafka for low and high of all parts, and judges whether their logs are the same ones. */
kd_code kd_job_look_at_logs(kd_job *job, kd_error *err) KD_CHECK;
/* Asks Kafka for the ends that plans may reach. */
kd_code kd_job_read_ends(kd_job *job, kd_error *err) KD_CHECK;
/* Behind a partition's name is another log: an error, or by policy a new segment (KD_EWENTBACK: take over again). */
kd_code kd_job_new_log(kd_job *job, kd_part *part, const char *what, kd_error *err) KD_CHECK;

/* ---- skip.c: with a skip only its partition's ranges are handed out, with the skipped offsets as a gap ---- */
bool kd_job_skip_wants(const kd_job *job, const kd_part *part, kd_range range);
/* False without memory. */
bool kd_job_apply_skip(const kd_job *job, kd_task *task);
bool kd_job_skip_done(const kd_job *job);
/* Where the skipped offsets are not planned yet: the plan that they want, else ret_part NULL. */
kd_code kd_job_skip_plan(const kd_job *job, const kd_part **ret_part, kd_error *err) KD_CHECK;

/* ---- handout.c: a batch is made durable, goes out to the workers, and comes back committed ---- */
kd_part *kd_job_part(kd_job *job, int32_t partition_index);
kd_batch_partition kd_job_identify(const kd_job *job, const kd_part *part, int64_t batch_time_ms, kd_range range);
kd_code kd_job_give_task(kd_job *job, kd_part *part, int64_t batch_time_ms, kd_range range, kd_error *err) KD_CHECK;
/* Makes a batch durable and hands it out: the parts whose until lies past their from. */
kd_code kd_job_plan_batch(kd_job *job, const kd_planner_partition *ranges, kd_error *err) KD_CHECK;
void kd_job_drain_done(kd_job *job);

/* ---- start.c: from nothing, or from a database that went back, to running workers ---- */
kd_code kd_job_start(kd_job *job, kd_error *err) KD_CHECK;
/* Ends the workers; what they had not committed is left to the ledger. */
void kd_job_stop_workers(kd_job *job);

/* ---- steady.c: the driver's loop ---- */
kd_code kd_job_steady(kd_job *job, kd_error *err) KD_CHECK;

#endif
