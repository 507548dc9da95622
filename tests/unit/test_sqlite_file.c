// SPDX-License-Identifier: Apache-2.0
// The file itself: what is refused, who holds it, and what happens when somebody replaces it.
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "tmpdir.h"
#include "wait.h"

static const kd_sink_ops *const ops = &kd_sqlite_sink;

typedef struct file {
	char *dir, *path;
} file;

typedef struct job {
	kd_config *config;
	void *sink, *session;
	kd_owner me;
} job;

static file file_new(void)
{
	file f = {.dir = kt_tmpdir()};
	f.path = kt_path(f.dir, "data.db");
	return f;
}

static void file_done(file *f)
{
	free(f->path);
	kt_tmpdir_remove(f->dir);
}

static void say_finding(void *opaque, const kd_diagnostic *d)
{
	(void) opaque;
	fprintf(stderr, "%s\n", d->message);
}

static kd_config *configure(const char *path, const char *name, const char *table, const char *more)
{
	kd_error err = {0};
	char *text = kt_format("{\"job\": \"%s\", \"kafka\": {\"bootstrap.servers\": \"localhost:1\"}, \"topics\": [\"o\"],"
		" \"sink\": {\"type\": \"sqlite\", \"path\": \"%s\", \"table\": \"%s\"%s}}", name, path, table, more);
	kd_config *config = kd_config_new(&(kd_options){ops->options, ops->n_options}, 1);
	kt_check(kd_config_parse(config, text, strlen(text), "job", say_finding, NULL, &err) == KD_OK &&
		kd_config_check(config, say_finding, NULL, &err) == KD_OK, "%s", err.message);
	free(text);
	return config;
}

/* Opens and closes again: what open says. */
static kd_code try_open(const char *path, const char *table, const char *more, bool read_only, kd_error *err)
{
	kd_config *config = configure(path, "j", table, more);
	kd_sink_context context = {.config = config, .read_only = read_only};
	void *sink = NULL;
	kd_code code = ops->open(&context, &sink, err);
	ops->close(sink);
	kd_config_free(config);
	return code;
}

static void must(kd_code code, const kd_error *err)
{
	kt_check(code == KD_OK, "%s", err->message);
}

static kd_code take_over(job *j, const char *name, kd_error *err)
{
	kd_take_over request = {.job = name, .owner_id = name, .cluster_id = "c", .start_policy = "earliest",
		.isolation = "read_committed", .host = "here", .pid = getpid(), .started_at_ms = 1700000000000, .version = "1"};
	kd_ledger_image image;
	kd_code code = ops->take_over(j->session, &request, &image, err);
	if (!code) {
		j->me = image.owner;
		kd_ledger_image_done(&image);
	}
	return code;
}

static job start(const char *path, const char *name, const char *table)
{
	kd_error err = {0};
	job j = {.config = configure(path, name, table, "")};
	kd_sink_context context = {.config = j.config};
	must(ops->open(&context, &j.sink, &err), &err);
	must(ops->connect(j.sink, "driver", &j.session, &err), &err);
	must(take_over(&j, name, &err), &err);
	return j;
}

static void stop(job *j)
{
	ops->disconnect(j->session);
	ops->close(j->sink);
	kd_config_free(j->config);
}

