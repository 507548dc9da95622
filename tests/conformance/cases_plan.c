// SPDX-License-Identifier: Apache-2.0
// Cases: plans, withdrawal, replay and pruning (I3, I6).
#include "conformance.h"

/* I3, I6, I7 */
void case_a_plan_moves_only_from_where_the_partition_is(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	const kd_batch_partition wrong[] = {
		e,                      /* again */
		entry(0, 2000, 0, 10),  /* the range again */
		entry(0, 2000, 9, 20),  /* overlapping */
		entry(0, 2000, 11, 20), /* leaving a hole */
		entry(1, 2000, 0, 10),  /* no partition */
	};
	for (size_t n = 0; n < sizeof wrong / sizeof *wrong; n++)
		expect_eq(plan(i, &wrong[n]), KD_CAS_MISS, "entry %zu", n);
	ledger *l = read_ledger(i);
	expect_eq(l->n_batches, 1);
	expect_eq(l->segment[0].planned_until, 10);
	expect_eq(l->segment[0].last_batch_time_ms, 1000);
	free(l);
	instance_close(i);
}

void case_a_plan_over_many_partitions_is_all_or_none(world *w)
{
	instance *i = instance_start(w, 'a', 3);
	kd_batch_partition ahead = entry(1, 1000, 0, 5);
	expect_eq(plan(i, &ahead), KD_CAS_DONE);
	kd_batch_partition many[] = {entry(0, 2000, 0, 10), entry(1, 2000, 0, 10), entry(2, 2000, 0, 10)};
	kd_cas cas;
	MUST(w->ops->append_plan(i->session, &i->me, many, 3, &cas, &e_));
	expect_eq(cas, KD_CAS_MISS);
	ledger *l = read_ledger(i);
	expect_eq(l->n_batches, 1);
	expect_eq(l->segment[0].planned_until, 0);
	expect_eq(l->segment[0].last_batch_time_ms, 0);
	expect_eq(l->segment[2].planned_until, 0);
	free(l);
	many[1] = entry(1, 2000, 5, 10);
	MUST(w->ops->append_plan(i->session, &i->me, many, 3, &cas, &e_));
	expect_eq(cas, KD_CAS_DONE);
	l = read_ledger(i);
	expect_eq(l->n_batches, 4);
	expect_eq(l->segment[1].planned_until, 10);
	free(l);
	instance_close(i);
}

/* I6 */
void case_a_batch_time_is_never_used_twice(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), same = entry(0, 1000, 10, 20), older = entry(0, 999, 10, 20);
	plan_and_land(i, &first);
	expect_eq(plan(i, &same), KD_CAS_MISS);
	expect_eq(plan(i, &older), KD_CAS_MISS);
	instance_close(i);
}

/* I6: and its batch time is gone with it. */
void case_a_withdrawn_plan_never_commits(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), same_time = entry(0, 1000, 0, 5), later = entry(0, 2000, 0, 5);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(withdraw(i, &e), KD_CAS_DONE);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	expect_eq(withdraw(i, &e), KD_CAS_MISS);
	expect_eq(plan(i, &e), KD_CAS_MISS);
	expect_eq(plan(i, &same_time), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_PLAN, &e);
	expect_eq(r.batch, KD_BATCH_WITHDRAWN);
	expect_eq(r.position, 0);
	expect_eq(r.last_batch_time_ms, 1000);
	plan_and_land(i, &later);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	instance_close(i);
}

void case_only_the_newest_plan_is_withdrawn(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20);
	expect_eq(plan(i, &first), KD_CAS_DONE);
	expect_eq(plan(i, &second), KD_CAS_DONE);
	expect_eq(withdraw(i, &first), KD_CAS_MISS);
	expect_eq(withdraw(i, &second), KD_CAS_DONE);
	expect_eq(withdraw(i, &first), KD_CAS_DONE);
	ledger *l = read_ledger(i);
	expect_eq(l->segment[0].planned_until, 0);
	expect_eq(l->segment[0].last_batch_time_ms, 2000);
	expect_eq(l->n_batches, 2);
	free(l);
	instance_close(i);
}

void case_a_committed_plan_is_not_withdrawn(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), wrong = entry(0, 2000, 10, 20);
	plan_and_land(i, &e);
	expect_eq(withdraw(i, &e), KD_CAS_MISS);
	expect_eq(plan(i, &wrong), KD_CAS_DONE);
	wrong.range.from = 11;
	expect_eq(withdraw(i, &wrong), KD_CAS_MISS);
	ledger *l = read_ledger(i);
	expect_eq(l->segment[0].planned_until, 20);
	free(l);
	instance_close(i);
}

