// SPDX-License-Identifier: Apache-2.0
// What each SQLSTATE means for the caller: a row for each, and for what no table knows.
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sinks/postgres/pg_error.h"

Test(pg_error, every_state_has_its_code_and_verdict)
{
	static const struct {
		const char *state;
		kd_code code;
		pg_verdict verdict;
	} rows[] = {
		{"08006", KD_ESINK, PG_VERDICT_LOST},    {"08P01", KD_ESINK, PG_VERDICT_LOST},
		{"0A000", KD_ETARGET, PG_VERDICT_STOP},  {"22001", KD_ERECORD, PG_VERDICT_STOP},
		{"22021", KD_ERECORD, PG_VERDICT_STOP},  {"22P02", KD_ERECORD, PG_VERDICT_STOP},
		{"23502", KD_ERECORD, PG_VERDICT_STOP},  {"23505", KD_ERECORD, PG_VERDICT_STOP},
		{"23514", KD_ERECORD, PG_VERDICT_STOP},  {"25006", KD_ESINK, PG_VERDICT_LOST},
		{"25P03", KD_ESINK, PG_VERDICT_LOST},    {"25P04", KD_ESINK, PG_VERDICT_LOST},
		{"25P02", KD_ESINK, PG_VERDICT_STOP},    {"28000", KD_ECONFIG, PG_VERDICT_STOP},
		{"28P01", KD_ECONFIG, PG_VERDICT_STOP},  {"3D000", KD_ECONFIG, PG_VERDICT_STOP},
		{"3F000", KD_ETARGET, PG_VERDICT_STOP},  {"40001", KD_ESINK, PG_VERDICT_AGAIN},
		{"40P01", KD_ESINK, PG_VERDICT_AGAIN},   {"40002", KD_ERECORD, PG_VERDICT_STOP},
		{"40003", KD_ESINK, PG_VERDICT_LOST},    {"42501", KD_ETARGET, PG_VERDICT_STOP},
		{"42P01", KD_ETARGET, PG_VERDICT_STOP},  {"42703", KD_ETARGET, PG_VERDICT_STOP},
		{"44000", KD_ERECORD, PG_VERDICT_STOP},  {"53100", KD_ESINK, PG_VERDICT_AGAIN},
		{"53200", KD_ESINK, PG_VERDICT_AGAIN},   {"53300", KD_ESINK, PG_VERDICT_AGAIN},
		{"53400", KD_ESINK, PG_VERDICT_STOP},    {"54000", KD_ERECORD, PG_VERDICT_STOP},
		{"54001", KD_ERECORD, PG_VERDICT_STOP},  {"55P03", KD_EBUSY, PG_VERDICT_AGAIN},
		{"55006", KD_EBUSY, PG_VERDICT_AGAIN},   {"57014", KD_ESINK, PG_VERDICT_AGAIN},
		{"57P01", KD_ESINK, PG_VERDICT_LOST},    {"57P02", KD_ESINK, PG_VERDICT_LOST},
		{"57P03", KD_ESINK, PG_VERDICT_LOST},    {"57P04", KD_ETARGET, PG_VERDICT_STOP},
		{"57P05", KD_ESINK, PG_VERDICT_LOST},    {"72000", KD_ESINK, PG_VERDICT_AGAIN},
		{"P0001", KD_ERECORD, PG_VERDICT_STOP},
		/* In no table: repetition may do harm, so it ends the job. */
		{"XX000", KD_ESINK, PG_VERDICT_STOP},    {"XX001", KD_ESINK, PG_VERDICT_STOP},
		{"58030", KD_ESINK, PG_VERDICT_STOP},    {"55000", KD_ESINK, PG_VERDICT_STOP},
		{"27000", KD_ESINK, PG_VERDICT_STOP},    {"", KD_ESINK, PG_VERDICT_STOP},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const pg_rule *rule = pg_error_rule(rows[i].state);
		cr_expect_eq(rule->code, rows[i].code, "%s: %s", rows[i].state, kd_code_name(rule->code));
		cr_expect_eq(rule->verdict, rows[i].verdict, "%s: %d", rows[i].state, (int) rule->verdict);
	}
	cr_assert_eq(pg_error_rule(NULL)->verdict, PG_VERDICT_STOP);
}

