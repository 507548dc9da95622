/* SPDX-License-Identifier: Apache-2.0 */
/* audit_report: see audit_report.h. */
#include "audit_report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "times.h"

enum { SHOWN = 20 };

struct totals {
	size_t partitions;
	int64_t offsets, ranges, records, rows, gap;
	int64_t both, not_checkable;
	bool by_offsets;
};

bool audit_report_proved(const struct audit_report *report)
{
	return report->all_findings == 0 && !(report->strict && report->all_gaps);
}

static struct totals add_up(const struct audit_report *report)
{
	const struct segments *segments = audit_check_segments(report->check);
	struct totals totals = {.by_offsets = true};

	for (size_t i = 0; i < segments->n; i++) {
		const struct audit_sums *sums = audit_check_sums(report->check, i);

		totals.partitions += !segments->items[i].closed;
		totals.offsets += segments->items[i].committed_until - segments->items[i].start_offset;
		totals.ranges += sums->ranges;
		totals.records += sums->records;
		totals.rows += sums->rows;
		totals.gap += sums->gap;
		if (!report->deep)
			continue;
		totals.both += report->deep[i].by_offsets ? report->deep[i].sums.both : 0;
		totals.not_checkable += report->deep[i].not_checkable;
		totals.by_offsets = totals.by_offsets && (report->deep[i].by_offsets || !report->deep[i].checked);
	}
	return totals;
}

/* ---- for people ---- */

static void print_segments(const struct audit_report *report, FILE *to)
{
	static const char *const columns[] = {"topic", "partition", "segment", "start", "committed", "ranges", "records",
		"rows", "dropped", "dead_letters", "gap", "planned", "kafka", "in_table", "gone"};
	const struct segments *segments = audit_check_segments(report->check);
	struct out *out = out_open(to, OUT_TABLE, columns, report->deep ? 15 : 12);

	for (size_t i = 0; out && i < segments->n; i++) {
		const kd_segment *segment = &segments->items[i];
		const struct audit_sums *sums = audit_check_sums(report->check, i);
		const int64_t numbers[] = {segment->start_offset, segment->committed_until, sums->ranges, sums->records,
			sums->rows, sums->dropped, sums->dead_letters, sums->gap, sums->planned};
		char number[32];

		out_text(out, segment->topic);
		out_number(out, segment->partition);
		snprintf(number, sizeof number, "%d%s", segment->segment, segment->closed ? " closed" : "");
		out_text(out, number);
		for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++)
			out_number(out, numbers[j]);
		if (report->deep) {
			out_known(out, report->deep[i].checked ? report->deep[i].sums.kafka : -1);
			out_known(out, report->deep[i].by_offsets ? report->deep[i].sums.both : -1);
			out_known(out, report->deep[i].not_checkable);
		}
		out_end_row(out);
	}
	(void) out_close(out);
}

static void print_gaps(const struct audit_report *report, FILE *to)
{
	char time[TIME_SIZE];

	for (size_t i = 0; i < report->n_gaps && i < SHOWN; i++) {
		const kd_gap *gap = &report->gaps[i];
		const kd_segment *segment = segments_find(audit_check_segments(report->check), gap->partition_index);

		fprintf(to, "gap  %s/%d@%lld..%lld, %s, by %s: %s\n", segment ? segment->topic : "?",
			segment ? (int) segment->partition : -1, (long long) gap->range.from, (long long) gap->range.until,
			time_text(gap->at_ms, time), gap->who, gap->reason);
	}
	if (report->all_gaps > SHOWN)
		fprintf(to, "gap  and %lld more\n", (long long) report->all_gaps - SHOWN);
}

static void print_findings(const struct audit_report *report, FILE *to)
{
	for (size_t i = 0; i < report->n_findings && i < SHOWN; i++) {
		const struct audit_finding *finding = &report->findings[i];

		fprintf(to, "FINDING %s  ", finding->invariant);
		if (finding->segment && finding->range.until > finding->range.from)
			fprintf(to, "%s/%d@%lld..%lld: ", finding->segment->topic, (int) finding->segment->partition,
				(long long) finding->range.from, (long long) finding->range.until);
		else if (finding->segment)
			fprintf(to, "%s/%d: ", finding->segment->topic, (int) finding->segment->partition);
		fprintf(to, "%s\n", finding->text);
	}
	if (report->all_findings > SHOWN)
		fprintf(to, "FINDING and %lld more; --json lists up to %d\n", (long long) report->all_findings - SHOWN,
			REPORT_FINDINGS);
}

