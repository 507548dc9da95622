/* SPDX-License-Identifier: Apache-2.0 */
/* run: the world's course: whose turn it is, what goes wrong, and how it must end. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

enum { TROUBLED_STEPS = 1500, MOST_STEPS = 12000, FROZEN_TENTHS = 5 };

sim_world *sim;

void sim_trace(const char *format, ...)
{
	va_list args;

	if (!sim->options->traced)
		return;
	fprintf(stderr, "%6" PRId64 " %8" PRId64 " ms  ", sim->report->steps, sim->mono_ms);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void sim_violation(const char *format, ...)
{
	char what[160];
	va_list args;

	if (sim->report->violation[0])
		return;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	snprintf(sim->report->violation, sizeof sim->report->violation, "%s (step %" PRId64 ")", what, sim->report->steps);
	sim_trace("VIOLATION %s", what);
}

/* ---- turns ---- */

void sim_yield(int64_t ms)
{
	sim_routine *me = sim->running;

	me->wake_ms = sim->mono_ms + ms;
	swapcontext(&me->context, &sim->scheduler);
}

static bool may_run(sim_instance *in, int i)
{
	sim_routine *routine = sim_instance_routine(in, i);

	return routine->there && !sim_instance_is_frozen(in) && routine->wake_ms <= sim->mono_ms;
}

/* A random one of those that may run; nobody may: the clock goes on to the next one. */
static bool give_turn(void)
{
	sim_instance *who[2 * SIM_INSTANCES];
	int which[2 * SIM_INSTANCES], n = 0;

	for (int i = 0; i < sim->n_instances; i++)
		for (int k = 0; k < 2; k++)
			if (may_run(sim->instances[i], k)) {
				who[n] = sim->instances[i];
				which[n++] = k;
			}
	if (n == 0)
		return false;
	int i = (int) sim_random((uint64_t) n);
	sim_instance_enter(who[i]);
	sim->running = sim_instance_routine(who[i], which[i]);
	swapcontext(&sim->scheduler, &sim->running->context);
	return true;
}

static void pass_time(void)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < sim->n_instances; i++)
		for (int k = 0; k < 2; k++) {
			sim_routine *routine = sim_instance_routine(sim->instances[i], k);
			if (routine->there && !sim_instance_is_frozen(sim->instances[i]) && routine->wake_ms < least)
				least = routine->wake_ms;
		}
	int64_t ms = least == INT64_MAX || least <= sim->mono_ms ? 10 : least - sim->mono_ms;
	sim->mono_ms += ms;
	sim->wall_ms += ms;
}

/* ---- the log ---- */

/* Holes are markers, aborted and compacted records; a transaction that is open holds the stable end back. */
static void produce(void)
{
	sim_log *log = &sim->logs[sim_random(SIM_PARTITIONS)];
	int64_t more = 1 + (int64_t) sim_random(30);

	for (; more > 0 && log->high < SIM_OFFSETS; more--)
		log->delivered[log->high++] = sim_random(8) > 0;
	if (sim_random(3) > 0)
		log->stable = log->high;
}

/* ---- faults ---- */

static sim_instance *any_instance(void)
{
	sim_instance *in = sim->n_instances ? sim->instances[sim_random((uint64_t) sim->n_instances)] : NULL;

	return in && sim_instance_lives(in) && !sim_instance_crashed(in) ? in : NULL;
}

static bool somebody_lives(void)
{
	for (int i = 0; i < sim->n_instances; i++)
		if (sim_instance_lives(sim->instances[i]) && !sim_instance_crashed(sim->instances[i]))
			return true;
	return false;
}

static void trouble_instances(void)
{
	sim_instance *in = any_instance();

	if (in && sim_percent(3)) {
		sim_trace("an instance is killed");
		sim_instance_crash(in);
		sim->report->crashes++;
	} else if (in && sim_instance_is_frozen(in) && sim_percent(20)) {
		sim_instance_freeze(in, false);
	} else if (in && sim_percent(FROZEN_TENTHS)) {
		sim_trace("an instance is frozen");
		sim_instance_freeze(in, true);
		sim->report->freezes++;
	}
	if (sim->n_instances < SIM_INSTANCES - 3 && sim_percent(somebody_lives() ? 2 : 100))
		(void) sim_instance_start();
}

