// SPDX-License-Identifier: Apache-2.0
// decode_csv: one record is one line of comma-separated values (RFC 4180): fields in quotes may hold delimiters, quotes
// written twice, and line breaks.  All fields are text, or null; the sink's column says what they mean.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kdirect/transform.h"
#include "row_private.h"

struct column {
	const char *name;
	size_t size;
	kd_spelling spelling;
};

struct csv {
	struct column *columns;
	size_t n_columns;
	const char *null;
	size_t null_size;
	char delimiter;
};

// What is read of one field.
struct cell {
	const char *text;
	size_t size;
	bool quoted, doubled; // quotes within it are still written twice
};

static const kd_option options[] = {
	{.key = "decode.columns", .type = KD_OPT_STRINGS, .required = true,
		.help = "The names of the fields, in the order of the line."},
	{.key = "decode.delimiter", .type = KD_OPT_STRING, .default_value = ",",
		.help = "What stands between two fields: one ASCII character."},
	{.key = "decode.null", .type = KD_OPT_STRING, .default_value = "",
		.help = "What an unquoted field says that is null; by default an empty one. A field in quotes is never null."},
};

// ---- the state ----

static void csv_close(void *state)
{
	struct csv *csv = state;
	if (csv)
		free(csv->columns);
	free(csv);
}

static kd_code read_columns(struct csv *csv, const kd_config *config, kd_error *err)
{
	csv->n_columns = kd_config_strings_count(config, "decode.columns");
	csv->columns = calloc(csv->n_columns ? csv->n_columns : 1, sizeof *csv->columns);
	if (!csv->columns)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for decode.columns");
	for (size_t i = 0; i < csv->n_columns; i++) {
		const char *name = kd_config_strings_at(config, "decode.columns", i);
		csv->columns[i] = (struct column) {name, strlen(name), kd_spelling_of(name, strlen(name))};
		for (size_t k = 0; k < i; k++)
			if (strcmp(name, csv->columns[k].name) == 0)
				return kd_error_set(err, KD_ECONFIG, KD_STOP, "decode.columns names \"%s\" twice", name);
		if (csv->columns[i].spelling == KD_SPELLING_NONE)
			return kd_error_set(err, KD_ECONFIG, KD_STOP, "decode.columns: name %zu is not UTF-8", i + 1);
	}
	return csv->n_columns ? KD_OK : kd_error_set(err, KD_ECONFIG, KD_STOP, "decode.columns names no column");
}

static kd_code read_delimiter(struct csv *csv, const kd_config *config, kd_error *err)
{
	const char *delimiter = kd_config_string(config, "decode.delimiter");
	csv->delimiter = *delimiter;
	bool usable = strlen(delimiter) == 1 && (unsigned char) *delimiter < 0x80 && !strchr("\"\r\n", *delimiter);
	return usable ? KD_OK : kd_error_set(err, KD_ECONFIG, KD_STOP,
		"decode.delimiter must be one ASCII character, and neither a quote nor a line break");
}

static kd_code csv_open(const kd_part_context *context, void **ret_state, kd_error *err)
{
	struct csv *csv = calloc(1, sizeof *csv);
	if (!csv)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a decoder");
	csv->null = kd_config_string(context->config, "decode.null");
	csv->null_size = strlen(csv->null);
	kd_code code = read_columns(csv, context->config, err);
	if (code == KD_OK)
		code = read_delimiter(csv, context->config, err);
	if (code == KD_OK)
		*ret_state = csv;
	else
		csv_close(csv);
	return code;
}

// ---- a line ----

// p: behind the opening quote; gives back what is behind the closing one, NULL where there is none.
static const char *read_quoted(const char *p, const char *end, struct cell *cell)
{
	cell->text = p;
	for (;;) {
		const char *quote = memchr(p, '"', (size_t) (end - p));
		if (!quote)
			return NULL;
		if (quote + 1 == end || quote[1] != '"') {
			cell->size = (size_t) (quote - cell->text);
			return quote + 1;
		}
		cell->doubled = true;
		p = quote + 2;
	}
}

