/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL of the test's own that crashes under a running job, loses backends, and has no room: for connections, on
 * its disk (F9, F10, F15).  The job stays, waits, and goes on at the same plan; each test ends with exactly once. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "pg_faults.h"
#include "tmpdir.h"
#include "wait.h"

enum { PARTITIONS = 2, RECORDS = 1500, CRASHES = 6, BACKENDS = 4, SMALL_BATCH = 100 };

static const char small_batches[] = "batch.max_records_per_batch=100";

static void fill_all(kt_job *job, int64_t n)
{
	for (int p = 0; p < PARTITIONS; p++)
		kt_job_fill(job, p, n);
}

/* ---- the server crashes ---- */

/* F9, I1-I3, I8: wherever the job happens to be. */
Test(postgres_crash, a_server_that_crashes_again_and_again_costs_nothing_but_time, .timeout = 300)
{
	pg_server server;
	kt_job job;
	int64_t rows = 0, worst_ms = 0, sum_ms = 0;

	pg_server_start(&server, NULL);
	pg_job_open(&job, &server, PARTITIONS);
	kt_process *process = pg_job_start(&job, NULL, small_batches);
	for (int i = 0; i < CRASHES; i++) {
		fill_all(&job, RECORDS);
		pg_job_await_rows(&job, process, rows + 1 + i * SMALL_BATCH);
		pg_server_do(&server, "restart", "immediate");
		int64_t ms = pg_job_await_rows(&job, process, rows + 2 * RECORDS);
		rows += 2 * RECORDS;
		sum_ms += ms;
		worst_ms = ms > worst_ms ? ms : worst_ms;
	}
	pg_job_stop(process);
	pg_job_judge(&job);
	printf("faults: %d crashes of PostgreSQL at work: caught up after %lld ms on average, %lld ms at the most\n", CRASHES,
		(long long) (sum_ms / CRASHES), (long long) worst_ms);
	kt_job_close(&job);
	pg_server_remove(&server);
}

/* Where the job stands when its server crashes: frozen there, so that the moment is exact. */
static const char *const points[] = {"takeover.locked", "takeover.before_commit", "takeover.commit_sent",
	"partitions.before_commit", "partitions.commit_sent", "start.owned", "plan.before_commit", "plan.commit_sent",
	"plan.after_durable", "sink.after_begin", "sink.before_copy", "sink.copy_mid", "sink.copy_end", "sink.before_commit",
	"sink.commit_sent", "sink.after_commit", "commit.done", "prune.before_commit", "prune.commit_sent"};

static void crash_at(kt_job *job, const pg_server *server, const char *point)
{
	char *fault = kt_format("%s:1:stop", point);

	if (!strncmp(point, "partitions", 10)) {
		char *topic = job->topic;
		int grown = PARTITIONS + 1 + !strcmp(point, "partitions.commit_sent");
		kt_topic_grow(job->admin, topic, grown);
		kt_job_fill(job, grown - 1, SMALL_BATCH);
	}
	fill_all(job, SMALL_BATCH);
	if (!strncmp(point, "prune", 5))
		kt_store_exec(&job->store, "update @batch_partition set committed_at = committed_at - interval '100 days'");
	kt_process *process = kt_job_start(job, fault, "--until-latest", "--set", "retry_timeout_ms=60000", NULL);
	pg_must_freeze(process);
	pg_server_do(server, "restart", "immediate");
	kt_pg_reconnect(&job->store.pg);
	kt_process_signal(process, SIGCONT);
	kt_job_must_end(process, 0, NULL, FAULT_MS);
	kt_judge_clean(&job->store, "t", job->topic);
	free(fault);
}

/* F9: at the steps of take-over, plan, rows, commit and pruning. */
Test(postgres_crash, a_server_that_crashes_at_any_step_of_the_job_costs_nothing, .timeout = 400)
{
	pg_server server;
	kt_job job;
	int n = (int) (sizeof(points) / sizeof(points[0]));

	pg_server_start(&server, NULL);
	pg_job_open(&job, &server, PARTITIONS);
	fill_all(&job, SMALL_BATCH);
	pg_job_catch_up(&job);
	for (int i = 0; i < n; i++)
		crash_at(&job, &server, points[i]);
	pg_job_judge(&job);
	printf("faults: %d crashes of PostgreSQL, each with the job frozen at another step\n", n);
	kt_job_close(&job);
	pg_server_remove(&server);
}

/* ---- a backend goes ---- */

static int64_t end_all_sessions(kt_job *job)
{
	return kt_store_int(&job->store, "select count(pg_terminate_backend(pid)) from pg_stat_activity"
		" where datname = current_database() and application_name like 'kdirect/%%'");
}

/* F10, I1-I3: by an administrator. */
Test(postgres_crash, sessions_that_are_ended_again_and_again_are_opened_again, .timeout = 240)
{
	kt_job job;
	int64_t ended = 0, next = 1;

	pg_job_open(&job, NULL, PARTITIONS);
	fill_all(&job, 4 * RECORDS);
	kt_process *process = pg_job_start(&job, NULL, small_batches);
	for (; next < 8 * RECORDS - 1000; next = kt_store_int(&job.store, "select count(*) from t") + 500) {
		pg_job_await_rows(&job, process, next);
		ended += end_all_sessions(&job);
	}
	int64_t ms = pg_job_await_rows(&job, process, 8 * RECORDS);
	pg_job_stop(process);
	pg_job_judge(&job);
	cr_assert_gt(ended, 10);
	printf("faults: %lld sessions ended at work; the rest had landed %lld ms after the last one\n", (long long) ended,
		(long long) ms);
	kt_job_close(&job);
}

