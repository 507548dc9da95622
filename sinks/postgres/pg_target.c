// SPDX-License-Identifier: Apache-2.0
// pg_target: see the header.  What it refuses: tables that forget rows in a crash, that live elsewhere, or that this
// server may not write.
#include "pg_target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_call.h"
#include "pg_schema.h"

enum pg_layout pg_wanted_layout(const pg_sink *sink)
{
	const char *layout = kd_config_string(sink->config, "sink.layout");
	if (!layout)
		return PG_LAYOUT_AUTO;
	return !strcmp(layout, "fields") ? PG_LAYOUT_FIELDS : PG_LAYOUT_RAW;
}

enum pg_format pg_wanted_format(const pg_sink *sink)
{
	const char *format = kd_config_string(sink->config, "sink.format");
	return !strcmp(format, "json") ? PG_FORMAT_JSON : !strcmp(format, "text") ? PG_FORMAT_TEXT : PG_FORMAT_RAW;
}

/* ---- looking ---- */

/* The name is resolved under the role's own search_path: this runs without pg_call_begin. */
static const char look_sql[] =
	"select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,"
	" pg_catalog.has_table_privilege(c.oid, 'INSERT'), pg_catalog.has_table_privilege(c.oid, 'SELECT'),"
	" pg_catalog.row_security_active(c.oid),"
	" exists (select 1 from pg_catalog.pg_trigger t where t.tgrelid operator(pg_catalog.=) c.oid"
	" and t.tgtype operator(pg_catalog.&) 68::pg_catalog.int2 operator(pg_catalog.=) 68),"
	" (select p.relid::pg_catalog.regclass::pg_catalog.text from pg_catalog.pg_partition_tree(c.oid) p"
	" join pg_catalog.pg_class l on l.oid operator(pg_catalog.=) p.relid"
	" where p.isleaf and (l.relkind operator(pg_catalog.=) 'f' or l.relpersistence operator(pg_catalog.<>) 'p') limit 1)"
	" from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace"
	" where c.relname operator(pg_catalog.=) $2::pg_catalog.name and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')"
	" and case when $1::pg_catalog.text is null then pg_catalog.pg_table_is_visible(c.oid)"
	" else n.nspname operator(pg_catalog.=) $1::pg_catalog.name end";

static const char server_sql[] =
	"select pg_catalog.pg_is_in_recovery(), d.oid from pg_catalog.pg_database d"
	" where d.datname operator(pg_catalog.=) pg_catalog.current_database()";

static const char lookalike_sql[] =
	"select pg_catalog.quote_ident(n.nspname) operator(pg_catalog.||) '.' operator(pg_catalog.||)"
	" pg_catalog.quote_ident(c.relname)"
	" from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace"
	" where pg_catalog.lower(c.relname::pg_catalog.text) operator(pg_catalog.=) pg_catalog.lower($2::pg_catalog.text)"
	" and (c.relname operator(pg_catalog.<>) $2::pg_catalog.name"
	" or n.nspname operator(pg_catalog.<>) $1::pg_catalog.name)"
	" and c.relkind in ('r', 'p', 'v') and ($1::pg_catalog.text is null"
	" or pg_catalog.lower(n.nspname::pg_catalog.text) operator(pg_catalog.=) pg_catalog.lower($1::pg_catalog.text)) limit 1";

static bool yes(const PGresult *result, int column)
{
	return *PQgetvalue(result, 0, column) == 't';
}

static bool fill(pg_target *target, const PGresult *table, const PGresult *server, const PGresult *lookalike)
{
	target->in_recovery = yes(server, 0);
	target->database = (uint32_t) pg_int(server, 0, 1);
	target->found = PQntuples(table) > 0;
	if (!target->found) {
		if (PQntuples(lookalike) > 0)
			target->lookalike = pg_dup(lookalike, 0, 0);
		return true;
	}
	target->oid = (uint32_t) pg_int(table, 0, 0);
	target->schema = pg_dup(table, 0, 1);
	target->table = pg_dup(table, 0, 2);
	target->kind = *PQgetvalue(table, 0, 3);
	target->persistence = *PQgetvalue(table, 0, 4);
	target->may_insert = yes(table, 5);
	target->may_select = yes(table, 6);
	target->row_security = yes(table, 7);
	target->instead_of = yes(table, 8);
	target->foreign_part = pg_dup(table, 0, 9);
	return target->schema && target->table;
}