/* What the verdict does not say, where the sink has no transactions. */
static void print_guarantee(const struct audit_report *report, FILE *to)
{
	if (report->guarantee == KD_GUARANTEE_KEYED)
		fprintf(to, "note: the sink is keyed: proved is that every range was put whole, in order, and confirmed before its "
			"position moved; not proved, since the target has no transactions, is how often a record was put: it may be "
			"repeated, with the same identifier, key and content\n");
	if (report->guarantee == KD_GUARANTEE_NONE)
		fprintf(to, "note: the sink keeps no rows: only the ledger was looked at\n");
}

/* Why parts were not checked: each reason once. */
static void print_notes(const struct audit_report *report, FILE *to)
{
	print_guarantee(report, to);
	size_t n = report->deep ? audit_check_segments(report->check)->n : 0;

	for (size_t i = 0; i < n; i++) {
		bool is_new = report->deep[i].note[0] != '\0';

		for (size_t j = 0; is_new && j < i; j++)
			is_new = strcmp(report->deep[i].note, report->deep[j].note) != 0;
		if (is_new)
			fprintf(to, "note: %s\n", report->deep[i].note);
	}
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static void print_verdict(const struct audit_report *report, const struct totals *totals, FILE *to)
{
	char offsets[TIME_SIZE], ranges[TIME_SIZE], gap[TIME_SIZE], both[TIME_SIZE], gone[TIME_SIZE];

	if (!audit_report_proved(report)) {
		fprintf(to, "NOT proved: %lld finding%s", (long long) report->all_findings, plural(report->all_findings));
		if (report->strict && report->all_gaps)
			fprintf(to, ", %lld recorded gap%s", (long long) report->all_gaps, plural(report->all_gaps));
		fputc('\n', to);
		return;
	}
	fprintf(to, "proved: %zu partition%s, %s offset%s in %s range%s, nothing missing, %s",
		totals->partitions, plural((int64_t) totals->partitions), count_text(totals->offsets, offsets),
		plural(totals->offsets), count_text(totals->ranges, ranges), plural(totals->ranges),
		report->guarantee == KD_GUARANTEE_KEYED ? "no range twice" : "nothing double");
	if (totals->gap)
		fprintf(to, "; %s offset%s given up and recorded", count_text(totals->gap, gap), plural(totals->gap));
	fputc('\n', to);
	if (report->deep && totals->by_offsets)
		fprintf(to, "deep: %s records compared one by one with Kafka, %s that Kafka no longer holds were not\n",
			count_text(totals->both, both), count_text(totals->not_checkable, gone));
}

void audit_report_people(const struct audit_report *report, FILE *to)
{
	struct totals totals = add_up(report);

	fprintf(to, "job \"%s\" into %s, Kafka cluster %s, %s, %s", report->job, report->target, report->cluster_id,
		report->isolation, kd_guarantee_name(report->guarantee));
	if (report->decoder)
		fprintf(to, ", decoder %s", report->decoder);
	if (report->transform)
		fprintf(to, ", transform %s", report->transform);
	fputs("\n\n", to);
	print_segments(report, to);
	fputc('\n', to);
	print_gaps(report, to);
	print_findings(report, to);
	print_notes(report, to);
	print_verdict(report, &totals, to);
}

/* ---- for programs ---- */

static json_t *deep_json(const struct audit_deep *deep)
{
	return json_pack("{s:b s:b s:b s:I s:I s:I s:I s:I s:I s:s}", "checked", deep->checked, "by_offsets",
		deep->by_offsets, "split", deep->split, "kafka", (json_int_t) deep->sums.kafka, "rows",
		(json_int_t) deep->sums.rows, "both", (json_int_t) deep->sums.both, "missing", (json_int_t) deep->sums.missing, "double",
		(json_int_t) deep->sums.doubled, "not_checkable", (json_int_t) deep->not_checkable, "note", deep->note);
}

static json_t *segment_json(const struct audit_report *report, size_t i)
{
	const kd_segment *s = &audit_check_segments(report->check)->items[i];
	const struct audit_sums *sums = audit_check_sums(report->check, i);
	json_t *json = json_pack("{s:s s:i s:i s:i s:b s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I s:I}", "topic", s->topic,
		"partition", (int) s->partition, "segment", (int) s->segment, "partition_index", (int) s->partition_index,
		"closed", s->closed, "start", (json_int_t) s->start_offset, "committed", (json_int_t) s->committed_until,
		"planned", (json_int_t) s->planned_until, "ranges", (json_int_t) sums->ranges, "records",
		(json_int_t) sums->records, "rows", (json_int_t) sums->rows, "dropped", (json_int_t) sums->dropped,
		"dead_letters", (json_int_t) sums->dead_letters, "gap", (json_int_t) sums->gap, "planned_ranges",
		(json_int_t) sums->planned, "withdrawn_ranges", (json_int_t) sums->withdrawn);

	if (json && report->deep && json_object_set_new(json, "deep", deep_json(&report->deep[i]))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static json_t *finding_json(const struct audit_finding *finding)
{
	const kd_segment *s = finding->segment;

	return json_pack("{s:s s:s? s:o s:o s:I s:I s:s}", "invariant", finding->invariant, "topic", s ? s->topic : NULL,
		"partition", s ? json_integer(s->partition) : json_null(), "segment",
		s ? json_integer(s->segment) : json_null(), "from", (json_int_t) finding->range.from, "until",
		(json_int_t) finding->range.until, "message", finding->text);
}

static json_t *gap_json(const struct audit_report *report, const kd_gap *gap)
{
	const kd_segment *s = segments_find(audit_check_segments(report->check), gap->partition_index);
	char time[TIME_SIZE];

	return json_pack("{s:s? s:o s:I s:I s:s s:s s:s}", "topic", s ? s->topic : NULL, "partition",
		s ? json_integer(s->partition) : json_null(), "from", (json_int_t) gap->range.from, "until",
		(json_int_t) gap->range.until, "at", time_text(gap->at_ms, time), "who", gap->who, "reason", gap->reason);
}

static json_t *lists_json(const struct audit_report *report)
{
	json_t *segments = json_array(), *findings = json_array(), *gaps = json_array();
	bool ok = segments && findings && gaps;

	for (size_t i = 0; ok && i < audit_check_segments(report->check)->n; i++)
		ok = json_array_append_new(segments, segment_json(report, i)) == 0;
	for (size_t i = 0; ok && i < report->n_findings; i++)
		ok = json_array_append_new(findings, finding_json(&report->findings[i])) == 0;
	for (size_t i = 0; ok && i < report->n_gaps; i++)
		ok = json_array_append_new(gaps, gap_json(report, &report->gaps[i])) == 0;
	if (ok)
		return json_pack("{s:o s:o s:o}", "segments", segments, "findings", findings, "gaps", gaps);
	json_decref(segments);
	json_decref(findings);
	json_decref(gaps);
	return NULL;
}

bool audit_report_json(const struct audit_report *report, FILE *to)
{
	struct totals totals = add_up(report);
	json_t *json = json_pack("{s:s s:s s:s s:s? s:s? s:s s:s s:b s:i s:I s:I s:I s:I s:I s:I s:I}", "job", report->job,
		"target", report->target, "guarantee", kd_guarantee_name(report->guarantee), "decoder", report->decoder,
		"transform", report->transform, "cluster_id", report->cluster_id, "isolation", report->isolation, "proved",
		audit_report_proved(report), "partitions", (int) totals.partitions, "offsets", (json_int_t) totals.offsets,
		"ranges", (json_int_t) totals.ranges, "records", (json_int_t) totals.records, "rows", (json_int_t) totals.rows,
		"gap_offsets", (json_int_t) totals.gap, "finding_count", (json_int_t) report->all_findings, "gap_count",
		(json_int_t) report->all_gaps);
	json_t *lists = lists_json(report);
	bool ok = json && lists && json_object_update(json, lists) == 0 && json_dumpf(json, to, JSON_INDENT(1)) == 0;

	if (ok)
		fputc('\n', to);
	json_decref(json);
	json_decref(lists);
	return ok;
}
