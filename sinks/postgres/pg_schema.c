// SPDX-License-Identifier: Apache-2.0
// pg_schema: the ledger's DDL, one entry a version, and how it gets into the database.
// A migration is never changed once released: a change is a new entry.
#include "pg_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_call.h"
#include "pg_target.h"

/* position and partition are small and hot: room on their pages keeps an update from touching an index. */
static const char ledger_1[] =
	"create table @ledger (\n"
	"\tversion int not null,\n"
	"\tchanged_at timestamptz not null default clock_timestamp()\n"
	");\n"
	"create table @job (\n"
	"\tjob text primary key,\n"
	"\tepoch bigint not null,\n"
	"\towner text not null,\n"
	"\tcluster_id text not null,\n"
	"\ttarget text not null,\n"
	"\ttarget_identity text not null,\n"
	"\ttopics text[] not null,\n"
	"\tstart_policy text not null,\n"
	"\tisolation text not null,\n"
	"\tcreated_at timestamptz not null default clock_timestamp(),\n"
	"\ttaken_over_at timestamptz not null default clock_timestamp()\n"
	");\n"
	"create table @partition (\n"
	"\tjob text not null,\n"
	"\tpartition_index int not null,\n"
	"\ttopic text not null,\n"
	"\tkafka_partition int not null,\n"
	"\tsegment int not null,\n"
	"\tstart_offset bigint not null,\n"
	"\tplanned_until bigint not null,\n"
	"\tlast_batch_time bigint not null default 0,\n"
	"\tepoch bigint not null,\n"
	"\towner text not null,\n"
	"\tcreated_at timestamptz not null default clock_timestamp(),\n"
	"\tclosed_at timestamptz,\n"
	"\tclosed_reason text,\n"
	"\tclosed_by text,\n"
	"\tprimary key (job, partition_index),\n"
	"\tunique (job, topic, kafka_partition, segment)\n"
	") with (fillfactor = 50);\n"
	"create unique index partition_open on @partition (job, topic, kafka_partition) where closed_at is null;\n"
	"create table @position (\n"
	"\tjob text not null,\n"
	"\tpartition_index int not null,\n"
	"\tcommitted_until bigint not null,\n"
	"\tepoch bigint not null,\n"
	"\towner text not null,\n"
	"\twitness_offset bigint not null default -1,\n"
	"\twitness_timestamp bigint not null default 0,\n"
	"\twitness_checksum bigint not null default 0,\n"
	"\tlog_start bigint not null,\n"
	"\tlog_from bigint not null,\n"
	"\tpruned_batches bigint not null default 0,\n"
	"\tpruned_records bigint not null default 0,\n"
	"\tpruned_rows bigint not null default 0,\n"
	"\tpruned_dropped bigint not null default 0,\n"
	"\tpruned_dead_letters bigint not null default 0,\n"
	"\tpruned_gap bigint not null default 0,\n"
	"\tcommitted_at timestamptz,\n"
	"\tprimary key (job, partition_index)\n"
	") with (fillfactor = 50);\n"
	"create table @batch_partition (\n"
	"\tjob text not null,\n"
	"\tbatch_time bigint not null,\n"
	"\tpartition_index int not null,\n"
	"\tfrom_offset bigint not null,\n"
	"\tuntil_offset bigint not null check (until_offset > from_offset),\n"
	"\tplanned_at timestamptz not null default clock_timestamp(),\n"
	"\tcommitted_at timestamptz,\n"
	"\twithdrawn_at timestamptz,\n"
	"\trecords bigint not null default 0,\n"
	"\trows bigint not null default 0,\n"
	"\tdropped bigint not null default 0,\n"
	"\tdead_letters bigint not null default 0,\n"
	"\tgap bigint not null default 0,\n"
	"\tinstance text,\n"
	"\tprimary key (job, batch_time, partition_index)\n"
	") with (fillfactor = 80);\n"
	"create index batch_partition_open on @batch_partition (job, partition_index, from_offset)\n"
	"\twhere committed_at is null and withdrawn_at is null;\n"
	"create table @gap (\n"
	"\tjob text not null,\n"
	"\tpartition_index int not null,\n"
	"\tfrom_offset bigint not null,\n"
	"\tuntil_offset bigint not null check (until_offset > from_offset),\n"
	"\tbatch_time bigint not null default 0,\n"
	"\tat timestamptz not null default clock_timestamp(),\n"
	"\treason text not null,\n"
	"\twho text not null,\n"
	"\tprimary key (job, partition_index, from_offset)\n"
	");\n"
	"create table @dead_letter (\n"
	"\tjob text not null,\n"
	"\tpartition_index int not null,\n"
	"\tkafka_offset bigint not null,\n"
	"\tbatch_time bigint not null,\n"
	"\tkafka_timestamp timestamptz,\n"
	"\tkey bytea,\n"
	"\tvalue bytea,\n"
	"\theaders jsonb,\n"
	"\treason text not null,\n"
	"\tsqlstate text,\n"
	"\tat timestamptz not null default clock_timestamp(),\n"
	"\tprimary key (job, partition_index, kafka_offset)\n"
	");\n"
	"create table @instance (\n"
	"\tjob text not null,\n"
	"\tepoch bigint not null,\n"
	"\towner text not null,\n"
	"\thost text not null,\n"
	"\tpid bigint not null,\n"
	"\tstarted_at timestamptz not null,\n"
	"\tversion text not null,\n"
	"\ttaken_over_at timestamptz not null default clock_timestamp(),\n"
	"\tprimary key (job, epoch, owner)\n"
	");\n";

