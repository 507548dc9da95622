/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of a job's work: what the oracle read from Kafka against what the table holds, as multisets of (partition,
 * offset, checksum of key and value); and the ledger's tiling, by plain SQL. */
#ifndef KT_JOB_JUDGE_H
#define KT_JOB_JUDGE_H

#include "job_store.h"

typedef struct kt_verdict {
	int64_t rows;    /* in the table */
	int64_t missing; /* in Kafka, not in the table */
	int64_t doubled; /* in the table once more than in Kafka */
	int64_t altered; /* at the right place with other bytes */
	int64_t foreign; /* in the table, never in Kafka */
} kt_verdict;

/* Both by partition and offset. */
kt_verdict kt_judge(const kt_oracle *kafka, const kt_oracle *table);

/* Reads both sides; what transactions aborted is not expected. */
kt_verdict kt_judge_table(kt_store *store, const char *table, const char *topic);

/* How often the ledger breaks I3: a committed range that does not begin where the one before ended, a first one that
 * does not begin at the start, a position that is not the end of the last one. */
int64_t kt_judge_tiling(kt_store *store, const char *job);

/* Fails the test unless every record of the topic stands in the table once, as it was, and the ledger tiles. */
void kt_judge_clean(kt_store *store, const char *table, const char *topic);

#endif
