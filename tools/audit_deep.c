/* SPDX-License-Identifier: Apache-2.0 */
/* audit_deep: see audit_deep.h.  The table and Kafka are both read in offset order, so they are compared a window at
 * a time: the table's rows of a window are counted, then Kafka's records of it are ticked off. */
#include "audit_deep.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_ranges.h"

struct deep {
	const struct audit_deep_job *job;
	const kd_segment *segment;
	struct audit_window window;
	kd_range *ranges; /* the gaps, then the other segments' committed ranges */
	size_t n_ranges;
	int64_t counted; /* by counts: records that Kafka holds */
	kd_error table;  /* the table's, met while Kafka is read */
};

static void find(const struct deep *deep, const char *invariant, const char *format, ...) KD_PRINTF(3, 4);

static void find(const struct deep *deep, const char *invariant, const char *format, ...)
{
	struct audit_finding finding = {.invariant = invariant, .segment = deep->segment,
		.range = {deep->segment->start_offset, deep->segment->committed_until}};
	va_list values;

	va_start(values, format);
	vsnprintf(finding.text, sizeof finding.text, format, values);
	va_end(values);
	deep->job->fn(deep->job->opaque, &finding);
}

/* ---- by offsets ---- */

static bool on_row(void *opaque, int64_t offset)
{
	audit_window_table(opaque, offset);
	return true;
}

/* Opens the window at `from`, with the table's rows in it. */
static kd_code open_window(struct deep *deep, int64_t from, kd_error *err)
{
	const struct ledger_session *ledger = deep->job->ledger;
	int64_t until = deep->segment->committed_until;

	if (until - from > WINDOW_OFFSETS)
		until = from + WINDOW_OFFSETS;
	audit_window_open(&deep->window, from, until);
	return ledger->ops->scan_offsets(ledger->session, deep->segment->topic, deep->segment->partition,
		deep->window.range, on_row, &deep->window, err);
}

/* Moves on until the window holds `offset`. */
static kd_code window_to(struct deep *deep, int64_t offset, kd_error *err)
{
	kd_code code = KD_OK;

	while (!code && offset >= deep->window.range.until && deep->window.range.until < deep->segment->committed_until) {
		audit_window_close(&deep->window);
		code = open_window(deep, deep->window.range.until, err);
	}
	return code;
}

static bool on_record(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	struct deep *deep = opaque;

	(void) timestamp_ms;
	(void) key;
	(void) key_size;
	(void) value;
	(void) value_size;
	if (window_to(deep, offset, &deep->table))
		return false;
	audit_window_kafka(&deep->window, offset);
	return true;
}

static kd_code compare_offsets(struct deep *deep, int64_t from, kd_error *err)
{
	kd_code code = open_window(deep, deep->segment->start_offset, err);

	if (!code && from < deep->segment->committed_until)
		code = kd_kafka_scan(deep->job->kafka, deep->segment->topic, deep->segment->partition, from,
			deep->segment->committed_until, on_record, deep, VERB_TIMEOUT_MS, err);
	if (deep->table.code) {
		*err = deep->table;
		return deep->table.code;
	}
	if (!code)
		code = window_to(deep, deep->segment->committed_until - 1, err);
	if (!code)
		audit_window_close(&deep->window);
	return code;
}

static void list_examples(char *text, size_t size, const int64_t *offsets, size_t n, int64_t all)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && at < size; i++)
		at += (size_t) snprintf(text + at, size - at, "%s%lld", i ? ", " : "", (long long) offsets[i]);
	if (all > (int64_t) n && at < size)
		snprintf(text + at, size - at, ", ...");
}

/* Whether a record may have no row in this table: it was dropped, is a dead letter, or its rows are in other tables. */
static int64_t excused(const struct deep *deep, const struct audit_sums *ledger)
{
	int64_t elsewhere = deep->job->has_tables ? ledger->rows - deep->window.sums.rows : 0;

	return ledger->dropped + ledger->dead_letters + (elsewhere > 0 ? elsewhere : 0);
}

static void judge_offsets(const struct deep *deep, const struct audit_sums *ledger, bool split)
{
	const struct audit_window_sums *sums = &deep->window.sums;
	int64_t without_row = excused(deep, ledger);
	char examples[200];

	list_examples(examples, sizeof examples, sums->missing_examples, sums->n_missing_examples, sums->missing);
	if (sums->missing > without_row)
		find(deep, "I1", "%lld records of Kafka are not in the table, where %lld were dropped or are dead letters: "
			"offsets %s", (long long) sums->missing, (long long) without_row, examples);
	list_examples(examples, sizeof examples, sums->doubled_examples, sums->n_doubled_examples, sums->doubled);
	if (sums->doubled && !split)
		find(deep, "I2", "%lld rows too many in the table: offsets %s", (long long) sums->doubled, examples);
	if (sums->from_gap)
		find(deep, "I10", "%lld offsets of gaps are in the table", (long long) sums->from_gap);
}