static const char *const migrations[] = {ledger_1};

#define LATEST ((int) (sizeof migrations / sizeof *migrations))

int pg_schema_latest(void)
{
	return LATEST;
}

/* ---- the version ---- */

/* Asked in two steps: a table that is not there cannot be named in a statement. */
static kd_code read_version(pg_session *session, int *ret_version, kd_error *err)
{
	static const char exists_sql[] =
		"select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
		" on n.oid operator(pg_catalog.=) c.relnamespace where n.nspname operator(pg_catalog.=) $1::pg_catalog.text"
		" and c.relname operator(pg_catalog.=) 'ledger'::pg_catalog.text";
	pg_call call;
	pg_call_init(&call, session, "look for the ledger");
	pg_call_sql(&call, exists_sql);
	pg_call_text(&call, session->sink->ledger_name);
	kd_code code = pg_call_run(&call, NULL, err);
	bool exists = code == KD_OK && pg_call_rows(&call, 0) > 0;
	pg_call_done(&call);
	*ret_version = 0;
	if (code != KD_OK || !exists)
		return code;
	pg_call_init(&call, session, "read the ledger's version");
	pg_call_sql(&call, "select pg_catalog.max(version) from @ledger");
	code = pg_call_run(&call, NULL, err);
	if (code == KD_OK)
		*ret_version = (int) pg_call_number(&call, 0);
	pg_call_done(&call);
	return code;
}

kd_code pg_schema_version(pg_session *session, int *ret_version, kd_error *err)
{
	return read_version(session, ret_version, err);
}

static kd_code judge_version(const pg_sink *sink, int version, bool read_only, kd_error *err)
{
	if (version > LATEST)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use the ledger in schema \"%s\": its version is %d, this program knows %d: use a newer program",
			sink->ledger_name, version, LATEST);
	if (read_only && version > 0 && version < LATEST)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use the ledger in schema \"%s\": its version is %d and must be %d: run the job once, or the "
			"statements of \"check --sql\"", sink->ledger_name, version, LATEST);
	return KD_OK;
}

/* ---- making it ---- */

static bool append_expanded(kd_buf *out, const char *sql, const char *ledger)
{
	char *text = pg_expand(sql, ledger);
	bool ok = text && kd_buf_append(out, text, strlen(text));
	free(text);
	return ok;
}

/* The migrations above `version`.  create schema is left out where the schema is there: it needs a right on the
 * database even when it would do nothing. */
static bool append_migrations(kd_buf *out, const pg_sink *sink, int version)
{
	bool ok = true;
	for (int i = version; i < LATEST && ok; i++) {
		ok = append_expanded(out, migrations[i], sink->ledger) &&
			append_expanded(out, "insert into @ledger (version) values (", sink->ledger) &&
			kd_buf_printf(out, "%d);\n", i + 1);
	}
	return ok;
}

static kd_code has_schema(pg_session *session, bool *ret_has, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, "look for the ledger");
	pg_call_sql(&call, "select 1 from pg_catalog.pg_namespace where nspname operator(pg_catalog.=) $1::pg_catalog.text");
	pg_call_text(&call, session->sink->ledger_name);
	kd_code code = pg_call_run(&call, NULL, err);
	*ret_has = code == KD_OK && pg_call_rows(&call, 0) > 0;
	pg_call_done(&call);
	return code;
}

static kd_code migrate(pg_session *session, int version, kd_error *err)
{
	const pg_sink *sink = session->sink;
	bool schema = false;
	kd_code code = has_schema(session, &schema, err);
	if (code != KD_OK)
		return code;
	kd_buf sql = {0};
	bool ok = (schema || kd_buf_printf(&sql, "create schema %s;\n", sink->ledger)) &&
		append_migrations(&sql, sink, version) && kd_buf_append(&sql, "", 1);
	code = ok ? pg_script(session, sql.data, "create the ledger", err)
	          : kd_error_set(err, KD_ENOMEM, KD_STOP, "could not create the ledger: no memory");
	kd_buf_done(&sql);
	if (code == KD_ETARGET)
		kd_error_prefix(err, "schema \"%s\" (\"check --sql\" prints what its owner can run)", sink->ledger_name);
	return code == KD_OK ? pg_session_commit(session, "create the ledger", NULL, err) : code;
}

