// SPDX-License-Identifier: Apache-2.0
// The ledger as lines: a line a key, in any order; and what each change may do, by tables.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../sinks/journal/journal.h"

#define JOB "j"
#define TOPIC "t"
#define DAY_MS INT64_C(86400000)

static const journal_target TARGET = {.name = "/data/t", .identity = "file:t", .noun = "folder"};

/* A journal, and every line that it was ever given, in order. */
typedef struct world {
	journal *j;
	kd_owner me;
	journal_step log;
	int64_t now_ms;
} world;

static void keep(world *w, const journal_step *step)
{
	w->log.line = realloc(w->log.line, (w->log.n + step->n + 1) * sizeof *w->log.line);
	for (size_t i = 0; i < step->n; i++) {
		const journal_line *line = &step->line[i];
		w->log.line[w->log.n++] = (journal_line) {strdup(line->key), line->state ? strdup(line->state) : NULL};
	}
}

static void take(world *w, journal_step *step)
{
	kd_error err = {0};
	keep(w, step);
	cr_assert_eq(journal_take(w->j, step, &err), KD_OK, "%s", err.message);
	cr_assert_eq(journal_check(w->j, &err), KD_OK, "%s", err.message);
	journal_step_done(step);
	w->now_ms++;
}

static kd_code try_take_over(world *w, const char *job, char id, const char *cluster, const journal_target *target,
	kd_error *err)
{
	static const char *const topics[] = {TOPIC};
	char owner[KD_OWNER_SIZE] = "";
	memset(owner, id, sizeof owner - 1);
	kd_take_over request = {.job = job, .owner_id = owner, .cluster_id = cluster, .start_policy = "earliest",
		.isolation = "read_committed", .topics = topics, .n_topics = 1, .host = "here", .pid = 7,
		.started_at_ms = 5, .version = "1"};
	journal_step step;
	kd_owner me;
	kd_code code = journal_take_over(w->j, &request, target, "boot/1", w->now_ms, &me, &step, err);
	if (!code) {
		w->me = me;
		take(w, &step);
	}
	return code;
}

static void take_over(world *w, char id)
{
	kd_error err = {0};
	cr_assert_eq(try_take_over(w, JOB, id, "cluster", &TARGET, &err), KD_OK, "%s", err.message);
}

static kd_cas add(world *w, const kd_owner *me, const kd_new_partition *p, size_t n)
{
	kd_error err = {0};
	kd_cas cas;
	journal_step step;
	cr_assert_eq(journal_add_partitions(w->j, me, JOB, &TARGET, p, n, w->now_ms, &cas, &step, &err), KD_OK, "%s",
		err.message);
	take(w, &step);
	return cas;
}

static world start(int partitions)
{
	world w = {.j = journal_new(), .now_ms = 1000 * DAY_MS};
	kd_new_partition p[8] = {{0}};
	for (int i = 0; i < partitions; i++)
		p[i] = (kd_new_partition) {.topic = TOPIC, .partition = i};
	take_over(&w, 'a');
	cr_assert_eq(add(&w, &w.me, p, (size_t) partitions), KD_CAS_DONE);
	return w;
}

static void end(world *w)
{
	journal_free(w->j);
	journal_step_done(&w->log);
}

static kd_batch_partition entry(int index, int64_t batch_time, int64_t from, int64_t until)
{
	return (kd_batch_partition) {JOB, TOPIC, index, index, 0, batch_time, {from, until}};
}

static kd_cas plan_as(world *w, const kd_owner *me, const kd_batch_partition *e, size_t n)
{
	kd_error err = {0};
	kd_cas cas;
	journal_step step;
	cr_assert_eq(journal_append_plan(w->j, me, e, n, w->now_ms, &cas, &step, &err), KD_OK, "%s", err.message);
	cr_assert((cas == KD_CAS_DONE) == (step.n > 0));
	take(w, &step);
	return cas;
}

