/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_offsets: shows an offset_table.  Which columns there are depends on what was asked for; all of them are in every
 * row, so that JSON is one array of objects with the same members. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>

#include "offset_table.h"
#include "out.h"
#include "program.h"
#include "times.h"
#include "tool_log.h"
#include "verbs.h"

enum { MOST_COLUMNS = 20 };

/* Programs get the column always. */
static bool has_errors(const struct offset_table *table)
{
	bool any = table->args->json || table->args->csv;

	for (size_t i = 0; !any && i < table->n; i++)
		any = table->kafka_rows[i].native != 0;
	return any;
}

static size_t columns_of(const struct offset_table *table, const char *columns[MOST_COLUMNS])
{
	static const char *const always[] = {"topic", "partition", "low", "last_stable", "high"};
	static const char *const of_job[] = {
		"planned", "committed", "lag", "lag_seconds", "headroom", "last_commit", "state"};
	size_t n = 0;

	for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
		columns[n++] = always[i];
	if (table->at_ms >= 0)
		columns[n++] = "at_time";
	if (table->args->group) {
		columns[n++] = "group_committed";
		columns[n++] = "group_lag";
	}
	for (size_t i = 0; table->file && i < sizeof of_job / sizeof of_job[0]; i++)
		columns[n++] = of_job[i];
	if (!table->file)
		columns[n++] = "offsets";
	if (has_errors(table))
		columns[n++] = "error";
	return n;
}

/* The age of the first record that is not landed; 0 where nothing waits. */
static int64_t lag_seconds(const struct offset_row *row)
{
	int64_t lag = offset_lag(&row->facts), age_ms = now_ms() - row->waiting_since_ms;

	if (lag <= 0 || row->waiting_since_ms <= 0)
		return lag == 0 ? 0 : -1;
	return age_ms > 0 ? age_ms / 1000 : 0;
}

static void put_job(struct out *out, const struct offset_row *row)
{
	const struct offset_facts *facts = &row->facts;
	bool known = facts->committed >= 0;

	out_known(out, facts->planned);
	out_known(out, facts->committed);
	out_known(out, offset_lag(facts));
	out_known(out, lag_seconds(row));
	if (known && facts->low >= 0)
		out_number(out, facts->committed - facts->low);
	else
		out_null(out);
	if (facts->since_commit_ms >= 0)
		out_time(out, now_ms() - facts->since_commit_ms);
	else
		out_null(out);
	out_text(out, offset_state_name(row->state));
}

static void put_error(struct out *out, int native)
{
	out_text(out, native ? rd_kafka_err2str((rd_kafka_resp_err_t) native) : NULL);
}

static int64_t span(int64_t from, int64_t until)
{
	return from < 0 || until < 0 ? -1 : until > from ? until - from : 0;
}

static void put_row(struct out *out, const struct offset_table *table, const kd_offsets *kafka,
	const struct offset_row *row, bool has_error)
{
	out_text(out, kafka->topic);
	out_number(out, kafka->partition);
	out_known(out, kafka->low);
	out_known(out, kafka->last_stable);
	out_known(out, kafka->high);
	if (table->at_ms >= 0)
		out_known(out, kafka->at_time);
	if (table->args->group) {
		out_known(out, kafka->group);
		out_known(out, span(kafka->group, kafka->last_stable));
	}
	if (table->file)
		put_job(out, row);
	else
		out_known(out, span(kafka->low, kafka->high));
	if (has_error)
		put_error(out, kafka->native);
	out_end_row(out);
}

/* The sums of a topic's rows [first, end), for people. */
static void put_total(struct out *out, const struct offset_table *table, size_t first, size_t end, bool has_error)
{
	int64_t offsets = 0, lag = 0, group_lag = 0;

	for (size_t i = first; i < end; i++) {
		const kd_offsets *kafka = &table->kafka_rows[i];
		int64_t behind = offset_lag(&table->rows[i].facts);

		offsets += kafka->low >= 0 && kafka->high >= 0 ? span(kafka->low, kafka->high) : 0;
		group_lag += kafka->group >= 0 ? span(kafka->group, kafka->last_stable) : 0;
		lag += behind > 0 ? behind : 0;
	}
	out_table_only(out, true);
	out_text(out, table->kafka_rows[first].topic);
	out_text(out, "all");
	for (int i = 0; i < 3 + (table->at_ms >= 0); i++)
		out_text(out, "");
	if (table->args->group) {
		out_text(out, "");
		out_number(out, group_lag);
	}
	for (int i = 0; table->file && i < 7; i++)
		if (i == 2)
			out_number(out, lag);
		else
			out_text(out, "");
	if (!table->file)
		out_number(out, offsets);
	if (has_error)
		out_text(out, "");
	out_end_row(out);
	out_table_only(out, false);
}

static bool print_table(const struct offset_table *table)
{
	const char *columns[MOST_COLUMNS];
	bool has_error = has_errors(table);
	size_t n = columns_of(table, columns), first = 0;
	struct out *out = out_open(stdout, out_format_of(table->args), columns, n);

	for (size_t i = 0; out && i < table->n; i++) {
		put_row(out, table, &table->kafka_rows[i], &table->rows[i], has_error);
		if (i + 1 < table->n && strcmp(table->kafka_rows[i].topic, table->kafka_rows[i + 1].topic) == 0)
			continue;
		if (i > first)
			put_total(out, table, first, i + 1, has_error);
		first = i + 1;
	}
	return out_close(out);
}

