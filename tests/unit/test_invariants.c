/* SPDX-License-Identifier: Apache-2.0 */
/* The judge is judged: a store that is right has no finding, and a store in which exactly one invariant was broken by
 * hand is reported for exactly that one.  (The other judgement of the judge is tests/wrong.) */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "holding.h"
#include "invariants.h"
#include "notes.h"
#include "observer.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tmpdir.h"

enum { PARTITIONS = 2, RANGES = 3, RECORDS = 10, LAST = RANGES * RECORDS };

typedef struct world {
	char *dir;
	kt_store store;
	kt_oracle kafka;
} world;

/* ---- a store as a job leaves it, made by the steps of the ledger's protocol ---- */

static uint64_t checksum_of(int64_t offset)
{
	char value[24];

	snprintf(value, sizeof(value), "%04d", (int) offset);
	return kt_checksum(NULL, 0, value, 4);
}

static void produce(world *w, int partition, int64_t offset)
{
	kt_push(w->kafka.rows, w->kafka.n, (kt_oracle_row) {partition, offset, checksum_of(offset)});
}

static void store_row(world *w, int partition, int64_t offset)
{
	kt_store_exec(&w->store, "insert into t values('topic', %d, %d, null, null, cast('%04d' as blob), null)", partition,
		(int) offset, (int) offset);
}

static void start(world *w, int epoch)
{
	kt_store_exec(&w->store,
		"update @partition set epoch = %d, owner = 'owner-%d'; update @position set epoch = %d, owner = 'owner-%d';"
		"insert into @instance values('j', %d, 'owner-%d', 'host', 1, 'p', 0, 0, '1')", epoch, epoch, epoch, epoch,
		epoch, epoch);
}

static void plan(world *w, int index, int time, int from, int epoch)
{
	kt_store_exec(&w->store,
		"update @partition set planned_until = %d, last_batch_time = %d where partition_index = %d;"
		"insert into @batch_partition(job, partition_index, batch_time, from_offset, until_offset, planned_at, instance)"
		" values('j', %d, %d, %d, %d, 0, 'owner-%d')", from + RECORDS, time, index, index, time, from, from + RECORDS,
		epoch);
}

static void commit(world *w, int index, int time, int from, int epoch)
{
	kt_store_exec(&w->store,
		"begin; update @position set committed_until = %d where partition_index = %d;"
		"update @batch_partition set committed_at = 1, instance = 'owner-%d', records = %d, rows = %d"
		" where partition_index = %d and batch_time = %d", from + RECORDS, index, epoch, RECORDS, RECORDS, index, time);
	for (int i = 0; i < RECORDS; i++) {
		produce(w, index, from + i);
		store_row(w, index, from + i);
	}
	kt_store_exec(&w->store, "commit");
}

static void land(world *w, int range)
{
	int epoch = range < RANGES - 1 ? 1 : 2, time = 1000 * (range + 1);

	if (range == 0 || range == RANGES - 1)
		start(w, epoch);
	for (int i = 0; i < PARTITIONS; i++)
		plan(w, i, time, range * RECORDS, epoch);
	for (int i = 0; i < PARTITIONS; i++)
		commit(w, i, time, range * RECORDS, epoch);
}

static world open_world(void)
{
	world w = {.dir = kt_tmpdir()};

	kt_store_open(&w.store, KT_SQLITE, w.dir);
	kt_store_exec(&w.store, "pragma synchronous = off");
	kt_store_exec(&w.store, "%s", sqlite_schema_ddl());
	kt_watch_table(&w.store);
	kt_watch_ledger(&w.store);
	for (int i = 0; i < PARTITIONS; i++)
		kt_store_exec(&w.store,
			"insert into @partition(job, partition_index, topic, kafka_partition, segment, start_offset, planned_until,"
			"  last_batch_time, epoch, owner, opened_at) values('j', %d, 'topic', %d, 0, 0, 0, 0, 0, '', 0);"
			"insert into @position(job, partition_index, committed_until, epoch, owner, log_start, log_from)"
			" values('j', %d, 0, 0, '', 0, 0)", i, i, i);
	for (int range = 0; range < RANGES; range++)
		land(&w, range);
	return w;
}

