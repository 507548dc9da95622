// SPDX-License-Identifier: Apache-2.0
// pg_columns: reads the catalog; pg_columns_choose.c makes something of it.
#include "pg_columns.h"

#include <stdlib.h>
#include <string.h>

#include "pg_conn.h"

static const char find_sql[] =
	"select c.oid, n.nspname, c.relname, pg_encoding_to_char(d.encoding) = 'UTF8' "
	"from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
	"join pg_catalog.pg_database d on d.datname = pg_catalog.current_database() "
	"where c.relname = $2 and c.relkind in ('r', 'p', 'v', 'f', 'm') "
	"and case when $1::text is null then pg_catalog.pg_table_is_visible(c.oid) else n.nspname = $1 end";

// With pg_catalog alone on the search_path, every other name in an expression comes out qualified.  An identity
// column's default is not stored as an expression, but it acts as this one.
static const char columns_sql[] =
	"select a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, "
	"a.attgenerated <> '', case when a.attidentity <> '' then 'nextval(' || quote_literal(pg_get_serial_sequence("
	"quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)) || '::regclass)' "
	"when a.attgenerated = '' then pg_get_expr(e.adbin, e.adrelid) end "
	"from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace "
	"left join pg_attrdef e on e.adrelid = a.attrelid and e.adnum = a.attnum "
	"where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum";

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read the target's columns: no memory");
}

// The statement's result: the last one, or the first that is an error.
static kd_code run(pg_session *session, const char *sql, int n, const char *const *values, PGresult **ret_result,
	kd_error *err)
{
	static const char doing[] = "read the target's columns";
	kd_code code = KD_OK;
	*ret_result = NULL;
	if (!PQsendQueryParams(session->conn, sql, n, NULL, values, NULL, NULL, 0))
		return pg_conn_lost(session, doing, err);
	for (;;) {
		PGresult *result = NULL;
		if (!pg_conn_result(session, doing, &result, err)) {
			code = code ? code : KD_ESINK;
			break;
		}
		if (!result)
			break;
		if (!code && pg_conn_failed(result))
			code = pg_error_result(err, result, session->lost, session->phase, doing);
		PQclear(*ret_result);
		*ret_result = result;
	}
	if (code) {
		PQclear(*ret_result);
		*ret_result = NULL;
	}
	return code;
}

static kd_code command(pg_session *session, const char *sql, kd_error *err)
{
	PGresult *result;
	kd_code code = run(session, sql, 0, NULL, &result, err);
	PQclear(result);
	return code;
}

// NULL where the value is SQL's, or without memory.
static char *dup_value(const PGresult *result, int row, int field)
{
	return PQgetisnull(result, row, field) ? NULL : strdup(PQgetvalue(result, row, field));
}

static char *quote(PGconn *conn, const char *name)
{
	char *escaped = PQescapeIdentifier(conn, name, strlen(name));
	char *copy = escaped ? strdup(escaped) : NULL;
	PQfreemem(escaped);
	return copy;
}

static bool is_true(const PGresult *result, int row, int field)
{
	return *PQgetvalue(result, row, field) == 't';
}

static bool fill_column(PGconn *conn, const PGresult *result, int row, struct pg_column *column)
{
	column->name = dup_value(result, row, 0);
	column->quoted = column->name ? quote(conn, column->name) : NULL;
	column->type = (uint32_t) strtoul(PQgetvalue(result, row, 1), NULL, 10);
	column->typmod = (int32_t) strtol(PQgetvalue(result, row, 2), NULL, 10);
	column->type_text = dup_value(result, row, 3);
	column->not_null = is_true(result, row, 4);
	column->identity = *PQgetvalue(result, row, 5);
	column->generated = is_true(result, row, 6);
	column->default_text = dup_value(result, row, 7);
	return column->name && column->quoted && column->type_text &&
		(column->default_text || PQgetisnull(result, row, 7));
}

static bool fill_columns(PGconn *conn, const PGresult *result, struct pg_columns *columns)
{
	int n = PQntuples(result);
	columns->column = calloc((size_t) n + 1, sizeof *columns->column);
	if (!columns->column)
		return false;
	columns->n = (size_t) n;
	for (int i = 0; i < n; i++)
		if (!fill_column(conn, result, i, &columns->column[i]))
			return false;
	return true;
}

// "schema"."table"
static char *qualify(PGconn *conn, const char *schema, const char *table)
{
	char *left = quote(conn, schema), *right = quote(conn, table), *both = NULL;
	if (left && right) {
		size_t size = strlen(left) + strlen(right) + 2;
		both = malloc(size);
		if (both)
			strcat(strcat(strcpy(both, left), "."), right);
	}
	free(left);
	free(right);
	return both;
}

static bool fill_names(PGconn *conn, const PGresult *found, struct pg_columns *columns)
{
	columns->schema = dup_value(found, 0, 1);
	columns->table = dup_value(found, 0, 2);
	columns->utf8 = is_true(found, 0, 3);
	columns->qualified = columns->schema && columns->table ? qualify(conn, columns->schema, columns->table) : NULL;
	return columns->qualified != NULL;
}

static kd_code load(pg_session *session, const char *schema, const char *table, struct pg_columns *columns,
	kd_error *err)
{
	PGresult *found = NULL, *rows = NULL;
	const char *names[] = {schema, table};
	kd_code code = run(session, find_sql, 2, names, &found, err);
	if (!code && PQntuples(found) == 0)
		code = kd_error_set(err, KD_ETARGET, KD_STOP, "could not find table \"%s%s%s\"", schema ? schema : "",
			schema ? "." : "", table);
	if (!code && !fill_names(session->conn, found, columns))
		code = no_memory(err);
	if (!code)
		code = command(session, "set local search_path = pg_catalog", err);
	if (!code) {
		const char *oid[] = {PQgetvalue(found, 0, 0)};
		code = run(session, columns_sql, 1, oid, &rows, err);
	}
	if (!code && !fill_columns(session->conn, rows, columns))
		code = no_memory(err);
	PQclear(rows);
	PQclear(found);
	return code;
}

kd_code pg_columns_load(pg_session *session, const char *schema, const char *table,
	struct pg_columns **ret_columns, kd_error *err)
{
	*ret_columns = NULL;
	struct pg_columns *columns = calloc(1, sizeof *columns);
	if (!columns)
		return no_memory(err);
	bool own_transaction = PQtransactionStatus(session->conn) == PQTRANS_IDLE;
	kd_code code = own_transaction ? command(session, "begin read only", err) : KD_OK;
	if (!code)
		code = load(session, schema, table, columns, err);
	if (own_transaction) {
		kd_error ignored = {0}; // nothing was changed; what went wrong is known already
		kd_code ended = command(session, "rollback", code ? &ignored : err);
		code = code ? code : ended;
	}
	if (code)
		pg_columns_free(columns);
	else
		*ret_columns = columns;
	return code;
}

void pg_columns_free(struct pg_columns *columns)
{
	if (!columns)
		return;
	for (size_t i = 0; i < columns->n; i++) {
		free(columns->column[i].name);
		free(columns->column[i].quoted);
		free(columns->column[i].type_text);
		free(columns->column[i].default_text);
	}
	free(columns->column);
	free(columns->schema);
	free(columns->table);
	free(columns->qualified);
	free(columns);
}
