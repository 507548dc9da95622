// SPDX-License-Identifier: Apache-2.0
// What a compare-and-set that moved nothing means: every row of the table of lib/ledger.h, in its order.
#include <criterion/criterion.h>
#include <string.h>

#include "../../lib/ledger.h"
#include "kdirect/job.h"

static const kd_owner ME = {.epoch = 7, .id = "00000000000000000000000000000007"};
static const kd_batch_partition ENTRY = {.job = "j", .topic = "t", .batch_time_ms = 1000, .range = {10, 20}};

static kd_reread row(int64_t epoch, const char *id, int64_t position, kd_batch_state batch, int64_t from, int64_t until)
{
	kd_reread r = {.found = true, .owner = {.epoch = epoch}, .position = position, .batch = batch,
		.range = {from, until}};
	strcpy(r.owner.id, id);
	return r;
}

#define MINE "00000000000000000000000000000007"
#define OTHER "ffffffffffffffffffffffffffffffff"

Test(ledger, judges_a_miss_by_the_rows_and_in_order)
{
	const struct { const char *what; kd_reread_kind kind; kd_reread row; kd_verdict verdict; } rows[] = {
		{"I7: a newer epoch", KD_REREAD_DATA, row(8, OTHER, 10, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_FENCED},
		{"I7: my epoch, another start: the number came back after a restore", KD_REREAD_DATA,
			row(7, OTHER, 10, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_FENCED},
		{"I7: fenced comes before done", KD_REREAD_DATA, row(8, OTHER, 20, KD_BATCH_COMMITTED, 10, 20),
			KD_VERDICT_FENCED},
		{"an older epoch", KD_REREAD_DATA, row(6, OTHER, 10, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_WENT_BACK},
		{"an older epoch comes before done", KD_REREAD_DATA, row(6, MINE, 20, KD_BATCH_COMMITTED, 10, 20),
			KD_VERDICT_WENT_BACK},
		{"a position below memory", KD_REREAD_DATA, row(7, MINE, 5, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_WENT_BACK},
		{"no identifier", KD_REREAD_DATA, row(7, MINE, 10, KD_BATCH_ABSENT, 0, 0), KD_VERDICT_WENT_BACK},
		{"no segment", KD_REREAD_DATA, {.found = false}, KD_VERDICT_WENT_BACK},
		{"I2: committed with my range", KD_REREAD_DATA, row(7, MINE, 20, KD_BATCH_COMMITTED, 10, 20),
			KD_VERDICT_DONE},
		{"I2: committed, and more after it", KD_REREAD_DATA, row(7, MINE, 30, KD_BATCH_COMMITTED, 10, 20),
			KD_VERDICT_DONE},
		{"still mine to do", KD_REREAD_DATA, row(7, MINE, 10, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_GO_ON},
		{"I6: committed with another range", KD_REREAD_DATA, row(7, MINE, 20, KD_BATCH_COMMITTED, 10, 19),
			KD_VERDICT_STOP},
		{"I6: planned with another range", KD_REREAD_DATA, row(7, MINE, 10, KD_BATCH_PLANNED, 10, 21),
			KD_VERDICT_STOP},
		{"I6: withdrawn", KD_REREAD_DATA, row(7, MINE, 10, KD_BATCH_WITHDRAWN, 10, 20), KD_VERDICT_STOP},
		{"I3: position inside the range", KD_REREAD_DATA, row(7, MINE, 15, KD_BATCH_PLANNED, 10, 20),
			KD_VERDICT_STOP},
		{"I9: committed, but the position did not move", KD_REREAD_DATA, row(7, MINE, 10, KD_BATCH_COMMITTED, 10, 20),
			KD_VERDICT_STOP},
		{"a plan that is there", KD_REREAD_PLAN, row(7, MINE, 20, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_GO_ON},
		{"a plan that is not there", KD_REREAD_PLAN, row(7, MINE, 10, KD_BATCH_ABSENT, 0, 0), KD_VERDICT_WENT_BACK},
		{"a plan with another range", KD_REREAD_PLAN, row(7, MINE, 25, KD_BATCH_PLANNED, 10, 25), KD_VERDICT_STOP},
		{"a plan of a newer owner", KD_REREAD_PLAN, row(9, OTHER, 20, KD_BATCH_PLANNED, 10, 20), KD_VERDICT_FENCED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(kd_ledger_judge(rows[i].kind, &ME, &ENTRY, &rows[i].row), rows[i].verdict, "%s", rows[i].what);
}

/* A sink that answers from a script. */
struct script {
	kd_cas plan, begin;
	int begins;
	kd_reread row;
};

static kd_code append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	(void) me, (void) entries, (void) n, (void) err;
	*ret_cas = ((struct script *) session)->plan;
	return KD_OK;
}

static kd_code withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	(void) session, (void) me, (void) entry, (void) err;
	*ret_cas = KD_CAS_MISS;
	return KD_OK;
}

static kd_code begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	(void) me, (void) entry, (void) err;
	((struct script *) session)->begins++;
	*ret_cas = ((struct script *) session)->begin;
	return KD_OK;
}

static kd_code reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n, kd_reread *rows,
	kd_error *err)
{
	(void) kind, (void) entries, (void) n, (void) err;
	rows[0] = ((struct script *) session)->row;
	return KD_OK;
}

static const kd_sink_ops SCRIPTED = {.append_plan = append_plan, .withdraw = withdraw, .begin = begin,
	.reread = reread};

Test(ledger, a_plan_whose_answer_was_lost_is_recognised_by_the_repeated_write)
{
	struct script script = {.plan = KD_CAS_MISS, .row = row(7, MINE, 20, KD_BATCH_PLANNED, 10, 20)};
	kd_ledger ledger = {&SCRIPTED, &script, "j", ME};
	kd_error err = {0};
	cr_assert_eq(kd_ledger_plan(&ledger, &ENTRY, 1, &err), KD_OK);
	script.row = row(8, OTHER, 20, KD_BATCH_PLANNED, 10, 20);
	cr_assert_eq(kd_ledger_plan(&ledger, &ENTRY, 1, &err), KD_EFENCED);
	cr_assert_eq(kd_exit_code(err.code, &err), 3);
}

Test(ledger, I2_begin_skips_what_is_committed_and_gives_up_on_a_contradiction)
{
	struct script script = {.begin = KD_CAS_MISS, .row = row(7, MINE, 20, KD_BATCH_COMMITTED, 10, 20)};
	kd_ledger ledger = {&SCRIPTED, &script, "j", ME};
	kd_error err = {0};
	bool done = false;
	cr_assert_eq(kd_ledger_begin(&ledger, &ENTRY, &done, &err), KD_OK);
	cr_assert(done);
	script.row = row(7, MINE, 10, KD_BATCH_PLANNED, 10, 20);
	script.begins = 0;
	cr_assert_eq(kd_ledger_begin(&ledger, &ENTRY, &done, &err), KD_ELEDGER, "misses for ever, though ours to move");
	cr_assert_gt(script.begins, 1);
}

/* Plans are withdrawn newest first.  A database set back in between has the newer one again: no contradiction of the
 * ledger, but one of memory (found by the simulation). */
Test(ledger, a_database_set_back_between_two_withdrawals_went_back)
{
	struct script script = {.row = row(7, MINE, 35, KD_BATCH_PLANNED, 10, 20)};
	kd_ledger ledger = {&SCRIPTED, &script, "j", ME};
	kd_error err = {0};
	cr_assert_eq(kd_ledger_withdraw(&ledger, &ENTRY, &err), KD_EWENTBACK, "%s", err.message);
	kd_error_clear(&err);
	script.row = row(7, MINE, 15, KD_BATCH_PLANNED, 10, 20);
	cr_assert_eq(kd_ledger_withdraw(&ledger, &ENTRY, &err), KD_ELEDGER, "in the middle of the plan");
	kd_error_clear(&err);
	script.row = row(7, MINE, 10, KD_BATCH_WITHDRAWN, 10, 20);
	cr_assert_eq(kd_ledger_withdraw(&ledger, &ENTRY, &err), KD_OK, "an earlier try had done it");
}
