/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_ledger: an SQLite file as the ledger of a sink whose rows go elsewhere.
 *
 * What it gives is a sink of kd_sqlite_sink without a table: every slot of that table of functions works on it, but for
 * those of rows (write, query, the encoder's, scan_offsets).  Its begin and commit are the ledger's part of a data
 * transaction: position and identifier by compare-and-set, then what the batch partition came to. */
#ifndef KD_SQLITE_LEDGER_H
#define KD_SQLITE_LEDGER_H

#include "kdirect/sink.h"

typedef struct sqlite_ledger_conf {
	const char *option; /* which configuration key names the path: "sink.ledger" */
	const char *path;
	const char *target, *identity; /* of the rows, as kd_sink_info has them; borrowed until close */
	const kd_logger *log;
	bool read_only;
} sqlite_ledger_conf;

/* Opens the file and makes the ledger in it where there is none (never where read_only).  Ended by
 * kd_sqlite_sink.close. */
kd_code sqlite_ledger_open(const sqlite_ledger_conf *conf, void **ret_ledger, kd_error *err) KD_CHECK;

/* Reports what `check` wants to know of the file. */
kd_code sqlite_ledger_check(const char *option, const char *path, kd_finding_fn *report, void *opaque,
	kd_error *err) KD_CHECK;
/* The ledger's tables as SQL. */
kd_code sqlite_ledger_ddl(kd_buf *out, kd_error *err) KD_CHECK;

/* "sqlite 3.40.1": the one that is loaded. */
const char *sqlite_library(void);

#endif
