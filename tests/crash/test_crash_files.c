/* SPDX-License-Identifier: Apache-2.0 */
/* Kill -9 against the file sink, while somebody reads the folder all the time; and owners that were frozen. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "crash.h"
#include "crash_files.h"
#include "file_rows.h"
#include "tmpdir.h"
#include "wait.h"

enum { FENCED_MS = 15000 };

/* F1, F2; I1-I6, I8, I9: each file is whole when it is first seen, and stays. */
Test(crash_files, each_file_whole_and_once_until_a_run_survives_every_fault_point_and_each_pair, .timeout = 800)
{
	crash_everything(&crash_file, "crash", 60, 600, 30, 150);
}

/* ---- frozen owners (I7, I8) ---- */

static kt_process *freeze_at(kt_job *job, const char *fault)
{
	kt_process *process = kt_job_start(job, fault, "--set", "batch.max_records_per_batch=200", NULL);

	kt_check(kt_wait_until(kt_process_is_stopped, process, 30000), "not stopped at %s:\n%s", fault, kt_process_stderr(process));
	return process;
}

/* One record comes while the owner is idle: so when one of his threads is frozen no other one is in a step of the ledger,
 * and holds its lock. */
static kt_process *freeze_when_idle(kt_job *job, const char *fault)
{
	/* the thread that stops the process may run on for a moment: not into the lock */
	char *both = kt_format("%s:1:stop,%s:1:sleep:2000", fault, fault);
	kt_process *process = kt_job_start(job, both, NULL);

	free(both);
	(void) kt_process_says(process, "owner of job", 5000); /* or it is stopped before that */
	kt_job_fill(job, 0, 1);
	kt_check(kt_wait_until(kt_process_is_stopped, process, 30000), "not stopped at %s:\n%s", fault, kt_process_stderr(process));
	return process;
}

static void outlive_a_frozen_owner(const char *fault)
{
	kt_job job;
	kt_process *zombie;

	fprintf(stderr, "frozen at %s\n", fault);
	kt_job_open(&job, KT_SQLITE, 1);
	char *folder = crash_files_write(&job, NULL);
	zombie = freeze_when_idle(&job, fault);
	kt_job_fill(&job, 0, 3000);
	kt_job_must_end(kt_job_run(&job, NULL, 90000), 0, NULL, 0);
	crash_files_must_be_clean(folder, job.topic);
	kt_process_signal(zombie, SIGCONT);
	kt_job_must_end(zombie, 3, NULL, FENCED_MS);
	crash_files_must_be_clean(folder, job.topic);
	crash_files_must_be_empty(folder, "_kdirect/tmp");
	crash_audit(&job, "--deep");
	free(folder);
	kt_job_close(&job);
}

/* Also while he writes rows: his claim is waited for, and then passed over. */
Test(crash_files, a_successor_finishes_what_a_frozen_owner_was_writing, .timeout = 300)
{
	static const char *const faults[] = {"start.owned", "plan.before_durable", "plan.after_durable", "commit.begun",
		"commit.written", "file.synced"};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		outlive_a_frozen_owner(faults[i]);
}

static void holder_is_named(const char *fault)
{
	kt_job job;
	kt_process *holder;
	char *named;

	kt_job_open(&job, KT_SQLITE, 1);
	char *folder = crash_files_write(&job, NULL);
	kt_job_fill(&job, 0, 3000);
	holder = freeze_at(&job, fault);
	named = kt_format("held by pid %d", (int) kt_process_pid(holder));
	kt_job_must_end(kt_job_start(&job, NULL, "--set", "retry_timeout_ms=3000", NULL), 4, named, 60000);
	kt_process_signal(holder, SIGKILL);
	kt_job_must_end(holder, 128 + SIGKILL, NULL, 5000);
	kt_job_catch_up(&job, NULL);
	crash_files_must_be_clean(folder, job.topic);
	free(named);
	free(folder);
	kt_job_close(&job);
}

Test(crash_files, a_frozen_holder_of_the_ledgers_lock_is_named, .timeout = 240)
{
	holder_is_named("file.committed:2:stop");
	holder_is_named("file.ledger_written:4:stop");
}

static bool has_file(void *opaque, const char *path)
{
	(void) opaque, (void) path;
	return false;
}

static bool has_any(void *folder)
{
	return !kt_files_each(folder, has_file, NULL);
}

Test(crash_files, the_older_of_two_instances_ends_with_exit_code_3, .timeout = 240)
{
	kt_job job;
	kt_process *older, *newer;

	kt_job_open(&job, KT_SQLITE, 2);
	char *folder = crash_files_write(&job, NULL);
	kt_job_fill(&job, 0, 20000);
	kt_job_fill(&job, 1, 20000);
	older = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=200", NULL);
	cr_assert(kt_wait_until(has_any, folder, 30000), "%s", kt_process_stderr(older));
	newer = kt_job_start(&job, NULL, "--set", "batch.max_records_per_batch=200", NULL);
	kt_job_must_end(older, 3, "taken over by a newer instance", FENCED_MS);
	kt_process_signal(newer, SIGTERM);
	kt_job_must_end(newer, 0, NULL, 5000);
	kt_job_catch_up(&job, NULL);
	crash_files_must_be_clean(folder, job.topic);
	crash_audit(&job, "--deep");
	free(folder);
	kt_job_close(&job);
}
