/* SPDX-License-Identifier: Apache-2.0 */
/* A scratch database on the suite's PostgreSQL: one per test, so that tests never see each other.
 *
 *     kt_pg pg;
 *     kt_pg_open(&pg);
 *     kt_pg_exec(&pg, "create table orders(id int)");
 *     cr_assert_eq(kt_pg_int(&pg, "select count(*) from orders"), 0);
 *     kt_pg_close(&pg);
 */
#ifndef KT_PG_FIXTURE_H
#define KT_PG_FIXTURE_H

#include <libpq-fe.h>
#include <stdint.h>

#include "kdirect/error.h"

typedef struct kt_pg {
	char *name;    /* the database */
	char *dsn;     /* how to connect to it, as libpq reads it */
	PGconn *conn;  /* a session in it */
} kt_pg;

/* Makes a database on the server at KD_TEST_PG and connects; _at: on another server. */
void kt_pg_open(kt_pg *pg);
void kt_pg_open_at(kt_pg *pg, const char *server);
/* Ends every session of the database and drops it. */
void kt_pg_close(kt_pg *pg);
/* Connects again, for up to 30 s: after the server was restarted. */
void kt_pg_reconnect(kt_pg *pg);

/* One more session; the caller ends it with PQfinish. */
PGconn *kt_pg_connect(const char *dsn);

/* A printf format makes the SQL.  What the server refuses fails the test with the server's message. */
void kt_pg_exec(kt_pg *pg, const char *format, ...) KD_PRINTF(2, 3);
/* The first column of the first row, "" for NULL and for no row; the caller frees it. */
char *kt_pg_value(kt_pg *pg, const char *format, ...) KD_PRINTF(2, 3);
int64_t kt_pg_int(kt_pg *pg, const char *format, ...) KD_PRINTF(2, 3);
/* All rows; the caller ends it with PQclear. */
PGresult *kt_pg_query(kt_pg *pg, const char *format, ...) KD_PRINTF(2, 3);

#endif
