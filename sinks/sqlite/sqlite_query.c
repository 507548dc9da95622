// SPDX-License-Identifier: Apache-2.0
// sqlite_query: what a transform reads in the open data transaction, on the connection that will hold its rows.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_sink.h"

/* The number that $1 names; 0: none. */
static size_t number_of(const char *name)
{
	if (!name || *name != '$')
		return 0;
	char *end;
	unsigned long number = strtoul(name + 1, &end, 10);
	return *end ? 0 : number;
}

static kd_code bind_params(sqlite3_stmt *stmt, const char *const *params, size_t n, kd_error *err)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		size_t number = number_of(name);
		if (number < 1 || number > n)
			return kd_error_set(err, KD_EINVAL, KD_STOP, "could not run \"%s\": no value was given for its parameter \"%s\"",
				sqlite3_sql(stmt), name ? name : "?");
		int rc = sqlite3_bind_text(stmt, i, params[number - 1], -1, SQLITE_STATIC);
		if (rc != SQLITE_OK)
			return sqlite_error_set(err, NULL, rc, SQLITE_IN_DATA, "could not run \"%s\"", sqlite3_sql(stmt));
	}
	return KD_OK;
}

/* One statement that reads: no other may touch the transaction that the ledger is moved in. */
static kd_code refuse_other(sqlite3_stmt *stmt, const char *sql, const char *rest, kd_error *err)
{
	bool reads = stmt && sqlite3_column_count(stmt) > 0 && sqlite3_stmt_readonly(stmt);
	if (reads && !rest[strspn(rest, " \t\r\n;")])
		return KD_OK;
	return kd_error_set(err, KD_EINVAL, KD_STOP, "could not run \"%s\": it is not one statement that reads", sql);
}

static int hand_out(sqlite3_stmt *stmt, bool (*row)(void *opaque, const char *const *values, size_t n), void *opaque)
{
	size_t n = (size_t) sqlite3_column_count(stmt);
	const char **values = calloc(n, sizeof *values);
	if (!values)
		return SQLITE_NOMEM;
	bool more = true;
	while (more && sqlite3_step(stmt) == SQLITE_ROW) {
		for (size_t i = 0; i < n; i++)
			values[i] = (const char *) sqlite3_column_text(stmt, (int) i);
		more = row(opaque, values, n);
	}
	free(values);
	return sqlite3_reset(stmt);
}

kd_code sqlite_query(void *opaque, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *row_opaque, kd_error *err)
{
	sqlite_session *session = opaque;
	sqlite3 *db = session->sink->writer.db;
	if (!session->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not run \"%s\": no batch partition is open", sql);
	sqlite3_stmt *stmt = NULL;
	const char *rest = "";
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, &rest);
	kd_code code = rc == SQLITE_OK ? refuse_other(stmt, sql, rest, err) : KD_OK;
	if (!code && rc == SQLITE_OK)
		code = bind_params(stmt, params, n_params, err);
	if (!code && rc == SQLITE_OK)
		rc = hand_out(stmt, row, row_opaque);
	if (!code && rc != SQLITE_OK)
		code = sqlite_error_set(err, db, rc, SQLITE_IN_DATA, "could not run \"%s\"", sql);
	sqlite3_finalize(stmt);
	return code;
}
