// SPDX-License-Identifier: Apache-2.0
// The null sink promises nothing, but its ledger in memory answers as a ledger does, or a benchmark measures the wrong
// thing.
#include <criterion/criterion.h>

#include "conformance.h"
#include <kdirect/sinks.h>
#include "tmpdir.h"

static char *sink_json(const world *w, const char *table)
{
	(void) w, (void) table;
	return kt_format("{\"type\": \"null\"}");
}

static const kc_store null_store = {.ops = &kd_null_sink, .sink_json = sink_json};

static void moves_positions(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	kd_batch_partition e = entry(1, 1000, 0, 10), next = entry(1, 2000, 10, 20), hole = entry(1, 3000, 21, 30);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(plan(i, &e), KD_CAS_MISS);
	expect_eq(plan(i, &next), KD_CAS_DONE);
	expect_eq(plan(i, &hole), KD_CAS_MISS);
	expect_eq(begin(i, &next), KD_CAS_MISS);
	land(i, &e);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	expect_eq(begin(i, &next), KD_CAS_DONE);
	w->ops->abort(i->session);
	instance_take_over(i);
	expect_eq(i->image.n_segments, 2);
	expect_eq(i->image.segments[1].committed_until, 10);
	expect_eq(i->image.segments[1].planned_until, 20);
	expect_eq(i->image.n_plans, 1);
	expect_eq(withdraw(i, &next), KD_CAS_DONE);
	expect_eq(withdraw(i, &next), KD_CAS_MISS);
	expect_eq(reread(i, KD_REREAD_PLAN, &next).position, 10);
	instance_close(i);
}

static void fences(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	kd_owner old = i->me;
	instance_take_over(i);
	expect_eq(begin_as(i, &old, &e), KD_CAS_MISS);
	i->me.epoch--;
	expect_eq(plan(i, &next), KD_CAS_MISS);
	expect_eq(add_partitions(i, 1, 1), KD_CAS_MISS);
	i->me.epoch++;
	land(i, &e);
	instance_close(i);
}

static kd_code refuse_the_first(void *opaque, const kd_incumbent *incumbent, kd_error *err)
{
	*(kd_incumbent *) opaque = *incumbent;
	return incumbent->owner.epoch == 1 ? kd_error_set(err, KD_EFENCED, KD_STOP, "no") : KD_OK;
}

static void is_judged(world *w)
{
	instance *i = instance_open(w, 'a');
	kd_incumbent now;
	kd_error err = {0};
	i->judge = refuse_the_first;
	i->judges = &now;
	instance_take_over(i);
	expect_eq(now.owner.epoch, 0);
	expect_eq(now.started_at_ms, 0);
	expect_eq(instance_try_take_over(i, "cluster", &err), KD_EFENCED);
	expect_str_eq(now.owner.id, i->me.id);
	expect_eq(now.started_at_ms, STARTED_AT_MS);
	expect_eq(add_partitions(i, 0, 1), KD_CAS_DONE);
	instance_close(i);
}

static void renews(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), fresh = {JOB, TOPIC, 0, 1, 1, 2000, {3, 5}};
	kd_new_partition p = {.topic = TOPIC, .start_offset = 3, .new_segment = true, .closed_reason = "recreated"};
	kd_segment segment[2];
	kd_cas cas;
	size_t n;
	expect_eq(plan(i, &e), KD_CAS_DONE);
	MUST(w->ops->add_partitions(i->session, &i->me, JOB, &p, 1, &cas, segment, &e_));
	expect_eq(segment[0].segment, 1);
	expect_eq(segment[0].last_batch_time_ms, 1000);
	free(segment[0].topic);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	plan_and_land(i, &fresh);
	MUST(w->ops->verify(i->session, JOB, segment, 2, &n, &e_));
	expect_eq(n, 1);
	expect_eq(segment[0].committed_until, 5);
	instance_close(i);
}

Test(null, its_ledger_compares_and_sets)
{
	conformance_run(&null_store, moves_positions);
}

Test(null, its_ledger_fences)
{
	conformance_run(&null_store, fences);
}

Test(null, its_ledger_asks_the_judge_of_a_take_over)
{
	conformance_run(&null_store, is_judged);
}

Test(null, its_ledger_opens_new_segments)
{
	conformance_run(&null_store, renews);
}
