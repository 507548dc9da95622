/* SPDX-License-Identifier: Apache-2.0 */
/* The judge's verdict, and its first half: what Kafka, the notes and the sink hold, row by row.  See invariants.h. */
#include "invariants.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

/* ---- the verdict ---- */

static const char *const names[KT_INVARIANTS + 1] = {NULL, "no loss", "no duplicate", "tiling", "content", "order",
	"one range per identifier", "fencing", "liveness", "atomicity", "fail loud", "effects", "resources"};

void kt_found(kt_judgement *judgement, int invariant, const char *format, ...)
{
	kt_finding *finding = &judgement->of[invariant];
	va_list args;

	finding->looked = true;
	if (finding->count++ > 0)
		return;
	va_start(args, format);
	vsnprintf(finding->first, sizeof(finding->first), format, args);
	va_end(args);
}

int64_t kt_judgement_findings(const kt_judgement *judgement)
{
	int64_t sum = 0;

	for (int i = 1; i <= KT_INVARIANTS; i++)
		sum += judgement->of[i].count;
	return sum;
}

int kt_judgement_first(const kt_judgement *judgement)
{
	for (int i = 1; i <= KT_INVARIANTS; i++)
		if (judgement->of[i].count)
			return i;
	return 0;
}

void kt_judgement_print(const kt_judgement *judgement, const char *name)
{
	printf("%s: %" PRId64 " records, %" PRId64 " rows, %" PRId64 " identifiers, %" PRId64 " ledger events, %" PRId64
	       " looks\n",
		name, judgement->records, judgement->rows, judgement->identifiers, judgement->events, judgement->looks);
	for (int i = 1; i <= KT_INVARIANTS; i++) {
		const kt_finding *finding = &judgement->of[i];

		if (finding->count)
			printf("  I%-2d %-25s %5" PRId64 "  %s\n", i, names[i], finding->count, finding->first);
		else
			printf("  I%-2d %-25s %5s\n", i, names[i], finding->looked ? "ok" : "-");
	}
	fflush(stdout);
}

void kt_judgement_must_be_clean(const kt_judgement *judgement)
{
	char said[2048] = "";
	size_t at = 0;

	for (int i = 1; i <= KT_INVARIANTS; i++)
		if (judgement->of[i].count && at < sizeof(said))
			at += (size_t) snprintf(said + at, sizeof(said) - at, "\nI%d %s, %" PRId64 " times: %s", i, names[i],
				judgement->of[i].count, judgement->of[i].first);
	kt_check(!at, "not exactly once:%s", said);
}

void *kt_push_(void *array, size_t n, size_t size)
{
	if (n & (n - 1))
		return array; /* the capacity is the power of two at or above n */
	array = realloc(array, (n ? 2 * n : 1) * size);
	kt_check(array, "no memory");
	return array;
}

void kt_evidence_done(kt_evidence *e)
{
	kt_oracle_done(&e->kafka);
	kt_oracle_done(&e->rows);
	free(e->segments);
	free(e->identifiers);
	free(e->gaps);
	free(e->dead_letters);
	free(e->landings);
	free(e->events);
	free(e->counters);
	free(e->sights);
	*e = (kt_evidence) {0};
}

/* ---- finding one's way ---- */

/* The only segment of a partition; NULL: it has none, or several. */
static const kt_segment_row *only_segment(const kt_evidence *e, int32_t partition)
{
	const kt_segment_row *only = NULL;

	for (size_t i = 0; i < e->n_segments; i++) {
		if (e->segments[i].partition != partition)
			continue;
		if (only || e->segments[i].closed)
			return NULL;
		only = &e->segments[i];
	}
	return only;
}

static bool has_several(const kt_evidence *e, int32_t partition)
{
	for (size_t i = 0; i < e->n_segments; i++)
		if (e->segments[i].partition == partition)
			return !only_segment(e, partition);
	return false;
}

