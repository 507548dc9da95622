// SPDX-License-Identifier: Apache-2.0
// Cases: who owns a job, and its partitions (I7).
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "conformance.h"
#include "wait.h"

static void nothing_counts(instance *old, const kd_batch_partition *planned, const kd_batch_partition *next)
{
	expect_eq(plan(old, next), KD_CAS_MISS);
	expect_eq(begin(old, planned), KD_CAS_MISS);
	expect_eq(withdraw(old, planned), KD_CAS_MISS);
	expect_eq(add_partitions(old, 5, 1), KD_CAS_MISS);
}

void case_take_over_fences_the_older_owner(world *w)
{
	instance *a = instance_start(w, 'a', 1);
	kd_batch_partition planned = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	expect(a->image.created);
	expect_eq(plan(a, &planned), KD_CAS_DONE);
	instance *b = instance_open(w, 'b');
	instance_take_over(b);
	expect(!b->image.created);
	expect_eq(b->me.epoch, a->me.epoch + 1);
	nothing_counts(a, &planned, &next);
	kd_reread r = reread(a, KD_REREAD_DATA, &planned);
	expect_eq(r.owner.epoch, b->me.epoch);
	expect_str_eq(r.owner.id, b->me.id);
	ledger *l = read_ledger(b);
	expect_eq(l->n_segments, 1);
	expect_eq(l->n_batches, 1);
	expect_eq(l->segment[0].planned_until, 10);
	expect_eq(l->n_instances, 2);
	free(l);
	land(b, &planned);
	expect_eq(plan(b, &next), KD_CAS_DONE);
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(a);
	instance_close(b);
}

/* A database that was set back knows less than the process that takes over again: what that one sent before must not
 * count when it arrives late. */
void case_an_epoch_that_a_process_had_is_not_given_again(world *w)
{
	instance *a = instance_start(w, 'a', 1);
	kd_owner before = a->me;
	before.epoch += 4;
	a->had_epoch = before.epoch;
	instance_take_over(a);
	expect_eq(a->me.epoch, before.epoch + 1);
	kd_batch_partition planned = entry(0, 1000, 0, 10), other = entry(0, 1000, 0, 9);
	kd_owner now = a->me;
	a->me = before;
	expect_eq(plan(a, &other), KD_CAS_MISS);
	a->me = now;
	expect_eq(plan(a, &planned), KD_CAS_DONE);
	land(a, &planned);
	instance *b = instance_open(w, 'b');
	b->had_epoch = 2; /* less than the database has */
	instance_take_over(b);
	expect_eq(b->me.epoch, now.epoch + 1);
	expect_eq(b->image.segments[0].owner.epoch, b->me.epoch);
	instance_close(a);
	instance_close(b);
}

/* An epoch number comes back when a database is restored: it is the owner's id that tells. */
void case_the_same_epoch_with_another_owner_is_fenced(world *w)
{
	needs_set_back(w);
	instance *a = instance_start(w, 'a', 1);
	save(w);
	instance *b = instance_open(w, 'b');
	instance_take_over(b);
	restore(w);
	instance *c = instance_open(w, 'c');
	instance_take_over(c);
	expect_eq(b->me.epoch, c->me.epoch);
	kd_batch_partition planned = entry(0, 1000, 0, 10), next = entry(0, 2000, 10, 20);
	expect_eq(plan(c, &planned), KD_CAS_DONE);
	nothing_counts(b, &planned, &next);
	nothing_counts(a, &planned, &next);
	kd_reread r = reread(b, KD_REREAD_PLAN, &planned);
	expect_eq(r.owner.epoch, b->me.epoch);
	expect(strcmp(r.owner.id, b->me.id) != 0);
	land(c, &planned);
	instance_close(a);
	instance_close(b);
	instance_close(c);
}

static void *take_over_thread(void *i)
{
	instance_take_over(i);
	return NULL;
}

void case_take_over_waits_for_a_commit_in_flight(world *w)
{
	instance *a = instance_start(w, 'a', 1);
	instance *b = instance_open(w, 'b');
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(a, &e), KD_CAS_DONE);
	expect_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	pthread_t thread;
	expect_eq(pthread_create(&thread, NULL, take_over_thread, b), 0);
	commit(a, &e);
	pthread_join(thread, NULL);
	expect_eq(b->image.segments[0].committed_until, 10);
	expect_eq(b->image.n_plans, 0);
	instance_close(a);
	instance_close(b);
}

