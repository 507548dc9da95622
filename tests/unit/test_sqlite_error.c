// SPDX-License-Identifier: Apache-2.0
// What each SQLite result code means, row by row and phase by phase.
#include <criterion/criterion.h>

#include "sinks/sqlite/sqlite_conn.h"

#define PHASES 5

typedef struct row {
	int rc;
	const char *name;
	kd_code code;              /* in the ledger */
	kd_code row_code;          /* while a row is stored */
	kd_action action[PHASES];  /* by sqlite_phase */
} row;

#define ALWAYS_STOP {KD_STOP, KD_STOP, KD_STOP, KD_STOP, KD_STOP}
/* ledger, its commit, data, its commit, row */
#define MAY_HEAL {KD_RETRY, KD_RETRY, KD_REPLAY, KD_REPLAY, KD_REPLAY}
#define MAY_HAVE_HAPPENED {KD_RETRY, KD_RESOLVE, KD_REPLAY, KD_RESOLVE, KD_REPLAY}
#define ROW(rc, code, row_code, ...) {rc, #rc, code, row_code, __VA_ARGS__}

static const row rows[] = {
	ROW(SQLITE_BUSY, KD_EBUSY, KD_EBUSY, MAY_HEAL),
	ROW(SQLITE_BUSY_SNAPSHOT, KD_EBUSY, KD_EBUSY, MAY_HEAL),
	ROW(SQLITE_BUSY_RECOVERY, KD_EBUSY, KD_EBUSY, MAY_HEAL),
	ROW(SQLITE_LOCKED, KD_EBUSY, KD_EBUSY, MAY_HEAL),
	ROW(SQLITE_NOMEM, KD_ENOMEM, KD_ENOMEM, MAY_HEAL),
	ROW(SQLITE_INTERRUPT, KD_ESINK, KD_ESINK, MAY_HEAL),
	ROW(SQLITE_FULL, KD_ESINK, KD_ESINK, MAY_HEAL),
	ROW(SQLITE_IOERR, KD_EIO, KD_EIO, MAY_HAVE_HAPPENED),
	ROW(SQLITE_IOERR_FSYNC, KD_EIO, KD_EIO, MAY_HAVE_HAPPENED),
	ROW(SQLITE_IOERR_WRITE, KD_EIO, KD_EIO, MAY_HAVE_HAPPENED),
	ROW(SQLITE_PROTOCOL, KD_ESINK, KD_ESINK, MAY_HEAL),
	ROW(SQLITE_SCHEMA, KD_ESINK, KD_ESINK, MAY_HEAL),
	ROW(SQLITE_CANTOPEN, KD_EIO, KD_EIO, MAY_HEAL),
	ROW(SQLITE_READONLY, KD_ETARGET, KD_ETARGET, ALWAYS_STOP),
	ROW(SQLITE_READONLY_DBMOVED, KD_ETARGET, KD_ETARGET, ALWAYS_STOP),
	ROW(SQLITE_PERM, KD_ETARGET, KD_ETARGET, ALWAYS_STOP),
	ROW(SQLITE_AUTH, KD_ETARGET, KD_ETARGET, ALWAYS_STOP),
	ROW(SQLITE_NOTADB, KD_ETARGET, KD_ETARGET, ALWAYS_STOP),
	ROW(SQLITE_CORRUPT, KD_ESINK, KD_ESINK, ALWAYS_STOP),
	ROW(SQLITE_CONSTRAINT, KD_ELEDGER, KD_ERECORD, ALWAYS_STOP),
	ROW(SQLITE_CONSTRAINT_NOTNULL, KD_ELEDGER, KD_ERECORD, ALWAYS_STOP),
	ROW(SQLITE_CONSTRAINT_TRIGGER, KD_ELEDGER, KD_ERECORD, ALWAYS_STOP),
	ROW(SQLITE_MISMATCH, KD_ESINK, KD_ERECORD, ALWAYS_STOP),
	ROW(SQLITE_TOOBIG, KD_ESINK, KD_ERECORD, ALWAYS_STOP),
	ROW(SQLITE_RANGE, KD_EINVAL, KD_EINVAL, ALWAYS_STOP),
	ROW(SQLITE_MISUSE, KD_EINVAL, KD_EINVAL, ALWAYS_STOP),
	/* not in the table */
	ROW(SQLITE_ERROR, KD_ESINK, KD_ESINK, ALWAYS_STOP),
	ROW(SQLITE_INTERNAL, KD_ESINK, KD_ESINK, ALWAYS_STOP),
	ROW(99, KD_ESINK, KD_ESINK, ALWAYS_STOP),
};

Test(sqlite_error, every_result_code_has_its_code_and_action_in_every_phase)
{
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
		for (int phase = 0; phase < PHASES; phase++) {
			bool record = phase == SQLITE_IN_ROW || phase == SQLITE_IN_DATA_COMMIT;
			kd_code expected = record ? rows[r].row_code : rows[r].code, code;
			kd_action action;
			sqlite_error_judge(rows[r].rc, (sqlite_phase) phase, &code, &action);
			cr_assert_eq(code, expected, "%s in phase %d: %s", rows[r].name, phase, kd_code_name(code));
			cr_assert_eq(action, rows[r].action[phase], "%s in phase %d: %s", rows[r].name, phase, kd_action_name(action));
		}
}

Test(sqlite_error, the_message_says_what_failed_and_why)
{
	sqlite3 *db;
	kd_error err = {0};
	cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	int rc = sqlite3_exec(db, "select * from absent", NULL, NULL, NULL);
	cr_assert_eq(sqlite_error_set(&err, db, rc, SQLITE_IN_LEDGER, "could not read \"%s\"", "absent"), KD_ESINK);
	cr_assert_str_eq(err.message, "could not read \"absent\": no such table: absent");
	cr_assert_eq(err.native, SQLITE_ERROR);
	/* the first error stays */
	sqlite_error_set(&err, NULL, SQLITE_FULL, SQLITE_IN_LEDGER, "could not write");
	cr_assert_eq(err.native, SQLITE_ERROR);
	sqlite3_close(db);
}

Test(sqlite_error, without_a_connection_the_code_is_named)
{
	kd_error err = {0};
	sqlite_error_set(&err, NULL, SQLITE_FULL, SQLITE_IN_LEDGER, "could not write");
	cr_assert_str_eq(err.message, "could not write: database or disk is full");
	cr_assert_eq(sqlite_error_set(NULL, NULL, SQLITE_FULL, SQLITE_IN_LEDGER, "could not write"), KD_ESINK);
}
