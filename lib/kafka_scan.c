// SPDX-License-Identifier: Apache-2.0
// kafka_scan: reads a range for audits and the witness, with a reader of its own that lives as long as the handle.
#include <inttypes.h>

#include "clock.h"
#include "kafka_private.h"
#include "reader_private.h"

enum { PARTITIONS_LIKE = 4, RECORDS_A_POLL = 1000, WAIT_MS = 100 };

typedef bool scan_fn(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size);

typedef struct scan {
	scan_fn *record;
	void *opaque;
	bool ended; /* the callback has enough */
} scan;

static kd_code on_record(void *opaque, const kd_record *record, kd_error *err)
{
	scan *s = opaque;
	if (!s->record(s->opaque, record->offset, record->timestamp_ms, record->key, record->key_size, record->value,
			record->value_size))
		s->ended = true;
	return s->ended ? kd_error_set(err, KD_ESTOPPED, KD_STOP, "the scan was ended") : KD_OK;
}

// timeout_ms: without a record; a long range takes its time.
static kd_code read_on(kd_reader *reader, int slot, scan *s, int timeout_ms, kd_error *err)
{
	int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	for (;;) {
		kd_reader_status status;
		kd_code code = kd_reader_poll(reader, slot, RECORDS_A_POLL, on_record, s, &status, err);
		if (code != KD_OK || status.complete)
			return code;
		if (status.delivered > 0)
			deadline_ms = kd_clock_mono_ms() + timeout_ms;
		else if (kd_clock_mono_ms() >= deadline_ms)
			return kd_error_set(err, KD_EBROKER, KD_RETRY, "no record came within %d ms, at offset %" PRId64,
				timeout_ms, status.next);
		code = kd_reader_wait(reader, WAIT_MS, err);
		if (code != KD_OK)
			return code;
	}
}

static kd_code scan_slot(kd_reader *reader, int slot, kd_range range, scan *s, int timeout_ms, kd_error *err)
{
	kd_code code = kd_reader_begin(reader, slot, range, err);
	if (code == KD_OK)
		code = read_on(reader, slot, s, timeout_ms, err);
	return code;
}

kd_code kd_kafka_scan(kd_kafka *kafka, const char *topic, int32_t partition, int64_t from, int64_t until,
	scan_fn *record, void *opaque, int timeout_ms, kd_error *err)
{
	if (from >= until)
		return KD_OK;
	kd_code code = KD_OK;
	if (!kafka->scanner)
		code = kd_reader_open_with(&kafka->properties, "kdirect-scan", &kafka->log, PARTITIONS_LIKE, &kafka->scanner,
			err);
	int slot = -1;
	if (code == KD_OK)
		code = kd_reader_add(kafka->scanner, topic, partition, from, &slot, err);
	if (code != KD_OK)
		return code;
	scan s = {record, opaque, false};
	kd_error own = {0};
	code = scan_slot(kafka->scanner, slot, (kd_range) {from, until}, &s, timeout_ms, &own);
	kd_reader_remove(kafka->scanner, slot);
	if (code == KD_OK || s.ended)
		return KD_OK;
	if (err && !err->code) {
		*err = own;
		kd_error_prefix(err, "could not scan \"%s/%d\"", topic, partition);
	}
	return code;
}
