/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault point that a job with the file sink passes fails: a run outlasts it, and the folder holds every record
 * once (I1, I2, I4, I8). */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "file_rows.h"
#include "points.h"
#include "tmpdir.h"

enum { RUN_MS = 60000, LONG_LEDGER = 2500 };

static void write_job(kt_job *job, const char *more)
{
	char *folder = kt_path(job->dir, "out");

	free(job->store.sink);
	job->store.sink = kt_format("\"type\": \"file\", \"path\": \"%s\"", folder);
	kt_job_write(job, more);
	free(folder);
}

/* ---- what is in the folder ---- */

static kt_oracle rows_of(const kt_job *job)
{
	char *folder = kt_path(job->dir, "out");
	kt_oracle rows = kt_folder_oracle(folder, job->topic);

	free(folder);
	return rows;
}

static void must_be_once(kt_job *job, int64_t fed, const char *after)
{
	kt_oracle rows = rows_of(job);
	int64_t places = rows.n > 0;

	for (size_t i = 1; i < rows.n; i++)
		places += rows.rows[i - 1].partition != rows.rows[i].partition || rows.rows[i - 1].offset != rows.rows[i].offset;
	kt_check((int64_t) rows.n == fed && places == fed, "after %s: %zu rows at %" PRId64 " places of %" PRId64, after, rows.n,
		places, fed);
	kt_oracle_done(&rows);
}

static void judge(kt_job *job)
{
	kt_oracle kafka = kt_oracle_read(NULL, job->topic, true), rows = rows_of(job);
	kt_verdict v = kt_judge(&kafka, &rows);

	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign, "missing %" PRId64 ", double %" PRId64 ", altered %" PRId64
		", foreign %" PRId64, v.missing, v.doubled, v.altered, v.foreign);
	kt_oracle_done(&kafka);
	kt_oracle_done(&rows);
}

static const char *const others[] = {"kafka.", "sqlite.", "takeover.", "partitions.", "withdraw.", "prune.",
	"plan.before_commit", "plan.commit_sent", "sink.after_", "sink.before_copy", "sink.before_commit", "sink.copy_",
	"sink.commit_sent", "commit.looked-up", "file.ledger_anew" /* below */, NULL};

static const points_sink points_files = {.name = "files", .store = KT_SQLITE, .write = write_job,
	.must_be_once = must_be_once, .judge = judge, .others = others};

/* ---- the tests ---- */

Test(points_files, a_job_with_files_outlasts_a_failure_at_every_point, .timeout = 600)
{
	points_campaign c;

	points_open(&c, &points_files);
	points_fail(&c, false);
	points_close(&c);
}

Test(points_files, a_ledger_that_cannot_be_written_anew_stays_as_it_was, .timeout = 120)
{
	points_campaign c;

	points_open(&c, &points_files);
	char *ledger = kt_path(c.job.dir, "out/_kdirect/ledger.jsonl");
	kt_ledger_lengthen(ledger, LONG_LEDGER);
	points_feed(&c);
	kt_job_must_end(points_start(&c, NULL, "file.ledger_anew:1:fail", "batch.max_records_per_batch=20", NULL), 0,
		"could not write anew", RUN_MS);
	cr_assert(points_acted(&c, "file.ledger_anew", "fail"));
	c.sink->must_be_once(&c.job, c.fed, "a full disk");
	c.acted++;
	points_close(&c);
	free(ledger);
}
