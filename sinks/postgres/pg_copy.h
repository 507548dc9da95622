/* SPDX-License-Identifier: Apache-2.0 */
/* pg_copy: COPY FROM STDIN without ever blocking for good, and without sending to a server that has already refused.
 *
 * Order of calls: pg_copy_rows for each frame, then pg_copy_end; or pg_copy_cancel.  A COPY is opened where none is, or
 * where table or columns change. */
#ifndef PG_COPY_H
#define PG_COPY_H

#include "pg_conn.h"
#include "pg_encode.h"

/* lines: which rows since begin the frame's are.  KD_ERECORD with err->row, counted since begin, where the server
 * refuses one, of this or of an earlier frame. */
kd_code pg_copy_rows(pg_session *session, const struct pg_frame *frame, const pg_lines *lines, kd_error *err) KD_CHECK;

/* Is a COPY open that this frame's rows can go into? */
bool pg_copy_takes(const pg_session *session, const struct pg_frame *frame);

/* Ends the COPY that is open and adds its tag to its table's tally. */
kd_code pg_copy_end(pg_session *session, kd_error *err) KD_CHECK;

/* Gives the COPY that is open up; cannot fail. */
void pg_copy_cancel(pg_session *session);

#endif