/* A start as the program makes it: what may heal is tried again. */
static void first_start(world *w, const kc_order *order, const puppet *self)
{
	(void) self;
	instance *i = instance_open(w, order->me.id[0]);
	instance_take_over_at_last(i);
	if (i->image.n_segments == 0)
		(void) add_partitions_at_last(i, 0, 3); /* the other one may have come in between */
	instance_close(i);
}

void case_two_first_starts_at_once_both_succeed_in_order(world *w)
{
	puppet one = puppet_new(w, first_start), two = puppet_new(w, first_start);
	kd_owner a = {.id = "a"}, b = {.id = "b"};
	kd_batch_partition e = entry(0, 1, 0, 1);
	puppet_go(&one, &a, &e);
	puppet_go(&two, &b, &e);
	puppet_end(&one);
	puppet_end(&two);
	instance *reader = instance_open(w, 'r');
	ledger *l = read_ledger(reader);
	expect_eq(l->n_instances, 2);
	expect_eq(l->instance[0].epoch, 2);
	expect_eq(l->instance[1].epoch, 1);
	expect(strcmp(l->instance[0].id, l->instance[1].id) != 0);
	expect_eq(l->n_segments, 3);
	for (size_t s = 0; s < 3; s++) {
		expect_eq(l->segment[s].partition, (int) s);
		expect_eq(l->segment[s].owner.epoch, 2);
		expect_str_eq(l->segment[s].owner.id, l->instance[0].id);
	}
	free(l);
	instance_close(reader);
}

/* ---- the judge of a take-over ---- */

/* What the judge was told, and what it says. */
typedef struct verdict {
	kd_incumbent now;
	int asked;
	bool refuses;
} verdict;

static kd_code note_and_rule(void *opaque, const kd_incumbent *incumbent, kd_error *err)
{
	verdict *v = opaque;
	v->now = *incumbent;
	v->asked++;
	return v->refuses ? kd_error_set(err, KD_EFENCED, KD_STOP, "the judge says no") : KD_OK;
}

static void take_over_is_refused(instance *i, verdict *v)
{
	kd_error err = {0};
	*v = (verdict) {.refuses = true};
	i->judge = note_and_rule;
	i->judges = v;
	expect_eq(instance_try_take_over(i, "cluster", &err), KD_EFENCED, "%s", err.message);
	expect_eq(err.action, KD_STOP);
	expect(strstr(err.message, "the judge says no"), "%s", err.message);
	expect_eq(v->asked, 1);
	i->w->ops->abort(i->session);
}

static void is_as_before(instance *i, const ledger *before)
{
	ledger *now = read_ledger(i);
	expect_eq(now->n_segments, before->n_segments);
	expect_eq(now->n_batches, before->n_batches);
	expect_eq(now->n_instances, before->n_instances);
	expect_eq(now->instance[0].epoch, before->instance[0].epoch);
	expect_str_eq(now->instance[0].id, before->instance[0].id);
	for (size_t s = 0; s < now->n_segments; s++) {
		expect_eq(now->segment[s].owner.epoch, before->segment[s].owner.epoch);
		expect_str_eq(now->segment[s].owner.id, before->segment[s].owner.id);
		expect_eq(now->segment[s].planned_until, before->segment[s].planned_until);
		expect_eq(now->segment[s].committed_until, before->segment[s].committed_until);
	}
	for (size_t b = 0; b < now->n_batches; b++)
		expect_eq(now->batch[b].state, before->batch[b].state);
	free(now);
}

static void nobody_owns_it(world *w)
{
	instance *c = instance_open(w, 'c'), *d = instance_open(w, 'd');
	verdict v;
	take_over_is_refused(c, &v);
	expect_eq(v.now.owner.epoch, 0);
	expect_str_eq(v.now.owner.id, "");
	expect_eq(v.now.started_at_ms, 0);
	instance_take_over(d);
	expect(d->image.created);
	expect_eq(d->me.epoch, 1);
	instance_close(c);
	instance_close(d);
}

