/* SPDX-License-Identifier: Apache-2.0 */
/* How a fixture fails: it says where and why, and ends the test.
 *
 * Not through criterion, because benchmarks and race programs use the same fixtures: abort() ends the test's own
 * process, which criterion reports as a crash with these lines above it. */
#ifndef KT_CHECK_H
#define KT_CHECK_H

#include <stdnoreturn.h>

#include "kdirect/error.h"

noreturn void kt_fail_at(const char *file, int line, const char *format, ...) KD_PRINTF(3, 4);

#define kt_fail(...) kt_fail_at(__FILE__, __LINE__, __VA_ARGS__)

/* The condition must hold; the rest is a printf message. */
#define kt_check(condition, ...) \
	do { \
		if (!(condition)) \
			kt_fail(__VA_ARGS__); \
	} while (0)

/* The value of an environment variable that run-suite.sh sets; fails without it. */
const char *kt_env(const char *name);

#endif
