/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of this folder, a test each. */
#include <criterion/criterion.h>

#include "process.h"
#include "tmpdir.h"

enum { LIMIT_MS = 300000 };

static void must_pass(const char *script)
{
	char *dir = kt_tmpdir();
	char *path = kt_path("tests/examples", script);
	const char *const argv[] = {"/bin/bash", path, NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	int code = kt_process_wait(process, LIMIT_MS);

	cr_expect_eq(code, 0, "%s: %s%s", script, kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	free(path);
	kt_tmpdir_remove(dir);
}

Test(examples, a_new_project_builds_and_passes_at_once)
{
	must_pass("new.sh");
}

Test(examples, the_reference_holds_every_public_function)
{
	must_pass("reference.sh");
}

Test(examples, a_redacting_transform_through_kills)
{
	must_pass("redact.sh");
}

Test(examples, a_decoder_of_ones_own_through_kills)
{
	must_pass("fixed-width.sh");
}

Test(examples, enrichment_reads_within_the_transaction_through_kills)
{
	must_pass("enrich.sh");
}

Test(examples, rows_of_two_tables_are_never_seen_apart)
{
	must_pass("split-orders.sh");
}

Test(examples, a_keyed_service_ends_as_if_each_put_came_once)
{
	must_pass("webhook.sh");
}

Test(examples, a_sink_of_ones_own_conforms_and_lands_once_through_kills)
{
	must_pass("minimal-sink.sh");
}

Test(examples, a_transform_in_python_through_kills)
{
	must_pass("python.sh");
}