static const kt_segment_row *segment_of(const kt_evidence *e, int32_t index)
{
	for (size_t i = 0; i < e->n_segments; i++)
		if (e->segments[i].index == index)
			return &e->segments[i];
	return NULL;
}

static bool spans(const kt_span *span, size_t n, int32_t index, int64_t offset)
{
	for (size_t i = 0; i < n; i++)
		if (span[i].index == index && span[i].from <= offset && offset < span[i].until)
			return true;
	return false;
}

static int compare(const kt_oracle_row *a, const kt_oracle_row *b)
{
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static int by_place(const void *left, const void *right)
{
	return compare(left, right);
}

/* ---- row by row: I1, I2, I4 ---- */

typedef struct walk {
	kt_judgement *judgement;
	const kt_evidence *e;
	const kt_identifier **order; /* the committed ones, by partition index and from */
	int64_t *missing;            /* of each of them: what may have been dropped by the job's own rule */
	size_t n, at;
	const kt_segment_row *segment; /* of the partition that the walk is in */
	int32_t partition;
	bool skipped;
} walk;

static int by_index_and_from(const void *left, const void *right)
{
	const kt_identifier *a = *(const kt_identifier *const *) left, *b = *(const kt_identifier *const *) right;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return (a->from > b->from) - (a->from < b->from);
}

static void begin_walk(walk *w)
{
	size_t n = w->e->n_identifiers;

	w->order = calloc(n + 1, sizeof(*w->order));
	w->missing = calloc(n + 1, sizeof(*w->missing));
	kt_check(w->order && w->missing, "no memory");
	for (size_t i = 0; i < n; i++)
		if (w->e->identifiers[i].committed)
			w->order[w->n++] = &w->e->identifiers[i];
	qsort(w->order, w->n, sizeof(*w->order), by_index_and_from);
}

static void enter(walk *w, int32_t partition)
{
	if (w->partition == partition)
		return;
	w->partition = partition;
	w->segment = only_segment(w->e, partition);
	w->skipped = has_several(w->e, partition);
	for (w->at = 0; w->segment && w->at < w->n && w->order[w->at]->index < w->segment->index;)
		w->at++;
}

/* The committed identifier that an offset belongs to; -1: none.  Offsets only grow within a partition. */
static ssize_t identifier_of(walk *w, int64_t offset)
{
	while (w->at < w->n && w->order[w->at]->index == w->segment->index && w->order[w->at]->until <= offset)
		w->at++;
	bool in = w->at < w->n && w->order[w->at]->index == w->segment->index && w->order[w->at]->from <= offset;
	return in ? (ssize_t) w->at : -1;
}

static void lost(walk *w, const kt_oracle_row *record)
{
	const kt_segment_row *s = w->segment;
	const kt_evidence *e = w->e;
	ssize_t id = s ? identifier_of(w, record->offset) : -1;

	if (e->ledger && (!s || record->offset < s->start || record->offset >= s->committed_until))
		return; /* not promised; what is not promised yet is I8's */
	if (s && (spans(e->gaps, e->n_gaps, s->index, record->offset) ||
			 spans(e->dead_letters, e->n_dead_letters, s->index, record->offset)))
		return;
	if (id >= 0 && w->missing[id] < w->order[id]->dropped) {
		w->missing[id]++;
		return;
	}
	kt_found(w->judgement, 1, "%d@%" PRId64 " is in Kafka and committed over, and not in the sink", record->partition,
		record->offset);
}

static void strange(walk *w, const kt_oracle_row *row, const kt_oracle_row *before)
{
	if (before && compare(before, row) == 0)
		kt_found(w->judgement, 2, "%d@%" PRId64 " is in the sink more than once", row->partition, row->offset);
	else
		kt_found(w->judgement, 4, "%d@%" PRId64 " is in the sink, and no committed record of Kafka", row->partition,
			row->offset);
}

static void same_place(walk *w, const kt_oracle_row *record, const kt_oracle_row *row)
{
	const kt_segment_row *s = w->segment;

	if (record->checksum != row->checksum)
		kt_found(w->judgement, 4, "%d@%" PRId64 " has other bytes in the sink than in Kafka", row->partition,
			row->offset);
	if (s && spans(w->e->dead_letters, w->e->n_dead_letters, s->index, row->offset))
		kt_found(w->judgement, 2, "%d@%" PRId64 " is a row and a dead letter", row->partition, row->offset);
	if (w->e->ledger && s && row->offset < s->start)
		kt_found(w->judgement, 4, "%d@%" PRId64 " lies before the job's start", row->partition, row->offset);
	else if (w->e->ledger && s && row->offset >= s->log_from && identifier_of(w, row->offset) < 0)
		kt_found(w->judgement, 9, "%d@%" PRId64 " is in the sink without a committed identifier", row->partition,
			row->offset);
}

static void compare_rows(walk *w)
{
	const kt_oracle *kafka = &w->e->kafka, *rows = &w->e->rows;
	size_t i = 0, k = 0;

	while (i < kafka->n || k < rows->n) {
		int order = i == kafka->n ? 1 : k == rows->n ? -1 : compare(&kafka->rows[i], &rows->rows[k]);
		int32_t partition = order <= 0 ? kafka->rows[i].partition : rows->rows[k].partition;

		enter(w, partition);
		if (!w->skipped && order < 0)
			lost(w, &kafka->rows[i]);
		else if (!w->skipped && order > 0)
			strange(w, &rows->rows[k], k ? &rows->rows[k - 1] : NULL);
		else if (!w->skipped)
			same_place(w, &kafka->rows[i], &rows->rows[k]);
		i += order <= 0;
		k += order >= 0;
	}
}

/* Counted as dropped, and stored all the same. */
static void check_dropped(walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const kt_identifier *id = w->order[i];
		const kt_segment_row *s = segment_of(w->e, id->index);

		if (s && only_segment(w->e, s->partition) && w->missing[i] < id->dropped)
			kt_found(w->judgement, 10, "partition index %d, batch %" PRId64 ": %" PRId64 " records counted as dropped, %"
				PRId64 " are", id->index, id->batch_time, id->dropped, w->missing[i]);
	}
}

