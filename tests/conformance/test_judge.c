// SPDX-License-Identifier: Apache-2.0
// Judges the judge: the installed program passes the example's sink, and fails each of these wrong ones at the case that
// is meant for its mistake.
//
// A wrong sink is the right one with one piece of its source replaced: of the example, of the store that makes a sink of
// it, or of the journal that keeps its ledger.
#include <criterion/criterion.h>
#include <limits.h>
#include <unistd.h>

#include "process.h"
#include "tmpdir.h"
#include "check.h"

enum { LIMIT_MS = 120000 };

typedef struct mistake {
	const char *what;
	const char *file, *right, *wrong;
	const char *caught_by;
	const char *says; /* NULL: what does not matter */
} mistake;

static const mistake mistakes[] = {
	{"the position moves outside of the rows' transaction", "store/store_data.c",
		"code = store_append(s, &step, &s->rows, err);",
		"{ kd_store_line none = {\"\", 0}; code = store_append(s, &step, NULL, err); usleep(3000); if (!code)"
		" code = s->sink->ops->append((store_read(s, err), s->store), &none, 0, s->rows.data, s->rows.size, err); }",
		"an_observer_never_sees_rows_without_their_identifier", NULL},
	{"begin compares no owner", "journal/journal_commit.c",
		"|| !journal_same_owner(&part->position_owner, me))", ")", "take_over_fences_the_older_owner", NULL},
	{"begin compares no position", "journal/journal_commit.c",
		"part->segment.committed_until != e->range.from ||", "", "a_commit_moves_only_from_where_the_position_is", NULL},
	{"begin does not see that an identifier was withdrawn", "journal/journal_commit.c",
		"planned->row.state != KD_BATCH_PLANNED ||", "", "a_withdrawn_plan_never_commits", NULL},
	{"a plan that does not fit in one place is made in the others", "journal/journal_change.c",
		"journal_step_done(ret_step);\n\t\t\treturn KD_OK;", "break;", "a_plan_over_many_partitions_is_all_or_none", NULL},
	{"a plan looks at no batch time", "journal/journal_change.c",
		"&& part->segment.last_batch_time_ms < e->batch_time_ms", "", "a_batch_time_is_never_used_twice", NULL},
	{"a withdrawal looks at no later plan", "journal/journal_change.c",
		"||\n\t\told->segment.planned_until != e->range.until)", ")", "only_the_newest_plan_is_withdrawn", NULL},
	{"take-over does not fence", "journal/journal_change.c",
		"part.segment.owner = part.position_owner = *me;", "(void) me;", "take_over_fences_the_older_owner", NULL},
	{"pruning removes the last", "journal/journal_commit.c",
		"next == old->n || row->committed_at_ms", "row->committed_at_ms", "pruning_keeps_sums_and_the_last", NULL},
	{"take-over does not tell the newest identifier", "journal/journal_read.c",
		"add_newest(&job->part[i], copy);", "(void) add_newest;", "take_over_tells_each_segments_newest_identifier", NULL},
	{"a new segment forgets what was planned", "journal/journal_segments.c",
		"if (ok && part.segment.committed_until < part.segment.planned_until)", "if (!ok)",
		"a_new_segment_closes_the_old_one", NULL},
	{"abort keeps the rows", "store/store_data.c", "kd_buf_done(&s->rows);", "",
		"an_aborted_batch_partition_leaves_nothing_behind", NULL},
	{"the lock keeps nobody out", "minimal.c", "flock(s->fd, LOCK_EX | LOCK_NB) == 0", "true",
		"a_commit_that_comes_late_is_waited_for", NULL},
	{"commit is answered before it is written", "minimal.c", "pwrite(s->fd, body.data, body.size, s->end + HEAD_SIZE) =="
		" (ssize_t) body.size", "write_later(s->fd, body.data, body.size, s->end + HEAD_SIZE)",
		"a_commit_that_was_answered_outlives_its_process", NULL},
	{"rows are lost on the way", "minimal.c", "kd_buf_append(&body, rows, size)", "kd_buf_append(&body, rows, 0)",
		"a_committed_identifier_is_not_committed_again", NULL},
	{"a null key is stored as an empty one", "minimal.c", "bytes || kd_buf_append(out, \"-\", 1)", "true",
		"rows_hold_what_kafka_served", NULL},
	{"an older state is not noticed", "minimal.c", "s->end == 0 || !same", "s->end == 0",
		"a_database_set_back_before_a_commit_is_seen", NULL},
	{"an older state that has grown since is not noticed", "minimal.c", "strtoul(head + 19, NULL, 16) == s->sum", "true",
		"the_same_epoch_with_another_owner_is_fenced", NULL},
	{"it dies", "minimal.c", "kd_buf body = {0};", "kd_buf body = {0}; raise(9);",
		"a_commit_that_was_answered_outlives_its_process", "the case ended by signal 9"},
	{"it hangs", "minimal.c", "flock(s->fd, LOCK_EX | LOCK_NB) == 0", "pause()", "an_empty_batch_partition_commits",
		"not done after 5 s"},
};

