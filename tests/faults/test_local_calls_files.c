/* SPDX-License-Identifier: Apache-2.0 */
/* F28: a system call of the file sink fails at its n-th time, n = 1, 2, 3 ... until a run has not that many: once or from
 * then on for ever, undone, done all the same (as on a network's disk), or, a write, by half.  A run outlasts it or ends
 * with an error; the clean run after it lands every record once, in whole files; and at no moment would a power failure
 * have taken what counts (I1, I2, I8, I9).
 *
 * librdkafka's brokers are in this process and so is the job, so that a run takes a moment and a call is failed for the
 * sink's own files alone.  The program as a whole is under strace below.  A CI run tries fewer and fewer of them;
 * KD_LOCAL_ALL=1 tries all. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kdirect/job.h>
#include <kdirect/sinks.h>

#include "check.h"
#include "file_calls.h"
#include "file_rows.h"
#include "job_fixture.h"
#include "job_judge.h"
#include "kafka_mock.h"
#include "local_trace.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 60000, PATIENCE_MS = 450, PARTITIONS = 2, RECORDS = 4 /* of a partition */, LONG_LEDGER = 2500 };

/* error 0: each of EIO, ENOSPC and EINTR. */
static const file_fault faults[] = {
	{.call = FILE_CALL_OPEN},
	{.call = FILE_CALL_OPEN, .error = EMFILE},
	{.call = FILE_CALL_OPEN, .error = ENOSPC, .how = FILE_DONE},
	{.call = FILE_CALL_OPEN, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_CLOSE},
	{.call = FILE_CALL_CLOSE, .error = ENOSPC, .for_ever = true},
	{.call = FILE_CALL_WRITE},
	{.call = FILE_CALL_WRITE, .error = EIO, .how = FILE_DONE},
	{.call = FILE_CALL_WRITE, .error = ENOSPC, .how = FILE_TORN},
	{.call = FILE_CALL_WRITE, .error = ENOSPC, .how = FILE_TORN, .for_ever = true},
	{.call = FILE_CALL_WRITE, .error = EIO, .how = FILE_TORN, .also = FILE_CALL_TRUNCATE},
	{.call = FILE_CALL_READ},
	{.call = FILE_CALL_READ, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_LIST, .error = EIO},
	{.call = FILE_CALL_LIST, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_FSYNC},
	{.call = FILE_CALL_FSYNC, .error = EIO, .how = FILE_DONE},
	{.call = FILE_CALL_FSYNC, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_FSYNC, .error = EIO, .also = FILE_CALL_TRUNCATE},
	{.call = FILE_CALL_RENAME},
	{.call = FILE_CALL_RENAME, .error = EIO, .how = FILE_DONE},
	{.call = FILE_CALL_RENAME, .error = EIO, .also = FILE_CALL_LIST},
	{.call = FILE_CALL_RENAME, .error = ENOSPC, .for_ever = true},
	{.call = FILE_CALL_UNLINK, .error = EIO},
	{.call = FILE_CALL_UNLINK, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_MKDIR, .error = ENOSPC},
	{.call = FILE_CALL_MKDIR, .error = EIO, .how = FILE_DONE},
	{.call = FILE_CALL_MKDIR, .error = ENOSPC, .for_ever = true},
	{.call = FILE_CALL_TRUNCATE, .error = EIO},
	{.call = FILE_CALL_TRUNCATE, .error = EIO, .for_ever = true},
	{.call = FILE_CALL_LOCK, .error = ENOLCK},
	{.call = FILE_CALL_LOCK, .error = EINTR},
	{.call = FILE_CALL_LOCK, .error = ENOLCK, .for_ever = true},
	{.call = FILE_CALL_STAT, .error = EIO},
	{.call = FILE_CALL_STAT, .error = EIO, .for_ever = true},
};

/* ---- a job on a thread ---- */

typedef struct run {
	kd_config *config;
	pthread_t thread;
	atomic_bool ended;
	kd_code code;
	kd_error err;
	kd_job *job;
	bool stopped;
} run;

static void hear(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	kt_fail("%s", diagnostic->message);
}

static void tell(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) opaque;
	(void) level;
	(void) batch_time_ms;
	if (getenv("KD_LOCAL_TELL"))
		fprintf(stderr, "    %s\n", line);
}

static void *work(void *opaque)
{
	run *r = opaque;

	r->code = kd_job_run(r->job, &r->err);
	atomic_store(&r->ended, true);
	return NULL;
}

