// SPDX-License-Identifier: Apache-2.0
// Which targets the postgres sink takes, which it refuses, what check tells, and what the printed DDL is worth.
#include "pg_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmpdir.h"

TestSuite(pg_target, .timeout = 60);

/* The sink must refuse to open, with this code, naming `says`. */
static void expect_refused(pg_world *w, kd_code code, const char *says)
{
	void *sink = NULL;
	kd_config *config = NULL;
	kd_error err = {0};
	kd_code got = try_open(w, &sink, &config, &err);
	cr_assert_eq(got, code, "%s: %s: %s", w->table, kd_code_name(got), err.message);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, says), "\"%s\" is not in: %s", says, err.message);
	kd_config_free(config);
}

Test(pg_target, what_cannot_give_the_guarantee_is_refused)
{
	static const struct {
		const char *sql, *table, *says;
	} rows[] = {
		{"create unlogged table u (id int)", "public.u", "unlogged"},
		{"create view v as select 1 as id", "public.v", "view without"},
		{"create materialized view m as select 1 as id", "public.m", "materialized"},
		{"create sequence s", "public.s", "sequence"},
		{"create extension postgres_fdw; create server far foreign data wrapper postgres_fdw;"
		 "create foreign table f (id int) server far", "public.f", "foreign"},
		{"create table p (id int) partition by list (id); create table p1 partition of p for values in (1);"
		 "create foreign table p2 partition of p for values in (2) server far", "public.p", "p2"},
		{"create table q (id int) partition by list (id);"
		 "create unlogged table q1 partition of q for values in (1)", "public.q", "q1"},
		{"create table o (id int, where_ point)", "public.o", "point"},
	};
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kt_pg_exec(&w.pg, "%s", rows[i].sql);
		snprintf(w.table, sizeof w.table, "%s", rows[i].table);
		expect_refused(&w, KD_ETARGET, rows[i].says);
	}
	pg_world_close(&w);
}

Test(pg_target, a_view_with_an_instead_of_trigger_is_a_target)
{
	pg_world w;
	pg_world_open(&w, "public.v", NULL);
	kt_pg_exec(&w.pg, "create table under (id int); create view v as select id from under;"
		"create function put() returns trigger language plpgsql as"
		" 'begin insert into under values (new.id); return new; end';"
		"create trigger puts instead of insert on v for each row execute function put()");
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 2);
	static const char *const values[] = {"{\"id\": 1}", "{\"id\": 2}"};
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	MUST(write_values(a, &e, values, &failure));
	MUST(try_commit(a, &e, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select sum(id) from under"), 3);
	stop(a);
	pg_world_close(&w);
}

Test(pg_target, odd_names_work_as_sql_writes_them)
{
	static const struct {
		const char *table, *sql;
	} rows[] = {
		{"public.Orders", "public.orders"},
		{"orders2", "public.orders2"},
		{"public.\\\"Mixed Case\\\"", "public.\"Mixed Case\""},
		{"\\\"select\\\".\\\"table\\\"", "\"select\".\"table\""},
		{"public.\\\"a\\\"\\\"b@ledger.c\\\"", "public.\"a\"\"b@ledger.c\""},
		{"public.\\\"größe\\\"", "public.\"größe\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		pg_world w;
		pg_world_open(&w, rows[i].table, "\"ledger_schema\": \"Ledger \\\"x\\\"\"");
		kt_pg_exec(&w.pg, "create schema \"select\"");
		instance *a = start(&w, 'a', 1);
		kd_batch_partition e = entry(0, 1000, 0, 3);
		plan_and_land(a, &e);
		cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from %s", rows[i].sql), 3);
		cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from \"Ledger \"\"x\"\"\".job"), 1);
		stop(a);
		pg_world_close(&w);
	}
}

Test(pg_target, names_that_are_none_are_refused)
{
	static const char *const names[] = {"a.b.c", "", ".a", "a.", "\\\"a", "a\\\"b\\\"", "\\\"a\\\"b"};
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(w.table, sizeof w.table, "%s", names[i]);
		expect_refused(&w, KD_ECONFIG, "sink.table");
	}
	kt_pg_exec(&w.pg, "create table \"Orders\" (id int)");
	snprintf(w.table, sizeof w.table, "public.Orders");
	expect_refused(&w, KD_ETARGET, "\"Orders\"");
	pg_world_close(&w);
}

