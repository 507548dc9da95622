/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_audit: reads a job's ledger twice within one snapshot, hands it to audit_check, and with --deep compares the
 * table with Kafka within the same snapshot.  Changes nothing, and may run while the job does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kdirect/job.h>
#include <kdirect/kafka.h>

#include "advice.h"
#include "audit_check.h"
#include "audit_deep.h"
#include "audit_report.h"
#include "ledger_session.h"
#include "program.h"
#include "tool_log.h"
#include "verbs.h"

struct audit {
	const struct args *args;
	const kd_logger *log;
	struct job_file file;
	struct ledger_session ledger;
	struct audit_check *check;
	struct audit_report report;
	bool failed; /* no memory */
};

/* ---- what the report keeps ---- */

/* Room for one more in a list that holds `most` at the most; NULL: full, or no memory. */
static void *one_more(void **items, size_t n, size_t most, size_t size, bool *failed)
{
	void *more;

	if (n >= most)
		return NULL;
	more = (n & (n - 1)) == 0 ? realloc(*items, 2 * (n + 1) * size) : *items;
	if (!more) {
		*failed = true;
		return NULL;
	}
	*items = more;
	return (char *) more + n * size;
}

static void on_finding(void *opaque, const struct audit_finding *finding)
{
	struct audit *audit = opaque;
	void *items = audit->report.findings;
	struct audit_finding *copy = one_more(&items, audit->report.n_findings, REPORT_FINDINGS, sizeof *copy,
		&audit->failed);

	audit->report.findings = items;
	audit->report.all_findings++;
	if (copy) {
		*copy = *finding;
		audit->report.n_findings++;
	}
}

static void keep_gap(struct audit *audit, const kd_gap *gap)
{
	void *items = audit->report.gaps;
	kd_gap *copy = one_more(&items, audit->report.n_gaps, REPORT_GAPS, sizeof *copy, &audit->failed);

	audit->report.gaps = items;
	audit->report.all_gaps++;
	if (copy) {
		*copy = *gap;
		audit->report.n_gaps++;
	}
}

/* ---- the two readings ---- */

static char *copy_of(const char *text, bool *failed)
{
	char *copy = strdup(text ? text : "");

	*failed = *failed || !copy;
	return copy;
}

static bool on_job(void *opaque, const char *job, int64_t epoch, const char *cluster_id, const char *target,
	const char *identity, const char *isolation, const char *start_policy)
{
	struct audit *audit = opaque;

	(void) epoch;
	(void) identity;
	(void) start_policy;
	audit->report.job = copy_of(job, &audit->failed);
	audit->report.target = copy_of(target, &audit->failed);
	audit->report.cluster_id = copy_of(cluster_id, &audit->failed);
	audit->report.isolation = copy_of(isolation, &audit->failed);
	return !audit->failed;
}

static bool on_segment(void *opaque, const kd_segment *segment)
{
	struct audit *audit = opaque;

	audit->failed = audit->failed || !audit_check_segment(audit->check, segment);
	return !audit->failed;
}

static bool on_gap(void *opaque, const kd_gap *gap)
{
	struct audit *audit = opaque;

	audit->failed = audit->failed || !audit_check_gap(audit->check, gap);
	keep_gap(audit, gap);
	return !audit->failed;
}

static bool on_first(void *opaque, const kd_batch_row *row)
{
	struct audit *audit = opaque;

	audit->failed = audit->failed || !audit_check_note(audit->check, row);
	return !audit->failed;
}

static bool on_second(void *opaque, const kd_batch_row *row)
{
	struct audit *audit = opaque;

	audit_check_batch(audit->check, row);
	return true;
}

static kd_code read_twice(struct audit *audit, kd_error *err)
{
	kd_ledger_view first = {.opaque = audit, .job = on_job, .segment = on_segment, .batch = on_first, .gap = on_gap};
	kd_ledger_view second = {.opaque = audit, .batch = on_second};
	const struct ledger_session *ledger = &audit->ledger;
	kd_code code = ledger->ops->read_ledger(ledger->session, ledger->job, &first, err);

	if (!code && !audit->failed) {
		audit_check_turn(audit->check);
		audit->failed = audit_check_segments(audit->check)->failed;
	}
	if (!code && !audit->failed)
		code = ledger->ops->read_ledger(ledger->session, ledger->job, &second, err);
	if (!code && !audit->failed)
		audit_check_end(audit->check);
	return !code && audit->failed ? kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory") : code;
}

/* ---- deep ---- */

static kd_code go_deep(struct audit *audit, kd_error *err)
{
	size_t n = audit_check_segments(audit->check)->n;
	struct audit_deep_job job = {.ledger = &audit->ledger, .check = audit->check, .fn = on_finding, .opaque = audit,
		.has_tables = kd_config_strings_count(audit->file.config, "sink.tables") > 0};
	kd_code code = kd_kafka_open_config(audit->file.config, audit->log, VERB_TIMEOUT_MS, &job.kafka, err);

	audit->report.deep = calloc(n + 1, sizeof *audit->report.deep);
	if (!code && !audit->report.deep)
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");
	for (size_t i = 0; !code && i < n; i++)
		code = audit_deep_segment(&job, i, &audit->report.deep[i], err);
	if (job.kafka)
		kd_kafka_close(job.kafka);
	return code;
}

