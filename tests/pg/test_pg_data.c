// SPDX-License-Identifier: Apache-2.0
// The data transaction of the postgres sink, and what happens to it when something goes wrong (I2, I8, I9, I10).
#include "pg_world.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sinks/postgres/pg_call.h"
#include "servers.h"
#include "tmpdir.h"

TestSuite(pg_data, .timeout = 60);

/* ---- frozen sessions ---- */

static PGconn *hold(pg_world *w, const char *name, const char *sql)
{
	char *dsn = kt_format("%s application_name=%s", w->pg.dsn, name);
	PGconn *conn = kt_pg_connect(dsn);
	free(dsn);
	PQclear(PQexec(conn, "begin"));
	PGresult *result = PQexec(conn, sql);
	cr_assert_neq(PQresultStatus(result), PGRES_FATAL_ERROR, "%s", PQerrorMessage(conn));
	PQclear(result);
	return conn;
}

Test(pg_data, a_frozen_predecessor_is_ended_in_less_than_two_seconds)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 100);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e); /* and stands still inside COPY */
	int64_t began = kt_now_ms();
	instance *b = start(&w, 'b', 1);
	cr_assert_lt(kt_now_ms() - began, 2000);
	kd_error err = {0};
	cr_assert_neq(try_commit(a, &e, &err), KD_OK);
	cr_assert_eq(err.action, KD_REPLAY, "%s", err.message);
	w.ops->abort(a->session);
	cr_assert_not(w.ops->usable(a->session));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 0);
	land(b, &e);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 100);
	stop(a);
	stop(b);
	pg_world_close(&w);
}

Test(pg_data, a_frozen_session_of_this_job_does_not_hold_up_plan_and_commit)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	PGconn *one = hold(&w, "kdirect/" JOB "/worker-0", "select * from kdirect.partition for update");
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	PGconn *two = hold(&w, "kdirect/" JOB "/worker-1", "select * from kdirect.position for update");
	land(a, &e);
	PQfinish(one);
	PQfinish(two);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, a_strangers_lock_is_named_and_left_alone)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	PGconn *stranger = hold(&w, "kdirect/" JOB "2/worker-0", "select * from kdirect.position for update");
	char pid[16], statement[64];
	snprintf(pid, sizeof pid, "%d", PQbackendPID(stranger));
	snprintf(statement, sizeof statement, "select pg_terminate_backend(%s)", pid);
	kd_error err = {0};
	cr_assert_eq(try_take_over(a, &err), KD_EBUSY, "%s", err.message);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert(strstr(err.message, statement), "%s", err.message);
	PGresult *alive = PQexec(stranger, "select 1");
	cr_assert_eq(PQresultStatus(alive), PGRES_TUPLES_OK);
	PQclear(alive);
	PQfinish(stranger);
	MUST(try_take_over(a, &failure));
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, sessions_of_one_process_do_not_end_one_another)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	void *other = NULL;
	kd_reread row;
	kd_error err = {0};
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	MUST(w.ops->connect(a->sink, "worker-1", &other, &failure));
	cr_assert_eq(w.ops->reread(other, KD_REREAD_DATA, &e, 1, &row, &err), KD_EBUSY, "%s", err.message);
	cr_assert_eq(err.action, KD_RETRY);
	write_range(a, &e);
	MUST(try_commit(a, &e, &failure));
	MUST(w.ops->reread(other, KD_REREAD_DATA, &e, 1, &row, &failure));
	cr_assert_eq(row.batch, KD_BATCH_COMMITTED);
	w.ops->disconnect(other);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, a_silent_host_is_stepped_over)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int silent = socket(AF_INET, SOCK_STREAM, 0);
	cr_assert_eq(bind(silent, (struct sockaddr *) &address, size), 0);
	cr_assert_eq(listen(silent, 8), 0);
	cr_assert_eq(getsockname(silent, (struct sockaddr *) &address, &size), 0);
	snprintf(w.dsn, sizeof w.dsn, "host=127.0.0.1,127.0.0.1 port=%d,%s dbname=%s user=postgres connect_timeout=2",
		ntohs(address.sin_port), PQport(w.pg.conn), w.pg.name);
	stop(start(&w, 'a', 1));
	close(silent);
	pg_world_close(&w);
}

