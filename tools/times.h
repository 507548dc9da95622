/* SPDX-License-Identifier: Apache-2.0 */
/* times: times and durations as people and programs read them, and the clock. */
#ifndef TOOLS_TIMES_H
#define TOOLS_TIMES_H

#include <stddef.h>
#include <stdint.h>

enum { TIME_SIZE = 32, SPAN_SIZE = 24 };

/* Milliseconds since 1970 UTC, of the wall clock. */
int64_t now_ms(void);
/* Milliseconds of a clock that nobody sets: for how long something took, and when it is due. */
int64_t steady_ms(void);

/* RFC 3339 in UTC with milliseconds; "-" for 0 and below. */
const char *time_text(int64_t time_ms, char text[TIME_SIZE]);

/* "350 ms", "4.2 s", "3 min 5 s", "2 h 10 min", "4 d 3 h"; "-" below 0. */
const char *span_text(int64_t span_ms, char text[SPAN_SIZE]);

/* "1,234,567" for people. */
const char *count_text(int64_t n, char text[TIME_SIZE]);

#endif
