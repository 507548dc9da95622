/* SPDX-License-Identifier: Apache-2.0 */
/* `kdirect torture` is judged, too: a fence that is missing it must find by who committed what, since exit codes do not
 * tell. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pg_fixture.h"
#include "process.h"
#include "tmpdir.h"

enum { ENDS_MS = 300000 };

/* Every fault of this seed's first four is a freeze while a range is planned and not committed, ended as soon as the
 * successor has taken over; and a range takes its time between its last record and its transaction.  So the zombie
 * commits before its successor does, unless it is fenced. */
static const char seed[] = "11045101", slowly[] = "KD_FAULT=fetch.end:1+:sleep:100";

static char *program(const char *wrong)
{
	const char *right = kt_env("KD_BIN"), *end = strstr(right, "/bin/kdirect");

	kt_check(end, "\"%s\" is not where the Makefile puts it", right);
	return wrong ? kt_format("%.*s/wrong/%s/kdirect", (int) (end - right), right, wrong) : kt_format("%s", right);
}

static void torture(const char *wrong, int code, const char *line, const char *verdict)
{
	kt_pg pg;
	char *dir = kt_tmpdir(), *path = program(wrong);

	kt_pg_open(&pg);
	const char *env[] = {slowly, NULL};
	const char *argv[] = {path, "torture", "--dsn", pg.dsn, "--minutes", "1", "--faults", "4", "--seed", seed, NULL};
	kt_process *process = kt_process_start(dir, env, argv);
	int ended = kt_process_wait(process, ENDS_MS);
	const char *said = kt_process_stdout(process), *at = strstr(said, line), *end = at ? strchr(at, '\n') : NULL;
	cr_expect_eq(ended, code, "%d\n%s%s", ended, kt_process_stderr(process), said);
	cr_assert(end, "%s", said);
	cr_expect(memmem(at, (size_t) (end - at), verdict, strlen(verdict)), "%s", said);
	printf("wrong: %.*s\n", (int) (end - at), at);
	fflush(stdout);
	kt_process_free(process);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
	free(path);
}

/* I7 */
Test(wrong_torture, a_commit_without_the_epoch_is_caught_from_outside, .timeout = 400)
{
	torture("commit-without-epoch", 1, "I7 ", "BROKEN");
}

/* I7 */
Test(wrong_torture, the_right_protocol_holds_under_the_same_faults, .timeout = 400)
{
	torture(NULL, 0, "I7 ", "holds");
}