static kd_cas plan(world *w, int index, int64_t batch_time, int64_t from, int64_t until)
{
	kd_batch_partition e = entry(index, batch_time, from, until);
	return plan_as(w, &w->me, &e, 1);
}

static kd_cas withdraw(world *w, int index, int64_t batch_time, int64_t from, int64_t until)
{
	kd_batch_partition e = entry(index, batch_time, from, until);
	kd_error err = {0};
	kd_cas cas;
	journal_step step;
	cr_assert_eq(journal_withdraw(w->j, &w->me, &e, w->now_ms, &cas, &step, &err), KD_OK, "%s", err.message);
	take(w, &step);
	return cas;
}

static kd_cas commit_as(world *w, const kd_owner *me, int index, int64_t batch_time, int64_t from, int64_t until)
{
	kd_batch_partition e = entry(index, batch_time, from, until);
	const kd_gap gap = {.range = {from, from + 1}, .reason = "caf\xe9", .who = "me@here"};
	kd_batch_result result = {.records = until - from, .rows = until - from, .dropped = 1, .log_start = 3,
		.witness = {until - 1, 5, 0xfedcba98}, .gaps = &gap, .n_gaps = from % 20 == 10};
	kd_error err = {0};
	kd_cas cas, may = journal_may_commit(w->j, me, &e);
	journal_step step;
	cr_assert_eq(journal_commit(w->j, me, &e, &result, "[\"a/b\"]", w->now_ms, &cas, &step, &err), KD_OK, "%s",
		err.message);
	cr_assert_eq(cas, may);
	take(w, &step);
	return cas;
}

static kd_cas commit(world *w, int index, int64_t batch_time, int64_t from, int64_t until)
{
	return commit_as(w, &w->me, index, batch_time, from, until);
}

static kd_cas renew(world *w, int partition, int64_t start_offset)
{
	kd_new_partition p = {.topic = TOPIC, .partition = partition, .start_offset = start_offset, .new_segment = true,
		.closed_reason = "the topic was recreated", .who = "policy"};
	return add(w, &w->me, &p, 1);
}

static int64_t prune(world *w, int64_t before_ms, size_t most, bool *ret_more)
{
	kd_error err = {0};
	int64_t removed;
	journal_step step;
	cr_assert_eq(journal_prune(w->j, &w->me, JOB, before_ms, most, &removed, ret_more, &step, &err), KD_OK, "%s",
		err.message);
	take(w, &step);
	return removed;
}

/* Everything that a job can do to its ledger, once. */
static world story(void)
{
	world w = start(3);
	bool more;
	for (int n = 0; n < 6; n++) {
		kd_batch_partition both[] = {entry(0, 1000 + n, n * 10, n * 10 + 10), entry(1, 1000 + n, n * 10, n * 10 + 10)};
		cr_assert_eq(plan_as(&w, &w.me, both, 2), KD_CAS_DONE);
		cr_assert_eq(commit(&w, n % 2, 1000 + n / 2, n / 2 * 10, n / 2 * 10 + 10), KD_CAS_DONE);
	}
	cr_assert_eq(withdraw(&w, 0, 1005, 50, 60), KD_CAS_DONE);
	take_over(&w, 'b');
	cr_assert_eq(plan(&w, 2, 2000, 0, 5), KD_CAS_DONE);
	cr_assert_eq(commit(&w, 2, 2000, 0, 5), KD_CAS_DONE);
	cr_assert_eq(plan(&w, 2, 2001, 5, 9), KD_CAS_DONE);
	cr_assert_eq(renew(&w, 2, 4), KD_CAS_DONE);
	cr_assert_eq(plan(&w, 3, 3000, 4, 8), KD_CAS_DONE);
	cr_assert_eq(prune(&w, w.now_ms + DAY_MS, 3, &more), 3);
	cr_assert(more);
	return w;
}

/* ---- lines ---- */