Test(pg_target, a_password_never_shows)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	snprintf(w.dsn, sizeof w.dsn, "password=hunter2 secret host");
	void *sink = NULL;
	kd_config *config = NULL;
	kd_error err = {0};
	cr_assert_eq(try_open(&w, &sink, &config, &err), KD_ECONFIG);
	cr_assert_not(strstr(err.message, "hunter2") || strstr(err.message, "secret"), "%s", err.message);
	kd_config_free(config);
	pg_world_close(&w);
}

Test(pg_target, a_server_that_is_away_may_be_asked_again)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	static const struct {
		const char *dsn;
		kd_action action;
	} rows[] = {
		{"host=/nowhere", KD_RETRY},
		{"host=127.0.0.1 port=1", KD_RETRY},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		void *sink = NULL;
		kd_config *config = NULL;
		kd_error err = {0};
		snprintf(w.dsn, sizeof w.dsn, "%s", rows[i].dsn);
		cr_assert_neq(try_open(&w, &sink, &config, &err), KD_OK);
		cr_assert_eq(err.action, rows[i].action, "%s", err.message);
		kd_config_free(config);
	}
	snprintf(w.dsn, sizeof w.dsn, "%s dbname=no_such_database", w.pg.dsn);
	expect_refused(&w, KD_ECONFIG, "no_such_database");
	pg_world_close(&w);
}

/* ---- the ledger ---- */

Test(pg_target, a_newer_ledger_is_refused)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	stop(start(&w, 'a', 1));
	kt_pg_exec(&w.pg, "insert into kdirect.ledger (version) values (99)");
	expect_refused(&w, KD_ETARGET, "99");
	pg_world_close(&w);
}

static void *first_start(void *opaque)
{
	instance *i = start(opaque, 'a', 0);
	stop(i);
	return NULL;
}

Test(pg_target, first_starts_at_once_make_one_ledger)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, first_start, &w), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from kdirect.ledger"), 1);
	cr_assert_eq(kt_pg_int(&w.pg, "select epoch from kdirect.job"), 4);
	pg_world_close(&w);
}

Test(pg_target, another_table_or_a_rival_job_is_refused)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	stop(start(&w, 'a', 1));
	kt_pg_exec(&w.pg, "alter table t rename to renamed");
	snprintf(w.table, sizeof w.table, "public.renamed");
	stop(start(&w, 'b', 1)); /* the same table by another name */
	w.job = "other";
	instance *rival = open_instance(&w, 'c');
	kd_error err = {0};
	cr_assert_eq(try_take_over(rival, &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "\"" JOB "\""), "%s", err.message);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from kdirect.job"), 1);
	stop(rival);
	w.job = JOB;
	snprintf(w.table, sizeof w.table, "public.elsewhere");
	instance *moved = open_instance(&w, 'd');
	kd_error_clear(&err);
	cr_assert_eq(try_take_over(moved, &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "public.renamed") && strstr(err.message, "public.elsewhere"), "%s", err.message);
	stop(moved);
	pg_world_close(&w);
}

/* ---- check, and the printed DDL ---- */

typedef struct findings {
	char text[8192];
	int bad;
} findings;

static void on_finding(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	findings *f = opaque;
	size_t n = strlen(f->text);
	snprintf(f->text + n, sizeof f->text - n, "%s: %s\n", what, message);
	f->bad += level == KD_FINDING_BAD;
}

static findings check(pg_world *w)
{
	findings f = {.bad = 0};
	kd_config *config = pg_world_config(w);
	kd_sink_context context = {.config = config, .read_only = true};
	MUST(w->ops->check(&context, on_finding, &f, &failure));
	kd_config_free(config);
	return f;
}

Test(pg_target, check_tells_what_is_there_and_creates_nothing)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	findings f = check(&w);
	cr_assert_eq(f.bad, 0, "%s", f.text);
	cr_assert(strstr(f.text, "will be created"), "%s", f.text);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from pg_class where relname in ('t', 'job')"), 0);
	kt_pg_exec(&w.pg, "create unlogged table t (id int unique, at timestamptz)");
	f = check(&w);
	cr_assert_eq(f.bad, 1, "%s", f.text);
	cr_assert(strstr(f.text, "unlogged") && strstr(f.text, "fields layout") && strstr(f.text, "t_id_key"), "%s", f.text);
	pg_world_close(&w);
}

