/* SPDX-License-Identifier: Apache-2.0 */
/* A reader under test: reads whole ranges and keeps the offsets that came, having checked that each lies within its
 * range and above the one before. */
#ifndef KT_READING_H
#define KT_READING_H

#include "kdirect/error.h"
#include "kdirect/types.h"
#include "reader.h"

typedef struct kt_reading {
	kd_reader *reader;
	int64_t *offsets; /* of the last range, in the order they came */
	size_t n, capacity;
	kd_range range;   /* the one being read; records outside are failures */
	kd_reader_status status; /* of the last poll */
	kd_reader_fn *also; /* called for each record; NULL: none */
	void *opaque;
} kt_reading;

/* bootstrap NULL: the suite's cluster.  The rest are librdkafka properties as name, value pairs, ended by NULL. */
kt_reading *kt_reading_open(const char *bootstrap, size_t n_partitions, ...) __attribute__((sentinel));
void kt_reading_close(kt_reading *reading);

/* The slot of a partition that starts at `position`. */
int kt_reading_add(kt_reading *reading, const char *topic, int partition, int64_t position);

/* Reads a range to its end; returns how many records came.  A failure goes to *err and returns -1; err NULL: it fails
 * the test. */
int64_t kt_reading_range(kt_reading *reading, int slot, int64_t from, int64_t until, kd_error *err);

/* Polls a begun range once: what kt_reading_range repeats. */
kd_code kt_reading_poll(kt_reading *reading, int slot, size_t max, kd_error *err);
void kt_reading_begin(kt_reading *reading, int slot, int64_t from, int64_t until);

#endif
