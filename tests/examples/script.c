/* SPDX-License-Identifier: Apache-2.0 */
/* script: see script.h. */
#include "script.h"

#include <criterion/criterion.h>

#include "process.h"
#include "tmpdir.h"

enum { LIMIT_MS = 300000 };

void script_must_pass(const char *script, const char *argument)
{
	char *dir = kt_tmpdir();
	char *path = kt_path("tests/examples", script);
	const char *const argv[] = {"/bin/bash", path, argument, NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	int code = kt_process_wait(process, LIMIT_MS);

	cr_expect_eq(code, 0, "%s: %s%s", script, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	free(path);
	kt_tmpdir_remove(dir);
}
