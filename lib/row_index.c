// SPDX-License-Identifier: Apache-2.0
// row_index: finds a field by its name in a row of many.  Open addressing; entries are fields' numbers.
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "row_private.h"
#include "utf8.h"

static uint64_t hash(const kd_row_index *index, const char *name, size_t size)
{
	uint64_t h = index->seed ^ size;
	for (; size >= 8; name += 8, size -= 8) {
		h = (h ^ kd_load8(name)) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 29;
	}
	uint64_t rest = 0;
	memcpy(&rest, name, size);
	h = (h ^ rest) * UINT64_C(0xD6E8FEB86659FD93);
	return h ^ h >> 32;
}

void kd_row_index_forget(kd_row_index *index)
{
	index->n = 0;
}

void kd_row_index_done(kd_row_index *index)
{
	free(index->slots);
	*index = (kd_row_index) {0};
}

static void enter(kd_row *row, size_t i)
{
	kd_row_index *index = &row->index;
	const kd_field *field = &row->fields[i];
	size_t at = hash(index, field->name, field->name_size) & (index->capacity - 1);
	while (index->slots[at])
		at = (at + 1) & (index->capacity - 1);
	index->slots[at] = (uint32_t) i + 1;
	index->n++;
}

static bool make_room(kd_row *row)
{
	kd_row_index *index = &row->index;
	size_t capacity = index->capacity ? index->capacity : 256;
	while (capacity < 2 * (row->n + 1))
		capacity *= 2;
	if (capacity != index->capacity) {
		uint32_t *slots = malloc(capacity * sizeof *slots);
		if (!slots)
			return false;
		free(index->slots);
		index->slots = slots;
		index->capacity = capacity;
		index->n = 0;
	}
	if (!index->seed && getrandom(&index->seed, sizeof index->seed, GRND_NONBLOCK) < 0)
		index->seed = (uintptr_t) row;
	return true;
}

// Enters what is not in it yet.
static bool catch_up(kd_row *row)
{
	kd_row_index *index = &row->index;
	if (index->n == row->n && row->n)
		return true;
	if (row->n >= UINT32_MAX - 1 || !make_room(row))
		return false;
	if (index->n == 0)
		memset(index->slots, 0, index->capacity * sizeof *index->slots);
	for (size_t i = index->n; i < row->n; i++)
		enter(row, i);
	return true;
}

kd_field *kd_row_index_find(kd_row *row, const char *name, size_t size)
{
	if (!catch_up(row)) {
		kd_row_no_memory(row);
		return NULL;
	}
	const kd_row_index *index = &row->index;
	for (size_t at = hash(index, name, size) & (index->capacity - 1); index->slots[at];
		at = (at + 1) & (index->capacity - 1)) {
		kd_field *field = &row->fields[index->slots[at] - 1];
		if (field->name_size == size && memcmp(field->name, name, size) == 0)
			return field;
	}
	return NULL;
}
