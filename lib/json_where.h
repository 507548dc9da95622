/* SPDX-License-Identifier: Apache-2.0 */
/* json_where: where things stand in a JSON text.  jansson forgets the positions of what it has parsed, and
 * diagnostics need them.  The scanner walks text that jansson has already accepted; on any other text it ends early
 * but never reads outside of it.  It recurses nowhere: depth costs nothing. */
#ifndef KD_JSON_WHERE_H
#define KD_JSON_WHERE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A member of an object, or an element of an array (key_size 0); byte offsets into the text. */
typedef struct kd_json_member {
	size_t key, key_size;     /* with its quotes */
	size_t value, value_size;
} kd_json_member;

/* Walks the members of one object or array: *state starts as the offset of its opening bracket (or of white space
 * before it).  False past the last one. */
bool kd_json_next(const char *text, size_t size, size_t *state, kd_json_member *ret_member);

/* The offset of the first byte at or after `at` that is not white space. */
size_t kd_json_skip_space(const char *text, size_t size, size_t at);

/* A place in the text: a byte offset, and its line and column from 1; columns count characters of UTF-8. */
typedef struct kd_json_place {
	size_t at;
	int line, column;
} kd_json_place;

#define KD_JSON_START {0, 1, 1}

/* As json_loadb, but never another document than the text.  NULL with *ret_no_memory: there was no memory, whatever
 * ret_err (may be NULL) says. */
json_t *kd_json_load(const char *text, size_t size, size_t flags, json_error_t *ret_err, bool *ret_no_memory);

/* Moves a place forward to the offset `at`: many places in order cost one pass. */
void kd_json_advance(const char *text, size_t size, kd_json_place *place, size_t at);

#endif
