/* SPDX-License-Identifier: Apache-2.0 */
/* rate_window: see rate_window.h. */
#include "rate_window.h"

double rate_window_add(struct rate_window *window, int64_t at_ms, int64_t count)
{
	size_t oldest = window->n < RATE_SAMPLES ? 0 : window->n - (RATE_SAMPLES - 1);
	int64_t span_ms;

	window->at_ms[window->n % RATE_SAMPLES] = at_ms;
	window->counts[window->n % RATE_SAMPLES] = count;
	while (oldest < window->n && at_ms - window->at_ms[oldest % RATE_SAMPLES] > RATE_SPAN_MS)
		oldest++;
	span_ms = at_ms - window->at_ms[oldest % RATE_SAMPLES];
	count -= window->counts[oldest % RATE_SAMPLES];
	window->n++;
	return span_ms > 0 ? (double) count * 1000 / (double) span_ms : 0;
}