/* ---- by rows of each range, where records gave several ---- */

struct collecting {
	const struct deep *deep;
	struct audit_ranges ranges;
	bool failed;
};

/* A range that another life of the partition covers too has that one's rows as well: it is left out. */
static bool is_shared(const struct deep *deep, kd_range range)
{
	for (size_t i = 0; i < deep->window.n_others; i++)
		if (range.from < deep->window.others[i].until && deep->window.others[i].from < range.until)
			return true;
	return false;
}

static bool on_range(void *opaque, const kd_batch_row *row)
{
	struct collecting *collecting = opaque;
	const struct deep *deep = collecting->deep;

	if (row->partition_index == deep->segment->partition_index && row->state == KD_BATCH_COMMITTED &&
	    !is_shared(deep, row->range))
		collecting->failed = collecting->failed || !audit_ranges_add(&collecting->ranges, row->range, row->rows);
	return !collecting->failed;
}

static bool on_range_row(void *opaque, int64_t offset)
{
	audit_ranges_row(opaque, offset);
	return true;
}

static void judge_ranges(const struct deep *deep, const struct audit_ranges *ranges)
{
	size_t wrong;
	const struct audit_range *first = audit_ranges_judge(ranges, deep->job->has_tables, &wrong);

	if (first)
		find(deep, first->found < first->rows ? "I1" : "I2", "%zu ranges have another number of rows in the table than in "
			"the ledger; the first is [%lld, %lld) with %lld, not %lld", wrong, (long long) first->range.from,
			(long long) first->range.until, (long long) first->found, (long long) first->rows);
}

static kd_code compare_ranges(struct deep *deep, kd_error *err)
{
	const struct ledger_session *session = deep->job->ledger;
	struct collecting collecting = {.deep = deep};
	kd_ledger_view view = {.opaque = &collecting, .batch = on_range};
	kd_code code = session->ops->read_ledger(session->session, session->job, &view, err);

	if (!code && collecting.failed)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	if (!code)
		code = session->ops->scan_offsets(session->session, deep->segment->topic, deep->segment->partition,
			(kd_range){deep->segment->start_offset, deep->segment->committed_until}, on_range_row, &collecting.ranges,
			err);
	if (!code)
		judge_ranges(deep, &collecting.ranges);
	audit_ranges_done(&collecting.ranges);
	return code;
}

/* ---- by counts ---- */

struct tally {
	int32_t partition_index;
	int64_t low;
	int64_t from;    /* of the first range that Kafka still holds whole; -1: none */
	int64_t records; /* of such ranges */
};

static bool on_batch(void *opaque, const kd_batch_row *row)
{
	struct tally *tally = opaque;

	if (row->partition_index != tally->partition_index || row->state != KD_BATCH_COMMITTED ||
	    row->range.from < tally->low)
		return true;
	if (tally->from < 0)
		tally->from = row->range.from;
	tally->records += row->records + row->gap;
	return true;
}

static bool count_record(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	struct deep *deep = opaque;

	(void) offset;
	(void) timestamp_ms;
	(void) key;
	(void) key_size;
	(void) value;
	(void) value_size;
	deep->counted++;
	return true;
}

static kd_code compare_counts(struct deep *deep, const struct audit_sums *ledger, int64_t low, struct audit_deep *ret,
	kd_error *err)
{
	const struct ledger_session *session = deep->job->ledger;
	struct tally tally = {.partition_index = deep->segment->partition_index, .low = low, .from = -1};
	kd_ledger_view view = {.opaque = &tally, .batch = on_batch};
	kd_code code = session->ops->read_ledger(session->session, session->job, &view, err);

	if (!code && tally.from >= 0)
		code = kd_kafka_scan(deep->job->kafka, deep->segment->topic, deep->segment->partition, tally.from,
			deep->segment->committed_until, count_record, deep, VERB_TIMEOUT_MS, err);
	if (code)
		return code;
	ret->sums.kafka = deep->counted;
	ret->not_checkable = ledger->records - (deep->counted < tally.records ? deep->counted : tally.records);
	if (deep->counted > tally.records)
		find(deep, "I1", "from offset %lld on Kafka holds %lld records, the ledger counts %lld", (long long) tally.from,
			(long long) deep->counted, (long long) tally.records);
	snprintf(ret->note, sizeof ret->note, "rows do not carry their offset, so only counts were compared, of Kafka and "
		"the ledger; columns kafka_topic, kafka_partition and kafka_offset in the table make every record checkable");
	return KD_OK;
}

/* ---- one segment ---- */

