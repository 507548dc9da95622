/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_check: everything that can be known about a job before it runs: each finding a line, none hides another. */
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>
#include <kdirect/kafka.h>

#include "job_file.h"
#include "ledger_session.h"
#include "out.h"
#include "program.h"
#include "times.h"
#include "tool_log.h"
#include "verbs.h"

struct check {
	const struct args *args;
	struct out *out; /* NULL: lines for people */
	struct job_file file;
	const kd_logger *log;
	int bad;       /* findings that need a person */
	int exit_code; /* of what could not be looked at */
};

static const char *const columns[] = {"level", "what", "message", "file", "line", "column"};

/* ---- reporting ---- */

static void put(struct check *check, kd_finding_level level, const char *what, const char *message,
	const kd_diagnostic *at)
{
	static const char *const levels[] = {"ok", "note", "bad"};

	check->bad += level == KD_FINDING_BAD;
	if (check->out) {
		out_text(check->out, levels[level]);
		out_text(check->out, what);
		out_text(check->out, message);
		out_text(check->out, at ? at->file : NULL);
		out_known(check->out, at && at->line ? at->line : -1);
		out_known(check->out, at && at->line ? at->column : -1);
		out_end_row(check->out);
	} else if (at) {
		job_file_print(stdout, at);
	} else if (level != KD_FINDING_OK || !check->args->quiet) {
		printf("%-4s  %s: %s\n", levels[level], what, message);
	}
}

static void put_text(struct check *check, kd_finding_level level, const char *what, const char *format, ...)
	KD_PRINTF(4, 5);

static void put_text(struct check *check, kd_finding_level level, const char *what, const char *format, ...)
{
	char message[1024];
	va_list values;

	va_start(values, format);
	vsnprintf(message, sizeof message, format, values);
	va_end(values);
	put(check, level, what, message, NULL);
}

static void on_diagnostic(void *opaque, const kd_diagnostic *diagnostic)
{
	put(opaque, KD_FINDING_BAD, "configuration", diagnostic->message, diagnostic);
}

static void on_finding(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	put(opaque, level, what, message, NULL);
}

/* Something could not be looked at. */
static void put_error(struct check *check, const char *what, const kd_error *err)
{
	int exit_code = kd_exit_code(err->code, err);

	put(check, KD_FINDING_BAD, what, err->message, NULL);
	if (exit_code > check->exit_code)
		check->exit_code = exit_code;
}

/* ---- Kafka ---- */

static void judge_start(struct check *check, const kd_offsets *row)
{
	const kd_config *config = check->file.config;
	int64_t start = kd_config_start_offset(config, row->topic, row->partition);
	char where[300];

	snprintf(where, sizeof where, "%s/%d", row->topic, (int) row->partition);
	if (row->low < 0 || row->high < 0)
		put_text(check, KD_FINDING_BAD, where, "its leader did not answer: %s",
			rd_kafka_err2str((rd_kafka_resp_err_t) row->native));
	else if (kd_config_start(config) != KD_START_OFFSETS)
		return;
	else if (start < 0)
		put_text(check, KD_FINDING_BAD, where, "start names no offset for this partition");
	else if (start < row->low)
		put_text(check, KD_FINDING_BAD, where, "start offset %lld is no longer in the topic, which begins at %lld",
			(long long) start, (long long) row->low);
	else if (start > row->high)
		put_text(check, KD_FINDING_BAD, where, "start offset %lld is beyond the end of the topic, %lld",
			(long long) start, (long long) row->high);
}

/* What a first start would and would not read of a topic. */
static void tell_topic(struct check *check, const kd_offsets *rows, size_t n)
{
	int64_t records = 0;
	char count[TIME_SIZE];

	for (size_t i = 0; i < n; i++)
		if (rows[i].low >= 0 && rows[i].high > rows[i].low)
			records += rows[i].high - rows[i].low;
	put_text(check, KD_FINDING_OK, rows[0].topic, "%zu partitions, %s offsets", n, count_text(records, count));
	if (kd_config_start(check->file.config) == KD_START_LATEST && records)
		put_text(check, KD_FINDING_NOTE, rows[0].topic,
			"a first start at \"latest\" does not read the %s offsets that are "
			"there now; \"start\": \"earliest\" does",
			count_text(records, count));
}

static bool enough(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	(void) opaque, (void) offset, (void) timestamp_ms, (void) key, (void) key_size, (void) value, (void) value_size;
	return false;
}

/* Whoever may describe a topic is told its offsets; only reading shows who may not read.  An empty topic shows
 * nothing. */
