// SPDX-License-Identifier: Apache-2.0
// clock: wall time, monotonic time, and batch times that never come back.
#include "clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t kd_clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t kd_clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t kd_clock_batch_time_ms(int64_t wall_ms, int64_t last_ms)
{
	return wall_ms > last_ms ? wall_ms : last_ms + 1;
}