static void trouble_database(void)
{
	if (sim_percent(10))
		sim->kept = sim->db;
	if (sim->options->goes_back && sim_percent(2))
		sim_set_back();
	for (int i = 0; i < SIM_ORPHANS; i++)
		if (sim->orphans[i].tx.open && sim->orphans[i].due_ms <= sim->mono_ms)
			sim_end_orphan(&sim->orphans[i], sim->orphans[i].commit_sent);
	for (int i = 0; i < SIM_LATE; i++)
		if (sim->late[i].there && sim->late[i].due_ms <= sim->mono_ms)
			sim_arrive(&sim->late[i]);
}

static void trouble(void)
{
	if (sim_percent(150))
		produce();
	trouble_instances();
	trouble_database();
	if (sim_percent(3))
		sim->wall_ms -= (int64_t) sim_random(5000); /* the clock is set back */
}

/* ---- the end ---- */

static bool all_committed(void)
{
	for (int p = 0; p < SIM_PARTITIONS; p++)
		if (sim->db.parts[p].committed_until != sim->logs[p].high)
			return false;
	return true;
}

/* From here on nothing goes wrong: every zombie wakes, and where nobody is left one more is started. */
static void calm_down(void)
{
	sim->quiet = true;
	for (int p = 0; p < SIM_PARTITIONS; p++)
		sim->logs[p].stable = sim->logs[p].high;
	for (int i = 0; i < sim->n_instances; i++)
		sim_instance_freeze(sim->instances[i], false);
	sim_trace("nothing goes wrong any more");
}

static void judge_end(void)
{
	for (int p = 0; p < SIM_PARTITIONS; p++)
		for (int64_t offset = 0; offset < sim->logs[p].high; offset++)
			if (sim->db.parts[p].stored[offset] != sim->logs[p].delivered[offset])
				sim_violation("I1, I2: offset %d@%" PRId64 " is there %d times", p, offset,
					sim->db.parts[p].stored[offset]);
}

static void let_end(void)
{
	for (int i = 0; i < sim->n_instances; i++)
		sim_instance_crash(sim->instances[i]);
	for (int turns = 0; turns < 100000; turns++) {
		bool more = false;
		for (int i = 0; i < sim->n_instances; i++)
			more = more || sim_instance_lives(sim->instances[i]);
		if (!more)
			break;
		if (!give_turn())
			pass_time();
	}
	for (int i = 0; i < sim->n_instances; i++)
		sim_instance_free(sim->instances[i]);
}

static void course(void)
{
	sim_report *report = sim->report;

	for (; report->steps < MOST_STEPS && !report->violation[0]; report->steps++) {
		if (report->steps == TROUBLED_STEPS)
			calm_down();
		if (sim->quiet && all_committed())
			break;
		trouble();
		if (sim->quiet && !somebody_lives())
			(void) sim_instance_start();
		if (!give_turn())
			pass_time();
	}
	if (!report->violation[0] && !all_committed())
		sim_violation("I8: it does not come to its end");
	if (!report->violation[0])
		judge_end();
}

void sim_run(const sim_options *options, sim_report *ret_report)
{
	static sim_world world;

	world = (sim_world) {.options = options, .report = ret_report, .random = options->seed, .wall_ms = 1700000000000,
		.mono_ms = 1};
	*ret_report = (sim_report) {0};
	sim = &world;
	for (int i = 0; i < 4; i++)
		produce();
	(void) sim_instance_start();
	sim->kept = sim->db;
	course();
	sim->quiet = true;
	let_end();
}

const char *sim_wrong_name(sim_wrong wrong)
{
	static const char *const names[] = {"right", "position outside the transaction", "plan without epoch",
		"commit without epoch", "skip decided by a SELECT", "batch time from the clock only",
		"until from the high watermark"};

	return names[wrong];
}