static void try_to_read(struct check *check, kd_kafka *kafka, const kd_offsets *rows, size_t n)
{
	kd_error err = {0};
	size_t i = 0;

	while (i < n && (rows[i].low < 0 || rows[i].low >= rows[i].last_stable))
		i++;
	if (i < n && kd_kafka_scan(kafka, rows[i].topic, rows[i].partition, rows[i].low, rows[i].low + 1, enough, NULL,
			VERB_TIMEOUT_MS, &err))
		put_error(check, rows[i].topic, &err);
}

static void check_topic(struct check *check, kd_kafka *kafka, const kd_topic *topic)
{
	const int what = KD_OFFSETS_LOW | KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH;

	kd_offsets *rows = calloc((size_t) topic->partitions, sizeof *rows);
	kd_error err = {0};

	if (!rows) {
		(void) kd_error_set(&err, KD_ENOMEM, KD_STOP, "no memory");
		put_error(check, topic->name, &err);
		return;
	}
	for (int32_t i = 0; i < topic->partitions; i++)
		rows[i] = (kd_offsets){.topic = topic->name, .partition = i, .low = -1, .last_stable = -1, .high = -1};
	if (kd_kafka_offsets(kafka, rows, (size_t) topic->partitions, what, VERB_TIMEOUT_MS, &err))
		put_error(check, topic->name, &err);
	else {
		tell_topic(check, rows, (size_t) topic->partitions);
		for (int32_t i = 0; i < topic->partitions; i++)
			judge_start(check, &rows[i]);
		try_to_read(check, kafka, rows, (size_t) topic->partitions);
	}
	free(rows);
}

static void check_topics(struct check *check, kd_kafka *kafka)
{
	for (size_t i = 0; i < kd_config_topic_count(check->file.config); i++) {
		const char *name = kd_config_topic(check->file.config, i);
		kd_topic *topics = NULL;
		kd_error err = {0};
		size_t n = 0;

		if (kd_kafka_topics(kafka, &name, 1, VERB_TIMEOUT_MS, &topics, &n, &err))
			put_error(check, name, &err);
		for (size_t j = 0; j < n; j++)
			check_topic(check, kafka, &topics[j]);
		kd_topics_free(topics, n);
	}
}

static void check_kafka(struct check *check)
{
	kd_kafka *kafka = NULL;
	kd_error err = {0};
	const char *cluster;

	if (kd_kafka_open_config(check->file.config, check->log, VERB_TIMEOUT_MS, &kafka, &err)) {
		put_error(check, "kafka", &err);
		return;
	}
	cluster = kd_kafka_cluster_id(kafka);
	put_text(check, KD_FINDING_OK, "kafka", "cluster %s answers", cluster ? cluster : "(without an id)");
	check_topics(check, kafka);
	kd_kafka_close(kafka);
}

/* ---- the verb ---- */

static void check_sink(struct check *check)
{
	kd_sink_context context = {.ops = check->file.sink, .config = check->file.config, .log = check->log,
		.read_only = true};
	kd_error err = {0};

	if (!check->file.sink->check)
		put_text(check, KD_FINDING_OK, "sink", "\"%s\" has nothing to look at", check->file.sink->name);
	else if (check->file.sink->check(&context, on_finding, check, &err))
		put_error(check, "sink", &err);
}

static kd_code ignore_row(void *opaque, const kd_record *record, kd_error *err)
{
	(void) opaque, (void) record, (void) err;
	return KD_OK;
}

/* What stands between a record and the sink. */
static void tell_parts(struct check *check)
{
	static const char *const meanings[] = {
		[KD_GUARANTEE_NONE] = "the sink keeps nothing",
		[KD_GUARANTEE_KEYED] = ("every record is put at least once, in order; a repetition has the same identifier, key "
			"and content"),
		[KD_GUARANTEE_EXACTLY_ONCE] = "rows and ledger move in one transaction",
	};
	const struct job_file *file = &check->file;

	put_text(check, KD_FINDING_OK, "guarantee", "%s: %s", kd_guarantee_name(file->sink->guarantee),
		meanings[file->sink->guarantee]);
	if (file->decoder)
		put_text(check, KD_FINDING_OK, "decoder", "\"%s\": %s", file->decoder->name,
			file->decoder->summary ? file->decoder->summary : "");
	else if (file->transform)
		put_text(check, KD_FINDING_OK, "decoder", "none named: \"json\" where the sink's layout is fields, else \"raw\"");
	if (file->transform)
		put_text(check, KD_FINDING_OK, "transform", "\"%s\": %s", file->transform->name,
			file->transform->summary ? file->transform->summary : "");
	if (file->transform && file->transform->look_up && !file->sink->query)
		put_text(check, KD_FINDING_BAD, "transform", "\"%s\" looks up in the sink's tables, and the sink \"%s\" has none to "
			"read", file->transform->name, file->sink->name);
}

