/* SPDX-License-Identifier: Apache-2.0 */
/* What people write on a command line to name offsets: TOPIC/PARTITION@FROM..UNTIL, lists of partitions, times. */
#include "fuzz.h"

#include <inttypes.h>
#include <kdirect/config.h>

#include "lib/parse.h"
#include "tools/range_arg.h"
#include "tools/times.h"

enum { MOST = 400 };

static bool same(const struct range_arg *a, const struct range_arg *b)
{
	return strcmp(a->topic, b->topic) == 0 && a->partition == b->partition && a->range.from == b->range.from &&
		a->range.until == b->range.until;
}

/* What was read is written again, and read as the same. */
static void go_there_and_back(const struct range_arg *range)
{
	char text[TOPIC_SIZE + 80];
	struct range_arg again;
	const char *why;

	snprintf(text, sizeof text, "%s/%" PRId32 "@%" PRId64 "..%" PRId64, range->topic, range->partition,
		range->range.from, range->range.until);
	fuzz_check(range_arg_parse(text, &again, &why), "%s: %s", text, why);
	fuzz_check(same(range, &again), "%s is read as another range", text);
}

static void read_range(const char *text)
{
	struct range_arg range;
	const char *why = NULL;

	if (!range_arg_parse(text, &range, &why)) {
		fuzz_check(why && *why, "refused without a reason: %s", text);
		return;
	}
	fuzz_check(range.topic[0] && range.partition >= 0, "%s names no partition", text);
	fuzz_check(0 <= range.range.from && range.range.from < range.range.until, "%s is no range", text);
	go_there_and_back(&range);
}

static void read_partitions(const char *text)
{
	if (!partitions_valid(text))
		return;
	for (int32_t p = 0; p < 4; p++)
		(void) partitions_hold(text, p);
	(void) partitions_hold(text, INT32_MAX);
}

static void read_time(const char *text)
{
	const int64_t now = INT64_C(1700000000000);
	int64_t ms, again;
	char time[TIME_SIZE];

	if (!kd_parse_time(text, now, &ms))
		return;
	if (ms > 0 && ms < INT64_C(253402300800000)) { /* the years that are written with four digits */
		time_text(ms, time);
		fuzz_check(kd_parse_time(time, 0, &again) && again == ms, "%s is %" PRId64 ", and read as %" PRId64, text, ms,
			again);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size, MOST);
	struct range_arg range;
	int64_t number;

	read_range(text);
	if (range_arg_find(text, &range))
		go_there_and_back(&range);
	read_partitions(text);
	read_time(text);
	(void) kd_parse_int(text, &number);
	(void) kd_parse_slip(text);
	free(text);
	return 0;
}
