/* SPDX-License-Identifier: Apache-2.0 */
/* rate_window: a rate over the last seconds from a counter looked at now and then.  Pure: time is an argument. */
#ifndef TOOLS_RATE_WINDOW_H
#define TOOLS_RATE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum { RATE_SAMPLES = 21, RATE_SPAN_MS = 5000 };

/* {0} is an empty one. */
struct rate_window {
	int64_t at_ms[RATE_SAMPLES], counts[RATE_SAMPLES];
	size_t n; /* samples taken; the last RATE_SAMPLES are kept */
};

/* Takes a sample and returns the rate a second since the oldest one within RATE_SPAN_MS; 0 for the first. */
double rate_window_add(struct rate_window *window, int64_t at_ms, int64_t count);

#endif