static size_t add_named(pg_call *call, const char *sql, const pg_table *table)
{
	size_t i = pg_call_sql(call, sql);
	pg_call_text(call, table->schema);
	pg_call_text(call, table->table);
	return i;
}

kd_code pg_target_look(pg_session *session, const pg_table *named, pg_target *ret_target, kd_error *err)
{
	*ret_target = (pg_target) {.found = false};
	pg_call call;
	pg_call_init(&call, session, "look at the target");
	size_t table = add_named(&call, look_sql, named);
	size_t server = pg_call_sql(&call, server_sql);
	size_t lookalike = add_named(&call, lookalike_sql, named);
	kd_code code = pg_call_run(&call, NULL, err);
	if (code == KD_OK && !fill(ret_target, call.statement[table].result, call.statement[server].result,
		    call.statement[lookalike].result))
		code = kd_error_set(err, KD_ENOMEM, KD_STOP, "could not look at the target: no memory");
	pg_call_done(&call);
	return code;
}

void pg_target_done(pg_target *target)
{
	free(target->schema);
	free(target->table);
	free(target->foreign_part);
	free(target->lookalike);
	*target = (pg_target) {.found = false};
}

/* ---- judging ---- */

static const char *reason(const pg_target *target)
{
	if (target->persistence == 'u')
		return "it is unlogged: a crash of the server empties it";
	if (target->persistence == 't')
		return "it is a temporary table";
	if (target->kind == 'f')
		return "it is a foreign table: its rows do not commit with the ledger";
	if (target->foreign_part)
		return "one of its partitions is a foreign, unlogged or temporary table";
	if (target->kind == 'm')
		return "it is a materialized view";
	if (target->kind == 'S')
		return "it is a sequence";
	if (target->kind == 'v' && !target->instead_of)
		return "it is a view without an INSTEAD OF INSERT trigger";
	if (target->row_security)
		return "row-level security applies to this role: COPY does not work there";
	if (!target->may_insert)
		return "this role may not insert into it: grant insert on it";
	return NULL;
}

kd_code pg_target_judge(const pg_table *table, const pg_target *target, kd_error *err)
{
	if (target->in_recovery)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use the server: it is a standby, name the primary");
	if (!target->found)
		return KD_OK;
	const char *why = reason(target);
	return why ? kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\" as a target: %s%s%s", table->target, why,
			     target->foreign_part ? ": " : "", target->foreign_part ? target->foreign_part : "")
	           : KD_OK;
}

static kd_code refuse_lookalike(const pg_table *table, const pg_target *target, kd_error *err)
{
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not find table \"%s\"; %s is there: write its name as SQL would, in double quotes", table->target,
		target->lookalike);
}

kd_code pg_target_refuse_absent(const pg_table *table, const pg_target *target, kd_error *err)
{
	if (target->lookalike)
		return refuse_lookalike(table, target, err);
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not find table \"%s\" of sink.tables: create it, its columns say which fields are stored: create table %s "
		"(kafka_partition int, kafka_offset bigint, ...)", table->target, table->target);
}

/* ---- making the raw layout's table ---- */

/* Is this the table that the ledger names as schema.table?  A name without a schema may be any of its name. */
static bool is_named(const pg_table *table, const char *target)
{
	size_t n = strlen(target), own = strlen(table->table), schema = table->schema ? strlen(table->schema) : 0;
	if (n <= own || target[n - own - 1] != '.' || strcmp(target + n - own, table->table) != 0)
		return false;
	return !table->schema || (n == schema + 1 + own && !strncmp(target, table->schema, schema));
}

/* A table that the job has filled is not made anew when it is gone: its rows would be lost in silence, and its name
 * taken, where it was only renamed. */
