// SPDX-License-Identifier: Apache-2.0
// Reading within the data transaction: what a query sees, and what its failures mean.
#include "pg_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sinks/postgres/pg_conn.h"

TestSuite(pg_query, .timeout = 60);

#define N(array) (sizeof(array) / sizeof *(array))

/* "a|b;c|-;" */
typedef struct answer {
	char text[4096];
	int most; /* rows wanted; 0: all */
	int rows;
} answer;

static bool on_row(void *opaque, const char *const *values, size_t n)
{
	answer *a = opaque;
	for (size_t i = 0; i < n; i++) {
		size_t used = strlen(a->text);
		snprintf(a->text + used, sizeof a->text - used, "%s%s", i ? "|" : "", values[i] ? values[i] : "-");
	}
	strncat(a->text, ";", sizeof a->text - strlen(a->text) - 1);
	return ++a->rows != a->most;
}

static kd_code ask(instance *i, const char *sql, const char *const *params, size_t n, answer *ret, kd_error *err)
{
	ret->rows = 0;
	ret->text[0] = '\0';
	return i->w->ops->query(i->session, sql, params, n, on_row, ret, err);
}

static void expect(instance *i, const char *sql, const char *expected)
{
	answer a = {.most = 0};
	MUST(ask(i, sql, NULL, 0, &a, &failure));
	cr_expect_str_eq(a.text, expected, "%s", sql);
}

static instance *begun(pg_world *w, kd_batch_partition *ret_entry)
{
	instance *a = start(w, 'a', 1);
	*ret_entry = entry(0, 1000, 0, 10);
	cr_assert_eq(plan(a, ret_entry), KD_CAS_DONE);
	cr_assert_eq(begin(a, ret_entry), KD_CAS_DONE);
	return a;
}

static void again(instance *a, const kd_batch_partition *e)
{
	a->w->ops->abort(a->session);
	if (!a->w->ops->usable(a->session))
		reconnect(a, "worker-0");
	cr_assert_eq(begin(a, e), KD_CAS_DONE);
}

