// SPDX-License-Identifier: Apache-2.0
// The postgres sink through pgbouncer in transaction mode: nothing may rely on a session's state.
#include "pg_world.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tmpdir.h"

TestSuite(pg_pooler, .timeout = 60);

typedef struct pooler {
	char *dir;
	pid_t pid;
	int port;
} pooler;

static const char *option(const char *dsn, const char *name)
{
	static char value[256];
	PQconninfoOption *options = PQconninfoParse(dsn, NULL);
	value[0] = '\0';
	for (PQconninfoOption *o = options; o && o->keyword; o++)
		if (!strcmp(o->keyword, name) && o->val)
			snprintf(value, sizeof value, "%s", o->val);
	PQconninfoFree(options);
	return value;
}

/* pgbouncer refuses to run as root. */
static void become_nobody(void)
{
	struct passwd *nobody = getuid() == 0 ? getpwnam("nobody") : NULL;
	if (nobody && (setgroups(0, NULL) || setgid(nobody->pw_gid) || setuid(nobody->pw_uid)))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves none behind */
}

static bool answers(void *opaque)
{
	const pooler *p = opaque;
	char dsn[256];
	snprintf(dsn, sizeof dsn, "host=127.0.0.1 port=%d dbname=test user=postgres connect_timeout=2", p->port);
	PGconn *conn = PQconnectdb(dsn);
	bool ok = PQstatus(conn) == CONNECTION_OK;
	PQfinish(conn);
	return ok;
}

/* A pool of two: what one session leaves behind is what the other finds. */
static void start_pooler(pooler *p, const kt_pg *pg, int pool_size)
{
	char port[16];
	snprintf(port, sizeof port, "%s", option(pg->dsn, "port"));
	p->port = 20000 + getpid() % 20000;
	p->dir = strdup("/tmp/kdpooler.XXXXXX"); /* nobody may not enter the suite's own folder, often */
	cr_assert(p->dir && mkdtemp(p->dir));
	char *users = kt_write_file(p->dir, "users", "\"postgres\" \"\"\n");
	char *ini = kt_write_file(p->dir, "pgbouncer.ini",
		"[databases]\ntest = host=127.0.0.1 port=%s dbname=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
		"listen_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = %d\n"
		"server_reset_query_always = 0\nauth_file = %s\n", port, pg->name, p->port, pool_size, users);
	cr_assert_eq(chmod(p->dir, 0755) | chmod(ini, 0644) | chmod(users, 0644), 0);
	p->pid = fork();
	if (p->pid == 0) {
		cr_assert_eq(chdir("/"), 0);
		become_nobody();
		execlp("pgbouncer", "pgbouncer", "-q", ini, (char *) NULL);
		execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", ini, (char *) NULL);
		_exit(127);
	}
	kt_await(answers, p, 10000, "pgbouncer to answer");
	free(users);
	free(ini);
}

static void stop_pooler(pooler *p)
{
	kill(p->pid, SIGTERM);
	kill(p->pid, SIGINT);
	waitpid(p->pid, NULL, 0);
	kt_tmpdir_remove(p->dir);
}

static void through(pg_world *w, const pooler *p)
{
	snprintf(w->dsn, sizeof w->dsn, "host=127.0.0.1 port=%d dbname=test user=postgres", p->port);
}

static bool on_offset(void *opaque, int64_t offset)
{
	*(int64_t *) opaque += offset;
	return true;
}

Test(pg_pooler, every_operation_works_in_transaction_mode)
{
	pg_world w;
	pooler p;
	pg_world_open(&w, "public.t", NULL);
	start_pooler(&p, &w.pg, 3);
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
	stop_pooler(&p);
	pg_world_close(&w);
}

Test(pg_pooler, a_frozen_predecessor_is_ended_through_it_too)
{
	pg_world w;
	pooler p;
	pg_world_open(&w, "public.t", NULL);
	start_pooler(&p, &w.pg, 3);
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
	stop_pooler(&p);
	pg_world_close(&w);
}

Test(pg_pooler, nothing_stays_behind_in_the_server)
{
	pg_world w;
	pooler p;
	pg_world_open(&w, "public.t", NULL);
	start_pooler(&p, &w.pg, 1);
	through(&w, &p);
	instance *a = start(&w, 'a', 1);
	kd_batch_partition e = entry(0, 1000, 0, 100);
	plan_and_land(a, &e);
	PGconn *next = kt_pg_connect(w.dsn); /* gets the very same server session */
	PGresult *left = PQexec(next, "select current_setting('search_path'), current_setting('lock_timeout'),"
		" current_setting('statement_timeout'), (select count(*) from pg_prepared_statements),"
		" (select count(*) from pg_locks where locktype = 'advisory')");
	cr_assert_str_eq(PQgetvalue(left, 0, 0), "\"$user\", public");
	cr_assert_str_eq(PQgetvalue(left, 0, 1), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 2), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 3), "0");
	cr_assert_str_eq(PQgetvalue(left, 0, 4), "0");
	PQclear(left);
	PQfinish(next);
	stop(a);
	stop_pooler(&p);
	pg_world_close(&w);
}
