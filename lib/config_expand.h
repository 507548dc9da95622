/* SPDX-License-Identifier: Apache-2.0 */
/* config_expand: ${env:NAME} and ${file:PATH} inside strings. */
#ifndef KD_CONFIG_EXPAND_H
#define KD_CONFIG_EXPAND_H

#include <stdbool.h>

#include "kdirect/types.h"

/* Appends text to out with every reference replaced; "$${" stands for a literal "${".  What a reference brings in is
 * not looked at again.  Of a file one newline at its end is dropped.  False where a reference cannot be resolved:
 * ret_why, the caller's to free, then says which and why and never shows a value; it is NULL without memory.
 * *ret_expanded: whether there was a reference at all: then the result may be a secret. */
bool kd_config_expand(const char *text, kd_buf *out, bool *ret_expanded, char **ret_why);

#endif
