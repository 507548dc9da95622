/* SPDX-License-Identifier: Apache-2.0 */
/* demo_tables: see demo_tables.h. */
#include "demo_tables.h"

#include <sqlite3.h>
#include <stdlib.h>

enum { BUSY_MS = 5000 };

struct demo_tables {
	sqlite3 *db;
};

struct demo_tables *demo_tables_open(const char *path, const char **ret_why)
{
	static const char make[] =
		"create table orders (order_id integer, customer text, item text, amount_cents integer,"
		" kafka_partition integer, kafka_topic text, kafka_offset integer)";
	struct demo_tables *tables = calloc(1, sizeof *tables);

	*ret_why = "no memory";
	if (!tables)
		return NULL;
	int code = sqlite3_open_v2(path, &tables->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (!code)
		code = sqlite3_busy_timeout(tables->db, BUSY_MS);
	if (!code)
		code = sqlite3_exec(tables->db, make, NULL, NULL, NULL);
	if (!code)
		return tables;
	*ret_why = sqlite3_errstr(code);
	demo_tables_close(tables);
	return NULL;
}

void demo_tables_close(struct demo_tables *tables)
{
	if (tables)
		sqlite3_close(tables->db);
	free(tables);
}

/* The one number that a query answers; -1 where it fails, as it does before the job has made its ledger. */
static int64_t ask(struct demo_tables *tables, const char *sql)
{
	sqlite3_stmt *query = NULL;
	int64_t number = -1;

	if (sqlite3_prepare_v2(tables->db, sql, -1, &query, NULL) == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW)
		number = sqlite3_column_int64(query, 0);
	sqlite3_finalize(query);
	return number;
}

int64_t demo_tables_stored(struct demo_tables *tables)
{
	return ask(tables, "select count(*) from orders");
}

int64_t demo_tables_in_flight(struct demo_tables *tables)
{
	return ask(tables,
		"select count(*) from kdirect_batch_partition where committed_at is null and withdrawn_at is null");
}

int64_t demo_tables_committed(struct demo_tables *tables)
{
	return ask(tables, "select coalesce(sum(committed_until), 0) from kdirect_position");
}

bool demo_tables_count(struct demo_tables *tables, int64_t events, struct demo_counts *ret_counts, const char **ret_why)
{
	static const char sql[] =
		"select count(*), count(distinct order_id) filter (where order_id between 1 and ?1),"
		" count(*) filter (where order_id is null or order_id not between 1 and ?1),"
		" (select count(*) from (select distinct kafka_topic, kafka_partition, kafka_offset from orders)),"
		" coalesce(sum(amount_cents), 0) from orders";
	sqlite3_stmt *query = NULL;
	bool ok = sqlite3_prepare_v2(tables->db, sql, -1, &query, NULL) == SQLITE_OK &&
		  sqlite3_bind_int64(query, 1, events) == SQLITE_OK && sqlite3_step(query) == SQLITE_ROW;

	if (ok)
		*ret_counts = (struct demo_counts){
			.stored = sqlite3_column_int64(query, 0),
			.ids = sqlite3_column_int64(query, 1),
			.strangers = sqlite3_column_int64(query, 2),
			.offsets = sqlite3_column_int64(query, 3),
			.cents = sqlite3_column_int64(query, 4),
		};
	else
		*ret_why = sqlite3_errmsg(tables->db);
	sqlite3_finalize(query);
	return ok;
}
