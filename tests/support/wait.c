/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting with a deadline: see wait.h. */
#include "wait.h"

#include <time.h>

#include "check.h"

int64_t kt_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

void kt_pause(void)
{
	nanosleep(&(struct timespec) {.tv_nsec = 10000000}, NULL);
}

bool kt_wait_until(bool (*holds)(void *opaque), void *opaque, int timeout_ms)
{
	int64_t end = kt_now_ms() + timeout_ms;

	while (!holds(opaque)) {
		if (kt_now_ms() >= end)
			return false;
		kt_pause();
	}
	return true;
}

void kt_await(bool (*holds)(void *opaque), void *opaque, int timeout_ms, const char *what)
{
	kt_check(kt_wait_until(holds, opaque, timeout_ms), "not within %d ms: %s", timeout_ms, what);
}
