/* SPDX-License-Identifier: Apache-2.0 */
/* Single kills, and double faults. */
#include <stdlib.h>

#include "torture.h"

enum {
	RANDOM_MS = 900,
	EACH_HIT = 32,
	LARGE_ONE_IN = 50, /* runs */
	LARGE_WORK = 30000,
};

void torture_open(crash_campaign *campaign, const torture_part *part)
{
	crash_open(campaign, part->sink);
	campaign->each_hit = EACH_HIT;
	campaign->large_one_in = LARGE_ONE_IN;
	campaign->large_work = LARGE_WORK;
}

void torture_close(crash_campaign *campaign, torture_part *part)
{
	crash_finding finding = crash_find(campaign);

	if (campaign->at_points || campaign->at_random)
		crash_tell(campaign, "torture", &finding);
	part->records = campaign->source.number;
	part->violations = finding.missing + finding.doubled + finding.wrong;
	part->what = finding.what;
	crash_close(campaign);
}

/* Every point until a run survives, one after the other, and a kill at random after each. */
void torture_singles(torture_part *part)
{
	const crash_point *points[CRASH_MOST_POINTS];
	crash_campaign campaign;
	int n = crash_points_of(part->sink, points), at = part->from;

	torture_open(&campaign, part);
	crash_catch_up(&campaign);
	while (campaign.at_points + campaign.at_random < part->wanted) {
		crash_until_survived(&campaign, points[at++ % n]);
		crash_at_random(&campaign, RANDOM_MS);
	}
	part->faults = campaign.at_points + campaign.at_random;
	torture_close(&campaign, part);
}

/* Every point after every other one, in turn. */
void torture_doubles(torture_part *part)
{
	const crash_point *points[CRASH_MOST_POINTS];
	crash_campaign campaign;
	int n = crash_points_of(part->sink, points);

	torture_open(&campaign, part);
	crash_catch_up(&campaign);
	for (int at = part->from; campaign.pairs < part->wanted; at++)
		crash_pair(&campaign, points[at / n % n], points[at % n]);
	part->faults = campaign.pairs;
	torture_close(&campaign, part);
}
