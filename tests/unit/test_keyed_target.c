// SPDX-License-Identifier: Apache-2.0
// Sinks made of a kd_keyed_ops: a successor, what a failure of the target means, and what tools see.
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "keyed_fake.h"

TestSuite(keyed_target, .init = kf_setup, .fini = kf_teardown);

/* ---- fencing ---- */

static void successor_starts(void)
{
	kd_error err = {0};
	kf_job next = kf_open(&kf_by_record, "j");
	kf_must(kf_take_over(&next, "j", "next", &err), &err);
	kf_stop(&next);
}

Test(keyed_target, a_superseded_instance_finishes_the_call_it_is_in_and_no_more)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_target.in_put = successor_starts;
	kf_plan(&j, 0, 1000);
	kf_add_many(&j, 1000);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	cr_assert_eq(kf_write(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY, "begun again, it is a miss");
	cr_assert_eq(kf_target.calls, 1);
	j.ops->abort(j.session);
	cr_assert_eq(kf_begin(&j), KD_CAS_MISS);
	cr_assert_str_eq(kf_reread(&j).owner.id, "next");
	cr_assert_eq(kf_reread(&j).position, 0);
	kf_stop(&j);
}

Test(keyed_target, a_superseded_instance_commits_nothing)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_target.in_put = successor_starts;
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	kf_must(kf_write(&j, &err), &err);
	cr_assert_eq(kf_commit(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY);
	j.ops->abort(j.session);
	cr_assert_eq(kf_begin(&j), KD_CAS_MISS);
	cr_assert_eq(kf_reread(&j).batch, KD_BATCH_PLANNED);
	kf_stop(&j);
}

Test(keyed_target, another_target_or_feeder_is_refused)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_job other = kf_open(&kf_by_record, "other");
	const char *const topics[] = {"o"};
	kd_take_over request = {.job = "other", .owner_id = "x", .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "h", .version = "1", .topics = topics, .n_topics = 1};
	kd_ledger_image image;
	cr_assert_eq(other.ops->take_over(other.session, &request, &image, &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "\"https://host/items\"") && strstr(err.message, "job \"j\" feeds it"), "%s",
		err.message);
	kf_stop(&other);
	kf_stop(&j);
	kf_target.target = "https://elsewhere/items";
	kd_error_clear(&err);
	j = kf_open(&kf_by_record, "j");
	cr_assert_eq(kf_take_over(&j, "j", "me", &err), KD_ECONFIG);
	cr_assert(strstr(err.message, "\"https://host/items\"") && strstr(err.message, "\"https://elsewhere/items\""), "%s",
		err.message);
	kf_stop(&j);
}

/* ---- what the target says ---- */

Test(keyed_target, what_may_heal_is_repeated_and_the_rest_stops)
{
	static const struct {
		kd_code with;
		kd_error says;
		kd_code code;
		kd_action action;
		int64_t row;
	} cases[] = {
		{KD_ESINK, {.code = KD_ESINK, .action = KD_RETRY, .message = "busy"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_REPLAY, .message = "gone"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_RESOLVE, .message = "lost"}, KD_ESINK, KD_REPLAY, 0},
		{KD_ESINK, {.code = KD_ESINK, .action = KD_STOP, .message = "no"}, KD_ESINK, KD_STOP, 0},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .row = 20, .message = "bad"}, KD_ERECORD, KD_STOP, 520},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_RETRY, .row = 20, .message = "bad"}, KD_ERECORD, KD_STOP, 520},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .row = 501, .message = "bad"}, KD_ERECORD, KD_STOP, 0},
		{KD_ERECORD, {.code = KD_ERECORD, .action = KD_STOP, .message = "some"}, KD_ERECORD, KD_STOP, 0},
		{KD_EIO, {0}, KD_EIO, KD_STOP, 0},
	};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		kd_error err = {0};
		cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
		j.rows.size = 0;
		kf_add_many(&j, 500);
		kf_must(kf_write(&j, &err), &err);
		kf_target.fails = cases[i].says;
		kf_target.fails_with = cases[i].with;
		kf_target.fails_times = cases[i].code == KD_ESINK && cases[i].says.action == KD_RETRY ? 1 + KD_KEYED_TRIES : 1;
		int disconnected = kf_target.disconnected;
		cr_assert_eq(kf_write(&j, &err), cases[i].code, "case %zu: %s", i, err.message);
		cr_assert_eq(err.code, cases[i].code, "case %zu: %s", i, err.message);
		cr_assert_eq(err.action, cases[i].action, "case %zu: %s", i, err.message);
		cr_assert_eq(err.row, cases[i].row, "case %zu: row %" PRId64, i, err.row);
		cr_assert_neq(*err.message, '\0');
		bool placed = strstr(err.message, "\"o/3\" [0, 1000): ") && strstr(err.message, "named no row");
		cr_assert_eq(placed, cases[i].code == KD_ERECORD && !cases[i].row, "case %zu: %s", i, err.message);
		j.ops->abort(j.session);
		cr_assert_eq(kf_target.disconnected, disconnected + 1, "the session that failed is closed");
	}
	kf_stop(&j);
	cr_assert_eq(kf_target.connected, kf_target.disconnected);
	cr_assert_eq(kf_target.opened, kf_target.closed);
}

