/* SPDX-License-Identifier: Apache-2.0 */
/* ledger: what the answers of a sink's ledger mean.
 *
 * Theory of operation.  A write to the ledger is a compare-and-set: it names the position it starts from, my epoch and
 * my owner id, and either moves exactly what it names or nothing.  "It moved nothing" is a question, not a verdict: a
 * lost answer, a successor, a restored backup and a corrupt ledger all look like that.  The one way to find out is to
 * lock the rows (which waits for whoever is still writing), read them, and judge in this order:
 *   1 a newer epoch, or mine with another owner id             -> I am fenced (I7)
 *   2 an older epoch, a position below what I know, or no row  -> the database went back in time
 *   3 the identifier committed with my range, position at or past its end -> done before: skip (I2)
 *   4 the identifier planned with my range, position where I start        -> still mine to do: go on
 *   5 anything else                                            -> the ledger does not tile: stop (I3, I6)
 * The order matters: with 3 before 2 a restored database is mistaken for progress (a livelock in the model,
 * "hole_order_of_tests").  After an unknown outcome the write is repeated, never replaced by a read: a SELECT can say
 * "not there" while the old backend still commits. */
#ifndef KD_LEDGER_H
#define KD_LEDGER_H

#include "kdirect/sink.h"

typedef enum kd_verdict {
	KD_VERDICT_GO_ON,
	KD_VERDICT_DONE,
	KD_VERDICT_FENCED,
	KD_VERDICT_WENT_BACK,
	KD_VERDICT_STOP
} kd_verdict;

/* Judges one re-read row; entry->range.from is the position in my memory. */
kd_verdict kd_ledger_judge(kd_reread_kind kind, const kd_owner *me, const kd_batch_partition *entry,
	const kd_reread *row);

/* A ledger that one job writes through one session.  Plain data; the caller keeps what it points to alive. */
typedef struct kd_ledger {
	const kd_sink_ops *ops;
	void *session;
	const char *job;
	kd_owner me;
} kd_ledger;

/* Makes a plan durable.  KD_OK: it is, now or by an earlier try whose answer was lost.  KD_EFENCED, KD_EWENTBACK,
 * KD_ELEDGER; or the sink's error: with RETRY or RESOLVE the caller repairs the session and calls again with the very
 * same entries. */
kd_code kd_ledger_plan(const kd_ledger *ledger, const kd_batch_partition *entries, size_t n, kd_error *err) KD_CHECK;

/* The same for a withdrawal. */
kd_code kd_ledger_withdraw(const kd_ledger *ledger, const kd_batch_partition *entry, kd_error *err) KD_CHECK;

/* An idle owner's look at one segment: is it still mine, at the position in my memory (entry->range.from)?  A position
 * above it is a commit that memory has yet to hear of. */
kd_code kd_ledger_verify_row(const kd_ledger *ledger, const kd_batch_partition *entry, const kd_reread *row,
	kd_error *err) KD_CHECK;

/* Opens the data transaction of a batch partition.  *ret_done: it was committed before, nothing is open. */
kd_code kd_ledger_begin(const kd_ledger *ledger, const kd_batch_partition *entry, bool *ret_done, kd_error *err)
	KD_CHECK;

#endif
