/* SPDX-License-Identifier: Apache-2.0 */
/* pg_encode_names: from a JSON key to a column, fast because records of a topic tend to have the same keys in the same
 * order: the key of the record before at the same place is the guess for this one. */
#ifndef PG_ENCODE_NAMES_H
#define PG_ENCODE_NAMES_H

#include "kdirect/json.h"
#include "pg_columns.h"

#define PG_NO_COLUMN UINT16_MAX
#define PG_MAX_UNKNOWN 100 /* so many unknown names are remembered */

struct pg_name {
	const char *text; /* NULL: an empty place */
	size_t size;
	uint16_t column; /* PG_NO_COLUMN: an unknown field */
};

struct pg_names {
	struct pg_name *table; /* open addressing */
	size_t mask;
	struct pg_name *guess; /* by place in the document */
	size_t n_guesses, max_guesses;
	char *unknown[PG_MAX_UNKNOWN]; /* owned */
	size_t n_unknown;
};

/* Knows the columns of source PG_FROM_FIELD and generated ones; columns must outlive it.  False without memory. */
bool pg_names_init(struct pg_names *names, const struct pg_columns *columns);
void pg_names_done(struct pg_names *names);

/* What is expected at the i-th place of a document.  Its size is SIZE_MAX where nothing is. */
static inline const struct pg_name *pg_names_guess(const struct pg_names *names, size_t i)
{
	static const struct pg_name none = {"", SIZE_MAX, PG_NO_COLUMN};
	return i < names->n_guesses ? &names->guess[i] : &none;
}

/* Finds a key that was not the guess for the i-th place; its column, or PG_NO_COLUMN.  *ret_new: an unknown name that
 * was not seen before and is remembered from now on. */
uint16_t pg_names_find(struct pg_names *names, size_t i, const kd_json_key *key, bool *ret_new);

#endif
