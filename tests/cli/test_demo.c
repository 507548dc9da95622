/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect demo: that it ends well, that it would notice if it did not, and that it leaves nothing behind. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "cli.h"
#include "process.h"
#include "tmpdir.h"
#include "wait.h"

enum { DEMO_MS = 60000 };

typedef struct demo_run {
	char *dir, *files, *database;
	kt_process *process;
} demo_run;

/* Starts a demo whose database can be looked into. */
static demo_run start_demo(const char *events, const char *kills)
{
	demo_run run = {.dir = kt_tmpdir()};

	run.files = kt_path(run.dir, "files");
	run.database = kt_path(run.files, "orders.db");
	run.process = kt_kdirect(run.dir, NULL, "demo", "--json", "--events", events, "--kills", kills, "--keep", run.files,
		NULL);
	return run;
}

static void end_demo(demo_run *run)
{
	kt_process_free(run->process);
	kt_tmpdir_remove(run->dir);
	free(run->files);
	free(run->database);
}

/* Runs a statement; the number it answers, or -1 where it fails or answers none. */
static int64_t ask(const char *database, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *query = NULL;
	int64_t number = -1;

	if (sqlite3_open_v2(database, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
	    sqlite3_busy_timeout(db, 5000) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &query, NULL) == SQLITE_OK &&
	    sqlite3_step(query) == SQLITE_ROW)
		number = sqlite3_column_int64(query, 0);
	sqlite3_finalize(query);
	sqlite3_close(db);
	return number;
}

static bool has_rows(void *opaque)
{
	const demo_run *run = opaque;

	return ask(run->database, "select count(*) from orders") >= 10;
}

/* A zombie that nobody has waited for yet has no command line left. */
static bool is_gone(void *opaque)
{
	char *path = kt_format("/proc/%d/cmdline", (int) *(const pid_t *) opaque), *line = kt_read_file(path);
	bool gone = !*line;

	free(path);
	free(line);
	return gone;
}

Test(demo, loses_and_doubles_nothing_through_its_kills)
{
	json_t *result = cli_json(NULL, 0, "demo", "--events", "5000", "--kills", "3", NULL);

	cr_expect_eq(cli_int(result, "kills"), 3);
	cr_expect_eq(cli_int(result, "produced"), 5000);
	cr_expect_eq(cli_int(result, "stored"), 5000);
	cr_expect_eq(cli_int(result, "lost"), 0);
	cr_expect_eq(cli_int(result, "doubled"), 0);
	cr_expect_eq(cli_int(result, "audit_exit"), 0);
	cr_expect(json_is_true(json_object_get(result, "exactly_once")));
	json_decref(result);
}

Test(demo, notices_a_row_that_is_doubled_and_one_that_is_lost)
{
	demo_run run = start_demo("20000", "3");

	kt_await(has_rows, &run, DEMO_MS, "rows of the demo");
	cr_assert_geq(ask(run.database, "insert into orders select * from orders limit 2 returning 1"), 0);
	cr_assert_geq(ask(run.database, "delete from orders where rowid = 5 returning 1"), 0);
	cr_assert_eq(kt_process_wait(run.process, DEMO_MS), 1, "%s", kt_process_stderr(run.process));

	json_t *result = json_loads(kt_process_stdout(run.process), 0, NULL);
	cr_assert_not_null(result, "%s", kt_process_stdout(run.process));
	cr_expect_eq(cli_int(result, "lost"), 1);
	cr_expect_eq(cli_int(result, "lost_offsets"), 1);
	cr_expect_eq(cli_int(result, "doubled"), 2);
	cr_expect_eq(cli_int(result, "doubled_offsets"), 2);
	cr_expect_eq(cli_int(result, "audit_exit"), 1);
	cr_expect(json_is_false(json_object_get(result, "exactly_once")));
	json_decref(result);
	end_demo(&run);
}

Test(demo, leaves_no_job_behind_when_it_is_killed_itself)
{
	demo_run run = start_demo("400000", "0");

	kt_await(has_rows, &run, DEMO_MS, "rows of the demo");
	pid_t job = (pid_t) ask(run.database, "select pid from kdirect_instance order by epoch desc limit 1");
	cr_assert_gt(job, 0);
	kt_process_signal(run.process, SIGKILL);
	kt_await(is_gone, &job, DEMO_MS, "the end of the job");
	end_demo(&run);
}

Test(demo, ends_on_sigint_and_keeps_no_files_that_nobody_asked_for)
{
	char *dir = kt_tmpdir(), *base = kt_format("TMPDIR=%s", dir);
	const char *const env[] = {base, NULL};
	kt_process *process = kt_kdirect(dir, env, "demo", "--json", "--kills", "100", NULL);

	cr_assert(kt_process_says(process, "kill -9   1 of 100", DEMO_MS), "%s", kt_process_stderr(process));
	char *pattern = kt_format("ls -d %s/kdirect-demo-* >/dev/null 2>&1", dir);
	cr_expect_eq(system(pattern), 0, "the files are where TMPDIR says");
	kt_process_signal(process, SIGINT);
	cr_expect_eq(kt_process_wait(process, DEMO_MS), 130, "%s", kt_process_stderr(process));
	cr_expect_neq(system(pattern), 0, "the files are gone");
	kt_process_free(process);
	free(pattern);
	free(base);
	kt_tmpdir_remove(dir);
}
