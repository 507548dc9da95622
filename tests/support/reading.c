/* SPDX-License-Identifier: Apache-2.0 */
/* A reader under test: see reading.h. */
#include "reading.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"
#include "reader_private.h"
#include "wait.h"

enum { DEADLINE_MS = 60000 };

kt_reading *kt_reading_open(const char *bootstrap, size_t n_partitions, ...)
{
	kt_reading *reading = calloc(1, sizeof *reading);
	kd_properties properties = {0};
	kd_error err = {0};
	kt_check(reading, "no memory");
	kd_properties_set(&properties, "bootstrap.servers", bootstrap ? bootstrap : kt_env("KD_TEST_KAFKA"));
	va_list args;
	va_start(args, n_partitions);
	for (const char *name = va_arg(args, const char *); name; name = va_arg(args, const char *))
		kd_properties_set(&properties, name, va_arg(args, const char *));
	va_end(args);
	if (kd_reader_open_with(&properties, "kt-reading", NULL, n_partitions, &reading->reader, &err) != KD_OK)
		kt_fail("could not open a reader: %s", err.message);
	kd_properties_done(&properties);
	return reading;
}

void kt_reading_close(kt_reading *reading)
{
	if (!reading)
		return;
	kd_reader_close(reading->reader);
	free(reading->offsets);
	free(reading);
}

int kt_reading_add(kt_reading *reading, const char *topic, int partition, int64_t position)
{
	kd_error err = {0};
	int slot = -1;
	if (kd_reader_add(reading->reader, topic, partition, position, &slot, &err) != KD_OK)
		kt_fail("could not add %s/%d: %s", topic, partition, err.message);
	return slot;
}

static void keep(kt_reading *reading, int64_t offset)
{
	kt_check(offset >= reading->range.from && offset < reading->range.until,
		"offset %" PRId64 " is outside [%" PRId64 ", %" PRId64 ")", offset, reading->range.from, reading->range.until);
	kt_check(reading->n == 0 || offset > reading->offsets[reading->n - 1], "offset %" PRId64 " is not above the last",
		offset);
	if (reading->n == reading->capacity) {
		reading->capacity = reading->capacity ? reading->capacity * 2 : 1024;
		reading->offsets = realloc(reading->offsets, reading->capacity * sizeof *reading->offsets);
		kt_check(reading->offsets, "no memory");
	}
	reading->offsets[reading->n++] = offset;
}

static kd_code on_record(void *opaque, const kd_record *record, kd_error *err)
{
	kt_reading *reading = opaque;
	keep(reading, record->offset);
	return reading->also ? reading->also(reading->opaque, record, err) : KD_OK;
}

void kt_reading_begin(kt_reading *reading, int slot, int64_t from, int64_t until)
{
	kd_error err = {0};
	reading->n = 0;
	reading->range = (kd_range) {from, until};
	if (kd_reader_begin(reading->reader, slot, reading->range, &err) != KD_OK)
		kt_fail("could not begin a range: %s", err.message);
}

kd_code kt_reading_poll(kt_reading *reading, int slot, size_t max, kd_error *err)
{
	return kd_reader_poll(reading->reader, slot, max, on_record, reading, &reading->status, err);
}

static kd_code read_on(kt_reading *reading, int slot, kd_error *err)
{
	const int64_t deadline_ms = kt_now_ms() + DEADLINE_MS;
	for (;;) {
		kd_code code = kt_reading_poll(reading, slot, 1000, err);
		if (code == KD_OK && !reading->status.complete)
			code = kd_reader_wait(reading->reader, 100, err);
		if (code != KD_OK || reading->status.complete)
			return code;
		kt_check(kt_now_ms() < deadline_ms, "[%" PRId64 ", %" PRId64 ") did not end: %zu records, next %" PRId64,
			reading->range.from, reading->range.until, reading->n, reading->status.next);
	}
}

int64_t kt_reading_range(kt_reading *reading, int slot, int64_t from, int64_t until, kd_error *err)
{
	kd_error own = {0};
	kt_reading_begin(reading, slot, from, until);
	if (read_on(reading, slot, err ? err : &own) == KD_OK)
		return (int64_t) reading->n;
	if (!err)
		kt_fail("could not read [%" PRId64 ", %" PRId64 "): %s", from, until, own.message);
	return -1;
}
