// SPDX-License-Identifier: Apache-2.0
// pg_conn: connecting and waiting.  Nothing here blocks longer than its limit, whatever the network does.
#include "pg_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pg_blocker.h"
#include "pg_gather.h"
#include "pg_sink.h"

#define MAX_KEYWORDS 16

int64_t pg_conn_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t hash(const char *text)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (; *text; text++)
		h = (h ^ (unsigned char) *text) * 16777619u;
	return h;
}

void pg_conn_name(const char *job, const char *role, char ret_name[PG_NAME_SIZE])
{
	bool plain = strlen(job) <= 36;
	for (const char *p = job; *p; p++)
		plain = plain && *p > ' ' && *p < 127 && *p != '/';
	if (plain) {
		snprintf(ret_name, PG_NAME_SIZE, "kdirect/%s/%.16s", job, role);
		return;
	}
	char start[25];
	size_t n = 0;
	for (; job[n] && n < sizeof start - 1; n++)
		start[n] = job[n] > ' ' && job[n] < 127 && job[n] != '/' ? job[n] : '_';
	start[n] = '\0';
	snprintf(ret_name, PG_NAME_SIZE, "kdirect/%s~%08x/%.16s", start, hash(job), role);
}

/* ---- connecting ---- */

typedef struct keywords {
	const char *name[MAX_KEYWORDS + 1], *value[MAX_KEYWORDS + 1];
	int n;
} keywords;

static void add(keywords *k, const char *name, const char *value)
{
	k->name[k->n] = name;
	k->value[k->n] = value;
	k->n++;
}

static const char *find(const PQconninfoOption *options, const char *name)
{
	for (; options->keyword; options++)
		if (!strcmp(options->keyword, name))
			return options->val ? options->val : options->envvar ? getenv(options->envvar) : NULL;
	return NULL;
}

static bool given(const PQconninfoOption *options, const char *name)
{
	const char *value = find(options, name);
	return value && *value;
}

static bool many_hosts(const PQconninfoOption *options)
{
	const char *host = find(options, "host"), *address = find(options, "hostaddr");
	return (host && strchr(host, ',')) || (address && strchr(address, ','));
}

/* The user's connection string first, then what it leaves open.  A link that died silently is noticed by keepalives
 * while idle and by tcp_user_timeout while an answer is owed: neither covers the other (measured). */
static keywords make_keywords(const char *dsn, const PQconninfoOption *options, const char *name)
{
	static const struct {
		const char *name, *value;
	} defaults[] = {
		{"keepalives", "1"},           {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
		{"keepalives_count", "3"},     {"tcp_user_timeout", "30000"}, {"target_session_attrs", "read-write"},
		{"connect_timeout", "5"},
	};
	keywords k = {.n = 0};
	add(&k, "dbname", dsn);
	for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
		if (!given(options, defaults[i].name))
			add(&k, defaults[i].name, defaults[i].value);
	add(&k, "application_name", name);
	add(&k, "client_encoding", "UTF8");
	return k;
}

static void on_notice(void *opaque, const PGresult *result)
{
	pg_session *session = opaque;
	session->notices++;
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	bool committing = session->phase == PG_PHASE_CALL_COMMIT || session->phase == PG_PHASE_DATA_COMMIT;
	if (committing && sqlstate && !strcmp(sqlstate, "01000") && (!function || !strcmp(function, "SyncRepWaitForLSN")))
		session->here_only = true;
	if (sqlstate && !strncmp(sqlstate, "01", 2))
		kd_log(session->sink->log, KD_LOG_WARN, 0, "the server warns: %s", text ? text : "");
	else
		kd_log(session->sink->log, KD_LOG_DEBUG, 0, "the server says: %s", text ? text : "");
}

static kd_code finish_connecting(pg_session *session, kd_error *err)
{
	int64_t deadline = pg_conn_now_ms() + session->limits.connect_ms;
	PostgresPollingStatusType state =
		PQstatus(session->conn) == CONNECTION_OK ? PGRES_POLLING_OK : PGRES_POLLING_WRITING;
	while (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING) {
		int64_t left = deadline - pg_conn_now_ms();
		short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		if (left <= 0 || pg_conn_poll(session, events, (int) left) == 0)
			return kd_error_set(err, KD_ESINK, KD_RETRY, "could not connect to PostgreSQL: no answer in %d ms",
				session->limits.connect_ms);
		state = PQconnectPoll(session->conn);
	}
	if (state == PGRES_POLLING_FAILED)
		return pg_error_connect(err, PQerrorMessage(session->conn));
	int version = PQserverVersion(session->conn);
	if (version < 130000)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use the server: it is PostgreSQL %d, and 13 is the least that can give the guarantee",
			version / 10000);
	return KD_OK;
}

