/* SPDX-License-Identifier: Apache-2.0 */
/* suggest: "did you mean ...?" for a word that is not known. */
#ifndef TOOLS_SUGGEST_H
#define TOOLS_SUGGEST_H

#include <stddef.h>

/* The candidate nearest to word, or NULL where none is near enough to be meant. */
const char *suggest(const char *word, const char *const *candidates, size_t n);

#endif
