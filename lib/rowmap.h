/* SPDX-License-Identifier: Apache-2.0 */
/* rowmap: which Kafka offset a row of a batch partition came from, in a few bytes: runs of one row per consecutive
 * offset, which is nearly every log, cost nothing. */
#ifndef KD_ROWMAP_H
#define KD_ROWMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kd_rowmap {
	struct kd_rowmap_run {
		int64_t row;    /* first row of the run, from 1 */
		int64_t offset; /* its record; row + k came from offset + k */
		bool same;      /* all rows of the run came from this one record */
	} *runs;
	size_t n, capacity;
	int64_t rows;
} kd_rowmap;

/* The record at `offset` became `rows` rows, behind those added before.  False without memory. */
bool kd_rowmap_add(kd_rowmap *map, int64_t offset, uint32_t rows);

/* The offset that row (from 1) came from; -1 where there is no such row. */
int64_t kd_rowmap_offset(const kd_rowmap *map, int64_t row);

void kd_rowmap_done(kd_rowmap *map);

#endif
