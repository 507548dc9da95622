/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/json.h: reads a JSON document field by field, exactly as strict as PostgreSQL's json_populate_record.
 *
 * For sinks and decoders that read records themselves; a transform finds the same values in row.h.
 *
 * Every byte is visited, also of fields that nobody reads, because PostgreSQL judges the whole document: the grammar
 * (RFC 8259), UTF-8 (RFC 3629), control characters, escapes (no \u0000, no lone surrogate).  Numbers stay as they are
 * written.  Nothing is allocated, nothing recurses and nothing is shared: one kd_json is used by one thread at a time.
 * The document is read once, in place, and the key that is most likely next is compared instead of read.
 *
 *     kd_json_open(json, text, size);
 *     while ((step = kd_json_read_key(json, NULL, KD_JSON_NO_GUESS, &key)) == KD_JSON_FIELD)
 *             if (!kd_json_read_value(json, &value))
 *                     break; // malformed
 *     // the document is good only where the last step was KD_JSON_END: values read before may be of a bad one */
#ifndef KDIRECT_JSON_H
#define KDIRECT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define KD_JSON_MAX_DEPTH 65536 /* far more than any server's stack bears */
#define KD_JSON_DEEP_LEVELS 200 /* from here on a value is KD_JSON_DEEP: ask the server what its stack bears */
#define KD_JSON_NO_GUESS SIZE_MAX

typedef enum kd_json_kind {
	KD_JSON_NULL,
	KD_JSON_TRUE,
	KD_JSON_FALSE,
	KD_JSON_NUMBER,
	KD_JSON_STRING,
	KD_JSON_OBJECT,
	KD_JSON_ARRAY
} kd_json_kind;

typedef enum kd_json_flag {
	KD_JSON_ESCAPED = 1,   /* a backslash in a string */
	KD_JSON_NON_ASCII = 2, /* a character above U+007F, plain or escaped */
	KD_JSON_WIDE = 4,      /* a number so long, or with so large an exponent, that numeric may not hold it */
	KD_JSON_DEEP = 8
} kd_json_flag;

typedef struct kd_json_value {
	const char *text; /* a string's bytes between its quotes, still escaped; of all others the token as written */
	size_t size;
	uint8_t kind;  /* kd_json_kind */
	uint8_t flags; /* kd_json_flag, of the value and all within it */
} kd_json_value;

typedef struct kd_json_key {
	const char *text; /* between the quotes, still escaped */
	size_t size;
	bool escaped;
	bool guessed; /* it is the guess */
} kd_json_key;

/* Where the reading is.  Some kilobytes: keep one, do not make one a record. */
typedef struct kd_json {
	const char *at, *end;
	bool begun;
	uint8_t flags; /* of all that was read so far, keys too */
	uint64_t is_object[KD_JSON_MAX_DEPTH / 64]; /* of the containers open within the value being read */
} kd_json;

typedef enum kd_json_step { KD_JSON_FIELD, KD_JSON_END, KD_JSON_MALFORMED } kd_json_step;

/* Begins to read a document, whose top level must be an object.  text stays the caller's; keys and values point into
 * it. */
KD_API void kd_json_open(kd_json *json, const char *text, size_t size);

/* The key of the next field of the top level; its value must be read next.  guess: the key that is likely next, as it
 * is written without escapes, or KD_JSON_NO_GUESS for its size.  END only where the document as a whole is good and
 * nothing but space follows. */
KD_API kd_json_step kd_json_read_key(kd_json *json, const char *guess, size_t guess_size, kd_json_key *ret_key);

/* The value of that field.  False: malformed. */
KD_API bool kd_json_read_value(kd_json *json, kd_json_value *ret_value) KD_CHECK;

/* Is this one whole JSON value of any kind? */
KD_API bool kd_json_whole(kd_json *json, const char *text, size_t size, kd_json_value *ret_value);

/* The top-level fields of a document that was read before, so that nobody need read it again: in order, each name once
 * with its last value. */
typedef struct kd_json_field {
	kd_json_value value;
	const char *name; /* as it means */
	size_t name_size;
	const char *plain; /* from here on the library's own */
	size_t plain_size;
	uint8_t is;
} kd_json_field;
typedef struct kd_json_fields {
	const kd_json_field *items;
	size_t n;
	uint8_t flags; /* KD_JSON_WIDE and KD_JSON_DEEP, where any of them is */
} kd_json_fields;

/* Writes what a string read by this module means; returns the end.  Never longer than the string as written. */
KD_API char *kd_json_unescape(const char *text, size_t size, char *to);

/* The same in JSON again, without quotes, spelled as PostgreSQL's escape_json does; never longer either. */
KD_API char *kd_json_respell(const char *text, size_t size, char *to);

/* Appends plain UTF-8 text in that spelling; room: up to six times size. */
KD_API char *kd_json_spell(const char *text, size_t size, char *to);

/* Can these bytes be a text value: valid UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) and no NUL?
 * ret_at (may be NULL): where not, the first bad byte. */
KD_API bool kd_utf8_is_text(const void *bytes, size_t size, size_t *ret_at);

#ifdef __cplusplus
}
#endif
#endif
