/* SPDX-License-Identifier: Apache-2.0 */
/* A program around kd_connector_main: its own name in every message, its own keys, its defaults; and whole runs of it
 * against librdkafka's mock brokers, with records that are dropped and split. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include "run.h"
#include "tmpdir.h"

/* A job of the shaper's, as short as it can be. */
static char *write_job(const char *dir, const char *bootstrap, const char *more)
{
	return kt_write_file(dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\", \"isolation.level\": \"read_uncommitted\"},\n"
		"\"topics\": [\"topic\"], \"sink\": {\"path\": \"%s/db\"%s", bootstrap, dir, more);
}

static void must_show(const char *text, const char *part)
{
	cr_expect(strstr(text, part), "\"%s\" is not in\n%s", part, text);
}

Test(program, tells_its_name_its_version_its_parts_and_its_keys)
{
	char *shaper = built("program/shaper");
	run_result run = run_program(shaper, "/", NULL, "--version", NULL);

	cr_expect_eq(run.code, 0);
	cr_expect_eq(strncmp(run.out, "shaper 3.2.1\nkdirect ", 21), 0, "%s", run.out);
	must_show(run.out, "\nlibrdkafka ");
	must_show(run.out, "\nsqlite ");
	cr_expect(!strstr(run.out, "libpq"), "%s", run.out);
	run_done(&run);
	run = run_program(shaper, "/", NULL, "--help", NULL);
	cr_expect_eq(run.code, 0);
	static const char *const parts[] = {"shaper: shapes lines into rows", "Usage: shaper VERB", "shaper run orders.json",
		"  sqlite ", "  pairs     name=value;name=value", "  shape     drops, changes and splits", "  csv ",
		"app.region", "[eu] Which orders.", "app.tags", "transform.copies", "[1] How many rows"};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		must_show(run.out, parts[i]);
	cr_expect(!strstr(run.out, "kdirect") && !strstr(run.out, "  demo ") && !strstr(run.out, "postgres"), "%s", run.out);
	run_done(&run);
	free(shaper);
}

Test(program, says_its_own_name_wherever_kdirect_says_kdirect)
{
	static const char *const verbs[] = {"run", "check", "plan", "try", "offsets", "batches", "audit", "skip"};
	char *shaper = built("program/shaper");

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		run_result run = run_program(shaper, "/", NULL, verbs[i], "--help", NULL);
		char *usage = kt_format("shaper %s: ", verbs[i]), *example = kt_format("shaper %s ", verbs[i]);
		cr_expect_eq(run.code, 0);
		must_show(run.out, usage);
		must_show(run.out, example);
		cr_expect(!strstr(run.out, "kdirect"), "%s --help: %s", verbs[i], run.out);
		run_done(&run);
		run = run_program(shaper, "/", NULL, verbs[i], "--nonsense", NULL);
		cr_expect_eq(run.code, 2);
		must_show(run.err, usage);
		cr_expect(!strstr(run.err, "kdirect"), "%s", run.err);
		run_done(&run);
		free(usage);
		free(example);
	}
	run_result run = run_program(shaper, "/", NULL, "rnu", NULL);
	must_show(run.err, "shaper: there is no verb \"rnu\"; did you mean \"shaper run\"?");
	run_done(&run);
	run = run_program(shaper, "/", NULL, "demo", NULL);
	cr_expect_eq(run.code, 2);
	run_done(&run);
	free(shaper);
}

Test(program, has_pages_of_its_own)
{
	static const struct {
		const char *page, *says;
	} rows[] = {
		{"configuration", "## Of shaper itself\n"},
		{"configuration", "| `app.region` | one of `eu` `us` | `eu` | Which orders. |"},
		{"configuration", "## Decoder `pairs`\n"}, {"configuration", "| `transform.copies` | number, 0 to 9 | `1` |"},
		{"configuration", "## Sink `sqlite`\n"}, {"cli", "## shaper audit\n"}, {"cli", "    shaper run JOB"},
	};
	char *shaper = built("program/shaper");

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		run_result run = run_program(shaper, "/", NULL, "--markdown", rows[i].page, NULL);
		cr_expect_eq(run.code, 0);
		must_show(run.out, rows[i].says);
		cr_expect(!strstr(run.out, "## Sink `postgres`"));
		run_done(&run);
	}
	free(shaper);
}

