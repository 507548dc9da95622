/* SPDX-License-Identifier: Apache-2.0 */
/* audit_window: see audit_window.h. */
#include "audit_window.h"

#include <string.h>

enum { SEEN = 0x80, MOST = 0x7f };

void audit_window_open(struct audit_window *window, int64_t from, int64_t until)
{
	window->range = (kd_range){from, until};
	memset(window->counts, 0, (size_t) (until - from));
}

void audit_window_table(struct audit_window *window, int64_t offset)
{
	unsigned char *count;

	if (offset < window->range.from || offset >= window->range.until)
		return;
	count = &window->counts[offset - window->range.from];
	window->sums.rows++;
	if (*count < MOST)
		(*count)++;
}

/* Offsets are asked for in ascending order. */
static bool is_given_up(struct audit_window *window, int64_t offset)
{
	while (window->gap < window->n_gaps && window->gaps[window->gap].until <= offset)
		window->gap++;
	return window->gap < window->n_gaps && window->gaps[window->gap].from <= offset;
}

void audit_window_kafka(struct audit_window *window, int64_t offset)
{
	struct audit_window_sums *sums = &window->sums;
	unsigned char *count;
	bool given_up = is_given_up(window, offset);

	if (offset < window->range.from || offset >= window->range.until)
		return;
	count = &window->counts[offset - window->range.from];
	sums->kafka++;
	if (given_up) {
		sums->in_gaps++;
		sums->from_gap += *count > 0;
	} else if (*count) {
		sums->both++;
	} else {
		if (sums->n_missing_examples < WINDOW_EXAMPLES)
			sums->missing_examples[sums->n_missing_examples++] = offset;
		sums->missing++;
	}
	*count |= SEEN;
}

/* How often an offset may be in the table: once for each segment that covered it. */
static int64_t allowed(const struct audit_window *window, int64_t offset)
{
	int64_t n = 1;

	for (size_t i = 0; i < window->n_others; i++)
		n += offset >= window->others[i].from && offset < window->others[i].until;
	return n;
}

static void add_doubles(struct audit_window *window, int64_t offset, int64_t rows)
{
	struct audit_window_sums *sums = &window->sums;
	int64_t most = allowed(window, offset);

	sums->alike += (rows < most ? rows : most) - 1;
	if (rows <= most)
		return;
	if (sums->n_doubled_examples < WINDOW_EXAMPLES)
		sums->doubled_examples[sums->n_doubled_examples++] = offset;
	sums->doubled += rows - most;
}

void audit_window_close(struct audit_window *window)
{
	for (int64_t i = 0; i < window->range.until - window->range.from; i++) {
		int64_t rows = window->counts[i] & MOST;

		if (rows > 1)
			add_doubles(window, window->range.from + i, rows);
		window->sums.gone += rows && !(window->counts[i] & SEEN);
	}
}
