// SPDX-License-Identifier: Apache-2.0
// The postgres sink through pgbouncer in transaction mode: nothing may rely on a session's state.
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pooler.h"

TestSuite(pg_pooler, .timeout = 60);

static void through(pg_world *w, const kt_pooler *p)
{
	snprintf(w->dsn, sizeof w->dsn, "%s", p->dsn);
}

static bool on_offset(void *opaque, int64_t offset)
{
	*(int64_t *) opaque += offset;
	return true;
}

Test(pg_pooler, every_operation_works_in_transaction_mode)
{
	pg_world w;
	kt_pooler p;
	pg_world_open(&w, "public.t", NULL);
	kt_pooler_start(&p, &w.pg, 3);
	through(&w, &p);
	instance *a = start(&w, 'a', 2), *b = start(&w, 'b', 2);
	kd_batch_partition one = entry(0, 1000, 0, 500), two = entry(1, 1000, 0, 500), gone = entry(1, 1001, 500, 600);
	kd_cas cas;
	cr_assert_eq(plan(a, &one), KD_CAS_MISS);
	cr_assert_eq(plan(b, &one), KD_CAS_DONE);
	cr_assert_eq(plan(b, &two), KD_CAS_DONE);
	land(b, &one);
	land(b, &two);
	cr_assert_eq(begin(b, &two), KD_CAS_MISS);
	cr_assert_eq(reread(b, KD_REREAD_DATA, &two).batch, KD_BATCH_COMMITTED);
	cr_assert_eq(plan(b, &gone), KD_CAS_DONE);
	MUST(w.ops->withdraw(b->session, &b->me, &gone, &cas, &failure));
	cr_assert_eq(cas, KD_CAS_DONE);
	int64_t removed, sum = 0;
	bool more;
	MUST(w.ops->prune(b->session, &b->me, JOB, 30, &removed, &more, &failure));
	MUST(w.ops->snapshot_begin(a->session, &failure));
	MUST(w.ops->scan_offsets(a->session, TOPIC, 0, (kd_range) {0, 500}, on_offset, &sum, &failure));
	char who[128];
	MUST(w.ops->owner_alive(a->session, JOB, who, sizeof who, &failure));
	w.ops->snapshot_end(a->session);
	cr_assert_eq(sum, 499 * 500 / 2);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 1000);
	stop(a);
	stop(b);
	kt_pooler_stop(&p);
	pg_world_close(&w);
}

static bool on_sum(void *opaque, const char *const *values, size_t n)
{
	*(int64_t *) opaque = n == 1 && values[0] ? strtoll(values[0], NULL, 10) : -1;
	return true;
}

Test(pg_pooler, several_tables_and_queries_work_in_transaction_mode)
{
	static const made_row rows[] = {{0, NULL, "{\"i\": 1}"}, {0, "u", "{\"i\": \" 2\"}"}, {1, NULL, "{\"i\": 3}"}};
	pg_world w;
	kt_pooler p;
	pg_world_open(&w, "public.t", "\"tables\": [\"u\"]");
	kt_pg_exec(&w.pg, "create table t (i int); create table u (i int)");
	kt_pooler_start(&p, &w.pg, 3);
	through(&w, &p);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 2);
	const char *const factor = "10";
	int64_t sum = 0;
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	MUST(write_rows(a, &e, rows, 3, &failure));
	MUST(w.ops->query(a->session, "select $1::int * (select sum(i) from (table t union all table u) x)", &factor, 1,
		on_sum, &sum, &failure));
	cr_assert_eq(sum, 60);
	MUST(try_commit_rows(a, &e, 3, &failure));
	cr_assert_eq(kt_pg_int(&w.pg, "select (select sum(i) from t) * 10 + (select sum(i) from u)"), 42);
	stop(a);
	kt_pooler_stop(&p);
	pg_world_close(&w);
}

Test(pg_pooler, a_frozen_predecessor_is_ended_through_it_too)
{
	pg_world w;
	kt_pooler p;
	pg_world_open(&w, "public.t", NULL);
	kt_pooler_start(&p, &w.pg, 3);
	through(&w, &p);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 100);
	cr_assert_eq(plan(a, &e), KD_CAS_DONE);
	cr_assert_eq(begin(a, &e), KD_CAS_DONE);
	write_range(a, &e);
	int64_t began = kt_now_ms();
	instance *b = start(&w, 'b', 1);
	cr_assert_lt(kt_now_ms() - began, 2500);
	land(b, &e);
	kd_error err = {0};
	cr_assert_neq(try_commit(a, &e, &err), KD_OK);
	cr_assert_eq(err.action, KD_REPLAY, "%s", err.message);
	w.ops->abort(a->session);
	cr_assert_eq(kt_pg_int(&w.pg, "select count(*) from t"), 100);
	stop(a);
	stop(b);
	kt_pooler_stop(&p);
	pg_world_close(&w);
}

Test(pg_pooler, nothing_stays_behind_in_the_server)
{
	pg_world w;
	kt_pooler p;
	pg_world_open(&w, "public.t", NULL);
	kt_pooler_start(&p, &w.pg, 1);
	through(&w, &p);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 100);
	plan_and_land(a, &e);
	PGconn *next = kt_pg_connect(w.dsn); /* gets the very same server session */
	PGresult *left = PQexec(next, "select current_setting('search_path'), current_setting('lock_timeout'),"
		" current_setting('statement_timeout'), (select count(*) from pg_prepared_statements),"
		" (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())");
	cr_assert_str_eq(PQgetvalue(left, 0, 0), "\"$user\", public");
	cr_assert_str_eq(PQgetvalue(left, 0, 1), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 2), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 3), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 4), "0");
	PQclear(left);
	PQfinish(next);
	stop(a);
	kt_pooler_stop(&p);
	pg_world_close(&w);
}
