// SPDX-License-Identifier: Apache-2.0
// sqlite_error: what an SQLite result code means to the engine.
//
// Result code and phase decide, never the text.  A code that is not in the table is STOP.  In WAL mode COMMIT either
// leaves everything as it was or has written the whole frame; only where writing or syncing it failed half-way can a
// crash still bring it back: that is RESOLVE, and the repeated write finds out.
#include <stdarg.h>
#include <stdio.h>

#include "sqlite_conn.h"

typedef struct verdict {
	int rc; /* primary result code */
	kd_code code;
	kd_action action; /* as a ledger transaction sees it: RETRY or STOP */
	bool unknown;     /* at COMMIT: the outcome is open */
} verdict;

static const verdict verdicts[] = {
	{SQLITE_BUSY, KD_EBUSY, KD_RETRY, false},       /* somebody holds the lock */
	{SQLITE_LOCKED, KD_EBUSY, KD_RETRY, false},     /* the same, in this process */
	{SQLITE_NOMEM, KD_ENOMEM, KD_RETRY, false},
	{SQLITE_INTERRUPT, KD_ESINK, KD_RETRY, false},
	{SQLITE_FULL, KD_ESINK, KD_RETRY, false},       /* somebody may free space */
	{SQLITE_IOERR, KD_EIO, KD_RETRY, true},
	{SQLITE_PROTOCOL, KD_ESINK, KD_RETRY, false},   /* lost a race for the WAL's locks */
	{SQLITE_SCHEMA, KD_ESINK, KD_RETRY, false},     /* somebody alters the table */
	{SQLITE_CANTOPEN, KD_EIO, KD_RETRY, false},     /* the file is being replaced, or its folder is away */
	{SQLITE_READONLY, KD_ETARGET, KD_STOP, false},
	{SQLITE_PERM, KD_ETARGET, KD_STOP, false},
	{SQLITE_AUTH, KD_ETARGET, KD_STOP, false},
	{SQLITE_NOTADB, KD_ETARGET, KD_STOP, false},
	{SQLITE_CORRUPT, KD_ESINK, KD_STOP, false},
	{SQLITE_CONSTRAINT, KD_ELEDGER, KD_STOP, false}, /* of the ledger's own tables */
	{SQLITE_MISMATCH, KD_ESINK, KD_STOP, false},
	{SQLITE_TOOBIG, KD_ESINK, KD_STOP, false},
	{SQLITE_RANGE, KD_EINVAL, KD_STOP, false},
	{SQLITE_MISUSE, KD_EINVAL, KD_STOP, false},
};

static const verdict *find(int rc)
{
	static const verdict other = {0, KD_ESINK, KD_STOP, false};
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		if (verdicts[i].rc == (rc & 0xff))
			return &verdicts[i];
	return &other;
}

static bool speaks_of_the_record(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return true;
	default:
		return false;
	}
}

void sqlite_error_judge(int rc, sqlite_phase phase, kd_code *ret_code, kd_action *ret_action)
{
	const verdict *v = find(rc);
	*ret_code = v->code;
	*ret_action = v->action;
	bool commit = phase == SQLITE_IN_LEDGER_COMMIT || phase == SQLITE_IN_DATA_COMMIT;
	bool ledger = phase == SQLITE_IN_LEDGER || phase == SQLITE_IN_LEDGER_COMMIT;
	if ((phase == SQLITE_IN_ROW || phase == SQLITE_IN_DATA_COMMIT) && speaks_of_the_record(rc))
		*ret_code = KD_ERECORD;
	else if (commit && v->unknown)
		*ret_action = KD_RESOLVE;
	else if (!ledger && v->action == KD_RETRY)
		*ret_action = KD_REPLAY;
}

kd_code sqlite_error_set(kd_error *err, sqlite3 *db, int rc, sqlite_phase phase, const char *format, ...)
{
	char what[768];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	kd_code code;
	kd_action action;
	sqlite_error_judge(rc, phase, &code, &action);
	bool said = db && (sqlite3_errcode(db) & 0xff) == (rc & 0xff);
	bool first = err && !err->code;
	kd_error_set(err, code, action, "%s: %s", what, said ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	if (first)
		err->native = rc;
	return code;
}
