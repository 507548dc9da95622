/* SPDX-License-Identifier: Apache-2.0 */
/* suggest: the nearest known word by edit distance, where a swap of two neighbours counts as one edit.  Near enough
 * is a third of the word's length, or a beginning of it. */
#include "suggest.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Three rows of the distance matrix are enough: the swap looks back two. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	size_t rows[3][LONGEST + 1];

	if (n > LONGEST || m > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = rows[i % 3], *before = rows[(i - 1) % 3], *twice = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			now[j] = least(before[j] + 1, now[j - 1] + 1, before[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && twice[j - 2] + 1 < now[j])
				now[j] = twice[j - 2] + 1;
		}
	}
	return rows[n % 3][m];
}

const char *suggest(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t size = strlen(word);
	size_t near = size / 3 + 1;

	for (size_t i = 0; size >= 3 && i < n; i++)
		if (strncmp(candidates[i], word, size) == 0)
			return candidates[i];
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, candidates[i]);

		if (d < near) {
			near = d;
			best = candidates[i];
		}
	}
	return best;
}
