// SPDX-License-Identifier: Apache-2.0
// log: hands finished lines to the program's callback.  Loggers are shared by the job's threads, hence the lock; it
// is one for all loggers, because lines are rare.
#include "kdirect/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t one_line_at_a_time = PTHREAD_MUTEX_INITIALIZER;

void kd_log(const kd_logger *log, kd_log_level level, int64_t batch_time_ms, const char *format, ...)
{
	if (!log || !log->fn || level > log->level)
		return;
	char line[1536];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	pthread_mutex_lock(&one_line_at_a_time);
	log->fn(log->opaque, level, batch_time_ms, line);
	pthread_mutex_unlock(&one_line_at_a_time);
}
