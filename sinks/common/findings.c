// SPDX-License-Identifier: Apache-2.0
// findings: see the header.
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>

void findings_say(const findings *f, kd_finding_level level, const char *what, const char *format, ...)
{
	char message[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
	f->fn(f->opaque, level, what, message);
}