/* 1 where a person is needed, and says why in one line. */
static int judge(const struct offset_table *table)
{
	const struct args *args = table->args;
	size_t bad = 0, over = 0;

	for (size_t i = 0; table->file && i < table->n; i++) {
		bad += offset_state_needs_person(table->rows[i].state);
		over += args->max_lag >= 0 && offset_lag(&table->rows[i].facts) > args->max_lag;
	}
	if (bad && !args->quiet)
		fprintf(stderr, "%s offsets: %zu partitions are LOST, in DRIFT or STALLED\n", program_name(), bad);
	if (over && !args->quiet)
		fprintf(stderr, "%s offsets: the lag of %zu partitions is over %lld\n", program_name(), over,
			(long long) args->max_lag);
	return bad || over ? 1 : 0;
}

static int show(struct offset_table *table)
{
	kd_error err = {0};
	int exit_code;

	if (offset_table_fill(table, &err) == KD_OK) {
		exit_code = judge(table);
		if (print_table(table))
			return exit_code;
		(void) kd_error_set(&err, KD_ENOMEM, KD_STOP, "no memory");
	}
	fprintf(stderr, "%s offsets: %s\n", program_name(), err.message);
	return kd_exit_code(err.code, &err);
}

static int show_offsets(const struct args *args)
{
	struct log_out *log = tool_log_open(args, KD_LOG_INFO);
	struct job_file file = {0};
	struct offset_table table = {.args = args, .log = log ? log_out_logger(log) : NULL, .at_ms = -1};
	int exit_code = log ? 0 : 4;

	if (args->at && !kd_parse_time(args->at, now_ms(), &table.at_ms)) {
		fprintf(stderr,
			"%s offsets: --at \"%s\": neither a time such as 2026-01-31T12:00:00Z nor one from now such as -1h\n",
			program_name(), args->at);
		exit_code = 2;
	} else if (args->max_lag >= 0 && args->n_operands == 0) {
		fprintf(stderr, "%s offsets: --max-lag needs a JOB\n", program_name());
		exit_code = 2;
	} else if (exit_code == 0 && args->n_operands) {
		exit_code = job_file_or_exit(args, "offsets", args->operands[0], &file);
		table.file = &file;
	}
	if (exit_code == 0)
		exit_code = show(&table);
	offset_table_done(&table);
	job_file_done(&file);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_TEXT, 'g', "group", "GROUP", NULL, NULL, 0, 0, "also the offsets that this consumer group has committed",
	 offsetof(struct args, group)},
	{ARG_TEXT, 0, "at", "TIME", NULL, NULL, 0, 0,
	 "also the first offset at or after a time: 2026-01-31T12:00:00Z, or from now: -1h", offsetof(struct args, at)},
	{ARG_INT, 0, "max-lag", "NUMBER", NULL, NULL, 0, INT64_MAX,
	 "exit 1 where a partition lags more than so many offsets", offsetof(struct args, max_lag)},
	{ARG_INT, 0, "blocked-after", "SECONDS", "10", NULL, 0, 3600,
	 "how long an open transaction must hold a partition to be called BLOCKED", offsetof(struct args, blocked_after_s)},
	{ARG_FLAG, 0, "no-witness", NULL, NULL, NULL, 0, 0,
	 "do not read the job's last record again to see whether it is still the same log",
	 offsetof(struct args, no_witness)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {args_topics, own, args_job, args_output, args_common, NULL};

const struct verb verb_offsets = {
	.name = "offsets",
	.group = "Look at a job",
	.summary = "what each partition holds, and where a job or group stands in it",
	.usage = "[JOB] [OPTION]...",
	.examples =
		"$0 offsets -b localhost:9092\n"
		"    low, last stable and high offset of all partitions of a cluster\n"
		"$0 offsets -b localhost:9092 -t orders --at -1h\n"
		"    the offset of each partition an hour ago\n"
		"$0 offsets -b localhost:9092 -t orders -g billing\n"
		"    what a consumer group has committed, and its lag\n"
		"$0 offsets orders.json --max-lag 100000 -q >/dev/null || page somebody\n"
		"    where a job stands; for monitoring, by exit code\n"
		"$0 offsets orders.json --json | jq '[.[].lag] | add'\n"
		"    one array of flat objects\n",
	.text =
		"Works on any cluster and needs no rights on groups unless -g is given. low is the log's start, last_stable "
		"the end of what read_committed delivers, high the end of the log.\n\n"
		"With a JOB also: planned and committed offsets from its ledger, lag (what is to be read), lag_seconds (how "
		"long the first record that is not landed has been in Kafka), headroom (committed - low: how far retention is away), "
		"and a state, the first of these that holds:\n\n"
		"LOST: committed is below low, offsets are gone that were not read. "
		"DRIFT: committed is beyond the end, or the log is not the one that was read. "
		"BLOCKED: an open transaction has held the partition for --blocked-after. "
		"STALLED: there is something to read, and nothing was committed for ten intervals, a minute at least. "
		"BEHIND: there is something to read. OK.",
	.options = options,
	.exits =
		"0  ok\n"
		"1  a partition is LOST, in DRIFT or STALLED, or its lag is over --max-lag; no such topic\n"
		"2  usage or configuration\n"
		"4  a server did not answer\n",
	.min_operands = 0,
	.max_operands = 1,
	.run = cmd_offsets,
};

int cmd_offsets(int argc, char **argv)
{
	return args_run(&verb_offsets, argc, argv, show_offsets);
}
