// SPDX-License-Identifier: Apache-2.0
// pg_check: see the header.  Creates and changes nothing.
#include "pg_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/findings.h"
#include "pg_call.h"
#include "pg_schema.h"
#include "pg_target.h"

typedef struct checking {
	pg_sink *sink;
	pg_session *session;
	findings findings;
} checking;

/* ---- the server ---- */

static const char settings_sql[] =
	"select name, setting from pg_catalog.pg_settings where name in"
	" ('fsync', 'full_page_writes', 'synchronous_commit', 'default_transaction_read_only')";

static void check_setting(const checking *c, const char *name, const char *value)
{
	if (!strcmp(name, "fsync") && !strcmp(value, "off"))
		findings_say(&c->findings, KD_FINDING_NOTE, "server", "fsync is off: a crash of the machine can damage the whole database");
	else if (!strcmp(name, "full_page_writes") && !strcmp(value, "off"))
		findings_say(&c->findings, KD_FINDING_NOTE, "server", "full_page_writes is off: a crash of the machine can damage pages");
	else if (!strcmp(name, "synchronous_commit") && (!strcmp(value, "off") || !strcmp(value, "local")))
		findings_say(&c->findings, KD_FINDING_NOTE, "server", "synchronous_commit is %s: kdirect raises it to on in its transactions", value);
	else if (!strcmp(name, "default_transaction_read_only") && !strcmp(value, "on"))
		findings_say(&c->findings, KD_FINDING_NOTE, "server", "default_transaction_read_only is on: set target_session_attrs=any in sink.dsn");
}

static kd_code check_server(const checking *c, kd_error *err)
{
	int version = PQserverVersion(c->session->conn);
	findings_say(&c->findings, KD_FINDING_OK, "server", "PostgreSQL %d.%d", version / 10000, version % 10000);
	pg_call call;
	pg_call_init(&call, c->session, "read the server's settings");
	pg_call_sql(&call, settings_sql);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *r = call.statement[0].result;
	for (int i = 0; code == KD_OK && i < PQntuples(r); i++)
		check_setting(c, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
	pg_call_done(&call);
	if (code == KD_OK)
		findings_say(&c->findings, KD_FINDING_OK, "server", "every transaction ends by itself after %d s idle, statements after %d s",
			c->sink->limits.idle_ms / 1000, c->sink->limits.statement_ms / 1000);
	return code;
}

/* ---- the ledger ---- */

static const char rights_sql[] =
	"select (select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')),"
	" (select pg_catalog.string_agg(c.relname::pg_catalog.text, ', ') from pg_catalog.pg_class c"
	" join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace"
	" where n.nspname operator(pg_catalog.=) $1::pg_catalog.name and c.relkind operator(pg_catalog.=) 'r'"
	" and c.relname in ('job', 'partition', 'position', 'batch_partition', 'gap', 'dead_letter', 'instance')"
	" and not (pg_catalog.has_table_privilege(c.oid, 'SELECT') and pg_catalog.has_table_privilege(c.oid, 'INSERT')"
	" and pg_catalog.has_table_privilege(c.oid, 'UPDATE') and pg_catalog.has_table_privilege(c.oid, 'DELETE')))";

static kd_code check_rights(const checking *c, bool ledger, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, c->session, "read this role's rights");
	pg_call_sql(&call, rights_sql);
	pg_call_text(&call, c->sink->ledger_name);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *r = call.statement[0].result;
	if (code == KD_OK && !ledger && *PQgetvalue(r, 0, 0) != 't')
		findings_say(&c->findings, KD_FINDING_BAD, "ledger", "it is not there and this role may not create it: run what check --sql prints");
	else if (code == KD_OK && !ledger)
		findings_say(&c->findings, KD_FINDING_OK, "ledger", "schema \"%s\" will be created by the first run", c->sink->ledger_name);
	if (code == KD_OK && !PQgetisnull(r, 0, 1))
		findings_say(&c->findings, KD_FINDING_BAD, "ledger", "this role needs select, insert, update and delete on %s", PQgetvalue(r, 0, 1));
	pg_call_done(&call);
	return code;
}

static kd_code check_ledger(const checking *c, kd_error *err)
{
	int version = 0;
	kd_error why = {0};
	if (pg_schema_version(c->session, &version, &why) != KD_OK) {
		if (why.action != KD_STOP) {
			*err = why;
			return why.code;
		}
		findings_say(&c->findings, KD_FINDING_BAD, "ledger", "%s", why.message);
		return KD_OK;
	}
	if (version > pg_schema_latest())
		findings_say(&c->findings, KD_FINDING_BAD, "ledger", "its version is %d, this program knows %d: use a newer program", version,
			pg_schema_latest());
	else if (version > 0)
		findings_say(&c->findings, KD_FINDING_OK, "ledger", "schema \"%s\", version %d%s", c->sink->ledger_name, version,
			version < pg_schema_latest() ? " (the next run brings it up to date)" : "");
	return check_rights(c, version > 0, err);
}

/* ---- the target ---- */