static void close_world(world *w)
{
	kt_store_close(&w->store);
	kt_tmpdir_remove(w->dir);
}

static kt_evidence read_world(world *w)
{
	kt_evidence e = {.caught_up = true};

	e.kafka = w->kafka;
	kt_evidence_read_store(&e, &w->store, "t", "topic", "j");
	return e;
}

/* ---- exactly this one ---- */

static void expect_only(const kt_judgement *j, int invariant, const char *what)
{
	for (int i = 1; i <= KT_INVARIANTS; i++)
		cr_assert_eq(j->of[i].count > 0, i == invariant, "%s: I%d has %ld findings, first: %s", what, i,
			(long) j->of[i].count, j->of[i].first);
}

/* The store is doctored by SQL. */
static void doctor(int invariant, const char *sql)
{
	world w = open_world();

	kt_store_exec(&w.store, "%s", sql);
	kt_evidence e = read_world(&w);
	kt_judgement j = kt_judge_all(&e, NULL);
	expect_only(&j, invariant, sql);
	kt_evidence_done(&e);
	close_world(&w);
}

Test(invariants, a_right_store_has_no_finding_and_every_invariant_was_looked_at)
{
	world w = open_world();
	kt_evidence e = {.caught_up = true};
	kt_observer *observer = kt_observer_start(&w.store, "t", "j", true);

	e.kafka = w.kafka;
	kt_evidence_read_store(&e, &w.store, "t", "topic", "j");
	kt_observer_stop(observer, &e);
	kt_judgement j = kt_judge_all(&e, NULL);
	kt_judgement_print(&j, "judge");
	expect_only(&j, 0, "right");
	for (int i = 1; i <= KT_INVARIANTS; i++)
		cr_assert(j.of[i].looked, "I%d was not looked at", i);
	cr_assert_eq(j.rows, PARTITIONS * LAST);
	cr_assert_eq(j.identifiers, PARTITIONS * RANGES);
	cr_assert_eq(j.events, 2 * PARTITIONS * RANGES + 2);
	cr_assert_geq(j.looks, 1);
	kt_judgement_must_be_clean(&j);
	kt_evidence_done(&e);
	close_world(&w);
}

/* I1 */
Test(invariants, I1_a_record_that_is_committed_over_and_not_stored_is_lost)
{
	doctor(1, "delete from t where kafka_partition = 0 and kafka_offset = 5;"
		  "update counter set n = n - 1, bytes = bytes - 4 where partition = 0");
}

Test(invariants, I1_what_the_producer_noted_and_Kafka_does_not_serve_is_lost)
{
	world w = open_world();
	kt_notes *notes = kt_notes_new();
	kt_evidence e = read_world(&w);

	kt_notes_add(notes, &(kt_note) {.partition = 1, .state = KT_NOTE_COMMITTED, .offset = 29, .checksum = checksum_of(29)});
	kt_notes_add(notes, &(kt_note) {.partition = 1, .state = KT_NOTE_OPEN, .offset = 40, .writer = &w});
	kt_judgement j = kt_judge_all(&e, notes);
	expect_only(&j, 0, "a transaction that is still open promises nothing");
	kt_notes_end(notes, &w, true);
	j = kt_judge_all(&e, notes);
	expect_only(&j, 1, "noted");
	cr_assert(strstr(j.of[1].first, "1@40"), "%s", j.of[1].first);
	kt_notes_free(notes);
	kt_evidence_done(&e);
	close_world(&w);
}