void case_a_take_over_that_is_judged_and_refused_changes_nothing(world *w)
{
	verdict v;
	nobody_owns_it(w);
	instance *a = instance_start(w, 'a', 1), *b = instance_open(w, 'b');
	kd_batch_partition done = entry(0, 1000, 0, 10), planned = entry(0, 2000, 10, 20), next = entry(0, 3000, 20, 30);
	plan_and_land(a, &done);
	expect_eq(plan(a, &planned), KD_CAS_DONE);
	ledger *before = read_ledger(a);
	take_over_is_refused(b, &v);
	expect_eq(v.now.owner.epoch, a->me.epoch);
	expect_str_eq(v.now.owner.id, a->me.id);
	expect_eq(v.now.started_at_ms, STARTED_AT_MS);
	is_as_before(a, before);
	free(before);
	land(a, &planned);
	plan_and_land(a, &next);
	expect_eq(rows_between(w, 0, 100), 30);
	v = (verdict) {.refuses = false};
	instance_take_over(b);
	expect(v.asked > 0);
	expect_eq(v.now.owner.epoch, a->me.epoch);
	expect_eq(b->me.epoch, a->me.epoch + 1);
	instance_close(a);
	instance_close(b);
}

/* A judge that takes its time, in which another start takes over, if it can. */
typedef struct slow_judge {
	verdict last;
	instance *rival;
	pthread_t thread;
	atomic_bool done;
} slow_judge;

static void *rival_thread(void *opaque)
{
	slow_judge *s = opaque;
	instance_take_over_at_last(s->rival);
	atomic_store(&s->done, true);
	return NULL;
}

static bool rival_is_done(void *s)
{
	return atomic_load(&((slow_judge *) s)->done);
}

static kd_code let_the_rival_go_first(void *opaque, const kd_incumbent *incumbent, kd_error *err)
{
	slow_judge *s = opaque;
	if (s->last.asked == 0) {
		expect_eq(pthread_create(&s->thread, NULL, rival_thread, s), 0);
		(void) kt_wait_until(rival_is_done, s, 250); /* a lock that keeps it out is not asked for: it is waited for */
	}
	return note_and_rule(&s->last, incumbent, err);
}

/* Whom the judge saw last is whom the job is taken over from: one epoch, and nobody in between. */
void case_nobody_takes_over_between_the_judgement_and_the_take_over(world *w)
{
	instance *a = instance_start(w, 'a', 1), *b = instance_open(w, 'b'), *c = instance_open(w, 'c');
	slow_judge s = {.rival = c};
	b->judge = let_the_rival_go_first;
	b->judges = &s;
	instance_take_over_at_last(b);
	expect_eq(b->me.epoch, s.last.now.owner.epoch + 1);
	expect_str_eq(s.last.now.owner.id, s.last.now.owner.epoch == a->me.epoch ? a->me.id : c->owner_id);
	pthread_join(s.thread, NULL);
	expect(c->me.epoch != b->me.epoch);
	instance_close(a);
	instance_close(b);
	instance_close(c);
}

static void is_refused(kd_code code, const kd_error *err, const char *named)
{
	expect_eq(code, KD_ECONFIG, "%s", err->message);
	expect_eq(err->action, KD_STOP);
	expect(strstr(err->message, named), "%s does not name %s", err->message, named);
}

void case_take_over_refuses_another_cluster(world *w)
{
	instance *a = instance_start(w, 'a', 1), *b = instance_open(w, 'b');
	kd_error err = {0};
	is_refused(instance_try_take_over(b, "another", &err), &err, "another");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(a, &e);
	instance_close(a);
	instance_close(b);
}

void case_take_over_refuses_another_target(world *w)
{
	needs_second_target(w);
	instance *a = instance_start(w, 'a', 1), *b = instance_open_as(w, 'b', JOB, "t2");
	kd_error err = {0};
	is_refused(instance_try_take_over(b, "cluster", &err), &err, "t2");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(a, &e);
	instance_close(a);
	instance_close(b);
}