Test(program, needs_no_name_of_its_only_parts_and_judges_its_own_keys)
{
	char *shaper = built("program/shaper"), *dir = kt_tmpdir();
	char *job = write_job(dir, "b:1", "},\n\"app\": {\"regoin\": \"eu\", \"tags\": [1]}}");
	run_result run = run_program(shaper, dir, NULL, "check", "job.json", "--offline", NULL);

	cr_expect_eq(run.code, 2);
	must_show(run.out, "job.json:3:9: unknown key \"app.regoin\": did you mean \"app.region\"?");
	must_show(run.out, "job.json:3:34: \"app.tags\" must hold strings only");
	run_done(&run);
	free(job);
	job = write_job(dir, "b:1", "}, \"app\": {\"region\": \"us\", \"tags\": [\"a\"]}}");
	run = run_program(shaper, dir, NULL, "check", "job.json", "--offline", NULL);
	cr_expect_eq(run.code, 0, "%s", run.out);
	must_show(run.out, "sink \"sqlite\"");
	must_show(run.out, "transform: \"shape\"");
	must_show(run.out, "decoder: \"pairs\"");
	run_done(&run);
	/* What the file names wins over what is implied, and over the defaults. */
	run = run_program(shaper, dir, NULL, "check", "job.json", "--offline", "--set", "decode.type=json", NULL);
	cr_expect_eq(run.code, 0);
	must_show(run.out, "decoder: \"json\"");
	run_done(&run);
	run = run_program(shaper, dir, NULL, "check", "job.json", "--offline", "--set", "sink.type=postgres", NULL);
	cr_expect_eq(run.code, 2);
	must_show(run.out, "sink.type: there is no sink \"postgres\"");
	run_done(&run);
	free(job);
	kt_tmpdir_remove(dir);
	free(shaper);
}

/* ---- try ---- */

Test(program, tries_records_line_by_line)
{
	static const struct {
		const char *input, *option, *value, *out, *err;
		int code;
	} rows[] = {
		{"id=1\n", NULL, NULL, "{\"id\":\"1\",\"copy\":0}\n", "1 records: 1 rows, 0 dropped, 0 refused\n", 0},
		{"id=1;copies=0\nid=2;copies=2", NULL, NULL,
			"{\"id\":\"2\",\"copies\":\"2\",\"copy\":0}\n{\"id\":\"2\",\"copies\":\"2\",\"copy\":1}\n",
			"2 records: 2 rows, 1 dropped, 0 refused\n", 0},
		{"id=1\nnonsense\nbad=1\nid=4\n", NULL, NULL, "{\"id\":\"1\",\"copy\":0}\n{\"id\":\"4\",\"copy\":0}\n",
			"<stdin>:2: not of the form name=value\n<stdin>:3: it says that it is bad\n"
			"4 records: 2 rows, 0 dropped, 2 refused\n", 1},
		{"id=1;to=other\n", "--set", "sink.tables=other",
			"{\"table\": \"other\", \"value\": {\"id\":\"1\",\"to\":\"other\",\"copy\":0}}\n",
			"1 records: 1 rows, 0 dropped, 0 refused\n", 0},
		{"id=1;to=other\n", NULL, NULL, "",
			"shaper try: <stdin>:1: a row is for the table \"other\", which \"sink.tables\" does not list\n", 2},
		{"k:id=1\nid=2\n", "--key-separator", ":",
			"{\"key\": \"k\", \"value\": {\"id\":\"1\",\"copy\":0}}\n{\"key\": null, \"value\": {\"id\":\"2\",\"copy\":0}}\n",
			"2 records: 2 rows, 0 dropped, 0 refused\n", 0},
		{"id=1\n", "--set", "transform.copies=10", "", "\"transform.copies\" must be a whole number from 0 to 9", 2},
	};
	char *shaper = built("program/shaper"), *dir = kt_tmpdir(), *job = write_job(dir, "b:1", "}}");

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		run_result run = run_program(shaper, dir, rows[i].input, "try", "job.json", rows[i].option, rows[i].value, NULL);
		cr_expect_eq(run.code, rows[i].code, "%s: %s", rows[i].input, run.err);
		cr_expect(strcmp(run.out, rows[i].out) == 0, "%s: %s", rows[i].input, run.out);
		must_show(run.err, rows[i].err);
		run_done(&run);
	}
	run_result run = run_program(shaper, dir, "id=1\n", "try", "job.json", "/no/such/file", NULL);
	cr_expect_eq(run.code, 2);
	must_show(run.err, "could not open \"/no/such/file\"");
	run_done(&run);
	run = run_program(shaper, dir, "id=1\n", "try", "-", NULL);
	cr_expect_eq(run.code, 2);
	run_done(&run);
	free(job);
	kt_tmpdir_remove(dir);
	free(shaper);
}

