/* SPDX-License-Identifier: Apache-2.0 */
/* The state words of `kdirect offsets`: which one holds, and in which order they are tested. */
#include <criterion/criterion.h>

#include "tools/offset_state.h"

#define LOG(low_, stable, high_) .low = (low_), .last_stable = (stable), .high = (high_)
#define JOB(planned_, committed_) .planned = (planned_), .committed = (committed_)
#define FACTS .stalled_after_ms = 60000, .since_commit_ms = 1000, .log_start = -1

static const struct {
	const char *name;
	struct offset_facts facts;
	enum offset_state state;
	int64_t lag;
} table[] = {
	{"all read", {FACTS, LOG(0, 10, 10), JOB(10, 10)}, OFFSET_OK, 0},
	{"an empty partition", {FACTS, LOG(7, 7, 7), JOB(7, 7)}, OFFSET_OK, 0},
	{"something to read", {FACTS, LOG(0, 10, 10), JOB(8, 4)}, OFFSET_BEHIND, 6},
	{"not in the job yet", {FACTS, LOG(3, 10, 10), JOB(-1, -1)}, OFFSET_BEHIND, 7},
	{"not in the job yet, and empty", {FACTS, LOG(3, 3, 3), JOB(-1, -1)}, OFFSET_OK, 0},
	{"Kafka did not answer", {FACTS, LOG(-1, -1, -1), JOB(4, 4)}, OFFSET_UNKNOWN, -1},
	{"exactly at the log start", {FACTS, LOG(4, 10, 10), JOB(4, 4)}, OFFSET_BEHIND, 6},
	{"below the log start", {FACTS, LOG(5, 10, 10), JOB(4, 4)}, OFFSET_LOST, 6},
	{"beyond the end", {FACTS, LOG(0, 3, 3), JOB(4, 4)}, OFFSET_DRIFT, 0},
	{"planned beyond the end", {FACTS, LOG(0, 5, 5), JOB(6, 4)}, OFFSET_DRIFT, 1},
	{"the log start went back", {LOG(0, 10, 10), JOB(10, 10), .log_start = 2}, OFFSET_DRIFT, 0},
	{"another record at the witness", {FACTS, LOG(0, 10, 10), JOB(10, 10), .other_log = true}, OFFSET_DRIFT, 0},
	{"below the log start, and another log: LOST comes first",
	 {FACTS, LOG(5, 10, 10), JOB(4, 4), .other_log = true}, OFFSET_LOST, 6},
	{"an open transaction, at first sight", {FACTS, LOG(0, 10, 15), JOB(10, 10)}, OFFSET_OK, 0},
	{"an open transaction, still there", {FACTS, LOG(0, 10, 15), JOB(10, 10), .blocked_long = true}, OFFSET_BLOCKED, 0},
	{"an open transaction does not hold a job that reads uncommitted",
	 {FACTS, LOG(0, 10, 15), JOB(10, 10), .blocked_long = true, .read_uncommitted = true}, OFFSET_BEHIND, 5},
	{"no commit for a minute",
	 {LOG(0, 10, 10), JOB(4, 4), .log_start = -1, .since_commit_ms = 60001, .stalled_after_ms = 60000},
	 OFFSET_STALLED, 6},
	{"no commit for just a minute",
	 {LOG(0, 10, 10), JOB(4, 4), .log_start = -1, .since_commit_ms = 60000, .stalled_after_ms = 60000},
	 OFFSET_BEHIND, 6},
	{"no commit for long, and nothing to read",
	 {LOG(0, 4, 4), JOB(4, 4), .log_start = -1, .since_commit_ms = 600000, .stalled_after_ms = 60000}, OFFSET_OK, 0},
	{"no commit for long, and the first news just now",
	 {LOG(0, 5, 5), JOB(4, 4), .log_start = -1, .since_commit_ms = 600000, .stalled_after_ms = 60000,
		.news_is_young = true}, OFFSET_BEHIND, 1},
	{"never a commit, and nobody knows since when",
	 {LOG(0, 5, 5), JOB(0, 0), .log_start = -1, .since_commit_ms = -1, .stalled_after_ms = 60000}, OFFSET_BEHIND, 5},
};

Test(offset_state, is_the_first_word_that_holds)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		cr_expect_eq(offset_state(&table[i].facts), table[i].state, "%s: %s", table[i].name,
			offset_state_name(offset_state(&table[i].facts)));
		cr_expect_eq(offset_lag(&table[i].facts), table[i].lag, "%s: lag %lld", table[i].name,
			(long long) offset_lag(&table[i].facts));
	}
}

Test(offset_state, a_person_is_needed_for_three_of_them)
{
	int n = 0;

	for (enum offset_state state = OFFSET_UNKNOWN; state <= OFFSET_OK; state++)
		n += offset_state_needs_person(state);
	cr_expect_eq(n, 3);
	cr_expect(offset_state_needs_person(OFFSET_LOST));
	cr_expect(offset_state_needs_person(OFFSET_DRIFT));
	cr_expect(offset_state_needs_person(OFFSET_STALLED));
	cr_expect_str_eq(offset_state_name(OFFSET_BLOCKED), "BLOCKED");
}
