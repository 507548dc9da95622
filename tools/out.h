/* SPDX-License-Identifier: Apache-2.0 */
/* out: rows on stdout, as a table for people, as one JSON array of flat objects, or as CSV (RFC 4180).
 *
 * Order of calls: out_open; for each row one call a column, in the order of the columns, then out_end_row; out_close.
 * JSON and CSV are written as they come; a table is kept until out_close, which knows how wide its columns are. */
#ifndef TOOLS_OUT_H
#define TOOLS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "args.h"

enum out_format { OUT_TABLE, OUT_JSON, OUT_CSV };

struct out;

enum out_format out_format_of(const struct args *args);

/* columns: names as programs read them ("last_stable"); a table shows them in capitals.  They must outlive the
 * rows.  NULL without memory. */
struct out *out_open(FILE *to, enum out_format format, const char *const *columns, size_t n);

void out_text(struct out *out, const char *text); /* NULL: as out_null */
void out_number(struct out *out, int64_t number);
void out_null(struct out *out); /* null in JSON, nothing in CSV, - in a table */
void out_known(struct out *out, int64_t number); /* null where below 0 */
void out_time(struct out *out, int64_t time_ms); /* RFC 3339; null where 0 or below */
void out_end_row(struct out *out);

/* The rows from here to the next call with false are for people: sums under a table. */
void out_table_only(struct out *out, bool on);

/* False where memory ran out on the way: the output is not whole.  Accepts NULL. */
bool out_close(struct out *out);

/* A JSON string with its quotes. */
void out_json_string(FILE *to, const char *text);

#endif
