// SPDX-License-Identifier: Apache-2.0
// Cases: several at the same time (I2, I3, I9).
#include <pthread.h>
#include <stdatomic.h>

#include "conformance.h"

enum { RIVALS = 4, ROUNDS = 12, ROWS = 20 };

typedef struct race {
	instance *rival[RIVALS];
	pthread_barrier_t start;
	atomic_int won[ROUNDS];
	bool plans;
} race;

typedef struct runner {
	race *race;
	int number;
} runner;

static kd_batch_partition round_entry(int round)
{
	return entry(0, 1000 + round, round * 10, round * 10 + 10);
}

/* Every round they all start at once; who does not win finds nothing to change. */
static void *run(void *opaque)
{
	runner *r = opaque;
	instance *i = r->race->rival[r->number];
	for (int round = 0; round < ROUNDS; round++) {
		kd_batch_partition e = round_entry(round);
		pthread_barrier_wait(&r->race->start);
		if (r->race->plans) {
			if (plan(i, &e) == KD_CAS_DONE)
				atomic_fetch_add(&r->race->won[round], 1);
		} else if (begin(i, &e) == KD_CAS_DONE) {
			write_range(i, &e);
			commit(i, &e);
			atomic_fetch_add(&r->race->won[round], 1);
		}
	}
	return NULL;
}

static void hold_race(world *w, bool plans)
{
	race all = {.plans = plans};
	runner one[RIVALS];
	pthread_t thread[RIVALS];
	pthread_barrier_init(&all.start, NULL, RIVALS);
	all.rival[0] = instance_start(w, 'a', 1);
	for (int round = 0; round < ROUNDS && !plans; round++) {
		kd_batch_partition e = round_entry(round);
		expect_eq(plan(all.rival[0], &e), KD_CAS_DONE);
	}
	for (int n = 1; n < RIVALS; n++) {
		all.rival[n] = instance_open(w, 'a');
		all.rival[n]->me = all.rival[0]->me;
	}
	for (int n = 0; n < RIVALS; n++) {
		one[n].race = &all;
		one[n].number = n;
		expect_eq(pthread_create(&thread[n], NULL, run, &one[n]), 0);
	}
	for (int n = 0; n < RIVALS; n++)
		pthread_join(thread[n], NULL);
	for (int round = 0; round < ROUNDS; round++)
		expect_eq(all.won[round], 1, "round %d: %d won", round, all.won[round]);
	expect_eq(rows_between(w, 0, 1000), plans ? 0 : ROUNDS * 10);
	for (int n = 0; n < RIVALS; n++)
		instance_close(all.rival[n]);
	pthread_barrier_destroy(&all.start);
}

void case_of_rival_sessions_exactly_one_commits(world *w)
{
	hold_race(w, false);
}

void case_of_rival_sessions_exactly_one_plans(world *w)
{
	hold_race(w, true);
}

typedef struct observed {
	instance *writer;
	atomic_bool done;
} observed;

static void *write_many(void *opaque)
{
	observed *o = opaque;
	for (int n = 0; n < 40; n++) {
		kd_batch_partition e = entry(n % 2, 1000 + n, n / 2 * ROWS, n / 2 * ROWS + ROWS);
		plan_and_land(o->writer, &e);
	}
	atomic_store(&o->done, true);
	return NULL;
}

static bool count_offset(void *opaque, int64_t offset)
{
	(void) offset;
	++*(int64_t *) opaque;
	return true;
}

typedef struct view {
	int64_t rows[2], position[2];
} view;

static bool add_batch(void *opaque, const kd_batch_row *row)
{
	view *v = opaque;
	if (row->state == KD_BATCH_COMMITTED) {
		v->rows[row->partition_index] += row->range.until - row->range.from;
		expect_eq(row->rows, row->range.until - row->range.from);
	}
	return true;
}

static bool add_segment(void *opaque, const kd_segment *segment)
{
	((view *) opaque)->position[segment->partition_index] = segment->committed_until;
	return true;
}

/* One snapshot: rows, identifiers and positions must tell the same. */
static void observe(instance *i)
{
	view v = {{0}, {0}};
	kd_ledger_view reader = {.opaque = &v, .batch = add_batch, .segment = add_segment};
	MUST(i->w->ops->snapshot_begin(i->session, &e_));
	MUST(i->w->ops->read_ledger(i->session, JOB, &reader, &e_));
	for (int p = 0; p < 2 && i->w->ops->info(i->sink)->has_offsets; p++) {
		int64_t n = 0;
		MUST(i->w->ops->scan_offsets(i->session, TOPIC, p, (kd_range) {0, INT64_MAX}, count_offset, &n, &e_));
		expect_eq(n, v.rows[p], "partition %d has %lld rows and identifiers for %lld", p, (long long) n,
			(long long) v.rows[p]);
		expect_eq(n, v.position[p]);
	}
	i->w->ops->snapshot_end(i->session);
}

/* I9 */
void case_an_observer_never_sees_rows_without_their_identifier(world *w)
{
	observed o = {.writer = instance_start(w, 'a', 2)};
	instance *observer = instance_open(w, 'r');
	pthread_t thread;
	expect_eq(pthread_create(&thread, NULL, write_many, &o), 0);
	while (!atomic_load(&o.done)) {
		observe(observer);
		expect_eq(rows_between(w, 0, INT64_MAX) % ROWS, 0);
	}
	pthread_join(thread, NULL);
	observe(observer);
	expect_eq(rows_between(w, 0, 1000), 40 * ROWS);
	instance_close(observer);
	instance_close(o.writer);
}