static const char *read_plain(const char *p, const char *end, char delimiter, struct cell *cell)
{
	cell->text = p;
	while (p < end && *p != delimiter && *p != '"' && *p != '\n' && *p != '\r')
		p++;
	cell->size = (size_t) (p - cell->text);
	return p;
}

// Makes one quote of two.  False without memory.
static bool single_quotes(kd_row *row, struct cell *cell)
{
	char *text = kd_arena_take(&row->arena, cell->size), *to = text;
	if (!text)
		return false;
	for (size_t i = 0; i < cell->size; i++) {
		*to++ = cell->text[i];
		i += cell->text[i] == '"';
	}
	cell->text = text;
	cell->size = (size_t) (to - text);
	return true;
}

// False without memory.
static bool put_cell(const struct csv *csv, kd_row *row, const struct column *column, struct cell *cell)
{
	kd_field *field = kd_row_append(row, column->name, column->size);
	if (!field || (cell->doubled && !single_quotes(row, cell)))
		return false;
	if (column->spelling == KD_SPELLING_ESCAPED)
		field->is = KD_FIELD_SPELL_NAME;
	if (!cell->quoted && cell->size == csv->null_size && memcmp(cell->text, csv->null, cell->size) == 0)
		kd_field_put(field, KD_JSON_NULL, "null", 4, 0);
	else
		kd_field_put_text(field, cell->text, cell->size);
	return true;
}

static kd_code refuse(kd_error *err, const char *value, const char *at, const char *what)
{
	return kd_error_set(err, KD_ERECORD, KD_STOP, "the value is not a line of CSV: %s at byte %zu", what,
		(size_t) (at - value));
}

// One field.  *p: where it begins, then behind it.
static kd_code read_cell(const struct csv *csv, const char *value, const char **p, const char *end, struct cell *cell,
	kd_error *err)
{
	const char *begin = *p;
	*cell = (struct cell) {.quoted = begin < end && *begin == '"'};
	*p = cell->quoted ? read_quoted(begin + 1, end, cell) : read_plain(begin, end, csv->delimiter, cell);
	if (!*p)
		return refuse(err, value, begin, "a quote that is never closed");
	if (*p == end || **p == csv->delimiter)
		return KD_OK;
	if (cell->quoted)
		return refuse(err, value, *p, "something behind a closing quote");
	return refuse(err, value, *p, **p == '"' ? "a quote within a field that has none around it"
		: "a line break outside of quotes");
}

static kd_code read_line(const struct csv *csv, const char *value, const char *end, kd_row *row, kd_error *err)
{
	const char *p = value;
	size_t n = 0;
	for (bool more = true; more; n++) {
		struct cell cell;
		kd_code code = read_cell(csv, value, &p, end, &cell, err);
		if (code != KD_OK)
			return code;
		if (n < csv->n_columns && !put_cell(csv, row, &csv->columns[n], &cell))
			return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for a row");
		more = p < end;
		p += more;
	}
	if (n != csv->n_columns)
		return kd_error_set(err, KD_ERECORD, KD_STOP, "the line has %zu fields, and decode.columns names %zu", n,
			csv->n_columns);
	return KD_OK;
}

static kd_code csv_decode(void *state, const kd_batch_partition *batch, const kd_record *record, kd_row *row,
	kd_error *err)
{
	(void) batch;
	const char *value = record->value, *end = value + record->value_size;
	size_t at;
	if (!kd_utf8_is_text(value, record->value_size, &at))
		return refuse(err, value, value + at, value[at] ? "something that is not UTF-8" : "a NUL");
	if (end > value && end[-1] == '\n')
		end--;
	if (end > value && end[-1] == '\r')
		end--;
	row->changed = true;
	return read_line(state, value, end, row, err);
}

const kd_decoder_ops kd_csv_decoder = {
	.abi = KD_DECODER_ABI,
	.name = "csv",
	.summary = "a line of comma-separated values, its fields named by decode.columns",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.open = csv_open,
	.close = csv_close,
	.decode = csv_decode,
};
