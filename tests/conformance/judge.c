// SPDX-License-Identifier: Apache-2.0
// judge: what a case says when it fails; see the header.
#include "judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

KD_PRINTF(1, 0) static noreturn void end(const char *format, va_list args)
{
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	abort();
}

noreturn void judge_failed(const char *file, int line, const char *what, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: not so: %s: ", file, line, what);
	va_start(args, format);
	end(format, args);
}

noreturn void judge_unequal(const char *file, int line, const char *what, int64_t is, const char *expected,
	int64_t value, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %s (%" PRId64 ")", file, line, what, is, expected, value);
	va_start(args, format);
	end(format, args);
}
