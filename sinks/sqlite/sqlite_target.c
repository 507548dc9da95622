// SPDX-License-Identifier: Apache-2.0
// sqlite_target: the table that rows go to: its layout, its columns, and what is refused.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sqlite_sink.h"

static const struct {
	const char *name, *type;
	sqlite_source source;
	bool in_fields; /* a coordinate of the fields layout as well */
} known[] = {
	{"kafka_topic", "text not null", SQLITE_FROM_TOPIC, true},
	{"kafka_partition", "integer not null", SQLITE_FROM_PARTITION, true},
	{"kafka_offset", "integer not null", SQLITE_FROM_OFFSET, true},
	{"kafka_timestamp", "text", SQLITE_FROM_TIMESTAMP, true},
	{"key", NULL, SQLITE_FROM_KEY, false},
	{"value", NULL, SQLITE_FROM_VALUE, false},
	{"headers", "text", SQLITE_FROM_HEADERS, false},
	{"kafka_key", NULL, SQLITE_FROM_KEY, true},
	{"kafka_headers", NULL, SQLITE_FROM_HEADERS, true},
};
enum { N_RAW = 7, N_KNOWN = sizeof known / sizeof *known };

bool sqlite_quote(kd_buf *out, const char *name)
{
	bool ok = kd_buf_append(out, "\"", 1);
	for (; *name && ok; name++)
		ok = kd_buf_append(out, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
	return ok && kd_buf_append(out, "\"", 1);
}

bool sqlite_target_has_offsets(const sqlite_target *target)
{
	int found = 0;
	for (size_t i = 0; i < target->n_columns; i++) {
		sqlite_source source = target->columns[i].source;
		found += source == SQLITE_FROM_TOPIC || source == SQLITE_FROM_PARTITION || source == SQLITE_FROM_OFFSET;
	}
	return found == 3;
}

kd_code sqlite_target_ddl(const sqlite_target *target, kd_buf *out, kd_error *err)
{
	const char *content = target->format == SQLITE_FORMAT_RAW ? "blob" : "text";
	bool ok = kd_buf_printf(out, "create table ") && sqlite_quote(out, target->table) && kd_buf_printf(out, " (\n");
	for (size_t i = 0; i < N_RAW && ok; i++)
		ok = kd_buf_printf(out, "  %s %s%s\n", known[i].name, known[i].type ? known[i].type : content,
			i + 1 < N_RAW ? "," : "");
	if (!ok || !kd_buf_printf(out, ");\n"))
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not write the table's statement: no memory");
	return KD_OK;
}

/* The affinity that SQLite gives a declared type ("Determination Of Column Affinity"): its first two rules. */
static void set_affinity(sqlite_column *column, const char *type)
{
	column->integer = strcasestr(type, "int") != NULL;
	column->text = !column->integer && (strcasestr(type, "char") || strcasestr(type, "clob") || strcasestr(type, "text"));
}

static bool add_column(sqlite_target *target, const char *name, const char *type)
{
	sqlite_column *more = realloc(target->columns, (target->n_columns + 1) * sizeof *more);
	if (!more)
		return false;
	target->columns = more;
	sqlite_column *column = &more[target->n_columns];
	*column = (sqlite_column) {.name = strdup(name), .name_size = strlen(name), .source = SQLITE_FROM_FIELD};
	if (!column->name)
		return false;
	set_affinity(column, type);
	target->n_columns++;
	return true;
}

/* Has it the raw columns, all of them and no other? */
static bool is_raw(const sqlite_target *target)
{
	size_t found = 0;
	for (size_t i = 0; i < target->n_columns; i++)
		for (size_t k = 0; k < N_RAW; k++)
			found += !strcasecmp(target->columns[i].name, known[k].name);
	return found == N_RAW && target->n_columns == N_RAW;
}

static void set_sources(sqlite_target *target)
{
	for (size_t i = 0; i < target->n_columns; i++)
		for (size_t k = 0; k < N_KNOWN; k++)
			if ((target->raw ? k < N_RAW : known[k].in_fields) && !strcasecmp(target->columns[i].name, known[k].name))
				target->columns[i].source = known[k].source;
}

/* Generated columns are left alone, and so are the hidden ones of virtual tables. */
static kd_code read_columns(sqlite_target *target, sqlite_conn *conn, kd_error *err)
{
	sqlite3_stmt *stmt;
	int rc = sqlite_conn_query(conn, &stmt, "select name, type from pragma_table_xinfo(?1) where hidden = 0 order by cid",
		SQLITE_ARGS(sqlite_text(target->table)));
	while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		if (!add_column(target, (const char *) sqlite3_column_text(stmt, 0), (const char *) sqlite3_column_text(stmt, 1)))
			rc = SQLITE_NOMEM;
	int last = sqlite3_reset(stmt);
	rc = rc == SQLITE_OK ? last : rc;
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not read the columns of \"%s\"", target->table);
	return KD_OK;
}

