// SPDX-License-Identifier: Apache-2.0
// The suite on a keyed sink whose puts are known by their identifier: everything that is said of the ledger, and of
// rows what is left without transactions.
#include <inttypes.h>
#include <sqlite3.h>

#include <criterion/criterion.h>

#include "conformance.h"
#include "keyed_target.h"
#include "tmpdir.h"

static kd_code open_db(const kd_conformance_place *place, void **ret_db, kd_error *err)
{
	(void) err;
	*ret_db = kt_path(place->dir, "t.db");
	return KD_OK;
}

static char *sink_json(const world *w, const char *table)
{
	return kt_format("{\"type\": \"%s\", \"ledger\": \"%s/ledger.db\", \"store\": \"%s/%s.db\"}", w->ops->name,
		w->place.dir, w->place.dir, table);
}

/* "job/topic/partition/segment/offset/row" */
static bool read_row(sqlite3_stmt *stmt, kd_conformance_row_fn *row, void *opaque)
{
	kd_conformance_row found = {.topic = TOPIC, .timestamp_ms = -1};
	int number;
	int n = sscanf((const char *) sqlite3_column_text(stmt, 0), "%*[^/]/" TOPIC "/%" SCNd32 "/%*d/%" SCNd64 "/%d",
		&found.partition, &found.offset, &number);
	kt_check(n == 3 && number == 0, "a strange identifier: %s", (const char *) sqlite3_column_text(stmt, 0));
	return row(opaque, &found);
}

/* A target that nothing was put to has no table yet. */
static kd_code read_rows(void *db, kd_conformance_row_fn *row, void *opaque, kd_error *err)
{
	(void) err;
	sqlite3 *target;
	sqlite3_stmt *stmt = NULL;
	kt_check(sqlite3_open(db, &target) == SQLITE_OK, "could not open %s", (char *) db);
	sqlite3_busy_timeout(target, 10000);
	if (sqlite3_prepare_v2(target, "select identifier from t", -1, &stmt, NULL) == SQLITE_OK)
		while (sqlite3_step(stmt) == SQLITE_ROW && read_row(stmt, row, opaque))
			;
	sqlite3_finalize(stmt);
	sqlite3_close(target);
	return KD_OK;
}

static const kd_conformance_hooks hooks = {
	.abi = KD_CONFORMANCE_ABI,
	.open = open_db,
	.close = free,
	.rows = read_rows,
};

#define KEYED_TEST(name) \
	Test(keyed, name, .timeout = 120) \
	{ \
		kc_store store = {.ops = kd_keyed_sink(&kt_keyed_by_identifier), .hooks = &hooks, .sink_json = sink_json, \
			.state_in_dir = true}; \
		conformance_run(&store, case_##name); \
	}

/* Left out is what needs rows and identifier in one step: that an aborted or killed commit leaves no rows, what an
 * observer sees, that others wait for an open transaction, that a lost race is a miss at begin. */
#define KEYED_CASES(X) \
	X(a_sink_opens_where_nothing_is) \
	X(the_target_is_the_same_one_when_opened_again) \
	X(check_and_ddl_can_be_asked_before_all_else) \
	X(a_committed_identifier_is_not_committed_again) \
	X(a_commit_moves_only_from_where_the_position_is) \
	X(a_miss_leaves_nothing_behind) \
	X(abort_with_nothing_open_does_nothing) \
	X(a_gap_is_written_with_the_rows_or_not_at_all) \
	X(a_commit_records_what_the_batch_partition_came_to) \
	X(an_empty_batch_partition_commits) \
	X(take_over_fences_the_older_owner) \
	X(the_same_epoch_with_another_owner_is_fenced) \
	X(an_epoch_that_a_process_had_is_not_given_again) \
	X(two_first_starts_at_once_both_succeed_in_order) \
	X(a_take_over_that_is_judged_and_refused_changes_nothing) \
	X(nobody_takes_over_between_the_judgement_and_the_take_over) \
	X(take_over_refuses_another_cluster) \
	X(take_over_refuses_another_target) \
	X(a_topic_that_another_job_feeds_is_refused) \
	X(another_job_may_feed_another_target) \
	X(adding_partitions_is_all_or_none) \
	X(a_new_segment_closes_the_old_one) \
	X(adding_again_after_a_lost_answer_adds_nothing) \
	X(an_owner_is_alive_until_it_is_gone) \
	X(of_rival_sessions_exactly_one_plans) \
	X(a_plan_that_was_answered_outlives_its_process) \
	X(a_commit_that_was_answered_outlives_its_process) \
	X(a_plan_whose_answer_was_lost_is_found_by_repeating_it) \
	X(a_planner_killed_at_any_moment_leaves_one_plan_or_none) \
	X(a_commit_whose_answer_was_lost_is_found_by_repeating_it)
PLAN_CASES(KEYED_TEST)
BACK_CASES(KEYED_TEST)
READ_CASES(KEYED_TEST)
KEYED_CASES(KEYED_TEST)
