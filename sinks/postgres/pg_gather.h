/* SPDX-License-Identifier: Apache-2.0 */
/* pg_gather: rows of several tables, sorted by table before they are sent.
 *
 * A record split over two tables alternates them row by row, and a COPY for each would cost more than its rows.  So the
 * rows of each table wait here until there are enough of them, and then land table by table, in the order of the job
 * file: what a foreign key of a later table refers to is there before.  The order within a table is kept (I5). */
#ifndef PG_GATHER_H
#define PG_GATHER_H

#include "pg_conn.h"
#include "pg_encode.h"

/* NULL without memory. */
struct pg_gather *pg_gather_new(size_t n_tables);
/* Accepts NULL. */
void pg_gather_free(struct pg_gather *gather);

/* Takes a frame's rows, whose first is row `first` since begin; may land what has gathered. */
kd_code pg_gather_rows(pg_session *session, const struct pg_frame *frame, int64_t first, kd_error *err) KD_CHECK;

/* Lands all that waits.  A COPY may be open afterwards. */
kd_code pg_gather_land(pg_session *session, kd_error *err) KD_CHECK;

/* Forgets all that waits. */
void pg_gather_forget(struct pg_gather *gather);

#endif
