/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL going wrong under a job: a server of the test's own that may be crashed, filled, set back and promoted, and
 * what every such test asks at its end. */
#ifndef PG_FAULTS_H
#define PG_FAULTS_H

#include "job_fixture.h"
#include "job_judge.h"
#include "servers.h"

enum { FAULT_MS = 60000 }; /* for what takes a second on a machine with nothing else to do */

typedef struct pg_server {
	char *scratch, *dir, *url;
} pg_server;

/* argument: one of pg.sh's, or NULL.  The server is gone with the test at the latest. */
void pg_server_start(pg_server *server, const char *argument);
/* One that follows another. */
void pg_server_follow(pg_server *standby, const pg_server *primary);
/* pg.sh VERB: stop, resume, backup ... */
void pg_server_do(const pg_server *server, const char *verb, const char *argument);
void pg_server_remove(pg_server *server);

/* A job with a database on that server (NULL: the suite's). */
void pg_job_open(kt_job *job, const pg_server *server, int partitions);

/* kdirect run JOB [--set SET], that waits for a minute for what may heal. */
kt_process *pg_job_start(kt_job *job, const char *fault, const char *set);
/* The same with --until-latest; it must end with exit code 0. */
void pg_job_catch_up(kt_job *job);
/* Connects the test again and waits for so many rows in t; returns the time in ms. */
int64_t pg_job_await_rows(kt_job *job, kt_process *process, int64_t rows);
/* Stops it by SIGTERM; it must end with exit code 0, having held no more than it may whatever befell it (I12). */
void pg_job_stop(kt_process *process);

/* Exactly once, judged by the oracle and by plain SQL; and `audit` finds nothing. */
void pg_job_judge(kt_job *job);

/* Waits until the process says it. */
void pg_must_say(kt_process *process, const char *text);
/* Waits until the process is stopped (state T). */
void pg_must_freeze(kt_process *process);

#endif
