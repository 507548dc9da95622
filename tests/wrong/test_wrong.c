/* SPDX-License-Identifier: Apache-2.0 */
/* The judge of the judge: protocols that are wrong on purpose (tests/wrong/NAME.patch, each with a head that says what it
 * breaks), each of which the judge must catch, by the invariant that it violates, within its budget of runs; and the
 * right protocol, and what is known to be harmless, which it must not catch in the same scenes. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "hunt.h"
#include "tmpdir.h"

enum { RUNS = 12, RIGHT_RUNS = 2 };

static const struct {
	const char *name;
	hunt_scene *scene;
	int violates; /* the hunt ends when this one is found; 0: harmless */
} wrongs[] = {
	{"identifier-without-plan", hunt_kill, 6},
	{"plan-after-fetch", hunt_kill, 6},
	{"position-outside", hunt_kill, 2},
	{"until-from-high-watermark", hunt_kill, 4},
	{"skip-by-select", hunt_held_commit, 2},
	{"blind-pipelining", hunt_lost_commit, 2},
	{"mark-without-range", hunt_lost_plan, 3},
	{"plan-without-epoch", hunt_zombie_plans, 7},
	{"update-then-blind-insert", hunt_zombie_plans, 7},
	{"commit-without-epoch", hunt_zombie_lands, 7},
	{"take-over-without-waiting", hunt_zombie_commits, 7},
	{"batch-time-from-clock", hunt_clock_back, 6},
	{"harmless-unlocked-look", hunt_lost_commit, 0},
};

enum { WRONGS = sizeof(wrongs) / sizeof(*wrongs) };

static void tell(const hunt *h, const char *name)
{
	printf("wrong: %d runs, %d faults: %s", h->runs, h->faults, name);
	for (int i = 1, any = 0; i <= KT_INVARIANTS; i++)
		if (h->verdict.of[i].count)
			printf("%sI%d (%" PRId64 ")", any++ ? ", " : " is caught by ", i, h->verdict.of[i].count);
	printf("%s\n", kt_judgement_first(&h->verdict) ? "" : " is not caught");
	fflush(stdout);
}

static void must_be_caught(const char *name)
{
	hunt h;
	int i = 0;

	while (i < WRONGS && strcmp(wrongs[i].name, name))
		i++;
	hunt_open(&h, name);
	bool found = hunt_run(&h, wrongs[i].scene, wrongs[i].violates, wrongs[i].violates ? RUNS : RIGHT_RUNS);
	if (kt_judgement_findings(&h.verdict))
		kt_judgement_print(&h.verdict, name);
	tell(&h, name);
	cr_assert_eq(found, wrongs[i].violates > 0, "I%d was %sfound in %d runs", wrongs[i].violates, found ? "" : "not ", h.runs);
	hunt_close(&h);
}

#define WRONG(test, name) \
	Test(wrong, test, .timeout = 900) { must_be_caught(name); }

WRONG(an_identifier_without_a_plan_is_caught, "identifier-without-plan")
WRONG(a_plan_after_the_fetch_is_caught, "plan-after-fetch")
WRONG(a_position_outside_the_transaction_is_caught, "position-outside")
WRONG(a_range_up_to_the_high_watermark_is_caught, "until-from-high-watermark")
WRONG(a_skip_decided_by_select_is_caught, "skip-by-select")
WRONG(blind_pipelining_is_caught, "blind-pipelining")
WRONG(a_mark_without_the_range_is_caught, "mark-without-range")
WRONG(a_plan_without_the_epoch_is_caught, "plan-without-epoch")
WRONG(a_plan_as_update_then_blind_insert_is_caught, "update-then-blind-insert")
WRONG(a_commit_without_the_epoch_is_caught, "commit-without-epoch")
WRONG(a_take_over_that_does_not_wait_is_caught, "take-over-without-waiting")
WRONG(a_batch_time_from_the_clock_alone_is_caught, "batch-time-from-clock")
WRONG(a_look_without_its_lock_is_harmless, "harmless-unlocked-look")

/* The same judge in the same scenes. */
Test(wrong, the_right_protocol_is_not_caught_in_any_scene, .timeout = 900)
{
	static hunt_scene *const scenes[] = {hunt_kill, hunt_lost_commit, hunt_held_commit, hunt_lost_plan, hunt_zombie_plans,
		hunt_zombie_lands, hunt_zombie_commits, hunt_clock_back};
	hunt h;

	hunt_open(&h, NULL);
	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
		int faults = h.faults;

		if (hunt_run(&h, scenes[i], 0, RIGHT_RUNS))
			kt_judgement_print(&h.verdict, "the right protocol");
		cr_assert_eq(kt_judgement_findings(&h.verdict), 0, "scene %zu: I%d", i, kt_judgement_first(&h.verdict));
		cr_assert_gt(h.faults, faults, "scene %zu made no fault", i);
	}
	tell(&h, "the right protocol");
	hunt_close(&h);
}

Test(wrong, every_patch_is_hunted)
{
	char *path = kt_format("%s/../wrong", kt_env("KD_TEST_SUPPORT"));
	DIR *dir = opendir(path);
	int n = 0;

	cr_assert(dir, "%s", path);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char *end = strstr(entry->d_name, ".patch");
		bool known = false;

		for (int i = 0; end && i < WRONGS; i++)
			known |= strlen(wrongs[i].name) == (size_t) (end - entry->d_name) &&
				strncmp(wrongs[i].name, entry->d_name, strlen(wrongs[i].name)) == 0;
		cr_assert(!end || known, "%s is not hunted", entry->d_name);
		n += end != NULL;
	}
	cr_assert_eq(n, WRONGS);
	closedir(dir);
	free(path);
}
