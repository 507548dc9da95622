/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's decisions in simulated worlds: I1-I3, I5-I8, from seeds.  KD_SEED=n runs that one world and tells it step by
 * step; SIM_BATCHES=n goes on until so many batches were planned. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim.h"

enum { BATCHES = 300000, MOST_WORLDS = 3000 };

/* Of this process's own computing: others may use the machine, too. */
static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void add(sim_report *sum, const sim_report *one)
{
	int64_t *to = &sum->batches;
	const int64_t *from = &one->batches;

	for (size_t i = 0; i < 10; i++)
		to[i] += from[i];
}

static void tell(const char *what, const sim_report *sum, int64_t worlds, double took)
{
	printf("sim: %s: %" PRId64 " worlds, %" PRId64 " batches (%.1f million a minute of one core), %" PRId64 " commits, %" PRId64
	       " starts, %" PRId64 " kills, %" PRId64 " freezes, %" PRId64 " lost answers, %" PRId64 " late, %" PRId64
	       " fenced, %" PRId64 " times back\n",
		what, worlds, sum->batches, (double) sum->batches / took * 60 / 1e6, sum->batch_partitions, sum->starts,
		sum->crashes, sum->freezes, sum->lost_answers, sum->late, sum->fenced, sum->went_back);
	fflush(stdout);
}

static void run_one(uint64_t seed, bool goes_back, sim_report *report)
{
	sim_options options = {.seed = seed, .goes_back = goes_back, .traced = getenv("KD_SEED")};

	sim_run(&options, report);
	cr_assert(!report->violation[0], "KD_SEED=%" PRIu64 " (%s) replays it: %s", seed,
		goes_back ? "the database goes back" : "the database stays", report->violation);
}

static void run_many(bool goes_back)
{
	const char *seed = getenv("KD_SEED"), *batches = getenv("SIM_BATCHES");
	int64_t wanted = batches ? atoll(batches) : BATCHES, worlds = 0;
	sim_report sum = {0}, report;
	uint64_t first = seed ? strtoull(seed, NULL, 10) : (uint64_t) time(NULL) * 1000000;
	double began = seconds();

	do {
		run_one(first + (uint64_t) worlds++, goes_back, &report);
		add(&sum, &report);
	} while (!seed && sum.batches < wanted);
	tell(goes_back ? "a database that goes back" : "a database that stays", &sum, worlds, seconds() - began);
}

Test(sim, exactly_once_in_every_world, .timeout = 600)
{
	run_many(false);
}

Test(sim, exactly_once_in_every_world_whose_database_goes_back, .timeout = 600)
{
	run_many(true);
}

/* Worlds that went wrong once, and what was wrong in them. */
Test(sim, exactly_once_in_every_world_that_was_found)
{
	static const struct {
		uint64_t seed;
		bool goes_back;
	} found[] = {
		/* A process took over again with the epoch and id that it had before the database went back; a plan that it had
		 * sent then arrived late, and was taken for its own. */
		{1795414429006566, true},
	};
	sim_report report;

	for (size_t i = 0; i < sizeof found / sizeof *found; i++)
		run_one(found[i].seed, found[i].goes_back, &report);
}

/* One seed, one course: what is told of a failure can be looked at again. */
Test(sim, a_seed_replays_to_the_same_step)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		sim_report one, other;
		sim_options options = {.seed = seed, .goes_back = seed % 2};
		sim_run(&options, &one);
		sim_run(&options, &other);
		cr_assert_arr_eq(&one, &other, sizeof one, "seed %" PRIu64, seed);
	}
}

Test(sim, every_wrong_protocol_is_caught, .timeout = 600)
{
	for (int wrong = SIM_RIGHT + 1; wrong < SIM_WRONGS; wrong++) {
		sim_report report = {0};
		uint64_t seed = 0;
		while (!report.violation[0] && seed < MOST_WORLDS)
			sim_run(&(sim_options) {.seed = ++seed, .wrong = (sim_wrong) wrong}, &report);
		cr_expect(report.violation[0], "%s is not caught in %d worlds", sim_wrong_name((sim_wrong) wrong), MOST_WORLDS);
		printf("sim: %s: caught in world %" PRIu64 ": %s\n", sim_wrong_name((sim_wrong) wrong), seed, report.violation);
	}
	fflush(stdout);
}
