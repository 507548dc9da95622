/* SPDX-License-Identifier: Apache-2.0 */
/* The judge proves itself: on a table broken on purpose it must say so.  And the list of fault points is the one of the
 * sources. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "tmpdir.h"

/* ---- the judge ---- */

static void must_find(kt_job *job, kt_verdict expected)
{
	kt_verdict v = kt_judge_table(&job->store, "t", job->topic);

	cr_assert_eq(v.rows, expected.rows, "rows %ld", (long) v.rows);
	cr_assert_eq(v.missing, expected.missing, "missing %ld", (long) v.missing);
	cr_assert_eq(v.doubled, expected.doubled, "doubled %ld", (long) v.doubled);
	cr_assert_eq(v.altered, expected.altered, "altered %ld", (long) v.altered);
	cr_assert_eq(v.foreign, expected.foreign, "foreign %ld", (long) v.foreign);
}

static void break_and_judge(kt_store_kind kind)
{
	const char *value = kind == KT_POSTGRES ? "'x'::bytea" : "x'78'";
	kt_job job;

	kt_job_open(&job, kind, 2);
	kt_job_fill(&job, 0, 500);
	kt_job_fill(&job, 1, 500);
	kt_job_catch_up(&job, NULL);
	must_find(&job, (kt_verdict) {.rows = 1000});
	kt_store_exec(&job.store, "delete from t where kafka_partition = 0 and kafka_offset = 17");
	must_find(&job, (kt_verdict) {.rows = 999, .missing = 1});
	kt_store_exec(&job.store, "insert into t select * from t where kafka_partition = 1 and kafka_offset = 499");
	must_find(&job, (kt_verdict) {.rows = 1000, .missing = 1, .doubled = 1});
	kt_store_exec(&job.store, "update t set value = %s where kafka_partition = 1 and kafka_offset = 0", value);
	must_find(&job, (kt_verdict) {.rows = 1000, .missing = 1, .doubled = 1, .altered = 1});
	kt_store_exec(&job.store, "update t set key = null where kafka_partition = 0 and kafka_offset = 1");
	must_find(&job, (kt_verdict) {.rows = 1000, .missing = 1, .doubled = 1, .altered = 2});
	kt_store_exec(&job.store, "update t set kafka_offset = 500 where kafka_partition = 0 and kafka_offset = 499");
	must_find(&job, (kt_verdict) {.rows = 1000, .missing = 2, .doubled = 1, .altered = 2, .foreign = 1});
	kt_job_close(&job);
}

Test(crash_judge, finds_what_was_broken_on_purpose_in_sqlite, .timeout = 120)
{
	break_and_judge(KT_SQLITE);
}

Test(crash_judge, finds_what_was_broken_on_purpose_in_postgres, .timeout = 120)
{
	break_and_judge(KT_POSTGRES);
}

Test(crash_judge, sees_a_ledger_that_does_not_tile, .timeout = 120)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 1);
	for (int i = 0; i < 3; i++) {
		kt_job_fill(&job, 0, 100);
		kt_job_catch_up(&job, NULL);
	}
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 0);
	kt_store_exec(&job.store, "update @batch_partition set until_offset = 199 where until_offset = 200");
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 1);
	kt_store_exec(&job.store, "update @position set committed_until = 299");
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 2);
	kt_store_exec(&job.store, "delete from @batch_partition where from_offset = 0");
	cr_assert_eq(kt_judge_tiling(&job.store, "j"), 2, "a missing first range");
	kt_job_close(&job);
}

/* ---- the points ---- */

static bool is_known(const char *name)
{
	for (const crash_point *point = crash_points; point->name; point++)
		if (strcmp(point->name, name) == 0)
			return true;
	return false;
}

/* The names in the sources: KD_FAULT("a.b"), and "a.commit_sent", which a function passes on to it. */
static char *points_of_the_sources(void)
{
	char *script = kt_format("cd '%s/../..' && grep -rhoE 'KD_FAULT(_[A-Z]+)?\\(\"[^\"]+\"|\"[a-z]+\\.commit_sent\"'"
				 " lib sinks tools --include=*.c | grep -oE '\"[^\"]+\"' | tr -d '\"' | sort -u", kt_env("KD_TEST_SUPPORT"));
	const char *argv[] = {"sh", "-c", script, NULL};
	char *dir = kt_tmpdir(), *names;
	kt_process *process = kt_process_start(dir, NULL, argv);

	cr_assert_eq(kt_process_wait(process, 20000), 0);
	names = strdup(kt_process_stdout(process));
	kt_process_free(process);
	kt_tmpdir_remove(dir);
	free(script);
	return names;
}

Test(crash_judge, every_fault_point_of_the_sources_is_in_the_table)
{
	char *names = points_of_the_sources(), *rest = NULL;
	int n = 0, listed = 0;

	for (char *name = strtok_r(names, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest), n++)
		cr_assert(is_known(name), "\"%s\" is never crashed at", name);
	for (const crash_point *point = crash_points; point->name; point++)
		listed++;
	cr_assert_eq(n, listed, "%d points in the sources, %d in the table", n, listed);
	free(names);
}
