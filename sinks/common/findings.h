/* SPDX-License-Identifier: Apache-2.0 */
/* findings: a sink's check tells what it looked at, in the way of printf. */
#ifndef SINKS_FINDINGS_H
#define SINKS_FINDINGS_H

#include <kdirect/sink.h>

typedef struct findings {
	kd_finding_fn *fn;
	void *opaque;
} findings;

void findings_say(const findings *findings, kd_finding_level level, const char *what, const char *format, ...)
	KD_PRINTF(4, 5);

#endif
