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
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20);
	cr_assert_eq(plan(i, &first), KD_CAS_DONE);
	w->store->save(w->db);
	land(i, &first);
	cr_assert_eq(plan(i, &second), KD_CAS_DONE);
	w->store->restore(w->db);
	cr_assert_eq(begin(i, &second), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_DATA, &second);
	cr_assert(r.found);
	cr_assert_eq(r.position, 0);
	cr_assert_eq(r.batch, KD_BATCH_ABSENT);
	kd_segment segment[4];
	cr_assert_eq(verify(i, segment, 4), 1);
	cr_assert_eq(segment[0].committed_until, 0);
	cr_assert_eq(segment[0].planned_until, 10);
	land(i, &first);
	cr_assert_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

void case_a_database_set_back_before_a_plan_is_seen(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	w->store->save(w->db);
	cr_assert_eq(plan(i, &e), KD_CAS_DONE);
	w->store->restore(w->db);
	cr_assert_eq(begin(i, &e), KD_CAS_MISS);
	cr_assert_eq(reread(i, KD_REREAD_DATA, &e).batch, KD_BATCH_ABSENT);
	cr_assert_eq(plan(i, &next), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_PLAN, &next);
	cr_assert_eq(r.position, 0);
	cr_assert_eq(r.last_batch_time_ms, 0);
	cr_assert_eq(r.batch, KD_BATCH_ABSENT);
	instance_close(i);
}

void case_a_database_set_back_before_a_take_over_is_seen(world *w)
{
	instance *a = instance_start(w, 'a', 1), *b = instance_open(w, 'b');
	kd_batch_partition e = entry(0, 1000, 0, 10);
	w->store->save(w->db);
	instance_take_over(b);
	w->store->restore(w->db);
	cr_assert_eq(plan(b, &e), KD_CAS_MISS);
	kd_reread r = reread(b, KD_REREAD_PLAN, &e);
	cr_assert_lt(r.owner.epoch, b->me.epoch);
	kd_segment segment[4];
	cr_assert_eq(verify(b, segment, 4), 1);
	cr_assert_eq(segment[0].owner.epoch, a->me.epoch);
	cr_assert_str_eq(segment[0].owner.id, a->me.id);
	instance_take_over(b);
	plan_and_land(b, &e);
	cr_assert_eq(begin(a, &e), KD_CAS_MISS);
	instance_close(a);
	instance_close(b);
}

void case_a_database_set_back_before_the_first_partition_is_seen(world *w)
{
	instance *i = instance_open(w, 'a');
	instance_take_over(i);
	w->store->save(w->db);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(add_partitions(i, 0, 1), KD_CAS_DONE);
	cr_assert_eq(plan(i, &e), KD_CAS_DONE);
	w->store->restore(w->db);
	cr_assert_eq(begin(i, &e), KD_CAS_MISS);
	cr_assert_not(reread(i, KD_REREAD_DATA, &e).found);
	cr_assert_not(reread(i, KD_REREAD_PLAN, &e).found);
	cr_assert_eq(verify(i, NULL, 0), 0);
	instance_close(i);
}

/* I1, I2: by the tables, not by memory. */
void case_after_a_set_back_exactly_the_lost_offsets_land_again(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20), third = entry(0, 3000, 20, 30),
		rest = entry(0, 4000, 20, 30);
	plan_and_land(i, &first);
	cr_assert_eq(plan(i, &second), KD_CAS_DONE);
	w->store->save(w->db);
	land(i, &second);
	plan_and_land(i, &third);
	w->store->restore(w->db);
	instance_take_over(i);
	cr_assert_eq(i->image.segments[0].committed_until, 10);
	cr_assert_eq(i->image.segments[0].planned_until, 20);
	cr_assert_eq(i->image.n_plans, 1);
	cr_assert_eq(i->image.plans[0].batch_time_ms, 2000);
	land(i, &second);
	plan_and_land(i, &rest);
	cr_assert_eq(rows_between(w, 0, 100), 30);
	cr_assert_eq(w->store->number(w->db, "select count(distinct kafka_offset) from t"), 30);
	instance_close(i);
}