static void *interrupt_soon(void *opaque)
{
	instance *i = opaque;
	while (kt_pg_int(&i->w->pg, "select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 0)
		kt_pause();
	i->w->ops->interrupt(i->session);
	return NULL;
}

Test(pg_data, a_blocked_call_can_be_interrupted)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	PGconn *stranger = hold(&w, "psql", "select * from kdirect.position for update");
	pthread_t thread;
	kd_error err = {0};
	cr_assert_eq(pthread_create(&thread, NULL, interrupt_soon, a), 0);
	int64_t began = kt_now_ms();
	cr_assert_neq(try_take_over(a, &err), KD_OK);
	cr_assert_lt(kt_now_ms() - began, 3000);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert_not(w.ops->usable(a->session));
	pthread_join(thread, NULL);
	PQfinish(stranger);
	reconnect(a, "driver");
	MUST(try_take_over(a, &failure));
	stop(a);
	pg_world_close(&w);
}

/* ---- rows that the server refuses, or swallows ---- */

#define RAW_COLUMNS \
	"kafka_topic text, kafka_partition int, kafka_offset bigint, kafka_timestamp timestamptz, key bytea, value bytea," \
	" headers jsonb"

Test(pg_data, a_refused_row_is_counted_from_begin)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "create table t (" RAW_COLUMNS ", unique (kafka_offset));"
		"insert into t (kafka_offset) values (107)");
	instance *a = start(&w, 'a', 1);
	kd_batch_partition one = entry(0, 1000, 0, 100), two = entry(0, 1001, 100, 50000);
	plan_and_land(a, &one);
	cr_assert_eq(plan(a, &two), KD_CAS_DONE);
	cr_assert_eq(begin(a, &two), KD_CAS_DONE);
	kd_error err = {0};
	kd_code code = write_values(a, &two, NULL, &err);
	if (code == KD_OK)
		code = try_commit(a, &two, &err);
	cr_assert_eq(code, KD_ERECORD, "%s", err.message);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(err.row, 8);
	cr_assert_str_eq(err.sqlstate, "23505");
	w.ops->abort(a->session);
	cr_assert(w.ops->usable(a->session));
	kt_pg_exec(&w.pg, "delete from t where kafka_offset = 107");
	land(a, &two);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 50000);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, rows_are_counted_over_several_copies)
{
	pg_world w;
	pg_world_open(&w, "public.f", "\"layout\": \"fields\"");
	kt_pg_exec(&w.pg, "create table f (id int check (id <> 6), note text default 'none')");
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 8);
	static const char *const values[] = {"{\"id\":1}", "{\"id\":2,\"note\":\"x\"}", "{\"id\":3}", "{\"id\":4}",
		"{\"id\":5,\"note\":null}", "{\"id\":6}", "{\"id\":7}", "{\"id\":8,\"note\":\"y\"}"};
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	kd_error err = {0};
	kd_code code = write_values(a, &e, values, &err);
	if (code == KD_OK)
		code = try_commit(a, &e, &err);
	cr_assert_eq(code, KD_ERECORD, "%s", err.message);
	cr_assert_eq(err.row, 6, "%s", err.message);
	w.ops->abort(a->session);
	kt_pg_exec(&w.pg, "alter table f drop constraint f_id_check");
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	MUST(write_values(a, &e, values, &failure));
	MUST(try_commit(a, &e, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from f where note = 'none'"), 5);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from f where note is null"), 1);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, a_trigger_that_swallows_rows_is_named)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kt_pg_exec(&w.pg, "create function swallow() returns trigger language plpgsql as"
		" 'begin if new.kafka_offset = 3 then return null; end if; return new; end';"
		"create trigger eats_threes before insert on t for each row execute function swallow()");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	kd_error err = {0};
	cr_assert_eq(try_commit(a, &e, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "eats_threes"), "%s", err.message);
	w.ops->abort(a->session);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 0);
	cr_assert_eq(reread(a, KD_REREAD_DATA, &e).batch, KD_BATCH_PLANNED);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, notices_of_a_trigger_do_not_disturb)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kt_pg_exec(&w.pg, "create function chat() returns trigger language plpgsql as"
		" 'begin raise notice ''%%'', repeat(''x'', 500); return new; end';"
		"create trigger chats before insert on t for each row execute function chat()");
	kd_batch_partition e = entry(0, 1000, 0, 20000);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	for (int tries = 0;; tries++) {
		cr_assert_lt(tries, 2, "a false alarm may cost one replay");
		cr_assert_eq(begin(a, &e), KD_CAS_DONE);
		kd_error err = {0};
		if (write_values(a, &e, NULL, &err) == KD_OK && try_commit(a, &e, &err) == KD_OK)
			break;
		cr_assert_eq(err.action, KD_REPLAY, "%s", err.message);
		w.ops->abort(a->session);
	}
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 20000);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, a_trigger_sees_the_roles_own_search_path)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kt_pg_exec(&w.pg, "create table counter (n bigint); insert into counter values (0);"
		"create function count_one() returns trigger language plpgsql as"
		" 'begin update counter set n = n + 1; return null; end';"
		"create constraint trigger counts after insert on t deferrable initially deferred"
		" for each row execute function count_one()");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	plan_and_land(a, &e);
	cr_assert_eq(kt_pg_int(&w.pg, "select n from counter"), 10);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, what_a_deferred_check_refuses_is_not_committed)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kt_pg_exec(&w.pg, "create function refuse() returns trigger language plpgsql as"
		" 'begin raise exception ''no threes'' using errcode = ''23514''; end';"
		"create constraint trigger refuses after insert on t deferrable initially deferred"
		" for each row when (new.kafka_offset = 3) execute function refuse()");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	kd_error err = {0};
	cr_assert_eq(try_commit(a, &e, &err), KD_ERECORD);
	cr_assert_eq(err.action, KD_STOP);
	w.ops->abort(a->session);
	cr_assert_eq(reread(a, KD_REREAD_DATA, &e).batch, KD_BATCH_PLANNED);
	stop(a);
	pg_world_close(&w);
}

