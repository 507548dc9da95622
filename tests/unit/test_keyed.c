// SPDX-License-Identifier: Apache-2.0
// Sinks made of a kd_keyed_ops: what is put, and in which order with the ledger.
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "keyed_fake.h"

TestSuite(keyed, .init = kf_setup, .fini = kf_teardown);

/* ---- the table ---- */

Test(keyed, the_table_is_made_once_and_knows_its_options)
{
	const kd_sink_ops *ops = kd_keyed_sink(&kf_by_record);
	cr_assert_eq(kd_keyed_sink(&kf_by_record), ops);
	cr_assert_neq(kd_keyed_sink(&kf_by_identifier), ops);
	cr_assert_str_eq(ops->name, "fake");
	cr_assert_eq(ops->guarantee, KD_GUARANTEE_KEYED);
	cr_assert_eq(ops->more, &kf_by_record);
	cr_assert_eq(ops->n_options, 3);
	cr_assert_str_eq(ops->options[0].key, "sink.colour");
	cr_assert_str_eq(ops->options[2].key, "sink.ledger");
	cr_assert(ops->options[2].required);
	cr_assert_eq(strncmp(ops->library(), "sqlite 3.", 9), 0);
}

static void ignore(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	(void) opaque, (void) level, (void) what, (void) message;
}

Test(keyed, a_table_that_cannot_be_used_is_refused_by_name)
{
	static kd_keyed_ops bad[9]; /* tables are made once, by their address, and kept */
	static const char *const say[] = {"abi 2, not 1", "no name", "no options", "no open", "no close", "no connect",
		"no disconnect", "no put", "by is 7"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		bad[i] = kf_by_record;
	bad[0].abi++;
	bad[1].name = NULL;
	bad[2].options = NULL;
	bad[3].open = NULL;
	bad[4].close = NULL;
	bad[5].connect = NULL;
	bad[6].disconnect = NULL;
	bad[7].put = NULL;
	bad[8].by = (kd_keyed_by) 7;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		kd_error opened = {0}, checked = {0};
		void *sink = NULL;
		kd_sink_context context = {.ops = kd_keyed_sink(&bad[i])};
		cr_assert_not_null(context.ops);
		cr_expect_eq(context.ops->open(&context, &sink, &opened), KD_ECONFIG, "%s", say[i]);
		cr_expect_eq(context.ops->check(&context, ignore, NULL, &checked), KD_ECONFIG, "%s", say[i]);
		cr_expect(opened.action == KD_STOP && strstr(opened.message, say[i]), "%s: %s", say[i], opened.message);
		cr_expect_str_eq(checked.message, opened.message);
	}
	cr_assert_eq(kd_keyed_sink(&bad[0])->abi, KD_KEYED_ABI + 1, "whoever loads it refuses it");
	cr_assert_eq(kf_target.opened, 0);
}

/* ---- rows ---- */

Test(keyed, a_put_has_identifier_version_key_value_and_table)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_must_add(&j, 0, "a", "one", NULL);
	kf_must_add(&j, 4, "a", "two", "a");
	kf_must_add(&j, 4, "b", "three", "b");
	kf_must_add(&j, 4, "", NULL, "");
	kf_must_add(&j, 9, "c", "", NULL);
	kf_must(kf_land(&j, &err), &err);
	cr_assert_str_eq(kf_text(&kf_target.puts),
		"j/o/3/0/0/0 v0 o0 a=one\n"
		"j/o/3/0/4/0 v4 o4 a=two in a\n"
		"j/o/3/0/4/1 v4 o4 b=three in b\n"
		"j/o/3/0/4/2 v4 o4 =(null)\n"
		"j/o/3/0/9/0 v9 o9 c=\n");
	cr_assert_str_eq(kf_text(&kf_target.log), "put flush ");
	kf_stop(&j);
}

Test(keyed, a_repetition_has_the_same_identifiers)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_identifier, "me");
	kf_plan(&j, 0, 2);
	kf_must_add(&j, 0, NULL, "one", NULL);
	kf_must_add(&j, 0, NULL, "two", NULL);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	kf_must(kf_write(&j, &err), &err);
	j.ops->abort(j.session);
	char *first = strdup(kf_text(&kf_target.puts));
	kf_target.puts.size = 0;
	kf_must(kf_land(&j, &err), &err);
	cr_assert_str_eq(kf_text(&kf_target.puts), first);
	cr_assert_str_eq(first, "j/o/3/0/0/0 v0 o0 (null)=one\nj/o/3/0/0/1 v0 o0 (null)=two\n");
	free(first);
	kf_stop(&j);
}

/* A topic made anew begins at offset 0 again: its versions must not look old to the target. */
Test(keyed, versions_grow_over_a_new_segment)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	kf_must(kf_land(&j, &err), &err);
	kd_new_partition p = {.topic = "o", .partition = 3, .new_segment = true, .closed_reason = "recreated", .who = "me"};
	kd_segment segment;
	kd_cas cas;
	kf_must(j.ops->add_partitions(j.session, &j.me, "j", &p, 1, &cas, &segment, &err), &err);
	free(segment.topic);
	j.batch = (kd_batch_partition) {"j", "o", 3, segment.partition_index, segment.segment, 100, {0, 1}};
	kf_must(j.ops->append_plan(j.session, &j.me, &j.batch, 1, &cas, &err), &err);
	j.rows.size = 0;
	j.n_rows = 0;
	kf_must_add(&j, 0, "k", "v", NULL);
	kf_target.puts.size = 0;
	kf_must(kf_land(&j, &err), &err);
	cr_assert_str_eq(kf_text(&kf_target.puts), "j/o/3/1/0/0 v281474976710656 o0 k=v\n");
	kf_stop(&j);
}

