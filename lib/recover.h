/* SPDX-License-Identifier: Apache-2.0 */
/* recover: pure: what take-over read -> which plans are replayed, in which order, and which are given back.
 *
 * Only uncommitted rows that chain from committed_until to planned_until are replayed; any other uncommitted row of an
 * open segment, and a chain that does not end at planned_until, is a ledger that does not tile (I3): stop.
 * Positions that were moved together by hand chain as well: so both are compared with the segment's newest identifier
 * (I1, I2, I10). */
#ifndef KD_RECOVER_H
#define KD_RECOVER_H

#include "kdirect/sink.h"

/* Checks every open segment, its newest identifier and its chain, and sorts image->plans into it: by partition index,
 * then from.  KD_ELEDGER/STOP naming the first one that does not fit. */
kd_code kd_recover_check(kd_ledger_image *image, kd_error *err) KD_CHECK;

/* The plans of a segment, in the order of the log, after kd_recover_check. */
const kd_batch_row *kd_recover_plans(const kd_ledger_image *image, int32_t partition_index, size_t *ret_n);

/* How many of a segment's n plans, from its newest, are to be withdrawn because one covers more than max_records
 * (KD_UNLIMITED: none).  Newest first, so everything behind the first such plan goes too. */
size_t kd_recover_withdraw(const kd_batch_row *plans, size_t n, int64_t max_records);

#endif