Test(pg_query, sees_the_rows_of_its_own_transaction_and_what_others_commit_meanwhile)
{
	static const made_row first[] = {{0, NULL, "{\"i\": 1}"}, {0, "u", "{\"i\": 10}"}, {1, NULL, "{\"i\": \" 2\"}"}},
		second[] = {{2, "u", "{\"i\": 20}"}, {3, NULL, "{\"i\": 3}"}};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", "\"tables\": [\"u\"]");
	kt_pg_exec(&w.pg, "create table t (i int); create table u (i int); create table names (i int, name text)");
	instance *a = begun(&w, &e);
	expect(a, "select (select count(*) from t), (select count(*) from names)", "0|0;");
	MUST(write_rows(a, &e, first, N(first), &failure));
	expect(a, "select sum(i) from t union all select sum(i) from u", "3;10;");
	kt_pg_exec(&w.pg, "insert into names values (1, 'one')");
	expect(a, "select name from t join names using (i)", "one;");
	expect(a, "select count(*) from u", "1;");
	MUST(write_rows(a, &e, second, N(second), &failure));
	expect(a, "select sum(i) from t union all select sum(i) from u", "6;30;");
	MUST(try_commit_rows(a, &e, 5, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select sum(i) from t"), 6);
	cr_assert_eq(kt_pg_int(&w.pg, "select sum(i) from u"), 30);
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, parameters_and_answers_are_text_and_may_be_null)
{
	static const char *const params[] = {"7", NULL, "it's; \"quoted\""};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	answer text = {.most = 0};
	MUST(ask(a, "select $1::int + 1, $2::text, $3::text, true, null, timestamptz '2026-01-01 00:00Z'", params, 3, &text,
		&failure));
	cr_expect_str_eq(text.text, "8|-|it's; \"quoted\"|t|-|2026-01-01 00:00:00+00;");
	expect(a, "select 1 where false", "");
	expect(a, "select from generate_series(1, 2)", ";;");
	answer some = {.most = 3};
	MUST(ask(a, "select n from generate_series(1, 100000) n", NULL, 0, &some, &failure));
	cr_expect_str_eq(some.text, "1;2;3;");
	write_range(a, &e);
	MUST(try_commit(a, &e, &failure));
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, looks_names_up_as_the_role_does)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "create schema mine; create table mine.rates (r int); insert into mine.rates values (5);"
		"alter role postgres in database \"%s\" set search_path = mine, public", w.pg.name);
	instance *a = begun(&w, &e);
	expect(a, "select r from rates", "5;");
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, what_is_no_reading_is_refused_before_it_is_sent)
{
	static const char *const refused[] = {"commit", "rollback", " end", "-- select\ncommit", "/* select */ abort", "",
		"insert into t values (1)", "delete from t", "begin", "savepoint s", "set search_path = x", "copy t to stdout",
		"selection", "call p()", "/* never closed"};
	static const char *const taken[] = {"SELECT 1", " (values (1))", "-- why\n select 1",
		"/* why */with x as (select 1) select * from x", "table one"};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "create table one as select 1 as i");
	instance *a = begun(&w, &e);
	for (size_t i = 0; i < N(refused); i++) {
		kd_error err = {0};
		answer text = {.most = 0};
		cr_expect_eq(ask(a, refused[i], NULL, 0, &text, &err), KD_ECONFIG, "%s: %s", refused[i], err.message);
		cr_expect_eq(err.action, KD_STOP);
	}
	for (size_t i = 0; i < N(taken); i++)
		expect(a, taken[i], "1;");
	write_range(a, &e);
	MUST(try_commit(a, &e, &failure));
	kd_error err = {0};
	answer text = {.most = 0};
	cr_expect_eq(ask(a, "select 1", NULL, 0, &text, &err), KD_EINVAL, "outside of a data transaction");
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, an_error_of_the_server_means_what_it_means_everywhere)
{
	static const struct {
		const char *state;
		kd_code code;
		kd_action action;
	} rows[] = {
		{"40P01", KD_ESINK, KD_REPLAY}, {"40001", KD_ESINK, KD_REPLAY}, {"55P03", KD_EBUSY, KD_REPLAY},
		{"53200", KD_ESINK, KD_REPLAY}, {"42501", KD_ETARGET, KD_STOP}, {"XX000", KD_ESINK, KD_STOP},
	};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "create function fail(state text) returns int language plpgsql as"
		" 'begin raise exception ''made to fail'' using errcode = state; end'");
	instance *a = begun(&w, &e);
	for (size_t i = 0; i < N(rows); i++) {
		kd_error err = {0};
		answer text = {.most = 0};
		cr_expect_eq(ask(a, "select fail($1)\n from t", &rows[i].state, 1, &text, &err), KD_OK, "no row, no call");
		cr_expect_eq(ask(a, "select\n\tfail($1)", &rows[i].state, 1, &text, &err), rows[i].code, "%s", err.message);
		cr_expect_eq(err.action, rows[i].action, "%s", err.message);
		cr_expect_str_eq(err.sqlstate, rows[i].state);
		cr_expect(strstr(err.message, "could not run the query \"select fail($1)\": made to fail"), "%s", err.message);
		again(a, &e);
	}
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, parameters_that_do_not_fit_end_the_job)
{
	static const char *const params[] = {"1", "2"};
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	kd_error err = {0};
	answer text = {.most = 0};
	cr_expect_eq(ask(a, "select $1::int", params, 2, &text, &err), KD_ESINK, "%s", err.message);
	cr_expect_str_eq(err.sqlstate, "08P01");
	cr_expect_eq(err.action, KD_STOP, "%s", err.message);
	again(a, &e);
	expect(a, "select 1", "1;");
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, an_error_that_a_transform_ignored_is_told_by_what_comes_next)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	kd_error ignored = {0}, asked = {0}, committed = {0};
	answer text = {.most = 0};
	cr_expect_eq(ask(a, "select 1/0", NULL, 0, &text, &ignored), KD_ERECORD);
	cr_expect_eq(ask(a, "select 1", NULL, 0, &text, &asked), KD_ERECORD);
	cr_expect_str_eq(asked.message, ignored.message);
	cr_expect_eq(try_commit(a, &e, &committed), KD_ERECORD);
	cr_expect_str_eq(committed.sqlstate, "22012");
	again(a, &e);
	expect(a, "select 1", "1;");
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, a_lock_that_somebody_holds_is_waited_for_and_its_holder_named)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "create table rates (r int); insert into rates values (5)");
	instance *a = begun(&w, &e);
	w.ops->abort(a->session);
	((pg_session *) a->session)->limits.lock_ms = 1500;
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	PGconn *stranger = kt_pg_connect(w.pg.dsn);
	PQclear(PQexec(stranger, "begin; lock table rates in access exclusive mode"));
	kd_error err = {0};
	answer text = {.most = 0};
	cr_expect_eq(ask(a, "select r from rates", NULL, 0, &text, &err), KD_EBUSY, "%s", err.message);
	cr_expect_eq(err.action, KD_REPLAY);
	cr_expect(strstr(err.message, "pg_terminate_backend"), "%s", err.message);
	PQfinish(stranger);
	again(a, &e);
	expect(a, "select r from rates", "5;");
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, a_right_that_is_missing_names_the_query)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "set client_min_messages = warning;"
		"do 'begin create role kdirect_job login; exception when duplicate_object then null; end';"
		"create table customers (id int, name text); grant all on schema public to kdirect_job;"
		"grant create on database \"%s\" to kdirect_job", w.pg.name);
	snprintf(w.dsn, sizeof w.dsn, "%s user=kdirect_job", w.pg.dsn);
	instance *a = begun(&w, &e);
	kd_error err = {0};
	answer text = {.most = 0};
	cr_expect_eq(ask(a, "select id, name from customers where id = any ('{1,2,3}'::int[]) order by id", NULL, 0, &text,
		&err), KD_ETARGET);
	cr_expect_eq(err.action, KD_STOP);
	cr_expect(strstr(err.message, "\"select id, name from customers where id = any ('{1,2,3}'"), "%s",
		err.message);
	cr_expect(strstr(err.message, "permission denied"), "%s", err.message);
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, a_connection_lost_in_a_query_means_replay)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	for (int i = 0; i < 2; i++) {
		kd_error err = {0};
		answer text = {.most = 0};
		if (i == 0) /* it is gone before it is used, then within the query */
			kt_pg_exec(&w.pg, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname ="
				" current_database() and application_name like 'kdirect/%%'");
		cr_expect_neq(ask(a, "select pg_terminate_backend(pg_backend_pid())", NULL, 0, &text, &err), KD_OK);
		cr_expect_eq(err.action, KD_REPLAY, "%s", err.message);
		cr_expect_not(w.ops->usable(a->session));
		again(a, &e);
	}
	write_range(a, &e);
	MUST(try_commit(a, &e, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 10);
	stop(a);
	pg_world_close(&w);
}