/* Finds the table; its name is kept as the database spells it. */
static kd_code find_table(sqlite_target *target, sqlite_conn *conn, kd_error *err)
{
	sqlite3_stmt *stmt;
	char type[16] = "";
	bool virtual = false;
	int rc = sqlite_conn_query(conn, &stmt,
		"select name, type, sql like 'create virtual%' from sqlite_schema"
		" where name = ?1 collate nocase and type in ('table', 'view')", SQLITE_ARGS(sqlite_text(target->table)));
	if (rc == SQLITE_OK) {
		if (sqlite3_step(stmt) == SQLITE_ROW) {
			char *name = sqlite_column_copy(stmt, 0);
			free(target->table);
			target->table = name;
			sqlite_column_get(stmt, 1, type, sizeof type);
			virtual = sqlite3_column_int(stmt, 2) != 0;
		}
		rc = sqlite3_reset(stmt);
	}
	if (rc != SQLITE_OK)
		return sqlite_error_set(err, conn->db, rc, SQLITE_IN_LEDGER, "could not look for table \"%s\"", target->table);
	if (!target->table)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read the table: no memory");
	target->exists = *type;
	if (!strcmp(type, "view") || virtual)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use \"%s\": it is a %s, which does not take part in transactions as a table does", target->table,
			virtual ? "virtual table" : "view");
	return KD_OK;
}

static kd_code read_options(sqlite_target *target, const kd_config *config, const char *beside, kd_error *err)
{
	const char *table = beside ? beside : kd_config_string(config, "sink.table");
	const char *format = kd_config_string(config, "sink.format");
	if (!strncasecmp(table, "sqlite_", 7) || !strncasecmp(table, "kdirect_", 8))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\": names that begin so are not for data", table);
	target->table = strdup(table);
	if (!target->table)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read the options: no memory");
	target->format = !strcmp(format, "json") ? SQLITE_FORMAT_JSON
		: !strcmp(format, "text") ? SQLITE_FORMAT_TEXT : SQLITE_FORMAT_RAW;
	target->refuse_unknown = !strcmp(kd_config_string(config, "sink.unknown_fields"), "error");
	target->skip_null = !strcmp(kd_config_string(config, "sink.null_value"), "skip");
	return KD_OK;
}

static kd_code choose_layout(sqlite_target *target, const char *layout, kd_error *err)
{
	bool looks_raw = !target->exists || is_raw(target);
	target->raw = layout ? !strcmp(layout, "raw") : looks_raw;
	if (target->raw && !looks_raw)
		return kd_error_set(err, KD_ETARGET, KD_STOP,
			"could not use \"%s\" with layout raw: its columns are not kafka_topic, kafka_partition, kafka_offset, "
			"kafka_timestamp, key, value, headers", target->table);
	if (!target->raw && !target->exists)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\" with layout fields: there is no such table",
			target->table);
	if (!target->exists)
		for (size_t i = 0; i < N_RAW; i++)
			if (!add_column(target, known[i].name, known[i].type ? known[i].type : "blob"))
				return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read the columns: no memory");
	set_sources(target);
	if (!target->raw && target->n_columns == 0)
		return kd_error_set(err, KD_ETARGET, KD_STOP, "could not use \"%s\": it has no column to fill", target->table);
	return KD_OK;
}

kd_code sqlite_target_init(sqlite_target *target, const kd_config *config, const char *beside, sqlite_conn *conn,
	kd_error *err)
{
	*target = (sqlite_target) {0};
	kd_code code = read_options(target, config, beside, err);
	if (!code && conn)
		code = find_table(target, conn, err);
	if (!code && target->exists)
		code = read_columns(target, conn, err);
	if (!code)
		code = choose_layout(target, beside ? "fields" : kd_config_string(config, "sink.layout"), err);
	if (code)
		sqlite_target_done(target);
	return code;
}

void sqlite_target_done(sqlite_target *target)
{
	for (size_t i = 0; i < target->n_columns; i++)
		free(target->columns[i].name);
	free(target->columns);
	free(target->table);
	*target = (sqlite_target) {0};
}
