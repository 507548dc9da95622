/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_plan: what the next batch would be, by the same planner that runs jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>
#include <kdirect/kafka.h>

#include "ledger_session.h"
#include "out.h"
#include "program.h"
#include "range_arg.h"
#include "tool_log.h"
#include "verbs.h"

static const char *const columns[] = {
	"topic", "partition", "partition_index", "committed", "planned", "from", "until", "records", "left", "cap",
	"last_stable", "high",
};

static bool is_wanted(const struct args *args, const kd_plan_row *row)
{
	bool topic = args->topics.n == 0;

	for (size_t i = 0; i < args->topics.n; i++)
		topic = topic || strcmp(args->topics.items[i], row->topic) == 0;
	return topic && partitions_hold(args->partitions, row->partition);
}

static void put_row(struct out *out, const kd_plan_row *row)
{
	out_text(out, row->topic);
	out_number(out, row->partition);
	out_known(out, row->partition_index);
	out_known(out, row->committed_until);
	out_known(out, row->planned_until);
	out_known(out, row->range.from);
	out_known(out, row->range.until);
	out_number(out, row->range.until - row->range.from);
	out_known(out, row->end < 0 ? -1 : row->end > row->range.until ? row->end - row->range.until : 0);
	out_text(out, kd_cap_name(row->cap));
	out_known(out, row->end);
	out_known(out, row->high);
	out_end_row(out);
}

static kd_code print_plan(const struct args *args, const struct job_file *file, struct ledger_session *ledger,
	const kd_logger *log, kd_error *err)
{
	kd_kafka *kafka = NULL;
	kd_plan_row *rows = NULL;
	size_t n = 0;
	struct out *out = NULL;
	kd_code code = kd_kafka_open_config(file->config, log, VERB_TIMEOUT_MS, &kafka, err);

	if (!code)
		code = kd_plan_preview(file->config, file->sink, ledger->session, kafka, &rows, &n, err);
	if (!code) {
		out = out_open(stdout, out_format_of(args), columns, sizeof columns / sizeof columns[0]);
		for (size_t i = 0; out && i < n; i++)
			if (is_wanted(args, &rows[i]))
				put_row(out, &rows[i]);
		if (!out_close(out))
			code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	}
	free(rows);
	if (kafka)
		kd_kafka_close(kafka);
	return code;
}

static int plan_file(const struct args *args)
{
	struct log_out *log = tool_log_open(args, KD_LOG_WARN);
	struct ledger_session ledger = {0};
	struct job_file file = {0};
	kd_error err = {0};
	int exit_code = log ? job_file_or_exit(args, "plan", args->operands[0], &file) : 4;

	if (exit_code == 0) {
		if (ledger_session_open(&file, log_out_logger(log), &ledger, &err) == KD_OK)
			(void) print_plan(args, &file, &ledger, log_out_logger(log), &err);
		if (err.code)
			fprintf(stderr, "%s plan: %s\n", program_name(), err.message);
		exit_code = kd_exit_code(err.code, &err);
	}
	ledger_session_close(&ledger);
	job_file_done(&file);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option *const options[] = {args_topics, args_job, args_output, args_common, NULL};

const struct verb verb_plan = {
	.name = "plan",
	.group = "Before it runs",
	.summary = "the next batch's ranges, and why each ends where it does",
	.usage = "JOB [OPTION]...",
	.examples =
		"$0 plan orders.json\n"
		"    the ranges that the next batch would have\n"
		"$0 plan orders.json --set batch.max_records_per_batch=10000\n"
		"    what a limit would do\n",
	.text =
		"Computes the next batch from the ledger and from Kafka as they are now, and changes nothing. cap says why a "
		"range ends where it does: at the end of what may be read, at a limit of the job file, or at an open "
		"transaction. left is what stays for later batches. A partition that the job has not seen yet has no "
		"partition_index.",
	.options = options,
	.exits =
		"0  ok\n"
		"1  needs a person: the target is refused\n"
		"2  usage or configuration\n"
		"4  a server did not answer\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_plan,
};

int cmd_plan(int argc, char **argv)
{
	return args_run(&verb_plan, argc, argv, plan_file);
}