/* A lock of the transaction's own: two first starts make the ledger one after the other. */
static kd_code lock_schema(pg_session *session, kd_error *err)
{
	pg_call call;
	pg_call_init(&call, session, "lock the ledger's schema");
	pg_call_begin(&call, PG_WRITE);
	pg_call_sql(&call, "select pg_advisory_xact_lock(hashtextextended('kdirect ledger ' || $1::text, 0))");
	pg_call_text(&call, session->sink->ledger_name);
	kd_code code = pg_call_run(&call, NULL, err);
	pg_call_done(&call);
	return code;
}

kd_code pg_schema_open(pg_session *session, bool read_only, kd_error *err)
{
	int version = 0;
	kd_code code = read_version(session, &version, err);
	if (code == KD_OK)
		code = judge_version(session->sink, version, read_only, err);
	if (code != KD_OK || version == LATEST || read_only)
		return code;
	code = lock_schema(session, err);
	if (code == KD_OK)
		code = read_version(session, &version, err); /* again: somebody may have been first */
	if (code == KD_OK)
		code = judge_version(session->sink, version, read_only, err);
	if (code == KD_OK && version < LATEST)
		code = migrate(session, version, err);
	pg_session_rollback(session);
	return code;
}

/* ---- as text ---- */

char *pg_schema_raw_table(const char *qualified, enum pg_format format)
{
	static const char *const types[] = {[PG_FORMAT_RAW] = "bytea", [PG_FORMAT_TEXT] = "text", [PG_FORMAT_JSON] = "jsonb"};
	const char *type = types[format];
	kd_buf sql = {0};
	if (kd_buf_printf(&sql,
		    "create table %s (\n\tkafka_topic text,\n\tkafka_partition int,\n\tkafka_offset bigint,\n"
		    "\tkafka_timestamp timestamptz,\n\tkey %s,\n\tvalue %s,\n\theaders jsonb\n)",
		    qualified, type, type) &&
		kd_buf_append(&sql, "", 1))
		return sql.data;
	kd_buf_done(&sql);
	return NULL;
}

/* audited: tools read it too. */
static bool append_table_grants(kd_buf *out, const pg_table *table, bool audited, const char *role)
{
	char *qualified = pg_quote_table(table), *schema = table->schema ? pg_quote(table->schema) : NULL;
	bool named = table->schema && strcmp(table->schema, "public") != 0;
	bool ok = qualified && (schema || !named) && kd_buf_printf(out, "grant insert on %s to %s;\n", qualified, role);
	if (ok && audited)
		ok = kd_buf_printf(out, "-- Only for \"audit --deep\".\ngrant select on %s to %s;\n", qualified, role);
	if (ok && named)
		ok = kd_buf_printf(out, "grant usage on schema %s to %s;\n", schema, role);
	free(qualified);
	free(schema);
	return ok;
}

static bool append_grants(kd_buf *out, const pg_sink *sink, const char *role)
{
	static const char *const tables[] = {
		"job", "partition", "position", "batch_partition", "gap", "dead_letter", "instance"};
	bool ok = kd_buf_printf(out, "-- The least rights; %s stands for the role that runs the job.\n"
		"-- Serial columns of the target also need: grant usage on sequence ...\n"
		"grant usage on schema %s to %s;\ngrant select on %s.ledger to %s;\n",
		role, sink->ledger, role, sink->ledger, role);
	for (size_t i = 0; i < sizeof tables / sizeof *tables && ok; i++)
		ok = kd_buf_printf(out, "grant select, insert, update, delete on %s.%s to %s;\n", sink->ledger, tables[i], role);
	ok = ok && append_table_grants(out, &sink->tables[0], true, role);
	if (ok && sink->n_tables > 1)
		ok = kd_buf_printf(out, "-- The tables of sink.tables, which must be there: their columns say which fields are "
			"stored.\n");
	for (size_t i = 1; i < sink->n_tables && ok; i++)
		ok = append_table_grants(out, &sink->tables[i], false, role);
	return ok;
}

kd_code pg_schema_ddl(const pg_sink *sink, const char *role, kd_buf *out, kd_error *err)
{
	char *qualified = pg_quote_table(&sink->tables[0]);
	char *table = qualified ? pg_schema_raw_table(qualified, pg_wanted_format(sink)) : NULL;
	const char *layout = kd_config_string(sink->config, "sink.layout");
	bool ok = table &&
		kd_buf_printf(out, "-- The ledger of kdirect, version %d.\ncreate schema %s;\n", LATEST, sink->ledger) &&
		append_migrations(out, sink, 0);
	if (ok && (!layout || strcmp(layout, "fields") != 0)) {
		char *line = strstr(table, "create table ");
		ok = kd_buf_printf(out, "-- The raw layout's table; leave it out where the table is there.\n"
			"create table if not exists %s;\n", line + strlen("create table "));
	}
	ok = ok && append_grants(out, sink, role);
	free(qualified);
	free(table);
	return ok ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "could not print the DDL: no memory");
}
