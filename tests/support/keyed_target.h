/* SPDX-License-Identifier: Apache-2.0 */
/* A target without transactions, as a keyed sink has it: a table in an SQLite file of its own, one statement in
 * autocommit for each put, nothing shared with the ledger.  It can be told to refuse old versions, to break down in the
 * middle of a call now and then, and to refuse a record.
 *
 *     "sink": {"type": "keyed_by_record", "ledger": "l.db", "store": "s.db", "table": "t"}
 *
 * Its own fault point, in the middle of each call: "target.put". */
#ifndef KT_KEYED_TARGET_H
#define KT_KEYED_TARGET_H

#include <kdirect/keyed.h>
#include <sqlite3.h>

/* t(key primary key, value, version) and t(identifier primary key, key, value); calls(pid, puts), a row a call. */
extern const kd_keyed_ops kt_keyed_by_record, kt_keyed_by_identifier;

/* The store as a test sees it, with what Kafka holds beside it. */
typedef struct kt_keyed_store {
	char *path;
	sqlite3 *db;
} kt_keyed_store;

void kt_keyed_open(kt_keyed_store *store, const char *dir);
void kt_keyed_close(kt_keyed_store *store);

/* A number by SQL; 0 where the table is not there yet. */
int64_t kt_keyed_int(kt_keyed_store *store, const char *sql);

/* Reads the topic (kt_oracle_each) and compares: every key with the last value of it, or every identifier with its
 * value.  Returns how many are missing, altered or foreign: 0 is right. */
int64_t kt_keyed_judge(kt_keyed_store *store, const kd_keyed_ops *ops, const char *bootstrap, const char *topic,
	bool committed);

#endif
