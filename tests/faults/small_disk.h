/* SPDX-License-Identifier: Apache-2.0 */
/* A disk of 8 MB to be filled: a tmpfs in a mount namespace of the test's own, which ends with it. */
#ifndef SMALL_DISK_H
#define SMALL_DISK_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct small_disk {
	char *path, *ballast;
} small_disk;

/* Takes a mount namespace; false: it must not, and errno says why. */
bool small_disk_may(void);

/* At dir/disk. */
void small_disk_mount(small_disk *disk, const char *dir);
void small_disk_unmount(small_disk *disk);

/* Leaves so many bytes of it. */
void small_disk_fill(const small_disk *disk, off_t left);
void small_disk_make_room(const small_disk *disk);

#endif
