/* SPDX-License-Identifier: Apache-2.0 */
/* torture_schema: see torture_schema.h. */
#include "torture_schema.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <kdirect/types.h>

enum { MOST_KEYWORDS = 64, SERVER_SIZE = 320, WHY_SIZE = 512 };

struct torture_schema {
	PGconn *conn;
	char *dsn;
	char name[TORTURE_NAME_SIZE], stray[TORTURE_NAME_SIZE];
	char server[SERVER_SIZE + 64], address[SERVER_SIZE];
};

static _Thread_local char why[WHY_SIZE];

static bool __attribute__((format(printf, 2, 3))) fail(const char **ret_why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof why, format, args);
	va_end(args);
	for (char *at = why; *at; at++)
		*at = *at == '\n' ? ' ' : *at;
	*ret_why = why;
	return false;
}

/* ---- SQL ---- */

/* Every "@" is the schema's name, which is our own: letters, digits and "_". */
static PGresult *query(struct torture_schema *schema, const char *sql)
{
	kd_buf text = {0};
	PGresult *result = NULL;
	bool ok = true;

	for (const char *at = sql; ok && *at; at++)
		ok = *at == '@' ? kd_buf_append(&text, schema->name, strlen(schema->name)) : kd_buf_append(&text, at, 1);
	if (ok && kd_buf_append(&text, "", 1))
		result = PQexec(schema->conn, text.data);
	kd_buf_done(&text);
	return result;
}

static bool execute(struct torture_schema *schema, const char *sql, const char **ret_why)
{
	PGresult *result = query(schema, sql);
	ExecStatusType status = PQresultStatus(result);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	PQclear(result);
	return ok || fail(ret_why, "%s", PQerrorMessage(schema->conn));
}

static int64_t number(struct torture_schema *schema, const char *sql)
{
	PGresult *result = query(schema, sql);
	int64_t n = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10)
		: -1;

	PQclear(result);
	if (n < 0 && PQstatus(schema->conn) == CONNECTION_BAD)
		PQreset(schema->conn);
	return n;
}

/* ---- the schema ---- */

static const char make_sql[] =
	"create schema @;"
	"create table @.orders (order_id bigint, customer text, item text, amount_cents bigint,"
	" kafka_topic text, kafka_partition int, kafka_offset bigint);"
	"create table @.counter (kafka_partition int primary key, n bigint not null, cents numeric not null);"
	"create function @.count_orders() returns trigger language plpgsql as $f$ begin"
	" insert into @.counter as c select r.kafka_partition, count(*), sum(r.amount_cents) from new_rows r group by 1"
	" on conflict (kafka_partition) do update set n = c.n + excluded.n, cents = c.cents + excluded.cents;"
	" return null; end $f$;"
	"create trigger count_orders after insert on @.orders referencing new table as new_rows for each statement"
	" execute function @.count_orders();"
	"create table @.deed (n bigserial primary key, epoch bigint, holding bigint);"
	"create function @.log_start() returns trigger language plpgsql as $f$ begin"
	" insert into @.deed (epoch) values (new.epoch); return null; end $f$;"
	"create function @.log_commit() returns trigger language plpgsql as $f$ begin"
	" insert into @.deed (epoch, holding) select coalesce((select max(i.epoch) from @.instance i where i.job = new.job"
	"  and i.owner = new.instance), -1), p.epoch from @.position p"
	"  where p.job = new.job and p.partition_index = new.partition_index;"
	" return null; end $f$;";

/* Each alone, so that no lock is held while another is waited for: the job works.
 * Who committed (epoch) what somebody held then (holding), and which epochs came in between (holding null).  A deed gets
 * its number at COMMIT, while its rows are locked: a take-over's comes after all work that it waited for. */
static const char *const watch_sql[] = {
	"insert into @.deed (epoch) select epoch from @.instance order by epoch;"
	"create constraint trigger log_start after insert on @.instance deferrable initially deferred for each row"
	" execute function @.log_start();",
	"create constraint trigger log_commit after update on @.batch_partition deferrable initially deferred for each row"
	" when (old.committed_at is null and new.committed_at is not null) execute function @.log_commit();"};

