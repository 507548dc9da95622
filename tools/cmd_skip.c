/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_skip: the way out of a record that cannot be delivered.  Without --execute it shows what would be given up; with
 * it the engine lands what is planned around the record, and the gap in the same transaction (I10). */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kdirect/job.h>
#include <kdirect/kafka.h>

#include "advice.h"
#include "ledger_session.h"
#include "program.h"
#include "range_arg.h"
#include "times.h"
#include "tool_log.h"
#include "verbs.h"

enum { SHOWN_RECORDS = 5, PREVIEW_BYTES = 120, WHO_SIZE = 64 };

struct skip {
	const struct args *args;
	struct range_arg at;
	struct job_file file;
	struct log_out *log;
	bool known; /* the job has this partition */
	int64_t committed, planned;
	int64_t records, shown;
};

/* ---- showing what would be given up ---- */

/* Text as it is, control characters and other bytes as dots; a quote ends nothing here. */
static void print_bytes(const char *name, const void *bytes, size_t size)
{
	const unsigned char *at = bytes;

	printf("    %-6s", name);
	if (!bytes) {
		printf("null\n");
		return;
	}
	for (size_t i = 0; i < size && i < PREVIEW_BYTES; i++)
		putchar(isprint(at[i]) || at[i] >= 0x80 ? at[i] : '.');
	printf(size > PREVIEW_BYTES ? "... (%zu bytes)\n" : " (%zu bytes)\n", size);
}

static bool show_record(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	struct skip *skip = opaque;
	char time[TIME_SIZE];

	skip->records++;
	if (skip->shown < SHOWN_RECORDS) {
		skip->shown++;
		printf("  offset %lld, %s\n", (long long) offset, time_text(timestamp_ms, time));
		print_bytes("key", key, key_size);
		print_bytes("value", value, value_size);
	}
	return true;
}

/* What retention has taken is not asked for; what is not there yet cannot be given up. */
static kd_code clip_to_log(const struct range_arg *at, kd_kafka *kafka, kd_range *ret, kd_error *err)
{
	kd_offsets log = {.topic = at->topic, .partition = at->partition, .low = -1, .high = -1};
	kd_code code = kd_kafka_offsets(kafka, &log, 1, KD_OFFSETS_LOW | KD_OFFSETS_HIGH, VERB_TIMEOUT_MS, err);

	if (!code && (log.low < 0 || log.high < 0))
		code = kd_error_set(err, KD_EBROKER, KD_RETRY, "the leader of %s/%d did not answer", at->topic,
			(int) at->partition);
	if (!code && at->range.until > log.high)
		code = kd_error_set(err, KD_ECONFIG, KD_STOP, "%s/%d ends at %lld: there is nothing to give up yet", at->topic,
			(int) at->partition, (long long) log.high);
	*ret = (kd_range){at->range.from > log.low ? at->range.from : log.low, at->range.until};
	return code;
}

static kd_code show_records(struct skip *skip, kd_error *err)
{
	kd_kafka *kafka = NULL;
	kd_range range = skip->at.range;
	kd_code code = kd_kafka_open_config(skip->file.config, log_out_logger(skip->log), VERB_TIMEOUT_MS, &kafka, err);

	if (!code)
		code = clip_to_log(&skip->at, kafka, &range, err);
	if (!code && range.from < range.until)
		code = kd_kafka_scan(kafka, skip->at.topic, skip->at.partition, range.from, range.until, show_record, skip,
			VERB_TIMEOUT_MS, err);
	if (kafka)
		kd_kafka_close(kafka);
	return code;
}

/* ---- may it be skipped? ---- */

static bool on_segment(void *opaque, const kd_segment *segment)
{
	struct skip *skip = opaque;

	if (segment->closed || segment->partition != skip->at.partition || strcmp(segment->topic, skip->at.topic) != 0)
		return true;
	skip->known = true;
	skip->committed = segment->committed_until;
	skip->planned = segment->planned_until;
	return true;
}

static kd_code judge(const struct skip *skip, const char *alive, kd_error *err)
{
	const struct range_arg *at = &skip->at;

	if (!skip->known)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "the job does not read %s/%d", at->topic, (int) at->partition);
	if (at->range.from < skip->committed)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s/%d@%lld is committed already: the job stands at %lld",
			at->topic, (int) at->partition, (long long) at->range.from, (long long) skip->committed);
	if (alive[0])
		return kd_error_set(err, KD_EBUSY, KD_STOP, "the job is running (%s): stop it first", alive);
	return KD_OK;
}

static kd_code look(struct skip *skip, kd_error *err)
{
	struct ledger_session ledger;
	kd_ledger_view view = {.opaque = skip, .segment = on_segment};
	char alive[256] = "";
	kd_code code = ledger_session_open(&skip->file, log_out_logger(skip->log), &ledger, err);

	if (!code)
		code = ledger_session_read(&ledger, &view, err);
	if (!code && ledger.ops->owner_alive)
		code = ledger.ops->owner_alive(ledger.session, ledger.job, alive, sizeof alive, err);
	if (!code)
		code = judge(skip, alive, err);
	ledger_session_close(&ledger);
	return code;
}

/* ---- doing it ---- */