static void add_gap(void *opaque, kd_range range)
{
	struct deep *deep = opaque;

	if (deep->ranges)
		deep->ranges[deep->n_ranges] = range;
	deep->n_ranges++;
}

static void add_others(struct deep *deep)
{
	const struct segments *segments = audit_check_segments(deep->job->check);

	for (size_t i = 0; i < segments->n; i++) {
		const kd_segment *other = &segments->items[i];

		if (other != deep->segment && other->partition == deep->segment->partition &&
		    strcmp(other->topic, deep->segment->topic) == 0)
			add_gap(deep, (kd_range){other->start_offset, other->committed_until});
	}
}

/* Counted first, then kept. */
static bool collect_ranges(struct deep *deep)
{
	size_t n_gaps = 0;

	for (int round = 0; round < 2; round++) {
		if (round && !(deep->ranges = calloc(deep->n_ranges + 1, sizeof *deep->ranges)))
			return false;
		deep->n_ranges = 0;
		audit_check_each_gap(deep->job->check, deep->segment->partition_index, add_gap, deep);
		n_gaps = deep->n_ranges;
		add_others(deep);
	}
	deep->window.gaps = deep->ranges;
	deep->window.n_gaps = n_gaps;
	deep->window.others = deep->ranges + n_gaps;
	deep->window.n_others = deep->n_ranges - n_gaps;
	return true;
}

static kd_code compare(struct deep *deep, size_t i, int64_t low, struct audit_deep *ret, kd_error *err)
{
	const struct audit_sums *ledger = audit_check_sums(deep->job->check, i);
	const kd_sink_ops *ops = deep->job->ledger->ops;
	kd_code code;

	ret->checked = true;
	ret->by_offsets = ops->scan_offsets && ops->info(deep->job->ledger->sink)->has_offsets;
	if (!ret->by_offsets)
		return compare_counts(deep, ledger, low, ret, err);
	code = compare_offsets(deep, low > deep->segment->start_offset ? low : deep->segment->start_offset, err);
	if (code)
		return code;
	/* Repeats of an offset are no findings where records gave several rows: then each range's rows are counted. */
	ret->split = ledger->rows > ledger->records - ledger->dropped - ledger->dead_letters;
	if (ret->split && (code = compare_ranges(deep, err)))
		return code;
	judge_offsets(deep, ledger, ret->split);
	if (ret->split || deep->job->has_tables)
		snprintf(ret->note, sizeof ret->note, "%s%s", ret->split ? "records gave several rows: the rows of each range were "
			"compared with the ledger's count, and offsets with Kafka's as a subset" : "",
			!deep->job->has_tables ? "" : ret->split ? "; rows in the tables of sink.tables were not counted, and a row "
			"missing here may be one of theirs"
			: "rows in the tables of sink.tables were not compared, and a row missing here may be one of theirs");
	ret->sums = deep->window.sums;
	ret->not_checkable = deep->window.sums.gone;
	return KD_OK;
}

/* Kafka's log start and end of the segment's partition. */
static kd_code ask_log(const struct deep *deep, kd_offsets *ret, kd_error *err)
{
	*ret = (kd_offsets){.topic = deep->segment->topic, .partition = deep->segment->partition, .low = -1, .high = -1};
	return kd_kafka_offsets(deep->job->kafka, ret, 1, KD_OFFSETS_LOW | KD_OFFSETS_HIGH, VERB_TIMEOUT_MS, err);
}

kd_code audit_deep_segment(const struct audit_deep_job *job, size_t i, struct audit_deep *ret, kd_error *err)
{
	struct deep deep = {.job = job, .segment = &audit_check_segments(job->check)->items[i]};
	const kd_segment *s = deep.segment;
	kd_offsets log;
	kd_code code;

	*ret = (struct audit_deep){.not_checkable = audit_check_sums(job->check, i)->records};
	if (s->closed || s->committed_until <= s->start_offset) {
		snprintf(ret->note, sizeof ret->note, "%s", s->closed ? "the segment is closed: its log may be gone" : "");
		return KD_OK;
	}
	code = ask_log(&deep, &log, err);
	if (!code && (log.low < 0 || log.high < 0))
		snprintf(ret->note, sizeof ret->note, "Kafka has no such partition, or its leader did not answer");
	else if (!code && log.high < s->committed_until) {
		find(&deep, "I1", "the log ends at %lld, before the position %lld: it is not the log that was read",
			(long long) log.high, (long long) s->committed_until);
	} else if (!code) {
		deep.window.counts = malloc(WINDOW_OFFSETS);
		if (!deep.window.counts || !collect_ranges(&deep))
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
		else
			code = compare(&deep, i, log.low, ret, err);
	}
	free(deep.window.counts);
	free(deep.ranges);
	return code;
}
