/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign of runs out of memory: a job on librdkafka's brokers, in this process so that a run takes a moment, with
 * the n-th allocation of ours failing, n = 1, 2, 3 ... until a run survives: once, or from the n-th on for ever.  A run
 * lands everything, or ends with an error that says why; it never crashes, hangs or keeps memory; and the clean run
 * after it lands every record exactly once (I1-I4, I8, I12).
 *
 * A CI run tries a sample by KD_LOCAL_SEED; KD_LOCAL_ALL=1 tries all; KD_LOCAL_TELL=1 says what each run came to. */
#ifndef LOCAL_CAMPAIGN_H
#define LOCAL_CAMPAIGN_H

#include <pthread.h>
#include <stdatomic.h>

#include "job_judge.h"
#include "kafka_mock.h"
#include "kdirect/job.h"

enum { LOCAL_CODES = 16 };

/* A job on a thread of its own, from its text to its end. */
typedef struct local_run {
	const char *text;
	const kd_sink_ops *sink;
	kd_config *config;
	pthread_t thread;
	atomic_bool ended;
	kd_code code;
	kd_error err;
	_Atomic(kd_job *) job;
	bool stopped;
	int64_t wall_ms;
} local_run;

typedef struct local_campaign local_campaign;

/* What is the sink's own. */
typedef struct local_kind {
	const char *name;
	const kd_sink_ops *sink;
	void (*begin)(local_campaign *c);      /* a sink of its own, as every round finds it; sets c->keys */
	kt_oracle (*rows)(local_campaign *c);
	int64_t (*untiled)(local_campaign *c); /* NULL: nothing to look at */
	void (*end)(local_campaign *c);
	void (*close)(local_campaign *c);      /* after the last round; NULL: nothing to do */
	bool late;   /* allocations are counted only from local_memory_resume() on, which the sink calls */
	int samples; /* about how many rounds in CI */
} local_kind;

struct local_campaign {
	const local_kind *kind;
	kt_mock *mock;
	kt_oracle kafka;
	char *dir;
	char *keys; /* of the sink, as JSON */
	char *text; /* the job's */
	kt_store store;
	char *out; /* the file sink's folder */
	int folders;
	int rounds, healed;
	int ended[LOCAL_CODES];
	unsigned random;
};

/* A whole campaign; fails the test where it must. */
void local_campaign_run(const local_kind *kind, bool for_ever);

/* For a kind's begin(): the first start, left before its first commit, so that its plan is durable and nobody's. */
void local_campaign_leave_a_plan(local_campaign *c);

/* For rows() and untiled() where the sink is c->store. */
kt_oracle local_campaign_rows(local_campaign *c);
int64_t local_campaign_untiled(local_campaign *c);

#endif
