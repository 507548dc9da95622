/* SPDX-License-Identifier: Apache-2.0 */
/* The suite that every transactional sink passes, through its table of functions alone.
 *
 * A case is written once (cases_*.c) and becomes a test of every store here (test_<store>.c), and a line of the installed
 * program (program/).  A store is the sink under test, its configuration, and the hooks with which the suite looks behind
 * its back (kdirect/conformance.h).  An instance stands for a start of the program: a sink, a session and, after
 * take-over, an owner.  A puppet stands for a process that dies: it is forked before anything is open. */
#ifndef KD_CONFORMANCE_SUITE_H
#define KD_CONFORMANCE_SUITE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "judge.h"
#include <kdirect/conformance.h>

#define SINK_CASES(X) /* cases_sink.c */ \
	X(the_table_of_functions_is_complete) \
	X(a_sink_opens_where_nothing_is) \
	X(the_target_is_the_same_one_when_opened_again) \
	X(check_and_ddl_can_be_asked_before_all_else)
#define COMMIT_CASES(X) /* cases_commit.c */ \
	X(a_committed_identifier_is_not_committed_again) \
	X(a_commit_moves_only_from_where_the_position_is) \
	X(a_miss_leaves_nothing_behind) \
	X(an_aborted_batch_partition_leaves_nothing_behind) \
	X(abort_with_nothing_open_does_nothing) \
	X(rows_hold_what_kafka_served) \
	X(offsets_are_scanned_in_order_with_repeats) \
	X(a_gap_is_written_with_the_rows_or_not_at_all) \
	X(a_commit_records_what_the_batch_partition_came_to) \
	X(a_table_that_swallows_rows_stops_the_commit) \
	X(a_refused_row_is_named) \
	X(an_empty_batch_partition_commits)
#define PLAN_CASES(X) /* cases_plan.c */ \
	X(a_plan_moves_only_from_where_the_partition_is) \
	X(a_plan_over_many_partitions_is_all_or_none) \
	X(a_batch_time_is_never_used_twice) \
	X(a_withdrawn_plan_never_commits) \
	X(only_the_newest_plan_is_withdrawn) \
	X(a_committed_plan_is_not_withdrawn) \
	X(a_plan_of_an_earlier_owner_is_replayed_as_it_is) \
	X(pruning_keeps_sums_and_the_last) \
	X(pruning_leaves_what_is_young_or_not_committed)
#define OWNER_CASES(X) /* cases_owner.c */ \
	X(take_over_fences_the_older_owner) \
	X(the_same_epoch_with_another_owner_is_fenced) \
	X(an_epoch_that_a_process_had_is_not_given_again) \
	X(take_over_waits_for_a_commit_in_flight) \
	X(two_first_starts_at_once_both_succeed_in_order) \
	X(a_take_over_that_is_judged_and_refused_changes_nothing) \
	X(nobody_takes_over_between_the_judgement_and_the_take_over) \
	X(take_over_refuses_another_cluster) \
	X(take_over_refuses_another_target) \
	X(a_topic_that_another_job_feeds_is_refused) \
	X(another_job_may_feed_another_target) \
	X(adding_partitions_is_all_or_none) \
	X(a_new_segment_closes_the_old_one) \
	X(take_over_tells_each_segments_newest_identifier) \
	X(adding_again_after_a_lost_answer_adds_nothing) \
	X(an_owner_is_alive_until_it_is_gone)
#define RACE_CASES(X) /* cases_race.c */ \
	X(of_rival_sessions_exactly_one_commits) \
	X(of_rival_sessions_exactly_one_plans) \
	X(an_observer_never_sees_rows_without_their_identifier)
