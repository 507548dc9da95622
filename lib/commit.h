/* SPDX-License-Identifier: Apache-2.0 */
/* commit: lands one batch partition: the only caller of a sink's begin, commit and abort, and, but for what
 * commit_look_up.c makes, of write.
 *
 * States of a batch partition, and the function that makes each transition:
 *   ready      -> begun       [begin_or_skip]  position and identifier moved, nothing sent to the target yet
 *   ready      -> committed   [begin_or_skip]  an earlier try had committed: the identifier says so (I2)
 *   begun      -> written     [write_rows]     chunks as they are, or their records made to rows (commit_look_up.c)
 *   written    -> committed   [ops->commit]    rows and identifier in one step (I9)
 *   any        -> ready       [kd_commit_land] after RETRY or REPLAY: nothing of it happened, do it again
 *   written    -> unknown     [ops->commit]    RESOLVE: the answer was lost
 *   unknown    -> ready       [kd_commit_land] begin decides: it waits for the old transaction and finds the row moved
 *                             or not; it is never asked by reading */
#ifndef KD_COMMIT_H
#define KD_COMMIT_H

#include "worker_private.h"

/* Lands the task with the worker's own session, through lost connections and unknown outcomes, for retry_timeout_ms.
 * *ret_reread: nothing was committed, and its chunks are gone (streaming): it has to be read again.
 * Errors: what cannot be repeated; KD_ESTOPPED when the worker is stopped. */
kd_code kd_commit_land(kd_worker *worker, kd_task *task, kd_durability *ret_durability, bool *ret_reread,
	kd_error *err) KD_CHECK;

#endif
