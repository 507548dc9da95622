/* SPDX-License-Identifier: Apache-2.0 */
/* Scratch databases: see pg_fixture.h. */
#include "pg_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

static PGresult *must(PGconn *conn, const char *sql)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);

	kt_check(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%sin: %s", PQerrorMessage(conn), sql);
	return result;
}

PGconn *kt_pg_connect(const char *dsn)
{
	PGconn *conn = PQconnectdb(dsn);

	kt_check(PQstatus(conn) == CONNECTION_OK, "could not connect: %s", PQerrorMessage(conn));
	return conn;
}

static void on_server(const char *server, const char *statement, const char *name)
{
	PGconn *conn = kt_pg_connect(server);
	char *sql;

	kt_check(asprintf(&sql, "%s %s", statement, name) >= 0, "no memory");
	PQclear(must(conn, sql));
	free(sql);
	PQfinish(conn);
}

void kt_pg_open_at(kt_pg *pg, const char *server)
{
	pg->name = kt_own_name("t");
	on_server(server, "create database", pg->name);
	pg->dsn = kt_format("%s dbname=%s", server, pg->name);
	pg->conn = kt_pg_connect(pg->dsn);
}

void kt_pg_open(kt_pg *pg)
{
	kt_pg_open_at(pg, kt_env("KD_TEST_PG"));
}

void kt_pg_close(kt_pg *pg)
{
	char *server = kt_format("%s dbname=postgres", pg->dsn);
	char *name = kt_format("%s with (force)", pg->name);

	PQfinish(pg->conn);
	on_server(server, "drop database", name);
	free(name);
	free(server);
	free(pg->dsn);
	free(pg->name);
}

static bool reset(void *opaque)
{
	kt_pg *pg = opaque;

	PQreset(pg->conn);
	return PQstatus(pg->conn) == CONNECTION_OK;
}

void kt_pg_reconnect(kt_pg *pg)
{
	kt_await(reset, pg, 30000, "PostgreSQL takes connections again");
}

static KD_PRINTF(2, 0) PGresult *query(kt_pg *pg, const char *format, va_list args)
{
	char *sql;
	PGresult *result;

	kt_check(vasprintf(&sql, format, args) >= 0, "no memory");
	result = must(pg->conn, sql);
	free(sql);
	return result;
}

PGresult *kt_pg_query(kt_pg *pg, const char *format, ...)
{
	va_list args;
	PGresult *result;

	va_start(args, format);
	result = query(pg, format, args);
	va_end(args);
	return result;
}

void kt_pg_exec(kt_pg *pg, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	PQclear(query(pg, format, args));
	va_end(args);
}

static char *first_value(PGresult *result)
{
	char *value = strdup(PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");

	kt_check(value, "no memory");
	PQclear(result);
	return value;
}

char *kt_pg_value(kt_pg *pg, const char *format, ...)
{
	va_list args;
	char *value;

	va_start(args, format);
	value = first_value(query(pg, format, args));
	va_end(args);
	return value;
}

int64_t kt_pg_int(kt_pg *pg, const char *format, ...)
{
	va_list args;
	char *value;
	int64_t number;

	va_start(args, format);
	value = first_value(query(pg, format, args));
	va_end(args);
	number = strtoll(value, NULL, 10);
	free(value);
	return number;
}
