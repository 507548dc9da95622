/* SPDX-License-Identifier: Apache-2.0 */
/* See pg_faults.h. */
#include "pg_faults.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "holding.h"
#include "tmpdir.h"
#include "wait.h"

/* ---- servers ---- */

void pg_server_start(pg_server *server, const char *argument)
{
	*server = (pg_server) {.scratch = kt_tmpdir()};
	server->dir = kt_path(server->scratch, "server");
	server->url = kt_server_start("pg.sh", server->dir, argument);
}

void pg_server_follow(pg_server *standby, const pg_server *primary)
{
	*standby = (pg_server) {.scratch = kt_tmpdir()};
	standby->dir = kt_path(standby->scratch, "server");
	standby->url = kt_server_follow("pg.sh", standby->dir, primary->dir);
}

void pg_server_do(const pg_server *server, const char *verb, const char *argument)
{
	kt_server_do("pg.sh", verb, server->dir, argument, NULL);
}

void pg_server_remove(pg_server *server)
{
	kt_server_do("pg.sh", "remove", server->dir, NULL);
	kt_tmpdir_remove(server->scratch);
	free(server->dir);
	free(server->url);
}

/* ---- jobs ---- */

void pg_job_open(kt_job *job, const pg_server *server, int partitions)
{
	if (server)
		setenv("KD_TEST_PG", server->url, 1);
	kt_job_open(job, KT_POSTGRES, partitions);
	kt_job_write(job, "\"workers\": 2");
}

/* Of the job that was started last without a fault of its own. */
static kt_life life;
static kt_process *living;

kt_process *pg_job_start(kt_job *job, const char *fault, const char *set)
{
	kt_process *process = kt_job_start(job, fault ? fault : KT_LIFE, "--set", "retry_timeout_ms=60000",
		set ? "--set" : NULL, set, NULL);

	if (!fault) {
		living = process;
		life = kt_life_begin(process);
	}
	return process;
}

void pg_job_catch_up(kt_job *job)
{
	kt_job_must_end(kt_job_run(job, "retry_timeout_ms=60000", 2 * FAULT_MS), 0, NULL, 0);
}

/* The table may not be there before the first start has made it. */
static int64_t count_rows(kt_job *job)
{
	PGresult *result = PQexec(job->store.pg.conn, "select count(*) from t");
	int64_t n = PQresultStatus(result) == PGRES_TUPLES_OK ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;

	PQclear(result);
	if (PQstatus(job->store.pg.conn) != CONNECTION_OK)
		kt_pg_reconnect(&job->store.pg);
	return n;
}

int64_t pg_job_await_rows(kt_job *job, kt_process *process, int64_t rows)
{
	int64_t start = kt_now_ms(), now;

	while ((now = count_rows(job)) < rows) {
		kt_check(kt_process_running(process), "the job ended:\n%s", kt_process_stderr(process));
		kt_check(kt_now_ms() < start + FAULT_MS, "%" PRId64 " rows, not %" PRId64 ":\n%s", now, rows,
			kt_process_stderr(process));
		kt_pause();
	}
	return kt_now_ms() - start;
}

void pg_job_stop(kt_process *process)
{
	kt_process_signal(process, SIGTERM);
	if (process == living)
		kt_life_end(&life, process, FAULT_MS);
	kt_job_must_end(process, 0, NULL, FAULT_MS);
}

void pg_job_judge(kt_job *job)
{
	kt_judge_clean(&job->store, "t", job->topic);
	kt_job_must_end(kt_kdirect(job->dir, NULL, "audit", job->path, NULL), 0, NULL, FAULT_MS);
}

/* ---- waiting ---- */

void pg_must_say(kt_process *process, const char *text)
{
	kt_check(kt_process_says(process, text, FAULT_MS), "it does not say \"%s\":\n%s", text, kt_process_stderr(process));
}

void pg_must_freeze(kt_process *process)
{
	kt_check(kt_wait_until(kt_process_is_stopped, process, FAULT_MS), "it does not stop:\n%s", kt_process_stderr(process));
}
