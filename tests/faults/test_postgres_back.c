/* SPDX-License-Identifier: Apache-2.0 */
/* A database that goes back in time under a job (F11), or cannot be written for a while (F15): an asynchronous standby
 * that lacks the last commits is promoted, an earlier backup is restored.  Rows and positions went back together: the
 * job notices, takes over again, and lands exactly what was lost; or stops and explains where Kafka has it no more. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_faults.h"
#include "tmpdir.h"
#include "wait.h"

enum { KEPT = 1500, LOST = 700 };

static const char record[] = "on_data_loss=record";

/* ---- an earlier backup ---- */

static void restore(const pg_server *server, kt_job *job)
{
	pg_server_do(server, "restore", NULL);
	kt_pg_reconnect(&job->store.pg);
}

static int64_t epoch_of(kt_job *job)
{
	return kt_store_int(&job->store, "select epoch from @job");
}

/* Under a job that has nothing to do. */
static void restore_under_an_idle_job(const pg_server *server, kt_job *job, int64_t all)
{
	kt_process *process = pg_job_start(job, NULL, NULL);

	pg_job_await_rows(job, process, all);
	kt_job_await(job, all, FAULT_MS, "select sum(rows) from @batch_partition");
	int64_t epoch = epoch_of(job);
	restore(server, job);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t where kafka_offset >= %d", KEPT), 0);
	cr_assert_lt(epoch_of(job), epoch);
	int64_t ms = pg_job_await_rows(job, process, all);
	cr_assert_gt(epoch_of(job), epoch, "an epoch that this process had was given again");
	pg_must_say(process, "went back in time");
	pg_job_stop(process);
	pg_job_judge(job);
	printf("faults: %" PRId64 " ms from a restored backup to all rows, under an idle job\n", ms);
}

/* Under a job in the middle of its work. */
static void restore_under_a_busy_job(const pg_server *server, kt_job *job, int64_t all)
{
	kt_process *process = pg_job_start(job, NULL, "batch.max_records_per_batch=40");

	pg_job_await_rows(job, process, KEPT + LOST / 4);
	restore(server, job);
	int64_t ms = pg_job_await_rows(job, process, all);
	pg_job_stop(process);
	pg_job_judge(job);
	printf("faults: %" PRId64 " ms from a restored backup to all rows, under a busy job\n", ms);
}

/* F11, I1-I3, I6. */
Test(postgres_back, a_restored_backup_takes_rows_and_positions_back_and_exactly_the_lost_land_again, .timeout = 300)
{
	pg_server server;
	kt_job job;

	pg_server_start(&server, NULL);
	pg_job_open(&job, &server, 1);
	kt_job_fill(&job, 0, KEPT);
	pg_job_catch_up(&job);
	pg_server_do(&server, "backup", NULL);
	kt_job_fill(&job, 0, LOST);
	restore_under_an_idle_job(&server, &job, KEPT + LOST);
	restore(&server, &job);
	restore_under_a_busy_job(&server, &job, KEPT + LOST);
	restore(&server, &job);
	pg_job_catch_up(&job); /* a job that was stopped */
	pg_job_judge(&job);
	kt_job_close(&job);
	pg_server_remove(&server);
}

/* F11, F32: by dump and restore of rows and ledger the table is another one to the server, and the job asks. */
Test(postgres_back, a_restored_dump_is_told_to_the_ledger_and_goes_on, .timeout = 240)
{
	static const char begins[] = "update kdirect.job set target_identity";
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, KEPT);
	pg_job_catch_up(&job);
	char *dump = kt_path(job.dir, "dump"), *shell = kt_format("PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | tail -n 1);"
		" pg_dump -Fc -f %s -d '%s'", dump, job.store.pg.dsn);
	cr_assert_eq(system(shell), 0);
	kt_job_fill(&job, 0, LOST);
	pg_job_catch_up(&job);
	free(shell);
	shell = kt_format("PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin | tail -n 1); pg_restore -c -d '%s' %s",
		job.store.pg.dsn, dump);
	cr_assert_eq(system(shell), 0);
	kt_process *process = kt_job_run(&job, NULL, FAULT_MS);
	const char *from = strstr(kt_process_stderr(process), begins), *until = from ? strstr(from, "\" code=") : NULL;
	kt_check(until, "no statement in: %s", kt_process_stderr(process));
	char *sql = strndup(from, (size_t) (until - from));
	kt_store_exec(&job.store, "%s", sql);
	kt_job_must_end(process, 2, NULL, 0);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), KEPT);
	pg_job_catch_up(&job);
	pg_job_judge(&job);
	free(sql);
	free(shell);
	free(dump);
	kt_job_close(&job);
}