static void name_person(char who[WHO_SIZE])
{
	const struct passwd *user = getpwuid(geteuid());
	char host[33] = "";

	(void) gethostname(host, sizeof host - 1);
	snprintf(who, WHO_SIZE, "%.28s@%.32s", user ? user->pw_name : "unknown", host);
}

static kd_code execute(struct skip *skip, kd_error *err)
{
	kd_job_options options = job_file_options(&skip->file, log_out_logger(skip->log));
	char who[WHO_SIZE];

	name_person(who);
	return kd_job_skip(skip->file.config, skip->file.sink, &options, skip->at.topic, skip->at.partition, skip->at.range,
		skip->args->reason, who, err);
}

static kd_code show(struct skip *skip, kd_error *err)
{
	const struct range_arg *at = &skip->at;
	bool dry = !skip->args->execute;
	kd_code code;

	printf("%s %s/%d@%lld..%lld of job \"%s\"\n", dry ? "would give up" : "giving up", at->topic, (int) at->partition,
		(long long) at->range.from, (long long) at->range.until, kd_config_string(skip->file.config, "job"));
	printf("  the job stands at %lld, and has planned up to %lld\n", (long long) skip->committed,
		(long long) skip->planned);
	code = show_records(skip, err);
	if (code)
		return code;
	if (skip->records > skip->shown)
		printf("  and %lld more\n", (long long) (skip->records - skip->shown));
	if (skip->records == 0)
		printf("  no record is there any more\n");
	if (dry)
		printf("nothing was changed; add --execute to do it\n");
	return KD_OK;
}

static kd_code skip_range(struct skip *skip, kd_error *err)
{
	kd_code code = look(skip, err);

	if (!code)
		code = show(skip, err);
	if (code || !skip->args->execute)
		return code;
	fflush(stdout);
	code = execute(skip, err);
	if (!code)
		printf("done: the gap is in the ledger; start the job again\n");
	return code;
}

static bool usage_ok(const struct args *args, struct range_arg *ret_at)
{
	const char *why;

	if (!range_arg_parse(args->operands[1], ret_at, &why))
		fprintf(stderr, "%s skip: \"%s\": %s\n", program_name(), args->operands[1], why);
	else if (!args->reason || !args->reason[0])
		fprintf(stderr, "%s skip: --reason is missing: the ledger keeps why the records were given up\n", program_name());
	else if (strlen(args->reason) >= KD_REASON_SIZE)
		fprintf(stderr, "%s skip: --reason is longer than %d bytes\n", program_name(), KD_REASON_SIZE - 1);
	else
		return true;
	return false;
}

static int skip_file(const struct args *args)
{
	struct skip skip = {.args = args};
	kd_error err = {0};
	char advice[1024];
	int exit_code = 2;

	if (!usage_ok(args, &skip.at))
		return exit_code;
	exit_code = job_file_or_exit(args, "skip", args->operands[0], &skip.file);
	skip.log = tool_log_open(args, KD_LOG_WARN);
	if (exit_code == 0 && skip.log) {
		if (skip_range(&skip, &err))
			fprintf(stderr, "%s skip: %s\n", program_name(), err.message);
		if (err.code == KD_ERECORD && advice_text(&err, skip.file.path, advice, sizeof advice)[0])
			fprintf(stderr, "%s skip: %s\n", program_name(), advice);
		/* A job that runs will not heal by waiting: a person must stop it. */
		exit_code = err.code == KD_EBUSY && err.action == KD_STOP ? 1 : kd_exit_code(err.code, &err);
	}
	job_file_done(&skip.file);
	log_out_close(skip.log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_TEXT, 0, "reason", "TEXT", NULL, NULL, 0, 0, "why; kept in the ledger beside who and when; required",
	 offsetof(struct args, reason)},
	{ARG_FLAG, 0, "execute", NULL, NULL, NULL, 0, 0, "do it; without, show what would be done",
	 offsetof(struct args, execute)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_job, args_common, NULL};

const struct verb verb_skip = {
	.name = "skip",
	.group = "Repair",
	.summary = "give up a record that cannot be delivered, and record that it was",
	.usage = "JOB TOPIC/PARTITION@FROM[..UNTIL] --reason TEXT [OPTION]...",
	.examples =
		"$0 skip orders.json orders/3@4711 --reason \"no number, see ticket 12\"\n"
		"    show the record; change nothing\n"
		"$0 skip orders.json orders/3@4711 --reason \"no number, see ticket 12\" --execute\n"
		"    give it up\n"
		"$0 skip orders.json orders/3@4711..4720 --reason \"a bad producer\" --execute\n"
		"    4711 to 4719: UNTIL is the first offset that stays\n",
	.text =
		"A job that meets a record that the sink refuses stops, and names the place; this verb is the way on when the "
		"record is not worth mending. It refuses while an instance of the job lives. With --execute it takes the job "
		"over, lands the records around the skipped ones, writes the gap with who and why in the same transaction, and "
		"ends. \"$0 audit\" lists every gap.",
	.options = options,
	.exits =
		"0  done, or shown\n"
		"1  the job is running, or another record cannot be delivered\n"
		"2  usage or configuration: no such partition, or the offset is committed already\n"
		"4  a server did not answer\n",
	.min_operands = 2,
	.max_operands = 2,
	.run = cmd_skip,
};

int cmd_skip(int argc, char **argv)
{
	return args_run(&verb_skip, argc, argv, skip_file);
}
