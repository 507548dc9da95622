/* SPDX-License-Identifier: Apache-2.0 */
/* store_sink: a sink's table of functions, made of a kd_store_ops and the journal.
 *
 * The store keeps lines and rows; the journal (../journal) knows what lines mean.  A change is always: lock, read what
 * others have added, ask the journal which lines it takes, append them; the next read
 * brings them back.  So a session's journal never holds what is not durable, and an append whose outcome is unknown is
 * known after the next read (I2, I6).
 * A data transaction keeps the lock from begin to commit: whoever repeats it waits, and then finds it done or not. */
#ifndef KD_STORE_SINK_H
#define KD_STORE_SINK_H

#include <kdirect/store.h>
#include <stdatomic.h>

#include "../journal/journal.h"

typedef struct store_sink {
	const kd_store_ops *ops;
	const kd_config *config;
	void *store; /* the author's */
	kd_sink_info info;
	journal_target target;
} store_sink;

typedef struct store_session {
	store_sink *sink;
	void *store; /* the author's session */
	journal *journal;
	bool broken; /* a read failed: what the store handed over, and what not, is not known */
	atomic_bool interrupted;
	/* The open data transaction: the lock is held. */
	bool open;
	kd_owner owner;
	kd_batch_partition entry; /* its job and topic are copies */
	char *job, *topic;
	kd_buf rows;
} store_session;

kd_code store_no_memory(kd_error *err);
int64_t store_now_ms(void);

/* ---- store_ledger.c ---- */

kd_code store_read(store_session *s, kd_error *err);
/* Locks and reads; unlocks again where that fails. */
kd_code store_lock(store_session *s, kd_error *err);
void store_unlock(store_session *s);
/* Appends a step and rows (NULL: none), that the next read brings back.  Ends the step. */
kd_code store_append(store_session *s, journal_step *step, const kd_buf *rows, kd_error *err);
kd_code store_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code store_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code store_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code store_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code store_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code store_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code store_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err);

/* ---- store_data.c ---- */

kd_code store_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
kd_code store_write(void *session, const void *bytes, size_t size, kd_error *err);
kd_code store_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
void store_abort(void *session);
kd_code store_encoder_open(void *sink, void **ret_encoder, kd_error *err);
void store_encoder_close(void *encoder);
kd_code store_encode(void *encoder, const kd_batch_partition *batch, const kd_record *record, kd_buf *out,
	uint32_t *ret_rows, kd_error *err);
kd_code store_flush(void *encoder, const kd_batch_partition *batch, kd_buf *out, kd_error *err);

/* ---- store_read.c ---- */

kd_code store_snapshot_begin(void *session, kd_error *err);
void store_snapshot_end(void *session);
kd_code store_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code store_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
kd_code store_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

#endif