static kd_code refuse_gone(pg_sink *sink, pg_session *session, kd_error *err)
{
	static const char doing[] = "look for the job";
	pg_call call;
	pg_call_init(&call, session, doing);
	size_t known = pg_call_sql(&call, "select target, target_identity from @job where job = $1");
	pg_call_text(&call, sink->job);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *row = call.statement[known].result;
	if (code == KD_OK && PQntuples(row) > 0 && is_named(&sink->tables[0], PQgetvalue(row, 0, 0)))
		code = kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not find table \"%s\", which job \"%s\" has filled (%s): it was dropped, renamed or moved; bring it back, or "
			"give the job another name to start over", PQgetvalue(row, 0, 0), sink->job, PQgetvalue(row, 0, 1));
	pg_call_done(&call);
	return code;
}

static kd_code create_raw(pg_sink *sink, pg_session *session, const pg_target *target, kd_error *err)
{
	const pg_table *table = &sink->tables[0];
	if (target->lookalike)
		return refuse_lookalike(table, target, err);
	kd_code gone = refuse_gone(sink, session, err);
	if (gone != KD_OK)
		return gone;
	if (pg_wanted_layout(sink) == PG_LAYOUT_FIELDS)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not find table \"%s\": create it, its columns say which fields are stored", table->target);
	char *name = pg_quote_table(table);
	char *sql = name ? pg_schema_raw_table(name, pg_wanted_format(sink)) : NULL;
	kd_code code = KD_ENOMEM;
	if (sql)
		code = pg_script(session, sql, "create the target table", err);
	else
		(void) kd_error_set(err, KD_ENOMEM, KD_STOP, "could not create the target table: no memory");
	/* Somebody else's first start may have been faster: then the table is there. */
	bool there = code != KD_OK && err && (!strcmp(err->sqlstate, "42P07") || !strcmp(err->sqlstate, "42710") ||
		!strcmp(err->sqlstate, "23505"));
	if (there) {
		kd_error_clear(err);
		code = KD_OK;
	} else if (code == KD_OK) {
		kd_log(sink->log, KD_LOG_INFO, 0, "created table %s with the raw layout", name);
	}
	free(sql);
	free(name);
	return code;
}

/* ---- describing ---- */

static bool print_into(char **ret_text, const char *format, ...) KD_PRINTF(2, 3);
static bool print_into(char **ret_text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = NULL;
	int n = vasprintf(&text, format, args);
	va_end(args);
	free(*ret_text);
	*ret_text = n < 0 ? NULL : text;
	return n >= 0;
}

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not open the target: no memory");
}

/* ", and 2 tables beside it: public.a, public.b" */
static bool add_beside(const pg_sink *sink, kd_buf *text)
{
	if (sink->n_tables == 1)
		return true;
	bool ok = kd_buf_printf(text, "; and %zu table%s of sink.tables: ", sink->n_tables - 1, sink->n_tables > 2 ? "s" : "");
	for (size_t i = 1; i < sink->n_tables && ok; i++)
		ok = kd_buf_printf(text, "%s%s", i > 1 ? ", " : "", sink->tables[i].target);
	return ok;
}

static kd_code describe(pg_sink *sink, pg_session *session, const pg_target *target, kd_error *err)
{
	const pg_table *table = &sink->tables[0];
	const struct pg_columns *columns = table->columns;
	const char *layout = columns->layout == PG_LAYOUT_RAW ? "raw" : "fields";
	int version = PQserverVersion(session->conn);
	kd_buf summary = {0};
	bool ok = print_into(&sink->identity, "db:%u table:%u", target->database, target->oid) &&
		kd_buf_printf(&summary, "PostgreSQL %d.%d, table %s, %s layout, %zu columns", version / 10000, version % 10000,
			columns->qualified, layout, columns->n) &&
		add_beside(sink, &summary) && kd_buf_append(&summary, "", 1);
	free(sink->summary);
	sink->summary = summary.data;
	if (!ok)
		return no_memory(err);
	sink->info = (kd_sink_info) {.target = table->target, .identity = sink->identity, .layout = layout,
		.summary = sink->summary, .has_offsets = pg_columns_have_offsets(columns)};
	return KD_OK;
}

/* ---- opening ---- */

