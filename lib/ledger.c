// SPDX-License-Identifier: Apache-2.0
// ledger: what the answers of a sink's ledger mean.  The theory of operation is in ledger.h.
#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How often "still mine to do" may follow a miss before the ledger is called contradictory: a miss that is not
 * explained by the rows can come from a rival's transaction that rolled back in between, but not for ever. */
#define MOST_MISSES 20

kd_verdict kd_ledger_judge(kd_reread_kind kind, const kd_owner *me, const kd_batch_partition *entry,
	const kd_reread *row)
{
	bool same_range = row->range.from == entry->range.from && row->range.until == entry->range.until;
	if (row->found && row->owner.epoch > me->epoch)
		return KD_VERDICT_FENCED;
	if (row->found && row->owner.epoch == me->epoch && strcmp(row->owner.id, me->id) != 0)
		return KD_VERDICT_FENCED;
	if (!row->found || row->owner.epoch < me->epoch || row->position < entry->range.from ||
		row->batch == KD_BATCH_ABSENT)
		return KD_VERDICT_WENT_BACK;
	if (row->batch == KD_BATCH_COMMITTED && same_range && row->position >= entry->range.until)
		return KD_VERDICT_DONE;
	int64_t mine_to_do = kind == KD_REREAD_PLAN ? entry->range.until : entry->range.from;
	if (row->batch == KD_BATCH_PLANNED && same_range && row->position == mine_to_do)
		return KD_VERDICT_GO_ON;
	return KD_VERDICT_STOP;
}

static const char *batch_state_name(kd_batch_state state)
{
	static const char *const names[] = {"absent", "planned", "committed", "withdrawn"};
	return names[state];
}

static kd_code explain(kd_verdict verdict, kd_reread_kind kind, const kd_owner *me, const kd_batch_partition *entry,
	const kd_reread *row, kd_error *err)
{
	const char *position = kind == KD_REREAD_PLAN ? "planned_until" : "committed_until";
	switch (verdict) {
	case KD_VERDICT_FENCED:
		return kd_error_set(err, KD_EFENCED, KD_STOP,
			"job \"%s\" was taken over by a newer instance (epoch %" PRId64 ", this one has %" PRId64 ")",
			entry->job, row->owner.epoch, me->epoch);
	case KD_VERDICT_WENT_BACK:
		return kd_error_set(err, KD_EWENTBACK, KD_REPLAY,
			"the database went back in time: partition index %d has epoch %" PRId64 " and %s %" PRId64
			", known were epoch %" PRId64 " and %" PRId64,
			entry->partition_index, row->owner.epoch, position, row->position, me->epoch, entry->range.from);
	default:
		return kd_error_set(err, KD_ELEDGER, KD_STOP,
			"the ledger does not tile: %s/%d [%" PRId64 ", %" PRId64 ") of batch %" PRId64 " is %s as [%" PRId64
			", %" PRId64 ") with %s %" PRId64 "; run `audit` and see docs/LEDGER.md",
			entry->topic, entry->partition, entry->range.from, entry->range.until, entry->batch_time_ms,
			batch_state_name(row->batch), row->range.from, row->range.until, position, row->position);
	}
}

/* The worst verdict decides: fenced over went back over stop over the rest. */
static int severity(kd_verdict verdict)
{
	static const int order[] = {[KD_VERDICT_GO_ON] = 0, [KD_VERDICT_DONE] = 0, [KD_VERDICT_STOP] = 1,
		[KD_VERDICT_WENT_BACK] = 2, [KD_VERDICT_FENCED] = 3};
	return order[verdict];
}