static bool has_ended(void *opaque)
{
	return atomic_load(&((run *) opaque)->ended);
}

/* One that tries again and again is asked to end: a start is given 30 s. */
static void run_job(run *r, const char *text, const kd_sink_ops *sink, bool patient, const char *what)
{
	kd_options table = {sink->options, sink->n_options};
	kd_job_options options = {.until_latest = true, .log = {.fn = tell, .level = KD_LOG_INFO}};

	*r = (run) {.config = kd_config_new(&table, 1)};
	kt_check(r->config && kd_config_parse(r->config, text, strlen(text), "job", hear, NULL, &r->err) == KD_OK &&
		kd_config_check(r->config, hear, NULL, &r->err) == KD_OK &&
		kd_job_new(r->config, sink, &options, &r->job, &r->err) == KD_OK, "%s", r->err.message);
	kt_check(pthread_create(&r->thread, NULL, work, r) == 0, "no thread");
	r->stopped = !kt_wait_until(has_ended, r, patient ? RUN_MS : PATIENCE_MS);
	if (r->stopped)
		kd_job_stop(r->job);
	kt_check(kt_wait_until(has_ended, r, RUN_MS), "the run hangs: %s", what);
	pthread_join(r->thread, NULL);
	kd_job_free(r->job);
	kd_config_free(r->config);
}

/* ---- a campaign ---- */

typedef struct campaign {
	const char *name;
	const char *keys;      /* of the sink, as JSON */
	int steps;             /* a CI run tries the first one, and then this many times farther each time */
	bool replay;           /* each run finds a plan that nobody committed, in a long ledger that was torn at its end */
	kt_mock *mock;
	kt_oracle kafka;
	char *dir, *folder, *out, *text;
	long rounds, outlasted, ended, stopped;
	int folders;
} campaign;

static kd_code refuse_begin(void *session, const kd_owner *me, const kd_batch_partition *id, kd_cas *ret_cas,
	kd_error *err)
{
	(void) session;
	(void) me;
	(void) id;
	*ret_cas = KD_CAS_MISS;
	return kd_error_set(err, KD_ESINK, KD_STOP, "left before its first commit");
}

/* The first start is left before its first commit: its plan is durable.  The last step said again and again makes the
 * ledger long enough to be written anew; half a step is behind it. */
static void leave_a_plan(campaign *c)
{
	kd_sink_ops ops = kd_file_sink;
	run first;
	char *path = kt_path(c->out, "_kdirect/ledger.jsonl");

	ops.begin = refuse_begin;
	run_job(&first, c->text, &ops, true, "the first start");
	kt_check(first.code == KD_ESINK, "the first start was not left: %s", first.err.message);
	kt_ledger_lengthen(path, LONG_LEDGER);
	FILE *file = fopen(path, "a");
	kt_check(file && fputs("{\"step\":[{\"key\":\"jo", file) >= 0 && fclose(file) == 0, "could not write %s", path);
	free(path);
}

static void begin(campaign *c)
{
	c->folder = kt_format("%s/%d", c->dir, ++c->folders);
	kt_check(mkdir(c->folder, 0700) == 0, "no folder");
	c->out = kt_path(c->folder, "out");
	c->text = kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			    " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\","
			    " \"retry_timeout_ms\": 150, \"batch\": {\"interval_ms\": 1, \"max_records_per_batch\": 4},"
			    " \"sink\": {\"type\": \"file\", \"path\": \"%s\", %s}}", kt_mock_bootstrap(c->mock), c->out, c->keys);
	if (c->replay)
		leave_a_plan(c);
}

static void end(campaign *c)
{
	free(c->text);
	free(c->out);
	free(c->folder);
}

static const char *describe(const file_fault *f, char *text, size_t size)
{
	static const char *const how[] = {"", ", though done", ", torn"};

	snprintf(text, size, "%s, the %ld.%s: %s%s%s%s", file_call_name(f->call), f->nth, f->for_ever ? " and all after it" : "",
		strerrorname_np(f->error), how[f->how], f->also ? ", then also " : "", f->also ? file_call_name(f->also) : "");
	return text;
}

