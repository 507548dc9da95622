/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for an event with a deadline: what a test does instead of sleeping for a time that should be enough. */
#ifndef KT_WAIT_H
#define KT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* Milliseconds of a clock that nobody sets. */
int64_t kt_now_ms(void);

/* Asks until the predicate holds; false when timeout_ms is over before it does. */
bool kt_wait_until(bool (*holds)(void *opaque), void *opaque, int timeout_ms);

/* The same, failing the test with what was waited for. */
void kt_await(bool (*holds)(void *opaque), void *opaque, int timeout_ms, const char *what);

/* One step of a loop that asks by itself: lets 10 ms pass. */
void kt_pause(void);

#endif
