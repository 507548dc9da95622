/* SPDX-License-Identifier: Apache-2.0 */
/* null_sink: counts and forgets.  For benchmarks: what is left when storing costs nothing.
 *
 * The ledger is in memory, as long as the sink is open: compare-and-sets work, a restart knows nothing.  Identifiers
 * are kept until they commit, so memory does not grow with what passes. */
#ifndef KD_NULL_SINK_H
#define KD_NULL_SINK_H

#include <pthread.h>

#include "kdirect/sink.h"

KD_API extern const kd_sink_ops kd_null_sink;

typedef struct null_sink {
	pthread_mutex_t lock; /* of all below */
	kd_owner owner;
	int64_t started_at_ms; /* the owner's */
	kd_segment *segments;
	kd_batch_row *plans; /* neither committed nor withdrawn */
	size_t n_segments, n_plans;
} null_sink;

typedef struct null_session {
	null_sink *sink;
	kd_batch_partition open; /* job NULL: no data transaction */
} null_session;

kd_code null_no_memory(kd_error *err);

/* null_ledger.c: the slots of the ledger. */
void null_ledger_done(null_sink *sink);
kd_code null_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err);
kd_code null_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err);
kd_code null_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err);
kd_code null_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err);
kd_code null_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err);
kd_code null_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err);
kd_code null_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err);
kd_code null_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err);
kd_code null_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);

#endif