static char *run(const char *dir, int *ret_code, const char *command)
{
	char *there = kt_format("cd '%s' && { %s\n}", dir, command);
	const char *const argv[] = {"/bin/sh", "-c", there, NULL};
	kt_process *process = kt_process_start(dir, NULL, argv);
	*ret_code = kt_process_wait(process, LIMIT_MS);
	char *said = kt_format("%s%s", kt_process_stdout(process), kt_process_stderr(process));
	kt_process_free(process);
	free(there);
	return said;
}

static void must_run(const char *dir, const char *command)
{
	int code;
	char *said = run(dir, &code, command);
	kt_check(code == 0, "%s: %d\n%s", command, code, said);
	free(said);
}

#define MINIMAL "--set 'sink.path={dir}/data' --hooks ./hooks.so"

/* The sources and their objects, away from the tree. */
static void build_right_one(const char *dir)
{
	char top[PATH_MAX];
	kt_check(getcwd(top, sizeof top), "no working folder");
	char *command = kt_format(
		"set -e; top=%s; cp -r $top/sinks/common $top/sinks/store $top/sinks/journal $top/connectors/examples/minimal-sink/*.c"
		" $top/tests/conformance/wrong/* .\n"
		"cat >cc.sh <<END\n"
		"exec ${CC:-cc} -O1 -fPIC -fvisibility=hidden -pthread -D_GNU_SOURCE -I. -I$top/lib/include -I$top/sinks/include"
		" -I$top/tools/include -include write_later.h -Wno-unused-function -c \"\\$1\" -o \"\\$2\"\n"
		"END\n"
		"for source in *.c */*.c; do sh cc.sh $source ${source%%.c}.o; done\n"
		"${CC:-cc} -shared -o hooks.so hooks.o; rm hooks.o", top);
	must_run(dir, command);
	free(command);
}

static const char link_it[] = "${CC:-cc} -shared -pthread -Wl,-Bsymbolic -o sink.so *.o */*.o";

/* What the program says; *ret_code is its exit code. */
static char *judge(const char *dir, int *ret_code, const char *arguments)
{
	char *command = kt_format("\"${KD_BIN}-sink-conformance\" %s", arguments);
	char *said = run(dir, ret_code, command);
	free(command);
	return said;
}

/* Replaces the one place where the text stands; returns the file as it was. */
static char *spoil(const char *dir, const mistake *m)
{
	char *path = kt_path(dir, m->file), *text = kt_read_file(path), *at = strstr(text, m->right);
	kt_check(at && !strstr(at + 1, m->right), "%s does not hold exactly once: %s", m->file, m->right);
	free(kt_write_file(dir, m->file, "%.*s%s%s", (int) (at - text), text, m->wrong, at + strlen(m->right)));
	free(path);
	return text;
}

static void compile(const char *dir, const char *file)
{
	char *command = kt_format("sh cc.sh %s %.*s.o && %s", file, (int) strlen(file) - 2, file, link_it);
	must_run(dir, command);
	free(command);
}

