// SPDX-License-Identifier: Apache-2.0
// pg_shape: the columns of all tables in one question, compared one by one.  See the header.
#include "pg_shape.h"

#include <string.h>

#include "pg_sink.h"

/* By name, so that a table which is another one now shows by its oid.  One table of the catalog and no join: cheap
 * enough for every transaction. */
static const char shape_sql[] =
	"select attrelid, attname, atttypid, format_type(atttypid, atttypmod) from pg_attribute"
	" where attrelid = any($1::regclass[]) and attnum > 0 and not attisdropped order by attrelid";

size_t pg_shape_ask(pg_call *call)
{
	const pg_sink *sink = call->session->sink;
	kd_buf names = {0};
	bool ok = true;
	for (size_t i = 0; i < sink->n_tables && ok; i++)
		ok = pg_array_text(&names, sink->tables[i].qualified);
	call->no_memory = call->no_memory || !ok || !pg_array_end(&names);
	size_t statement = pg_call_sql(call, shape_sql);
	pg_call_take(call, &names);
	return statement;
}

/* The row of a table's column, -1: none.  Columns mostly come in the order in which they were read at the start. */
static int find(const PGresult *shape, int first, int n, const char *name, int likely)
{
	for (int k = 0; k < n; k++) {
		int row = first + (likely + k) % n;
		if (!strcmp(PQgetvalue(shape, row, 1), name))
			return row;
	}
	return -1;
}

static kd_code changed(const pg_table *table, const struct pg_column *column, const char *type, kd_error *err)
{
	static const char way_out[] = "put it back, or start the job again where that is meant";
	if (!type)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not begin a batch partition: %s has no column \"%s\" any more; %s (42703)", table->target,
			column->name, way_out);
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not begin a batch partition: column \"%s\" of %s is %s now, and was %s when the job started; %s",
		column->name, table->target, type, column->type_text, way_out);
}

static kd_code judge_table(const pg_table *table, const PGresult *shape, int first, int n, kd_error *err)
{
	if (n == 0)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not begin a batch partition: %s is another table than when the job started: it was dropped and made "
			"anew, or renamed; put the old one back", table->target);
	for (size_t i = 0; i < table->columns->n; i++) {
		const struct pg_column *column = &table->columns->column[i];
		if (column->source == PG_FROM_SERVER)
			continue;
		int row = find(shape, first, n, column->name, (int) i);
		if (row < 0 || (uint32_t) pg_int(shape, row, 2) != column->type)
			return changed(table, column, row < 0 ? NULL : PQgetvalue(shape, row, 3), err);
	}
	return KD_OK;
}

/* Both lists go by oid.  What belongs to no table of the job is a table that came in the place of one. */
kd_code pg_shape_judge(const pg_call *call, size_t statement, kd_error *err)
{
	const pg_sink *sink = call->session->sink;
	const PGresult *shape = call->statement[statement].result;
	int row = 0, n = PQntuples(shape);
	for (size_t i = 0; i < sink->n_tables; i++) {
		const pg_table *table = sink->by_oid[i];
		while (row < n && pg_int(shape, row, 0) < (int64_t) table->oid)
			row++;
		int first = row;
		while (row < n && pg_int(shape, row, 0) == (int64_t) table->oid)
			row++;
		kd_code code = judge_table(table, shape, first, row - first, err);
		if (code != KD_OK)
			return code;
	}
	return KD_OK;
}
