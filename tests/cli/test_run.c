/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about a running job as a person or a supervisor meets them: signals, exit codes, logs, and the way out of
 * a bad record. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "tmpdir.h"
#include "wait.h"

Test(run, ends_cleanly_within_5_seconds_on_sigterm_and_sigint)
{
	static const int both[] = {SIGTERM, SIGINT};

	for (int i = 0; i < 2; i++) {
		kt_job job;
		kt_process *process;

		kt_job_open(&job, KT_SQLITE, 1);
		kt_job_fill(&job, 0, 1000);
		process = kt_job_start(&job, NULL, NULL);
		cr_assert(kt_process_says(process, "owner of job", 20000), "%s", kt_process_stderr(process));
		kt_job_await(&job, 1000, 20000, "select count(*) from t");
		kt_process_signal(process, both[i]);
		kt_job_must_end(process, 0, "stopped", 5000);
		kt_job_close(&job);
	}
}

/* A job whose broker is not there: it is in its first contact. */
static kt_process *start_without_broker(kt_job *job)
{
	kt_process *process = kt_job_start(job, NULL, "-b", "127.0.0.1:1", NULL);

	cr_assert(kt_process_says(process, "127.0.0.1:1", 20000), "%s", kt_process_stderr(process));
	return process;
}

Test(run, ends_within_5_seconds_also_where_a_server_does_not_answer)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, KT_SQLITE, 1);
	process = start_without_broker(&job);
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 0, NULL, 5500);
	kt_job_close(&job);
}

Test(run, a_second_signal_ends_it_at_once)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, KT_SQLITE, 1);
	process = start_without_broker(&job);
	kt_process_signal(process, SIGTERM);
	/* Two signals at once may become one. */
	for (int i = 0; i < 10; i++)
		kt_pause();
	kt_process_signal(process, SIGTERM);
	kt_job_must_end(process, 128 + SIGTERM, NULL, 1000);
	kt_job_close(&job);
}

Test(run, the_older_instance_ends_with_exit_code_3)
{
	kt_job job;
	kt_process *older, *newer;

	kt_job_open(&job, KT_SQLITE, 1);
	older = kt_job_start(&job, NULL, NULL);
	cr_assert(kt_process_says(older, "owner of job", 20000), "%s", kt_process_stderr(older));
	newer = kt_job_start(&job, NULL, NULL);
	cr_assert(kt_process_says(newer, "owner of job", 20000), "%s", kt_process_stderr(newer));
	kt_job_fill(&job, 0, 10);
	kt_job_must_end(older, 3, "do not restart", 30000);
	kt_process_signal(newer, SIGTERM);
	kt_job_must_end(newer, 0, NULL, 10000);
	kt_job_close(&job);
}

Test(run, writes_every_line_as_json_where_asked)
{
	kt_job job;
	kt_process *process;
	char *log, *line, *rest;
	int lines = 0;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 10);
	process = kt_job_start(&job, NULL, "--until-latest", "--log-format", "json", "--log-every", "0", NULL);
	cr_assert_eq(kt_process_wait(process, 30000), 0, "%s", kt_process_stderr(process));
	log = kt_format("%s", kt_process_stderr(process));
	cr_expect_str_empty(kt_process_stdout(process));
	for (line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
		json_t *json = json_loads(line, 0, NULL);

		cr_assert(json, "no JSON: %s", line);
		cr_expect_str_eq(cli_text(json, "job"), "j");
		cr_expect(json_object_get(json, "time") && json_object_get(json, "level") && json_object_get(json, "msg"), "%s",
			line);
		json_decref(json);
	}
	cr_expect_gt(lines, 2);
	free(log);
	kt_process_free(process);
	kt_job_close(&job);
}

Test(run, is_silent_where_asked)
{
	kt_job job;
	kt_process *process;

	kt_job_open(&job, KT_SQLITE, 1);
	process = kt_job_start(&job, NULL, "--until-latest", "-q", NULL);
	cr_assert_eq(kt_process_wait(process, 30000), 0, "%s", kt_process_stderr(process));
	cr_expect_str_empty(kt_process_stderr(process));
	cr_expect_str_empty(kt_process_stdout(process));
	kt_process_free(process);
	kt_job_close(&job);
}

