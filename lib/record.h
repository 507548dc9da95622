/* SPDX-License-Identifier: Apache-2.0 */
/* record: where a record's headers are, and records copied to be read later.
 *
 * A record is borrowed from librdkafka's message for one call.  Where rows are made inside of the data transaction (a
 * transform that looks up), the reader thread packs records into a buffer instead, and the lander thread unpacks them,
 * as often as the transaction is repeated. */
#ifndef KD_RECORD_H
#define KD_RECORD_H

#include "kdirect/types.h"

/* What kd_record.native points to. */
typedef struct kd_record_native {
	const void *message; /* an rd_kafka_message_t; NULL: a packed record */
	const char *headers; /* a packed record's */
} kd_record_native;

/* Appends a copy of the record with its headers.  False without memory. */
bool kd_record_pack(const kd_record *record, kd_buf *out) KD_CHECK;

/* Unpacked records.  {0} is empty. */
typedef struct kd_records {
	kd_record *items;
	kd_record_native *natives;
	size_t n, capacity;
} kd_records;

/* All records of a buffer, which they point into.  False without memory. */
bool kd_records_unpack(kd_records *records, const kd_buf *packed) KD_CHECK;
void kd_records_done(kd_records *records);

/* The i-th header of a packed record. */
bool kd_packed_header(const char *headers, size_t i, kd_header *ret_header);

#endif