static void add(job *j, const char *name, const char *topic)
{
	kd_error err = {0};
	kd_new_partition p = {.topic = topic};
	kd_segment segment;
	kd_cas cas;
	must(ops->add_partitions(j->session, &j->me, name, &p, 1, &cas, &segment, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
	free(segment.topic);
}

static kd_cas plan(job *j, const char *name, int64_t batch_time, int64_t from, int64_t until)
{
	kd_error err = {0};
	kd_batch_partition e = {name, "o", 0, 0, 0, batch_time, {from, until}};
	kd_cas cas;
	must(ops->append_plan(j->session, &j->me, &e, 1, &cas, &err), &err);
	return cas;
}

static void execute(const char *path, const char *sql)
{
	sqlite3 *db;
	kt_check(sqlite3_open(path, &db) == SQLITE_OK, "could not open %s", path);
	kt_check(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

Test(sqlite_file, what_is_no_database_is_refused)
{
	file f = file_new();
	kd_error err = {0};
	free(kt_write_file(f.dir, "data.db", "%s",
		"This is a letter, and it is longer than the header that SQLite reads first."
		"  It goes on for a while, so that nobody can take it for an empty file or for one that is only cut off."));
	cr_assert_eq(try_open(f.path, "t", "", false, &err), KD_ETARGET, "%s", err.message);
	cr_assert_eq(err.action, KD_STOP);
	cr_assert(strstr(err.message, "not a database"), "%s", err.message);
	file_done(&f);
}

Test(sqlite_file, paths_and_names_that_cannot_work_are_refused)
{
	file f = file_new();
	char *absent = kt_path(f.dir, "absent/data.db");
	const struct {
		const char *path, *table, *more;
		kd_code code;
	} rows[] = {
		{":memory:", "t", "", KD_ECONFIG},
		{f.path, "kdirect_job", "", KD_ECONFIG},
		{f.path, "sqlite_schema", "", KD_ECONFIG},
		{f.path, "t", ", \"layout\": \"fields\"", KD_ETARGET}, /* there is no such table */
		{f.path, "v", "", KD_ETARGET},                         /* a view */
		{f.path, "f", "", KD_ETARGET},                         /* a virtual table */
		{f.path, "own", ", \"layout\": \"raw\"", KD_ETARGET},
		{f.path, "odd", "", KD_ETARGET},                       /* its trigger needs what is not there */
		{absent, "t", "", KD_EIO},
	};
	execute(f.path, "create table own (a); create view v as select * from own;"
		"create virtual table f using rtree(id, a, b);"
		"create table odd (a); create trigger broken after insert on odd begin insert into gone values (1); end");
	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		kd_error err = {0};
		cr_assert_eq(try_open(rows[r].path, rows[r].table, rows[r].more, false, &err), rows[r].code, "row %zu: %s", r,
			err.message);
	}
	free(absent);
	file_done(&f);
}

/* Root may write anywhere: somebody else tries. */
static int open_as_another(const char *path)
{
	kd_error err = {0};
	if (geteuid() == 0 && setuid(65534) != 0)
		return 2;
	kd_code code = try_open(path, "t", "", false, &err);
	fprintf(stderr, "%s\n", err.message);
	return code != KD_ETARGET || err.action != KD_STOP || !strstr(err.message, "could not write to");
}

Test(sqlite_file, a_folder_that_cannot_be_written_ends_the_job)
{
	file f = file_new();
	int status;
	cr_assert_eq(chmod(f.dir, 0555), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(open_as_another(f.path));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
	cr_assert_eq(chmod(f.dir, 0755), 0);
	file_done(&f);
}

Test(sqlite_file, a_newer_ledger_is_refused)
{
	file f = file_new();
	kd_error err = {0};
	must(try_open(f.path, "t", "", false, &err), &err);
	execute(f.path, "update kdirect_ledger set version = 2");
	cr_assert_eq(try_open(f.path, "t", "", false, &err), KD_ETARGET);
	cr_assert(strstr(err.message, "version is 2"), "%s", err.message);
	file_done(&f);
}

Test(sqlite_file, to_read_changes_nothing_and_needs_no_file)
{
	file f = file_new();
	kd_error err = {0};
	must(try_open(f.path, "t", "", true, &err), &err);
	cr_assert_neq(access(f.path, F_OK), 0);
	kd_config *config = configure(f.path, "j", "t", "");
	kd_sink_context context = {.config = config, .read_only = true};
	kd_ledger_view view = {0};
	void *sink, *session;
	must(ops->open(&context, &sink, &err), &err);
	must(ops->connect(sink, "tool", &session, &err), &err);
	cr_assert_eq(ops->snapshot_begin(session, &err), KD_ECONFIG);
	kd_error_clear(&err);
	cr_assert_eq(ops->read_ledger(session, "j", &view, &err), KD_ECONFIG);
	ops->disconnect(session);
	ops->close(sink);
	kd_config_free(config);
	file_done(&f);
}

Test(sqlite_file, the_printed_statements_make_what_the_run_would_make)
{
	file f = file_new();
	kd_error err = {0};
	kd_config *config = configure(f.path, "j", "odd \\\"t", ", \"format\": \"json\"");
	kd_sink_context context = {.config = config};
	kd_buf sql = {0};
	must(ops->ddl(&context, &sql, &err), &err);
	cr_assert(kd_buf_append(&sql, "", 1));
	execute(f.path, sql.data);
	void *sink;
	must(ops->open(&context, &sink, &err), &err);
	cr_assert_str_eq(ops->info(sink)->layout, "raw");
	cr_assert_str_eq(ops->info(sink)->target, "odd \"t");
	ops->close(sink);
	kd_buf_done(&sql);
	kd_config_free(config);
	file_done(&f);
}

Test(sqlite_file, jobs_share_a_file)
{
	file f = file_new();
	job one = start(f.path, "one", "t"), two = start(f.path, "two", "u");
	add(&one, "one", "o");
	add(&two, "two", "o");
	cr_assert_eq(plan(&one, "one", 1000, 0, 5), KD_CAS_DONE);
	cr_assert_eq(plan(&two, "two", 1000, 0, 7), KD_CAS_DONE);
	stop(&one);
	stop(&two);
	file_done(&f);
}

/* A restored backup: the path now names another file, and the open one is gone. */
Test(sqlite_file, a_replaced_file_is_opened_anew_and_its_ledger_decides)
{
	file f = file_new();
	job j = start(f.path, "j", "t");
	add(&j, "j", "o");
	char *backup = kt_path(f.dir, "backup.db");
	char *vacuum = kt_format("vacuum into '%s'", backup);
	execute(f.path, vacuum);
	cr_assert_eq(plan(&j, "j", 1000, 0, 5), KD_CAS_DONE);
	kd_segment segment;
	size_t n;
	kd_error err = {0};
	must(ops->verify(j.session, "j", &segment, 1, &n, &err), &err);
	cr_assert_eq(segment.planned_until, 5);
	char *wal = kt_format("%s-wal", f.path), *shm = kt_format("%s-shm", f.path);
	cr_assert_eq(rename(backup, f.path), 0);
	unlink(wal);
	unlink(shm);
	must(ops->verify(j.session, "j", &segment, 1, &n, &err), &err);
	cr_assert_eq(n, 1);
	cr_assert_eq(segment.planned_until, 0);
	cr_assert_eq(plan(&j, "j", 2000, 5, 9), KD_CAS_MISS);
	cr_assert_eq(plan(&j, "j", 2000, 0, 9), KD_CAS_DONE);
	stop(&j);
	free(wal);
	free(shm);
	free(vacuum);
	free(backup);
	file_done(&f);
}

Test(sqlite_file, a_removed_file_may_come_back)
{
	file f = file_new();
	job j = start(f.path, "j", "t");
	add(&j, "j", "o");
	char *away = kt_path(f.dir, "away.db");
	kd_batch_partition e = {"j", "o", 0, 0, 0, 1000, {0, 5}};
	kd_cas cas;
	kd_error err = {0};
	/* a backup while the job holds the file: SQLite's way, not mv, which would leave the WAL behind */
	char *vacuum = kt_format("vacuum into '%s'", away);
	execute(f.path, vacuum);
	unlink(f.path);
	cr_assert_eq(ops->append_plan(j.session, &j.me, &e, 1, &cas, &err), KD_EIO);
	cr_assert_eq(err.action, KD_RETRY, "%s", err.message);
	char *wal = kt_format("%s-wal", f.path), *shm = kt_format("%s-shm", f.path);
	unlink(wal);
	unlink(shm);
	cr_assert_eq(rename(away, f.path), 0);
	kd_error_clear(&err);
	must(ops->append_plan(j.session, &j.me, &e, 1, &cas, &err), &err);
	cr_assert_eq(cas, KD_CAS_DONE);
	stop(&j);
	free(wal);
	free(shm);
	free(vacuum);
	free(away);
	file_done(&f);
}

/* A child that takes the job over, begins, and freezes in the middle of its transaction. */
static pid_t freeze_a_holder(const char *path)
{
	pid_t pid = fork();
	kt_check(pid >= 0, "could not fork");
	if (pid > 0)
		return pid;
	job j = start(path, "frozen", "t");
	add(&j, "frozen", "o");
	cr_assert_eq(plan(&j, "frozen", 1000, 0, 5), KD_CAS_DONE);
	kd_batch_partition e = {"frozen", "o", 0, 0, 0, 1000, {0, 5}};
	kd_cas cas;
	kd_error err = {0};
	must(ops->begin(j.session, &j.me, &e, &cas, &err), &err);
	raise(SIGSTOP);
	_exit(0);
}

Test(sqlite_file, a_frozen_holder_is_named_with_what_ends_it)
{
	file f = file_new();
	pid_t pid = freeze_a_holder(f.path);
	int status;
	cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
	cr_assert(WIFSTOPPED(status));
	kd_error err = {0};
	int64_t began = kt_now_ms();
	cr_assert_eq(try_open(f.path, "t", "", false, &err), KD_EBUSY);
	cr_assert_lt(kt_now_ms() - began, 10000);
	cr_assert_eq(err.action, KD_RETRY);
	char *named = kt_format("pid %d on host here", (int) pid), *ends = kt_format("kill -9 %d", (int) pid);
	cr_assert(strstr(err.message, named), "%s", err.message);
	cr_assert(strstr(err.message, ends), "%s", err.message);
	cr_assert(strstr(err.message, "\"frozen\""), "%s", err.message);
	cr_assert(strstr(err.message, "stopped"), "%s", err.message);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	kd_error_clear(&err);
	must(try_open(f.path, "t", "", false, &err), &err);
	free(named);
	free(ends);
	file_done(&f);
}

typedef struct waiter {
	job *j;
	kd_code code;
	kd_error err;
	int64_t took_ms;
} waiter;

static void *wait_for_the_lock(void *opaque)
{
	waiter *w = opaque;
	int64_t began = kt_now_ms();
	w->code = take_over(w->j, "j", &w->err);
	w->took_ms = kt_now_ms() - began;
	return NULL;
}

Test(sqlite_file, an_interrupted_session_does_not_wait)
{
	file f = file_new();
	job j = start(f.path, "j", "t");
	sqlite3 *other;
	cr_assert_eq(sqlite3_open(f.path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
	waiter w = {.j = &j};
	pthread_t thread;
	cr_assert_eq(pthread_create(&thread, NULL, wait_for_the_lock, &w), 0);
	ops->interrupt(j.session);
	pthread_join(thread, NULL);
	cr_assert_neq(w.code, KD_OK);
	cr_assert_eq(w.err.action, KD_RETRY);
	cr_assert_lt(w.took_ms, 1000);
	cr_assert_eq(sqlite3_exec(other, "rollback", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	stop(&j);
	file_done(&f);
}

static void note(void *opaque, kd_finding_level level, const char *what, const char *message)
{
	kd_buf *out = opaque;
	cr_assert(kd_buf_printf(out, "%d %s: %s\n", (int) level, what, message));
}

static char *check(const char *path, const char *table)
{
	kd_error err = {0};
	kd_buf out = {0};
	kd_config *config = configure(path, "j", table, "");
	kd_sink_context context = {.config = config, .read_only = true};
	must(ops->check(&context, note, &out, &err), &err);
	cr_assert(kd_buf_append(&out, "", 1));
	kd_config_free(config);
	return out.data;
}

Test(sqlite_file, check_reports_what_it_finds_and_makes_nothing)
{
	file f = file_new();
	char *report = check(f.path, "t");
	cr_assert(strstr(report, "absent: the first run makes it"), "%s", report);
	cr_assert_neq(access(f.path, F_OK), 0);
	free(report);
	execute(f.path, "create table own (a, b); create view v as select 1");
	report = check(f.path, "own");
	cr_assert(strstr(report, "\"own\", layout fields"), "%s", report);
	cr_assert(strstr(report, "columns: a, b"), "%s", report);
	cr_assert(strstr(report, "audit --deep"), "%s", report);
	free(report);
	report = check(f.path, "v");
	cr_assert(strstr(report, "2 table: could not use \"v\": it is a view"), "%s", report);
	free(report);
	file_done(&f);
}
