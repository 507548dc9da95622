// SPDX-License-Identifier: Apache-2.0
// refuse: see the header.
#include "refuse.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

kd_code refuse_record(const kd_batch_partition *batch, const kd_record *record, kd_error *err, const char *format, ...)
{
	char reason[512];
	va_list args;
	va_start(args, format);
	vsnprintf(reason, sizeof reason, format, args);
	va_end(args);
	bool first = err && !err->code;
	kd_error_set(err, KD_ERECORD, KD_STOP, "could not store \"%s/%" PRId32 "@%" PRId64 "\": %s", batch->topic,
		batch->partition, record->offset, reason);
	if (first)
		err->offset = record->offset;
	return KD_ERECORD;
}
