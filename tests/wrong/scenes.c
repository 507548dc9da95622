/* SPDX-License-Identifier: Apache-2.0 */
/* The scenes of the hunt: see hunt.h.  A scene makes a fault, and says what it saw of exit codes; it judges nothing. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "hunt.h"
#include "pg_proxy.h"
#include "wait.h"

enum { WORK = 120, HELD_MS = 300, SOME_HITS = 3 };

static int some_hit(hunt *h)
{
	return 1 + rand_r(&h->chance) % SOME_HITS;
}

void hunt_kill(hunt *h, int run)
{
	static const char *const points[] = {"sink.after_commit", "sink.commit_sent", "plan.after_durable", "commit.written",
		"plan.commit_sent", "sink.before_commit", "commit.done"};
	enum { POINTS = sizeof(points) / sizeof(*points) };
	char fault[64];

	hunt_feed(h, WORK);
	if (run == 0)
		return;
	snprintf(fault, sizeof(fault), "%s:%d:kill", points[(run - 1) % POINTS], 1 + (run - 1) / POINTS % SOME_HITS);
	hunt_must_end(h, hunt_start(h, fault, true), 128 + SIGKILL, 8);
	h->faults++;
}

/* ---- answers ---- */

static void with_order(hunt *h, struct fault_order order)
{
	int64_t done = fault_proxy_done(h->proxy);

	order.hit = some_hit(h);
	kt_proxy_arm(h->proxy, order);
	hunt_feed(h, WORK);
	hunt_catch_up(h);
	h->faults += fault_proxy_done(h->proxy) > done;
}

void hunt_lost_commit(hunt *h, int run)
{
	(void) run;
	with_order(h, (struct fault_order) {.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_DATA});
}

void hunt_held_commit(hunt *h, int run)
{
	(void) run;
	with_order(h, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, KT_COMMIT_OF_DATA, .ms = HELD_MS});
}

void hunt_lost_plan(hunt *h, int run)
{
	(void) run;
	with_order(h, (struct fault_order) {.deed = FAULT_DROP_ANSWER, KT_COMMIT_OF_PLAN});
}

/* ---- zombies ---- */

/* Frozen at the point, and a successor that is frozen once it has taken over; then one wakes up after the other. */
static void outlive(hunt *h, const char *fault)
{
	kt_process *zombie, *successor;

	hunt_feed(h, WORK);
	zombie = hunt_freeze(h, fault);
	if (!zombie)
		return;
	successor = hunt_freeze(h, "start.owned:1:stop");
	kt_process_signal(zombie, SIGCONT);
	hunt_must_end(h, zombie, 3, 7);
	if (!successor)
		return;
	kt_process_signal(successor, SIGCONT);
	kt_process_signal(successor, SIGTERM);
	hunt_must_end(h, successor, 0, 8);
}

void hunt_zombie_plans(hunt *h, int run)
{
	outlive(h, run % 2 ? "plan.before_durable:1:stop" : "plan.before_durable:2:stop");
}

void hunt_zombie_lands(hunt *h, int run)
{
	outlive(h, run % 2 ? "fetch.end:2:stop" : "fetch.end:1:stop");
}

void hunt_zombie_commits(hunt *h, int run)
{
	outlive(h, run % 2 ? "sink.before_commit:2:stop" : "sink.before_commit:1:stop");
}

/* ---- the clock ---- */

/* What an owner leaves behind whose clock is an hour ahead of its successor's. */
void hunt_clock_back(hunt *h, int run)
{
	(void) run;
	hunt_feed(h, WORK);
	hunt_catch_up(h);
	kt_store_exec(&h->job.store,
		"update @batch_partition set batch_time = batch_time + 3600000;"
		"update @partition set last_batch_time = last_batch_time + 3600000;"
		"update ledger_log set batch_time = batch_time + 3600000 where batch_time is not null");
	h->faults++;
	hunt_feed(h, WORK);
}
