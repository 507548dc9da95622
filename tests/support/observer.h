/* SPDX-License-Identifier: Apache-2.0 */
/* An observer beside the job: looks at rows and ledger in one snapshot after another (PostgreSQL: REPEATABLE READ;
 * SQLite: one read transaction), and never may see rows without their committed identifier, nor the reverse (I9), nor a
 * counter that does not belong to the rows (I11).  What it saw is judged once more at the end: each time a prefix (I5).
 *
 * It takes what the server does to it (restarts, a lost session) and comes back.  The job reads one topic. */
#ifndef KT_OBSERVER_H
#define KT_OBSERVER_H

#include "invariants.h"

typedef struct kt_observer kt_observer;

/* counter: is there kt_watch_table's? */
kt_observer *kt_observer_start(const kt_store *store, const char *table, const char *job, bool counter);
/* Ends it, and hands over what it saw. */
void kt_observer_stop(kt_observer *observer, kt_evidence *evidence);

/* One look as a value, and its judgement: pure. */
typedef struct kt_look {
	int32_t index, partition;
	int64_t rows, last;        /* in the table; the highest offset, -1: none */
	int64_t told, until;       /* by committed identifiers, those pruned too: rows; the position */
	int64_t counted;           /* by the counter; -1: there is none */
} kt_look;
void kt_look_judge(kt_judgement *judgement, const kt_look *look);

#endif
