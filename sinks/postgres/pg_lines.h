/* SPDX-License-Identifier: Apache-2.0 */
/* pg_lines: which row since begin a line of a COPY is.  Rows of several tables come mixed, and each table has a COPY of
 * its own; PostgreSQL's errors name a line.  Runs of consecutive rows cost one entry. */
#ifndef PG_LINES_H
#define PG_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kdirect/error.h>

/* {0} is empty. */
typedef struct pg_lines {
	struct pg_lines_run {
		int64_t line, row; /* the run's first, both from 1 */
	} *run;
	size_t n, capacity;
	int64_t lines;
} pg_lines;

/* The next n lines are row and those that follow it.  False without memory. */
bool pg_lines_add(pg_lines *lines, int64_t row, int64_t n) KD_CHECK;
bool pg_lines_append(pg_lines *lines, const pg_lines *more) KD_CHECK;

/* 0: there is no such line. */
int64_t pg_lines_row(const pg_lines *lines, int64_t line);

void pg_lines_clear(pg_lines *lines); /* keeps its memory */
void pg_lines_done(pg_lines *lines);

#endif
