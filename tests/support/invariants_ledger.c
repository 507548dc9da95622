/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's second half: what the ledger says of itself, and what the judge's own triggers wrote down about it.  See
 * invariants.h. */
#include "invariants.h"

#include <inttypes.h>
#include <stdlib.h>

#include "check.h"

static int by_index_and_from(const void *left, const void *right)
{
	const kt_identifier *a = left, *b = right;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->from != b->from)
		return a->from < b->from ? -1 : 1;
	return (a->batch_time > b->batch_time) - (a->batch_time < b->batch_time);
}

static const kt_segment_row *segment_of(const kt_evidence *e, int32_t index)
{
	for (size_t i = 0; i < e->n_segments; i++)
		if (e->segments[i].index == index)
			return &e->segments[i];
	return NULL;
}

/* ---- I3, and what follows from the order of ranges: I6, I7 ---- */

typedef struct chain {
	const kt_segment_row *segment;
	int64_t until, batch_time, epoch;
	bool any;
} chain;

static void follow(kt_judgement *judgement, chain *c, const kt_identifier *id)
{
	int64_t expected = c->any ? c->until : c->segment->log_from;

	if (id->from != expected)
		kt_found(judgement, 3, "partition index %d: the range of batch %" PRId64 " is from %" PRId64 ", not %" PRId64,
			id->index, id->batch_time, id->from, expected);
	if (c->any && id->batch_time <= c->batch_time)
		kt_found(judgement, 6, "partition index %d: batch time %" PRId64 " comes after %" PRId64, id->index,
			id->batch_time, c->batch_time);
	if (id->epoch >= 0 && id->epoch < c->epoch)
		kt_found(judgement, 7, "partition index %d: batch %" PRId64 " was committed by epoch %" PRId64 ", the one before it "
			"by %" PRId64, id->index, id->batch_time, id->epoch, c->epoch);
	c->any = true;
	c->until = id->until;
	c->batch_time = id->batch_time;
	c->epoch = id->epoch >= 0 ? id->epoch : c->epoch;
}

static void end_chain(kt_judgement *judgement, const chain *c)
{
	int64_t until = c->any ? c->until : c->segment->log_from;

	if (c->segment->committed_until != until)
		kt_found(judgement, 3, "partition index %d: the position is %" PRId64 ", its last range ends at %" PRId64,
			c->segment->index, c->segment->committed_until, until);
	if (c->segment->last_batch_time < c->batch_time)
		kt_found(judgement, 6, "partition index %d: the last batch time is %" PRId64 ", and %" PRId64 " was committed",
			c->segment->index, c->segment->last_batch_time, c->batch_time);
}

static void check_chains(kt_judgement *judgement, const kt_evidence *e, const kt_identifier *ids)
{
	for (size_t i = 0; i < e->n_segments; i++) {
		chain c = {.segment = &e->segments[i], .epoch = -1};

		for (size_t k = 0; k < e->n_identifiers; k++)
			if (ids[k].index == c.segment->index && ids[k].committed)
				follow(judgement, &c, &ids[k]);
		end_chain(judgement, &c);
	}
	for (size_t k = 0; k < e->n_identifiers; k++) {
		if (!segment_of(e, ids[k].index))
			kt_found(judgement, 3, "batch %" PRId64 " names partition index %d, which there is not", ids[k].batch_time,
				ids[k].index);
		if (ids[k].committed && ids[k].withdrawn)
			kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was withdrawn and committed", ids[k].index,
				ids[k].batch_time);
	}
}

/* ---- what happened to each identifier: I6, I7 ---- */

typedef struct life {
	int32_t index;
	int64_t batch_time, from, until, transaction;
	bool known, planned, withdrawn;
} life;

/* Every identifier that was heard of, by hash; and the last batch time that was planned, by partition index. */
typedef struct lives {
	life *slot;
	size_t mask;
	int64_t *last;
} lives;

static lives lives_new(const kt_event *events, size_t n)
{
	lives all = {.mask = 1};
	int32_t most = 0;

	for (size_t i = 0; i < n; i++)
		most = events[i].index > most ? events[i].index : most;
	while (all.mask < 2 * n + 2)
		all.mask *= 2;
	all.slot = calloc(all.mask--, sizeof(*all.slot));
	all.last = calloc((size_t) most + 1, sizeof(*all.last));
	kt_check(all.slot && all.last, "no memory");
	return all;
}

