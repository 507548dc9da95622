/* SPDX-License-Identifier: Apache-2.0 */
/* PostgreSQL itself crashes (pg_ctl -m immediate) and comes back: at random moments of a run, and while the program
 * stands still at a fault point (F9). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "servers.h"
#include "torture.h"
#include "wait.h"
#include "tests/faults/zombie.h"

enum { WORK = 3000, MOST_MS = 400, RUN_MS = 120000, SOME_HITS = 3 };

static void crash_server(crash_campaign *campaign)
{
	kt_server_do("pg.sh", "restart", kt_env("KD_TEST_PG_DIR"), "immediate", NULL);
	kt_pg_reconnect(&campaign->job.store.pg);
}

static void at_random(crash_campaign *campaign)
{
	kt_process *process;
	int64_t end;

	crash_feed(campaign, WORK);
	process = crash_start(campaign, NULL, true);
	end = kt_now_ms() + rand_r(&campaign->chance) % MOST_MS;
	while (kt_process_running(process) && kt_now_ms() < end)
		kt_pause();
	crash_server(campaign);
	kt_job_must_end(process, 0, NULL, RUN_MS);
}

static bool stands_or_ended(void *process)
{
	return !kt_process_running(process) || kt_process_is_stopped(process);
}

/* False: the run knows no such hit. */
static bool at_point(crash_campaign *campaign, const crash_point *point, int hit)
{
	char fault[128];
	kt_process *process;
	bool stands;

	crash_feed(campaign, campaign->work);
	snprintf(fault, sizeof(fault), "%s:%d:stop", point->name, hit);
	process = crash_start(campaign, fault, true);
	kt_check(kt_wait_until(stands_or_ended, process, RUN_MS), "neither stopped nor ended at %s", fault);
	stands = kt_process_running(process);
	if (stands) {
		crash_server(campaign);
		kt_process_signal(process, SIGCONT);
	}
	kt_job_must_end(process, 0, NULL, RUN_MS);
	return stands;
}

/* Points that are passed without preparation. */
static int plain_points(const crash_sink *sink, const crash_point **ret_points)
{
	int of = crash_points_of(sink, ret_points), n = 0;

	for (int i = 0; i < of; i++)
		if (ret_points[i]->way == CRASH_ALWAYS || ret_points[i]->way == CRASH_AT_START)
			ret_points[n++] = ret_points[i];
	return n;
}

void torture_pg_crashes(torture_part *part)
{
	const crash_point *points[CRASH_MOST_POINTS];
	crash_campaign campaign;
	int n = plain_points(part->sink, points);

	torture_open(&campaign, part);
	crash_catch_up(&campaign);
	for (; part->faults < part->wanted; part->faults++) {
		const crash_point *point = points[(part->from + part->faults) / 2 % n];
		if (part->faults % 2)
			at_random(&campaign);
		else if (!at_point(&campaign, point, 1 + rand_r(&campaign.chance) % SOME_HITS))
			kt_check(at_point(&campaign, point, 1), "point %s was not reached", point->name);
	}
	torture_close(&campaign, part);
}