static void catch_one(const char *dir, const mistake *m)
{
	int code;
	char *right = spoil(dir, m);
	compile(dir, m->file);
	char *arguments = kt_format("--timeout 5 " MINIMAL " --only %s ./sink.so", m->caught_by);
	char *said = judge(dir, &code, arguments), *expected = kt_format("not ok 1 - %s\n", m->caught_by);
	cr_expect(code == 1 && strstr(said, expected), "%s: not caught by %s:\n%s", m->what, m->caught_by, said);
	cr_expect(!m->says || strstr(said, m->says), "%s: the program does not say \"%s\":\n%s", m->what, m->says, said);
	free(arguments);
	free(kt_write_file(dir, m->file, "%s", right));
	compile(dir, m->file);
	free(right);
	free(said);
	free(expected);
}

Test(judge, the_right_sink_passes_and_each_wrong_one_fails_where_it_is_wrong, .timeout = 600)
{
	char *dir = kt_tmpdir();
	int code;
	build_right_one(dir);
	must_run(dir, link_it);
	char *said = judge(dir, &code, MINIMAL " ./sink.so");
	cr_expect_eq(code, 0, "%s", said);
	free(said);
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
		catch_one(dir, &mistakes[i]);
	kt_tmpdir_remove(dir);
}

/* A file of SQLite holds several targets beside one ledger, a folder is one target. */
static const char *const ours[] = {
	"--sink sqlite --set 'sink.path={dir}/data' --set 'sink.table={table}'",
	"--sink file --set 'sink.path={dir}/data' --set sink.table=t",
};

Test(judge, our_own_sinks_conform_without_their_hooks)
{
	char *dir = kt_tmpdir();
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		int code;
		char *said = judge(dir, &code, ours[i]);
		cr_expect(code == 0 && strstr(said, "conforms."), "%s: %s", ours[i], said);
		free(said);
	}
	kt_tmpdir_remove(dir);
}

#define SQLITE "--sink sqlite --set 'sink.path={dir}/data' --set sink.table=t "

/* What a program reads of it, and what it says to a mistake of its user. */
static const struct {
	const char *arguments;
	int code;
	const char *says;
} calls[] = {
	{"--help", 0, "Exit codes: 0 "},
	{"--version", 0, "kdirect-sink-conformance "},
	{"--list --only '*withdrawn'", 0, "plan\tonly_the_newest_plan_is_withdrawn\nplan\ta_committed_plan_is_not_withdrawn\n"},
	{SQLITE "--only 'a_refused*'", 0, "ok 1 - a_refused_row_is_named # SKIP needs the hook refuse\n"},
	{SQLITE "--only 'a_refused*' --json", 0, "\"result\": \"skipped\""},
	{SQLITE "--only 'verify*' --json", 0, "\"passed\": 1,"},
	{"--sink sqlite --only 'verify*'", 1, "sink.path"},
	{"--sink null", 2, "\"null\" promises: none"},
	{"--sink nothing", 2, "no sink \"nothing\""},
	{"", 2, "which sink?"},
	{SQLITE "--only 'no_such_case'", 2, "--list"},
	{SQLITE "--timeout soon", 2, "--timeout wants seconds"},
	{SQLITE "--bad", 2, "\"--bad\""},
	{"--sink sqlite --set path=x", 2, "sink.KEY=VALUE"},
	{"./not-there.so", 2, "could not load \"./not-there.so\""},
	{SQLITE "./job.json", 2, "./job.json"},
};

Test(judge, a_call_is_answered_with_what_to_do)
{
	char *dir = kt_tmpdir();
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int code;
		char *said = judge(dir, &code, calls[i].arguments);
		cr_expect(code == calls[i].code && strstr(said, calls[i].says), "%s: %d, %s", calls[i].arguments, code, said);
		free(said);
	}
	kt_tmpdir_remove(dir);
}

Test(judge, a_job_file_configures_the_sink)
{
	int code;
	char *dir = kt_tmpdir();
	free(kt_write_file(dir, "job.json", "{\"job\": \"x\", \"topics\": [\"x\"],"
		" \"sink\": {\"type\": \"sqlite\", \"path\": \"{dir}/{name}\", \"table\": \"{table}\"}}"));
	char *said = judge(dir, &code, "--sink sqlite --only '*target' ./job.json");
	cr_expect(code == 0 && strstr(said, "ok 2 - another_job_may_feed_another_target\n"), "%s", said);
	free(said);
	kt_tmpdir_remove(dir);
}
