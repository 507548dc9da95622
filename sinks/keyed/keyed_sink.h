/* SPDX-License-Identifier: Apache-2.0 */
/* keyed_sink: sinks made of a kd_keyed_ops; this header is what the files of this folder share.
 *
 * Theory of operation.  The target has no transactions, so nothing can make its rows and the ledger's position one step
 * (no I9).  What is left is an order: put, flush, then move.  Position and identifier move only after flush (I1), by
 * the compare-and-set of the ledger (I3, I6), so a crash in between leaves an identifier that is not committed, and
 * whose range is put again: the plan makes it the same range, and each row has the same identifier and key (I2 as an
 * end state, by key).
 *
 * The ledger is SQLite's (sqlite_ledger.h); its lock is never held while the target is talked to.  Whether a batch
 * partition is still mine to do is asked by the compare-and-set itself, taken back at once: at begin, and again before
 * each put, so that a superseded process puts at most the call that it was frozen in (what is left of I7).  A miss in
 * the middle, or at the commit, is an error with action REPLAY: the library begins again, is told KD_CAS_MISS there,
 * and finds out by its re-read who took over. */
#ifndef KD_KEYED_SINK_H
#define KD_KEYED_SINK_H

#include <pthread.h>

#include "kdirect/keyed.h"

typedef struct keyed_sink {
	const kd_keyed_ops *ops;
	const kd_config *config;
	void *ledger; /* a sink of kd_sqlite_sink */
	bool opened;  /* ops->open was called, and gave: */
	void *target;
	kd_sink_info info;
	char *identity, *summary;
} keyed_sink;

typedef struct keyed_session {
	keyed_sink *sink;
	void *ledger; /* a session of kd_sqlite_sink */

	pthread_mutex_t lock; /* of connected and target, for interrupt */
	bool connected;
	void *target; /* the session that ops->connect gave */
	bool broken;  /* a call failed: it is closed by abort */

	/* the batch partition in hand */
	bool in_data;
	kd_owner me;
	kd_batch_partition entry; /* its strings are the copies below */
	char *job, *topic;
	int64_t rows;        /* put, or about to be */
	int64_t last_offset; /* the rows of one record follow each other, and are numbered */
	int32_t row_number;

	kd_put puts[KD_KEYED_MOST_PUTS]; /* the next call */
	size_t n_puts, puts_bytes;
	char *identifiers; /* one for each of puts, identifier_size bytes apart */
	size_t identifier_size;
} keyed_session;

/* ---- rows: keyed_row.c ----
 * An encoded row is what kd_put needs and the batch partition does not know.  Native byte order: rows never leave the
 * process. */

bool keyed_row_put(kd_buf *out, const kd_record *record) KD_CHECK;
/* The row at *cursor, borrowed from there; moves past it.  version and identifier are left to the caller. */
void keyed_row_take(const char **cursor, kd_put *ret_put);

/* ---- the slots ---- */

kd_code keyed_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
kd_code keyed_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code keyed_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void keyed_abort(void *session);
void keyed_interrupt(void *session);
/* Closes the target's session, where there is one. */
void keyed_disconnect_target(keyed_session *session);

kd_code keyed_encoder_open(void *sink, void **ret_encoder, kd_error *err);
void keyed_encoder_close(void *encoder);
kd_code keyed_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err);
kd_code keyed_encoder_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);

kd_code keyed_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code keyed_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code keyed_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code keyed_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code keyed_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code keyed_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code keyed_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);
kd_code keyed_snapshot_begin(void *session, kd_error *err);
void keyed_snapshot_end(void *session);
kd_code keyed_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code keyed_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

#endif