void case_a_topic_that_another_job_feeds_is_refused(world *w)
{
	instance *a = instance_start(w, 'a', 1), *b = instance_open_as(w, 'b', "second", "t");
	kd_error err = {0};
	is_refused(instance_try_take_over(b, "cluster", &err), &err, JOB);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(a, &e);
	instance_close(a);
	instance_close(b);
}

void case_another_job_may_feed_another_target(world *w)
{
	needs_second_target(w);
	instance *a = instance_start(w, 'a', 1), *b = instance_open_as(w, 'b', "second", "t2");
	instance_take_over(b);
	expect(b->image.created);
	expect_eq(b->me.epoch, 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(a, &e);
	instance_close(a);
	instance_close(b);
}

void case_adding_partitions_is_all_or_none(world *w)
{
	instance *a = instance_start(w, 'a', 2), *b = instance_open(w, 'b');
	instance_take_over(b);
	expect_eq(add_partitions(a, 2, 3), KD_CAS_MISS);
	ledger *l = read_ledger(b);
	expect_eq(l->n_segments, 2);
	free(l);
	kd_new_partition more[] = {{.topic = TOPIC, .partition = 2, .start_offset = 7, .log_start = 5},
		{.topic = "payments", .partition = 0, .start_offset = 3}};
	kd_segment segment[2];
	kd_cas cas;
	MUST(w->ops->add_partitions(b->session, &b->me, JOB, more, 2, &cas, segment, &e_));
	expect_eq(cas, KD_CAS_DONE);
	expect_eq(segment[0].partition_index, 2);
	expect_str_eq(segment[0].topic, TOPIC);
	expect_eq(segment[0].start_offset, 7);
	expect_eq(segment[0].planned_until, 7);
	expect_eq(segment[0].committed_until, 7);
	expect_eq(segment[0].log_from, 7);
	expect_eq(segment[0].log_start, 5);
	expect_eq(segment[0].segment, 0);
	expect_eq(segment[0].witness.offset, -1);
	expect_eq(segment[1].partition_index, 3);
	expect_str_eq(segment[1].topic, "payments");
	free(segment[0].topic);
	free(segment[1].topic);
	instance_close(a);
	instance_close(b);
}

static kd_segment renew(instance *i, int32_t partition, int64_t start_offset)
{
	kd_new_partition p = {.topic = TOPIC, .partition = partition, .start_offset = start_offset, .new_segment = true,
		.closed_reason = "the topic was recreated", .who = "policy"};
	kd_segment segment;
	kd_cas cas;
	MUST(i->w->ops->add_partitions(i->session, &i->me, JOB, &p, 1, &cas, &segment, &e_));
	expect_eq(cas, KD_CAS_DONE);
	free(segment.topic);
	return segment;
}

/* I1, I6, I10: what was planned and not committed becomes a gap; its identifiers never commit. */
void case_a_new_segment_closes_the_old_one(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	kd_batch_partition done = entry(0, 1000, 0, 10), open = entry(0, 2000, 10, 25), late = entry(0, 3000, 25, 30);
	plan_and_land(i, &done);
	expect_eq(plan(i, &open), KD_CAS_DONE);
	kd_segment fresh = renew(i, 0, 4);
	expect_eq(fresh.partition_index, 2);
	expect_eq(fresh.segment, 1);
	expect_eq(fresh.planned_until, 4);
	expect_eq(begin(i, &open), KD_CAS_MISS);
	expect_eq(plan(i, &late), KD_CAS_MISS);
	ledger *l = read_ledger(i);
	expect(l->segment[0].closed);
	expect_eq(l->segment[0].committed_until, 10);
	expect(!l->segment[1].closed);
	expect(!l->segment[2].closed);
	expect_eq(find_batch(l, &open)->state, KD_BATCH_WITHDRAWN);
	expect_eq(l->n_gaps, 1);
	expect_eq(l->gap[0].partition_index, 0);
	expect_eq(l->gap[0].range.from, 10);
	expect_eq(l->gap[0].range.until, 25);
	expect_eq(l->gap[0].batch_time_ms, 0);
	free(l);
	kd_batch_partition first = {JOB, TOPIC, 0, 2, 1, 4000, {4, 8}};
	plan_and_land(i, &first);
	instance_take_over(i);
	expect_eq(i->image.n_segments, 3);
	expect_str_eq(i->image.segments[0].closed_reason, "the topic was recreated");
	expect_eq(i->image.n_plans, 0);
	instance_close(i);
}

static void expect_newest(const instance *i, int index, kd_batch_state state, int64_t from, int64_t until)
{
	const kd_segment *s = &i->image.segments[index];
	expect_eq(s->partition_index, index);
	expect_eq(s->newest_state, state);
	expect_eq(s->newest_range.from, from);
	expect_eq(s->newest_range.until, until);
}

/* I10: what the library compares the positions with, so that none that was edited by hand is taken for true. */
void case_take_over_tells_each_segments_newest_identifier(world *w)
{
	instance *i = instance_start(w, 'a', 5);
	kd_batch_partition first = entry(0, 1000, 0, 10), committed = entry(0, 2000, 10, 20), done = entry(1, 1000, 0, 3),
		planned = entry(1, 2000, 3, 8), withdrawn = entry(2, 1000, 0, 7), old = entry(4, 1000, 0, 5);
	plan_and_land(i, &first);
	plan_and_land(i, &committed);
	plan_and_land(i, &done);
	expect_eq(plan(i, &planned), KD_CAS_DONE);
	expect_eq(plan(i, &withdrawn), KD_CAS_DONE);
	expect_eq(withdraw(i, &withdrawn), KD_CAS_DONE);
	plan_and_land(i, &old);
	renew(i, 4, 2);
	instance_take_over(i);
	expect_eq(i->image.n_segments, 6);
	expect_newest(i, 0, KD_BATCH_COMMITTED, 10, 20);
	expect_newest(i, 1, KD_BATCH_PLANNED, 3, 8);
	expect_newest(i, 2, KD_BATCH_WITHDRAWN, 0, 7);
	expect_newest(i, 3, KD_BATCH_ABSENT, 0, 0);
	expect_newest(i, 5, KD_BATCH_ABSENT, 0, 0);
	expect_eq(i->image.segments[5].segment, 1);
	expect_eq(i->image.segments[5].committed_at_ms, 0);
	kd_batch_partition fresh = {JOB, TOPIC, 4, 5, 1, 3000, {2, 6}};
	plan_and_land(i, &fresh);
	land(i, &planned);
	instance_take_over(i);
	expect_newest(i, 1, KD_BATCH_COMMITTED, 3, 8);
	expect_newest(i, 5, KD_BATCH_COMMITTED, 2, 6);
	instance_close(i);
}

/* The answer of a COMMIT can be lost: the call is made again. */
void case_adding_again_after_a_lost_answer_adds_nothing(world *w)
{
	instance *i = instance_start(w, 'a', 2);
	kd_new_partition again[] = {{.topic = TOPIC, .partition = 0}, {.topic = TOPIC, .partition = 1}};
	kd_segment segment[2] = {{0}};
	kd_cas cas;
	kd_error err = {0};
	/* whether it answers with what is there or refuses is the sink's affair */
	if (w->ops->add_partitions(i->session, &i->me, JOB, again, 2, &cas, segment, &err) == KD_OK && cas == KD_CAS_DONE) {
		free(segment[0].topic);
		free(segment[1].topic);
	}
	ledger *l = read_ledger(i);
	expect_eq(l->n_segments, 2);
	free(l);
	instance_close(i);
}

static void own_and_wait(world *w, const kc_order *order, const puppet *self)
{
	instance *i = instance_open(w, order->me.id[0]);
	instance_take_over(i);
	puppet_say(self);
	puppet_hear(self);
}

static bool is_gone(void *opaque)
{
	instance *i = opaque;
	char who[256];
	MUST(i->w->ops->owner_alive(i->session, JOB, who, sizeof who, &e_));
	return *who == '\0';
}

void case_an_owner_is_alive_until_it_is_gone(world *w)
{
	puppet p = puppet_new(w, own_and_wait);
	kd_owner a = {.id = "a"};
	kd_batch_partition e = entry(0, 1, 0, 1);
	puppet_go(&p, &a, &e);
	puppet_await(&p);
	instance *i = instance_open(w, 'r');
	expect(!is_gone(i));
	puppet_kill(&p);
	kt_await(is_gone, i, 30000, "the owner is gone");
	instance_close(i);
}
