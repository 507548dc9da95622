/* SPDX-License-Identifier: Apache-2.0 */
/* F29: memory runs out at the n-th allocation of ours, in jobs with SQLite and with files: see local_campaign.h. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "file_rows.h"
#include <kdirect/sinks.h>
#include "local_campaign.h"
#include "tmpdir.h"

enum { SAMPLES = 40 };

/* ---- SQLite ---- */

static void begin_sqlite(local_campaign *c)
{
	char *path = kt_path(c->dir, "sink.db");

	for (const char *const *end = (const char *const[]) {"", "-wal", "-shm", NULL}; *end; end++) {
		char *file = kt_format("%s%s", path, *end);
		remove(file);
		free(file);
	}
	kt_store_open(&c->store, KT_SQLITE, c->dir);
	c->keys = kt_format("%s, \"table\": \"t\"", c->store.sink);
	free(path);
}

static void end_sqlite(local_campaign *c)
{
	kt_store_close(&c->store);
}

static const local_kind sqlite = {.name = "sqlite", .sink = &kd_sqlite_sink, .begin = begin_sqlite,
	.rows = local_campaign_rows, .untiled = local_campaign_untiled, .end = end_sqlite, .samples = SAMPLES};

/* F29 */
Test(local_memory, a_first_start_with_sqlite_survives_an_allocation_that_fails, .timeout = 900)
{
	local_campaign_run(&sqlite, false);
}

/* F29 */
Test(local_memory, a_first_start_with_sqlite_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	local_campaign_run(&sqlite, true);
}

/* ---- files ---- */

static void begin_files(local_campaign *c)
{
	c->out = kt_format("%s/out%d", c->dir, ++c->folders);
	c->keys = kt_format("\"type\": \"file\", \"path\": \"%s\"", c->out);
}

static kt_oracle rows_of_files(local_campaign *c)
{
	return access(c->out, F_OK) == 0 ? kt_folder_oracle(c->out, "topic") : (kt_oracle) {0};
}

static void end_files(local_campaign *c)
{
	free(c->out);
}

static const local_kind files = {.name = "files", .sink = &kd_file_sink, .begin = begin_files, .rows = rows_of_files,
	.end = end_files, .samples = SAMPLES};

/* F29 */
Test(local_memory, a_first_start_with_files_survives_an_allocation_that_fails, .timeout = 900)
{
	local_campaign_run(&files, false);
}

/* F29 */
Test(local_memory, a_first_start_with_files_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	local_campaign_run(&files, true);
}

/* ---- a plan that nobody committed, which the run takes over and replays ---- */

static void begin_replay(local_campaign *c)
{
	begin_sqlite(c);
	local_campaign_leave_a_plan(c);
}

static const local_kind replay = {.name = "sqlite, replay", .sink = &kd_sqlite_sink, .begin = begin_replay,
	.rows = local_campaign_rows, .untiled = local_campaign_untiled, .end = end_sqlite, .samples = SAMPLES};

/* F29: take-over and recovery. */
Test(local_memory, a_recovery_with_sqlite_survives_an_allocation_that_fails, .timeout = 900)
{
	local_campaign_run(&replay, false);
}
