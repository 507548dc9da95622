/* SPDX-License-Identifier: Apache-2.0 */
/* How a case judges: a condition that does not hold is told on stderr and ends the process.
 *
 * Not through criterion, because the same cases are the installed program kdirect-sink-conformance, and because they
 * judge in threads and in puppets too: abort() ends any of these, and whoever runs the case sees it. */
#ifndef KD_JUDGE_H
#define KD_JUDGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <string.h>

#include "kdirect/error.h"

noreturn void judge_failed(const char *file, int line, const char *what, const char *format, ...) KD_PRINTF(4, 5);
noreturn void judge_unequal(const char *file, int line, const char *what, int64_t is, const char *expected,
	int64_t value, const char *format, ...) KD_PRINTF(7, 8);

/* What follows the condition is a printf message that tells which one of several it was. */
#define expect(condition, ...) \
	do { \
		if (!(condition)) \
			judge_failed(__FILE__, __LINE__, #condition, " " __VA_ARGS__); \
	} while (0)

/* Of whole numbers. */
#define expect_eq(actual, expected, ...) \
	do { \
		int64_t is_ = (int64_t) (actual), expected_ = (int64_t) (expected); \
		if (is_ != expected_) \
			judge_unequal(__FILE__, __LINE__, #actual, is_, #expected, expected_, " " __VA_ARGS__); \
	} while (0)

#define expect_str_eq(actual, expected) \
	do { \
		const char *is_ = (actual), *expected_ = (expected); \
		if (strcmp(is_, expected_) != 0) \
			judge_failed(__FILE__, __LINE__, #actual, "it is \"%s\", not \"%s\"", is_, expected_); \
	} while (0)

/* The call must succeed; it names `e_` as where its error goes. */
#define MUST(call) \
	do { \
		kd_error e_ = {0}; \
		kd_code code_ = (call); \
		if (code_) \
			judge_failed(__FILE__, __LINE__, #call, "%s, %s: %s", kd_code_name(code_), \
				kd_action_name(e_.action), e_.message); \
	} while (0)

#endif