/* ---- the verb ---- */

static kd_code look(struct audit *audit, kd_error *err)
{
	kd_code code = ledger_session_open(&audit->file, audit->log, &audit->ledger, err);

	if (!code)
		code = audit->ledger.ops->snapshot_begin(audit->ledger.session, err);
	if (code)
		return code;
	code = read_twice(audit, err);
	if (!code && audit->args->deep)
		code = go_deep(audit, err);
	audit->ledger.ops->snapshot_end(audit->ledger.session);
	return code;
}

/* What the job file says of how rows come to be. */
static void take_parts(struct audit *audit)
{
	const struct job_file *file = &audit->file;

	audit->report.guarantee = file->sink->guarantee;
	audit->report.decoder = file->decoder ? file->decoder->name : NULL;
	audit->report.transform = file->transform ? file->transform->name : NULL;
	if (file->transform)
		audit_check_may_split(audit->check);
}

static int show(const struct audit *audit)
{
	if (!audit->args->json)
		audit_report_people(&audit->report, stdout);
	else if (!audit_report_json(&audit->report, stdout)) {
		fprintf(stderr, "%s audit: no memory\n", program_name());
		return 4;
	}
	return audit_report_proved(&audit->report) ? 0 : 1;
}

static void audit_done(struct audit *audit)
{
	ledger_session_close(&audit->ledger);
	audit_check_free(audit->check);
	free(audit->report.job);
	free(audit->report.target);
	free(audit->report.cluster_id);
	free(audit->report.isolation);
	free(audit->report.findings);
	free(audit->report.gaps);
	free(audit->report.deep);
	job_file_done(&audit->file);
}

static int audit_file(const struct args *args)
{
	struct log_out *log = tool_log_open(args, KD_LOG_WARN);
	struct audit audit = {.args = args, .log = log ? log_out_logger(log) : NULL, .report.strict = args->strict};
	kd_error err = {0};
	int exit_code = log ? job_file_or_exit(args, "audit", args->operands[0], &audit.file) : 4;

	audit.check = audit_check_new(on_finding, &audit);
	audit.report.check = audit.check;
	if (exit_code == 0 && audit.check) {
		take_parts(&audit);
		if (look(&audit, &err)) {
			fprintf(stderr, "%s audit: %s\n", program_name(), err.message);
			exit_code = kd_exit_code(err.code, &err);
		} else {
			exit_code = show(&audit);
		}
	}
	audit_done(&audit);
	log_out_close(log);
	return exit_code;
}

static const struct arg_option own[] = {
	{ARG_FLAG, 0, "deep", NULL, NULL, NULL, 0, 0,
	 "also read Kafka again, and compare each record that is still there with the table", offsetof(struct args, deep)},
	{ARG_FLAG, 0, "strict", NULL, NULL, NULL, 0, 0, "a recorded gap is a finding too", offsetof(struct args, strict)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_job, args_json, args_common, NULL};

const struct verb verb_audit = {
	.name = "audit",
	.group = "Look at a job",
	.summary = "prove that nothing is missing and nothing double",
	.usage = "JOB [OPTION]...",
	.examples =
		"$0 audit orders.json\n"
		"    from the ledger alone: fast, also while the job runs\n"
		"$0 audit orders.json --deep\n"
		"    against Kafka and the table, record by record\n"
		"$0 audit orders.json --strict --json >audit.json || page somebody\n"
		"    for a schedule\n",
	.text =
		"The ledger holds every offset range that was ever planned, and what became of it. audit proves from it, for "
		"each partition: the committed ranges follow each other without a hole or an overlap from the start to the "
		"position (I1, I2, I3); the rows of each range account for its records; every range was planned under a batch "
		"time of its own, in order, and what is planned and not committed begins at the position (I6). Offsets that "
		"were given up on purpose are listed; they are findings with --strict only.\n\n"
		"Where the sink's guarantee is \"keyed\", the target has no transactions: proved is that every range was put whole, "
		"in order, and confirmed before the position moved; how often a record was put is not known.\n\n"
		"--deep takes one snapshot of the database, reads the topics again at the job's isolation level, and compares "
		"offset by offset. What Kafka no longer holds, by retention or compaction, is counted as not checkable. A "
		"table without the columns kafka_topic, kafka_partition and kafka_offset is compared by counts. Where a transform "
		"drops records, offsets that are missing are compared with the number that the ledger counts as dropped; where it "
		"makes several rows of a record, an offset may be there more than once, and the rows of each range are compared "
		"with the ledger's count instead. Rows in tables of sink.tables are counted in the ledger only.",
	.options = options,
	.exits =
		"0  proved\n"
		"1  at least one finding\n"
		"2  usage or configuration, or the ledger does not know the job\n"
		"4  a server did not answer\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_audit,
};

int cmd_audit(int argc, char **argv)
{
	return args_run(&verb_audit, argc, argv, audit_file);
}
