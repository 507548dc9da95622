/* SPDX-License-Identifier: Apache-2.0 */
/* row_arena: memory for the bytes of one row, given back all at once and kept for the next row.  What was taken does
 * not move, so that a value may be set from another one of the same row. */
#ifndef KD_ROW_ARENA_H
#define KD_ROW_ARENA_H

#include <stddef.h>

typedef struct kd_arena {
	struct kd_arena_block *first, *at; /* blocks in use up to `at`, free ones behind it */
} kd_arena;

/* Room for `size` bytes, of no alignment; NULL without memory. */
char *kd_arena_take(kd_arena *arena, size_t size);

/* A copy; NULL without memory. */
char *kd_arena_copy(kd_arena *arena, const void *bytes, size_t size);

/* All is free again.  A row that was far larger than others does not keep its memory. */
void kd_arena_reset(kd_arena *arena);
void kd_arena_done(kd_arena *arena);

#endif