static void *interrupt_soon(void *opaque)
{
	instance *i = opaque;
	while (kt_pg_int(&i->w->pg, "select count(*) from pg_stat_activity where datname = current_database()"
		" and wait_event = 'PgSleep'") == 0)
		kt_pause();
	i->w->ops->interrupt(i->session);
	return NULL;
}

Test(pg_query, a_slow_query_ends_by_interrupt_or_by_its_time_out)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	pthread_t thread;
	kd_error err = {0};
	answer text = {.most = 0};
	cr_assert_eq(pthread_create(&thread, NULL, interrupt_soon, a), 0);
	int64_t start_ms = kt_now_ms();
	cr_expect_neq(ask(a, "select pg_sleep(30)", NULL, 0, &text, &err), KD_OK);
	cr_expect_lt(kt_now_ms() - start_ms, 5000);
	cr_expect_eq(err.action, KD_REPLAY, "%s", err.message);
	pthread_join(thread, NULL);
	again(a, &e); /* ends the old backend, which still sleeps */
	w.ops->abort(a->session);
	((pg_session *) a->session)->limits.statement_ms = 200;
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	kd_error_clear(&err);
	cr_expect_neq(ask(a, "select pg_sleep(30)", NULL, 0, &text, &err), KD_OK);
	cr_expect_str_eq(err.sqlstate, "57014");
	cr_expect_eq(err.action, KD_REPLAY, "%s", err.message);
	cr_expect_lt(kt_now_ms() - start_ms, 10000);
	stop(a);
	pg_world_close(&w);
}

Test(pg_query, rows_that_were_swallowed_or_refused_show_at_the_query)
{
	pg_world w;
	kd_batch_partition e;
	pg_world_open(&w, "public.t", NULL);
	instance *a = begun(&w, &e);
	w.ops->abort(a->session);
	kt_pg_exec(&w.pg, "create function swallow() returns trigger language plpgsql as 'begin return null; end';"
		"create trigger swallows before insert on t for each row when (new.kafka_offset = 3) execute function swallow()");
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	kd_error err = {0};
	answer text = {.most = 0};
	write_range(a, &e);
	cr_expect_eq(ask(a, "select 1", NULL, 0, &text, &err), KD_ESINK);
	cr_expect(err.action == KD_STOP && strstr(err.message, "swallows"), "%s", err.message);
	w.ops->abort(a->session);
	kt_pg_exec(&w.pg, "drop trigger swallows on t; alter table t add check (kafka_offset <> 6)");
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	kd_error_clear(&err);
	cr_expect_eq(ask(a, "select 1", NULL, 0, &text, &err), KD_ERECORD);
	cr_expect_eq(err.row, 7, "%s", err.message);
	stop(a);
	pg_world_close(&w);
}
