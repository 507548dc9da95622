/* SPDX-License-Identifier: Apache-2.0 */
/* F28: the disk under the SQLite sink's database, and so under its ledger, is full: the job tries again and goes on when
 * there is space, or gives up with exit code 4 after retry_timeout_ms; nothing is lost, nothing is there twice (I1, I2,
 * I8).  A ledger of the file sink that was torn there is in unit/test_file_ledger.
 *
 * The disk is a small tmpfs in a mount namespace of the test's own, which ends with it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "tmpdir.h"

enum { RUN_MS = 90000, FEW = 10, MANY = 20000, BLOCK = 4096, SPACE_LEFT = 256 * 1024 };

typedef struct disk {
	kt_job job;
	char *path, *ballast;
} disk;

/* A job whose database is on a disk of 8 MB; it has landed a few records. */
static void open_disk(disk *d)
{
	kt_job_open(&d->job, KT_SQLITE, 2);
	d->path = kt_path(d->job.dir, "disk");
	d->ballast = kt_path(d->path, "ballast");
	kt_check(mkdir(d->path, 0700) == 0, "could not make \"%s\": %s", d->path, strerror(errno));
	kt_check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			 mount("none", d->path, "tmpfs", 0, "size=8m") == 0, "could not mount: %s", strerror(errno));
	kt_store_close(&d->job.store);
	kt_store_open(&d->job.store, KT_SQLITE, d->path);
	kt_job_write(&d->job, NULL);
	kt_job_fill(&d->job, 0, FEW);
	kt_job_catch_up(&d->job, NULL);
}

static void close_disk(disk *d)
{
	kt_judge_clean(&d->job.store, "t", d->job.topic);
	kt_store_close(&d->job.store);
	kt_check(umount2(d->path, MNT_DETACH) == 0, "could not unmount: %s", strerror(errno));
	kt_store_open(&d->job.store, KT_SQLITE, d->job.dir);
	kt_job_close(&d->job);
	free(d->path);
	free(d->ballast);
}

/* Leaves so many bytes of the disk. */
static void fill_disk(disk *d, off_t left)
{
	static const char block[BLOCK];
	int fd = open(d->ballast, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	off_t size = 0;

	kt_check(fd >= 0, "could not make \"%s\": %s", d->ballast, strerror(errno));
	while (write(fd, block, sizeof(block)) == (ssize_t) sizeof(block))
		size += BLOCK;
	kt_check(errno == ENOSPC && size > left, "the disk is not full: %s", strerror(errno));
	kt_check(ftruncate(fd, size - left) == 0 && close(fd) == 0, "could not leave space: %s", strerror(errno));
}

static void may_mount(void)
{
	if (unshare(CLONE_NEWNS) != 0)
		cr_skip_test("no mount namespace for a small disk: %s", strerror(errno));
}

/* F28, I8 */
Test(local_disk, a_full_disk_under_the_ledger_is_waited_for, .timeout = 180)
{
	disk d;

	may_mount();
	open_disk(&d);
	fill_disk(&d, SPACE_LEFT);
	kt_job_fill(&d.job, 0, MANY);
	kt_job_fill(&d.job, 1, MANY);
	kt_process *job = kt_job_start(&d.job, NULL, "--until-latest", NULL);
	cr_assert(kt_process_says(job, "trying again", RUN_MS), "%s", kt_process_stderr(job));
	kt_check(unlink(d.ballast) == 0, "could not make space: %s", strerror(errno));
	kt_job_must_end(job, 0, "full", RUN_MS);
	cr_assert_eq(kt_store_int(&d.job.store, "select count(*) from t"), FEW + 2 * MANY);
	close_disk(&d);
}

/* F28, I8 */
Test(local_disk, a_disk_that_stays_full_ends_the_run_with_4_and_a_restart_lands_the_rest, .timeout = 180)
{
	disk d;

	may_mount();
	open_disk(&d);
	fill_disk(&d, SPACE_LEFT);
	kt_job_fill(&d.job, 0, MANY);
	kt_job_fill(&d.job, 1, MANY);
	kt_job_must_end(kt_job_run(&d.job, "retry_timeout_ms=500", RUN_MS), 4, "gave up after", RUN_MS);
	cr_assert_lt(kt_store_int(&d.job.store, "select count(*) from t"), FEW + 2 * MANY);
	kt_check(unlink(d.ballast) == 0, "could not make space: %s", strerror(errno));
	kt_job_catch_up(&d.job, NULL);
	cr_assert_eq(kt_store_int(&d.job.store, "select count(*) from t"), FEW + 2 * MANY);
	close_disk(&d);
}

/* F28: not even a plan can be written: the start has a bound of its own, 30 s, in which space comes back. */
Test(local_disk, a_disk_without_a_byte_is_waited_for_at_the_start, .timeout = 180)
{
	disk d;

	may_mount();
	open_disk(&d);
	kt_job_fill(&d.job, 0, FEW);
	fill_disk(&d, 0);
	kt_process *job = kt_job_start(&d.job, NULL, "--until-latest", NULL);
	cr_assert(kt_process_says(job, "trying again", RUN_MS), "%s", kt_process_stderr(job));
	kt_check(unlink(d.ballast) == 0, "could not make space: %s", strerror(errno));
	kt_job_must_end(job, 0, NULL, RUN_MS);
	cr_assert_eq(kt_store_int(&d.job.store, "select count(*) from t"), 2 * FEW);
	close_disk(&d);
}