/* ---- commits whose end is not clear ---- */

Test(pg_data, a_commit_that_rolls_back_is_no_commit)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	pg_call call;
	kd_error err = {0};
	pg_call_init(&call, a->session, "fail");
	pg_call_begin(&call, PG_WRITE);
	pg_call_sql(&call, "select 1 / 0");
	cr_assert_neq(pg_call_run(&call, NULL, &err), KD_OK);
	pg_call_done(&call);
	kd_error_clear(&err);
	cr_assert_eq(pg_session_commit(a->session, "commit", NULL, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert(strstr(err.message, "ROLLBACK"), "%s", err.message);
	stop(a);
	pg_world_close(&w);
}

static void end_backends(pg_world *w, const char *where)
{
	kt_pg_exec(w->pg.conn ? &w->pg : NULL, "select pg_terminate_backend(pid) from pg_stat_activity"
		" where datname = current_database() and application_name like 'kdirect/%%' and %s", where);
}

Test(pg_data, a_connection_lost_before_commit_means_replay)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	end_backends(&w, "true");
	kd_error err = {0};
	kd_code code = write_values(a, &e, NULL, &err);
	if (code == KD_OK)
		code = try_commit(a, &e, &err);
	cr_assert_neq(code, KD_OK);
	cr_assert_eq(err.action, KD_REPLAY, "%s", err.message);
	w.ops->abort(a->session);
	cr_assert_not(w.ops->usable(a->session));
	kd_error again = {0};
	kd_cas cas;
	cr_assert_neq(w.ops->append_plan(a->session, &a->me, &e, 1, &cas, &again), KD_OK);
	cr_assert_eq(again.action, KD_RETRY, "%s", again.message);
	reconnect(a, "worker-0");
	land(a, &e);
	stop(a);
	pg_world_close(&w);
}