static char *dump(const journal *j)
{
	journal_step step;
	kd_error err = {0};
	kd_buf text = {0};
	cr_assert_eq(journal_dump(j, &step, &err), KD_OK);
	cr_assert_eq(step.n, journal_size(j));
	for (size_t i = 0; i < step.n; i++)
		cr_assert(kd_buf_printf(&text, "%s %s\n", step.line[i].key, step.line[i].state));
	cr_assert(kd_buf_append(&text, "", 1));
	journal_step_done(&step);
	return text.data;
}

static journal *replay(const journal_line *line, size_t n)
{
	journal *j = journal_new();
	kd_error err = {0};
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(journal_apply(j, line[i].key, strlen(line[i].key), line[i].state,
			line[i].state ? strlen(line[i].state) : 0, &err), KD_OK, "%s", err.message);
	cr_assert_eq(journal_check(j, &err), KD_OK, "%s", err.message);
	return j;
}

static bool is_last(const journal_step *log, size_t i)
{
	for (size_t k = i + 1; k < log->n; k++)
		if (!strcmp(log->line[k].key, log->line[i].key))
			return false;
	return true;
}

static void shuffle(journal_line *line, size_t n, unsigned *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t) rand_r(seed) % i;
		journal_line swapped = line[i - 1];
		line[i - 1] = line[k];
		line[k] = swapped;
	}
}

Test(journal, all_lines_in_order_give_the_state_again)
{
	world w = story();
	journal *again = replay(w.log.line, w.log.n);
	char *a = dump(w.j), *b = dump(again);
	cr_assert_str_eq(a, b);
	free(a);
	free(b);
	journal_free(again);
	end(&w);
}

Test(journal, the_last_line_of_each_key_in_any_order_gives_the_same_state)
{
	world w = story();
	journal_line *last = calloc(w.log.n, sizeof *last);
	char *expected = dump(w.j);
	size_t n = 0;
	unsigned seed = 1;
	for (size_t i = 0; i < w.log.n; i++)
		if (is_last(&w.log, i))
			last[n++] = w.log.line[i];
	cr_assert_lt(n, w.log.n);
	for (int round = 0; round < 50; round++) {
		shuffle(last, n, &seed);
		journal *again = replay(last, n);
		char *text = dump(again);
		cr_assert_str_eq(text, expected, "round %d", round);
		free(text);
		journal_free(again);
	}
	free(expected);
	free(last);
	end(&w);
}

Test(journal, a_dump_is_the_state)
{
	world w = story();
	journal_step step;
	kd_error err = {0};
	cr_assert_eq(journal_dump(w.j, &step, &err), KD_OK);
	journal *again = replay(step.line, step.n);
	char *a = dump(w.j), *b = dump(again);
	cr_assert_str_eq(a, b);
	cr_assert_eq(journal_may_commit(again, &w.me, &(kd_batch_partition) {JOB, TOPIC, 2, 3, 1, 3000, {4, 8}}),
		KD_CAS_DONE);
	free(a);
	free(b);
	journal_step_done(&step);
	journal_free(again);
	end(&w);
}

