/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_batches: a job's last batches from its ledger, one row a batch partition, newest first. */
#include <stdio.h>
#include <string.h>

#include <kdirect/job.h>

#include "ledger_session.h"
#include "out.h"
#include "program.h"
#include "range_arg.h"
#include "tool_log.h"
#include "verbs.h"

static const char *const columns[] = {
	"batch_time", "batch_time_ms", "topic", "partition", "partition_index", "from", "until", "state",
	"records", "rows", "dropped", "dead_letters", "gap", "delay_ms",
};

struct listing {
	const struct args *args;
	struct out *out;
	struct segments segments;
};

static bool is_wanted(const struct args *args, const kd_segment *segment)
{
	bool topic = args->topics.n == 0;

	for (size_t i = 0; i < args->topics.n; i++)
		topic = topic || strcmp(args->topics.items[i], segment->topic) == 0;
	return topic && partitions_hold(args->partitions, segment->partition);
}

static const char *state_text(kd_batch_state state)
{
	switch (state) {
	case KD_BATCH_PLANNED: return "planned";
	case KD_BATCH_COMMITTED: return "committed";
	case KD_BATCH_WITHDRAWN: return "withdrawn";
	case KD_BATCH_ABSENT: break;
	}
	return "absent";
}

static bool on_batch(void *opaque, const kd_batch_row *row)
{
	struct listing *listing = opaque;
	const kd_segment *segment = segments_find(&listing->segments, row->partition_index);
	bool done = row->state == KD_BATCH_COMMITTED;

	if (segment && !is_wanted(listing->args, segment))
		return true;
	out_time(listing->out, row->batch_time_ms);
	out_number(listing->out, row->batch_time_ms);
	out_text(listing->out, segment ? segment->topic : NULL);
	out_known(listing->out, segment ? segment->partition : -1);
	out_number(listing->out, row->partition_index);
	out_number(listing->out, row->range.from);
	out_number(listing->out, row->range.until);
	out_text(listing->out, state_text(row->state));
	out_known(listing->out, done ? row->records : -1);
	out_known(listing->out, done ? row->rows : -1);
	out_known(listing->out, done ? row->dropped : -1);
	out_known(listing->out, done ? row->dead_letters : -1);
	out_known(listing->out, done ? row->gap : -1);
	if (done)
		out_number(listing->out, row->committed_at_ms - row->planned_at_ms);
	else
		out_null(listing->out);
	out_end_row(listing->out);
	return true;
}

/* The segments' names come first: a sink need not interleave them with the batches. */
static kd_code list(struct listing *listing, struct ledger_session *ledger, kd_error *err)
{
	kd_ledger_view names = {.opaque = &listing->segments, .segment = segments_add};
	kd_ledger_view batches = {.opaque = listing, .batch = on_batch, .last_batches = (size_t) listing->args->batches};
	kd_code code = ledger_session_read(ledger, &names, err);

	if (!code && listing->segments.failed)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	return code ? code : ledger_session_read(ledger, &batches, err);
}

static int list_file(const struct args *args)
{
	struct log_out *log = tool_log_open(args, KD_LOG_WARN);
	struct listing listing = {.args = args};
	struct ledger_session ledger = {0};
	struct job_file file = {0};
	kd_error err = {0};
	int exit_code = log ? job_file_or_exit(args, "batches", args->operands[0], &file) : 4;

	if (exit_code == 0) {
		listing.out = out_open(stdout, out_format_of(args), columns, sizeof columns / sizeof columns[0]);
		if (!listing.out)
			(void) kd_error_set(&err, KD_ENOMEM, KD_STOP, "no memory");
		else if (ledger_session_open(&file, log_out_logger(log), &ledger, &err) == KD_OK)
			(void) list(&listing, &ledger, &err);
		if (listing.out && !out_close(listing.out))
			(void) kd_error_set(&err, KD_ENOMEM, KD_STOP, "no memory");
		if (err.code)
			fprintf(stderr, "%s batches: %s\n", program_name(), err.message);
		exit_code = kd_exit_code(err.code, &err);
	}
	ledger_session_close(&ledger);
	segments_free(&listing.segments);
	job_file_done(&file);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_INT, 'n', "batches", "NUMBER", "10", NULL, 1, 1000000, "how many batch times", offsetof(struct args, batches)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_topics, args_job, args_output, args_common, NULL};

const struct verb verb_batches = {
	.name = "batches",
	.group = "Look at a job",
	.summary = "the last batches: ranges, rows, delays",
	.usage = "JOB [OPTION]...",
	.examples =
		"$0 batches orders.json\n"
		"    the last ten batches, newest first\n"
		"$0 batches orders.json -n 1000 -t orders -p 3 --csv\n"
		"    a partition's history, for a spreadsheet\n",
	.text =
		"Each row is a batch partition: the offsets [from, until) of one Kafka partition that one transaction landed. "
		"delay_ms is the time from the plan to the commit, both by the database's clock. records were delivered by "
		"Kafka; offsets without a record (transaction markers, aborted or compacted records) explain a smaller number "
		"than until - from. Reads the ledger only; changes nothing.",
	.options = options,
	.exits =
		"0  ok, also where there is no batch yet\n"
		"2  usage or configuration, or the ledger does not know the job\n"
		"4  the database did not answer\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_batches,
};

int cmd_batches(int argc, char **argv)
{
	return args_run(&verb_batches, argc, argv, list_file);
}
