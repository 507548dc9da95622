// SPDX-License-Identifier: Apache-2.0
// file_error: see the header.
#include "file_error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct verdict {
	int number;
	kd_code code;
	kd_action action; /* RETRY or STOP */
} verdict;

static const verdict verdicts[] = {
	{ENOSPC, KD_EIO, KD_RETRY}, /* somebody may free space */
	{EDQUOT, KD_EIO, KD_RETRY},
	{EIO, KD_EIO, KD_RETRY},
	{ENOMEM, KD_ENOMEM, KD_RETRY},
	{EINTR, KD_EIO, KD_RETRY},
	{EAGAIN, KD_EBUSY, KD_RETRY},
	{EBUSY, KD_EBUSY, KD_RETRY},
	{ENOLCK, KD_EIO, KD_RETRY},
	{EMFILE, KD_EIO, KD_RETRY},
	{ENFILE, KD_EIO, KD_RETRY},
	{ENOENT, KD_EIO, KD_RETRY},  /* the folder is away: a mount, a restore */
	{ESTALE, KD_EIO, KD_RETRY},
	{ETIMEDOUT, KD_EIO, KD_RETRY},
	{EHOSTDOWN, KD_EIO, KD_RETRY},
	{EACCES, KD_ETARGET, KD_STOP},
	{EPERM, KD_ETARGET, KD_STOP},
	{EROFS, KD_ETARGET, KD_STOP},
	{ENOTDIR, KD_ETARGET, KD_STOP},
	{EISDIR, KD_ETARGET, KD_STOP},
	{ELOOP, KD_ETARGET, KD_STOP},
	{ENOTSUP, KD_ETARGET, KD_STOP}, /* no locks there */
	{ENOSYS, KD_ETARGET, KD_STOP},
	{ENAMETOOLONG, KD_ECONFIG, KD_STOP},
	{EFBIG, KD_ESINK, KD_STOP},
	{EINVAL, KD_ESINK, KD_STOP},
};

void file_error_judge(int number, file_phase phase, kd_code *ret_code, kd_action *ret_action)
{
	*ret_code = KD_ESINK;
	*ret_action = KD_STOP;
	for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
		if (verdicts[i].number == number) {
			*ret_code = verdicts[i].code;
			*ret_action = verdicts[i].action;
		}
	if (phase == FILE_IN_DOUBT)
		*ret_action = KD_RESOLVE;
	else if (phase == FILE_IN_DATA && *ret_action == KD_RETRY)
		*ret_action = KD_REPLAY;
}

kd_code file_error_set(kd_error *err, int number, file_phase phase, const char *format, ...)
{
	char what[768];
	kd_code code;
	kd_action action;
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	file_error_judge(number, phase, &code, &action);
	char reason[128];
	const char *text = strerror_r(number, reason, sizeof reason);
	bool first = err && !err->code;
	kd_error_set(err, code, action, "%s: %s", what, text);
	if (first)
		err->native = number;
	return code;
}
