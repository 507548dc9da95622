/* SPDX-License-Identifier: Apache-2.0 */
/* pg_tiling: do positions, plans and identifiers still fit together?  Asked by take-over, under its locks.
 *
 * A database that went back in time is whole: its positions fit its identifiers.  Positions that were edited by hand do
 * not, and going on from them would lose or double records (I1, I2, I10).  Compared is each open segment with its newest
 * identifier, which stands under partition.last_batch_time: one look-up a segment, however long the history is.  What
 * was changed deeper in the past changes nothing that is still to come; `audit` finds it. */
#ifndef PG_TILING_H
#define PG_TILING_H

#include "pg_call.h"

/* Adds the question to a call; the answer's statement is returned. */
size_t pg_tiling_ask(pg_call *call, const char *job);

/* KD_ELEDGER, STOP: names the first segment that does not fit, and the statement that puts it back where there is one. */
kd_code pg_tiling_judge(const pg_call *call, size_t statement, kd_error *err) KD_CHECK;

#endif
