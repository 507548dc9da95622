/* SPDX-License-Identifier: Apache-2.0 */
/* clock: wall time, monotonic time, and batch times that never come back. */
#ifndef KD_CLOCK_H
#define KD_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970-01-01 UTC; may go backwards. */
int64_t kd_clock_wall_ms(void);

/* Milliseconds that only go forward; for time-outs. */
int64_t kd_clock_mono_ms(void);

/* The batch time of a batch planned at wall_ms whose partitions' greatest last batch time is last_ms: strictly above
 * the last, also when the clock was set back (I6). */
int64_t kd_clock_batch_time_ms(int64_t wall_ms, int64_t last_ms);

#endif
