/* SPDX-License-Identifier: Apache-2.0 */
/* torture_rig: see torture_rig.h. */
#include "torture_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "demo_job.h"
#include "times.h"

#define DSN_VARIABLE "KDIRECT_TORTURE_DSN" /* no password in a file or on a command line */

enum { LOOK_MS = 10, STUCK_MS = 60000, ENDING_MS = 10000 };

/* ---- making it ---- */

/* Small batches and two workers: many commits for little data.  Short time-outs: what a frozen network costs. */
static bool write_job(struct torture_rig *rig)
{
	FILE *file = fopen(rig->folder.job, "we");
	const char *name = torture_schema_name(rig->schema);

	rig->why = "could not write the job file";
	if (!file)
		return false;
	fprintf(file,
		"{\n"
		"  \"job\": \"%s\",\n"
		"  \"kafka\": { \"bootstrap.servers\": \"%s\" },\n"
		"  \"topics\": [\"" DEMO_TOPIC "\"],\n"
		"  \"start\": \"earliest\",\n"
		"  \"workers\": 2,\n"
		"  \"batch\": { \"interval_ms\": 20, \"max_records_per_batch\": 2000 },\n"
		"  \"sink\": { \"type\": \"postgres\", \"dsn\": \"${env:" DSN_VARIABLE "}\", \"table\": \"%s.orders\",\n"
		"            \"layout\": \"fields\", \"ledger_schema\": \"%s\" }\n"
		"}\n", name, demo_kafka_bootstrap(rig->kafka), name, name);
	bool ok = !ferror(file);
	return fclose(file) == 0 && ok;
}

static bool open_relay(struct torture_rig *rig)
{
	rig->proxy = fault_proxy_open(FAULT_PROXY_POSTGRES, 0, torture_schema_address(rig->schema), &rig->why);
	if (!rig->proxy)
		return false;
	char *dsn = torture_schema_dsn_through(rig->schema, fault_proxy_port(rig->proxy), &rig->readable);
	rig->why = "no memory";
	bool ok = dsn && setenv(DSN_VARIABLE, dsn, 1) == 0;
	free(dsn);
	return ok;
}

static bool open_watch(struct torture_rig *rig)
{
	struct torture_schema *session = torture_schema_again(rig->schema, &rig->why);

	if (!session)
		return false;
	rig->watch = torture_watch_start(session);
	rig->why = "could not start a thread";
	if (!rig->watch)
		torture_schema_close(session);
	return rig->watch;
}

bool torture_rig_make(struct torture_rig *rig, const char *dsn, int64_t events, uint64_t seed)
{
	rig->random = demo_random_from(seed);
	if (!demo_folder_make(&rig->folder, NULL, &rig->why))
		return false;
	rig->schema = torture_schema_make(dsn, &rig->why);
	if (!rig->schema)
		return false;
	rig->kafka = demo_kafka_open(events, seed, &rig->why);
	return rig->kafka && open_relay(rig) && open_watch(rig) && write_job(rig);
}

bool torture_rig_end(struct torture_rig *rig, bool keep)
{
	bool ok = true;

	if (rig->pid > 0)
		demo_job_end(rig->pid, SIGKILL, ENDING_MS);
	rig->pid = 0;
	torture_watch_end(rig->watch);
	fault_proxy_close(rig->proxy);
	demo_kafka_close(rig->kafka);
	if (keep)
		torture_schema_close(rig->schema);
	else
		ok = torture_schema_drop(rig->schema, &rig->why);
	demo_folder_done(&rig->folder);
	unsetenv(DSN_VARIABLE);
	return ok;
}

/* ---- children ---- */

pid_t torture_rig_start(struct torture_rig *rig)
{
	pid_t pid = demo_job_start(rig->folder.job, rig->folder.log);

	rig->starts += pid > 0;
	if (pid < 0)
		rig->why = "could not start the job as a child process";
	return pid;
}

int torture_rig_wait(struct torture_rig *rig, pid_t pid, int timeout_ms)
{
	int64_t until_ms = now_ms() + timeout_ms;
	int status;

	do {
		if (demo_job_ended(pid, &status))
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	} while (now_ms() < until_ms && torture_rig_rest(rig, LOOK_MS));
	return -1;
}

void torture_rig_expect(struct torture_rig *rig, const char *fault, int exit_code, int expected)
{
	if (exit_code == expected)
		return;
	if (rig->unexpected++ == 0)
		snprintf(rig->note, sizeof rig->note, exit_code < 0 ? "%s: it did not end (code %d, not %d)" :
			"%s: exit code %d, not %d", fault, exit_code, expected);
}

bool torture_rig_rest(const struct torture_rig *rig, int64_t ms)
{
	struct timespec rest = {ms / 1000, ms % 1000 * 1000000};

	while (!*rig->interrupted && nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
	return !*rig->interrupted;
}

/* ---- going on ---- */

static bool owner_lives(struct torture_rig *rig)
{
	int code = torture_rig_wait(rig, rig->pid, 0);

	if (code < 0)
		return true;
	torture_rig_expect(rig, "the owner ended by itself", code, -2);
	rig->pid = 0;
	return false;
}

bool torture_rig_goes_on(struct torture_rig *rig, int64_t before)
{
	int64_t began_ms = now_ms();

	rig->why = "interrupted";
	for (;;) {
		int64_t committed = torture_schema_committed(rig->schema), took_ms = now_ms() - began_ms;
		if (committed > before || committed == demo_kafka_acknowledged(rig->kafka)) {
			rig->slowest_ms = took_ms > rig->slowest_ms ? took_ms : rig->slowest_ms;
			return true;
		}
		rig->why = "nothing was committed for a minute";
		if (took_ms > STUCK_MS)
			return false;
		rig->why = "the job ended by itself";
		if (rig->pid && !owner_lives(rig))
			return false;
		rig->why = "interrupted";
		if (!torture_rig_rest(rig, LOOK_MS))
			return false;
	}
}