Test(program, tries_bytes_that_no_decoder_reads)
{
	char *dir = kt_tmpdir();
	char *job = kt_write_file(dir, "job.json", "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, "
		"\"topics\": [\"t\"], \"sink\": {\"type\": \"null\"}}");
	run_result run = run_program(NULL, dir, "{\"a\": 1.50}\nplain \"text\"\n\n\xff\n", "try", "job.json", "-q", NULL);

	cr_expect_eq(run.code, 0, "%s", run.err);
	cr_expect_eq(strcmp(run.out, "{\"a\": 1.50}\n\"plain \\\"text\\\"\"\n\"\"\n\"\\\\xff\"\n"), 0, "%s", run.out);
	cr_expect_eq(strcmp(run.err, ""), 0, "%s", run.err);
	run_done(&run);
	free(job);
	kt_tmpdir_remove(dir);
}

/* ---- whole runs ---- */

typedef struct world {
	kt_mock *mock;
	char *dir, *job, *shaper;
} world;

static void sql(const world *w, const char *text, char *ret_first, size_t size)
{
	char *path = kt_path(w->dir, "db");
	sqlite3 *db;
	sqlite3_stmt *stmt = NULL;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
	int rc = sqlite3_step(stmt);
	cr_assert(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s: %s", text, sqlite3_errmsg(db));
	if (ret_first)
		snprintf(ret_first, size, "%s", rc == SQLITE_ROW ? (const char *) sqlite3_column_text(stmt, 0) : "");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	free(path);
}

static void must_hold(const world *w, const char *text, const char *expected)
{
	char first[200];

	sql(w, text, first, sizeof first);
	cr_expect_str_eq(first, expected, "%s: %s", text, first);
}

static void produce(const world *w, const char *const *values)
{
	kt_producer *producer = kt_producer_open(kt_mock_bootstrap(w->mock), NULL);

	for (; *values; values++)
		kt_produce_text(producer, "topic", 0, NULL, *values);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}

static void open_world(world *w, const char *more)
{
	w->mock = kt_mock_open(1);
	kt_mock_topic(w->mock, "topic", 1);
	w->dir = kt_tmpdir();
	w->shaper = built("program/shaper");
	w->job = write_job(w->dir, kt_mock_bootstrap(w->mock), more);
	sql(w, "create table t (kafka_topic text, kafka_partition int, kafka_offset int, id text, copy int) strict", NULL, 0);
	sql(w, "create table u (kafka_topic text, kafka_partition int, kafka_offset int, id text, copy int) strict", NULL, 0);
}

static void close_world(world *w)
{
	kt_mock_close(w->mock);
	free(w->job);
	free(w->shaper);
	kt_tmpdir_remove(w->dir);
}

static void must_run(const world *w, int code, const char *says, const char *verb, const char *option)
{
	run_result run = run_program(w->shaper, w->dir, NULL, verb, "job.json", option, NULL);

	cr_expect_eq(run.code, code, "%s: %d %s%s", verb, run.code, run.out, run.err);
	if (says)
		cr_expect(strstr(run.out, says) || strstr(run.err, says), "%s: \"%s\" is not in\n%s%s", verb, says, run.out,
			run.err);
	run_done(&run);
}

Test(program, runs_a_job_that_drops_and_splits_and_audits_it)
{
	static const char *const values[] = {"id=a", "id=b;copies=0", "id=c;copies=3", "id=d", NULL};
	world w;

	open_world(&w, "}}");
	produce(&w, values);
	must_run(&w, 0, NULL, "run", "--until-latest");
	must_hold(&w, "select group_concat(id || copy, ' ') from (select * from t order by kafka_offset, copy)",
		"a0 c0 c1 c2 d0");
	must_hold(&w, "select sum(records) || ' ' || sum(rows) || ' ' || sum(dropped) from kdirect_batch_partition", "4 5 1");
	must_hold(&w, "select version from kdirect_instance", "3.2.1");
	must_run(&w, 0, "exactly once, decoder pairs, transform shape", "audit", "--deep");
	must_run(&w, 0, "the rows of each range were compared with the ledger's count", "audit", "--deep");
	sql(&w, "insert into t select * from t where id = 'd'", NULL, 0);
	must_run(&w, 0, NULL, "audit", NULL);
	must_run(&w, 1, "1 ranges have another number of rows in the table than in the ledger", "audit", "--deep");
	sql(&w, "delete from t where id = 'd'", NULL, 0);
	must_run(&w, 1, "FINDING I1", "audit", "--deep");
	close_world(&w);
}

/* What a keyed sink can have is named where a person looks, and is not called more than it is. */
Test(program, with_a_keyed_sink_is_told_what_is_proved_and_what_is_not)
{
	static const char *const values[] = {"a", "b", NULL};
	world w;

	open_world(&w, "}}");
	produce(&w, values);
	free(w.shaper);
	free(w.job);
	w.shaper = built("program/putter");
	w.job = kt_write_file(w.dir, "job.json", "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
		" \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"],"
		" \"sink\": {\"file\": \"%s/out\", \"ledger\": \"%s/ledger\"}}", kt_mock_bootstrap(w.mock), w.dir, w.dir);
	must_run(&w, 0, "guarantee: keyed: every record is put at least once, in order", "check", "--offline");
	must_run(&w, 0, NULL, "run", "--until-latest");
	must_run(&w, 0, "read_uncommitted, keyed", "audit", NULL);
	must_run(&w, 0, "not proved, since the target has no transactions, is how often a record was put", "audit", NULL);
	must_run(&w, 0, "\"guarantee\": \"keyed\"", "audit", "--json");
	char *path = kt_path(w.dir, "out"), *text = kt_read_file(path);
	cr_expect_eq(strcmp(text, "j/topic/0/0/0/0 a\nj/topic/0/0/1/0 b\n"), 0, "%s", text);
	free(text);
	free(path);
	close_world(&w);
}

