// SPDX-License-Identifier: Apache-2.0
// pg_query: see the header.
//
// The rows come one by one, so that an answer of any size needs the memory of one row.  Names that the query leaves open
// are looked up as the role does, as in the target's triggers.  It must be a statement that reads: a COMMIT from here
// would commit the position without its rows (I9).
#include "pg_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "pg_blocker.h"
#include "pg_conn.h"
#include "pg_data.h"

#define MAX_PARAMS 65535 /* what the protocol can count */
#define SHOWN 60         /* bytes of a query that its errors show */

/* ---- the text ---- */

/* The first word, behind space, comments and brackets. */
static const char *first_word(const char *sql)
{
	for (;;) {
		sql += strspn(sql, " \t\r\n\f\v(");
		if (!strncmp(sql, "--", 2)) {
			sql += strcspn(sql, "\n");
		} else if (!strncmp(sql, "/*", 2)) {
			const char *end = strstr(sql + 2, "*/");
			if (!end)
				return sql;
			sql = end + 2;
		} else {
			return sql;
		}
	}
}

static bool reads(const char *sql)
{
	static const char *const words[] = {"select", "with", "values", "table"};
	const char *word = first_word(sql);
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == n && !strncasecmp(words[i], word, n))
			return true;
	return false;
}

/* "run the query "select name from customers ..."", in one line. */
static void name_query(const char *sql, char *to, size_t size)
{
	char shown[SHOWN + 1];
	size_t n = 0;
	const char *p = first_word(sql);
	for (; *p && n < SHOWN; p++) {
		bool space = strchr(" \t\r\n\f\v", *p) != NULL;
		if (!space || (n > 0 && shown[n - 1] != ' '))
			shown[n++] = space ? ' ' : *p;
	}
	while (n > 0 && *p && (shown[n - 1] & 0xC0) == 0x80)
		n--; /* no half of a character */
	shown[n] = '\0';
	snprintf(to, size, "run the query \"%s%s\"", shown, *p ? "..." : "");
}

/* ---- the answer ---- */

typedef struct answer {
	bool (*row)(void *opaque, const char *const *values, size_t n);
	void *opaque;
	const char **value;
	bool enough; /* the caller wants no more */
} answer;

static kd_code hand_on(answer *a, const PGresult *result, const char *doing, kd_error *err)
{
	size_t n = (size_t) PQnfields(result);
	if (PQntuples(result) == 0 || a->enough)
		return KD_OK;
	if (!a->value)
		a->value = calloc(n + 1, sizeof *a->value);
	if (!a->value)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not %s: no memory", doing);
	for (size_t i = 0; i < n; i++)
		a->value[i] = PQgetisnull(result, 0, (int) i) ? NULL : PQgetvalue(result, 0, (int) i);
	a->enough = !a->row(a->opaque, a->value, n);
	return KD_OK;
}

static kd_code refused(pg_session *session, const PGresult *result, const char *doing, kd_error *err)
{
	kd_code code = pg_error_result(err, result, session->lost, session->phase, doing);
	pg_blocker_name(session, err);
	if (err)
		session->failed = *err;
	return code;
}

/* Takes the answer to its end, also where the caller has had enough: only then the connection is free again. */
static kd_code take_answer(pg_session *session, answer *a, const char *doing, kd_error *err)
{
	kd_code code = KD_OK;
	for (;;) {
		PGresult *result = NULL;
		if (!pg_conn_result(session, doing, &result, err))
			return code != KD_OK ? code : KD_ESINK;
		if (!result)
			return code;
		if (code == KD_OK && pg_conn_failed(result))
			code = refused(session, result, doing, err);
		else if (code == KD_OK)
			code = hand_on(a, result, doing, err);
		PQclear(result);
		if (session->lost)
			return code != KD_OK ? code : pg_conn_lost(session, doing, err);
	}
}

static kd_code ask(pg_session *session, const char *sql, const char *const *params, size_t n_params, answer *a,
	kd_error *err)
{
	char doing[SHOWN + 32];
	name_query(sql, doing, sizeof doing);
	if (!reads(sql))
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not %s: it must be select, with, values or table: here a transform may only read", doing);
	if (n_params > MAX_PARAMS)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not %s: %zu parameters, and %d are the most", doing, n_params,
			MAX_PARAMS);
	if (!PQsendQueryParams(session->conn, sql, (int) n_params, NULL, params, NULL, NULL, 0) ||
		PQsetSingleRowMode(session->conn) != 1)
		return pg_conn_lost(session, doing, err);
	kd_code code = take_answer(session, a, doing, err);
	free(a->value);
	return code;
}

kd_code pg_query(void *opaque, const char *sql, const char *const *params, size_t n_params,
	bool (*row)(void *opaque, const char *const *values, size_t n), void *row_opaque, kd_error *err)
{
	pg_session *session = opaque;
	if (session->phase != PG_PHASE_DATA)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not run a query: no data transaction is open");
	kd_code code = pg_data_settle(session, err);
	answer a = {.row = row, .opaque = row_opaque};
	return code == KD_OK ? ask(session, sql, params, n_params, &a, err) : code;
}