Test(invariants, I1_gaps_dead_letters_and_counted_drops_are_no_loss)
{
	doctor(0, "delete from t where kafka_partition = 0 and kafka_offset in (3, 4, 5, 25);"
		  "update counter set n = n - 4, bytes = bytes - 16 where partition = 0;"
		  "insert into kdirect_gap values('j', 0, 3, 5, 1000, 0, 'lost', 'me');"
		  "insert into kdirect_dead_letter(job, partition_index, kafka_offset, batch_time, at, reason)"
		  " values('j', 0, 5, 1000, 0, 'bad');"
		  "update kdirect_batch_partition set gap = 2, dead_letters = 1 where partition_index = 0 and batch_time = 1000;"
		  "update kdirect_batch_partition set dropped = 1 where partition_index = 0 and batch_time = 3000");
}

/* I2 */
Test(invariants, I2_a_record_stored_twice_is_a_duplicate)
{
	doctor(2, "insert into t select * from t where kafka_partition = 1 and kafka_offset = 29;"
		  "update counter set n = n - 1, bytes = bytes - 4 where partition = 1");
}

Test(invariants, I2_a_row_that_is_a_dead_letter_too_is_a_duplicate)
{
	doctor(2, "insert into kdirect_dead_letter(job, partition_index, kafka_offset, batch_time, at, reason)"
		  " values('j', 0, 5, 1000, 0, 'bad');"
		  "update kdirect_batch_partition set dead_letters = 1 where partition_index = 0 and batch_time = 1000");
}

/* I3 */
Test(invariants, I3_ranges_and_positions_that_do_not_tile_are_found)
{
	doctor(3, "update kdirect_position set committed_until = 31 where partition_index = 0;"
		  "update kdirect_partition set planned_until = 31 where partition_index = 0");
	doctor(3, "update kdirect_position set log_from = 1 where partition_index = 1");
}

/* I4 */
Test(invariants, I4_other_bytes_and_rows_that_Kafka_never_had_are_found)
{
	doctor(4, "update t set value = cast('xxxx' as blob) where kafka_partition = 0 and kafka_offset = 7");
	doctor(4, "update t set key = x'' where kafka_partition = 0 and kafka_offset = 7");
	doctor(4, "insert into t values('topic', 0, 100, null, null, null, null)");
}

Test(invariants, I4_a_record_that_its_producer_aborted_must_not_be_served)
{
	world w = open_world();
	kt_notes *notes = kt_notes_new();
	kt_evidence e = read_world(&w);

	kt_notes_add(notes, &(kt_note) {.state = KT_NOTE_OPEN, .offset = 12, .checksum = checksum_of(12), .writer = &w});
	kt_notes_end(notes, &w, false);
	kt_judgement j = kt_judge_all(&e, notes);
	expect_only(&j, 4, "aborted");
	kt_notes_free(notes);
	kt_evidence_done(&e);
	close_world(&w);
}

/* I5 */
Test(invariants, I5_a_range_that_landed_after_a_later_one_is_out_of_order)
{
	doctor(5, "update t set rowid = rowid + 1000 where kafka_partition = 0 and kafka_offset between 10 and 19");
}

Test(invariants, I5_a_moment_at_which_the_rows_were_no_prefix_is_found)
{
	world w = open_world();
	kt_evidence e = read_world(&w);

	kt_push(e.sights, e.n_sights, (kt_sight) {.partition = 1, .rows = 20, .last = 19});
	kt_judgement j = kt_judge_all(&e, NULL);
	expect_only(&j, 0, "a prefix");
	kt_push(e.sights, e.n_sights, (kt_sight) {.partition = 1, .rows = 20, .last = 29});
	j = kt_judge_all(&e, NULL);
	expect_only(&j, 5, "no prefix");
	kt_evidence_done(&e);
	close_world(&w);
}