static bool connect_to(struct torture_schema *schema, const char **ret_why)
{
	const char *names[] = {"dbname", "application_name", "connect_timeout", "target_session_attrs", NULL};
	const char *values[] = {schema->dsn, "kdirect torture", "10", "read-write", NULL};

	schema->conn = PQconnectdbParams(names, values, 1);
	if (PQstatus(schema->conn) != CONNECTION_OK)
		return fail(ret_why, "%s", PQerrorMessage(schema->conn));
	PQsetNoticeProcessor(schema->conn, NULL, NULL);
	return execute(schema, "set search_path = pg_catalog; set timezone = 'UTC'; set client_min_messages = error", ret_why);
}

static void name_it(struct torture_schema *schema)
{
	unsigned char bytes[6] = {0};
	size_t at = (size_t) snprintf(schema->name, sizeof schema->name, "kdirect_torture_");

	if (getrandom(bytes, sizeof bytes, 0) < 0)
		memcpy(bytes, &schema, sizeof bytes); /* two at one time are not likely, and the server would refuse the second */
	for (size_t i = 0; i < sizeof bytes; i++)
		at += (size_t) snprintf(schema->name + at, sizeof schema->name - at, "%02x", bytes[i]);
}

static void tell_where(struct torture_schema *schema)
{
	const char *host = PQhost(schema->conn), *port = PQport(schema->conn), *address = PQhostaddr(schema->conn);
	const char *version = PQparameterStatus(schema->conn, "server_version");

	if (host && *host == '/')
		snprintf(schema->address, sizeof schema->address, "%s/.s.PGSQL.%s", host, port);
	else
		snprintf(schema->address, sizeof schema->address, "%s:%s", address && *address ? address : host, port);
	snprintf(schema->server, sizeof schema->server, "PostgreSQL %.32s at %s", version ? version : "", schema->address);
}