/* I6: the successor finds the plan and commits exactly it. */
void case_a_plan_of_an_earlier_owner_is_replayed_as_it_is(world *w)
{
	instance *a = instance_start(w, 'a', 2);
	kd_batch_partition done = entry(0, 1000, 0, 10), first = entry(0, 2000, 10, 20), second = entry(0, 3000, 20, 25),
		other = entry(1, 2000, 0, 4), withdrawn = entry(1, 3000, 4, 8);
	plan_and_land(a, &done);
	expect_eq(plan(a, &other), KD_CAS_DONE);
	expect_eq(plan(a, &first), KD_CAS_DONE);
	expect_eq(plan(a, &second), KD_CAS_DONE);
	expect_eq(plan(a, &withdrawn), KD_CAS_DONE);
	expect_eq(withdraw(a, &withdrawn), KD_CAS_DONE);
	instance_close(a);
	instance *b = instance_open(w, 'b');
	instance_take_over(b);
	expect(!b->image.created);
	expect_eq(b->image.n_segments, 2);
	expect_eq(b->image.segments[0].committed_until, 10);
	expect_eq(b->image.segments[0].planned_until, 25);
	expect_eq(b->image.n_plans, 3);
	const kd_batch_partition expected[] = {first, second, other};
	for (size_t n = 0; n < 3; n++) {
		expect_eq(b->image.plans[n].partition_index, expected[n].partition_index);
		expect_eq(b->image.plans[n].batch_time_ms, expected[n].batch_time_ms);
		expect_eq(b->image.plans[n].range.from, expected[n].range.from);
		expect_eq(b->image.plans[n].range.until, expected[n].range.until);
		land(b, &expected[n]);
	}
	expect_eq(rows_between(w, 0, 100), 29);
	instance_close(b);
}

static void prune(instance *i, int64_t keep_days, int64_t expected)
{
	int64_t removed, sum = 0;
	bool more = true;
	while (more) {
		MUST(i->w->ops->prune(i->session, &i->me, JOB, keep_days, &removed, &more, &e_));
		sum += removed;
	}
	expect_eq(sum, expected);
}

/* A negative number of days reaches into the future: everything is old.  I3 holds from log_from on. */
void case_pruning_keeps_sums_and_the_last(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	for (int64_t n = 0; n < 5; n++) {
		kd_batch_partition e = entry(0, 1000 + n, n * 10, n * 10 + 10);
		plan_and_land(i, &e);
	}
	kd_batch_partition only = entry(1, 1000, 0, 3);
	plan_and_land(i, &only);
	prune(i, -1, 4);
	prune(i, -1, 0);
	ledger *l = read_ledger(i);
	expect_eq(l->n_batches, 2);
	expect_eq(l->segment[0].log_from, 40);
	expect_eq(l->segment[0].pruned_batches, 4);
	expect_eq(l->segment[0].pruned_records, 40);
	expect_eq(l->segment[0].pruned_rows, 40);
	expect_eq(l->segment[0].committed_until, 50);
	expect_eq(l->batch[0].range.from, 40);
	expect_eq(l->segment[1].log_from, 0);
	expect_eq(l->segment[1].pruned_batches, 0);
	free(l);
	kd_batch_partition next = entry(0, 2000, 50, 60);
	plan_and_land(i, &next);
	prune(i, -1, 1);
	l = read_ledger(i);
	expect_eq(l->segment[0].pruned_rows, 50);
	expect_eq(l->segment[0].log_from, 50);
	free(l);
	instance_take_over(i);
	expect_eq(i->image.segments[0].newest_state, KD_BATCH_COMMITTED);
	expect_eq(i->image.segments[1].newest_state, KD_BATCH_COMMITTED);
	instance_close(i);
}

void case_pruning_leaves_what_is_young_or_not_committed(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20), gone = entry(0, 3000, 20, 30),
		open = entry(0, 4000, 20, 25);
	plan_and_land(i, &first);
	plan_and_land(i, &second);
	expect_eq(plan(i, &gone), KD_CAS_DONE);
	expect_eq(withdraw(i, &gone), KD_CAS_DONE);
	expect_eq(plan(i, &open), KD_CAS_DONE);
	prune(i, 1, 0);
	prune(i, -1, 1);
	ledger *l = read_ledger(i);
	expect(!find_batch(l, &first));
	expect(find_batch(l, &second));
	expect_eq(find_batch(l, &open)->state, KD_BATCH_PLANNED);
	free(l);
	instance *b = instance_start(w, 'b', 0);
	int64_t removed;
	bool more;
	MUST(w->ops->prune(i->session, &i->me, JOB, -1, &removed, &more, &e_));
	expect_eq(removed, 0);
	land(b, &open);
	prune(b, -1, 1);
	instance_close(b);
	instance_close(i);
}
