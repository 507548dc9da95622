/* SPDX-License-Identifier: Apache-2.0 */
/* The one way a fixture ends a test: see check.h. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

noreturn void kt_fail_at(const char *file, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

const char *kt_env(const char *name)
{
	const char *value = getenv(name);

	kt_check(value && *value, "%s is not set: run the suite with make check-SUITE", name);
	return value;
}
