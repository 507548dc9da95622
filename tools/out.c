/* SPDX-License-Identifier: Apache-2.0 */
/* out: see out.h. */
#include "out.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "times.h"

struct cell {
	char *text;
	bool is_number;
};

struct out {
	FILE *to;
	enum out_format format;
	const char *const *columns;
	size_t n_columns;
	size_t column; /* of the next cell */
	size_t rows;
	bool table_only, failed;
	struct cell *cells; /* of a table, row by row */
	size_t n_cells, capacity;
};

enum out_format out_format_of(const struct args *args)
{
	return args->json ? OUT_JSON : args->csv ? OUT_CSV : OUT_TABLE;
}

struct out *out_open(FILE *to, enum out_format format, const char *const *columns, size_t n)
{
	struct out *out = calloc(1, sizeof *out);

	if (!out)
		return NULL;
	*out = (struct out){.to = to, .format = format, .columns = columns, .n_columns = n};
	for (size_t i = 0; format == OUT_CSV && i < n; i++)
		fprintf(to, "%s%s", i ? "," : "", columns[i]);
	if (format == OUT_CSV)
		fputs("\r\n", to);
	return out;
}

/* ---- one cell ---- */

void out_json_string(FILE *to, const char *text)
{
	putc('"', to);
	for (const char *at = text; *at; at++) {
		unsigned char c = (unsigned char) *at;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(to, "\\u%04x", c);
		else
			putc(c, to);
	}
	putc('"', to);
}

static void csv_text(FILE *to, const char *text)
{
	if (text[strcspn(text, ",\"\r\n")] == '\0') {
		fputs(text, to);
		return;
	}
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', to);
		putc(*text, to);
	}
	putc('"', to);
}

static void keep_cell(struct out *out, const char *text, bool is_number)
{
	if (out->n_cells == out->capacity) {
		size_t capacity = out->capacity ? 2 * out->capacity : 256;
		struct cell *cells = realloc(out->cells, capacity * sizeof *cells);

		if (!cells) {
			out->failed = true;
			return;
		}
		out->cells = cells;
		out->capacity = capacity;
	}
	out->cells[out->n_cells] = (struct cell){strdup(text), is_number};
	if (out->cells[out->n_cells].text)
		out->n_cells++;
	else
		out->failed = true;
}

/* text NULL: null. */
static void put_cell(struct out *out, const char *text, bool is_number)
{
	size_t column = out->column++;

	if (out->failed || (out->table_only && out->format != OUT_TABLE))
		return;
	switch (out->format) {
	case OUT_TABLE:
		keep_cell(out, text ? text : "-", is_number);
		break;
	case OUT_CSV:
		if (column)
			putc(',', out->to);
		csv_text(out->to, text ? text : "");
		break;
	case OUT_JSON:
		fprintf(out->to, "%s\"%s\": ", column ? ", " : out->rows ? ",\n {" : "[{", out->columns[column]);
		if (!text || is_number)
			fputs(text ? text : "null", out->to);
		else
			out_json_string(out->to, text);
		break;
	}
}

void out_text(struct out *out, const char *text)
{
	put_cell(out, text, false);
}

void out_number(struct out *out, int64_t number)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long) number);
	put_cell(out, text, true);
}

void out_null(struct out *out)
{
	put_cell(out, NULL, true);
}

void out_known(struct out *out, int64_t number)
{
	if (number < 0)
		out_null(out);
	else
		out_number(out, number);
}

void out_time(struct out *out, int64_t time_ms)
{
	char text[TIME_SIZE];

	put_cell(out, time_ms > 0 ? time_text(time_ms, text) : NULL, false);
}

void out_end_row(struct out *out)
{
	out->column = 0;
	if (out->table_only && out->format != OUT_TABLE)
		return;
	out->rows++;
	if (out->format == OUT_JSON)
		putc('}', out->to);
	else if (out->format == OUT_CSV)
		fputs("\r\n", out->to);
}

void out_table_only(struct out *out, bool on)
{
	out->table_only = on;
}

/* ---- the table ---- */

/* Columns of a terminal, for the UTF-8 of names. */
static int columns_of(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char) *text & 0xc0) != 0x80;
	return n;
}

static void pad(FILE *to, int n)
{
	while (n-- > 0)
		putc(' ', to);
}

static void print_cell(struct out *out, const char *text, bool right, int width, bool last)
{
	int missing = width - columns_of(text);

	if (right)
		pad(out->to, missing);
	fputs(text, out->to);
	if (last)
		putc('\n', out->to);
	else
		pad(out->to, (right ? 0 : missing) + 2);
}

/* A column is as wide as its widest cell, and right-aligned where its cells are numbers. */
static bool measure(const struct out *out, int *widths, bool *right)
{
	for (size_t i = 0; i < out->n_columns; i++) {
		widths[i] = columns_of(out->columns[i]);
		right[i] = false;
	}
	for (size_t i = 0; i < out->n_cells; i++) {
		int width = columns_of(out->cells[i].text);
		size_t column = i % out->n_columns;

		right[column] = right[column] || (out->cells[i].is_number && strcmp(out->cells[i].text, "-") != 0);
		if (width > widths[column])
			widths[column] = width;
	}
	return out->n_cells % out->n_columns == 0;
}

static void print_table(struct out *out)
{
	size_t n = out->n_columns;
	int *widths = calloc(n, sizeof *widths);
	bool *right = calloc(n, sizeof *right);

	if (!widths || !right || !measure(out, widths, right)) {
		out->failed = true;
	} else {
		for (size_t i = 0; i < n; i++) {
			char heading[64];

			snprintf(heading, sizeof heading, "%s", out->columns[i]);
			for (char *at = heading; *at; at++)
				*at = (char) toupper((unsigned char) *at);
			print_cell(out, heading, right[i], widths[i], i + 1 == n);
		}
		for (size_t i = 0; i < out->n_cells; i++)
			print_cell(out, out->cells[i].text, right[i % n], widths[i % n], i % n + 1 == n);
	}
	free(widths);
	free(right);
}

bool out_close(struct out *out)
{
	bool ok;

	if (!out)
		return false;
	if (out->format == OUT_JSON)
		fputs(out->rows ? "]\n" : "[]\n", out->to);
	if (out->format == OUT_TABLE && !out->failed)
		print_table(out);
	ok = !out->failed;
	for (size_t i = 0; i < out->n_cells; i++)
		free(out->cells[i].text);
	free(out->cells);
	free(out);
	return ok;
}
