// SPDX-License-Identifier: Apache-2.0
// pg_lines: see the header.
#include "pg_lines.h"

#include <stdlib.h>

bool pg_lines_add(pg_lines *lines, int64_t row, int64_t n)
{
	const struct pg_lines_run *last = lines->n ? &lines->run[lines->n - 1] : NULL;
	bool follows = last && last->row + (lines->lines + 1 - last->line) == row;
	if (!follows && lines->n == lines->capacity) {
		size_t capacity = lines->capacity ? lines->capacity * 2 : 16;
		struct pg_lines_run *run = realloc(lines->run, capacity * sizeof *run);
		if (!run)
			return false;
		lines->run = run;
		lines->capacity = capacity;
	}
	if (!follows)
		lines->run[lines->n++] = (struct pg_lines_run) {lines->lines + 1, row};
	lines->lines += n;
	return true;
}

bool pg_lines_append(pg_lines *lines, const pg_lines *more)
{
	for (size_t i = 0; i < more->n; i++) {
		int64_t end = i + 1 < more->n ? more->run[i + 1].line : more->lines + 1;
		if (!pg_lines_add(lines, more->run[i].row, end - more->run[i].line))
			return false;
	}
	return true;
}

int64_t pg_lines_row(const pg_lines *lines, int64_t line)
{
	if (line < 1 || line > lines->lines)
		return 0;
	size_t low = 0, high = lines->n;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (lines->run[middle].line <= line)
			low = middle;
		else
			high = middle;
	}
	return lines->run[low].row + (line - lines->run[low].line);
}

void pg_lines_clear(pg_lines *lines)
{
	lines->n = 0;
	lines->lines = 0;
}

void pg_lines_done(pg_lines *lines)
{
	free(lines->run);
	*lines = (pg_lines) {0};
}
