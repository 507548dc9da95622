/* SPDX-License-Identifier: Apache-2.0 */
/* times: see times.h. */
#include "times.h"

#include <stdio.h>
#include <time.h>

static int64_t read_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t steady_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

const char *time_text(int64_t time_ms, char text[TIME_SIZE])
{
	time_t seconds = (time_t) (time_ms / 1000);
	struct tm tm;
	size_t size;

	if (time_ms <= 0 || !gmtime_r(&seconds, &tm))
		return "-";
	size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + size, TIME_SIZE - size, ".%03dZ", (int) (time_ms % 1000));
	return text;
}

const char *span_text(int64_t span_ms, char text[SPAN_SIZE])
{
	long long s = (long long) (span_ms / 1000);

	if (span_ms < 0)
		return "-";
	if (span_ms < 1000)
		snprintf(text, SPAN_SIZE, "%d ms", (int) span_ms);
	else if (s < 60)
		snprintf(text, SPAN_SIZE, "%.1f s", (double) span_ms / 1000);
	else if (s < 3600)
		snprintf(text, SPAN_SIZE, "%lld min %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, SPAN_SIZE, "%lld h %lld min", s / 3600, s % 3600 / 60);
	else
		snprintf(text, SPAN_SIZE, "%lld d %lld h", s / 86400, s % 86400 / 3600);
	return text;
}

const char *count_text(int64_t n, char text[TIME_SIZE])
{
	uint64_t rest = n < 0 ? 0 - (uint64_t) n : (uint64_t) n;
	int at = TIME_SIZE - 1, digits = 0;

	text[at] = '\0';
	do {
		if (digits && digits % 3 == 0)
			text[--at] = ',';
		text[--at] = (char) ('0' + rest % 10);
		rest /= 10;
		digits++;
	} while (rest);
	if (n < 0)
		text[--at] = '-';
	return text + at;
}