/* F10: kill -9 of one backend, after which PostgreSQL restarts all of them. */
Test(postgres_crash, a_backend_that_is_killed_takes_all_others_along_and_no_record, .timeout = 240)
{
	pg_server server;
	kt_job job;
	int killed = 0;
	int64_t sum_ms = 0;

	pg_server_start(&server, NULL);
	pg_job_open(&job, &server, PARTITIONS);
	kt_process *process = pg_job_start(&job, NULL, small_batches);
	for (int i = 1; i <= BACKENDS; i++) {
		fill_all(&job, RECORDS);
		pg_job_await_rows(&job, process, (i - 1) * 2 * RECORDS + 1 + i * SMALL_BATCH);
		pid_t pid = (pid_t) kt_store_int(&job.store, "select pid from pg_stat_activity where application_name like"
			" 'kdirect/j/%%' order by random() limit 1");
		killed += pid > 0 && kill(pid, SIGKILL) == 0;
		sum_ms += pg_job_await_rows(&job, process, i * 2 * RECORDS);
	}
	pg_job_stop(process);
	pg_job_judge(&job);
	cr_assert_geq(killed, 3);
	printf("faults: %d backends killed: caught up after %lld ms on average\n", killed, (long long) (sum_ms / BACKENDS));
	kt_job_close(&job);
	pg_server_remove(&server);
}

/* ---- no room ---- */

enum { SLOTS = 20 };

/* Takes every connection that there is; returns how many. */
static int take_slots(const kt_job *job, PGconn **slots, int n)
{
	while (n < SLOTS) {
		slots[n] = PQconnectdb(job->store.pg.dsn);
		if (PQstatus(slots[n]) != CONNECTION_OK) {
			PQfinish(slots[n]);
			break;
		}
		n++;
	}
	return n;
}

/* F15, I8. */
Test(postgres_crash, too_many_connections_are_waited_for, .timeout = 240)
{
	pg_server server;
	kt_job job;
	PGconn *slots[SLOTS];
	int n = 0;

	pg_server_start(&server, "max_connections=12");
	pg_job_open(&job, &server, PARTITIONS);
	fill_all(&job, RECORDS);
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_job_await_rows(&job, process, 2 * RECORDS);
	do {
		end_all_sessions(&job);
		n = take_slots(&job, slots, n);
	} while (kt_store_int(&job.store, "select count(*) from pg_stat_activity where application_name like 'kdirect/%%'"));
	fill_all(&job, RECORDS);
	pg_must_say(process, "53300");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 2 * RECORDS);
	while (n)
		PQfinish(slots[--n]);
	int64_t ms = pg_job_await_rows(&job, process, 4 * RECORDS);
	pg_job_stop(process);
	pg_job_judge(&job);
	printf("faults: %lld ms from a free connection to all rows, after 53300\n", (long long) ms);
	kt_job_close(&job);
	pg_server_remove(&server);
}

static bool may_mount(void)
{
	return system("unshare -m true 2>/dev/null && unshare -m mount -t tmpfs none /mnt 2>/dev/null") == 0;
}

/* F15, I8: a file system of 16 MB that holds the target, filled to its last block by somebody else. */
Test(postgres_crash, a_full_disk_is_waited_for, .timeout = 240)
{
	pg_server server;
	kt_job job;

	if (!may_mount())
		cr_skip_test("no right to mount a small file system");
	pg_server_start(&server, "--small=16M");
	pg_job_open(&job, &server, PARTITIONS);
	char *home = kt_path(server.dir, "home"), *base = kt_read_file(home);
	base[strcspn(base, "\n")] = '\0';
	kt_store_exec(&job.store, "create tablespace small location '%s/small'", base);
	kt_store_exec(&job.store, "create table t(kafka_topic text, kafka_partition int, kafka_offset bigint,"
		" kafka_timestamp timestamptz, key bytea, value bytea, headers jsonb) tablespace small;"
		" create table other(a text) tablespace small; alter table other alter a set storage plain");
	PGresult *full = PQexec(job.store.pg.conn, "insert into other select repeat('x', 7000) from generate_series(1, 9999)");
	cr_assert_str_eq(PQresultErrorField(full, PG_DIAG_SQLSTATE), "53100");
	PQclear(full);
	fill_all(&job, RECORDS);
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_must_say(process, "53100");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from t"), 0);
	int64_t plans = kt_store_int(&job.store, "select count(*) from @batch_partition");
	kt_store_exec(&job.store, "drop table other");
	int64_t ms = pg_job_await_rows(&job, process, 2 * RECORDS);
	pg_job_stop(process);
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from @batch_partition"), plans, "it did not stay at its plan");
	pg_job_judge(&job);
	printf("faults: %lld ms from room on the disk to all rows, after 53100\n", (long long) ms);
	free(base);
	free(home);
	kt_job_close(&job);
	pg_server_remove(&server);
}
