/* SPDX-License-Identifier: Apache-2.0 */
/* retry: pure: how long to wait before the next try of something that may heal, and when to give up. */
#ifndef KD_RETRY_H
#define KD_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#define KD_RETRY_FIRST_MS 50
#define KD_RETRY_MOST_MS 10000

typedef struct kd_retry {
	int64_t since_ms; /* monotonic time of the first failure in a row; 0: none */
	int64_t wait_ms;  /* the last wait */
	int tries;
	uint64_t random;  /* the state of the jitter */
} kd_retry;

/* Called after a failure at now_ms (monotonic).  True: wait *ret_wait_ms, then try again; false: it has lasted
 * timeout_ms, give up.  Waits double from 50 ms to 10 s, each spread over [half, whole]. */
bool kd_retry_again(kd_retry *retry, int64_t now_ms, int64_t timeout_ms, int64_t *ret_wait_ms);

/* Called after a success. */
void kd_retry_reset(kd_retry *retry);

#endif
