// SPDX-License-Identifier: Apache-2.0
// The pages keep up with the sources: every fault point has its row in docs/GUARANTEES.md, every engine file its line in
// lib/README.md.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/check.h"
#include "../support/tmpdir.h"

/* Each line that the script prints must stand in the page, between back-quotes or as a link. */
static int missing(const char *script, const char *page)
{
	char *command = kt_format("cd '%s/../..' && %s", kt_env("KD_TEST_SUPPORT"), script);
	char *path = kt_format("%s/../../%s", kt_env("KD_TEST_SUPPORT"), page);
	char *text = kt_read_file(path), line[256];
	FILE *names = popen(command, "r");
	int n = 0, absent = 0;
	cr_assert_not_null(names);
	for (; fgets(line, sizeof line, names); n++) {
		line[strcspn(line, "\n")] = '\0';
		if (!strstr(text, line)) {
			absent++;
			cr_log_error("%s is not in %s", line, page);
		}
	}
	pclose(names);
	cr_assert_gt(n, 5, "the script found next to nothing: %s", script);
	free(text);
	free(path);
	free(command);
	return absent;
}

Test(docs, every_fault_point_has_its_row_in_the_guarantees)
{
	cr_assert_eq(missing("grep -rhoE 'KD_FAULT(_[A-Z]+)?\\(\"[^\"]+\"|\"[a-z]+\\.commit_sent\"' lib sinks |"
		" grep -oE '\"[^\"]+\"' | tr '\"' '`' | sort -u", "docs/GUARANTEES.md"), 0);
}

Test(docs, every_file_of_the_engine_has_its_line_in_the_walk)
{
	cr_assert_eq(missing("ls lib/*.c | grep -v /config_ | sed 's|lib/||'", "lib/README.md"), 0);
}
