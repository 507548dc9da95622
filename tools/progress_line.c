/* SPDX-License-Identifier: Apache-2.0 */
/* progress_line: see progress_line.h. */
#include "progress_line.h"

#include <stdio.h>

#include "times.h"

const char *progress_line(const kd_progress *progress, char *text, size_t size, int width)
{
	char records[TIME_SIZE], rate[TIME_SIZE], lag[TIME_SIZE], blocked[TIME_SIZE], span[SPAN_SIZE];
	int64_t to_go = progress->target >= 0 ? progress->target : progress->lag;
	int n;

	n = snprintf(text, size, "%s records, %s/s, lag %s", count_text(progress->records, records),
		count_text((int64_t) progress->records_per_second, rate), count_text(progress->lag, lag));
	if (progress->blocked > 0 && n > 0 && (size_t) n < size)
		n += snprintf(text + n, size - (size_t) n, ", %s behind an open transaction",
			count_text(progress->blocked, blocked));
	if (to_go > 0 && progress->records_per_second >= 1 && n > 0 && (size_t) n < size)
		n += snprintf(text + n, size - (size_t) n, ", ETA %s",
			span_text((int64_t) ((double) to_go / progress->records_per_second * 1000), span));
	if (width > 0 && n >= width && (size_t) width <= size)
		text[width - 1] = '\0';
	return text;
}
