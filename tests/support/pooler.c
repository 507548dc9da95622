// SPDX-License-Identifier: Apache-2.0
// pgbouncer in transaction mode: see pooler.h.
#include "pooler.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

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
	const kt_pooler *p = opaque;
	PGconn *conn = PQconnectdb(p->dsn);
	bool ok = PQstatus(conn) == CONNECTION_OK;
	PQfinish(conn);
	return ok;
}

/* A port that nobody listens on at this moment. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	kt_check(fd >= 0 && !bind(fd, (struct sockaddr *) &address, length) &&
		!getsockname(fd, (struct sockaddr *) &address, &length), "no free port: %s", strerror(errno));
	close(fd);
	return ntohs(address.sin_port);
}

void kt_pooler_start(kt_pooler *p, const kt_pg *pg, int pool_size)
{
	p->port = free_port();
	snprintf(p->dsn, sizeof p->dsn, "host=127.0.0.1 port=%d dbname=test user=postgres", p->port);
	p->dir = strdup("/tmp/kdpooler.XXXXXX"); /* nobody may not enter the suite's own folder, often */
	kt_check(p->dir && mkdtemp(p->dir), "could not make a folder");
	char *users = kt_write_file(p->dir, "users", "\"postgres\" \"\"\n");
	char *ini = kt_write_file(p->dir, "pgbouncer.ini",
		"[databases]\ntest = host=127.0.0.1 port=%s dbname=%s user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
		"listen_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = %d\n"
		"server_reset_query_always = 0\nauth_file = %s\n", option(pg->dsn, "port"), pg->name, p->port, pool_size, users);
	kt_check(!chmod(p->dir, 0755) && !chmod(ini, 0644) && !chmod(users, 0644), "could not open the folder to others");
	p->pid = fork();
	if (p->pid == 0) {
		if (chdir("/"))
			_exit(126);
		become_nobody();
		execlp("pgbouncer", "pgbouncer", "-q", ini, (char *) NULL);
		execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", ini, (char *) NULL);
		_exit(127);
	}
	kt_await(answers, p, 10000, "pgbouncer to answer");
	free(users);
	free(ini);
}

void kt_pooler_stop(kt_pooler *p)
{
	kill(p->pid, SIGTERM);
	kill(p->pid, SIGINT);
	waitpid(p->pid, NULL, 0);
	kt_tmpdir_remove(p->dir);
}
