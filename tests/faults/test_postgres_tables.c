/* SPDX-License-Identifier: Apache-2.0 */
/* The target altered, dropped, renamed or swapped under a running job (F16, I4, I10): it stops with exit code 1, names
 * what changed, has lost and spoilt nothing, and goes on once that is put right. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_faults.h"
#include "tmpdir.h"

enum { RECORDS = 200, MORE = 100 };

/* says: all of these, separated by |. */
struct change {
	const char *sql, *says, *mend;
};

static void must_say_all(const char *said, const struct change *change)
{
	char *words = strdup(change->says), *rest = words;

	for (const char *word; (word = strsep(&rest, "|"));)
		cr_assert(strstr(said, word), "%s\ndoes not say \"%s\":\n%s", change->sql, word, said);
	free(words);
}

/* The job runs, the change is made, records come: it must end.  A second start changes nothing, unless `restarts`. */
static void change_under(kt_job *job, const struct change *change, void (*fill)(kt_job *job))
{
	kt_process *process = pg_job_start(job, NULL, NULL);

	pg_must_say(process, "owner of job");
	fill(job);
	pg_job_await_rows(job, process, kt_store_int(&job->store, "select count(*) from t") + MORE);
	kt_store_exec(&job->store, "%s", change->sql);
	fill(job);
	cr_assert_eq(kt_process_wait(process, FAULT_MS), 1, "%s\n%s", change->sql, kt_process_stderr(process));
	must_say_all(kt_process_stderr(process), change);
	kt_process_free(process);
}

/* ---- the raw layout ---- */

static const struct change raw_changes[] = {
	{"alter table t drop column headers", "public.t|headers", "alter table t add column headers jsonb"},
	{"alter table t alter column value type text using encode(value, 'hex')", "public.t|value|bytea|text",
	 "alter table t alter column value type bytea using decode(value, 'hex')"},
	{"alter table t add column must int not null default 1; alter table t alter column must drop default", "must|t|23502",
	 "alter table t drop column must"},
	{"create function nothing() returns trigger language plpgsql as $$ begin return null; end $$;"
	 " create trigger swallow before insert on t for each row execute function nothing()", "swallow|public.t",
	 "drop trigger swallow on t"},
	{"alter table t rename to t_old", "public.t|42P01", "alter table t_old rename to t"},
	{"alter table t rename to t_old; create table t (like t_old)", "public.t|another table",
	 "drop table t; alter table t_old rename to t"},
	{"create schema away; alter table t set schema away", "public.t|42P01", "alter table away.t set schema public"},
};

static void fill_raw(kt_job *job)
{
	kt_job_fill(job, 0, MORE);
}

/* F16, I1, I2, I4, I10. */
Test(postgres_tables, a_change_under_a_running_job_stops_it_by_name_and_it_goes_on_when_it_is_mended, .timeout = 300)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	pg_job_catch_up(&job);
	for (size_t i = 0; i < sizeof(raw_changes) / sizeof(raw_changes[0]); i++) {
		change_under(&job, &raw_changes[i], fill_raw);
		kt_store_exec(&job.store, "%s", raw_changes[i].mend);
		pg_job_catch_up(&job);
		pg_job_judge(&job);
	}
	kt_job_close(&job);
}

/* F16: a column that the job does not write to is nobody's business. */
Test(postgres_tables, a_column_more_or_one_that_the_job_does_not_fill_less_is_no_change, .timeout = 120)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	kt_process *process = pg_job_start(&job, NULL, NULL);
	pg_job_await_rows(&job, process, RECORDS);
	kt_store_exec(&job.store, "alter table t add column later text");
	kt_job_fill(&job, 0, MORE);
	pg_job_await_rows(&job, process, RECORDS + MORE);
	kt_store_exec(&job.store, "alter table t drop column later");
	kt_store_exec(&job.store, "vacuum full t");
	kt_job_fill(&job, 0, MORE);
	pg_job_await_rows(&job, process, RECORDS + 2 * MORE);
	pg_job_stop(process);
	pg_job_judge(&job);
	kt_job_close(&job);
}

/* ---- fields: a number's bytes mean another thing to another type ---- */