Test(journal, a_line_that_makes_no_sense_is_refused_and_changes_nothing)
{
	static const struct {
		const char *key, *state;
		kd_code code;
	} rows[] = {
		{"", "{}", KD_ELEDGER},
		{"job", "{}", KD_ELEDGER},
		{"job/", "{}", KD_ELEDGER},
		{"jobs/j", "{}", KD_ELEDGER},
		{"job/j/1", "{}", KD_ELEDGER},
		{"job/j", "{}", KD_ELEDGER},
		{"job/j", "[]", KD_ELEDGER},
		{"job/j", "", KD_ELEDGER},
		{"job/j", "{\"epoch\":", KD_ELEDGER},
		{"job/j", "{\"version\":2,\"epoch\":9,\"owner\":\"x\"}", KD_ETARGET},
		{"partition/j/x", "{}", KD_ELEDGER},
		{"partition/j/-1", "{}", KD_ELEDGER},
		{"partition/j/0", "{\"topic\":\"t\"}", KD_ELEDGER},
		{"partition/j/99999999999", "{}", KD_ELEDGER},
		{"position/j/0", "{\"committed_until\":\"7\"}", KD_ELEDGER},
		{"batch/j/0", "{}", KD_ELEDGER},
		{"batch/j/0/1000", "{\"from\":5,\"until\":5,\"planned_at\":1,\"instance\":\"x\"}", KD_ELEDGER},
		{"batch/j/0/1000x", NULL, KD_ELEDGER},
		{"gap/j/0/4", "{\"until\":4,\"batch_time\":1,\"at\":1,\"reason\":\"\",\"who\":\"\"}", KD_ELEDGER},
		{"instance/j/1/000000000000000000000000000000000", "{}", KD_ELEDGER},
	};
	world w = start(1);
	char *before = dump(w.j);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_error err = {0};
		kd_code code = journal_apply(w.j, rows[i].key, strlen(rows[i].key), rows[i].state,
			rows[i].state ? strlen(rows[i].state) : 0, &err);
		char *after = dump(w.j);
		cr_expect_eq(code, rows[i].code, "row %zu: %s", i, err.message);
		cr_expect_eq(err.action, KD_STOP, "row %zu", i);
		cr_expect_str_eq(before, after, "row %zu", i);
		free(after);
	}
	free(before);
	end(&w);
}

Test(journal, a_missing_key_is_found)
{
	static const char *const keys[] = {"job/j", "partition/j/0", "position/j/0"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		world w = start(1);
		kd_error err = {0};
		cr_assert_eq(journal_apply(w.j, keys[i], strlen(keys[i]), NULL, 0, &err), KD_OK);
		cr_assert_eq(journal_check(w.j, &err), KD_ELEDGER);
		cr_assert(strstr(err.message, keys[i]), "%s", err.message);
		end(&w);
	}
}

/* ---- changes ---- */

