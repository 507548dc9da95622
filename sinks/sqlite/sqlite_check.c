// SPDX-License-Identifier: Apache-2.0
// sqlite_check: see the header.  Changes nothing.
#include "sqlite_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sqlite_ledger.h"
#include "../common/findings.h"
#include "sqlite_sink.h"

kd_code sqlite_check_path(const char *option, const char *path, kd_error *err)
{
	if (!*path || !strcmp(path, ":memory:"))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not use \"%s\" as %s: it must name a file", path, option);
	return KD_OK;
}

/* SQLite makes its -wal and -shm files beside the database: the folder must be writable too. */
static void check_folder(const findings *r, const char *path)
{
	char *folder = sqlite_folder_of(path);
	const char *name = folder ? folder : "";
	if (access(name, W_OK | X_OK) == 0)
		findings_say(r, KD_FINDING_OK, "folder", "\"%s\" can be written", name);
	else
		findings_say(r, KD_FINDING_BAD, "folder", "could not write to \"%s\": %s", name, strerror(errno));
	free(folder);
}

static void check_ledger(const findings *r, sqlite_conn *conn)
{
	kd_error err = {0};
	int version;
	if (sqlite_schema_version(conn, &version, &err) != KD_OK)
		findings_say(r, KD_FINDING_BAD, "ledger", "%s", err.message);
	else if (version == 0)
		findings_say(r, KD_FINDING_NOTE, "ledger", "there is none yet: the first run makes it");
	else
		findings_say(r, KD_FINDING_OK, "ledger", "version %d", version);
}

static void say_columns(const findings *r, const sqlite_target *target)
{
	kd_buf names = {0};
	bool ok = true;
	for (size_t i = 0; i < target->n_columns && ok; i++)
		ok = kd_buf_printf(&names, "%s%s", i ? ", " : "", target->columns[i].name);
	if (ok && names.size)
		findings_say(r, KD_FINDING_OK, "columns", "%.*s", (int) names.size, names.data);
	kd_buf_done(&names);
}

static void check_table(const findings *r, const kd_config *config, const char *beside, sqlite_conn *conn)
{
	kd_error err = {0};
	sqlite_target target;
	if (sqlite_target_init(&target, config, beside, conn, &err) != KD_OK) {
		findings_say(r, KD_FINDING_BAD, "table", "%s", err.message);
		return;
	}
	if (target.exists)
		findings_say(r, KD_FINDING_OK, "table", "\"%s\", layout %s", target.table, target.raw ? "raw" : "fields");
	else
		findings_say(r, KD_FINDING_NOTE, "table", "\"%s\" is absent: the first run makes it, layout raw", target.table);
	say_columns(r, &target);
	if (!beside && !sqlite_target_has_offsets(&target))
		findings_say(r, KD_FINDING_NOTE, "audit", "without the columns kafka_topic, kafka_partition and kafka_offset, audit --deep "
			"cannot compare the table with Kafka");
	sqlite_target_done(&target);
}

static void check_tables(const findings *r, const kd_config *config, sqlite_conn *conn)
{
	check_table(r, config, NULL, conn);
	for (size_t i = 0; i < kd_config_strings_count(config, "sink.tables"); i++)
		check_table(r, config, kd_config_strings_at(config, "sink.tables", i), conn);
}

/* Opens the file where it is there; *ret_fit: what else is asked can be asked, with conn closed where it is absent. */
static kd_code check_file(const findings *r, const char *option, const char *path, sqlite_conn *conn, bool *ret_fit,
	kd_error *err)
{
	*ret_fit = false;
	kd_code code = sqlite_check_path(option, path, err);
	if (code)
		return code;
	check_folder(r, path);
	if (access(path, F_OK) != 0 && errno == ENOENT) {
		findings_say(r, KD_FINDING_NOTE, "file", "\"%s\" is absent: the first run makes it", path);
		*ret_fit = true;
		return KD_OK;
	}
	kd_error bad = {0};
	if (sqlite_conn_open(conn, path, SQLITE_MODE_READ, &bad) != KD_OK) {
		findings_say(r, KD_FINDING_BAD, "file", "%s", bad.message);
		return KD_OK;
	}
	if (access(path, W_OK) == 0)
		findings_say(r, KD_FINDING_OK, "file", "\"%s\", SQLite %s", path, sqlite3_libversion());
	else
		findings_say(r, KD_FINDING_BAD, "file", "could not write to \"%s\": %s", path, strerror(errno));
	check_ledger(r, conn);
	*ret_fit = true;
	return KD_OK;
}

kd_code sqlite_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const findings r = {report, opaque};
	sqlite_conn conn = {0};
	bool fit;
	kd_code code = check_file(&r, "sink.path", kd_config_string(context->config, "sink.path"), &conn, &fit, err);
	if (!code && fit)
		check_tables(&r, context->config, conn.db ? &conn : NULL);
	sqlite_conn_close(&conn);
	return code;
}

kd_code sqlite_ledger_check(const char *option, const char *path, kd_finding_fn *report, void *opaque, kd_error *err)
{
	const findings r = {report, opaque};
	sqlite_conn conn = {0};
	bool fit;
	kd_code code = check_file(&r, option, path, &conn, &fit, err);
	sqlite_conn_close(&conn);
	return code;
}

kd_code sqlite_ledger_ddl(kd_buf *out, kd_error *err)
{
	if (kd_buf_printf(out,
			"-- The run makes all this itself where the file can be written.  SQLite has no GRANT: the right to\n"
			"-- write the file and its folder is all there is.\n%s\n", sqlite_schema_ddl()))
		return KD_OK;
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not write the statements: no memory");
}

kd_code sqlite_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err)
{
	kd_code code = sqlite_ledger_ddl(out, err);
	if (code)
		return code;
	const char *layout = kd_config_string(context->config, "sink.layout");
	if (layout && !strcmp(layout, "fields"))
		return KD_OK; /* the table is the user's own */
	sqlite_target target;
	code = sqlite_target_init(&target, context->config, NULL, NULL, err);
	if (code)
		return code;
	code = sqlite_target_ddl(&target, out, err);
	sqlite_target_done(&target);
	return code;
}