static kd_code start_connecting(pg_session *session, kd_error *err)
{
	/* libpq's own message about a broken connection string may quote a piece of the password. */
	PQconninfoOption *options = PQconninfoParse(session->sink->dsn, NULL);
	if (!options)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not read \"sink.dsn\": it is neither a list of keyword=value nor a postgresql:// address");
	keywords k = make_keywords(session->sink->dsn, options, session->name);
	/* Of several hosts one may be silent, and libpq steps over it only while it waits by itself, connect_timeout each. */
	session->conn = many_hosts(options) ? PQconnectdbParams(k.name, k.value, 1)
	                                    : PQconnectStartParams(k.name, k.value, 1);
	PQconninfoFree(options);
	if (!session->conn)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not connect to PostgreSQL: no memory");
	if (PQstatus(session->conn) == CONNECTION_BAD)
		return pg_error_connect(err, PQerrorMessage(session->conn));
	PQsetErrorVerbosity(session->conn, PQERRORS_VERBOSE); /* so that a refusal shows its SQLSTATE */
	PQsetNoticeReceiver(session->conn, on_notice, session);
	return KD_OK;
}

static void enlist(pg_session *session)
{
	pg_sink *sink = session->sink;
	pthread_mutex_lock(&sink->lock);
	session->next = sink->sessions;
	sink->sessions = session;
	pthread_mutex_unlock(&sink->lock);
}

static void strike(pg_session *session)
{
	pg_sink *sink = session->sink;
	pthread_mutex_lock(&sink->lock);
	for (pg_session **at = &sink->sessions; *at; at = &(*at)->next) {
		if (*at == session) {
			*at = session->next;
			break;
		}
	}
	pthread_mutex_unlock(&sink->lock);
}

bool pg_conn_is_own(struct pg_sink *sink, int backend)
{
	bool own = false;
	pthread_mutex_lock(&sink->lock);
	for (const pg_session *s = sink->sessions; s && !own; s = s->next)
		own = s->backend == backend;
	pthread_mutex_unlock(&sink->lock);
	return own;
}

kd_code pg_conn_open(struct pg_sink *sink, const char *role, const pg_limits *limits, pg_session **ret_session,
	kd_error *err)
{
	pg_session *session = calloc(1, sizeof *session);
	if (!session)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not connect to PostgreSQL: no memory");
	session->sink = sink;
	session->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	session->limits = limits ? *limits : sink->limits;
	pg_conn_name(sink->job, role, session->name);
	kd_code code = session->wake >= 0 ? start_connecting(session, err)
	                                  : kd_error_set(err, KD_EIO, KD_RETRY, "could not connect to PostgreSQL: %s",
		                                    strerror(errno));
	if (code == KD_OK)
		code = finish_connecting(session, err);
	if (code == KD_OK && PQsetnonblocking(session->conn, 1) != 0)
		code = kd_error_set(err, KD_ESINK, KD_RETRY, "could not connect to PostgreSQL: %s",
			PQerrorMessage(session->conn));
	if (code != KD_OK) {
		pg_conn_close(session);
		return code;
	}
	enlist(session);
	*ret_session = session;
	return KD_OK;
}

