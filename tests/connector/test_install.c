/* SPDX-License-Identifier: Apache-2.0 */
/* An installation is all that a program of one's own needs. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "process.h"
#include "tmpdir.h"

Test(install, is_all_that_a_program_needs_in_c_and_in_cplusplus_shared_and_static, .timeout = 600)
{
	char *dir = kt_tmpdir();
	const char *const argv[] = {"/bin/bash", "tests/connector/install.sh", NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	int code = kt_process_wait(process, 580000);

	cr_expect_eq(code, 0, "%s%s", kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	kt_tmpdir_remove(dir);
}