Test(keyed, a_null_key_is_a_bad_record_only_where_the_key_counts)
{
	kd_error err = {0};
	kf_job record = kf_start(&kf_by_record, "me");
	kf_plan(&record, 0, 10);
	cr_assert_eq(kf_add(&record, 7, NULL, "v", NULL, &err), KD_ERECORD);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(err.offset, 7);
	cr_assert(strstr(err.message, "\"o/3@7\": its key is null"), "%s", err.message);
	cr_assert_eq(record.rows.size, 0);
	kf_stop(&record);
	kf_job identifier = kf_open(&kf_by_identifier, "i");
	identifier.batch = (kd_batch_partition) {"i", "o", 3, 0, 0, 1, {0, 10}};
	kf_must_add(&identifier, 7, NULL, "v", NULL);
	kf_stop(&identifier);
}

Test(keyed, a_table_that_is_not_listed_is_a_configuration_error)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	cr_assert_eq(kf_add(&j, 0, "k", "v", "c", &err), KD_ECONFIG);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "\"c\""), "%s", err.message);
	kf_stop(&j);
}

Test(keyed, puts_come_in_order_in_calls_of_a_bounded_size)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 1201);
	kf_add_many(&j, 1201);
	kf_must(kf_land(&j, &err), &err);
	cr_assert_eq(kf_target.calls, 3);
	cr_assert_eq(kf_target.most_in_a_call, KD_KEYED_MOST_PUTS);
	const char *at = kf_text(&kf_target.puts);
	for (int i = 0; i < 1201; i++, at = strchr(at, '\n') + 1) {
		char expected[64];
		int size = snprintf(expected, sizeof expected, "j/o/3/0/%d/0 v%d o%d k%d=v\n", i, i, i, i);
		cr_assert_eq(strncmp(at, expected, (size_t) size), 0, "%.60s, not %s", at, expected);
	}
	kf_plan(&j, 1201, 1211);
	char *large = calloc(1, 600001);
	kt_check(large, "no memory");
	memset(large, 'x', 600000);
	for (int i = 0; i < 10; i++)
		kf_must_add(&j, 1201 + i, "k", large, NULL);
	kf_target.calls = 0;
	kf_must(kf_land(&j, &err), &err);
	cr_assert_eq(kf_target.calls, 5, "a megabyte a call");
	free(large);
	kf_stop(&j);
}

/* ---- the order ---- */

Test(keyed, a_position_moves_only_after_flush)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	cr_assert_eq(kf_begin(&j), KD_CAS_DONE);
	kf_must(kf_write(&j, &err), &err);
	cr_assert_eq(kf_reread(&j).position, 0);
	kf_target.flush_fails = (kd_error) {.code = KD_ESINK, .action = KD_RESOLVE, .message = "who knows"};
	cr_assert_eq(kf_commit(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_REPLAY, "nobody needs to know: it is put again");
	j.ops->abort(j.session);
	cr_assert_eq(kf_reread(&j).position, 0);
	cr_assert_eq(kf_reread(&j).batch, KD_BATCH_PLANNED);
	kf_target.flush_fails = (kd_error) {0};
	kd_error_clear(&err);
	kf_must(kf_land(&j, &err), &err);
	cr_assert_eq(kf_reread(&j).position, 10);
	cr_assert_eq(kf_reread(&j).batch, KD_BATCH_COMMITTED);
	cr_assert_eq(kf_begin(&j), KD_CAS_MISS, "committed before");
	cr_assert_str_eq(kf_text(&kf_target.log), "put flush put flush ");
	kf_stop(&j);
}

static void write_to_the_ledger(void)
{
	sqlite3 *db;
	kt_check(sqlite3_open(kf_ledger, &db) == SQLITE_OK, "could not open %s", kf_ledger);
	kt_check(sqlite3_exec(db, "begin immediate; commit", NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(keyed, the_ledger_is_not_locked_while_the_target_is_talked_to)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_target.in_put = write_to_the_ledger;
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	kf_must(kf_land(&j, &err), &err);
	kf_stop(&j);
}

Test(keyed, rows_that_were_not_put_are_not_committed)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_add_many(&j, 10);
	j.n_rows = 11;
	cr_assert_eq(kf_land(&j, &err), KD_ESINK);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert_eq(kf_reread(&j).position, 0);
	kf_stop(&j);
}

Test(keyed, an_empty_range_commits_without_the_target)
{
	kd_error err = {0};
	kf_job j = kf_start(&kf_by_record, "me");
	kf_plan(&j, 0, 10);
	kf_must(kf_land(&j, &err), &err);
	cr_assert_eq(kf_reread(&j).position, 10);
	cr_assert_eq(kf_target.connected, 0);
	kf_stop(&j);
}
