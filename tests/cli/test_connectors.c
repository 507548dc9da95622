/* SPDX-License-Identifier: Apache-2.0 */
/* The connectors of this tree: each is kdirect with one sink, under its own name. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "tmpdir.h"

enum { RUN_MS = 60000, MOST_ARGUMENTS = 12 };

/* Runs bin/NAME; the last argument is NULL.  Fails the test unless it ends with the code. */
static char *run(const char *name, int code, const char *const *arguments)
{
	char *bin = kt_format("%s", kt_env("KD_BIN")), *dir = kt_tmpdir();
	const char *argv[MOST_ARGUMENTS] = {0};

	*strrchr(bin, '/') = '\0';
	char *program = kt_path(bin, name);
	argv[0] = program;
	for (int i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	kt_process *process = kt_process_start(dir, NULL, argv);
	int got = kt_process_wait(process, RUN_MS);
	cr_expect_eq(got, code, "%s %s: %d: %s%s", name, arguments[0], got, kt_process_stdout(process),
		kt_process_stderr(process));
	char *out = kt_format("%s%s", kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	kt_tmpdir_remove(dir);
	free(program);
	free(bin);
	return out;
}

#define ARGUMENTS(...) ((const char *const[]) {__VA_ARGS__, NULL})

static void must_say(const char *name, int code, const char *const *arguments, const char *says)
{
	char *out = run(name, code, arguments);

	cr_expect(strstr(out, says), "%s %s: \"%s\" is not in\n%s", name, arguments[0], says, out);
	free(out);
}

static const struct {
	const char *name, *sink, *library, *others;
} connectors[] = {
	{"kafka-postgres", "\n  postgres  ", "\nlibpq ", "sqlite"},
	{"kafka-sqlite", "\n  sqlite    ", "\nsqlite ", "postgres"},
	{"kafka-files", "\n  file      ", "\nzlib ", "postgres"},
	{"kafka-kafka", "\n  kafka     ", "\nlibrdkafka ", "postgres"},
};

Test(connectors, teach_themselves_with_their_one_sink)
{
	for (size_t i = 0; i < sizeof connectors / sizeof connectors[0]; i++) {
		const char *name = connectors[i].name;
		char *out = run(name, 0, ARGUMENTS("--help"));

		cr_expect_eq(strncmp(out, name, strlen(name)), 0, "%s", out);
		cr_expect(strstr(out, connectors[i].sink), "%s", out);
		cr_expect(!strstr(out, connectors[i].others), "%s", out);
		cr_expect(!strstr(out, "  demo "), "%s", out);
		free(out);
		out = run(name, 0, ARGUMENTS("--version"));
		cr_expect_eq(strncmp(out, name, strlen(name)), 0, "%s", out);
		cr_expect(strstr(out, "\nkdirect "), "%s", out);
		cr_expect(strstr(out, connectors[i].library), "%s", out);
		free(out);
		must_say(name, 2, ARGUMENTS("run"), "usage: kafka-");
		must_say(name, 2, ARGUMENTS("check", "/no/such/job.json"), "could not open \"/no/such/job.json\"");
	}
}

/* The same job file serves kdirect and the connector, which also takes it without sink.type. */
static void runs_a_job(const char *name, kt_store_kind kind)
{
	kt_job job;

	kt_job_open(&job, kind, 2);
	kt_job_fill(&job, 0, 300);
	kt_job_fill(&job, 1, 200);
	must_say(name, 0, ARGUMENTS("check", job.path), "exactly once");
	must_say(name, 0, ARGUMENTS("run", job.path, "--until-latest"), "stopped");
	kt_job_fill(&job, 0, 100);
	char *text = kt_read_file(job.path), *type = strstr(text, "\"type\":");
	kt_check(type && strchr(type, ','), "the job file has no sink.type: %s", text);
	memset(type, ' ', (size_t) (strchr(type, ',') - type) + 1);
	free(kt_write_file(job.dir, "untyped.json", "%s", text));
	char *untyped = kt_path(job.dir, "untyped.json");
	must_say(name, 0, ARGUMENTS("run", untyped, "--until-latest"), "stopped");
	must_say(name, 0, ARGUMENTS("audit", untyped, "--deep"), "deep: 600 records compared one by one");
	kt_judge_clean(&job.store, "t", job.topic);
	free(untyped);
	free(text);
	kt_job_close(&job);
}

Test(connectors, kafka_sqlite_runs_a_job, .timeout = 180)
{
	runs_a_job("kafka-sqlite", KT_SQLITE);
}

Test(connectors, kafka_postgres_runs_a_job, .timeout = 180)
{
	runs_a_job("kafka-postgres", KT_POSTGRES);
}

Test(connectors, kafka_files_runs_a_job, .timeout = 180)
{
	kt_job job;

	kt_job_open(&job, KT_SQLITE, 2);
	kt_job_fill(&job, 0, 300);
	kt_job_fill(&job, 1, 200);
	char *file = kt_write_file(job.dir, "files.json", "{\"job\": \"f\", \"kafka\": {\"bootstrap.servers\": \"%s\"},"
		" \"topics\": [\"%s\"], \"start\": \"earliest\", \"sink\": {\"path\": \"%s/out\"}}", kt_env("KD_TEST_KAFKA"),
		job.topic, job.dir);
	must_say("kafka-files", 0, ARGUMENTS("check", file), "exactly once");
	must_say("kafka-files", 0, ARGUMENTS("run", file, "--until-latest"), "stopped");
	must_say("kafka-files", 0, ARGUMENTS("audit", file), "proved: 2 partitions, 500 offsets");
	char *count = kt_format("test $(cat $(find '%s/out' -path '*/topic=*.jsonl') | wc -l) -eq 500", job.dir);
	cr_expect_eq(system(count), 0, "%s", count);
	free(count);
	free(file);
	kt_job_close(&job);
}

Test(connectors, refuse_a_sink_that_they_do_not_have)
{
	char *dir = kt_tmpdir();
	char *job = kt_write_file(dir, "job.json", "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, "
		"\"topics\": [\"t\"], \"sink\": {\"type\": \"sqlite\", \"path\": \"p\", \"table\": \"t\"}}");

	must_say("kafka-postgres", 2, ARGUMENTS("check", job, "--offline"), "there is no sink \"sqlite\"");
	must_say("kafka-sqlite", 0, ARGUMENTS("check", job, "--offline"), "exactly once");
	free(job);
	job = kt_write_file(dir, "job.json", "{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"b\"}, "
		"\"topics\": [\"t\"], \"sink\": {\"topic\": \"u\"}}");
	must_say("kafka-kafka", 0, ARGUMENTS("check", job, "--offline"), "exactly once");
	free(job);
	kt_tmpdir_remove(dir);
}