Test(program, writes_to_several_tables_and_audits_its_own)
{
	static const char *const values[] = {"id=a", "id=b;to=u", "id=c;to=u;copies=2", "id=d;to=t", NULL};
	world w;

	open_world(&w, ", \"tables\": [\"u\", \"t\"]}}");
	produce(&w, values);
	must_run(&w, 0, NULL, "run", "--until-latest");
	must_hold(&w, "select group_concat(id, ' ') from (select * from t order by kafka_offset)", "a d");
	must_hold(&w, "select group_concat(id, ' ') from (select * from u order by kafka_offset)", "b c c");
	must_run(&w, 0, "rows in the tables of sink.tables were not counted", "audit", "--deep");
	sql(&w, "insert into t select * from t where id = 'd'", NULL, 0);
	sql(&w, "insert into t select * from t", NULL, 0);
	must_run(&w, 1, "FINDING I2", "audit", "--deep");
	close_world(&w);
}

Test(program, names_itself_in_the_way_out_of_a_bad_record_which_then_works)
{
	static const char *const values[] = {"id=a", "bad=1", "id=c", NULL};
	world w;

	open_world(&w, "}}");
	produce(&w, values);
	must_run(&w, 1, "to give this record up: shaper skip JOB topic/0@1", "run", "--until-latest");
	must_run(&w, 1, "shaper skip job.json topic/0@1 --reason \"why\" --execute", "run", "--until-latest");
	run_result run = run_program(w.shaper, w.dir, NULL, "skip", "job.json", "topic/0@1", "--reason", "bad", "--execute",
		NULL);
	cr_expect_eq(run.code, 0, "%s%s", run.out, run.err);
	run_done(&run);
	must_run(&w, 0, NULL, "run", "--until-latest");
	must_hold(&w, "select group_concat(id, ' ') from (select * from t order by kafka_offset)", "a c");
	must_run(&w, 0, "gap  topic/0@1..2", "audit", "--deep");
	close_world(&w);
}
