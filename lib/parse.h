/* SPDX-License-Identifier: Apache-2.0 */
/* parse: small texts into values, without locale and without surprises: no leading blanks, no trailing garbage, no
 * silent overflow.  Pure. */
#ifndef KD_PARSE_H
#define KD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits, with a minus in front where negative; false on anything else, or where it does not fit. */
bool kd_parse_int(const char *text, int64_t *ret_value);

/* How many single-character insertions, deletions, replacements and swaps of neighbours make a from b; limit + 1
 * where it is more than limit, or where a or b is longer than 127 bytes. */
size_t kd_parse_distance(const char *a, const char *b, size_t limit);

/* How far a name may be from the one that was meant to be taken for a slip of the pen. */
size_t kd_parse_slip(const char *name);

#endif
