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

/* All that a command prints; the caller frees it. */
static char *output_of(const char *command)
{
	FILE *pipe = popen(command, "r");
	size_t size = 0, capacity = 1 << 23;
	char *text = malloc(capacity + 1);
	cr_assert(pipe && text);
	for (size_t n; (n = fread(text + size, 1, capacity - size, pipe)) > 0;)
		size += n;
	pclose(pipe);
	text[size] = '\0';
	return text;
}

/* Each `suite/test` of the line must be a test of the sources, which are without white space.  Returns how many. */
static int tests_named_in(char *line, const char *sources)
{
	int n = 0;
	for (char *name = strchr(line, '`'), *end; name && (end = strchr(name + 1, '`')); name = strchr(end + 1, '`')) {
		*end = '\0';
		char *slash = strchr(name, '/');
		if (slash) {
			char *test = kt_format("Test(%.*s,%s", (int) (slash - name - 1), name + 1, slash + 1);
			char *found = strstr(sources, test);
			cr_expect(found && strchr(",)", found[strlen(test)]), "there is no test %s", name + 1);
			free(test);
			n++;
		}
	}
	return n;
}

Test(docs, every_row_of_the_fault_matrix_names_tests_that_are_there)
{
	enum { ROWS = 34 };
	char *command = kt_format("cat '%s'/../*/test_*.c | tr -d ' \\t\\n'", kt_env("KD_TEST_SUPPORT"));
	char *path = kt_format("%s/../../docs/TESTING.md", kt_env("KD_TEST_SUPPORT"));
	char *sources = output_of(command), *text = kt_read_file(path), *rest = NULL;
	int row = 0, n = 0;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "| F%d |", &n) != 1)
			continue;
		cr_expect_eq(n, ++row);
		cr_expect(tests_named_in(line, sources) > 0 || strstr(line, "| the same |"), "F%d names no test", n);
	}
	cr_expect_eq(row, ROWS);
	free(text);
	free(sources);
	free(path);
	free(command);
}
