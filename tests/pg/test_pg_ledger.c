// SPDX-License-Identifier: Apache-2.0
// The ledger of the postgres sink: fences, compare-and-sets, re-reads, withdrawal, segments, pruning (I1, I3, I6, I7).
#include "pg_world.h"

#include <stdlib.h>
#include <string.h>

TestSuite(pg_ledger, .timeout = 60);

Test(pg_ledger, a_take_over_fences_the_one_before)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 2), *b = start(&w, 'b', 2);
	cr_assert(a->image.created);
	cr_assert_not(b->image.created);
	cr_assert_eq(b->me.epoch, a->me.epoch + 1);
	cr_assert_eq(b->image.n_segments, 2);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_MISS);
	cr_assert_eq(plan(b, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_MISS);
	land(b, &e);
	kd_reread row = reread(a, KD_REREAD_DATA, &e);
	cr_assert_eq(row.owner.epoch, b->me.epoch);
	cr_assert_str_eq(row.owner.id, b->me.id);
	stop(a);
	stop(b);
	pg_world_close(&w);
}

Test(pg_ledger, a_plan_and_its_rows_commit_once)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), next = entry(0, 1001, 10, 15);
	plan_and_land(a, &e);
	cr_assert_eq(plan(a, &e), KD_CAS_MISS);
	cr_assert_eq(begin(a, &e), KD_CAS_MISS);
	kd_reread row = reread(a, KD_REREAD_DATA, &e);
	cr_assert(row.found && row.batch == KD_BATCH_COMMITTED && row.position == 10);
	cr_assert(row.range.from == 0 && row.range.until == 10);
	plan_and_land(a, &next);
	row = reread(a, KD_REREAD_PLAN, &next);
	cr_assert(row.position == 15 && row.last_batch_time_ms == 1001);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 15);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(distinct kafka_offset) from t"), 15);
	cr_assert_eq(kt_pg_int(&w.pg, "select sum(rows) from kdirect.batch_partition"), 15);
	stop(a);
	pg_world_close(&w);
}

Test(pg_ledger, a_plan_is_made_for_all_its_partitions_or_none)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 3);
	kd_batch_partition wrong[] = {entry(2, 1000, 0, 5), entry(0, 1000, 0, 5), entry(1, 1000, 3, 5)};
	kd_batch_partition right[] = {entry(2, 1000, 0, 5), entry(0, 1000, 0, 5), entry(1, 1000, 0, 5)};
	kd_cas cas;
	MUST(w.ops->append_plan(a->session, &a->me, wrong, 3, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_MISS);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from kdirect.batch_partition"), 0);
	MUST(w.ops->append_plan(a->session, &a->me, right, 3, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	kd_reread rows[3];
	MUST(w.ops->reread(a->session, KD_REREAD_PLAN, right, 3, rows, &failure));
	for (int i = 0; i < 3; i++)
		cr_assert(rows[i].found && rows[i].position == 5 && rows[i].batch == KD_BATCH_PLANNED);
	stop(a);
	pg_world_close(&w);
}

Test(pg_ledger, a_batch_time_never_comes_back)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), same = entry(0, 1000, 10, 20), older = entry(0, 999, 10, 20);
	plan_and_land(a, &e);
	cr_assert_eq(plan(a, &same), KD_CAS_MISS);
	cr_assert_eq(plan(a, &older), KD_CAS_MISS);
	stop(a);
	pg_world_close(&w);
}