/* ---- what the producer noted ---- */

static void check_notes(kt_judgement *judgement, const kt_evidence *e, kt_notes *notes)
{
	size_t n, k = 0;
	const kt_note *note = kt_notes_sorted(notes, &n);

	for (size_t i = 0; i < n; i++) {
		const kt_oracle_row place = {note[i].partition, note[i].offset, note[i].checksum};

		while (k < e->kafka.n && compare(&e->kafka.rows[k], &place) < 0)
			k++;
		bool there = k < e->kafka.n && compare(&e->kafka.rows[k], &place) == 0;

		if (note[i].state == KT_NOTE_COMMITTED && !there)
			kt_found(judgement, 1, "%d@%" PRId64 " was acknowledged to the producer, and Kafka does not serve it",
				place.partition, place.offset);
		else if (note[i].state == KT_NOTE_ABORTED && there)
			kt_found(judgement, 4, "%d@%" PRId64 " was aborted by its producer, and Kafka serves it", place.partition,
				place.offset);
		else if (there && e->kafka.rows[k].checksum != place.checksum)
			kt_found(judgement, 4, "%d@%" PRId64 " is not what its producer sent", place.partition, place.offset);
	}
}

/* ---- order, also as somebody saw it from outside: I5 ---- */

/* A landing that begins or ends where the one before did is a repetition: I2's. */
static void check_landings(kt_judgement *judgement, const kt_evidence *e)
{
	int32_t most = 0;

	for (size_t i = 0; i < e->n_landings; i++)
		most = e->landings[i].partition > most ? e->landings[i].partition : most;
	const kt_landing **before = calloc((size_t) most + 1, sizeof(*before));
	kt_check(before, "no memory");
	for (size_t i = 0; i < e->n_landings; i++) {
		const kt_landing *now = &e->landings[i], *last = before[now->partition];

		before[now->partition] = now;
		if (last && now->low <= last->high && now->low != last->low && now->high != last->high &&
			!has_several(e, now->partition))
			kt_found(judgement, 5, "%d@%" PRId64 " landed after %d@%" PRId64, now->partition, now->low, now->partition,
				last->high);
	}
	free(before);
}

