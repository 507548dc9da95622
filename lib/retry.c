// SPDX-License-Identifier: Apache-2.0
// retry: pure: exponential back-off with jitter, bounded by a time-out.
#include "retry.h"

/* xorshift64*: jitter needs to differ between processes, not to be secret. */
static uint64_t next_random(kd_retry *retry, int64_t now_ms)
{
	if (!retry->random)
		retry->random = ((uint64_t) now_ms << 20) ^ (uint64_t) (uintptr_t) retry ^ UINT64_C(0x9E3779B97F4A7C15);
	retry->random ^= retry->random >> 12;
	retry->random ^= retry->random << 25;
	retry->random ^= retry->random >> 27;
	return retry->random * UINT64_C(2685821657736338717);
}

bool kd_retry_again(kd_retry *retry, int64_t now_ms, int64_t timeout_ms, int64_t *ret_wait_ms)
{
	if (retry->tries++ == 0) {
		retry->since_ms = now_ms;
		retry->wait_ms = KD_RETRY_FIRST_MS;
	} else if (retry->wait_ms < KD_RETRY_MOST_MS) {
		retry->wait_ms = retry->wait_ms * 2 < KD_RETRY_MOST_MS ? retry->wait_ms * 2 : KD_RETRY_MOST_MS;
	}
	int64_t left_ms = timeout_ms - (now_ms - retry->since_ms);
	if (left_ms <= 0)
		return false;
	int64_t wait_ms = retry->wait_ms / 2 + (int64_t) (next_random(retry, now_ms) >> 33) % (retry->wait_ms / 2 + 1);
	*ret_wait_ms = wait_ms < left_ms ? wait_ms : left_ms;
	return true;
}

void kd_retry_reset(kd_retry *retry)
{
	retry->tries = 0;
	retry->since_ms = 0;
	retry->wait_ms = 0;
}