Test(pg_ledger, a_withdrawn_identifier_never_commits)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition one = entry(0, 1000, 0, 10), two = entry(0, 1001, 10, 20), again = entry(0, 1002, 10, 12);
	kd_cas cas;
	cr_assert_eq(plan(a, &one), KD_CAS_DONE);
	cr_assert_eq(plan(a, &two), KD_CAS_DONE);
	MUST(w.ops->withdraw(a->session, &a->me, &one, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_MISS, "only the newest plan may go back");
	MUST(w.ops->withdraw(a->session, &a->me, &two, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	cr_assert_eq(reread(a, KD_REREAD_PLAN, &two).batch, KD_BATCH_WITHDRAWN);
	land(a, &one);
	cr_assert_eq(begin(a, &two), KD_CAS_MISS);
	plan_and_land(a, &again);
	MUST(w.ops->withdraw(a->session, &a->me, &again, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_MISS, "what is committed stays");
	stop(a);
	pg_world_close(&w);
}

static kd_segment add_one(instance *a, const kd_new_partition *wanted)
{
	kd_cas cas;
	kd_segment segment;
	MUST(a->w->ops->add_partitions(a->session, &a->me, JOB, wanted, 1, &cas, &segment, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	return segment;
}

Test(pg_ledger, a_new_segment_closes_the_old_and_records_what_it_gives_up)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 2);
	kd_batch_partition one = entry(0, 1000, 0, 10), two = entry(0, 1001, 10, 20);
	plan_and_land(a, &one);
	cr_assert_eq(plan(a, &two), KD_CAS_DONE);
	kd_new_partition wanted = {.topic = TOPIC, .partition = 0, .start_offset = 3, .log_start = 1, .new_segment = true,
		.closed_reason = "the \"topic\" was {recreated}\\", .who = "policy"};
	for (int i = 0; i < 2; i++) { /* the second time as after a lost answer */
		kd_segment s = add_one(a, &wanted);
		cr_assert(s.partition_index == 2 && s.segment == 1 && s.planned_until == 3 && s.committed_until == 3);
		cr_assert_str_eq(s.topic, TOPIC);
		free(s.topic);
	}
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from kdirect.gap where from_offset = 10 and until_offset = 20"
		" and reason = 'the \"topic\" was {recreated}\\'"), 1);
	cr_assert_eq(begin(a, &two), KD_CAS_MISS);
	MUST(try_take_over(a, &failure));
	cr_assert_eq(a->image.n_segments, 3);
	cr_assert_eq(a->image.n_plans, 0);
	cr_assert(a->image.segments[0].closed && !a->image.segments[2].closed);
	cr_assert_str_eq(a->image.segments[0].closed_reason, wanted.closed_reason);
	stop(a);
	pg_world_close(&w);
}

Test(pg_ledger, partitions_are_added_under_my_epoch_and_once)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1), *b = start(&w, 'b', 1);
	kd_new_partition wanted[] = {{.topic = "o'd\"d, {topic}\\", .partition = 7, .start_offset = 5, .log_start = 2},
		{.topic = TOPIC, .partition = 0}};
	kd_segment s[2];
	kd_cas cas;
	MUST(w.ops->add_partitions(a->session, &a->me, JOB, wanted, 2, &cas, s, &failure));
	cr_assert_eq(cas, KD_CAS_MISS);
	for (int i = 0; i < 2; i++) {
		MUST(w.ops->add_partitions(b->session, &b->me, JOB, wanted, 2, &cas, s, &failure));
		cr_assert_eq(cas, KD_CAS_DONE);
		cr_assert(s[0].partition_index == 1 && s[0].start_offset == 5 && s[0].log_start == 2 && s[0].log_from == 5);
		cr_assert_str_eq(s[0].topic, wanted[0].topic);
		cr_assert_eq(s[1].partition_index, 0);
		free(s[0].topic);
		free(s[1].topic);
	}
	kd_segment seen[2];
	size_t n;
	MUST(w.ops->verify(b->session, JOB, seen, 2, &n, &failure));
	cr_assert(n == 2 && seen[1].planned_until == 5 && seen[1].owner.epoch == b->me.epoch);
	stop(a);
	stop(b);
	pg_world_close(&w);
}

Test(pg_ledger, pruning_keeps_the_sums_and_the_last_identifier)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	for (int64_t k = 0; k < 5; k++) {
		kd_batch_partition e = entry(0, 1000 + k, k * 10, k * 10 + 10);
		plan_and_land(a, &e);
	}
	kt_pg_exec(&w.pg, "update kdirect.batch_partition set committed_at = now() - interval '40 days'"
		" where batch_time <> 1003");
	int64_t removed;
	bool more;
	MUST(w.ops->prune(a->session, &a->me, JOB, 30, &removed, &more, &failure));
	cr_assert_eq(removed, 3, "a young row keeps those behind it");
	cr_assert_not(more);
	MUST(try_take_over(a, &failure));
	kd_segment *s = &a->image.segments[0];
	cr_assert(s->log_from == 30 && s->pruned_batches == 3 && s->pruned_rows == 30 && s->pruned_records == 30);
	kt_pg_exec(&w.pg, "update kdirect.batch_partition set committed_at = now() - interval '40 days'");
	MUST(w.ops->prune(a->session, &a->me, JOB, 30, &removed, &more, &failure));
	cr_assert_eq(removed, 1, "the last one stays");
	MUST(w.ops->prune(a->session, &(kd_owner) {.epoch = 99}, JOB, 30, &removed, &more, &failure));
	cr_assert_eq(removed, 0, "not mine");
	stop(a);
	pg_world_close(&w);
}

Test(pg_ledger, uncommitted_plans_are_found_at_take_over)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 2);
	kd_batch_partition one = entry(1, 1000, 0, 10), two = entry(1, 1001, 10, 20);
	cr_assert_eq(plan(a, &one), KD_CAS_DONE);
	cr_assert_eq(plan(a, &two), KD_CAS_DONE);
	stop(a);
	instance *b = start(&w, 'b', 0);
	cr_assert_eq(b->image.n_plans, 2);
	cr_assert(b->image.plans[0].batch_time_ms == 1000 && b->image.plans[0].partition_index == 1);
	cr_assert(b->image.plans[1].range.from == 10 && b->image.plans[1].state == KD_BATCH_PLANNED);
	land(b, &one);
	land(b, &two);
	MUST(try_take_over(b, &failure));
	cr_assert_eq(b->image.n_plans, 0);
	cr_assert(b->image.segments[1].witness.offset == 19 && b->image.segments[1].witness.checksum == 7);
	stop(b);
	pg_world_close(&w);
}
