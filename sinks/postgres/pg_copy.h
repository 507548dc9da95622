/* SPDX-License-Identifier: Apache-2.0 */
/* pg_copy: COPY FROM STDIN without ever blocking for good, and without sending to a server that has already refused.
 *
 * Order of calls: pg_copy_rows for each frame, then pg_copy_end; or pg_copy_cancel.  A COPY is opened where none is, or
 * where the columns change. */
#ifndef PG_COPY_H
#define PG_COPY_H

#include "pg_conn.h"
#include "pg_encode.h"

/* KD_ERECORD with err->row, counted over all COPYs of the transaction, where the server refuses a row. */
kd_code pg_copy_rows(pg_session *session, const struct pg_frame *frame, kd_error *err) KD_CHECK;

/* Ends the COPY that is open and adds its tag to session->copied. */
kd_code pg_copy_end(pg_session *session, kd_error *err) KD_CHECK;

/* Gives the COPY that is open up; cannot fail. */
void pg_copy_cancel(pg_session *session);

#endif
