// SPDX-License-Identifier: Apache-2.0
// pg_encode_names: see the header.
#include "pg_encode_names.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ESCAPED (6 * 63) // a column's name has at most 63 bytes, each at most \u0041
#define MAX_UNKNOWN 256      // longer names are not remembered

static uint64_t hash(const char *text, size_t size)
{
	uint64_t value = UINT64_C(14695981039346656037); // FNV-1a
	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char) text[i]) * UINT64_C(1099511628211);
	return value ^ value >> 32;
}

// Where the name is, or the empty place where it would be: the table is never full.
static struct pg_name *place(const struct pg_names *names, const char *text, size_t size)
{
	size_t i = hash(text, size) & names->mask;
	while (names->table[i].text && (names->table[i].size != size || memcmp(names->table[i].text, text, size) != 0))
		i = (i + 1) & names->mask;
	return &names->table[i];
}

bool pg_names_init(struct pg_names *names, const struct pg_columns *columns)
{
	size_t size = 64;
	while (size < 2 * (columns->n + PG_MAX_UNKNOWN))
		size *= 2;
	*names = (struct pg_names) {.mask = size - 1, .max_guesses = columns->n + PG_MAX_UNKNOWN};
	names->table = calloc(size, sizeof *names->table);
	names->guess = calloc(names->max_guesses, sizeof *names->guess);
	if (!names->table || !names->guess)
		return false;
	for (size_t i = 0; i < columns->n; i++) {
		const struct pg_column *column = &columns->column[i];
		if (column->source == PG_FROM_FIELD || column->generated)
			*place(names, column->name, strlen(column->name)) =
				(struct pg_name) {column->name, strlen(column->name), (uint16_t) i};
	}
	return true;
}

void pg_names_done(struct pg_names *names)
{
	for (size_t i = 0; i < names->n_unknown; i++)
		free(names->unknown[i]);
	free(names->table);
	free(names->guess);
	*names = (struct pg_names) {0};
}

// Without memory the name is merely not remembered.
static bool remember(struct pg_names *names, struct pg_name *to, const char *text, size_t size)
{
	if (names->n_unknown == PG_MAX_UNKNOWN || size > MAX_UNKNOWN)
		return false;
	char *copy = malloc(size + 1);
	if (!copy)
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	names->unknown[names->n_unknown++] = copy;
	*to = (struct pg_name) {copy, size, PG_NO_COLUMN};
	return true;
}

uint16_t pg_names_find(struct pg_names *names, size_t i, const kd_json_key *key, bool *ret_new)
{
	char plain[MAX_ESCAPED];
	const char *text = key->text;
	size_t size = key->size;
	*ret_new = false;
	if (key->escaped) {
		if (size > sizeof plain)
			return PG_NO_COLUMN;
		size = (size_t) (kd_json_unescape(text, size, plain) - plain);
		text = plain;
	}
	struct pg_name *name = place(names, text, size);
	if (!name->text) {
		*ret_new = remember(names, name, text, size);
		if (!*ret_new)
			return PG_NO_COLUMN;
	}
	if (i < names->max_guesses && i <= names->n_guesses && !key->escaped) {
		names->guess[i] = *name;
		names->n_guesses += i == names->n_guesses;
	}
	return name->column;
}
