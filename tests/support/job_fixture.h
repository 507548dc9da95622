/* SPDX-License-Identifier: Apache-2.0 */
/* A job under test: a topic, a database, a job file, and the kdirect program run on it.
 *
 *     kt_job job;
 *     kt_job_open(&job, KT_SQLITE, 2);
 *     ... produce to job.topic ...
 *     kt_job_catch_up(&job, NULL);
 *     kt_judge_clean(&job.store, "t", job.topic);
 *     kt_job_close(&job);
 *
 * The job is called "j", its table "t"; it starts at earliest, with an interval of 50 ms. */
#ifndef KT_JOB_FIXTURE_H
#define KT_JOB_FIXTURE_H

#include "job_store.h"
#include "kafka_admin.h"
#include "kafka_producer.h"
#include "process.h"

typedef struct kt_job {
	char *dir, *path, *topic;
	kt_store store;
	kt_admin *admin;
} kt_job;

/* partitions 0: the topic is not made. */
void kt_job_open(kt_job *job, kt_store_kind kind, int partitions);
void kt_job_close(kt_job *job);

/* Writes the job file anew; more: further keys as JSON ("\"workers\": 2"), or NULL.  A key given twice in a file is an
 * error: start and batch are always there, and set by --set. */
void kt_job_write(kt_job *job, const char *more);

/* kdirect run JOB ARGS...  fault: KD_FAULT's value, or NULL. */
kt_process *kt_job_start(kt_job *job, const char *fault, ...) __attribute__((sentinel));

/* kdirect run JOB --until-latest [--set SET]; it must end with exit code 0. */
void kt_job_catch_up(kt_job *job, const char *set);

/* kdirect run JOB --until-latest [--set SET]; the caller looks at what it said.  Where there are fault points, a run that
 * ends well must hold no more than it may (I12, holding.h). */
kt_process *kt_job_run(kt_job *job, const char *set, int timeout_ms);

/* Waits until the process ends, fails the test unless it ends with this code and said this (NULL: anything), and frees
 * it. */
void kt_job_must_end(kt_process *process, int code, const char *says, int timeout_ms);

/* Waits until the SQL gives a number of at least `least`; before the first start has made its tables it gives 0. */
void kt_job_await(kt_job *job, int64_t least, int timeout_ms, const char *sql);

/* Produces text records 0 .. n - 1 to one partition: key "k<i>", value "<i>". */
void kt_job_fill(kt_job *job, int partition, int64_t n);

#endif
