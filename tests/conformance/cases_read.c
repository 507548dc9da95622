// SPDX-License-Identifier: Apache-2.0
// Cases: what tools read.
#include "conformance.h"

static int64_t order_of(const kd_batch_row *b)
{
	return b->partition_index * 1000000 + b->range.from * 1000 + b->batch_time_ms % 1000;
}

void case_the_ledger_is_read_in_order(world *w)
{
	instance *i = instance_start(w, 'a', 3);
	kd_batch_partition gone = entry(1, 1001, 0, 9);
	expect_eq(plan(i, &gone), KD_CAS_DONE);
	expect_eq(withdraw(i, &gone), KD_CAS_DONE);
	for (int n = 0; n < 9; n++) {
		kd_batch_partition e = entry(2 - n % 3, 1010 + n, n / 3 * 5, n / 3 * 5 + 5);
		plan_and_land(i, &e);
	}
	ledger *l = read_ledger(i);
	expect_eq(l->n_segments, 3);
	expect_eq(l->n_batches, 10);
	for (size_t s = 0; s < 3; s++)
		expect_eq(l->segment[s].partition_index, (int) s);
	for (size_t b = 1; b < l->n_batches; b++)
		expect(order_of(&l->batch[b - 1]) < order_of(&l->batch[b]), "row %zu", b);
	free(l);
	instance_close(i);
}

typedef struct collected {
	size_t n, most;
	int64_t time[32];
	char job[64], cluster[64], policy[64], isolation[64], target[128];
} collected;

static bool collect(void *opaque, const kd_batch_row *row)
{
	collected *c = opaque;
	c->time[c->n++] = row->batch_time_ms;
	return c->n < c->most;
}

void case_the_newest_batches_come_first(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	for (int n = 0; n < 4; n++) {
		kd_batch_partition both[] = {entry(0, 1000 + n, n * 5, n * 5 + 5), entry(1, 1000 + n, n * 5, n * 5 + 5)};
		kd_cas cas;
		MUST(w->ops->append_plan(i->session, &i->me, both, 2, &cas, &e_));
		expect_eq(cas, KD_CAS_DONE);
	}
	collected c = {.most = 32};
	kd_ledger_view view = {.opaque = &c, .batch = collect, .last_batches = 2};
	MUST(w->ops->snapshot_begin(i->session, &e_));
	MUST(w->ops->read_ledger(i->session, JOB, &view, &e_));
	w->ops->snapshot_end(i->session);
	const int64_t expected[] = {1003, 1003, 1002, 1002};
	expect_eq(c.n, 4);
	expect(memcmp(c.time, expected, sizeof expected) == 0);
	instance_close(i);
}

static bool collect_job(void *opaque, const char *job, int64_t epoch, const char *cluster_id, const char *target,
	const char *identity, const char *isolation, const char *start_policy)
{
	collected *c = opaque;
	(void) epoch, (void) identity;
	snprintf(c->job, sizeof c->job, "%s", job);
	snprintf(c->cluster, sizeof c->cluster, "%s", cluster_id);
	snprintf(c->target, sizeof c->target, "%s", target);
	snprintf(c->isolation, sizeof c->isolation, "%s", isolation);
	snprintf(c->policy, sizeof c->policy, "%s", start_policy);
	return true;
}

void case_reading_ends_where_the_reader_says(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	for (int n = 0; n < 5; n++) {
		kd_batch_partition e = entry(0, 1000 + n, n, n + 1);
		expect_eq(plan(i, &e), KD_CAS_DONE);
	}
	collected c = {.most = 2};
	kd_ledger_view view = {.opaque = &c, .job = collect_job, .batch = collect};
	MUST(w->ops->snapshot_begin(i->session, &e_));
	MUST(w->ops->read_ledger(i->session, JOB, &view, &e_));
	w->ops->snapshot_end(i->session);
	expect_eq(c.n, 2);
	expect_str_eq(c.job, JOB);
	expect_str_eq(c.cluster, "cluster");
	expect_str_eq(c.isolation, "read_committed");
	expect_str_eq(c.policy, "earliest");
	expect_str_eq(c.target, w->ops->info(i->sink)->target);
	instance_close(i);
}

void case_a_job_that_is_not_there_is_a_configuration_error(world *w)
{
	instance *i = instance_open(w, 'a');
	kd_ledger_view view = {0};
	kd_error err = {0};
	MUST(w->ops->snapshot_begin(i->session, &e_));
	expect_eq(w->ops->read_ledger(i->session, "nobody", &view, &err), KD_ECONFIG);
	expect_eq(err.action, KD_STOP);
	w->ops->snapshot_end(i->session);
	instance_close(i);
}

static int64_t offsets_in(instance *i)
{
	collected c = {.most = 32};
	kd_ledger_view view = {.opaque = &c, .batch = collect};
	MUST(i->w->ops->read_ledger(i->session, JOB, &view, &e_));
	return (int64_t) c.n;
}

void case_a_snapshot_does_not_move(world *w)
{
	instance *i = instance_start(w, 'a', 1), *reader = instance_open(w, 'r');
	kd_batch_partition first = entry(0, 1000, 0, 10), second = entry(0, 2000, 10, 20);
	plan_and_land(i, &first);
	MUST(w->ops->snapshot_begin(reader->session, &e_));
	expect_eq(offsets_in(reader), 1);
	plan_and_land(i, &second);
	expect_eq(offsets_in(reader), 1);
	w->ops->snapshot_end(reader->session);
	MUST(w->ops->snapshot_begin(reader->session, &e_));
	expect_eq(offsets_in(reader), 2);
	w->ops->snapshot_end(reader->session);
	instance_close(reader);
	instance_close(i);
}

void case_verify_tells_more_segments_than_it_has_room_for(world *w)
{
	instance *i = instance_start(w, 'a', 3);
	kd_segment segment[2];
	size_t n;
	MUST(w->ops->verify(i->session, JOB, segment, 2, &n, &e_));
	expect_eq(n, 3);
	expect_eq(segment[1].partition_index, 1);
	expect(!segment[1].topic);
	expect_eq(segment[1].owner.epoch, i->me.epoch);
	expect_str_eq(segment[1].owner.id, i->me.id);
	instance_close(i);
}