static kd_code load(pg_session *session, pg_table *table, const pg_target *target, enum pg_layout layout,
	enum pg_format format, kd_error *err)
{
	kd_code code = pg_columns_load(session, target->schema, target->table, &table->columns, err);
	if (code == KD_OK)
		code = pg_columns_choose(table->columns, layout, format, err);
	if (code != KD_OK)
		return code;
	table->oid = target->oid;
	if (!print_into(&table->target, "%s.%s", table->columns->schema, table->columns->table) ||
		!print_into(&table->qualified, "%s", table->columns->qualified))
		return no_memory(err);
	return KD_OK;
}

static kd_code open_own(pg_sink *sink, pg_session *session, kd_error *err)
{
	pg_table *table = &sink->tables[0];
	pg_target target;
	kd_code code = pg_target_look(session, table, &target, err);
	if (code == KD_OK && !target.found && !target.in_recovery && !sink->read_only) {
		code = create_raw(sink, session, &target, err);
		pg_target_done(&target);
		if (code == KD_OK)
			code = pg_target_look(session, table, &target, err);
	}
	if (code == KD_OK && !(sink->read_only && !target.may_insert && target.found))
		code = pg_target_judge(table, &target, err);
	if (code == KD_OK && target.found)
		code = load(session, table, &target, pg_wanted_layout(sink), pg_wanted_format(sink), err);
	if (code == KD_OK && target.found)
		code = describe(sink, session, &target, err);
	else if (code == KD_OK)
		sink->info = (kd_sink_info) {.target = table->target, .identity = "", .layout = "raw",
			.summary = "PostgreSQL; the table is not there yet"};
	pg_target_done(&target);
	return code;
}

static kd_code refuse_twice(const pg_sink *sink, const pg_table *table, kd_error *err)
{
	for (const pg_table *other = sink->tables; other < table; other++)
		if (other->oid == table->oid)
			return kd_error_set(err, KD_ECONFIG, KD_STOP,
				"could not use \"sink.tables\": \"%s\" is the same table as \"%s\": name it once", table->written,
				other->written);
	return KD_OK;
}

static kd_code open_beside(pg_sink *sink, pg_session *session, pg_table *table, kd_error *err)
{
	pg_target target;
	kd_code code = pg_target_look(session, table, &target, err);
	if (code == KD_OK)
		code = pg_target_judge(table, &target, err);
	if (code == KD_OK && !target.found)
		code = pg_target_refuse_absent(table, &target, err);
	if (code == KD_OK)
		code = load(session, table, &target, PG_LAYOUT_FIELDS, PG_FORMAT_RAW, err);
	pg_target_done(&target);
	return code == KD_OK ? refuse_twice(sink, table, err) : code;
}

static int by_oid(const void *a, const void *b)
{
	const pg_table *const *left = a, *const *right = b;
	return ((*left)->oid > (*right)->oid) - ((*left)->oid < (*right)->oid);
}

/* In one order for all jobs, whatever order their files have: so they cannot wait for one another in a circle. */
static bool make_lock(pg_sink *sink)
{
	const pg_table **sorted = sink->by_oid = calloc(sink->n_tables, sizeof(const pg_table *));
	kd_buf sql = {0};
	bool ok = sorted && kd_buf_printf(&sql, "lock table ");
	for (size_t i = 0; i < sink->n_tables && ok; i++)
		sorted[i] = &sink->tables[i];
	if (ok)
		qsort(sorted, sink->n_tables, sizeof *sorted, by_oid);
	for (size_t i = 0; i < sink->n_tables && ok; i++)
		ok = kd_buf_printf(&sql, "%s%s", i ? ", " : "", sorted[i]->qualified);
	ok = ok && kd_buf_printf(&sql, " in row exclusive mode") && kd_buf_append(&sql, "", 1);
	sink->lock_targets = sql.data;
	return ok;
}

kd_code pg_target_open(pg_sink *sink, pg_session *session, kd_error *err)
{
	kd_code code = open_own(sink, session, err);
	if (sink->read_only) /* who only looks at the ledger needs no other table */
		return code;
	for (size_t i = 1; i < sink->n_tables && code == KD_OK; i++)
		code = open_beside(sink, session, &sink->tables[i], err);
	if (code == KD_OK && !make_lock(sink))
		code = no_memory(err);
	return code;
}
