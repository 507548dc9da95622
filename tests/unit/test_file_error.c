// SPDX-License-Identifier: Apache-2.0
// What an errno means: a row each, in each phase.
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "sinks/file/file_error.h"

Test(file_error, each_errno_has_its_code_and_action)
{
	static const struct {
		int number;
		kd_code code;
		kd_action in_ledger, in_data;
	} rows[] = {
		{ENOSPC, KD_EIO, KD_RETRY, KD_REPLAY},
		{EDQUOT, KD_EIO, KD_RETRY, KD_REPLAY},
		{EIO, KD_EIO, KD_RETRY, KD_REPLAY},
		{ENOMEM, KD_ENOMEM, KD_RETRY, KD_REPLAY},
		{EINTR, KD_EIO, KD_RETRY, KD_REPLAY},
		{EAGAIN, KD_EBUSY, KD_RETRY, KD_REPLAY},
		{EBUSY, KD_EBUSY, KD_RETRY, KD_REPLAY},
		{ENOLCK, KD_EIO, KD_RETRY, KD_REPLAY},
		{EMFILE, KD_EIO, KD_RETRY, KD_REPLAY},
		{ENFILE, KD_EIO, KD_RETRY, KD_REPLAY},
		{ENOENT, KD_EIO, KD_RETRY, KD_REPLAY},
		{ESTALE, KD_EIO, KD_RETRY, KD_REPLAY},
		{ETIMEDOUT, KD_EIO, KD_RETRY, KD_REPLAY},
		{EHOSTDOWN, KD_EIO, KD_RETRY, KD_REPLAY},
		{EACCES, KD_ETARGET, KD_STOP, KD_STOP},
		{EPERM, KD_ETARGET, KD_STOP, KD_STOP},
		{EROFS, KD_ETARGET, KD_STOP, KD_STOP},
		{ENOTDIR, KD_ETARGET, KD_STOP, KD_STOP},
		{EISDIR, KD_ETARGET, KD_STOP, KD_STOP},
		{ELOOP, KD_ETARGET, KD_STOP, KD_STOP},
		{ENOTSUP, KD_ETARGET, KD_STOP, KD_STOP},
		{ENOSYS, KD_ETARGET, KD_STOP, KD_STOP},
		{ENAMETOOLONG, KD_ECONFIG, KD_STOP, KD_STOP},
		{EFBIG, KD_ESINK, KD_STOP, KD_STOP},
		{EINVAL, KD_ESINK, KD_STOP, KD_STOP},
		{ENOTTY, KD_ESINK, KD_STOP, KD_STOP}, /* not in the table */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		kd_code code;
		kd_action action;
		file_error_judge(rows[i].number, FILE_IN_LEDGER, &code, &action);
		cr_expect_eq(code, rows[i].code, "%s", strerror(rows[i].number));
		cr_expect_eq(action, rows[i].in_ledger, "%s", strerror(rows[i].number));
		file_error_judge(rows[i].number, FILE_IN_DATA, &code, &action);
		cr_expect_eq(action, rows[i].in_data, "%s", strerror(rows[i].number));
		file_error_judge(rows[i].number, FILE_IN_DOUBT, &code, &action);
		cr_expect_eq(action, KD_RESOLVE, "%s", strerror(rows[i].number));
	}
}

Test(file_error, the_message_says_why)
{
	kd_error err = {0};
	cr_assert_eq(file_error_set(&err, ENOSPC, FILE_IN_DATA, "could not write \"%s\"", "/x"), KD_EIO);
	cr_assert_str_eq(err.message, "could not write \"/x\": No space left on device");
	cr_assert_eq(err.native, ENOSPC);
	cr_assert_eq(err.action, KD_REPLAY);
}