/* F11, I10: set back to before its first start, a job that begins at the latest would begin behind what was lost. */
Test(postgres_back, a_running_job_that_the_database_does_not_know_any_more_stops_and_says_so, .timeout = 240)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_process *process = pg_job_start(&job, NULL, "start=latest");
	pg_must_say(process, "owner of job");
	kt_job_fill(&job, 0, KEPT);
	pg_job_await_rows(&job, process, KEPT);
	kt_store_exec(&job.store, "begin; truncate t, kdirect.job, kdirect.partition, kdirect.position,"
		" kdirect.batch_partition, kdirect.instance; commit");
	kt_job_must_end(process, 1, "is not in the ledger any more", FAULT_MS);
	pg_job_catch_up(&job); /* a new beginning, by "start": earliest here */
	pg_job_judge(&job);
	kt_job_close(&job);
}

/* ---- a standby that lacks the last commits ---- */

typedef struct pair {
	pg_server primary, standby;
	kt_job job;
} pair;

static char *value_of(const char *url, const char *key)
{
	const char *at = strstr(url, key) + strlen(key);

	return strndup(at, strcspn(at, " "));
}

/* Both hosts, as a job on such a pair names them. */
static void name_both(pair *p)
{
	char *hosts[2] = {value_of(p->primary.url, "host="), value_of(p->standby.url, "host=")};
	char *ports[2] = {value_of(p->primary.url, "port="), value_of(p->standby.url, "port=")};

	free(p->job.store.sink);
	p->job.store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"host=%s,%s port=%s,%s dbname=%s user=postgres"
		" target_session_attrs=read-write\"", hosts[0], hosts[1], ports[0], ports[1], p->job.store.pg.name);
	kt_job_write(&p->job, "\"workers\": 2");
	for (int i = 0; i < 2; i++) {
		free(hosts[i]);
		free(ports[i]);
	}
}

static bool is_alone(void *opaque)
{
	pair *p = opaque;

	return kt_store_int(&p->job.store, "select count(*) from pg_stat_replication") == 0;
}

static void await_replay(pair *p, kt_pg *standby)
{
	char *lsn = kt_store_text(&p->job.store, "select pg_current_wal_lsn()");
	int64_t end = kt_now_ms() + FAULT_MS;

	while (!kt_pg_int(standby, "select (pg_last_wal_replay_lsn() >= '%s')::int", lsn)) {
		kt_check(kt_now_ms() < end, "the standby does not follow");
		kt_pause();
	}
	free(lsn);
}

/* A pair; the job has landed KEPT records, both hold them, and from now on the standby follows no more. */
static void open_pair(pair *p)
{
	pg_server_start(&p->primary, NULL);
	pg_job_open(&p->job, &p->primary, 1);
	pg_server_follow(&p->standby, &p->primary);
	name_both(p);
	kt_job_fill(&p->job, 0, KEPT);
	pg_job_catch_up(&p->job);
	kt_pg standby = {.conn = kt_pg_connect(p->standby.url)};
	await_replay(p, &standby);
	kt_pg_exec(&standby, "alter system set primary_conninfo = ''");
	kt_pg_exec(&standby, "select pg_reload_conf()");
	kt_await(is_alone, p, FAULT_MS, "the standby has let go");
	PQfinish(standby.conn);
}

/* The primary is gone for good; the test goes to the new one, too. */
static void fail_over(pair *p)
{
	char *dsn = kt_format("%s dbname=%s", p->standby.url, p->job.store.pg.name);

	pg_server_do(&p->primary, "stop", "immediate");
	pg_server_do(&p->standby, "promote", NULL);
	PQfinish(p->job.store.pg.conn);
	p->job.store.pg.conn = kt_pg_connect(dsn);
	free(p->job.store.pg.dsn);
	p->job.store.pg.dsn = dsn;
}

