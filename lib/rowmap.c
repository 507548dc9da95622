// SPDX-License-Identifier: Apache-2.0
// rowmap: which Kafka offset a row came from; see rowmap.h.
#include "rowmap.h"

#include <stdlib.h>

static bool start_run(kd_rowmap *map, int64_t offset, bool same)
{
	if (map->n == map->capacity) {
		size_t capacity = map->capacity ? map->capacity * 2 : 8;
		struct kd_rowmap_run *runs = realloc(map->runs, capacity * sizeof *runs);
		if (!runs)
			return false;
		map->runs = runs;
		map->capacity = capacity;
	}
	map->runs[map->n++] = (struct kd_rowmap_run) {.row = map->rows + 1, .offset = offset, .same = same};
	return true;
}

bool kd_rowmap_add(kd_rowmap *map, int64_t offset, uint32_t rows)
{
	if (rows == 0)
		return true;
	const struct kd_rowmap_run *last = map->n ? &map->runs[map->n - 1] : NULL;
	bool follows = last && !last->same && rows == 1 && last->offset + (map->rows + 1 - last->row) == offset;
	if (!follows && !start_run(map, offset, rows > 1))
		return false;
	map->rows += rows;
	return true;
}

int64_t kd_rowmap_offset(const kd_rowmap *map, int64_t row)
{
	if (row < 1 || row > map->rows)
		return -1;
	size_t low = 0, high = map->n;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (map->runs[middle].row <= row)
			low = middle;
		else
			high = middle;
	}
	const struct kd_rowmap_run *run = &map->runs[low];
	return run->same ? run->offset : run->offset + (row - run->row);
}

void kd_rowmap_done(kd_rowmap *map)
{
	free(map->runs);
	*map = (kd_rowmap) {0};
}
