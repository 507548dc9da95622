/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect torture: the rig that users run on their own server: it tells the truth, and leaves nothing behind. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "check.h"
#include "pg_fixture.h"
#include "process.h"
#include "tmpdir.h"
#include "wait.h"

enum { ENDS_MS = 240000 };

static int64_t left_behind(kt_pg *pg)
{
	return kt_pg_int(pg, "select (select count(*) from pg_namespace where nspname like 'kdirect%%') + (select count(*) from"
		" pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type ="
		" 'client backend')");
}

static void must_leave_nothing(kt_pg *pg)
{
	int64_t until = kt_now_ms() + 10000;

	while (left_behind(pg) > 0 && kt_now_ms() < until)
		kt_pause();
	cr_expect_eq(left_behind(pg), 0);
}

/* F1, F3 to F5, F8, F10, F26, F30, from outside. */
Test(torture, holds_every_invariant_to_the_light_and_leaves_nothing_behind, .timeout = 300)
{
	kt_pg pg;
	char *dir = kt_tmpdir();

	kt_pg_open(&pg);
	kt_process *process = kt_kdirect(dir, NULL, "torture", "--dsn", pg.dsn, "--minutes", "2", "--faults", "30", "--json", NULL);
	int code = kt_process_wait(process, ENDS_MS);
	cr_assert_eq(code, 0, "%d\n%s%s", code, kt_process_stderr(process), kt_process_stdout(process));
	json_t *root = json_loads(kt_process_stdout(process), 0, NULL), *invariants = json_object_get(root, "invariants"), *one;
	const char *name;
	cr_assert_eq(json_object_size(invariants), 12, "%s", kt_process_stdout(process));
	json_object_foreach(invariants, name, one)
		cr_expect(json_is_true(json_object_get(one, "holds")), "%s: %s", name,
			json_string_value(json_object_get(one, "evidence")));
	cr_expect(json_is_true(json_object_get(root, "exactly_once")));
	cr_expect_eq(json_integer_value(json_object_get(root, "rows")), json_integer_value(json_object_get(root, "events")));
	json_decref(root);
	kt_process_free(process);
	must_leave_nothing(&pg);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

/* One whose job has begun: its schema is there, and named in *ret_schema, which the caller frees. */
static kt_process *at_work(kt_pg *pg, const char *dir, const char *faults, char **ret_schema)
{
	kt_process *process = kt_kdirect(dir, NULL, "torture", "--dsn", pg->dsn, "--minutes", "1", "--faults", faults, NULL);
	int64_t until = kt_now_ms() + 60000;

	while (kt_pg_int(pg, "select count(*) from pg_class where relname = 'batch_partition'") == 0 && kt_now_ms() < until)
		kt_pause();
	*ret_schema = kt_pg_value(pg, "select nspname from pg_namespace where nspname like 'kdirect_torture%%'");
	return process;
}

/* Rows that nobody's transaction wrote: what the tables hold is judged, not what the job says of itself. */
Test(torture, tells_a_row_too_many, .timeout = 300)
{
	kt_pg pg;
	char *dir = kt_tmpdir(), *schema;

	kt_pg_open(&pg);
	kt_process *process = at_work(&pg, dir, "3", &schema);
	int64_t until = kt_now_ms() + 60000;
	while (kt_pg_int(&pg, "select count(*) from %s.orders", schema) == 0 && kt_now_ms() < until)
		kt_pause();
	kt_pg_exec(&pg, "insert into %s.orders select * from %s.orders order by kafka_partition, kafka_offset limit 1", schema,
		schema);
	int code = kt_process_wait(process, ENDS_MS);
	cr_expect_eq(code, 1, "%d\n%s", code, kt_process_stderr(process));
	cr_expect(strstr(kt_process_stdout(process), "NOT exactly once"), "%s", kt_process_stdout(process));
	for (const char *const *one = (const char *const[]){"I2 ", "I9 ", NULL}; *one; one++) {
		const char *line = strstr(kt_process_stdout(process), *one);
		cr_expect(line && strstr(line, "BROKEN"), "%s does not tell it:\n%s", *one, kt_process_stdout(process));
	}
	free(schema);
	kt_process_free(process);
	must_leave_nothing(&pg);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

Test(torture, an_interrupted_one_leaves_nothing_behind, .timeout = 120)
{
	kt_pg pg;
	char *dir = kt_tmpdir(), *schema;

	kt_pg_open(&pg);
	kt_process *process = at_work(&pg, dir, "1000", &schema);
	kt_process_signal(process, SIGINT);
	cr_expect_eq(kt_process_wait(process, 60000), 128 + SIGINT);
	free(schema);
	kt_process_free(process);
	must_leave_nothing(&pg);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

Test(torture, names_what_a_killed_one_left_behind, .timeout = 300)
{
	kt_pg pg;
	char *dir = kt_tmpdir(), *schema;

	kt_pg_open(&pg);
	kt_process *killed = at_work(&pg, dir, "1000", &schema);
	kt_process_signal(killed, SIGKILL);
	kt_process_wait(killed, 10000);
	kt_process *next = kt_kdirect(dir, NULL, "torture", "--dsn", pg.dsn, "--minutes", "1", "--faults", "1", NULL);
	char *way_out = kt_format("then: drop schema %s cascade\n", schema);
	cr_expect_eq(kt_process_wait(next, ENDS_MS), 0, "%s", kt_process_stderr(next));
	cr_expect(strstr(kt_process_stdout(next), way_out), "%s", kt_process_stdout(next));
	kt_pg_exec(&pg, "drop schema %s cascade", schema);
	free(way_out);
	free(schema);
	kt_process_free(next);
	kt_process_free(killed);
	must_leave_nothing(&pg);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
}

Test(torture, says_what_is_missing)
{
	char *dir = kt_tmpdir();
	kt_process *process = kt_kdirect(dir, NULL, "torture", NULL);

	cr_expect_eq(kt_process_wait(process, 30000), 2);
	cr_expect(strstr(kt_process_stderr(process), "--dsn"), "%s", kt_process_stderr(process));
	kt_process_free(process);
	process = kt_kdirect(dir, NULL, "torture", "--dsn", "host=127.0.0.1 port=1", NULL);
	cr_expect_eq(kt_process_wait(process, 30000), 4);
	cr_expect(strstr(kt_process_stderr(process), "could not prepare"), "%s", kt_process_stderr(process));
	kt_process_free(process);
	kt_tmpdir_remove(dir);
}
