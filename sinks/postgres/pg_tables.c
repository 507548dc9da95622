// SPDX-License-Identifier: Apache-2.0
// pg_tables: names, read and found again.  What is behind them is pg_target's to find out.
#include "pg_tables.h"

#include <stdlib.h>
#include <string.h>

#include <kdirect/types.h>

/* ---- names ---- */

char *pg_quote(const char *name)
{
	kd_buf text = {0};
	bool ok = kd_buf_append(&text, "\"", 1);
	for (const char *p = name; *p && ok; p++)
		ok = (*p != '"' || kd_buf_append(&text, "\"", 1)) && kd_buf_append(&text, p, 1);
	if (ok && kd_buf_append(&text, "\"", 2))
		return text.data;
	kd_buf_done(&text);
	return NULL;
}

char *pg_quote_table(const pg_table *table)
{
	char *schema = table->schema ? pg_quote(table->schema) : NULL, *name = pg_quote(table->table);
	kd_buf text = {0};
	bool ok = name && (!table->schema || schema) &&
		kd_buf_printf(&text, "%s%s%s", schema ? schema : "", schema ? "." : "", name) && kd_buf_append(&text, "", 1);
	free(schema);
	free(name);
	if (!ok)
		kd_buf_done(&text);
	return ok ? text.data : NULL;
}

/* One part of a name; *text moves behind it.  NULL: not a name. */
static char *parse_part(const char **text)
{
	const char *p = *text;
	bool quoted = *p == '"';
	char *part = malloc(strlen(p) + 1);
	size_t n = 0;
	if (!part)
		return NULL;
	for (p += quoted; *p; p++) {
		if (quoted && *p == '"' && *++p != '"')
			break;
		if (!quoted && (*p == '.' || *p == '"'))
			break;
		part[n++] = !quoted && *p >= 'A' && *p <= 'Z' ? (char) (*p + 'a' - 'A') : *p;
	}
	part[n] = '\0';
	bool closed = !quoted || p[-1] == '"';
	if (n == 0 || !closed || (*p && *p != '.')) {
		free(part);
		return NULL;
	}
	*text = p;
	return part;
}

kd_code pg_parse_name(const char *key, const char *text, char **ret_schema, char **ret_table, kd_error *err)
{
	const char *rest = text;
	char *first = parse_part(&rest), *second = NULL;
	bool dotted = first && *rest == '.';
	if (dotted) {
		rest++;
		second = parse_part(&rest);
	}
	if (!first || (dotted && !second) || *rest) {
		free(first);
		free(second);
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not read \"%s\": \"%s\" is not a table's name; write schema.table, odd names in double quotes "
			"(the database is named in sink.dsn)", key, text);
	}
	*ret_schema = second ? first : NULL;
	*ret_table = second ? second : first;
	return KD_OK;
}

/* ---- the list ---- */

static kd_code no_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not open the sink: no memory");
}

static kd_code read_name(const char *key, const char *name, pg_table *ret_table, kd_error *err)
{
	ret_table->written = strdup(name);
	ret_table->target = strdup(name);
	if (!ret_table->written || !ret_table->target)
		return no_memory(err);
	return pg_parse_name(key, name, &ret_table->schema, &ret_table->table, err);
}

kd_code pg_tables_new(const kd_config *config, pg_table **ret_tables, size_t *ret_n, kd_error *err)
{
	size_t n = 1 + kd_config_strings_count(config, "sink.tables");
	if (n > PG_MAX_TABLES)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not read \"sink.tables\": more than %d tables",
			PG_MAX_TABLES - 1);
	pg_table *tables = calloc(n, sizeof *tables);
	if (!tables)
		return no_memory(err);
	kd_code code = read_name("sink.table", kd_config_string(config, "sink.table"), &tables[0], err);
	for (size_t i = 1; i < n && code == KD_OK; i++)
		code = read_name("sink.tables", kd_config_strings_at(config, "sink.tables", i - 1), &tables[i], err);
	if (code != KD_OK) {
		pg_tables_free(tables, n);
		return code;
	}
	*ret_tables = tables;
	*ret_n = n;
	return KD_OK;
}

void pg_tables_free(pg_table *tables, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(tables[i].written);
		free(tables[i].schema);
		free(tables[i].table);
		free(tables[i].target);
		free(tables[i].qualified);
		pg_columns_free(tables[i].columns);
	}
	free(tables);
}

const pg_table *pg_tables_find(const pg_table *tables, size_t n, const char *name)
{
	const pg_table *found = NULL;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(tables[i].written, name) || !strcmp(tables[i].target, name))
			return &tables[i];
	for (size_t i = 0; i < n; i++) {
		if (strcmp(tables[i].table, name) != 0)
			continue;
		if (found)
			return NULL;
		found = &tables[i];
	}
	return found;
}
