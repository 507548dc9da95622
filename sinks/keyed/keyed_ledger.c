// SPDX-License-Identifier: Apache-2.0
// keyed_ledger: the ledger's slots are those of SQLite, on the session's ledger.
#include "kdirect/sinks.h"
#include "keyed_sink.h"

static void *ledger_of(void *session)
{
	return ((keyed_session *) session)->ledger;
}

kd_code keyed_take_over(void *session, const kd_take_over *request, kd_ledger_image *ret_image, kd_error *err)
{
	return kd_sqlite_sink.take_over(ledger_of(session), request, ret_image, err);
}

kd_code keyed_add_partitions(void *session, const kd_owner *me, const char *job, const kd_new_partition *partitions,
	size_t n, kd_cas *ret_cas, kd_segment *ret_segments, kd_error *err)
{
	return kd_sqlite_sink.add_partitions(ledger_of(session), me, job, partitions, n, ret_cas, ret_segments, err);
}

kd_code keyed_append_plan(void *session, const kd_owner *me, const kd_batch_partition *entries, size_t n,
	kd_cas *ret_cas, kd_error *err)
{
	return kd_sqlite_sink.append_plan(ledger_of(session), me, entries, n, ret_cas, err);
}

kd_code keyed_withdraw(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas,
	kd_error *err)
{
	return kd_sqlite_sink.withdraw(ledger_of(session), me, entry, ret_cas, err);
}

kd_code keyed_reread(void *session, kd_reread_kind kind, const kd_batch_partition *entries, size_t n,
	kd_reread *ret_rows, kd_error *err)
{
	return kd_sqlite_sink.reread(ledger_of(session), kind, entries, n, ret_rows, err);
}

kd_code keyed_verify(void *session, const char *job, kd_segment *ret_segments, size_t n, size_t *ret_n, kd_error *err)
{
	return kd_sqlite_sink.verify(ledger_of(session), job, ret_segments, n, ret_n, err);
}

kd_code keyed_prune(void *session, const kd_owner *me, const char *job, int64_t keep_days, int64_t *ret_removed,
	bool *ret_more, kd_error *err)
{
	return kd_sqlite_sink.prune(ledger_of(session), me, job, keep_days, ret_removed, ret_more, err);
}

kd_code keyed_snapshot_begin(void *session, kd_error *err)
{
	return kd_sqlite_sink.snapshot_begin(ledger_of(session), err);
}

void keyed_snapshot_end(void *session)
{
	kd_sqlite_sink.snapshot_end(ledger_of(session));
}

kd_code keyed_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err)
{
	return kd_sqlite_sink.read_ledger(ledger_of(session), job, view, err);
}

kd_code keyed_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err)
{
	return kd_sqlite_sink.owner_alive(ledger_of(session), job, ret_who, size, err);
}
