/* SPDX-License-Identifier: Apache-2.0 */
/* pg_read: what tools read: the ledger, the target's offsets, and who is alive, all of one snapshot.  Everything is
 * fetched through cursors, so memory stays bounded whatever the ledger holds. */
#ifndef PG_READ_H
#define PG_READ_H

#include <kdirect/sink.h>

kd_code pg_snapshot_begin(void *session, kd_error *err);
void pg_snapshot_end(void *session);
kd_code pg_read_ledger(void *session, const char *job, const kd_ledger_view *view, kd_error *err);
kd_code pg_scan_offsets(void *session, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *opaque, kd_error *err);
kd_code pg_owner_alive(void *session, const char *job, char *ret_who, size_t size, kd_error *err);

#endif
