/* SPDX-License-Identifier: Apache-2.0 */
/* Faults of the network in great number: one job, one process, records that keep coming, and a proxy that carries out
 * one order after the other, each at a chance hit.  The job must outlive them all, and then is judged.
 *
 *     kt_job_open(&job, KT_POSTGRES, 3);
 *     proxy = kt_pg_proxy_open(&job, NULL);
 *     kt_storm storm = {.orders = kt_lost_commit_answers, .n = kt_n_lost_commit_answers, .faults = 1000, .seed = 7};
 *     kt_storm_run(&storm, &job, proxy);
 */
#ifndef KT_PROXY_STORM_H
#define KT_PROXY_STORM_H

#include "pg_proxy.h"

typedef struct kt_storm {
	const struct fault_order *orders; /* taken in turn, their hit chosen from 1 to most_hit; bytes and ms up to theirs */
	size_t n;
	int faults; /* this many */
	int most_hit;
	unsigned int seed;
	int64_t done, records, rows, took_ms; /* told afterwards */
} kt_storm;

/* Fails the test on anything that is not exactly once, or is held longer than it may be (I12).  The job is not to be running. */
void kt_storm_run(kt_storm *storm, kt_job *job, struct fault_proxy *proxy);

/* The answer of a COMMIT of rows, or of a plan, is lost: what make torture does a thousand times. */
extern const struct fault_order kt_lost_commit_answers[];
extern const size_t kt_n_lost_commit_answers;

/* Everything else that a network does to PostgreSQL's protocol. */
extern const struct fault_order kt_pg_weather[];
extern const size_t kt_n_pg_weather;

#endif
