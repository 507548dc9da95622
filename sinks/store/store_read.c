// SPDX-License-Identifier: Apache-2.0
// store_read: what tools read.  A snapshot is what the session read last: its journal, and the rows as of then.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/process.h"
#include "store_sink.h"

kd_code store_snapshot_begin(void *session, kd_error *err)
{
	return store_read(session, err);
}

void store_snapshot_end(void *session)
{
	(void) session;
}

kd_code store_read_ledger(void *opaque, const char *job, const kd_ledger_view *view, kd_error *err)
{
	return journal_read(((store_session *) opaque)->journal, job, view, err);
}

/* ---- offsets, which a store has in any order ---- */

typedef struct offsets {
	const kd_store_scan *asked;
	kd_buf values;
	bool no_memory;
} offsets;

static bool gather(void *opaque, const char *topic, int32_t partition, int64_t offset)
{
	offsets *o = opaque;
	const kd_store_scan *asked = o->asked;
	if (partition == asked->partition && offset >= asked->range.from && offset < asked->range.until &&
		!strcmp(topic, asked->topic))
		o->no_memory = !kd_buf_append(&o->values, &offset, sizeof offset);
	return !o->no_memory;
}

static int by_value(const void *a, const void *b)
{
	int64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

kd_code store_scan_offsets(void *opaque, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *row_opaque, kd_error *err)
{
	store_session *s = opaque;
	offsets o = {0};
	const kd_store_scan scan = {.topic = topic, .partition = partition, .range = range, .opaque = &o, .row = gather};
	o.asked = &scan;
	if (!s->sink->ops->scan)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not read offsets: the rows of this %s have none",
			s->sink->ops->noun);
	kd_code code = s->sink->ops->scan(s->store, &scan, err);
	if (!code && o.no_memory)
		code = store_no_memory(err);
	size_t n = o.values.size / sizeof(int64_t);
	if (n > 0)
		qsort(o.values.data, n, sizeof(int64_t), by_value);
	for (size_t i = 0; !code && i < n; i++) {
		int64_t offset;
		memcpy(&offset, o.values.data + i * sizeof offset, sizeof offset);
		if (!row(row_opaque, offset))
			break;
	}
	kd_buf_done(&o.values);
	return code;
}

kd_code store_owner_alive(void *opaque, const char *job, char *ret_who, size_t size, kd_error *err)
{
	store_session *s = opaque;
	journal_instance owner;
	char now[PROCESS_MARK_SIZE];
	*ret_who = '\0';
	kd_code code = store_read(s, err);
	if (code || !journal_owner(s->journal, job, &owner))
		return code;
	process_mark(owner.pid, now);
	if (*now && owner.process && !strcmp(owner.process, now))
		process_describe(owner.pid, owner.host, owner.started_at_ms, ret_who, size);
	return KD_OK;
}
