/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect/log.h: the library prints nothing: it hands each line to the program's callback.
 * Errors that a call returns are not logged as well; what is logged is what the library does about them. */
#ifndef KDIRECT_LOG_H
#define KDIRECT_LOG_H

#include <stdint.h>

#include "kdirect/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kd_log_level {
	KD_LOG_ERROR = 0, /* the job ends */
	KD_LOG_WARN,      /* something is retried, given up by policy, or odd */
	KD_LOG_INFO,      /* a change of state */
	KD_LOG_DEBUG
} kd_log_level;

/* Called from any thread of the job, one call at a time for one logger.  `line` has no newline. */
typedef void kd_log_fn(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line);

typedef struct kd_logger {
	kd_log_fn *fn;      /* NULL: silent */
	void *opaque;
	kd_log_level level; /* lines above it are not formatted */
} kd_logger;

/* batch_time_ms 0: the line belongs to no batch. */
KD_API void kd_log(const kd_logger *log, kd_log_level level, int64_t batch_time_ms, const char *format, ...)
	KD_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
