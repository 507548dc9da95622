/* SPDX-License-Identifier: Apache-2.0 */
/* commit_look_up: makes rows of packed records within the data transaction, for transforms that look up what their rows
 * depend on: look_up(a chunk's records) -> decode and transform each -> write, chunk by chunk.
 *
 * Whatever the transaction is repeated for, the rows are made anew from the same records and from what the new
 * transaction sees: rows, counts and map of the earlier try are forgotten. */
#ifndef KD_COMMIT_LOOK_UP_H
#define KD_COMMIT_LOOK_UP_H

#include "worker_private.h"

/* Forgets what an earlier try counted. */
void kd_commit_look_up_begin(kd_task *task);

/* Makes the rows of a chunk and writes them. */
kd_code kd_commit_look_up_write(kd_worker *worker, kd_task *task, const kd_chunk *chunk, kd_error *err) KD_CHECK;

#endif