#define UNKNOWN_CASES(X) /* cases_unknown.c */ \
	X(a_plan_that_was_answered_outlives_its_process) \
	X(a_commit_that_was_answered_outlives_its_process) \
	X(a_plan_whose_answer_was_lost_is_found_by_repeating_it) \
	X(a_planner_killed_at_any_moment_leaves_one_plan_or_none) \
	X(a_commit_whose_answer_was_lost_is_found_by_repeating_it) \
	X(a_commit_that_never_happened_is_found_by_repeating_it) \
	X(a_commit_that_comes_late_is_waited_for) \
	X(a_server_that_commits_for_the_dead_is_waited_for) \
	X(a_committer_killed_at_any_moment_leaves_all_or_nothing)
#define BACK_CASES(X) /* cases_back.c */ \
	X(a_database_set_back_before_a_commit_is_seen) \
	X(a_database_set_back_before_a_plan_is_seen) \
	X(a_database_set_back_before_a_take_over_is_seen) \
	X(a_database_set_back_before_the_first_partition_is_seen) \
	X(after_a_set_back_exactly_the_lost_offsets_land_again)
#define READ_CASES(X) /* cases_read.c */ \
	X(the_ledger_is_read_in_order) \
	X(the_newest_batches_come_first) \
	X(reading_ends_where_the_reader_says) \
	X(a_job_that_is_not_there_is_a_configuration_error) \
	X(a_snapshot_does_not_move) \
	X(verify_tells_more_segments_than_it_has_room_for)
#define CASES(X) \
	SINK_CASES(X) COMMIT_CASES(X) PLAN_CASES(X) OWNER_CASES(X) RACE_CASES(X) UNKNOWN_CASES(X) BACK_CASES(X) READ_CASES(X)

/* ---- stores and the world of a case ---- */

#define JOB "orders"
#define TOPIC "orders"

typedef struct world world;
typedef struct instance instance;

typedef struct kc_store {
	const kd_sink_ops *ops;
	const kd_conformance_hooks *hooks; /* NULL: none */
	/* The job's "sink", for the table "t" or "t2": two targets beside one ledger.  NULL for "t2" where each target has a
	 * ledger of its own.  The caller frees it. */
	char *(*sink_json)(const world *w, const char *table);
	bool state_in_dir; /* all that the sink keeps is below place.dir: save and restore can copy it */
} kc_store;

struct world {
	const kc_store *store;
	const kd_sink_ops *ops;
	const kd_conformance_hooks *hooks; /* never NULL */
	kd_conformance_place place;
	void *db; /* the hooks' */
	void (*skip)(const char *why); /* does not return */
	instance *open[16]; /* of this process */
};

typedef void conformance_case(world *w);
#define DECLARE_CASE(name) conformance_case case_##name;
CASES(DECLARE_CASE)

/* Makes a place, runs the case there and clears up; a case that fails ends the process. */
void case_run(const kc_store *store, conformance_case *fn, void (*skip)(const char *why));
/* The same as part of a criterion test (in_criterion.c). */
void conformance_run(const kc_store *store, conformance_case *fn);

/* The configuration of a job on this table; the caller frees it. */
kd_config *world_config(world *w, const char *job, const char *table);

/* Ends the case where it cannot be run, saying what it needs.  First thing in a case. */
void needs(world *w, bool there, const char *what);
void needs_set_back(world *w);
void needs_second_target(world *w);

/* Remembers ledger and rows; makes them so again (set_back.c). */
void save(world *w);
void restore(world *w);

/* How many committed rows of table t have offsets of the range, in all partitions, repeats counted (rows.c); and how
 * many offsets without the repeats, in a case with one partition.  By the hook, else by a sink of its own. */
int64_t rows_between(world *w, int64_t from, int64_t until);
int64_t offsets_between(world *w, int64_t from, int64_t until);

/* A start of the program. */
struct instance {
	world *w;
	const char *job, *table;
	kd_config *config;
	void *sink, *session;
	char owner_id[KD_OWNER_SIZE];
	kd_owner me;
	kd_ledger_image image;
	/* of its take-over: kd_take_over.judge and its opaque; NULL: none */
	kd_code (*judge)(void *opaque, const kd_incumbent *incumbent, kd_error *err);
	void *judges;
	int64_t had_epoch; /* the same */
};

#define STARTED_AT_MS INT64_C(1700000000000)

