/* SPDX-License-Identifier: Apache-2.0 */
/* F28: the disk under the SQLite sink's database, and so under its ledger, or under the file sink's folder is full: the
 * job tries again and goes on when there is space, or gives up with exit code 4 after retry_timeout_ms; nothing is lost,
 * nothing is there twice (I1, I2, I8), and whoever reads the folder meanwhile sees whole files.  A ledger of the file
 * sink that was torn there is in unit/test_file_ledger. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "file_rows.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "small_disk.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 90000, FEW = 10, MANY = 20000, SPACE_LEFT = 256 * 1024 };

typedef struct disk {
	kt_job job;
	small_disk disk;
	char *folder; /* of the file sink; NULL: the sink is SQLite */
} disk;

static void may_mount(void)
{
	if (!small_disk_may())
		cr_skip_test("no mount namespace for a small disk: %s", strerror(errno));
}

/* A job whose sink is on a disk of 8 MB; it has landed a few records. */
static void open_disk(disk *d, bool files)
{
	kt_job_open(&d->job, KT_SQLITE, 2);
	small_disk_mount(&d->disk, d->job.dir);
	d->folder = files ? kt_path(d->disk.path, "out") : NULL;
	if (files) {
		free(d->job.store.sink);
		d->job.store.sink = kt_format("\"type\": \"file\", \"path\": \"%s\"", d->folder);
	} else {
		kt_store_close(&d->job.store);
		kt_store_open(&d->job.store, KT_SQLITE, d->disk.path);
	}
	kt_job_write(&d->job, NULL);
	kt_job_fill(&d->job, 0, FEW);
	kt_job_catch_up(&d->job, NULL);
}

/* A file that is not whole fails here. */
static int64_t rows(disk *d)
{
	if (!d->folder)
		return kt_store_int(&d->job.store, "select count(*) from t");
	kt_oracle seen = kt_folder_oracle(d->folder, d->job.topic);
	int64_t n = (int64_t) seen.n;
	kt_oracle_done(&seen);
	return n;
}

static void judge(disk *d)
{
	if (!d->folder) {
		kt_judge_clean(&d->job.store, "t", d->job.topic);
		return;
	}
	kt_oracle kafka = kt_oracle_read(NULL, d->job.topic, true), seen = kt_folder_oracle(d->folder, d->job.topic);
	kt_verdict v = kt_judge(&kafka, &seen);
	kt_check(!v.missing && !v.doubled && !v.altered && !v.foreign, "missing %" PRId64 ", double %" PRId64 ", altered %" PRId64
		", foreign %" PRId64, v.missing, v.doubled, v.altered, v.foreign);
	kt_oracle_done(&kafka);
	kt_oracle_done(&seen);
}

static void close_disk(disk *d)
{
	judge(d);
	if (!d->folder) {
		kt_store_close(&d->job.store);
		kt_store_open(&d->job.store, KT_SQLITE, d->job.dir);
	}
	small_disk_unmount(&d->disk);
	kt_job_close(&d->job);
	free(d->folder);
}

/* The job has met the full disk; there is space now, and somebody reads while it goes on. */
static void goes_on(disk *d, kt_process *job, int64_t all)
{
	cr_assert(kt_process_says(job, "trying again", RUN_MS), "%s", kt_process_stderr(job));
	cr_assert(!d->folder || rows(d) < all);
	small_disk_make_room(&d->disk);
	while (d->folder && kt_process_running(job)) {
		cr_assert_leq(rows(d), all);
		kt_pause();
	}
	kt_job_must_end(job, 0, NULL, RUN_MS);
	cr_assert_eq(rows(d), all);
}

static void a_full_disk_is_waited_for(bool files)
{
	disk d;

	may_mount();
	open_disk(&d, files);
	small_disk_fill(&d.disk, SPACE_LEFT);
	kt_job_fill(&d.job, 0, MANY);
	kt_job_fill(&d.job, 1, MANY);
	goes_on(&d, kt_job_start(&d.job, NULL, "--until-latest", NULL), FEW + 2 * MANY);
	close_disk(&d);
}

/* F28, I8 */
Test(local_disk, a_full_disk_under_the_ledger_is_waited_for, .timeout = 180)
{
	a_full_disk_is_waited_for(false);
}

/* F28, I8 */
Test(local_disk, a_full_disk_under_files_is_waited_for_and_whoever_reads_sees_whole_files, .timeout = 180)
{
	a_full_disk_is_waited_for(true);
}

static void a_disk_that_stays_full_ends_the_run(bool files)
{
	disk d;

	may_mount();
	open_disk(&d, files);
	small_disk_fill(&d.disk, SPACE_LEFT);
	kt_job_fill(&d.job, 0, MANY);
	kt_job_fill(&d.job, 1, MANY);
	kt_job_must_end(kt_job_run(&d.job, "retry_timeout_ms=500", RUN_MS), 4, "gave up after", RUN_MS);
	cr_assert_lt(rows(&d), FEW + 2 * MANY);
	small_disk_make_room(&d.disk);
	kt_job_catch_up(&d.job, NULL);
	cr_assert_eq(rows(&d), FEW + 2 * MANY);
	close_disk(&d);
}

/* F28, I8 */
Test(local_disk, a_disk_that_stays_full_ends_the_run_with_4_and_a_restart_lands_the_rest, .timeout = 180)
{
	a_disk_that_stays_full_ends_the_run(false);
}

/* F28, I8 */
Test(local_disk, a_disk_that_stays_full_under_files_ends_the_run_with_4_and_a_restart_lands_the_rest, .timeout = 180)
{
	a_disk_that_stays_full_ends_the_run(true);
}

/* Not even a plan can be written: the start has a bound of its own, 30 s, in which space comes back.  A ledger that is
 * a file has what is left of its last page. */
static void a_disk_without_a_byte_is_waited_for(bool files)
{
	disk d;

	may_mount();
	open_disk(&d, files);
	kt_job_fill(&d.job, 0, FEW);
	small_disk_fill(&d.disk, 0);
	goes_on(&d, kt_job_start(&d.job, NULL, "--until-latest", NULL), 2 * FEW);
	close_disk(&d);
}

/* F28 */
Test(local_disk, a_disk_without_a_byte_is_waited_for_at_the_start, .timeout = 180)
{
	a_disk_without_a_byte_is_waited_for(false);
}

/* F28 */
Test(local_disk, a_disk_without_a_byte_for_files_is_waited_for, .timeout = 180)
{
	a_disk_without_a_byte_is_waited_for(true);
}

/* Where all others are passed over, the suite's output says so. */
Test(local_disk, where_no_small_disk_may_be_mounted_it_is_said)
{
	if (small_disk_may())
		cr_skip_test("a small disk may be mounted here");
	printf("faults: 0 disks were filled: no mount namespace: %s\n", strerror(errno));
	fflush(stdout);
}
