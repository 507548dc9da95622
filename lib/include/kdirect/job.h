/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/job.h: run a job.
 *
 * Order of calls: kd_job_new with a checked configuration and a sink's table, kd_job_run (blocks until the job ends),
 * kd_job_free.  The library never exits, prints or sets signal handlers; two jobs may run in one process. */
#ifndef KDIRECT_JOB_H
#define KDIRECT_JOB_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/kafka.h"
#include "kdirect/log.h"
#include "kdirect/sink.h"
#include "kdirect/transform.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kd_job kd_job;

/* A moment of a batch, told from the driver's thread.  entries: all batch partitions of the batch time planned
 * (KD_JOB_PLANNED), or the one that was committed. */
typedef enum kd_job_event { KD_JOB_PLANNED, KD_JOB_COMMITTED } kd_job_event;
typedef void kd_job_observer(void *opaque, kd_job_event event, const kd_batch_partition *entries, size_t n);

typedef struct kd_job_options {
	kd_logger log;
	bool until_latest; /* stop when the offsets latest at the start are committed */
	const char *version; /* of the program, for the instance row; NULL: the library's */
	const char *program; /* its name, for the commands that messages tell a person to run; NULL: "kdirect" */
	kd_job_observer *observer; /* NULL: none */
	void *observer_opaque;
	/* What makes rows of records; they outlive the job.  decoder NULL: the library's own by the name in decode.type. */
	const kd_decoder_ops *decoder;
	const kd_transform_ops *transform; /* NULL: none */
} kd_job_options;

/* Where a job stands.  Counters since this start. */
typedef struct kd_progress {
	int64_t epoch;
	int64_t batch_time_ms; /* the last planned */
	int64_t batches, batch_partitions; /* committed */
	int64_t records, rows, dropped, gap, bytes;
	int64_t lag; /* last stable - committed, over all partitions, by the newest offsets known */
	int64_t blocked; /* records behind an open transaction: high - last stable */
	int64_t retries, resolves, went_back, here_only; /* unknown outcomes resolved; commits a standby did not confirm */
	int64_t target; /* until_latest: records still to go; -1: not asked for */
	int64_t last_commit_ms; /* wall clock of the last commit; 0: none */
	int32_t partitions;
	double records_per_second; /* over the last seconds */
	bool running;
} kd_progress;

/* config and sink must outlive the job. */
KD_API kd_code kd_job_new(const kd_config *config, const kd_sink_ops *sink, const kd_job_options *options,
	kd_job **ret_job, kd_error *err) KD_CHECK;

/* Runs until stopped (KD_OK: by kd_job_stop or until_latest) or until it cannot go on: KD_EFENCED when a newer
 * instance took over; action RETRY in err when a fault that may heal outlived retry_timeout_ms. */
KD_API kd_code kd_job_run(kd_job *job, kd_error *err) KD_CHECK;

/* Asks the job to end: what is planned and not yet begun is left for the next start.  Any thread; safe in a signal
 * handler; returns at once. */
KD_API void kd_job_stop(kd_job *job);

/* A snapshot; any thread. */
KD_API void kd_job_progress(kd_job *job, kd_progress *ret_progress);

/* Accepts NULL.  Not while kd_job_run is in it. */
KD_API void kd_job_free(kd_job *job);

/* The way out of a bad record: takes the job over, lands the partition's planned ranges up to range.until with `range`
 * recorded as a gap, and ends.  range.from must not be committed yet.  KD_ECONFIG where the range makes no sense.
 * Blocks; the caller has made sure that no instance lives. */
KD_API kd_code kd_job_skip(const kd_config *config, const kd_sink_ops *sink, const kd_job_options *options,
	const char *topic, int32_t partition, kd_range range, const char *reason, const char *who, kd_error *err) KD_CHECK;

/* The job's exit code as DESIGN's command line has it: 0 ok, 1 needs a person, 2 configuration, 3 fenced,
 * 4 gave up on a fault that may heal. */
KD_API int kd_exit_code(kd_code code, const kd_error *err);

/* Why a planned range ends where it does. */
typedef enum kd_cap {
	KD_CAP_NONE,      /* up to the last stable offset */
	KD_CAP_RATE,      /* max_rate_per_partition */
	KD_CAP_BACKPRESSURE,
	KD_CAP_RECORDS,   /* max_records_per_batch */
	KD_CAP_MEMORY,    /* memory_mb: what can be encoded ahead of the transaction */
	KD_CAP_OPEN_TXN   /* an open transaction holds the last stable offset */
} kd_cap;
KD_API const char *kd_cap_name(kd_cap cap);

/* What the next batch would be, for one partition. */
typedef struct kd_plan_row {
	const char *topic; /* the configuration's string */
	int32_t partition;
	int32_t partition_index; /* -1: not in the ledger yet */
	kd_range range;    /* from == until: nothing */
	kd_cap cap;
	int64_t end, high; /* last stable offset (what plans may reach) and high watermark */
	int64_t committed_until, planned_until; /* -1: not in the ledger yet */
} kd_plan_row;

/* Computes the next batch from the ledger and Kafka as they are now, changing nothing.  session: of `sink`, read only.
 * The caller frees *ret_rows. */
KD_API kd_code kd_plan_preview(const kd_config *config, const kd_sink_ops *sink, void *session, kd_kafka *kafka,
	kd_plan_row **ret_rows, size_t *ret_n, kd_error *err) KD_CHECK;

/* Records through a job's decoder and transform, without a broker or a sink: for tests of one's own parts.
 *
 * Order of calls: kd_try_open with a checked configuration, kd_try_record any number of times, kd_try_close.  One thread
 * at a time. */
typedef struct kd_try kd_try;

/* One row as the sink's encoder would get it: record->value are its bytes, record->table where it goes (NULL: the sink's
 * own).  Borrowed for the call.  Anything but KD_OK, with err set, ends the record with it. */
typedef kd_code kd_try_row(void *opaque, const kd_record *record, kd_error *err);

/* Of the options, decoder, transform and log are used.  A job without a decoder of its own gets what it would run with:
 * raw, or json where it has a transform and sink.layout is not "raw".  KD_ECONFIG where the transform looks up in tables:
 * there are none.  config and opaque must outlive the result. */
KD_API kd_code kd_try_open(const kd_config *config, const kd_job_options *options, kd_try_row *row, void *opaque,
	kd_try **ret_try, kd_error *err) KD_CHECK;
/* Calls row for each row that comes of it; *ret_rows: how many, 0: dropped.  KD_ERECORD where the record is refused; the
 * next one may still be tried. */
KD_API kd_code kd_try_record(kd_try *trial, const kd_record *record, uint32_t *ret_rows, kd_error *err) KD_CHECK;
/* Accepts NULL. */
KD_API void kd_try_close(kd_try *trial);

KD_API const char *kd_version(void);

#ifdef __cplusplus
}
#endif
#endif
