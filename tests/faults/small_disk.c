/* SPDX-License-Identifier: Apache-2.0 */
/* A disk to be filled: see small_disk.h. */
#include "small_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"

enum { BLOCK = 4096 };

bool small_disk_may(void)
{
	return unshare(CLONE_NEWNS) == 0;
}

void small_disk_mount(small_disk *disk, const char *dir)
{
	disk->path = kt_path(dir, "disk");
	disk->ballast = kt_path(disk->path, "_ballast");
	kt_check(mkdir(disk->path, 0700) == 0, "could not make \"%s\": %s", disk->path, strerror(errno));
	kt_check(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			 mount("none", disk->path, "tmpfs", 0, "size=8m") == 0, "could not mount: %s", strerror(errno));
}

void small_disk_unmount(small_disk *disk)
{
	kt_check(umount2(disk->path, MNT_DETACH) == 0, "could not unmount: %s", strerror(errno));
	free(disk->path);
	free(disk->ballast);
}

void small_disk_fill(const small_disk *disk, off_t left)
{
	static const char block[BLOCK];
	int fd = open(disk->ballast, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	off_t size = 0;

	kt_check(fd >= 0, "could not make \"%s\": %s", disk->ballast, strerror(errno));
	while (write(fd, block, sizeof(block)) == (ssize_t) sizeof(block))
		size += BLOCK;
	kt_check(errno == ENOSPC && size > left, "the disk is not full: %s", strerror(errno));
	kt_check(ftruncate(fd, size - left) == 0 && close(fd) == 0, "could not leave space: %s", strerror(errno));
}

void small_disk_make_room(const small_disk *disk)
{
	kt_check(unlink(disk->ballast) == 0, "could not make space: %s", strerror(errno));
}