static kd_code judge_all(const kd_ledger *ledger, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_verdict *ret_verdict, kd_error *err)
{
	kd_reread *rows = calloc(n, sizeof *rows);
	if (!rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to re-read %zu rows", n);
	kd_code code = ledger->ops->reread(ledger->session, kind, entries, n, rows, err);
	size_t worst = 0;
	kd_verdict verdict = KD_VERDICT_GO_ON;
	for (size_t i = 0; code == KD_OK && i < n; i++) {
		kd_verdict one = kd_ledger_judge(kind, &ledger->me, &entries[i], &rows[i]);
		if (i == 0 || severity(one) > severity(verdict)) {
			verdict = one;
			worst = i;
		}
	}
	if (code == KD_OK && severity(verdict) > 0)
		code = explain(verdict, kind, &ledger->me, &entries[worst], &rows[worst], err);
	free(rows);
	*ret_verdict = verdict;
	return code;
}

kd_code kd_ledger_plan(const kd_ledger *ledger, const kd_batch_partition *entries, size_t n, kd_error *err)
{
	kd_cas cas = KD_CAS_MISS;
	kd_code code = ledger->ops->append_plan(ledger->session, &ledger->me, entries, n, &cas, err);
	if (code != KD_OK || cas == KD_CAS_DONE)
		return code;
	kd_verdict verdict;
	return judge_all(ledger, KD_REREAD_PLAN, entries, n, &verdict, err);
}

/* A withdrawal is done when the row says so and planned_until is back at its from; the rest is judged like a plan. */
kd_code kd_ledger_withdraw(const kd_ledger *ledger, const kd_batch_partition *entry, kd_error *err)
{
	kd_cas cas = KD_CAS_MISS;
	kd_code code = ledger->ops->withdraw(ledger->session, &ledger->me, entry, &cas, err);
	if (code != KD_OK || cas == KD_CAS_DONE)
		return code;
	kd_reread row = {0};
	code = ledger->ops->reread(ledger->session, KD_REREAD_PLAN, entry, 1, &row, err);
	if (code != KD_OK)
		return code;
	kd_verdict verdict = kd_ledger_judge(KD_REREAD_PLAN, &ledger->me, entry, &row);
	if (verdict == KD_VERDICT_STOP && row.batch == KD_BATCH_WITHDRAWN && row.position == entry->range.from)
		return KD_OK;
	if (verdict == KD_VERDICT_STOP && row.batch == KD_BATCH_PLANNED && row.position > entry->range.until)
		return kd_error_set(err, KD_EWENTBACK, KD_REPLAY,
			"the database went back in time: a plan of partition index %d that was withdrawn is there again, up to %" PRId64,
			entry->partition_index, row.position);
	return explain(verdict == KD_VERDICT_DONE ? KD_VERDICT_STOP : verdict, KD_REREAD_PLAN, &ledger->me, entry, &row,
		err);
}

kd_code kd_ledger_begin(const kd_ledger *ledger, const kd_batch_partition *entry, bool *ret_done, kd_error *err)
{
	*ret_done = false;
	for (int misses = 0; misses < MOST_MISSES; misses++) {
		kd_cas cas = KD_CAS_MISS;
		kd_code code = ledger->ops->begin(ledger->session, &ledger->me, entry, &cas, err);
		if (code != KD_OK || cas == KD_CAS_DONE)
			return code;
		kd_verdict verdict;
		code = judge_all(ledger, KD_REREAD_DATA, entry, 1, &verdict, err);
		if (code != KD_OK)
			return code;
		if (verdict == KD_VERDICT_DONE) {
			*ret_done = true;
			return KD_OK;
		}
	}
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"the ledger contradicts itself: %s/%d [%" PRId64 ", %" PRId64 ") of batch %" PRId64
		" reads as ours to commit, but cannot be moved", entry->topic, entry->partition, entry->range.from,
		entry->range.until, entry->batch_time_ms);
}

kd_code kd_ledger_verify_row(const kd_ledger *ledger, const kd_batch_partition *entry, const kd_reread *row,
	kd_error *err)
{
	kd_verdict verdict = kd_ledger_judge(KD_REREAD_DATA, &ledger->me, entry, row);
	if (verdict != KD_VERDICT_FENCED && verdict != KD_VERDICT_WENT_BACK)
		return KD_OK;
	return explain(verdict, KD_REREAD_DATA, &ledger->me, entry, row, err);
}