static life *life_of(lives *all, const kt_event *event)
{
	uint64_t hash = ((uint64_t) event->batch_time * 31 + (uint64_t) event->index) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t i = hash >> 32;; i++) {
		life *l = &all->slot[i & all->mask];

		if (!l->known)
			*l = (life) {.known = true, .index = event->index, .batch_time = event->batch_time};
		if (l->index == event->index && l->batch_time == event->batch_time)
			return l;
	}
}

static void plan(kt_judgement *judgement, lives *all, life *l, const kt_event *event)
{
	if (l->planned)
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was planned twice", event->index,
			event->batch_time);
	else if (event->batch_time < all->last[event->index])
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was planned after batch %" PRId64, event->index,
			event->batch_time, all->last[event->index]);
	all->last[event->index] = event->batch_time;
	l->planned = true;
	l->from = event->from;
	l->until = event->until;
	l->transaction = event->transaction;
}

static void commit(kt_judgement *judgement, life *l, const kt_event *event)
{
	if (!l->planned)
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was committed, and never planned", event->index,
			event->batch_time);
	else if (l->from != event->from || l->until != event->until)
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was planned as [%" PRId64 ", %" PRId64
			"), and committed as [%" PRId64 ", %" PRId64 ")", event->index, event->batch_time, l->from, l->until,
			event->from, event->until);
	else if (l->transaction && l->transaction == event->transaction)
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was planned by the transaction that committed it",
			event->index, event->batch_time);
	if (l->withdrawn)
		kt_found(judgement, 6, "partition index %d: batch %" PRId64 " was committed after it was withdrawn",
			event->index, event->batch_time);
}

static void change(kt_judgement *judgement, life *l, const kt_event *event)
{
	kt_found(judgement, 6, "partition index %d: the range of batch %" PRId64 " was changed to [%" PRId64 ", %" PRId64 ")",
		event->index, event->batch_time, event->from, event->until);
	l->from = event->from;
	l->until = event->until;
}

static void live(kt_judgement *judgement, lives *all, const kt_event *event)
{
	life *l = life_of(all, event);

	if (event->deed == KT_PLANNED)
		plan(judgement, all, l, event);
	else if (event->deed == KT_COMMITTED)
		commit(judgement, l, event);
	else if (event->deed == KT_CHANGED)
		change(judgement, l, event);
	else
		l->withdrawn = true;
}

/* The newest start that this session took over in: the epoch of whoever plans in it. */
static int64_t epoch_of_session(const kt_event *events, size_t n, int64_t session)
{
	for (size_t i = n; session && i-- > 0;)
		if (events[i].deed == KT_STARTED && events[i].session == session)
			return events[i].epoch;
	return -1;
}

static const char *const deeds[] = {"started", "planned", "committed", "withdrew", "changed"};

static void check_fence(kt_judgement *judgement, const kt_event *events, size_t i, int64_t newest)
{
	const kt_event *event = &events[i];
	int64_t epoch = event->epoch >= 0 ? event->epoch : epoch_of_session(events, i, event->session);

	if (epoch >= 0 && event->holding >= 0 && epoch != event->holding)
		kt_found(judgement, 7, "epoch %" PRId64 " %s batch %" PRId64 " of partition index %d, which epoch %" PRId64 " held",
			epoch, deeds[event->deed], event->batch_time, event->index, event->holding);
	else if (epoch >= 0 && epoch < newest)
		kt_found(judgement, 7, "epoch %" PRId64 " %s batch %" PRId64 " of partition index %d after epoch %" PRId64
			" had taken over", epoch, deeds[event->deed], event->batch_time, event->index, newest);
}

static void check_events(kt_judgement *judgement, const kt_evidence *e)
{
	lives all = lives_new(e->events, e->n_events);
	int64_t newest = -1;

	for (size_t i = 0; i < e->n_events; i++) {
		const kt_event *event = &e->events[i];

		if (event->deed == KT_STARTED) {
			newest = event->epoch > newest ? event->epoch : newest;
			continue;
		}
		live(judgement, &all, event);
		check_fence(judgement, e->events, i, newest);
	}
	free(all.slot);
	free(all.last);
}

/* ---- I8, I10, I12 ---- */