/* How many records of Kafka's are at or below a place, of those that the job had to land. */
static int64_t records_until(const kt_evidence *e, const kt_segment_row *s, int64_t last)
{
	const kt_oracle_row first = {.partition = s->partition, .offset = s->start};
	const kt_oracle_row end = {.partition = s->partition, .offset = last + 1};
	size_t at[2];

	for (int i = 0; i < 2; i++) {
		size_t low = 0, high = e->kafka.n;
		while (low < high) {
			size_t middle = (low + high) / 2;
			if (compare(&e->kafka.rows[middle], i ? &end : &first) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		at[i] = low;
	}
	return (int64_t) (at[1] - at[0]);
}

static bool lands_all(const kt_evidence *e, int32_t index)
{
	for (size_t i = 0; i < e->n_identifiers; i++)
		if (e->identifiers[i].index == index && e->identifiers[i].records != e->identifiers[i].rows)
			return false;
	return !e->n_gaps && !e->n_dead_letters;
}

/* The rows that are visible at any moment are a prefix. */
static void check_sights(kt_judgement *judgement, const kt_evidence *e)
{
	for (size_t i = 0; i < e->n_sights; i++) {
		const kt_sight *sight = &e->sights[i];
		const kt_segment_row *s = only_segment(e, sight->partition);
		int64_t records = s && lands_all(e, s->index) ? records_until(e, s, sight->last) : sight->rows;

		if (sight->rows < records)
			kt_found(judgement, 5, "%d@%" PRId64 " was visible with %" PRId64 " rows, while Kafka has %" PRId64
				" records up to there", sight->partition, sight->last, sight->rows, records);
	}
}

/* ---- effects: I11 ---- */

static void check_counters(kt_judgement *judgement, const kt_evidence *e)
{
	for (size_t i = 0; i < e->n_counters; i++) {
		const kt_counter *c = &e->counters[i];

		if (c->counted != c->stored || c->counted_bytes != c->stored_bytes)
			kt_found(judgement, 11, "partition %d: the counter says %" PRId64 " records of %" PRId64 " bytes, it is %"
				PRId64 " of %" PRId64, c->partition, c->counted, c->counted_bytes, c->stored, c->stored_bytes);
	}
}

void kt_judge_content(kt_judgement *judgement, const kt_evidence *e, kt_notes *notes)
{
	walk w = {.judgement = judgement, .e = e, .partition = -1};

	judgement->of[11].looked |= e->n_counters > 0;
	check_counters(judgement, e);
	if (!e->content)
		return;
	judgement->records = (int64_t) e->kafka.n;
	judgement->rows = (int64_t) e->rows.n;
	judgement->of[1].looked = judgement->of[2].looked = judgement->of[4].looked = true;
	judgement->of[5].looked |= e->n_landings > 0 || e->n_sights > 0;
	if (e->kafka.n)
		qsort(e->kafka.rows, e->kafka.n, sizeof(*e->kafka.rows), by_place);
	if (e->rows.n)
		qsort(e->rows.rows, e->rows.n, sizeof(*e->rows.rows), by_place);
	begin_walk(&w);
	compare_rows(&w);
	check_dropped(&w);
	free(w.missing);
	free(w.order);
	if (notes)
		check_notes(judgement, e, notes);
	check_landings(judgement, e);
	check_sights(judgement, e);
}

kt_judgement kt_judge_all(const kt_evidence *e, kt_notes *notes)
{
	kt_judgement judgement = e->seen;

	judgement.looks = e->looks;
	kt_judge_content(&judgement, e, notes);
	kt_judge_ledger(&judgement, e);
	return judgement;
}
