/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs about Kafka's own faults share: a job that is frozen at a step, a topic made anew, and the judgement
 * of a job that has stopped: what had to land did, and nothing else. */
#ifndef KF_KAFKA_FAULTS_H
#define KF_KAFKA_FAULTS_H

#include "job_fixture.h"
#include "job_judge.h"

enum { KF_RUN_MS = 90000, KF_TOLD_LATE_MS = 120000 };

/* Fails the test unless the process is frozen before long. */
void kf_await_frozen(kt_process *process);

/* Starts the job and waits until it is frozen at KD_FAULT's first point.  set: a job key for --set, or NULL. */
kt_process *kf_frozen(kt_job *job, const char *fault, const char *set);

/* n records "<first + i>" that come in one piece: no plan ends among them. */
void kf_fill_at_once(kt_job *job, int partition, int64_t first, int64_t n);

/* Deletes the topic and makes it anew with one partition and n records, none like those of kt_job_fill. */
void kf_make_anew(kt_job *job, int64_t n);

/* The number of rows in table t. */
int64_t kf_rows(kt_job *job);

/* Fails the test unless table t holds exactly what was noted of the topic (kt_oracle_read), but for these offsets of
 * one partition, and the ledger tiles. */
void kf_judge_but(kt_job *job, const kt_oracle *noted, int partition, int64_t from, int64_t until);
#define KF_THE_END INT64_MAX

/* Waits for its end as kt_job_must_end does, and wants the advice of a job that met data loss. */
void kf_must_stop_for_loss(kt_job *job, kt_process *process, const char *says);

#endif