Test(batches, lists_ranges_rows_and_delays_newest_first)
{
	kt_job job;
	json_t *rows;
	int64_t all = 0;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, 100);
	kt_job_fill(&job, 1, 50);
	kt_job_catch_up(&job, "batch.max_records_per_batch=60");
	rows = cli_json(&job, 0, "batches", "-n", "100", NULL);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *row = json_array_get(rows, i);

		all += cli_int(row, "rows");
		cr_expect_str_eq(cli_text(row, "state"), "committed");
		cr_expect_geq(cli_int(row, "delay_ms"), 0);
		cr_expect(i == 0 || cli_int(row, "batch_time_ms") <= cli_int(json_array_get(rows, i - 1), "batch_time_ms"));
	}
	cr_expect_eq(all, 150);
	json_decref(rows);
	rows = cli_json(&job, 0, "batches", "-n", "1", "-p", "0", NULL);
	cr_expect_leq(json_array_size(rows), 1u);
	json_decref(rows);
	kt_job_close(&job);
}

Test(plan, shows_the_next_ranges_and_changes_nothing)
{
	kt_job job;
	json_t *rows;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 100);
	kt_job_catch_up(&job, NULL);
	kt_job_fill(&job, 0, 100);
	for (int i = 0; i < 2; i++) {
		rows = cli_json(&job, 0, "plan", "--set", "batch.max_records_per_batch=30", NULL);
		cr_expect_eq(cli_int(cli_row(rows, 0), "from"), 100);
		cr_expect_eq(cli_int(cli_row(rows, 0), "until"), 130);
		cr_expect_eq(cli_int(cli_row(rows, 0), "left"), 70);
		json_decref(rows);
	}
	kt_job_close(&job);
}

/* A job whose table takes no text, and a record of it at offset 5. */
static void open_stopped(kt_job *job)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_job_open(job, KT_SQLITE, 1);
	kt_store_exec(&job->store, "create table t (id integer)");
	for (int i = 0; i < 10; i++)
		kt_produce_text(producer, job->topic, 0, "key", i == 5 ? "no json at all" : "{\"id\": 1}");
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

Test(skip, is_the_way_out_that_the_stop_message_prints)
{
	kt_job job;
	char *at, *command;
	cli_run run;

	open_stopped(&job);
	at = kt_format("%s/0@5", job.topic);
	command = kt_format("kdirect skip %s %s --reason", job.path, at);
	kt_job_must_end(kt_job_run(&job, NULL, 30000), 1, command, 30000);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from t"), 0);

	run = cli_verb(&job, "skip", at, "--reason", "ticket 12", NULL);
	cr_expect_eq(run.code, 0, "%s", run.err);
	cr_expect(strstr(run.out, "no json at all") && strstr(run.out, "nothing was changed"), "%s", run.out);
	cli_done(&run);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from @gap"), 0);

	run = cli_verb(&job, "skip", at, "--reason", "ticket 12", "--execute", NULL);
	cr_expect_eq(run.code, 0, "%s", run.err);
	cli_done(&run);
	kt_job_catch_up(&job, NULL);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from t"), 9);
	cr_expect_eq(kt_store_int(&job.store, "select count(*) from @gap where reason = 'ticket 12' and from_offset = 5 "
		"and until_offset = 6"), 1);
	run = cli_verb(&job, "audit", NULL);
	cr_expect(run.code == 0 && strstr(run.out, "ticket 12"), "%s%s", run.out, run.err);
	cli_done(&run);
	run = cli_verb(&job, "audit", "--strict", NULL);
	cr_expect_eq(run.code, 1, "%s%s", run.out, run.err);
	cli_done(&run);
	free(at);
	free(command);
	kt_job_close(&job);
}

Test(skip, refuses_while_an_instance_lives_and_what_is_committed_already)
{
	kt_job job;
	kt_process *running;
	char *at;
	cli_run run;

	kt_job_open(&job, KT_SQLITE, 1);
	kt_job_fill(&job, 0, 10);
	at = kt_format("%s/0@12", job.topic);
	running = kt_job_start(&job, NULL, NULL);
	cr_assert(kt_process_says(running, "owner of job", 20000), "%s", kt_process_stderr(running));
	kt_job_await(&job, 10, 20000, "select count(*) from t");
	run = cli_verb(&job, "skip", at, "--reason", "x", "--execute", NULL);
	cr_expect_eq(run.code, 1, "%d %s", run.code, run.err);
	cr_expect(strstr(run.err, "stop it first"), "%s", run.err);
	cli_done(&run);
	kt_process_signal(running, SIGTERM);
	kt_job_must_end(running, 0, NULL, 10000);
	at[strlen(at) - 2] = '\0';
	strcat(at, "3");
	run = cli_verb(&job, "skip", at, "--reason", "x", "--execute", NULL);
	cr_expect_eq(run.code, 2, "%d %s", run.code, run.err);
	cr_expect(strstr(run.err, "is committed already"), "%s", run.err);
	cli_done(&run);
	free(at);
	kt_job_close(&job);
}