Test(pg_error, the_phase_turns_a_verdict_into_an_action)
{
	static const struct {
		pg_verdict verdict;
		pg_phase phase;
		kd_action action;
	} rows[] = {
		{PG_VERDICT_STOP, PG_PHASE_CALL, KD_STOP},           {PG_VERDICT_STOP, PG_PHASE_DATA, KD_STOP},
		{PG_VERDICT_STOP, PG_PHASE_CALL_COMMIT, KD_STOP},    {PG_VERDICT_STOP, PG_PHASE_DATA_COMMIT, KD_STOP},
		{PG_VERDICT_AGAIN, PG_PHASE_CALL, KD_RETRY},         {PG_VERDICT_AGAIN, PG_PHASE_DATA, KD_REPLAY},
		{PG_VERDICT_AGAIN, PG_PHASE_CALL_COMMIT, KD_RETRY},  {PG_VERDICT_AGAIN, PG_PHASE_DATA_COMMIT, KD_REPLAY},
		{PG_VERDICT_LOST, PG_PHASE_CALL, KD_RETRY},          {PG_VERDICT_LOST, PG_PHASE_DATA, KD_REPLAY},
		{PG_VERDICT_LOST, PG_PHASE_CALL_COMMIT, KD_RESOLVE}, {PG_VERDICT_LOST, PG_PHASE_DATA_COMMIT, KD_RESOLVE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(pg_error_action(rows[i].verdict, rows[i].phase), rows[i].action, "row %zu", i);
}

Test(pg_error, a_refused_connection_is_judged_by_its_state)
{
	static const struct {
		const char *message;
		kd_code code;
		kd_action action;
		const char *state;
	} rows[] = {
		{"connection to server at \"h\" (10.0.0.1), port 5432 failed: FATAL:  28P01: password authentication failed for "
		 "user \"u\"\nLOCATION:  auth_failed, auth.c:326\n", KD_ECONFIG, KD_STOP, "28P01"},
		{"connection failed: FATAL:  57P03: the database system is starting up\n", KD_ESINK, KD_RETRY, "57P03"},
		{"FATAL:  53300: sorry, too many clients already", KD_ESINK, KD_RETRY, "53300"},
		{"FATAL:  3D000: database \"x\" does not exist", KD_ECONFIG, KD_STOP, "3D000"},
		{"connection to server at \"127.0.0.1\", port 1 failed: Connection refused", KD_ESINK, KD_RETRY, ""},
		{"could not translate host name \"h\" to address: Name or service not known", KD_ESINK, KD_RETRY, ""},
		{"", KD_ESINK, KD_RETRY, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_error err = {0};
		cr_expect_eq(pg_error_connect(&err, rows[i].message), rows[i].code, "%s", rows[i].message);
		cr_expect_eq(err.action, rows[i].action, "%s", rows[i].message);
		cr_expect_str_eq(err.sqlstate, rows[i].state);
		cr_expect_not(strstr(err.message, "LOCATION"), "%s", err.message);
	}
}

Test(pg_error, the_line_of_a_copy_is_read_in_any_language)
{
	static const struct {
		const char *context, *table;
		int64_t line;
	} rows[] = {
		{"COPY orders, line 7, column price: \"x\"", "orders", 7},
		{"COPY orders, line 5000, column qty", "orders", 5000},
		{"COPY orders, line 12", "orders", 12},
		{"COPY orders, line 3: \"1 2\"", "orders", 3},
		{"COPY orders, Zeile 41, Spalte preis", "orders", 41},
		{"COPY orders, ligne 9 : « x »", "orders", 9},
		{"ordersのCOPY、行 23、列 price", "orders", 23},
		{"orders 복사, 5번째 줄", "orders", 5},
		{"COPY t 9, line 1, line 8, column c", "t 9, line 1", 8},
		{"JSON data, line 1: {\"a\":\nCOPY orders, line 77, column doc", "orders", 77},
		{"PL/pgSQL function orders() line 3 at RAISE\nCOPY orders, line 6", "orders", 6},
		{"PL/pgSQL function f() line 3 at RAISE", "orders", 0},
		{"COPY orders", "orders", 0},
		{"", "orders", 0},
		{NULL, "orders", 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		cr_expect_eq(pg_error_copy_line(rows[i].context, rows[i].table), rows[i].line, "%s", rows[i].context);
}
