/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of this folder, a test each: what needs no server. */
#include <criterion/criterion.h>

#include "process.h"
#include "tmpdir.h"

static void must_pass(const char *script)
{
	char *dir = kt_tmpdir();
	char *path = kt_path("tests/cli", script);
	const char *const argv[] = {"/bin/bash", path, NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	int code = kt_process_wait(process, 120000);

	cr_expect_eq(code, 0, "%s: %s%s", script, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	free(path);
	kt_tmpdir_remove(dir);
}

Test(cli, every_verb_teaches_itself)
{
	must_pass("help.sh");
}

Test(cli, a_wrong_command_line_ends_with_2_and_one_specific_line)
{
	must_pass("usage.sh");
}

Test(cli, every_mistake_in_a_job_file_is_told_with_its_place)
{
	must_pass("diagnostics.sh");
}