static const char extras_sql[] =
	"select (select pg_catalog.string_agg(tgname::pg_catalog.text, ', ') from pg_catalog.pg_trigger"
	" where tgrelid operator(pg_catalog.=) $1::pg_catalog.oid and not tgisinternal"
	" and tgenabled operator(pg_catalog.<>) 'D'),"
	" (select pg_catalog.string_agg(conname::pg_catalog.text, ', ') from pg_catalog.pg_constraint"
	" where conrelid operator(pg_catalog.=) $1::pg_catalog.oid)";

static kd_code check_extras(const checking *c, const pg_table *table, const pg_target *target, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, c->session, "look at the target's triggers");
	pg_call_sql(&call, extras_sql);
	pg_call_int(&call, target->oid);
	kd_code code = pg_call_run(&call, NULL, err);
	const PGresult *r = call.statement[0].result;
	if (code == KD_OK && !PQgetisnull(r, 0, 0))
		findings_say(&c->findings, KD_FINDING_NOTE, "table", "triggers: %s; one that swallows a row stops the job", PQgetvalue(r, 0, 0));
	if (code == KD_OK && !PQgetisnull(r, 0, 1))
		findings_say(&c->findings, KD_FINDING_NOTE, "table", "constraints: %s; a record that breaks one stops the job", PQgetvalue(r, 0, 1));
	if (code == KD_OK && !target->may_select && table == c->sink->tables)
		findings_say(&c->findings, KD_FINDING_NOTE, "table", "this role may not select from it: audit --deep needs that");
	pg_call_done(&call);
	return code;
}

static void say_columns(const checking *c, const struct pg_columns *columns)
{
	findings_say(&c->findings, KD_FINDING_OK, "table", "%s, %s layout", columns->qualified,
		columns->layout == PG_LAYOUT_RAW ? "raw" : "fields");
	for (size_t i = 0; i < columns->n; i++) {
		const struct pg_column *column = &columns->column[i];
		const char *from = column->source == PG_FROM_FIELD ? "the field of its name" :
			column->source == PG_FROM_SERVER ? "the server" : "Kafka";
		findings_say(&c->findings, KD_FINDING_OK, "column", "%s %s: from %s", column->quoted, column->type_text, from);
	}
}

static kd_code check_columns(const checking *c, const pg_table *table, const pg_target *target, kd_error *err)
{
	bool own = table == c->sink->tables;
	struct pg_columns *columns = NULL;
	kd_error why = {0};
	kd_code code = pg_columns_load(c->session, target->schema, target->table, &columns, &why);
	if (code == KD_OK)
		code = pg_columns_choose(columns, own ? pg_wanted_layout(c->sink) : PG_LAYOUT_FIELDS,
			own ? pg_wanted_format(c->sink) : PG_FORMAT_RAW, &why);
	if (code == KD_OK)
		say_columns(c, columns);
	else if (why.action == KD_STOP)
		findings_say(&c->findings, KD_FINDING_BAD, "table", "%s", why.message);
	else
		*err = why;
	pg_columns_free(columns);
	return err->code ? err->code : check_extras(c, table, target, err);
}

/* sink.table itself may be created by the first run. */
static void say_absent(const checking *c, const pg_table *table, const pg_target *target)
{
	if (target->lookalike)
		findings_say(&c->findings, KD_FINDING_BAD, "table", "\"%s\" is not there; %s is: write its name in double quotes", table->target,
			target->lookalike);
	else if (table != c->sink->tables || pg_wanted_layout(c->sink) == PG_LAYOUT_FIELDS)
		findings_say(&c->findings, KD_FINDING_BAD, "table", "\"%s\" is not there: create it, its columns say which fields are stored",
			table->target);
	else
		findings_say(&c->findings, KD_FINDING_OK, "table", "\"%s\" will be created with the raw layout by the first run", table->target);
}

static kd_code check_target(const checking *c, pg_table *table, kd_error *err)
{
	pg_target target;
	kd_error why = {0};
	kd_code code = pg_target_look(c->session, table, &target, err);
	if (code != KD_OK)
		return code;
	table->oid = target.oid;
	if (pg_target_judge(table, &target, &why) != KD_OK)
		findings_say(&c->findings, KD_FINDING_BAD, "table", "%s", why.message);
	for (const pg_table *other = c->sink->tables; other < table && target.found; other++)
		if (other->oid == table->oid)
			findings_say(&c->findings, KD_FINDING_BAD, "table", "\"%s\" is the same table as \"%s\": name it once", table->written,
				other->written);
	if (target.found)
		code = check_columns(c, table, &target, err);
	else
		say_absent(c, table, &target);
	pg_target_done(&target);
	return code;
}

kd_code pg_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	checking c = {.findings = {report, opaque}};
	kd_error own = {0};
	kd_code code = pg_sink_new(context, &c.sink, &own);
	if (code == KD_OK)
		code = pg_conn_open(c.sink, "check", NULL, &c.session, &own);
	if (code == KD_OK)
		code = check_server(&c, &own);
	if (code == KD_OK)
		code = check_ledger(&c, &own);
	for (size_t i = 0; code == KD_OK && i < c.sink->n_tables; i++)
		code = check_target(&c, &c.sink->tables[i], &own);
	pg_conn_close(c.session);
	pg_sink_free(c.sink);
	if (err && own.code)
		*err = own;
	return code;
}
