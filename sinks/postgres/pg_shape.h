/* SPDX-License-Identifier: Apache-2.0 */
/* pg_shape: are the tables still what they were when the job looked at them?  Asked in every data transaction, once its
 * locks keep them as they are.
 *
 * COPY's rows are in the binary form of the types that the columns had at the start.  Most other types refuse those
 * bytes, but some read another value from them: a bigint's as a double or a moment, bytea's as text (measured).  And a
 * table of the same name may be another one, which has none of the rows that the ledger speaks of (I4, I10). */
#ifndef PG_SHAPE_H
#define PG_SHAPE_H

#include "pg_call.h"

/* Adds the question to a call; the answer's statement is returned. */
size_t pg_shape_ask(pg_call *call);

/* KD_ETARGET, STOP: names the table, the column, and what it is now. */
kd_code pg_shape_judge(const pg_call *call, size_t statement, kd_error *err) KD_CHECK;

#endif
