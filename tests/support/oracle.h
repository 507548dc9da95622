/* SPDX-License-Identifier: Apache-2.0 */
/* What a topic holds, by a plain consumer that knows nothing of plans, ranges, ledgers, or any code of the project:
 * the other side of every "nothing missing, nothing twice". */
#ifndef KT_ORACLE_H
#define KT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kt_oracle_row {
	int32_t partition;
	int64_t offset;
	uint64_t checksum; /* of key and value */
} kt_oracle_row;

typedef struct kt_oracle {
	kt_oracle_row *rows; /* by partition, offset */
	size_t n;
} kt_oracle;

typedef struct kt_oracle_record {
	int32_t partition;
	int64_t offset, timestamp_ms;
	const void *key, *value; /* NULL: null */
	size_t key_size, value_size;
	const void *message; /* librdkafka's own: for its headers */
} kt_oracle_record;
typedef void kt_oracle_fn(void *opaque, const kt_oracle_record *record);

/* Reads every partition from its log start to its end, which with committed is the last stable offset (records of
 * aborted transactions are left out).  bootstrap NULL: the suite's cluster. */
kt_oracle kt_oracle_read(const char *bootstrap, const char *topic, bool committed);
void kt_oracle_done(kt_oracle *oracle);

/* The same, handing out each record; in order within a partition. */
void kt_oracle_each(const char *bootstrap, const char *topic, bool committed, kt_oracle_fn *fn, void *opaque);

/* What kt_oracle_row.checksum is made by; tells null from empty.  For rows that a sink stored. */
uint64_t kt_checksum(const void *key, size_t key_size, const void *value, size_t value_size);

#endif
