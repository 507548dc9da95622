/* SPDX-License-Identifier: Apache-2.0 */
/* fold: decides which log lines are told when the same fault repeats: the first, then at most one in a period,
 * with a count of those left out.  Two lines are the same fault when they differ in numbers only.  Pure: time is an
 * argument. */
#ifndef TOOLS_FOLD_H
#define TOOLS_FOLD_H

#include <stdbool.h>
#include <stdint.h>

enum { FOLD_SLOTS = 32, FOLD_TEXT = 240 };

struct fold_slot {
	uint64_t key;        /* 0: free */
	int64_t told_ms;     /* when it was told last */
	int64_t left_out;    /* how often it came since */
	int tag;             /* the caller's own, of the last one left out */
	char text[FOLD_TEXT]; /* the last one left out */
};

/* {0} but for period_ms; a period of 0 tells every line. */
struct fold {
	int64_t period_ms;
	struct fold_slot slots[FOLD_SLOTS];
};

/* True: tell this line, and that *ret_left_out others like it were left out before. */
bool fold_tell(struct fold *fold, const char *line, int tag, int64_t now_ms, int64_t *ret_left_out);

/* Hands out a slot whose last line was left out and whose period is over at now_ms (INT64_MAX: whatever is left);
 * the caller tells it, then sets left_out to 0.  NULL: none. */
struct fold_slot *fold_next(struct fold *fold, int64_t now_ms);

#endif
