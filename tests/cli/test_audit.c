/* SPDX-License-Identifier: Apache-2.0 */
/* kdirect audit: proves a whole job, also while it runs, and finds what somebody broke in ledger, table or topic. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "tmpdir.h"

static void open_filled(kt_job *job, kt_store_kind kind)
{
	kt_job_open(job, kind, 2);
	kt_job_fill(job, 0, 300);
	kt_job_fill(job, 1, 200);
	kt_job_catch_up(job, "batch.max_records_per_batch=100");
}

/* The first finding's invariant, "" where all is proved. */
static void must_find(const kt_job *job, const char *invariant, const char *says, const char *option)
{
	json_t *report = cli_json(job, invariant ? 1 : 0, "audit", option, NULL);
	json_t *finding = json_array_get(json_object_get(report, "findings"), 0);

	cr_expect_eq(json_is_true(json_object_get(report, "proved")), !invariant);
	if (invariant) {
		cr_assert(finding);
		cr_expect_str_eq(cli_text(finding, "invariant"), invariant, "%s", cli_text(finding, "message"));
		cr_expect(strstr(cli_text(finding, "message"), says), "%s", cli_text(finding, "message"));
	}
	json_decref(report);
}

static void proves_a_whole_job(kt_store_kind kind)
{
	kt_job job;
	json_t *report;
	cli_run run;

	open_filled(&job, kind);
	run = cli_verb(&job, "audit", "--deep", NULL);
	cr_expect_eq(run.code, 0, "%s%s", run.out, run.err);
	cr_expect(strstr(run.out, "proved: 2 partitions, 500 offsets in "), "%s", run.out);
	cr_expect(strstr(run.out, "nothing missing, nothing double"), "%s", run.out);
	cr_expect(strstr(run.out, "deep: 500 records compared one by one"), "%s", run.out);
	cli_done(&run);
	report = cli_json(&job, 0, "audit", "--deep", "--strict", NULL);
	cr_expect_eq(cli_int(report, "offsets"), 500);
	cr_expect_eq(cli_int(report, "records"), 500);
	cr_expect_geq(cli_int(report, "ranges"), 5);
	cr_expect_eq(json_array_size(json_object_get(report, "segments")), 2u);
	json_decref(report);
	kt_job_close(&job);
}

Test(audit, proves_a_whole_job_in_sqlite)
{
	proves_a_whole_job(KT_SQLITE);
}

Test(audit, proves_a_whole_job_in_postgres)
{
	proves_a_whole_job(KT_POSTGRES);
}

Test(audit, finds_what_was_broken_in_the_ledger)
{
	static const struct {
		const char *sql, *invariant, *says;
	} table[] = {
		{"delete from @batch_partition where partition_index = 0 and from_offset > 0 and from_offset = "
		 "(select min(from_offset) from @batch_partition where partition_index = 0 and from_offset > 0)",
			"I1", "in no committed range"},
		{"update @position set committed_until = committed_until + 5 where partition_index = 0", "I6",
			"beyond what was"},
		{"update @position set committed_until = committed_until - 5 where partition_index = 0", "I2", "land again"},
		{"update @batch_partition set rows = rows - 1 where partition_index = 1 and from_offset = 0", "I1", "rows"},
		{"update @batch_partition set committed_at = null where partition_index = 1 and from_offset = 0", "I6",
			"never committed"},
	};

	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
		kt_job job;

		open_filled(&job, KT_SQLITE);
		kt_store_exec(&job.store, "%s", table[i].sql);
		must_find(&job, table[i].invariant, table[i].says, NULL);
		kt_job_close(&job);
	}
}

Test(audit, deep_finds_what_was_broken_in_the_table)
{
	kt_job job;

	open_filled(&job, KT_SQLITE);
	must_find(&job, NULL, NULL, "--deep");
	kt_store_exec(&job.store, "delete from t where kafka_partition = 0 and kafka_offset = 17");
	must_find(&job, NULL, NULL, "--strict");
	must_find(&job, "I1", "offsets 17", "--deep");
	kt_store_exec(&job.store, "insert into t select * from t where kafka_partition = 1 and kafka_offset in (3, 4)");
	must_find(&job, "I1", "offsets 17", "--deep");
	kt_store_exec(&job.store, "delete from t where kafka_partition = 0");
	must_find(&job, "I1", "300 records of Kafka are not in the table", "--deep");
	kt_job_close(&job);
}

Test(audit, deep_counts_what_kafka_no_longer_holds_as_not_checkable)
{
	kt_job job;
	json_t *report, *deep;

	open_filled(&job, KT_SQLITE);
	kt_records_delete(job.admin, job.topic, 0, 250);
	report = cli_json(&job, 0, "audit", "--deep", NULL);
	deep = json_object_get(cli_row(json_object_get(report, "segments"), 0), "deep");
	cr_expect_eq(cli_int(deep, "both"), 50);
	cr_expect_eq(cli_int(deep, "not_checkable"), 250);
	json_decref(report);
	kt_job_close(&job);
}

Test(audit, deep_compares_counts_where_rows_carry_no_offset)
{
	kt_job job;
	cli_run run;
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_job_open(&job, KT_SQLITE, 1);
	kt_store_exec(&job.store, "create table t (id integer, name text)");
	for (int i = 0; i < 20; i++)
		kt_produce_text(producer, job.topic, 0, NULL, "{\"id\": 1, \"name\": \"x\"}");
	kt_producer_flush(producer);
	kt_producer_close(producer);
	kt_job_catch_up(&job, NULL);
	run = cli_verb(&job, "audit", "--deep", NULL);
	cr_expect_eq(run.code, 0, "%s%s", run.out, run.err);
	cr_expect(strstr(run.out, "only counts were compared"), "%s", run.out);
	cr_expect(strstr(run.out, "kafka_offset"), "does not say how to make it checkable: %s", run.out);
	cli_done(&run);
	kt_job_close(&job);
}

Test(audit, works_while_the_job_runs)
{
	kt_job job;
	kt_process *running;

	kt_job_open(&job, KT_SQLITE, 2);
	running = kt_job_start(&job, NULL, NULL);
	cr_assert(kt_process_says(running, "owner of job", 20000), "%s", kt_process_stderr(running));
	for (int i = 0; i < 10; i++) {
		kt_job_fill(&job, i % 2, 500);
		must_find(&job, NULL, NULL, "--deep");
	}
	kt_process_signal(running, SIGTERM);
	kt_job_must_end(running, 0, NULL, 10000);
	must_find(&job, NULL, NULL, "--deep");
	kt_job_close(&job);
}

Test(audit, says_so_where_the_ledger_does_not_know_the_job)
{
	kt_job job;
	cli_run run;

	kt_job_open(&job, KT_SQLITE, 1);
	run = cli_verb(&job, "audit", NULL);
	cr_expect_eq(run.code, 2, "%s%s", run.out, run.err);
	cr_expect_str_empty(run.out);
	cli_done(&run);
	kt_job_close(&job);
}
