/* SPDX-License-Identifier: Apache-2.0 */
/* Every fault point that a job with PostgreSQL or SQLite passes: the step fails there, and fails again in the recovery
 * from that; and SIGTERM, SIGINT and SIGHUP come there.  A run does what docs/GUARANTEES.md says, within a bound, and
 * everything is there exactly once (I1-I3, I8). */
#include <criterion/criterion.h>
#include <string.h>

#include "check.h"
#include "points.h"

enum { RUN_MS = 60000 };

static void outlasts_failures(const points_sink *sink)
{
	points_campaign c;

	points_open(&c, sink);
	points_fail(&c, true);
	points_close(&c);
}

/* Recovery from a failed step, wherever it is, is part of the run: no restart is needed (I8). */
Test(points, a_job_with_sqlite_outlasts_a_failure_at_every_point, .timeout = 600)
{
	outlasts_failures(&points_sqlite);
}

Test(points, a_job_with_postgres_outlasts_a_failure_at_every_point, .timeout = 600)
{
	outlasts_failures(&points_postgres);
}

/* What fails for longer than retry_timeout_ms ends the run with exit code 4; a restart goes on (I8). */
Test(points, a_step_that_fails_for_ever_ends_the_run_with_4, .timeout = 300)
{
	static const char *const names[] = {"plan.before_offsets", "plan.before_durable", "plan.after_durable", "fetch.mid",
		"commit.begun", "commit.written", "sqlite.commit.before"};
	points_campaign c;

	points_open(&c, &points_sqlite);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char fault[96];

		snprintf(fault, sizeof(fault), "%s:1+:fail", names[i]);
		points_feed(&c);
		kt_job_must_end(points_start(&c, NULL, fault, "batch.max_records_per_batch=20", "retry_timeout_ms=300"), 4,
			"gave up after", RUN_MS);
		cr_assert(points_acted(&c, names[i], "fail"), "%s", fault);
		kt_job_catch_up(&c.job, NULL);
		c.sink->must_be_once(&c.job, c.fed, fault);
		c.acted++;
	}
	points_close(&c);
}

/* F30, I8: the first signal asks for an end, a second one ends at once. */
Test(points, a_job_with_sqlite_ends_well_by_a_signal_at_every_point, .timeout = 600)
{
	points_campaign c;

	points_open(&c, &points_sqlite);
	points_signal(&c, true);
	points_close(&c);
}

/* F30, I8 */
Test(points, a_job_with_postgres_ends_well_by_a_signal_at_every_point, .timeout = 600)
{
	points_campaign c;

	points_open(&c, &points_postgres);
	points_signal(&c, false);
	points_close(&c);
}

/* F30: who asked for SIGHUP to be ignored, as nohup does, is obeyed. */
Test(points, a_job_under_nohup_goes_on_through_sighup, .timeout = 120)
{
	points_campaign c;

	points_open(&c, &points_sqlite);
	points_feed(&c);
	kt_job_must_end(points_start(&c, "nohup", "plan.before_durable:1:signal:1", "batch.max_records_per_batch=20", NULL), 0,
		NULL, RUN_MS);
	cr_assert(points_acted(&c, "plan.before_durable", "signal:1"), "no signal came");
	c.sink->must_be_once(&c.job, c.fed, "SIGHUP");
	points_close(&c);
}

/* A misspelt entry would be a test that tests nothing: it ends the process. */
Test(points, an_entry_that_cannot_be_read_is_refused, .timeout = 120)
{
	static const char *const bad[] = {"plan.before_durable", "plan.before_durable:0:kill", "plan.before_durable:x:kill",
		"plan.before_durable:1:fial", "plan.before_durable:1+fail", ":1:fail:"};
	points_campaign c;

	points_open(&c, &points_sqlite);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		kt_job_must_end(points_start(&c, NULL, bad[i], "batch.max_records_per_batch=20", NULL), 97, "could not read",
			RUN_MS);
	points_close(&c);
}
