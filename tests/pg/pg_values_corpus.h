/* SPDX-License-Identifier: Apache-2.0 */
/* A large set of odd JSON documents, for comparing our reading of them with PostgreSQL's. */
#ifndef PG_VALUES_CORPUS_H
#define PG_VALUES_CORPUS_H

#include <stddef.h>
#include <stdint.h>

typedef struct document {
	char *text; /* any bytes */
	size_t size;
} document;

typedef struct corpus {
	document *document;
	size_t n;
} corpus;

/* Documents whose field "c" holds values of every shape; `seed` makes the random ones. */
void corpus_of_values(corpus *ret, uint64_t seed);

/* Documents that are odd as a whole: duplicates, escaped keys, depth, garbage. */
void corpus_of_documents(corpus *ret);

/* A copy of the bytes joins the set. */
void corpus_add(corpus *set, const char *text, size_t size);

void corpus_free(corpus *set);

#endif
