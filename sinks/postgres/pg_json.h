/* SPDX-License-Identifier: Apache-2.0 */
/* pg_json: reads a JSON document field by field, exactly as strict as json_populate_record.
 *
 * Every byte is visited, also of fields that nobody reads, because PostgreSQL judges the whole document: the grammar,
 * UTF-8, control characters, escapes (no \u0000, no lone surrogate).  Numbers stay as they are written.  Nothing is
 * allocated and nothing recurses.  The document is read once, in place, and the key that is most likely next is
 * compared instead of read. */
#ifndef PG_JSON_H
#define PG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PG_JSON_MAX_DEPTH 65536 /* far more than any server's stack bears */
#define PG_JSON_DEEP_LEVELS 200 /* from here on the server is asked what its stack bears */

enum pg_json_kind {
	PG_JSON_NULL,
	PG_JSON_TRUE,
	PG_JSON_FALSE,
	PG_JSON_NUMBER,
	PG_JSON_STRING,
	PG_JSON_OBJECT,
	PG_JSON_ARRAY
};

enum pg_json_flag {
	PG_JSON_ESCAPED = 1,   /* a backslash in a string */
	PG_JSON_NON_ASCII = 2, /* a character above U+007F, plain or escaped */
	PG_JSON_WIDE = 4,      /* a number so long, or with so large an exponent, that numeric may not hold it */
	PG_JSON_DEEP = 8
};

struct pg_json_value {
	const char *text; /* a string's bytes between its quotes, still escaped; of all others the token as written */
	size_t size;
	uint8_t kind;  /* enum pg_json_kind */
	uint8_t flags; /* of the value and all within it */
};

struct pg_json_key {
	const char *text; /* between the quotes, still escaped */
	size_t size;
	bool escaped;
	bool guessed; /* it is the guess */
};

struct pg_json {
	const char *at, *end;
	bool begun;
	uint8_t flags; /* of all that was read so far, keys too */
	uint64_t is_object[PG_JSON_MAX_DEPTH / 64]; /* of the containers open within the value being read */
};

enum pg_json_step { PG_JSON_FIELD, PG_JSON_END, PG_JSON_MALFORMED };

/* Begins to read a document, whose top level must be an object.  text stays the caller's; values point into it. */
void pg_json_open(struct pg_json *json, const char *text, size_t size);

/* The key of the next field of the top level; its value must be read next.  guess: the key that is likely next, as it
 * is written without escapes.  END only where the document as a whole is good and nothing but space follows. */
enum pg_json_step pg_json_next(struct pg_json *json, const char *guess, size_t guess_size, struct pg_json_key *ret_key);

/* The value of that field.  False: malformed. */
bool pg_json_value(struct pg_json *json, struct pg_json_value *ret_value);

/* Is this one whole JSON value of any kind? */
bool pg_json_whole(struct pg_json *json, const char *text, size_t size, struct pg_json_value *ret_value);

/* Writes what a string read by this module means; returns the end.  Never longer than the string as written. */
char *pg_json_unescape(const char *text, size_t size, char *to);

/* The same in JSON again, without quotes, spelled as PostgreSQL's escape_json does; never longer either. */
char *pg_json_respell(const char *text, size_t size, char *to);

/* Appends plain UTF-8 text in that spelling; room: up to six times size. */
char *pg_json_spell(const char *text, size_t size, char *to);

#endif
