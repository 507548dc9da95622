/* SPDX-License-Identifier: Apache-2.0 */
/* torture_faults: see torture_faults.h. */
#include "torture_faults.h"

#include <signal.h>
#include <sys/wait.h>

#include "demo_job.h"
#include "times.h"

enum { DONE_MS = 5000, ENDING_MS = 15000, FENCED_MS = 30000, OWNED_MS = 60000 };

static int64_t below(struct torture_rig *rig, int64_t n)
{
	return demo_random_below(&rig->random, n);
}

static bool begin_again(struct torture_rig *rig)
{
	rig->pid = torture_rig_start(rig);
	if (rig->pid > 0)
		return true;
	rig->pid = 0;
	return false;
}

/* Half of the time in the moment when a plan is durable and its rows are not. */
static bool aim(struct torture_rig *rig)
{
	int64_t until_ms = now_ms() + 300;

	if (!torture_rig_rest(rig, below(rig, 400)))
		return false;
	if (below(rig, 2))
		while (torture_schema_in_flight(rig->schema) <= 0 && now_ms() < until_ms)
			;
	return true;
}

/* ---- the process ---- */

static bool kill_it(struct torture_rig *rig)
{
	if (!aim(rig))
		return false;
	demo_job_end(rig->pid, SIGKILL, ENDING_MS);
	rig->pid = 0;
	return begin_again(rig);
}

static bool stop_it(struct torture_rig *rig)
{
	if (!aim(rig))
		return false;
	kill(rig->pid, SIGTERM);
	int code = torture_rig_wait(rig, rig->pid, ENDING_MS);
	torture_rig_expect(rig, "SIGTERM", code, 0);
	if (code < 0)
		demo_job_end(rig->pid, SIGKILL, ENDING_MS);
	rig->pid = 0;
	return begin_again(rig);
}

static bool is_taken_over(struct torture_rig *rig, int64_t epoch)
{
	int64_t until_ms = now_ms() + OWNED_MS;

	rig->why = "the successor of a frozen instance did not take over";
	while (torture_schema_epoch(rig->schema) <= epoch)
		if (now_ms() > until_ms || !torture_rig_rest(rig, 2))
			return false;
	return true;
}

/* The zombie must find itself fenced, change nothing, and end with exit code 3: also where it wakes up before its successor
 * has committed anything, so that nothing but the fence stands between it and its next commit. */
static bool freeze_it(struct torture_rig *rig)
{
	pid_t zombie = rig->pid;

	if (!aim(rig))
		return false;
	kill(zombie, SIGSTOP);
	bool early = below(rig, 2);
	int64_t before = torture_schema_committed(rig->schema), epoch = torture_schema_epoch(rig->schema);
	bool ok = begin_again(rig) && (early ? is_taken_over(rig, epoch) : torture_rig_goes_on(rig, before));
	kill(zombie, SIGCONT);
	int code = ok ? torture_rig_wait(rig, zombie, FENCED_MS) : -1;
	if (ok)
		torture_rig_expect(rig, "a frozen predecessor that woke up", code, 3);
	if (code < 0)
		demo_job_end(zombie, SIGKILL, ENDING_MS);
	return ok;
}

/* Which of them is left?  The others end with exit code 3. */
static bool settle_rivals(struct torture_rig *rig, pid_t *rivals, int n)
{
	int64_t until_ms = now_ms() + OWNED_MS;
	int left = n;

	while (left > 1 && now_ms() < until_ms && torture_rig_rest(rig, 10))
		for (int i = 0; i < n && left > 1; i++) {
			int code = rivals[i] ? torture_rig_wait(rig, rivals[i], 0) : -1;
			if (code < 0)
				continue;
			torture_rig_expect(rig, "a rival that lost", code, 3);
			rivals[i] = 0;
			left--;
		}
	rig->pid = 0;
	for (int i = 0; i < n; i++)
		if (rivals[i] && !rig->pid)
			rig->pid = rivals[i];
		else if (rivals[i])
			demo_job_end(rivals[i], SIGKILL, ENDING_MS);
	rig->why = "rivals did not settle who owns the job";
	return left == 1;
}

static bool bring_rivals(struct torture_rig *rig)
{
	pid_t rivals[TORTURE_RIVALS] = {rig->pid};
	int n = 2 + (int) below(rig, TORTURE_RIVALS - 1);

	for (int i = 1; i < n; i++)
		if ((rivals[i] = torture_rig_start(rig)) < 0)
			n = i;
	return settle_rivals(rig, rivals, n);
}