/* Files that are not whole are no rows: kt_folder_oracle fails there. */
static void must_hold(const campaign *c, bool all, const char *what, const char *when)
{
	kt_oracle rows = access(c->out, F_OK) == 0 ? kt_folder_oracle(c->out, "topic") : (kt_oracle) {0};
	kt_verdict v = kt_judge(&c->kafka, &rows);

	kt_check(!v.doubled && !v.altered && !v.foreign && (!all || !v.missing), "%s, %s, %s: missing %" PRId64 ", double %"
		PRId64 ", altered %" PRId64 ", foreign %" PRId64, c->name, what, when, v.missing, v.doubled, v.altered, v.foreign);
	kt_check(!file_order_broken(), "%s, %s, %s: %s", c->name, what, when, file_order_broken());
	kt_oracle_done(&rows);
}

static void must_be_empty(const campaign *c, const char *name, const char *what)
{
	char *path = kt_path(c->out, name);
	DIR *dir = opendir(path);

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		kt_check(*entry->d_name == '.', "%s, %s: %s is left in %s", c->name, what, entry->d_name, name);
	if (dir)
		closedir(dir);
	free(path);
}

/* A failing run and a clean one after it.  False: there are not that many calls. */
static bool round_of(campaign *c, const file_fault *fault)
{
	char what[256];
	run failing, clean;

	begin(c);
	describe(fault, what, sizeof(what));
	file_calls_watch(c->folder, fault);
	run_job(&failing, c->text, &kd_file_sink, !fault->for_ever && !fault->also, what);
	long failed = file_calls_failed();
	file_calls_end();
	bool done = failing.code == KD_OK && !failing.stopped;
	if (getenv("KD_LOCAL_TELL"))
		fprintf(stderr, "%s, %s: %s %s\n", c->name, what, kd_code_name(failing.code), failing.err.message);
	kt_check(failing.code == KD_OK || (failed > 0 && *failing.err.message), "%s, %s: %s without a reason: %s", c->name, what,
		kd_code_name(failing.code), failing.err.message);
	must_hold(c, done, what, "at the end of the run");
	c->rounds += failed > 0;
	c->outlasted += failed > 0 && done;
	c->ended += !done && !failing.stopped;
	c->stopped += failing.stopped;
	if (!done || fault->call == FILE_CALL_UNLINK) {
		file_calls_go_on(c->folder);
		run_job(&clean, c->text, &kd_file_sink, true, what);
		file_calls_end();
		kt_check(clean.code == KD_OK, "%s, after %s: %s", c->name, what, clean.err.message);
		must_hold(c, true, what, "after a restart");
		must_be_empty(c, "_kdirect/tmp", what);
		must_be_empty(c, "_kdirect/orphans", what);
	}
	end(c);
	return failed > 0;
}

/* A CI run takes another error for each n. */
static void tries(campaign *c, const file_fault *one)
{
	static const int errors[] = {EIO, ENOSPC, EINTR};
	bool all = getenv("KD_LOCAL_ALL");
	file_fault f = *one;
	int tried = 0;

	for (bool more = true; more; tried++) {
		f.nth = all ? 1 + tried / (one->error ? 1 : 3) : f.nth > 0 ? f.nth * c->steps * (f.for_ever ? 2 : 1) : 1;
		f.error = one->error ? one->error : errors[tried % 3];
		more = round_of(c, &f);
	}
}

static void open_campaign(campaign *c)
{
	c->mock = kt_mock_open(1);
	c->dir = kt_tmpdir();
	c->kafka = kt_mock_filled(c->mock, "topic", PARTITIONS, RECORDS);
}

static void outlasts(campaign *c)
{
	open_campaign(c);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		tries(c, &faults[i]);
	printf("faults: calls: %s: %ld runs, %ld outlasted it, %ld ended, %ld were stopped\n", c->name, c->rounds, c->outlasted,
		c->ended, c->stopped);
	fflush(stdout);
	cr_assert_gt(c->outlasted, 0);
	cr_assert_gt(c->ended + c->stopped, 0);
	kt_oracle_done(&c->kafka);
	kt_mock_close(c->mock);
	kt_tmpdir_remove(c->dir);
}

/* F28, I1, I2, I9 */
Test(local_calls_files, a_first_start_survives_any_call_that_fails, .timeout = 900)
{
	outlasts(&(campaign) {.name = "a first start", .keys = "\"compression\": \"none\"", .steps = 2});
}

/* F28, I1, I2, I9: take-over, a torn step cut off, a ledger written anew, a replay. */
Test(local_calls_files, a_recovery_survives_any_call_that_fails, .timeout = 900)
{
	outlasts(&(campaign) {.name = "a recovery", .keys = "\"compression\": \"zstd\"", .steps = 3,
		.replay = true});
}