void pg_conn_close(pg_session *session)
{
	if (!session)
		return;
	strike(session);
	PQfinish(session->conn);
	free(session->job);
	free(session->copy_columns);
	free(session->tally);
	pg_gather_free(session->gather);
	pg_lines_done(&session->copy_lines);
	if (session->wake >= 0)
		close(session->wake);
	free(session);
}

static void ignore_notice(void *opaque, const PGresult *result)
{
	(void) opaque;
	(void) result;
}

PGconn *pg_conn_release(pg_session *take_session)
{
	PGconn *conn = take_session->conn;
	take_session->conn = NULL;
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	PQsetnonblocking(conn, 0);
	PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
	pg_conn_close(take_session);
	return conn;
}

/* ---- waiting ---- */

int pg_conn_poll(pg_session *session, short events, int timeout_ms)
{
	struct pollfd fd[] = {{.fd = PQsocket(session->conn), .events = events}, {.fd = session->wake, .events = POLLIN}};
	if (fd[0].fd < 0)
		return -1;
	int64_t deadline = pg_conn_now_ms() + timeout_ms;
	for (;;) {
		int64_t left = deadline - pg_conn_now_ms();
		int n = poll(fd, 2, left > 0 ? (int) left : 0);
		if (n > 0)
			return fd[1].revents ? -1 : fd[0].revents;
		if (n == 0)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

void pg_conn_interrupt(pg_session *session)
{
	eventfd_write(session->wake, 1);
}

static bool interrupted(const pg_session *session)
{
	struct pollfd fd = {.fd = session->wake, .events = POLLIN};
	return poll(&fd, 1, 0) > 0;
}

void pg_conn_cut(const pg_session *session)
{
	(void) shutdown(PQsocket(session->conn), SHUT_RDWR);
}

kd_code pg_conn_lost(pg_session *session, const char *doing, kd_error *err)
{
	session->lost = true;
	session->in_transaction = false;
	const char *why = interrupted(session) ? "interrupted, the job is being stopped" : PQerrorMessage(session->conn);
	(void) pg_error_lost(err, why, session->phase, doing);
	return err ? err->code : KD_ESINK;
}

/* Sends what is pending and takes in what is there; waits at most timeout_ms.  False: broken. */
static bool turn(pg_session *session, int timeout_ms)
{
	int pending = PQflush(session->conn);
	if (pending < 0)
		return false;
	int ready = pg_conn_poll(session, pending ? POLLIN | POLLOUT : POLLIN, timeout_ms);
	if (ready < 0)
		return false;
	return !(ready & (POLLIN | POLLHUP | POLLERR)) || PQconsumeInput(session->conn);
}

bool pg_conn_result(pg_session *session, const char *doing, PGresult **ret_result, kd_error *err)
{
	int64_t start = pg_conn_now_ms(), look = start + session->limits.lock_wait_ms;
	*ret_result = NULL;
	while (PQisBusy(session->conn)) {
		int64_t now = pg_conn_now_ms();
		if (now - start > session->limits.answer_ms) {
			(void) kd_error_set(err, KD_ESINK, pg_error_action(PG_VERDICT_LOST, session->phase),
				"could not %s: no answer from the server in %d ms", doing, session->limits.answer_ms);
			(void) pg_conn_lost(session, doing, err);
			return false;
		}
		if (now >= look) {
			if (!pg_blocker_look(session, err)) {
				(void) pg_conn_lost(session, doing, err);
				return false;
			}
			look = pg_conn_now_ms() + session->limits.lock_wait_ms;
			continue;
		}
		if (!turn(session, (int) (look - now))) {
			(void) pg_conn_lost(session, doing, err);
			return false;
		}
	}
	*ret_result = PQgetResult(session->conn);
	if (PQstatus(session->conn) == CONNECTION_BAD)
		session->lost = true;
	return true;
}

bool pg_conn_failed(const PGresult *result)
{
	if (!result)
		return false;
	ExecStatusType status = PQresultStatus(result);
	return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_PIPELINE_ABORTED;
}
