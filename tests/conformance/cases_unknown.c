// SPDX-License-Identifier: Apache-2.0
// Cases: the outcome of a write is not known: it is repeated, and that decides (I2, I6, I9).
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"
#include "wait.h"

enum { KILLS = 64, LEAST_KILLS = 12, LONGEST_US = 5000000 };

static int64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The first puppet works to its end, which says how long the work takes; each of the others is killed a step later in it
 * than the one before, where a random moment would mostly miss what is done within microseconds. */
typedef struct kills {
	puppet puppets[KILLS];
	int64_t start_us, work_us;
	int n; /* so many are gone */
} kills;

static void arm(world *w, kills *k, void (*fn)(world *w, const kc_order *order, const puppet *self))
{
	k->n = 0;
	for (int n = 0; n < KILLS; n++)
		k->puppets[n] = puppet_new(w, fn);
	k->start_us = now_us();
}

/* A slow target gets fewer. */
static bool more_kills(const kills *k)
{
	return k->n < KILLS && (k->n < LEAST_KILLS || now_us() - k->start_us < LONGEST_US);
}

static void kill_next(kills *k)
{
	puppet *p = &k->puppets[k->n];
	puppet_await(p);
	int64_t from_us = now_us();
	puppet_nod(p);
	if (k->n == 0) {
		puppet_await(p);
		k->work_us = now_us() - from_us;
	}
	/* 7 steps of KILLS: also the first dozen covers all of the work */
	int64_t moment_us = k->work_us * (k->n * 7 % KILLS) / (KILLS - 1);
	while (now_us() - from_us < moment_us)
		; /* a sleep is longer than a step */
	puppet_kill(p);
	k->n++;
}

static void disarm(kills *k)
{
	for (int n = k->n; n < KILLS; n++)
		puppet_kill(&k->puppets[n]);
}

static kd_cas plan_at_last(instance *i, const kd_batch_partition *e)
{
	for (int64_t began_ms = kt_now_ms();;) {
		kd_error err = {0};
		kd_cas cas;
		if (i->w->ops->append_plan(i->session, &i->me, e, 1, &cas, &err) == KD_OK)
			return cas;
		get_ready_again(i, &err, began_ms);
	}
}

static void land_at_last(instance *i, const kd_batch_partition *e)
{
	kd_error err = {0};
	for (int64_t began_ms = kt_now_ms(); try_land(i, e, &err) != KD_OK; kd_error_clear(&err))
		get_ready_again(i, &err, began_ms);
}

void case_a_plan_whose_answer_was_lost_is_found_by_repeating_it(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), absent = entry(0, 2000, 10, 20);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	expect_eq(plan(i, &e), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_PLAN, &e);
	expect(r.found);
	expect_eq(r.owner.epoch, i->me.epoch);
	expect_str_eq(r.owner.id, i->me.id);
	expect_eq(r.batch, KD_BATCH_PLANNED);
	expect_eq(r.range.from, 0);
	expect_eq(r.range.until, 10);
	expect_eq(r.position, 10);
	expect_eq(r.last_batch_time_ms, 1000);
	expect_eq(reread(i, KD_REREAD_PLAN, &absent).batch, KD_BATCH_ABSENT);
	instance_close(i);
}

static void plan_and_tell(world *w, const kc_order *order, const puppet *self)
{
	instance *i = puppet_instance(w, order);
	expect_eq(plan(i, &order->entry), KD_CAS_DONE);
	puppet_say(self);
	puppet_hear(self);
}

/* I6: a plan is durable before the first record of its range is read. */
void case_a_plan_that_was_answered_outlives_its_process(world *w)
{
	puppet p = puppet_new(w, plan_and_tell);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	puppet_go(&p, &i->me, &e);
	puppet_await(&p);
	puppet_kill(&p);
	kd_reread r = reread(i, KD_REREAD_PLAN, &e);
	expect_eq(r.batch, KD_BATCH_PLANNED);
	expect_eq(r.position, 10);
	land(i, &e);
	instance_close(i);
}

static void land_and_tell(world *w, const kc_order *order, const puppet *self)
{
	instance *i = puppet_instance(w, order);
	land(i, &order->entry);
	puppet_say(self);
	puppet_hear(self);
}

/* I1: what commit answered is there, whatever becomes of the process that asked. */
void case_a_commit_that_was_answered_outlives_its_process(world *w)
{
	puppet p = puppet_new(w, land_and_tell);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	puppet_go(&p, &i->me, &e);
	puppet_await(&p);
	puppet_kill(&p);
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect(is_committed(&r, &e));
	expect_eq(rows_between(w, 0, 100), 10);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	instance_close(i);
}

static void plan_then_die(world *w, const kc_order *order, const puppet *self)
{
	instance *i = puppet_instance(w, order);
	puppet_say(self);
	puppet_hear(self);
	(void) plan(i, &order->entry);
	puppet_say(self);
	puppet_hear(self);
}

void case_a_planner_killed_at_any_moment_leaves_one_plan_or_none(world *w)
{
	kills k;
	arm(w, &k, plan_then_die);
	instance *i = instance_start(w, 'a', 1);
	for (int n = 0; more_kills(&k); n++) {
		kd_batch_partition e = entry(0, 1000 + n, n * 10, n * 10 + 10);
		puppet_go(&k.puppets[n], &i->me, &e);
		kill_next(&k);
		kd_cas again = plan_at_last(i, &e);
		kd_reread r = reread(i, KD_REREAD_PLAN, &e);
		expect(again == KD_CAS_DONE || again == KD_CAS_MISS);
		expect_eq(r.batch, KD_BATCH_PLANNED);
		expect_eq(r.position, n * 10 + 10);
	}
	ledger *l = read_ledger(i);
	expect_eq(l->n_batches, k.n);
	free(l);
	disarm(&k);
	instance_close(i);
}