/* ---- the program, under strace ---- */

typedef struct traced_fault {
	const char *call, *error, *when; /* strace's: "2", or "2+" from then on; counted for each thread */
	const char *path;                /* below the folder; NULL: all that it does */
	int code;                        /* it must end with; -1: outlasts it, or ends with 1 or 4 */
} traced_fault;

static kt_process *start_traced(const kt_job *job, const char *folder, const char *notes, const traced_fault *f)
{
	const char *argv[32] = {"strace", "-f", "-qq", "--seccomp-bpf", "-o", notes};
	char *trace = kt_format("trace=%s", f->call);
	char *inject = kt_format("inject=%s:error=%s:when=%s", f->call, f->error, f->when);
	char *path = f->path ? kt_path(folder, f->path) : NULL;
	const char *const rest[] = {"-e", trace, "-e", inject, kt_env("KD_BIN"), "run", job->path, "--until-latest", "--set",
		"retry_timeout_ms=1000", NULL};
	int n = 6;

	if (path) {
		argv[n++] = "-P";
		argv[n++] = path;
	}
	for (int i = 0; rest[i]; i++)
		argv[n++] = rest[i];
	kt_process *process = kt_process_start(job->dir, NULL, argv);
	free(trace);
	free(inject);
	free(path);
	return process;
}

static int64_t rows_in(const char *folder, const kt_job *job)
{
	kt_oracle rows = kt_folder_oracle(folder, job->topic);
	int64_t n = (int64_t) rows.n;

	kt_oracle_done(&rows);
	return n;
}

static void outlasts_traced(kt_job *job, const char *folder, const traced_fault *f, int64_t fed)
{
	char *notes = kt_path(job->dir, "strace");
	kt_process *process = start_traced(job, folder, notes, f);
	int code = kt_process_wait(process, RUN_MS);
	char *said = kt_read_file(notes);

	kt_check(strstr(said, "(INJECTED)"), "%s %s, %s: it never came to that", f->call, f->error, f->when);
	kt_check(f->code >= 0 ? code == f->code : code == 0 || code == 1 || code == 4, "%s %s, %s: exit code %d: %s", f->call,
		f->error, f->when, code, kt_process_stderr(process));
	int64_t landed = rows_in(folder, job);
	kt_check(code == 0 ? landed == fed : landed <= fed, "%s %s, %s: %" PRId64 " rows of %" PRId64, f->call, f->error, f->when,
		landed, fed);
	if (code != 0)
		kt_job_catch_up(job, NULL);
	kt_check(rows_in(folder, job) == fed, "%s %s, %s: a restart did not land the rest", f->call, f->error, f->when);
	kt_process_free(process);
	free(said);
	free(notes);
}

/* F28, I1, I2, I8 */
Test(local_calls_files, the_program_outlasts_a_call_that_fails_or_ends_and_a_restart_lands_the_rest, .timeout = 300)
{
	static const traced_fault traced[] = {{"fsync", "EIO", "1", NULL, -1}, {"fsync", "ENOSPC", "3", NULL, -1},
		{"write", "ENOSPC", "1", "_kdirect/ledger.jsonl", -1}, {"rename", "EIO", "1", NULL, -1},
		{"rename", "ENOSPC", "1+", NULL, 4}, {"openat", "EINTR", "1", "_kdirect/tmp", -1}};
	kt_job job;

	local_trace_or_skip();
	kt_job_open(&job, KT_SQLITE, 1);
	char *folder = kt_path(job.dir, "out");
	free(job.store.sink);
	job.store.sink = kt_format("\"type\": \"file\", \"path\": \"%s\"", folder);
	kt_job_write(&job, NULL);
	kt_job_fill(&job, 0, RECORDS);
	kt_job_catch_up(&job, NULL);
	for (size_t i = 0; i < sizeof(traced) / sizeof(*traced); i++) {
		kt_job_fill(&job, 0, RECORDS);
		outlasts_traced(&job, folder, &traced[i], (int64_t) (i + 2) * RECORDS);
	}
	kt_oracle kafka = kt_oracle_read(NULL, job.topic, true), rows = kt_folder_oracle(folder, job.topic);
	kt_verdict v = kt_judge(&kafka, &rows);
	cr_assert(!v.missing && !v.doubled && !v.altered && !v.foreign);
	kt_oracle_done(&kafka);
	kt_oracle_done(&rows);
	free(folder);
	kt_job_close(&job);
}
