// SPDX-License-Identifier: Apache-2.0
// pg_error: the table of SQLSTATEs, and how an error's text is made.  See the header for what it promises.
#include "pg_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A state of five characters wins over its class.  Sources: PostgreSQL's errcodes.txt, and what each was seen to mean
 * for an open transaction. */
static const pg_rule rules[] = {
	{"08", KD_ESINK, PG_VERDICT_LOST},        /* connection exceptions, also a pooler's */
	{"0A", KD_ETARGET, PG_VERDICT_STOP},      /* feature not supported: COPY to such a table */
	{"22", KD_ERECORD, PG_VERDICT_STOP},      /* data exceptions */
	{"23", KD_ERECORD, PG_VERDICT_STOP},      /* constraint violations */
	{"25006", KD_ESINK, PG_VERDICT_LOST},     /* read-only: a standby now; another host may be the primary */
	{"25P03", KD_ESINK, PG_VERDICT_LOST},     /* idle in transaction for too long */
	{"25P04", KD_ESINK, PG_VERDICT_LOST},     /* transaction took too long */
	{"28", KD_ECONFIG, PG_VERDICT_STOP},      /* role or password */
	{"3D", KD_ECONFIG, PG_VERDICT_STOP},      /* no such database */
	{"3F", KD_ETARGET, PG_VERDICT_STOP},      /* no such schema */
	{"40", KD_ESINK, PG_VERDICT_AGAIN},       /* serialization failure, deadlock */
	{"40002", KD_ERECORD, PG_VERDICT_STOP},   /* integrity constraint, checked late */
	{"40003", KD_ESINK, PG_VERDICT_LOST},     /* statement completion unknown */
	{"42", KD_ETARGET, PG_VERDICT_STOP},      /* no such table, no right to it */
	{"44", KD_ERECORD, PG_VERDICT_STOP},      /* a view's check option */
	{"53", KD_ESINK, PG_VERDICT_AGAIN},       /* disk full, memory, too many connections */
	{"53400", KD_ESINK, PG_VERDICT_STOP},     /* a configured limit */
	{"54", KD_ERECORD, PG_VERDICT_STOP},      /* a row beyond the server's limits */
	{"55P03", KD_EBUSY, PG_VERDICT_AGAIN},    /* lock not available */
	{"55006", KD_EBUSY, PG_VERDICT_AGAIN},    /* object in use */
	{"57014", KD_ESINK, PG_VERDICT_AGAIN},    /* cancelled: statement_timeout or a person */
	{"57P01", KD_ESINK, PG_VERDICT_LOST},     /* administrator ended the session */
	{"57P02", KD_ESINK, PG_VERDICT_LOST},     /* another backend crashed */
	{"57P03", KD_ESINK, PG_VERDICT_LOST},     /* starting up or shutting down */
	{"57P04", KD_ETARGET, PG_VERDICT_STOP},   /* database dropped */
	{"57P05", KD_ESINK, PG_VERDICT_LOST},     /* idle session */
	{"72", KD_ESINK, PG_VERDICT_AGAIN},       /* snapshot too old */
	{"P0", KD_ERECORD, PG_VERDICT_STOP},      /* a trigger of the user's raised it */
};

static const pg_rule unknown = {"", KD_ESINK, PG_VERDICT_STOP};

const pg_rule *pg_error_rule(const char *sqlstate)
{
	const pg_rule *by_class = &unknown;
	for (size_t i = 0; sqlstate && i < sizeof rules / sizeof *rules; i++) {
		if (!strcmp(rules[i].sqlstate, sqlstate))
			return &rules[i];
		if (strlen(rules[i].sqlstate) == 2 && !strncmp(rules[i].sqlstate, sqlstate, 2))
			by_class = &rules[i];
	}
	return by_class;
}