static void run_ddl(pg_world *w)
{
	kd_config *config = pg_world_config(w);
	kd_sink_context context = {.config = config};
	kd_buf sql = {0};
	MUST(w->ops->ddl(&context, &sql, &failure));
	kt_check(kd_buf_append(&sql, "", 1), "no memory");
	kt_pg_exec(&w->pg, "%s", sql.data);
	kd_buf_done(&sql);
	kd_config_free(config);
}

static bool count_batch(void *opaque, const kd_batch_row *row)
{
	(void) row;
	return ++*(int *) opaque > 0;
}

static bool count_offset(void *opaque, int64_t offset)
{
	*(int64_t *) opaque += offset;
	return true;
}

static void read_everything(instance *a)
{
	const kd_sink_ops *ops = a->w->ops;
	int batches = 0;
	int64_t sum = 0;
	char who[128];
	kd_ledger_view view = {.opaque = &batches, .batch = count_batch};
	MUST(ops->snapshot_begin(a->session, &failure));
	MUST(ops->read_ledger(a->session, JOB, &view, &failure));
	MUST(ops->scan_offsets(a->session, TOPIC, 0, (kd_range) {0, 100}, count_offset, &sum, &failure));
	MUST(ops->owner_alive(a->session, JOB, who, sizeof who, &failure));
	ops->snapshot_end(a->session);
	cr_assert_eq(batches, 2);
	cr_assert_eq(sum, 45);
	cr_assert_str_empty(who);
}

Test(pg_target, the_printed_ddl_is_all_that_a_job_needs)
{
	pg_world w;
	pg_world_open(&w, "landing.t", NULL);
	kt_pg_exec(&w.pg, "do 'begin create role kdirect_job login; exception when duplicate_object then null; end';"
		"create schema landing; revoke all on schema public from public; revoke create on database \"%s\" from public",
		w.pg.name);
	run_ddl(&w);
	snprintf(w.dsn, sizeof w.dsn, "%s user=kdirect_job", w.pg.dsn);
	findings f = check(&w);
	cr_assert_eq(f.bad, 0, "%s", f.text);
	instance *a = start(&w, 'a', 2);
	kd_batch_partition one = entry(0, 1000, 0, 10), two = entry(1, 1000, 0, 10);
	kd_cas cas;
	plan_and_land(a, &one);
	cr_assert_eq(plan(a, &two), KD_CAS_DONE);
	MUST(w.ops->withdraw(a->session, &a->me, &two, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	kd_new_partition wanted = {.topic = TOPIC, .partition = 0, .start_offset = 9, .new_segment = true,
		.closed_reason = "rewind", .who = "me@here"};
	kd_segment s;
	MUST(w.ops->add_partitions(a->session, &a->me, JOB, &wanted, 1, &cas, &s, &failure));
	free(s.topic);
	int64_t removed;
	bool more;
	MUST(w.ops->prune(a->session, &a->me, JOB, 30, &removed, &more, &failure));
	reconnect(a, "audit");
	read_everything(a);
	instance *b = start(&w, 'b', 0); /* may end a frozen predecessor */
	stop(a);
	stop(b);
	pg_world_close(&w);
}

Test(pg_target, a_frozen_session_that_may_not_be_ended_is_named)
{
	pg_world w;
	pg_world_open(&w, "public.t", NULL);
	kt_pg_exec(&w.pg, "do 'begin create role kdirect_job login; exception when duplicate_object then null; end'");
	run_ddl(&w);
	char *dsn = kt_format("%s application_name=kdirect/" JOB "/worker-0", w.pg.dsn);
	PGconn *frozen = kt_pg_connect(dsn);
	free(dsn);
	PQclear(PQexec(frozen, "begin; lock table kdirect.job in exclusive mode"));
	snprintf(w.dsn, sizeof w.dsn, "%s user=kdirect_job", w.pg.dsn);
	instance *a = open_instance(&w, 'a');
	kd_error err = {0};
	cr_assert_eq(try_take_over(a, &err), KD_EBUSY, "%s", err.message);
	cr_assert_eq(err.action, KD_RETRY);
	cr_assert(strstr(err.message, "role \"postgres\"") && strstr(err.message, "pg_terminate_backend"), "%s", err.message);
	PQfinish(frozen);
	stop(a);
	pg_world_close(&w);
}