/* I6 */
Test(invariants, I6_an_identifier_with_another_range_time_or_end_is_found)
{
	doctor(6, "update kdirect_batch_partition set withdrawn_at = 1 where partition_index = 0 and batch_time = 2000");
	doctor(6, "update kdirect_batch_partition set batch_time = 1500 where partition_index = 1 and batch_time = 3000");
	doctor(6, "delete from ledger_log where deed = 'planned' and partition_index = 0 and batch_time = 2000");
	doctor(6, "update ledger_log set until_offset = 15 where deed = 'planned' and partition_index = 0 and batch_time = 1000");
	doctor(6, "update ledger_log set \"transaction\" = 7 where partition_index = 1 and batch_time = 1000");
	doctor(6, "update kdirect_partition set last_batch_time = 2999");
}

Test(invariants, I6_a_batch_time_that_comes_back_is_found)
{
	doctor(6, "insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset)"
		  " values('planned', 'j', 2500, 0, 30, 40), ('withdrawn', 'j', 2500, 0, 30, 40)");
	doctor(6, "insert into ledger_log(deed, job, batch_time, partition_index, from_offset, until_offset)"
		  " values('planned', 'j', 4000, 0, 30, 40), ('withdrawn', 'j', 4000, 0, 30, 40),"
		  "  ('planned', 'j', 4000, 0, 30, 40)");
}

/* I7 */
Test(invariants, I7_what_a_superseded_instance_committed_or_planned_is_found)
{
	doctor(7, "update kdirect_batch_partition set instance = 'owner-2' where batch_time = 2000;"
		  "update kdirect_batch_partition set instance = 'owner-1' where batch_time = 3000");
	doctor(7, "update ledger_log set epoch = 1 where deed = 'committed' and batch_time = 3000");
	doctor(7, "update ledger_log set epoch = 1, holding = 1 where deed = 'planned' and batch_time = 3000");
	doctor(7, "update ledger_log set session = epoch where deed = 'started';"
		  "update ledger_log set session = 1, epoch = null where deed = 'planned' and batch_time = 3000");
}

/* I8 */
Test(invariants, I8_what_is_behind_once_everything_has_healed_is_found)
{
	world w = open_world();
	kt_evidence e = read_world(&w);

	kt_push(e.kafka.rows, e.kafka.n, (kt_oracle_row) {1, LAST, 0});
	kt_judgement j = kt_judge_all(&e, NULL);
	expect_only(&j, 8, "a record that nobody read");
	e.caught_up = false;
	j = kt_judge_all(&e, NULL);
	expect_only(&j, 0, "not yet");
	kt_evidence_done(&e);
	close_world(&w);
	doctor(8, "update kdirect_partition set planned_until = 40 where partition_index = 0;"
		  "insert into kdirect_batch_partition(job, partition_index, batch_time, from_offset, until_offset, planned_at,"
		  "  instance) values('j', 0, 4000, 30, 40, 0, 'owner-2')");
}

/* I9 */
Test(invariants, I9_rows_beyond_the_position_are_without_an_identifier)
{
	world w = open_world();

	produce(&w, 0, LAST);
	store_row(&w, 0, LAST);
	kt_evidence e = read_world(&w);
	e.caught_up = false;
	kt_judgement j = kt_judge_all(&e, NULL);
	expect_only(&j, 9, "a row too many");
	kt_evidence_done(&e);
	close_world(&w);
}

Test(invariants, I9_the_observer_sees_rows_without_their_identifier_and_the_reverse)
{
	static const char *const sql[] = {
		"insert into t values('topic', 0, 30, null, null, null, null)",
		/* in one transaction: the observer looks at any moment */
		("begin immediate; delete from t where kafka_partition = 0 and kafka_offset = 29;"
			"update counter set n = n - 1 where partition = 0; commit"),
		"insert into t values('topic', 7, 0, null, null, null, null)",
	};

	for (size_t i = 0; i < sizeof(sql) / sizeof(*sql); i++) {
		world w = open_world();
		kt_evidence e = {0};
		kt_observer *observer = kt_observer_start(&w.store, "t", "j", true);

		kt_store_exec(&w.store, "%s", sql[i]);
		kt_observer_stop(observer, &e); /* looks once more at its end */
		expect_only(&e.seen, 9, sql[i]);
		kt_evidence_done(&e);
		kt_oracle_done(&w.kafka);
		close_world(&w);
	}
}