void case_a_commit_whose_answer_was_lost_is_found_by_repeating_it(world *w)
{
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(i, &e);
	/* a new session, and the same epoch */
	w->ops->disconnect(i->session);
	MUST(w->ops->connect(i->sink, "again", &i->session, &e_));
	expect_eq(begin(i, &e), KD_CAS_MISS);
	kd_reread r = reread(i, KD_REREAD_DATA, &e);
	expect(is_committed(&r, &e));
	expect_eq(r.owner.epoch, i->me.epoch);
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

static void write_then_wait(world *w, const kc_order *order, const puppet *self)
{
	instance *i = puppet_instance(w, order);
	kt_check(begin(i, &order->entry) == KD_CAS_DONE, "a puppet could not begin");
	write_range(i, &order->entry);
	puppet_say(self);
	puppet_hear(self);
	commit(i, &order->entry);
}

void case_a_commit_that_never_happened_is_found_by_repeating_it(world *w)
{
	puppet p = puppet_new(w, write_then_wait);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	puppet_go(&p, &i->me, &e);
	puppet_await(&p);
	expect_eq(rows_between(w, 0, 100), 0);
	puppet_kill(&p);
	land(i, &e);
	expect_eq(rows_between(w, 0, 100), 10);
	instance_close(i);
}

typedef struct repetition {
	instance *i;
	kd_batch_partition entry;
	kd_cas cas;
	atomic_bool returned;
} repetition;

static void *repeat(void *opaque)
{
	repetition *r = opaque;
	r->cas = begin(r->i, &r->entry);
	atomic_store(&r->returned, true);
	return NULL;
}

static bool has_returned(void *r)
{
	return atomic_load(&((repetition *) r)->returned);
}

/* The repeated write meets the first one's locks, waits, and then knows. */
static void meet(world *w, instance *i, puppet *p)
{
	repetition r = {.i = i, .entry = entry(0, 1000, 0, 10), .cas = KD_CAS_DONE};
	pthread_t thread;
	puppet_go(p, &i->me, &r.entry);
	puppet_await(p);
	expect_eq(pthread_create(&thread, NULL, repeat, &r), 0);
	expect(!kt_wait_until(has_returned, &r, 100), "begin did not wait for the open transaction that moves the same position");
	puppet_nod(p);
	pthread_join(thread, NULL);
	puppet_end(p);
	expect_eq(r.cas, KD_CAS_MISS);
	kd_reread row = reread(i, KD_REREAD_DATA, &r.entry);
	expect(is_committed(&row, &r.entry));
	expect_eq(rows_between(w, 0, 10), 10);
}

void case_a_commit_that_comes_late_is_waited_for(world *w)
{
	puppet p = puppet_new(w, write_then_wait);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	expect_eq(plan(i, &e), KD_CAS_DONE);
	meet(w, i, &p);
	instance_close(i);
}

/* The committer is dead, and the server still commits. */
void case_a_server_that_commits_for_the_dead_is_waited_for(world *w)
{
	needs(w, w->hooks->delay_commit && w->hooks->commit_is_delayed, "needs the hooks delay_commit and commit_is_delayed");
	puppet p = puppet_new(w, write_then_wait);
	instance *i = instance_start(w, 'a', 1);
	kd_batch_partition e = entry(0, 2000, 10, 20), before = entry(0, 1000, 0, 10);
	plan_and_land(i, &before);
	MUST(w->hooks->delay_commit(w->db, 15, 700, &e_));
	expect_eq(plan(i, &e), KD_CAS_DONE);
	puppet_go(&p, &i->me, &e);
	puppet_await(&p);
	puppet_nod(&p);
	kt_await(w->hooks->commit_is_delayed, w->db, 30000, "a commit is under way");
	puppet_kill(&p);
	expect_eq(rows_between(w, 10, 20), 0);
	expect_eq(begin(i, &e), KD_CAS_MISS);
	kd_reread row = reread(i, KD_REREAD_DATA, &e);
	expect(is_committed(&row, &e));
	expect_eq(rows_between(w, 10, 20), 10);
	instance_close(i);
}

static void land_then_die(world *w, const kc_order *order, const puppet *self)
{
	instance *i = puppet_instance(w, order);
	puppet_say(self);
	puppet_hear(self);
	if (begin(i, &order->entry) == KD_CAS_DONE) {
		write_range(i, &order->entry);
		commit(i, &order->entry);
	}
	puppet_say(self);
	puppet_hear(self);
}

void case_a_committer_killed_at_any_moment_leaves_all_or_nothing(world *w)
{
	kills k;
	arm(w, &k, land_then_die);
	instance *i = instance_start(w, 'a', 1);
	for (int n = 0; more_kills(&k); n++) {
		kd_batch_partition e = entry(0, 1000 + n, n * 10, n * 10 + 10);
		expect_eq(plan(i, &e), KD_CAS_DONE);
		puppet_go(&k.puppets[n], &i->me, &e);
		kill_next(&k);
		land_at_last(i, &e);
		kd_reread r = reread(i, KD_REREAD_DATA, &e);
		expect(is_committed(&r, &e));
		expect_eq(rows_between(w, n * 10, n * 10 + 10), 10);
	}
	expect_eq(rows_between(w, 0, 10000), k.n * 10);
	disarm(&k);
	instance_close(i);
}
