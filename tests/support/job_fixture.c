/* SPDX-License-Identifier: Apache-2.0 */
/* A job under test: see job_fixture.h. */
#include "job_fixture.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "holding.h"
#include "tmpdir.h"
#include "wait.h"

#define MAX_ARGUMENTS 24

void kt_job_write(kt_job *job, const char *more)
{
	free(job->path);
	job->path = kt_write_file(job->dir, "job.json",
		"{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\"}, \"topics\": [\"%s\"],\n"
		" \"start\": \"earliest\", \"batch\": {\"interval_ms\": 50},%s%s\n"
		" \"sink\": {%s, \"table\": \"t\"}}\n",
		kt_env("KD_TEST_KAFKA"), job->topic, more ? more : "", more ? "," : "", job->store.sink);
}

void kt_job_open(kt_job *job, kt_store_kind kind, int partitions)
{
	*job = (kt_job) {.dir = kt_tmpdir(), .topic = kt_own_name("job"), .admin = kt_admin_open(NULL)};
	kt_store_open(&job->store, kind, job->dir);
	if (partitions)
		kt_topic_create(job->admin, job->topic, partitions, NULL);
	kt_job_write(job, NULL);
}

void kt_job_close(kt_job *job)
{
	kt_store_close(&job->store);
	kt_admin_close(job->admin);
	kt_tmpdir_remove(job->dir);
	free(job->path);
	free(job->topic);
}

kt_process *kt_job_start(kt_job *job, const char *fault, ...)
{
	const char *argv[MAX_ARGUMENTS] = {kt_env("KD_BIN"), "run", job->path};
	char *setting = fault ? kt_format("KD_FAULT=%s", fault) : NULL;
	const char *env[] = {setting, NULL};
	kt_process *process;
	va_list args;

	va_start(args, fault);
	for (int i = 3; (argv[i] = va_arg(args, const char *)); i++)
		kt_check(i + 2 < MAX_ARGUMENTS, "too many arguments");
	va_end(args);
	process = kt_process_start(job->dir, env, argv);
	free(setting);
	return process;
}

kt_process *kt_job_run(kt_job *job, const char *set, int timeout_ms)
{
	kt_process *process = kt_job_start(job, KT_LIFE, "--until-latest", set ? "--set" : NULL, set, NULL);
	kt_life life = kt_life_begin(process);

	kt_life_end(&life, process, timeout_ms);
	kt_process_wait(process, timeout_ms);
	return process;
}

void kt_job_must_end(kt_process *process, int code, const char *says, int timeout_ms)
{
	int ended = kt_process_wait(process, timeout_ms);
	const char *said = kt_process_stderr(process);

	kt_check(ended == code, "ended with %d, not %d:\n%s", ended, code, said);
	kt_check(!says || strstr(said, says), "did not say \"%s\":\n%s", says, said);
	kt_process_free(process);
}

void kt_job_catch_up(kt_job *job, const char *set)
{
	kt_job_must_end(kt_job_run(job, set, 120000), 0, NULL, 0);
}

void kt_job_await(kt_job *job, int64_t least, int timeout_ms, const char *sql)
{
	int64_t end = kt_now_ms() + timeout_ms, now = 0;
	bool made = false;

	while (now < least) {
		made = made || kt_store_is_made(&job->store);
		if (made)
			now = kt_store_int(&job->store, "%s", sql);
		kt_check(now >= least || kt_now_ms() < end, "%" PRId64 ", not %" PRId64 " after %d ms: %s", now, least,
			timeout_ms, sql);
		if (now < least)
			kt_pause();
	}
}

void kt_job_fill(kt_job *job, int partition, int64_t n)
{
	kt_producer *producer = kt_producer_open(NULL, NULL);

	kt_produce_many(producer, job->topic, partition, n, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
}