/* Beside the point, so that a question without an answer is no error. */
static void look_for_a_stray(struct torture_schema *schema)
{
	PGresult *result = query(schema, "select nspname from pg_namespace where nspname ~ '^kdirect_torture_[0-9a-f]{12}$'"
		" and nspname <> '@' order by oid limit 1");

	if (PQntuples(result) == 1)
		snprintf(schema->stray, sizeof schema->stray, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

struct torture_schema *torture_schema_make(const char *dsn, const char **ret_why)
{
	struct torture_schema *schema = calloc(1, sizeof *schema);

	*ret_why = "no memory";
	if (schema && !(schema->dsn = strdup(dsn))) {
		free(schema);
		return NULL;
	}
	if (!schema)
		return NULL;
	name_it(schema);
	if (connect_to(schema, ret_why)) {
		tell_where(schema);
		look_for_a_stray(schema);
		if (execute(schema, make_sql, ret_why))
			return schema;
	}
	torture_schema_close(schema);
	return NULL;
}

struct torture_schema *torture_schema_again(const struct torture_schema *schema, const char **ret_why)
{
	struct torture_schema *again = calloc(1, sizeof *again);

	*ret_why = "no memory";
	if (!again)
		return NULL;
	*again = *schema;
	again->conn = NULL;
	again->dsn = strdup(schema->dsn);
	if (again->dsn && connect_to(again, ret_why))
		return again;
	torture_schema_close(again);
	return NULL;
}

bool torture_schema_watch(struct torture_schema *schema, const char **ret_why)
{
	return execute(schema, watch_sql[0], ret_why) && execute(schema, watch_sql[1], ret_why);
}

void torture_schema_close(struct torture_schema *schema)
{
	if (!schema)
		return;
	PQfinish(schema->conn);
	free(schema->dsn);
	free(schema);
}

bool torture_schema_drop(struct torture_schema *schema, const char **ret_why)
{
	if (!schema)
		return true;
	if (PQstatus(schema->conn) != CONNECTION_OK)
		PQreset(schema->conn);
	bool ok = execute(schema, "set client_min_messages = error; drop schema if exists @ cascade", ret_why);
	torture_schema_close(schema);
	return ok;
}

const char *torture_schema_name(const struct torture_schema *schema) { return schema->name; }
const char *torture_schema_stray(const struct torture_schema *schema) { return schema->stray; }
const char *torture_schema_server(const struct torture_schema *schema) { return schema->server; }
const char *torture_schema_address(const struct torture_schema *schema) { return schema->address; }

/* ---- by way of the relay ---- */

static bool put(kd_buf *out, const char *name, const char *value)
{
	bool ok = kd_buf_printf(out, "%s='", name);

	for (; ok && *value; value++)
		ok = (*value != '\'' && *value != '\\' ? true : kd_buf_append(out, "\\", 1)) && kd_buf_append(out, value, 1);
	return ok && kd_buf_append(out, "' ", 2);
}

/* What the user gave but for the place.  The host's name stays where there is one: certificates and password files are
 * for it; hostaddr wins for the connection. */
static bool put_all(const struct torture_schema *schema, int port, const char *sslmode, kd_buf *out)
{
	PQconninfoOption *options = PQconninfo(schema->conn);
	const char *host = PQhost(schema->conn);
	bool ok = options != NULL;

	for (PQconninfoOption *o = options; ok && o && o->keyword; o++)
		if (o->val && *o->val && strcmp(o->keyword, "host") && strcmp(o->keyword, "hostaddr") &&
			strcmp(o->keyword, "port") && strcmp(o->keyword, "sslmode") && strcmp(o->keyword, "gssencmode") &&
			strcmp(o->keyword, "application_name") && strcmp(o->keyword, "fallback_application_name") &&
			strcmp(o->keyword, "replication"))
			ok = put(out, o->keyword, o->val);
	PQconninfoFree(options);
	ok = ok && put(out, "host", host && *host != '/' ? host : "localhost") && put(out, "hostaddr", "127.0.0.1");
	return ok && put(out, "sslmode", sslmode) && put(out, "gssencmode", "disable") &&
		kd_buf_printf(out, "port=%d", port);
}

static bool connects(const char *dsn)
{
	PGconn *conn = PQconnectdb(dsn);
	bool ok = PQstatus(conn) == CONNECTION_OK;

	PQfinish(conn);
	return ok;
}

char *torture_schema_dsn_through(const struct torture_schema *schema, int port, bool *ret_readable)
{
	kd_buf plain = {0}, sealed = {0};
	bool ok = put_all(schema, port, "disable", &plain) && kd_buf_append(&plain, "", 1) &&
		put_all(schema, port, "require", &sealed) && kd_buf_append(&sealed, "", 1);

	*ret_readable = !ok || !PQsslInUse(schema->conn) || connects(plain.data);
	kd_buf *taken = *ret_readable ? &plain : &sealed;
	kd_buf_done(*ret_readable ? &sealed : &plain);
	if (ok)
		return taken->data;
	kd_buf_done(taken);
	return NULL;
}

/* ---- counting ---- */

/* One statement, so one snapshot.  The brokers of torture leave no holes in the log: a partition's rows are all offsets
 * below its position, and no others. */
static const char count_sql[] =
	"with r as (select kafka_partition as p, count(*) as n, count(distinct kafka_offset) as offsets, max(kafka_offset) as top,"
	" sum(amount_cents) as cents from @.orders group by 1),"
	" s as (select p.kafka_partition as p, p.partition_index, o.committed_until from @.partition p"
	" join @.position o using (job, partition_index)),"
	" b as (select partition_index, count(*) as ranges, sum(rows) as rows from @.batch_partition"
	" where committed_at is not null group by 1),"
	" d as (select epoch, holding, max(epoch) filter (where holding is null) over (order by n) as newest from @.deed),"
	" t as (select partition_index, from_offset, lag(until_offset, 1, 0) over (partition by partition_index"
	" order by from_offset) as before from @.batch_partition where committed_at is not null)"
	" select (select coalesce(sum(n), 0) from r), (select coalesce(sum(offsets), 0) from r),"
	" (select coalesce(sum(cents), 0) from r), (select coalesce(sum(committed_until), 0) from s),"
	" (select coalesce(sum(ranges), 0) from b),"
	" (select count(*) from s left join r using (p) left join b using (partition_index)"
	"  where coalesce(r.n, 0) <> coalesce(b.rows, 0))"
	" + (select count(*) from r left join s using (p) where s.p is null),"
	" (select count(*) from s left join r using (p) where coalesce(r.top + 1, 0) <> s.committed_until"
	"  or coalesce(r.n, 0) <> s.committed_until),"
	" (select count(*) from r left join @.counter c on c.kafka_partition = r.p"
	"  where c.n is distinct from r.n or c.cents is distinct from r.cents),"
	" (select count(*) from t where from_offset <> before),"
	" (select count(*) from (select 1 from @.batch_partition group by partition_index, batch_time"
	"  having count(distinct (from_offset, until_offset)) > 1) d),"
	" (select coalesce(sum(until_offset - from_offset), 0) from @.gap),"
	" (select count(*) from d where holding is not null),"
	" (select count(*) from d where epoch <> holding or (holding is not null and epoch < newest))";

/* Dear: only at the end. */
static const char ids_sql[] =
	"select count(distinct order_id) filter (where order_id between 1 and %" PRId64 "),"
	" count(*) filter (where order_id is null or order_id not between 1 and %" PRId64 ") from @.orders";

static bool read_counts(struct torture_schema *schema, const char *sql, int64_t *const *to, int n, const char **ret_why)
{
	PGresult *result = query(schema, sql);
	bool ok = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 && PQnfields(result) == n;

	for (int i = 0; ok && i < n; i++)
		*to[i] = strtoll(PQgetvalue(result, 0, i), NULL, 10);
	PQclear(result);
	return ok || fail(ret_why, "%s", PQerrorMessage(schema->conn));
}

bool torture_schema_count(struct torture_schema *schema, int64_t events, struct torture_counts *c, const char **ret_why)
{
	int64_t *const counts[] = {&c->rows, &c->offsets, &c->cents, &c->committed, &c->ranges, &c->torn, &c->out_of_order,
		&c->wrong_counters, &c->untiled, &c->repeated, &c->gaps,
		&c->deeds, &c->unfenced};
	int64_t *const ids[] = {&c->ids, &c->strangers};
	char sql[sizeof ids_sql + 64];

	*c = (struct torture_counts){0};
	if (!read_counts(schema, count_sql, counts, sizeof counts / sizeof *counts, ret_why))
		return false;
	if (events == 0)
		return true;
	snprintf(sql, sizeof sql, ids_sql, events, events);
	return read_counts(schema, sql, ids, 2, ret_why);
}

int64_t torture_schema_committed(struct torture_schema *schema)
{
	return number(schema, "select coalesce(sum(committed_until), 0) from @.position");
}

int64_t torture_schema_epoch(struct torture_schema *schema)
{
	return number(schema, "select coalesce(max(epoch), 0) from @.position");
}

int64_t torture_schema_in_flight(struct torture_schema *schema)
{
	return number(schema, "select count(*) from @.batch_partition where committed_at is null and withdrawn_at is null");
}

/* ---- the job's sessions ---- */

#define MY_SESSIONS " from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()" \
	" and starts_with(application_name, 'kdirect/@/')"

int64_t torture_schema_end_session(struct torture_schema *schema)
{
	return number(schema, "select count(pg_terminate_backend(pid)) from (select pid" MY_SESSIONS
		" order by random() limit 1) s");
}

int64_t torture_schema_sessions(struct torture_schema *schema)
{
	return number(schema, "select count(*)" MY_SESSIONS);
}
