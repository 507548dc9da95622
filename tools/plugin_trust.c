/* SPDX-License-Identifier: Apache-2.0 */
/* plugin_trust: see plugin_trust.h. */
#include "plugin_trust.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static kd_code refuse(kd_error *err, const char *path, const struct stat *status, const char *why, const char *remedy)
{
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not trust \"%s\" (mode %04o): %s: %s %s", path,
		(unsigned) status->st_mode & 07777, why, remedy, path);
}

static kd_code judge(const char *path, const struct stat *status, kd_error *err)
{
	bool is_sticky = S_ISDIR(status->st_mode) && (status->st_mode & S_ISVTX);

	if (status->st_uid != 0 && status->st_uid != geteuid())
		return refuse(err, path, status, "it belongs neither to root nor to the user who runs this", "chown root");
	if ((status->st_mode & S_IWOTH) && !is_sticky)
		return refuse(err, path, status, "others may write to it", "chmod o-w");
	if ((status->st_mode & S_IWGRP) && !is_sticky && status->st_gid != 0 && status->st_gid != getegid())
		return refuse(err, path, status, "another group may write to it", "chmod g-w");
	return KD_OK;
}

/* Every folder above the file, up to the root. */
static kd_code judge_folders(const char *path, kd_error *err)
{
	char *folder = strdup(path), *slash;
	kd_code code = folder ? KD_OK : kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory");

	while (!code && (slash = strrchr(folder, '/'))) {
		struct stat status;

		*slash = '\0';
		const char *name = slash == folder ? "/" : folder;
		if (stat(name, &status) < 0)
			code = kd_error_set(err, KD_ECONFIG, KD_STOP, "could not look at \"%s\": %s", name, strerror(errno));
		else
			code = judge(name, &status, err);
	}
	free(folder);
	return code;
}

/* Where the open file is, without symbolic links. */
static kd_code real_path(int fd, const char *path, char *ret_path, size_t size, kd_error *err)
{
	char link[64];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret_path, size - 1);
	if (n < 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not look at \"%s\": %s", path, strerror(errno));
	ret_path[n] = '\0';
	return KD_OK;
}

kd_code plugin_trust(int fd, const char *path, kd_error *err)
{
	struct stat status;
	char real[PATH_MAX];
	kd_code code;

	if (fstat(fd, &status) < 0)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not look at \"%s\": %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not load \"%s\": it is no regular file", path);
	code = judge(path, &status, err);
	if (!code)
		code = judge_folders(path, err);
	if (!code)
		code = real_path(fd, path, real, sizeof real, err);
	if (!code && strcmp(real, path) != 0)
		code = judge_folders(real, err);
	return code;
}
