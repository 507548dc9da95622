/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign against a table of PostgreSQL or SQLite, judged by I1-I12. */
#include <inttypes.h>

#include "crash.h"
#include "invariants.h"
#include "observer.h"
#include "tmpdir.h"

/* The judge's triggers, on a ledger that a first run makes, and somebody who looks all the time. */
static void open_table(crash_campaign *campaign)
{
	kt_job *job = &campaign->job;

	kt_watch_table(&job->store);
	kt_job_write(job, job->store.kind == KT_POSTGRES ? "\"workers\": 2" : NULL);
	kt_job_catch_up(job, NULL);
	kt_watch_ledger(&job->store);
	campaign->state = kt_observer_start(&job->store, "t", "j", true);
}

static crash_finding judge(crash_campaign *campaign)
{
	kt_store *store = &campaign->job.store;
	kt_evidence evidence = {.caught_up = true};
	kt_judgement j;
	int64_t all;

	kt_evidence_read_kafka(&evidence, NULL, campaign->job.topic);
	kt_evidence_read_store(&evidence, store, "t", campaign->job.topic, "j");
	kt_observer_stop(campaign->state, &evidence);
	campaign->state = NULL;
	j = kt_judge_all(&evidence, campaign->source.notes);
	kt_evidence_done(&evidence);
	kt_judgement_print(&j, campaign->sink->name);
	crash_audit(&campaign->job, NULL);
	all = kt_judgement_findings(&j);
	return (crash_finding) {.rows = j.rows, .missing = j.of[1].count, .doubled = j.of[2].count,
		.wrong = all - j.of[1].count - j.of[2].count,
		.what = kt_format(", I1-I12 violated %" PRId64 " times, looked at %" PRId64 " times", all, j.looks)};
}

static bool postgres_passes(const crash_point *point)
{
	return point->postgres;
}

static bool sqlite_passes(const crash_point *point)
{
	return point->sqlite;
}

static void close_nothing(crash_campaign *campaign)
{
	(void) campaign;
}

const crash_sink crash_postgres = {.name = "postgres", .store = KT_POSTGRES, .passes = postgres_passes,
	.open = open_table, .judge = judge, .close = close_nothing};
const crash_sink crash_sqlite = {.name = "sqlite", .store = KT_SQLITE, .passes = sqlite_passes, .open = open_table,
	.judge = judge, .close = close_nothing};
