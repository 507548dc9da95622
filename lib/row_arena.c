// SPDX-License-Identifier: Apache-2.0
// row_arena: see the header.
#include "row_arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (16 * 1024)
#define KEPT_BYTES (1024 * 1024)

struct kd_arena_block {
	struct kd_arena_block *next;
	size_t used, capacity;
	char bytes[];
};

static struct kd_arena_block *add_block(kd_arena *arena, size_t size)
{
	size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
	if (capacity > SIZE_MAX - sizeof(struct kd_arena_block))
		return NULL;
	struct kd_arena_block *block = malloc(sizeof *block + capacity);
	if (!block)
		return NULL;
	block->used = 0;
	block->capacity = capacity;
	struct kd_arena_block **place = arena->at ? &arena->at->next : &arena->first;
	block->next = *place;
	*place = block;
	return block;
}

char *kd_arena_take(kd_arena *arena, size_t size)
{
	struct kd_arena_block *block = arena->at;
	while (!block || block->capacity - block->used < size) {
		struct kd_arena_block *next = block ? block->next : arena->first;
		if (!next || next->capacity < size)
			next = add_block(arena, size);
		if (!next)
			return NULL;
		arena->at = block = next;
	}
	char *bytes = block->bytes + block->used;
	block->used += size;
	return bytes;
}

char *kd_arena_copy(kd_arena *arena, const void *bytes, size_t size)
{
	char *copy = kd_arena_take(arena, size);
	if (copy && size)
		memcpy(copy, bytes, size);
	return copy;
}

void kd_arena_done(kd_arena *arena)
{
	while (arena->first) {
		struct kd_arena_block *block = arena->first;
		arena->first = block->next;
		free(block);
	}
	arena->at = NULL;
}

void kd_arena_reset(kd_arena *arena)
{
	size_t kept = 0;
	if (!arena->at)
		return;
	for (struct kd_arena_block *block = arena->first; block; block = block->next) {
		block->used = 0;
		kept += block->capacity;
	}
	arena->at = NULL;
	if (kept > KEPT_BYTES)
		kd_arena_done(arena);
}
