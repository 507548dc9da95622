/* SPDX-License-Identifier: Apache-2.0 */
/* What a job's process holds over its life (I12): descriptors, threads, memory, looked at from outside.
 *
 * Where there are fault points (FAULTS=1) the process stands still three times: before it has opened anything, when its
 * work is over, and when it has given back everything.  So nothing moves while it is looked at, whatever happened to it
 * in between: sessions that were cut, servers that crashed, answers that were lost.
 *
 *     kt_process *process = kt_job_start(&job, KT_LIFE, NULL);
 *     kt_life life = kt_life_begin(process);
 *     ... faults; kt_process_signal(process, SIGTERM);
 *     kt_life_end(&life, process, 60000);
 *     kt_job_must_end(process, 0, NULL, 60000);
 *
 * kt_job_run does so, too.  In any other build nothing stands still, and nothing is looked at. */
#ifndef KT_HOLDING_H
#define KT_HOLDING_H

#include "invariants.h"
#include "process.h"

typedef struct kt_holding {
	int descriptors;
	long resident_kb;
	int threads;
	long peak_kb; /* resident, at the most so far */
	char names[400]; /* of the threads, each after a space */
} kt_holding;

kt_holding kt_holding_of(pid_t pid);
/* May a process that held `base` once it was warm hold `now`?  more_kb: what its configuration allows beside that. */
void kt_judge_holding(kt_judgement *judgement, kt_holding base, kt_holding now, long more_kb);

typedef struct kt_life {
	kt_holding start, work, end;
	bool begun, worked, ended; /* it was looked at there */
} kt_life;

/* At the end it holds no more than at its start; in between no more than its configuration allows: memory_mb, and a few
 * connections, files and threads for each worker. */
void kt_judge_life(kt_judgement *judgement, const kt_life *life, int workers, long memory_mb);

/* KD_FAULT of a process whose life is looked at; NULL where there are no fault points. */
#ifdef KD_FAULTS
#define KT_LIFE "start.contact:1:stop,shutdown.begun:1:stop,shutdown.end:1:stop"
#else
#define KT_LIFE NULL
#endif

/* Waits until it stands still at its start, looks, and lets it go on. */
kt_life kt_life_begin(kt_process *process);
/* Follows it from when its work is over until it goes on to its exit, and fails the test on any finding.  A process that
 * ended otherwise is not judged. */
void kt_life_end(kt_life *life, kt_process *process, int timeout_ms);

#endif