kd_action pg_error_action(pg_verdict verdict, pg_phase phase)
{
	if (verdict == PG_VERDICT_STOP)
		return KD_STOP;
	bool commit_sent = phase == PG_PHASE_CALL_COMMIT || phase == PG_PHASE_DATA_COMMIT;
	if (verdict == PG_VERDICT_LOST && commit_sent)
		return KD_RESOLVE;
	return phase == PG_PHASE_DATA || phase == PG_PHASE_DATA_COMMIT ? KD_REPLAY : KD_RETRY;
}

/* As an ERROR, which leaves the session as it is, a protocol violation is the statement's: parameters that do not fit.
 * Poolers say FATAL with it, for whatever ends a connection. */
static bool statement_is_wrong(const PGresult *result, const char *sqlstate)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return sqlstate && severity && !strcmp(sqlstate, "08P01") && !strcmp(severity, "ERROR");
}

static void remember_state(kd_error *err, const char *sqlstate)
{
	if (err && sqlstate)
		snprintf(err->sqlstate, sizeof err->sqlstate, "%s", sqlstate);
}

kd_code pg_error_result(kd_error *err, const PGresult *result, bool conn_lost, pg_phase phase, const char *doing)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const pg_rule *rule = pg_error_rule(sqlstate);
	pg_verdict verdict = statement_is_wrong(result, sqlstate) ? PG_VERDICT_STOP : rule->verdict;
	if (conn_lost && (verdict == PG_VERDICT_AGAIN || !sqlstate))
		verdict = PG_VERDICT_LOST;
	/* A session that died while its COMMIT ran may have committed, whatever it died of. */
	if (conn_lost && (phase == PG_PHASE_CALL_COMMIT || phase == PG_PHASE_DATA_COMMIT))
		verdict = PG_VERDICT_LOST;
	if (!err || err->code)
		return rule->code;
	remember_state(err, sqlstate);
	return kd_error_set(err, rule->code, pg_error_action(verdict, phase), "could not %s: %s%s%s%s (%s)", doing,
		primary ? primary : PQresultErrorMessage(result), detail ? " (" : "", detail ? detail : "",
		detail ? ")" : "", sqlstate ? sqlstate : "no SQLSTATE");
}

kd_code pg_error_lost(kd_error *err, const char *why, pg_phase phase, const char *doing)
{
	return kd_error_set(err, KD_ESINK, pg_error_action(PG_VERDICT_LOST, phase),
		"could not %s: the connection to the server is lost: %s", doing, why && *why ? why : "no answer");
}

/* In verbose messages a SQLSTATE follows the severity: "FATAL:  28P01: ...". */
static bool find_state(const char *message, char ret_state[6])
{
	for (const char *p = strstr(message, ":  "); p; p = strstr(p + 1, ":  ")) {
		size_t n = strspn(p + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		if (n == 5 && !strncmp(p + 8, ": ", 2)) {
			memcpy(ret_state, p + 3, 5);
			ret_state[5] = '\0';
			return true;
		}
	}
	return false;
}

kd_code pg_error_connect(kd_error *err, const char *message)
{
	char state[6] = "";
	bool answered = find_state(message, state);
	const pg_rule *rule = pg_error_rule(state);
	if (!err || err->code)
		return rule->code;
	remember_state(err, state);
	/* No answer at all is the network's, and may heal. */
	bool stop = answered && rule->verdict == PG_VERDICT_STOP;
	char text[768];
	snprintf(text, sizeof text, "%s", message);
	char *location = strstr(text, "\nLOCATION:");
	if (location)
		*location = '\0';
	return kd_error_set(err, rule->code, stop ? KD_STOP : KD_RETRY, "could not connect to PostgreSQL: %s", text);
}

/* Outer contexts come later, and COPY is the outermost. */
static const char *last_line(const char *text)
{
	const char *newline = strrchr(text, '\n');
	return newline ? newline + 1 : text;
}

int64_t pg_error_copy_line(const char *context, const char *table)
{
	const char *at = context && *table ? strstr(last_line(context), table) : NULL;
	if (!at)
		return 0;
	at += strlen(table);
	return strtoll(at + strcspn(at, "0123456789"), NULL, 10);
}