/* Decoder and transform as a worker opens them: what they have against their configuration. */
static void open_parts(struct check *check)
{
	const struct job_file *file = &check->file;
	kd_job_options options = job_file_options(file, check->log);
	kd_try *trial = NULL;
	kd_error err = {0};

	if ((!file->decoder && !file->transform) || (file->transform && file->transform->look_up))
		return;
	if (kd_try_open(file->config, &options, ignore_row, NULL, &trial, &err))
		put_error(check, file->transform ? "transform" : "decoder", &err);
	kd_try_close(trial);
}

static int print_sql(struct check *check)
{
	kd_sink_context context = {.ops = check->file.sink, .config = check->file.config, .log = check->log,
		.read_only = true};
	kd_buf sql = {0};
	kd_error err = {0};

	if (!check->file.sink->ddl) {
		fprintf(stderr, "%s check: the sink \"%s\" has no SQL\n", program_name(), check->file.sink->name);
		return 2;
	}
	if (check->file.sink->ddl(&context, &sql, &err))
		fprintf(stderr, "%s check: %s\n", program_name(), err.message);
	else
		fwrite(sql.data, 1, sql.size, stdout);
	kd_buf_done(&sql);
	return kd_exit_code(err.code, &err);
}

static int look(struct check *check)
{
	kd_error err = {0};
	kd_code code = job_file_open(check->args, check->args->operands[0], on_diagnostic, check, &check->file, &err);

	if (code) {
		/* Findings were told one by one; what is left is what ended the reading. */
		if (check->bad == 0)
			put_error(check, "configuration", &err);
		return kd_exit_code(code, &err);
	}
	if (check->args->sql)
		return print_sql(check);
	put_text(check, KD_FINDING_OK, "configuration", "job \"%s\", sink \"%s\"",
		kd_config_string(check->file.config, "job"), check->file.sink->name);
	tell_parts(check);
	if (check->args->offline)
		return check->bad ? 1 : 0;
	open_parts(check);
	check_sink(check);
	check_kafka(check);
	return check->exit_code ? check->exit_code : check->bad ? 1 : 0;
}

static int check_file(const struct args *args)
{
	struct log_out *log = tool_log_open(args, KD_LOG_WARN);
	struct check check = {.args = args, .log = log ? log_out_logger(log) : NULL};
	int exit_code = 4;

	if ((args->json || args->csv) && !args->sql)
		check.out = out_open(stdout, out_format_of(args), columns, sizeof columns / sizeof columns[0]);
	if (log && (check.out || !(args->json || args->csv) || args->sql))
		exit_code = look(&check);
	else
		fprintf(stderr, "%s check: no memory\n", program_name());
	if (check.out && !out_close(check.out))
		exit_code = 4;
	job_file_done(&check.file);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_FLAG, 0, "offline", NULL, NULL, NULL, 0, 0, "the job file only: contact nothing",
	 offsetof(struct args, offline)},
	{ARG_FLAG, 0, "sql", NULL, NULL, NULL, 0, 0,
	 "print the SQL that makes ledger and table, and the least rights; contact nothing", offsetof(struct args, sql)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_job, args_output, args_common, NULL};

const struct verb verb_check = {
	.name = "check",
	.group = "Before it runs",
	.summary = "every mistake in a job at once, and whether its servers are fit for it",
	.usage = "JOB [OPTION]...",
	.examples =
		"$0 check orders.json\n"
		"    the file, then brokers, topics, start position, table, columns, types, rights\n"
		"$0 check orders.json --offline\n"
		"    the file only, for an editor or a commit hook\n"
		"$0 check orders.json --sql | psql app\n"
		"    make ledger and table by hand, where the job's role may not\n",
	.text =
		"Reads the job file and tells every mistake, of meaning too, each with file:line:column. Where the file is "
		"right it asks the brokers and the database: do the topics exist, is the start position still in them, can the "
		"table give the guarantee, do its columns take the data, may the role do it all. Changes nothing.",
	.options = options,
	.exits =
		"0  nothing found\n"
		"1  a server is there but not fit: a finding is marked \"bad\"\n"
		"2  the job file is wrong, or usage\n"
		"4  a server did not answer\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_check,
};

int cmd_check(int argc, char **argv)
{
	return args_run(&verb_check, argc, argv, check_file);
}
