/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of others in the way (F13, I1, I2): a serialization failure, a real deadlock, a lock that is held too
 * long.  The range is rolled back whole and landed again, once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_faults.h"
#include "tmpdir.h"
#include "wait.h"

enum { RECORDS = 500 };

/* F13, F15: what a statement of the target's own raises at its first n tries, counted outside the transaction. */
static void outlast_errors(const char *sqlstate)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_store_exec(&job.store,
		"create table t(kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz,"
		"  key bytea, value bytea, headers jsonb);"
		"create sequence tries; create table effects(n bigint not null); insert into effects values (0);"
		"create function fail() returns trigger language plpgsql as $$ begin"
		"  if nextval('tries') <= 3 then raise exception 'made up' using errcode = '%s'; end if;"
		"  update effects set n = n + (select count(*) from news); return null; end $$;"
		"create trigger fail after insert on t referencing new table as news for each statement execute function fail()",
		sqlstate);
	kt_job_fill(&job, 0, RECORDS);
	kt_process *process = kt_job_start(&job, NULL, "--until-latest", NULL);
	cr_assert_eq(kt_process_wait(process, FAULT_MS), 0, "%s: %s", sqlstate, kt_process_stderr(process));
	cr_assert(strstr(kt_process_stderr(process), sqlstate), "%s", kt_process_stderr(process));
	kt_process_free(process);
	cr_assert_geq(kt_store_int(&job.store, "select last_value from tries"), 4);
	cr_assert_eq(kt_store_int(&job.store, "select n from effects"), RECORDS, "I11");
	pg_job_judge(&job);
	kt_job_close(&job);
}

/* F13, F15, I11. */
Test(postgres_conflicts, what_may_heal_is_tried_again_and_takes_effect_once, .timeout = 240)
{
	static const char *const states[] = {"40001", "40P01", "55P03", "53100", "53200", "57014", "25006"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		outlast_errors(states[i]);
}

static void send(PGconn *conn, const char *sql)
{
	kt_check(PQsendQuery(conn, sql), "%s", PQerrorMessage(conn));
}

static void must(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);

	kt_check(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s in: %s",
		PQerrorMessage(conn), sql);
	PQclear(result);
}

static void must_finish(PGconn *conn)
{
	PGresult *result;

	while ((result = PQgetResult(conn))) {
		kt_check(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
		PQclear(result);
	}
}

/* F13: another session holds what the target's trigger needs, and asks for the ledger: the other order.  That session
 * waits patiently, so the server finds the job's to be the victim. */
Test(postgres_conflicts, a_deadlock_rolls_the_range_back_and_it_lands_once, .timeout = 240)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	pg_job_catch_up(&job);
	kt_store_exec(&job.store, "create table totals(n bigint not null); insert into totals values (0);"
		"create function add_up() returns trigger language plpgsql as $$ begin"
		"  update totals set n = n + (select count(*) from news); return null; end $$;"
		"create trigger add_up after insert on t referencing new table as news for each statement execute function"
		" add_up()");
	PGconn *other = kt_pg_connect(job.store.pg.dsn);
	must(other, "set deadlock_timeout = '10min'");
	must(other, "begin; update totals set n = n");
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_must_say(process, "owner of job");
	kt_job_fill(&job, 0, RECORDS);
	kt_job_await(&job, 1, FAULT_MS, "select count(*) from pg_stat_activity where application_name like 'kdirect/j/%'"
		" and wait_event_type = 'Lock' and datname = current_database()");
	send(other, "select * from kdirect.position for update");
	pg_must_say(process, "40P01");
	must_finish(other);
	must(other, "commit");
	int64_t ms = pg_job_await_rows(&job, process, 2 * RECORDS);
	pg_job_stop(process);
	cr_assert_eq(kt_store_int(&job.store, "select n from totals"), RECORDS, "I11");
	pg_job_judge(&job);
	printf("faults: %lld ms from the other session's commit to all rows, after a deadlock\n", (long long) ms);
	PQfinish(other);
	kt_job_close(&job);
}

/* F13: ALTER TABLE of somebody who then goes for lunch; the job names whom it waits for. */
static void outlast_a_lock(const char *sql, const char *set)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	pg_job_catch_up(&job);
	PGconn *other = kt_pg_connect(job.store.pg.dsn);
	char *names = kt_format("pg_terminate_backend(%d)", PQbackendPID(other));
	kt_process *process = kt_job_start(&job, NULL, "--set", set, NULL);
	pg_must_say(process, "owner of job");
	must(other, sql);
	kt_job_fill(&job, 0, RECORDS);
	pg_must_say(process, "55P03");
	pg_must_say(process, names);
	must(other, "commit");
	pg_job_await_rows(&job, process, 2 * RECORDS);
	pg_job_stop(process);
	pg_job_judge(&job);
	PQfinish(other);
	free(names);
	kt_job_close(&job);
}

/* F13, I8. */
Test(postgres_conflicts, a_lock_of_somebody_else_is_waited_for_and_its_holder_named, .timeout = 240)
{
	outlast_a_lock("begin; lock table t in access exclusive mode", "retry_timeout_ms=12000");
	outlast_a_lock("begin; select * from kdirect.position for update", "retry_timeout_ms=12000");
	outlast_a_lock("begin; select * from kdirect.partition for update", "retry_timeout_ms=12000");
}
