// SPDX-License-Identifier: Apache-2.0
// Cases: the database is set back to an earlier state under a running job: an old backup, an asynchronous fail-over.
// A compare-and-set misses, and what is read then shows it: an older epoch, a position below memory, an absent row.
#include "conformance.h"

static size_t verify(instance *i, kd_segment *ret_segments, size_t n)
{
	size_t found;
	MUST(i->w->ops->verify(i->session, JOB, ret_segments, n, &found, &e_));
	return found;
}

void case_a_database_set_back_before_a_commit_is_seen(world *w)
{
	needs_set_back(w);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20);
	expect_eq(plan(i, &first), KD_CAS_DONE);
	save(w);
	land(i, &first);
	expect_eq(plan(i, &second), KD_CAS_DONE);
	restore(w);
	expect_eq(begin(i, &second), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_DATA, &second);
	expect(r.found);
	expect_eq(r.position, 0);
	expect_eq(r.batch, KD_BATCH_ABSENT);
	kd_segment segment[4];
	expect_eq(verify(i, segment, 4), 1);
	expect_eq(segment[0].committed_until, 0);
	expect_eq(segment[0].planned_until, 10);
	land(i, &first);
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

void case_a_database_set_back_before_a_plan_is_seen(world *w)
{
	needs_set_back(w);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	save(w);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	restore(w);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	expect_eq(reread(i, KD_REREAD_DATA, &e).batch, KD_BATCH_ABSENT);
	expect_eq(plan(i, &next), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_PLAN, &next);
	expect_eq(r.position, 0);
	expect_eq(r.last_batch_time_ms, 0);
	expect_eq(r.batch, KD_BATCH_ABSENT);
	instance_close(i);
}

void case_a_database_set_back_before_a_take_over_is_seen(world *w)
{
	needs_set_back(w);
	instance *a = instance_start(w, 'a', 1), *b = instance_open(w, 'b');
	kd_batch_partition e = entry(0, 1000, 0, 10);
	save(w);
	instance_take_over(b);
	restore(w);
	expect_eq(plan(b, &e), KD_CAS_MISS);
	kd_reread r = reread(b, KD_REREAD_PLAN, &e);
	expect(r.owner.epoch < b->me.epoch);
	kd_segment segment[4];
	expect_eq(verify(b, segment, 4), 1);
	expect_eq(segment[0].owner.epoch, a->me.epoch);
	expect_str_eq(segment[0].owner.id, a->me.id);
	instance_take_over(b);
	plan_and_land(b, &e);
	expect_eq(begin(a, &e), KD_CAS_MISS);
	instance_close(a);
	instance_close(b);
}

void case_a_database_set_back_before_the_first_partition_is_seen(world *w)
{
	needs_set_back(w);
	instance *i = instance_open(w, 'a');
	instance_take_over(i);
	save(w);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(add_partitions(i, 0, 1), KD_CAS_DONE);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	restore(w);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	expect(!reread(i, KD_REREAD_DATA, &e).found);
	expect(!reread(i, KD_REREAD_PLAN, &e).found);
	expect_eq(verify(i, NULL, 0), 0);
	instance_close(i);
}

/* I1, I2: by the tables, not by memory. */
void case_after_a_set_back_exactly_the_lost_offsets_land_again(world *w)
{
	needs_set_back(w);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20), third = entry(0, 3000, 20, 30),
		rest = entry(0, 4000, 20, 30);
	plan_and_land(i, &first);
	expect_eq(plan(i, &second), KD_CAS_DONE);
	save(w);
	land(i, &second);
	plan_and_land(i, &third);
	restore(w);
	instance_take_over(i);
	expect_eq(i->image.segments[0].committed_until, 10);
	expect_eq(i->image.segments[0].planned_until, 20);
	expect_eq(i->image.n_plans, 1);
	expect_eq(i->image.plans[0].batch_time_ms, 2000);
	land(i, &second);
	plan_and_land(i, &rest);
	expect_eq(rows_between(w, 0, 100), 30);
	expect_eq(offsets_between(w, 0, 100), 30);
	instance_close(i);
}
