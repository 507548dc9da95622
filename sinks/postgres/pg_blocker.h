/* SPDX-License-Identifier: Apache-2.0 */
/* pg_blocker: a frozen process of this job must not hold up its successor.
 *
 * A process that stopped inside COPY keeps its locks, and no time-out of the server's covers it (measured).  So whoever
 * of this job waits longer than its lock wait asks, over a second connection, who blocks it, and ends that backend if,
 * and only if, it is one of this job's and not of this very process, whose threads do not freeze alone.
 *
 * A superseded instance that woke up waits for its successor: it must not end the rightful owner's session, and knows
 * by the job's epoch, or in a take-over by the request's judge, that its own time is over (I7). */
#ifndef PG_BLOCKER_H
#define PG_BLOCKER_H

#include "pg_conn.h"

/* Looks once; does nothing outside a transaction.  Who blocks and may not be ended is left in session->blockers, with
 * the statement that ends it, and what goes wrong, too.  False: a newer instance owns the job, err is KD_EFENCED. */
bool pg_blocker_look(pg_session *session, kd_error *err);

/* Where err says that somebody else holds what is needed: adds who, as last seen, behind the server's own words. */
void pg_blocker_name(const pg_session *session, kd_error *err);

#endif