Test(keyed_target, a_target_that_is_busy_goes_on_from_where_it_got_to)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 1000);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	kf_add_many(&j, 300);
	kf_target.fails = (kd_error) {.code = KD_ESINK, .action = KD_RETRY, .row = 98, .message = "busy"};
	kf_target.fails_with = KD_ESINK;
	kf_target.fails_times = 3;
	kf_must(kf_write(&j, &err), &err);
	cr_assert_eq(kf_target.calls, 4);
	int lines = 0;
	for (const char *at = kf_text(&kf_target.puts); (at = strchr(at, '\n')); at++)
		lines++;
	cr_assert_eq(lines, 300, "each is put once: %d", lines);
	cr_assert_eq(kf_target.disconnected, 0);
	j.ops->abort(j.session);
	kf_stop(&j);
}

Test(keyed_target, an_interrupt_reaches_the_target_and_ends_what_comes_after)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	kf_must(kf_write(&j, &err), &err);
	j.ops->interrupt(j.session);
	cr_assert_eq(kf_target.interrupted, 1);
	cr_assert_neq(kf_write(&j, &err), KD_OK);
	cr_assert_neq(err.action, KD_STOP);
	cr_assert_eq(kf_target.calls, 1);
	j.ops->abort(j.session);
	kf_stop(&j);
}

/* ---- tools ---- */

Test(keyed_target, a_tool_reads_the_ledger_while_the_target_is_away)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_stop(&j);
	kf_target.target = "away";
	j.config = kf_configure(j.ops, "j");
	kd_sink_context context = {.ops = j.ops, .config = j.config, .read_only = true};
	kd_ledger_view view = {0};
	kf_must(j.ops->open(&context, &j.sink, &err), &err);
	kf_must(j.ops->connect(j.sink, "tool", &j.session, &err), &err);
	kf_must(j.ops->read_ledger(j.session, "j", &view, &err), &err);
	cr_assert_not(j.ops->info(j.sink)->has_offsets);
	j.ops->disconnect(j.session);
	j.ops->close(j.sink);
	kd_config_free(j.config);
}

static void collect(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	if (strcmp(what, "folder") != 0)
		kt_check(kd_buf_printf(opaque, "%d %s: %.40s\n", level, what, message), "no memory");
}

Test(keyed_target, check_looks_at_ledger_and_target)
{
	static const struct {
		const char *target, *says;
	} cases[] = {
		{"https://host/items", "0 target: https://host/items\n"},
		{"unfit", "2 target: it is unfit\n"},
	};
	kd_error err = {0};
	const kd_sink_ops *ops = kd_keyed_sink(&kf_by_record);
	kd_config *config = kf_configure(ops, "j");
	kd_sink_context context = {.ops = ops, .config = config, .read_only = true};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		kd_buf said = {0};
		kf_target.target = cases[i].target;
		kf_must(ops->check(&context, collect, &said, &err), &err);
		cr_assert(strstr(kf_text(&said), cases[i].says), "%s", said.data);
		cr_assert(strstr(said.data, "1 file: "), "%s", said.data);
		kd_buf_done(&said);
	}
	kd_buf said = {0};
	kf_target.target = "away";
	cr_assert_eq(ops->check(&context, collect, &said, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_RETRY);
	kd_buf_done(&said);
	cr_assert_eq(kf_target.opened, kf_target.closed);
	kd_config_free(config);
}