/* ---- the network ---- */

/* Waits until the relay has done what it was told, or nothing came by. */
static bool let_happen(struct torture_rig *rig, int64_t done_before)
{
	int64_t until_ms = now_ms() + DONE_MS;
	bool goes_on = true;

	while (goes_on && fault_proxy_done(rig->proxy) == done_before && now_ms() < until_ms)
		goes_on = torture_rig_rest(rig, 5);
	fault_proxy_disarm(rig->proxy);
	return goes_on;
}

static bool do_to_commit(struct torture_rig *rig, enum fault_deed deed, int ms, int64_t bytes)
{
	int64_t before = fault_proxy_done(rig->proxy);
	struct fault_order order = {.deed = deed, .text = "commit", .api_key = -1, .hit = 1 + (int) below(rig, 6), .ms = ms,
		.bytes = bytes};

	return fault_proxy_arm(rig->proxy, &order) && let_happen(rig, before);
}

static bool lose_answer(struct torture_rig *rig) { return do_to_commit(rig, FAULT_DROP_ANSWER, 0, 0); }
static bool lose_commit(struct torture_rig *rig) { return do_to_commit(rig, FAULT_DROP_REQUEST, 0, 0); }
static bool delay_answer(struct torture_rig *rig)
{
	return do_to_commit(rig, FAULT_DELAY_ANSWER, 100 + (int) below(rig, 1500), 0);
}
static bool hold_commit(struct torture_rig *rig)
{
	return do_to_commit(rig, FAULT_HOLD_REQUEST, 100 + (int) below(rig, 2500), 0);
}

static bool cut_anywhere(struct torture_rig *rig)
{
	int64_t before = fault_proxy_done(rig->proxy);
	struct fault_order order = {.deed = below(rig, 2) ? FAULT_CUT_REQUEST : FAULT_CUT_ANSWER, .api_key = -1,
		.hit = 1 + (int) below(rig, 30), .bytes = below(rig, 200)};

	return fault_proxy_arm(rig->proxy, &order) && let_happen(rig, before);
}

static bool reset_all(struct torture_rig *rig)
{
	bool goes_on = torture_rig_rest(rig, below(rig, 400));

	fault_proxy_reset(rig->proxy);
	return goes_on;
}

static bool freeze_network(struct torture_rig *rig)
{
	fault_proxy_freeze(rig->proxy, true);
	bool goes_on = torture_rig_rest(rig, 100 + below(rig, 2500));
	fault_proxy_freeze(rig->proxy, false);
	return goes_on;
}

static bool refuse_connections(struct torture_rig *rig)
{
	fault_proxy_refuse(rig->proxy, true);
	fault_proxy_reset(rig->proxy);
	bool goes_on = torture_rig_rest(rig, 100 + below(rig, 2000));
	fault_proxy_refuse(rig->proxy, false);
	return goes_on;
}

/* ---- the server ---- */

static bool end_session(struct torture_rig *rig)
{
	bool goes_on = torture_rig_rest(rig, below(rig, 400));

	(void) torture_schema_end_session(rig->schema);
	return goes_on;
}

const struct torture_fault *torture_fault_at(size_t i)
{
	static const struct torture_fault faults[] = {
		{"kill", "kill -9", false, kill_it},
		{"term", "SIGTERM, then a new start", false, stop_it},
		{"freeze", "frozen (SIGSTOP), and woken up while a successor takes over or works", false, freeze_it},
		{"rivals", "2 to 4 instances at once", false, bring_rivals},
		{"answer_lost", "COMMIT arrived, its answer is lost", true, lose_answer},
		{"commit_lost", "COMMIT never arrived", true, lose_commit},
		{"commit_late", "COMMIT arrives when its connection is long gone", true, hold_commit},
		{"answer_late", "COMMIT's answer comes late", true, delay_answer},
		{"cut", "a connection cut in the middle of a message", false, cut_anywhere},
		{"reset", "all connections reset", false, reset_all},
		{"frozen_network", "nothing passes for a while", false, freeze_network},
		{"refused", "no connection for a while", false, refuse_connections},
		{"session_ended", "pg_terminate_backend", false, end_session},
	};

	return i < sizeof faults / sizeof faults[0] ? &faults[i] : NULL;
}
