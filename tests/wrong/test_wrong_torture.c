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

enum { ENDS_MS = 300000, RUNS = 3 };

/* Each of this seed's first four faults is a freeze while a range is planned and not committed, which ends as soon as the
 * successor has taken over.  A process' first ranges take their time between the last record and the transaction: so it
 * is there that the zombie stands, and it commits before its successor does, unless it is fenced. */
static const char seed[] = "11045101";
#define SLOWLY(hit) "fetch.end:" #hit ":sleep:500"
static const char slowly[] = "KD_FAULT=" SLOWLY(1) "," SLOWLY(2) "," SLOWLY(3) "," SLOWLY(4) "," SLOWLY(5) "," SLOWLY(6) ","
	SLOWLY(7) "," SLOWLY(8) "," SLOWLY(9) "," SLOWLY(10);

static char *program(const char *wrong)
{
	const char *right = kt_env("KD_BIN"), *end = strstr(right, "/bin/kdirect");

	kt_check(end, "\"%s\" is not where the Makefile puts it", right);
	return wrong ? kt_format("%.*s/wrong/%s/kdirect", (int) (end - right), right, wrong) : kt_format("%s", right);
}

/* Does the line of I7 say so?  code: the exit code that goes with it. */
static bool says(const char *wrong, const char *verdict, int code)
{
	kt_pg pg;
	char *dir = kt_tmpdir(), *path = program(wrong);

	kt_pg_open(&pg);
	const char *env[] = {slowly, NULL};
	const char *argv[] = {path, "torture", "--dsn", pg.dsn, "--minutes", "1", "--faults", "4", "--seed", seed, NULL};
	kt_process *process = kt_process_start(dir, env, argv);
	int ended = kt_process_wait(process, ENDS_MS);
	const char *said = kt_process_stdout(process), *at = strstr(said, "I7 "), *end = at ? strchr(at, '\n') : NULL;
	cr_assert(end, "%d\n%s%s", ended, kt_process_stderr(process), said);
	bool so = memmem(at, (size_t) (end - at), verdict, strlen(verdict)) && ended == code;
	printf("wrong: %s: exit code %d, %.*s\n", wrong ? wrong : "right", ended, (int) (end - at), at);
	fflush(stdout);
	kt_process_free(process);
	kt_pg_close(&pg);
	kt_tmpdir_remove(dir);
	free(path);
	return so;
}

/* I7 */
Test(wrong_torture, a_commit_without_the_epoch_is_caught_from_outside, .timeout = 900)
{
	bool caught = false;

	for (int run = 0; run < RUNS && !caught; run++)
		caught = says("commit-without-epoch", "BROKEN", 1);
	cr_assert(caught, "not in %d runs", RUNS);
}

/* I7 */
Test(wrong_torture, the_right_protocol_holds_under_the_same_faults, .timeout = 400)
{
	cr_assert(says(NULL, "holds", 0));
}