/* I7 */
Test(journal, a_take_over_fences_the_owner_before)
{
	world w = start(1);
	cr_assert_eq(plan(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	kd_owner old = w.me;
	kd_new_partition p = {.topic = TOPIC, .partition = 1};
	kd_batch_partition next = entry(0, 2000, 10, 20);
	take_over(&w, 'b');
	cr_assert_eq(w.me.epoch, old.epoch + 1);
	cr_assert_eq(plan_as(&w, &old, &next, 1), KD_CAS_MISS);
	cr_assert_eq(commit_as(&w, &old, 0, 1000, 0, 10), KD_CAS_MISS);
	cr_assert_eq(add(&w, &old, &p, 1), KD_CAS_MISS);
	kd_owner twin = w.me;
	twin.id[0] = 'c'; /* the same epoch, after a restore */
	cr_assert_eq(commit_as(&w, &twin, 0, 1000, 0, 10), KD_CAS_MISS);
	cr_assert_eq(commit(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	journal_instance owner;
	cr_assert(journal_owner(w.j, JOB, &owner));
	cr_assert_str_eq(owner.process, "boot/1");
	cr_assert_eq(owner.owner.epoch, w.me.epoch);
	end(&w);
}

Test(journal, a_take_over_refuses_another_cluster_target_and_feeder)
{
	const journal_target other = {.name = "/data/u", .identity = "file:u", .noun = "folder"};
	const struct {
		const char *job, *cluster;
		const journal_target *target;
		const char *named; /* NULL: it is not refused */
	} rows[] = {
		{JOB, "another", &TARGET, "another"},
		{JOB, "cluster", &other, "/data/u"},
		{"k", "cluster", &TARGET, "\"j\""},
		{"k", "cluster", &other, NULL},
		{JOB, "cluster", &TARGET, NULL},
	};
	world w = start(1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_error err = {0};
		kd_code code = try_take_over(&w, rows[i].job, 'x', rows[i].cluster, rows[i].target, &err);
		cr_expect_eq(code, rows[i].named ? KD_ECONFIG : KD_OK, "row %zu", i);
		cr_expect(!rows[i].named || strstr(err.message, rows[i].named), "%s", err.message);
	}
	end(&w);
}

/* I3, I6 */
Test(journal, a_plan_moves_only_from_where_the_partition_is)
{
	world w = start(2);
	cr_assert_eq(plan(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	const kd_batch_partition wrong[][2] = {
		{entry(0, 1000, 0, 10)},                        /* again */
		{entry(0, 2000, 0, 10)},                        /* the range again */
		{entry(0, 1000, 10, 20)},                       /* the time again */
		{entry(0, 2000, 9, 20)},
		{entry(0, 2000, 11, 20)},
		{entry(7, 2000, 0, 10)},
		{entry(1, 2000, 0, 10), entry(0, 2000, 0, 10)}, /* all or none */
		{entry(1, 2000, 0, 10), entry(1, 2000, 0, 10)},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_expect_eq(plan_as(&w, &w.me, wrong[i], wrong[i][1].job ? 2 : 1), KD_CAS_MISS, "row %zu", i);
	cr_assert_eq(plan(&w, 1, 2000, 0, 10), KD_CAS_DONE);
	end(&w);
}

/* I2, I3, I6 */
Test(journal, a_commit_is_exactly_the_planned_range_once)
{
	world w = start(2);
	cr_assert_eq(plan(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	cr_assert_eq(plan(&w, 0, 2000, 10, 20), KD_CAS_DONE);
	const kd_batch_partition wrong[] = {entry(0, 2000, 10, 20), entry(0, 1000, 0, 9), entry(0, 1000, 0, 20),
		entry(0, 1000, 1, 10), entry(0, 2000, 0, 10), entry(0, 1500, 0, 10), entry(1, 1000, 0, 10),
		entry(7, 1000, 0, 10)};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		cr_expect_eq(journal_may_commit(w.j, &w.me, &wrong[i]), KD_CAS_MISS, "row %zu", i);
	cr_assert_eq(commit(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	cr_assert_eq(commit(&w, 0, 1000, 0, 10), KD_CAS_MISS);
	cr_assert_eq(commit(&w, 0, 2000, 10, 20), KD_CAS_DONE);
	kd_batch_row row;
	const char *note;
	cr_assert(journal_batch(w.j, JOB, 0, 2000, &row, &note));
	cr_assert_eq(row.state, KD_BATCH_COMMITTED);
	cr_assert_eq(row.rows, 10);
	cr_assert_eq(row.gap, 1);
	cr_assert_str_eq(note, "[\"a/b\"]");
	const kd_segment *s = journal_segment(w.j, JOB, 0);
	cr_assert_eq(s->committed_until, 20);
	cr_assert_eq(s->witness.offset, 19);
	cr_assert_eq(s->witness.checksum, 0xfedcba98);
	cr_assert_eq(s->log_start, 3);
	end(&w);
}

/* I6 */
Test(journal, only_the_newest_plan_is_given_back_and_never_commits)
{
	world w = start(1);
	cr_assert_eq(plan(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	cr_assert_eq(plan(&w, 0, 2000, 10, 20), KD_CAS_DONE);
	cr_assert_eq(withdraw(&w, 0, 1000, 0, 10), KD_CAS_MISS);
	cr_assert_eq(withdraw(&w, 0, 2000, 10, 20), KD_CAS_DONE);
	cr_assert_eq(withdraw(&w, 0, 2000, 10, 20), KD_CAS_MISS);
	cr_assert_eq(plan(&w, 0, 2000, 10, 15), KD_CAS_MISS);
	cr_assert_eq(commit(&w, 0, 1000, 0, 10), KD_CAS_DONE);
	cr_assert_eq(withdraw(&w, 0, 1000, 0, 10), KD_CAS_MISS);
	cr_assert_eq(commit(&w, 0, 2000, 10, 20), KD_CAS_MISS);
	kd_reread r;
	kd_batch_partition e = entry(0, 2000, 10, 20);
	journal_reread(w.j, KD_REREAD_PLAN, &e, 1, &r);
	cr_assert_eq(r.batch, KD_BATCH_WITHDRAWN);
	cr_assert_eq(r.position, 10);
	cr_assert_eq(r.last_batch_time_ms, 2000);
	end(&w);
}

static bool count_gap(void *opaque, const kd_gap *gap)
{
	cr_assert_eq(gap->range.from, 0);
	cr_assert_eq(gap->range.until, 25);
	cr_assert_str_eq(gap->reason, "the topic was recreated");
	++*(int *) opaque;
	return true;
}

/* I1, I6, I10 */
Test(journal, a_new_segment_closes_the_old_one_once)
{
	world w = start(2);
	kd_error err = {0};
	int gaps = 0;
	cr_assert_eq(plan(&w, 0, 1000, 0, 25), KD_CAS_DONE);
	cr_assert_eq(renew(&w, 0, 4), KD_CAS_DONE);
	size_t lines = w.log.n;
	cr_assert_eq(renew(&w, 0, 4), KD_CAS_DONE); /* after a lost answer */
	cr_assert_eq(w.log.n, lines);
	kd_new_partition p = {.topic = TOPIC, .partition = 0};
	kd_segment s;
	cr_assert_eq(journal_added(w.j, JOB, &p, 1, &s, &err), KD_OK);
	cr_assert_eq(s.partition_index, 2);
	cr_assert_eq(s.segment, 1);
	cr_assert_eq(s.start_offset, 4);
	cr_assert_eq(s.last_batch_time_ms, 1000);
	free(s.topic);
	cr_assert(journal_segment(w.j, JOB, 0)->closed);
	cr_assert_eq(commit(&w, 0, 1000, 0, 25), KD_CAS_MISS);
	cr_assert_eq(plan(&w, 0, 2000, 25, 30), KD_CAS_MISS);
	kd_ledger_view view = {.opaque = &gaps, .gap = count_gap};
	cr_assert_eq(journal_read(w.j, JOB, &view, &err), KD_OK);
	cr_assert_eq(gaps, 1);
	end(&w);
}

/* I3 */
Test(journal, pruning_keeps_sums_the_young_and_the_last)
{
	world w = start(2);
	bool more;
	for (int n = 0; n < 5; n++) {
		cr_assert_eq(plan(&w, 0, 1000 + n, n * 10, n * 10 + 10), KD_CAS_DONE);
		cr_assert_eq(commit(&w, 0, 1000 + n, n * 10, n * 10 + 10), KD_CAS_DONE);
	}
	cr_assert_eq(plan(&w, 0, 2000, 50, 60), KD_CAS_DONE);
	cr_assert_eq(prune(&w, 0, 100, &more), 0);
	cr_assert_eq(prune(&w, w.now_ms, 3, &more), 3);
	cr_assert(more);
	cr_assert_eq(prune(&w, w.now_ms, 3, &more), 1);
	cr_assert_not(more);
	const kd_segment *s = journal_segment(w.j, JOB, 0);
	cr_assert_eq(s->log_from, 40);
	cr_assert_eq(s->pruned_batches, 4);
	cr_assert_eq(s->pruned_rows, 40);
	cr_assert_eq(s->pruned_gap, 2);
	kd_batch_row row;
	const char *note;
	cr_assert_not(journal_batch(w.j, JOB, 0, 1003, &row, &note));
	cr_assert(journal_batch(w.j, JOB, 0, 1004, &row, &note));
	cr_assert_eq(commit(&w, 0, 2000, 50, 60), KD_CAS_DONE);
	end(&w);
}