static void check_lag(kt_judgement *judgement, const kt_evidence *e)
{
	for (size_t i = 0; i < e->n_segments; i++) {
		const kt_segment_row *s = &e->segments[i];

		if (!s->closed && s->planned_until != s->committed_until)
			kt_found(judgement, 8, "partition index %d is planned until %" PRId64 " and committed until %" PRId64,
				s->index, s->planned_until, s->committed_until);
	}
	for (size_t i = 0; i < e->kafka.n; i++) {
		const kt_oracle_row *record = &e->kafka.rows[i];
		bool open = false, behind = false;

		if (i + 1 < e->kafka.n && e->kafka.rows[i + 1].partition == record->partition)
			continue; /* only the last of each partition */
		for (size_t k = 0; k < e->n_segments; k++)
			if (e->segments[k].partition == record->partition && !e->segments[k].closed) {
				open = true;
				behind = e->segments[k].committed_until <= record->offset;
			}
		if (!open || behind)
			kt_found(judgement, 8, "%d@%" PRId64 " is in Kafka, and not committed over", record->partition, record->offset);
	}
}

static const kt_identifier *committed_around(const kt_evidence *e, const kt_span *span)
{
	for (size_t i = 0; i < e->n_identifiers; i++) {
		const kt_identifier *id = &e->identifiers[i];

		if (id->index == span->index && id->committed && id->from <= span->from && span->until <= id->until)
			return id;
	}
	return NULL;
}

static void check_spans(kt_judgement *judgement, const kt_evidence *e, const kt_span *spans, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		const kt_segment_row *s = segment_of(e, spans[i].index);

		if (!committed_around(e, &spans[i]) && (!s || spans[i].from >= s->log_from))
			kt_found(judgement, 10, "partition index %d: %s at %" PRId64 " lies in no committed range", spans[i].index,
				what, spans[i].from);
	}
}

static int64_t sum_within(const kt_span *spans, size_t n, const kt_identifier *id)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		if (spans[i].index == id->index && id->from <= spans[i].from && spans[i].until <= id->until)
			sum += spans[i].until - spans[i].from;
	return sum;
}

/* What an identifier counts must be what lies in its range. */
static void check_accounts(kt_judgement *judgement, const kt_evidence *e)
{
	for (size_t i = 0; i < e->n_identifiers; i++) {
		const kt_identifier *id = &e->identifiers[i];

		if (!id->committed)
			continue;
		if (id->gap != sum_within(e->gaps, e->n_gaps, id))
			kt_found(judgement, 10, "partition index %d, batch %" PRId64 ": a gap of %" PRId64 " offsets is counted, %"
				PRId64 " are recorded", id->index, id->batch_time, id->gap, sum_within(e->gaps, e->n_gaps, id));
		if (id->dead_letters != sum_within(e->dead_letters, e->n_dead_letters, id))
			kt_found(judgement, 10, "partition index %d, batch %" PRId64 ": %" PRId64 " dead letters are counted, %" PRId64
				" are recorded", id->index, id->batch_time, id->dead_letters,
				sum_within(e->dead_letters, e->n_dead_letters, id));
	}
	check_spans(judgement, e, e->gaps, e->n_gaps, "a gap");
	check_spans(judgement, e, e->dead_letters, e->n_dead_letters, "a dead letter");
}

static void check_left(kt_judgement *judgement, const kt_evidence *e)
{
	if (e->sessions_left > 0)
		kt_found(judgement, 12, "%" PRId64 " sessions of the job are left", e->sessions_left);
	if (e->locks_left > 0)
		kt_found(judgement, 12, "%" PRId64 " locks are left", e->locks_left);
}

void kt_judge_ledger(kt_judgement *judgement, const kt_evidence *e)
{
	kt_finding *of = judgement->of;

	if (!e->ledger)
		return;
	judgement->identifiers = (int64_t) e->n_identifiers;
	judgement->events = (int64_t) e->n_events;
	of[3].looked = of[6].looked = of[7].looked = of[10].looked = true;
	of[8].looked |= e->caught_up;
	of[9].looked |= e->content;
	of[12].looked |= e->sessions_left >= 0;
	if (e->n_identifiers)
		qsort(e->identifiers, e->n_identifiers, sizeof(*e->identifiers), by_index_and_from);
	check_chains(judgement, e, e->identifiers);
	check_events(judgement, e);
	if (e->caught_up)
		check_lag(judgement, e);
	check_accounts(judgement, e);
	check_left(judgement, e);
}