Test(invariants, I9_I11_a_look_is_judged_by_rows_position_and_counter)
{
	static const struct {
		kt_look look;
		int invariant;
	} cases[] = {
		{{.rows = 10, .told = 10, .last = 9, .until = 10, .counted = 10}, 0},
		{{.rows = 10, .told = 10, .last = 9, .until = 10, .counted = -1}, 0},
		{{.rows = 0, .told = 0, .last = -1, .until = 0, .counted = 0}, 0},
		{{.rows = 11, .told = 10, .last = 9, .until = 10, .counted = 11}, 9},
		{{.rows = 9, .told = 10, .last = 8, .until = 10, .counted = 9}, 9},
		{{.rows = 10, .told = 10, .last = 10, .until = 10, .counted = 10}, 9},
		{{.rows = 10, .told = 10, .last = 9, .until = 10, .counted = 20}, 11},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		kt_judgement j = {0};

		kt_look_judge(&j, &cases[i].look);
		cr_assert_eq(kt_judgement_first(&j), cases[i].invariant, "case %zu", i);
	}
}

/* I10 */
Test(invariants, I10_gaps_drops_and_dead_letters_that_do_not_add_up_are_found)
{
	doctor(10, "update kdirect_batch_partition set gap = 2 where partition_index = 0 and batch_time = 2000");
	doctor(10, "update kdirect_batch_partition set dropped = 1 where partition_index = 0 and batch_time = 2000");
	doctor(10, "update kdirect_batch_partition set dead_letters = 1 where partition_index = 0 and batch_time = 2000");
	doctor(10, "insert into kdirect_gap values('j', 1, 50, 60, 2000, 0, 'lost', 'me')");
}

/* I11 */
Test(invariants, I11_an_effect_that_happened_twice_or_not_at_all_is_found)
{
	doctor(11, "update counter set n = n + 1 where partition = 1");
	doctor(11, "update counter set bytes = bytes - 4 where partition = 1");
	doctor(11, "delete from counter where partition = 0");
}

Test(invariants, I2_I11_a_record_stored_twice_has_its_effect_twice)
{
	world w = open_world();

	store_row(&w, 1, LAST - 1);
	kt_evidence e = read_world(&w);
	kt_judgement j = kt_judge_all(&e, NULL);
	cr_assert_eq(j.of[2].count, 1);
	cr_assert_eq(j.of[11].count, 1, "%s", j.of[11].first);
	cr_assert_eq(kt_judgement_findings(&j), 2);
	kt_evidence_done(&e);
	close_world(&w);
}