static void *end_while_committing(void *opaque)
{
	pg_world *w = opaque;
	while (kt_pg_int(&w->pg, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == 0)
		kt_pause();
	end_backends(w, "wait_event = 'PgSleep'");
	return NULL;
}

Test(pg_data, a_connection_lost_after_commit_means_resolve)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kt_pg_exec(&w.pg, "create function slow() returns trigger language plpgsql as"
		" 'begin perform pg_sleep(20); return null; end';"
		"create constraint trigger slows after insert on t deferrable initially deferred"
		" for each row when (new.kafka_offset = 3) execute function slow()");
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, end_while_committing, &w), 0);
	kd_error err = {0};
	cr_assert_neq(try_commit(a, &e, &err), KD_OK);
	cr_assert_eq(err.action, KD_RESOLVE, "%s", err.message);
	pthread_join(thread, NULL);
	kt_pg_exec(&w.pg, "drop trigger slows on t");
	reconnect(a, "worker-0");
	land(a, &e); /* the repeated write knows */
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 10);
	stop(a);
	pg_world_close(&w);
}

Test(pg_data, a_gap_lands_with_the_rows_around_it)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10), rest = entry(0, 1000, 4, 10);
	kd_gap gap = {.range = {0, 4}, .reason = "lost to \"retention\", {again}", .who = "policy"};
	kd_batch_result result = {.records = 6, .rows = 6, .log_start = 4, .witness = {-1, 0, 0}, .gaps = &gap, .n_gaps = 1};
	kd_durability durability;
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &rest);
	MUST(w.ops->commit(a->session, &result, &durability, &failure));
	cr_assert_eq(durability, KD_DURABLE);
	cr_assert_eq(kt_pg_int(&w.pg, "select gap from kdirect.batch_partition"), 4);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from kdirect.gap where batch_time = 1000 and until_offset = 4"), 1);
	MUST(try_take_over(a, &failure));
	cr_assert(a->image.segments[0].log_start == 4 && a->image.segments[0].witness.offset == -1);
	stop(a);
	pg_world_close(&w);
}

/* ---- a standby that does not answer ---- */

static void *cancel_the_wait(void *opaque)
{
	pg_world *w = opaque;
	PGconn *conn = kt_pg_connect(w->pg.dsn);
	for (int64_t done = 0; !done; kt_pause()) {
		PGresult *r = PQexec(conn, "select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'");
		done = pg_int(r, 0, 0);
		PQclear(r);
	}
	PQfinish(conn);
	return NULL;
}

Test(pg_data, a_commit_that_no_standby_confirmed_says_so)
{
	char *dir = kt_tmpdir(), *server = kt_server_start("pg.sh", dir, "synchronous_commit=local");
	pg_world w = {.ops = kd_sink_find("postgres"), .job = JOB, .table = "public.t"};
	kt_pg_open_at(&w.pg, server);
	snprintf(w.dsn, sizeof w.dsn, "%s", w.pg.dsn);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	kt_pg_exec(&w.pg, "alter system set synchronous_standby_names = 'nobody'");
	kt_pg_exec(&w.pg, "select pg_reload_conf()");
	while (kt_pg_int(&w.pg, "select count(*) from pg_settings where setting = 'nobody'") == 0)
		kt_pause();
	/* Commits wait from when the checkpointer has read the setting, too, which it does before its next checkpoint; the
	 * first of the two may have begun before it was told. */
	kt_pg_exec(&w.pg, "checkpoint");
	kt_pg_exec(&w.pg, "checkpoint");
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, cancel_the_wait, &w), 0);
	kd_batch_result result = result_of(&e);
	kd_durability durability = KD_DURABLE;
	MUST(w.ops->commit(a->session, &result, &durability, &failure));
	cr_assert_eq(durability, KD_DURABLE_HERE_ONLY);
	pthread_join(thread, NULL);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 10);
	stop(a);
	kt_pg_exec(&w.pg, "alter system reset synchronous_standby_names");
	kt_pg_exec(&w.pg, "select pg_reload_conf()");
	kt_pg_close(&w.pg);
	kt_server_do("pg.sh", "remove", dir, NULL);
	free(server);
	kt_tmpdir_remove(dir);
}