static const struct change field_changes[] = {
	{"alter table t alter column n type double precision", "public.t|n|bigint|double precision", NULL},
	{"alter table t alter column n type timestamptz using to_timestamp(n)", "public.t|n|timestamp with time zone",
	 "alter table t alter column n type bigint using extract(epoch from n)"},
	{"alter table t drop column n; alter table t add column n timestamp", "public.t|n|timestamp without time zone",
	 "alter table t drop column n; alter table t add column n bigint; update t set n = kafka_offset"},
};

static void fill_document(void *opaque, int64_t i, kt_message *message)
{
	int64_t *next = opaque;

	(void) i;
	snprintf(message->value_space, sizeof(message->value_space), "{\"n\": %lld}", (long long) (*next)++);
	message->value = message->value_space;
	message->value_size = strlen(message->value_space);
}

static void fill_fields(kt_job *job)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);
	int64_t low, next;

	kt_topic_watermarks(job->admin, job->topic, 0, &low, &next);
	kt_produce_many(producer, job->topic, 0, MORE, fill_document, &next);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static void judge_fields(kt_job *job)
{
	int64_t low, high;

	kt_topic_watermarks(job->admin, job->topic, 0, &low, &high);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t"), high);
	cr_assert_eq(kt_store_int(&job->store, "select count(distinct kafka_offset) from t"), high);
	cr_assert_eq(kt_store_int(&job->store, "select count(*) from t where n is distinct from kafka_offset"), 0);
	cr_assert_eq(kt_judge_tiling(&job->store, "j"), 0);
}

/* F16, I4: without a look at the types, 1 would land as 4.94e-324, or as a moment in the year 2000. */
Test(postgres_tables, a_column_of_another_type_is_never_filled_with_the_old_ones_bytes, .timeout = 240)
{
	for (size_t i = 0; i < sizeof(field_changes) / sizeof(field_changes[0]); i++) {
		kt_job job;

		pg_job_open(&job, NULL, 1);
		kt_store_exec(&job.store, "create table t(kafka_partition int, kafka_offset bigint, n bigint)");
		change_under(&job, &field_changes[i], fill_fields);
		if (field_changes[i].mend)
			kt_store_exec(&job.store, "%s", field_changes[i].mend);
		pg_job_catch_up(&job);
		judge_fields(&job);
		kt_job_close(&job);
	}
}

/* ---- a table that is gone ---- */

static void must_refuse(kt_job *job, int code, const char *says)
{
	kt_job_must_end(kt_job_run(job, NULL, FAULT_MS), code, says, 0);
}

/* F16, I1: what was landed in it would be lost in silence. */
Test(postgres_tables, a_table_that_is_gone_is_not_made_anew, .timeout = 120)
{
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	pg_job_catch_up(&job);
	kt_store_exec(&job.store, "alter table t rename to t_old");
	must_refuse(&job, 1, "could not find table \\\"public.t\\\", which job \\\"j\\\" has filled");
	cr_assert_eq(kt_store_int(&job.store, "select count(*) from pg_tables where tablename = 't'"), 0);
	kt_store_exec(&job.store, "alter table t_old rename to t");
	kt_job_fill(&job, 0, MORE);
	pg_job_catch_up(&job);
	pg_job_judge(&job);
	kt_job_close(&job);
}

/* F16: the way out that the message names works. */
Test(postgres_tables, a_table_that_was_rebuilt_with_its_rows_is_told_to_the_ledger_by_the_statement_that_is_named,
	.timeout = 120)
{
	static const char begins[] = "update kdirect.job set target_identity";
	kt_job job;

	pg_job_open(&job, NULL, 1);
	kt_job_fill(&job, 0, RECORDS);
	pg_job_catch_up(&job);
	kt_store_exec(&job.store, "create table rebuilt as table t; drop table t; alter table rebuilt rename to t");
	kt_process *process = kt_job_run(&job, NULL, FAULT_MS);
	const char *from = strstr(kt_process_stderr(process), begins), *until = from ? strstr(from, "\" code=") : NULL;
	kt_check(until, "no statement in: %s", kt_process_stderr(process));
	char *sql = strndup(from, (size_t) (until - from));
	kt_store_exec(&job.store, "%s", sql);
	free(sql);
	kt_job_must_end(process, 2, NULL, 0);
	kt_job_fill(&job, 0, MORE);
	pg_job_catch_up(&job);
	pg_job_judge(&job);
	kt_job_close(&job);
}