/* I1, I2, I4 */
Test(invariants, I1_I2_I4_files_are_judged_by_their_rows)
{
	static const struct {
		int offsets[4]; /* in the file, ended by -1; Kafka has 0, 1 and 2 */
		const char *value;
		int invariant;
	} cases[] = {
		{{0, 1, 2, -1}, "v", 0}, {{0, 2, -1}, "v", 1}, {{0, 1, 2, 2}, "v", 2}, {{0, 1, 2, 3}, "v", 4}, {{0, 1, 2, -1}, "w", 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *dir = kt_tmpdir(), text[1024] = "";
		kt_evidence e = {0};

		for (int64_t offset = 0; offset < 3; offset++)
			kt_push(e.kafka.rows, e.kafka.n, (kt_oracle_row) {0, offset, kt_checksum(NULL, 0, "v", 1)});
		for (int k = 0; k < 4 && cases[i].offsets[k] >= 0; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "{\"kafka_topic\": \"topic\", \"kafka_partition\": 0,"
				" \"kafka_offset\": %d, \"key\": null, \"value\": \"%s\", \"headers\": []}\n", cases[i].offsets[k],
				cases[i].value);
		free(kt_write_file(dir, "rows.jsonl", "%s", text));
		kt_evidence_read_folder(&e, dir, "topic");
		kt_judgement j = kt_judge_all(&e, NULL);
		expect_only(&j, cases[i].invariant, cases[i].value);
		kt_evidence_done(&e);
		kt_tmpdir_remove(dir);
	}
}

/* I12 */
Test(invariants, I12_locks_and_sessions_that_are_left_are_found)
{
	world w = open_world();
	kt_store other;

	kt_store_open(&other, KT_SQLITE, w.dir);
	kt_store_exec(&other, "begin immediate");
	sqlite3_busy_timeout(w.store.db, 50);
	kt_evidence e = read_world(&w);
	kt_judgement j = kt_judge_all(&e, NULL);
	expect_only(&j, 12, "a lock");
	e.locks_left = 0;
	e.sessions_left = 2;
	j = kt_judge_all(&e, NULL);
	expect_only(&j, 12, "sessions");
	kt_store_close(&other);
	kt_evidence_done(&e);
	close_world(&w);
}

/* I12 */
Test(invariants, I12_what_a_process_has_opened_since_and_not_given_back_is_found)
{
	kt_judgement j = {0};
	kt_holding base = kt_holding_of(getpid());
	int leaked = open("/dev/null", O_RDONLY);

	cr_assert(base.descriptors > 2 && base.resident_kb > 100 && base.peak_kb >= base.resident_kb && base.threads > 0,
		"%d %ld %ld %d", base.descriptors, base.resident_kb, base.peak_kb, base.threads);
	kt_judge_holding(&j, base, kt_holding_of(getpid()), 1 << 20);
	expect_only(&j, 12, "a descriptor");
	cr_assert_eq(j.of[12].count, 1, "%s", j.of[12].first);
	close(leaked);
	j = (kt_judgement) {0};
	kt_judge_holding(&j, base, kt_holding_of(getpid()), 1 << 20);
	expect_only(&j, 0, "closed again");
}

static kt_holding held(const long what[4])
{
	return (kt_holding) {.descriptors = (int) what[0], .resident_kb = what[1], .threads = (int) what[2], .peak_kb = what[3]};
}

/* I12 */
Test(invariants, I12_a_life_that_ends_with_more_than_it_began_with_is_found)
{
	enum { MB = 1024 };
	static const struct {
		long work[4], end[4]; /* descriptors, resident_kb, threads, peak_kb */
		int findings;
	} cases[] = {
		{{40, 20 * MB, 14, 30 * MB}, {14, 25 * MB, 2, 30 * MB}, 0},
		{{40, 20 * MB, 14, 30 * MB}, {15, 25 * MB, 2, 30 * MB}, 1},
		{{40, 20 * MB, 14, 30 * MB}, {14, 25 * MB, 3, 30 * MB}, 1},
		{{400, 20 * MB, 14, 30 * MB}, {14, 25 * MB, 2, 30 * MB}, 1},
		{{40, 20 * MB, 140, 30 * MB}, {14, 25 * MB, 2, 30 * MB}, 1},
		{{40, 20 * MB, 14, 300 * MB}, {14, 25 * MB, 2, 300 * MB}, 1},
		{{400, 20 * MB, 140, 300 * MB}, {15, 100 * MB, 14, 300 * MB}, 6},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		kt_life life = {held((const long[]) {14, 9 * MB, 2, 9 * MB}), held(cases[i].work), held(cases[i].end), true, true, true};
		kt_judgement j = {0};

		kt_judge_life(&j, &life, 2, 24);
		cr_assert(j.of[12].looked);
		cr_assert_eq(j.of[12].count, cases[i].findings, "case %zu: %ld, %s", i, (long) j.of[12].count, j.of[12].first);
	}
}