/* Opens the sink and a session.  id: a letter that makes the owner's id; 'r' only reads. */
instance *instance_open(world *w, char id);
instance *instance_open_as(world *w, char id, const char *job, const char *table);
void instance_close(instance *i);
/* What a process does whose database went away and came back: closes all, opens all, and is still the owner it was. */
void instance_disconnect(instance *i);
void instance_connect(instance *i);
void instance_take_over(instance *i);
kd_code instance_try_take_over(instance *i, const char *cluster_id, kd_error *err);
/* As the library does, until it succeeds: what may heal is tried again. */
void instance_take_over_at_last(instance *i);
/* open and take_over and, the first time, `partitions` partitions that start at 0. */
instance *instance_start(world *w, char id, int partitions);

/* What the library does after an error that is no verdict (a start that died may have fenced this one on its way): it gives
 * the transaction up, and opens a broken connection again; then the call is to be made again.  Fails on a verdict, and
 * after a minute of them. */
void get_ready_again(instance *i, const kd_error *err, int64_t began_ms);

kd_batch_partition entry(int index, int64_t batch_time, int64_t from, int64_t until);
kd_cas add_partitions(instance *i, int first, int n);
kd_cas add_partitions_at_last(instance *i, int first, int n); /* what may heal is tried again */
kd_cas plan(instance *i, const kd_batch_partition *e);
kd_cas begin(instance *i, const kd_batch_partition *e);
kd_cas begin_as(instance *i, const kd_owner *me, const kd_batch_partition *e);
kd_cas withdraw(instance *i, const kd_batch_partition *e);
/* One row for each offset of the range, as session's encoder makes them. */
void write_range(instance *i, const kd_batch_partition *e);
void write_record(instance *i, const kd_batch_partition *e, const kd_record *record);
kd_batch_result result_of(const kd_batch_partition *e);
void commit(instance *i, const kd_batch_partition *e);
/* begin, write, commit; the begin must match. */
void land(instance *i, const kd_batch_partition *e);
/* The same, but what the sink says is the caller's; nothing is done where it was committed before. */
kd_code try_land(instance *i, const kd_batch_partition *e, kd_error *err);
void plan_and_land(instance *i, const kd_batch_partition *e);
kd_reread reread(instance *i, kd_reread_kind kind, const kd_batch_partition *e);
/* Committed with exactly this range, and position at or past its end. */
bool is_committed(const kd_reread *r, const kd_batch_partition *e);

/* The job's ledger, by read_ledger. */
typedef struct ledger {
	size_t n_segments, n_batches, n_gaps, n_instances;
	kd_segment segment[64]; /* without strings */
	kd_batch_row batch[256];
	kd_gap gap[64];
	kd_owner instance[64];
} ledger;
ledger *read_ledger(instance *i);
const kd_batch_row *find_batch(const ledger *l, const kd_batch_partition *e);

/* ---- puppets ---- */

typedef struct kc_order {
	kd_owner me;
	kd_batch_partition entry; /* its strings are JOB and TOPIC in the puppet */
} kc_order;

typedef struct puppet {
	pid_t pid;
	int to, from; /* pipes */
} puppet;

/* Forks a process that waits for its order, then runs fn and ends.  Before any instance of this test is open. */
puppet puppet_new(world *w, void (*fn)(world *w, const kc_order *order, const puppet *self));
void puppet_go(puppet *p, const kd_owner *me, const kd_batch_partition *e);
void puppet_say(const puppet *self);  /* in the puppet */
void puppet_hear(const puppet *self); /* in the puppet: waits for puppet_nod; for ever after the other end is gone */
void puppet_await(puppet *p);         /* waits for its puppet_say */
void puppet_nod(puppet *p);
void puppet_kill(puppet *p); /* and waits until it is gone */
void puppet_end(puppet *p);  /* waits until it has ended by itself, well */
/* In the puppet: an instance with the order's owner, without a take-over. */
instance *puppet_instance(world *w, const kc_order *order);

#endif