static void close_pair(pair *p)
{
	kt_job_close(&p->job);
	pg_server_remove(&p->primary);
	pg_server_remove(&p->standby);
}

static void fail_over_under(const char *set, int64_t when)
{
	pair p;

	open_pair(&p);
	kt_process *process = pg_job_start(&p.job, NULL, set);
	pg_must_say(process, "owner of job");
	kt_job_fill(&p.job, 0, LOST);
	pg_job_await_rows(&p.job, process, KEPT + when);
	fail_over(&p);
	int64_t ms = pg_job_await_rows(&p.job, process, KEPT + LOST);
	pg_must_say(process, "went back in time");
	pg_job_stop(process);
	pg_job_judge(&p.job);
	printf("faults: %" PRId64 " ms from a promotion to all rows, under %s job, with its last commits lost\n", ms,
		set ? "a busy" : "an idle");
	close_pair(&p);
}

/* F11, F15, I1-I3, I6, I8: commits that were confirmed are gone. */
Test(postgres_back, a_fail_over_that_loses_confirmed_commits_lands_exactly_those_again, .timeout = 300)
{
	fail_over_under(NULL, LOST);
	fail_over_under("batch.max_records_per_batch=30", LOST / 4);
}

/* F11, I10: what was lost in the database, and in Kafka too. */
Test(postgres_back, a_fail_over_that_loses_what_kafka_has_dropped_stops_or_is_recorded, .timeout = 240)
{
	pair p;

	open_pair(&p);
	kt_process *process = pg_job_start(&p.job, NULL, NULL);
	pg_must_say(process, "owner of job");
	kt_job_fill(&p.job, 0, LOST);
	pg_job_await_rows(&p.job, process, KEPT + LOST);
	kt_records_delete(p.job.admin, p.job.topic, 0, KEPT + LOST / 2);
	fail_over(&p);
	kt_job_must_end(process, 1, "offsets were deleted", FAULT_MS);
	cr_assert_eq(kt_store_int(&p.job.store, "select count(*) from t"), KEPT);
	kt_job_catch_up(&p.job, record);
	cr_assert_eq(kt_store_int(&p.job.store, "select count(*) from t"), KEPT + LOST - LOST / 2);
	cr_assert_eq(kt_store_int(&p.job.store, "select sum(until_offset - from_offset) from @gap"), LOST / 2);
	cr_assert_eq(kt_store_int(&p.job.store, "select count(distinct kafka_offset) from t"), KEPT + LOST - LOST / 2);
	cr_assert_eq(kt_judge_tiling(&p.job.store, "j"), 0);
	close_pair(&p);
}

/* ---- read-only for a while ---- */

/* F15, I8: the server comes back as a standby and is promoted later; with any, libpq itself does not mind. */
static void outlast_a_standby(const char *attributes)
{
	pg_server server;
	kt_job job;

	pg_server_start(&server, NULL);
	pg_job_open(&job, &server, 1);
	free(job.store.sink);
	job.store.sink = kt_format("\"type\": \"postgres\", \"dsn\": \"%s target_session_attrs=%s\"", job.store.pg.dsn,
		attributes);
	kt_job_write(&job, NULL);
	kt_job_fill(&job, 0, KEPT);
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_job_await_rows(&job, process, KEPT);
	pg_server_do(&server, "demote", NULL);
	kt_job_fill(&job, 0, LOST);
	pg_must_say(process, strcmp(attributes, "any") == 0 ? "standby" : "read-only");
	cr_assert(kt_process_running(process));
	pg_server_do(&server, "promote", NULL);
	int64_t ms = pg_job_await_rows(&job, process, KEPT + LOST);
	pg_job_stop(process);
	pg_job_judge(&job);
	printf("faults: %" PRId64 " ms from a promotion to all rows, target_session_attrs=%s\n", ms, attributes);
	kt_job_close(&job);
	pg_server_remove(&server);
}

/* F15, I8. */
Test(postgres_back, a_server_that_cannot_be_written_for_a_while_is_waited_for, .timeout = 240)
{
	outlast_a_standby("read-write");
	outlast_a_standby("any");
}
