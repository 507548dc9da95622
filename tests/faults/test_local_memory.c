/* SPDX-License-Identifier: Apache-2.0 */
/* F29: memory runs out at the n-th allocation of ours, n = 1, 2, 3 ... until a run survives: once, and from the n-th on
 * for ever.  A run lands everything, or ends with an error that says why; it never crashes, hangs or keeps memory; and
 * the clean run after it lands every record exactly once (I1-I4, I8, I12).
 *
 * librdkafka's brokers are in this process, so that a run takes a moment.  A run has some hundred allocations; a CI run
 * tries a sample of them by KD_LOCAL_SEED; KD_LOCAL_ALL=1 tries all. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "file_rows.h"
#include "job_judge.h"
#include "kafka_mock.h"
#include "kafka_producer.h"
#include "kdirect/job.h"
#include <kdirect/sinks.h>
#include "local_memory.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 60000, PATIENCE_MS = 2000, PARTITIONS = 2, RECORDS = 4 /* of a partition */, SAMPLES = 40, CODES = 16 };

/* ---- a job on this thread's side, from its text to its end ---- */

typedef struct run {
	const char *text;
	const kd_sink_ops *sink;
	kd_config *config;
	pthread_t thread;
	atomic_bool ended;
	kd_code code;
	kd_error err;
	_Atomic(kd_job *) job;
	bool stopped;
	int64_t wall_ms;
} run;

static void hear(void *opaque, const kd_diagnostic *diagnostic)
{
	(void) opaque;
	if (getenv("KD_LOCAL_TELL"))
		fprintf(stderr, "      %s\n", diagnostic->message);
}

static void tell(void *opaque, kd_log_level level, int64_t batch_time_ms, const char *line)
{
	(void) opaque;
	(void) level;
	(void) batch_time_ms;
	if (getenv("KD_LOCAL_TELL"))
		fprintf(stderr, "    %s\n", line);
}

static kd_code configure(run *r)
{
	kd_options table = {r->sink->options, r->sink->n_options};
	kd_job_options options = {.until_latest = true, .log = {.fn = tell, .level = KD_LOG_INFO}};
	kd_job *job = NULL;
	kd_code code;

	r->config = kd_config_new(&table, 1);
	if (!r->config)
		return kd_error_set(&r->err, KD_ENOMEM, KD_STOP, "no memory for a configuration");
	code = kd_config_parse(r->config, r->text, strlen(r->text), "job", hear, NULL, &r->err);
	if (code == KD_OK)
		code = kd_config_check(r->config, hear, NULL, &r->err);
	if (code == KD_OK)
		code = kd_job_new(r->config, r->sink, &options, &job, &r->err);
	atomic_store(&r->job, job);
	return code;
}

static void *work(void *opaque)
{
	run *r = opaque;

	r->code = configure(r);
	if (r->code == KD_OK)
		r->code = kd_job_run(atomic_load(&r->job), &r->err);
	atomic_store(&r->ended, true);
	return NULL;
}

static bool has_ended(void *opaque)
{
	return atomic_load(&((run *) opaque)->ended);
}

static int descriptors(void)
{
	int n = 0;
	DIR *dir = opendir("/proc/self/fd");

	kt_check(dir, "no /proc");
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Runs the job with its nth allocation failing.  One that tries again and again is asked to end: a start is given 30 s. */
static void run_job(run *r, long nth, bool for_ever)
{
	int64_t began = kt_now_ms();

	local_memory_watch(nth, for_ever);
	kt_check(pthread_create(&r->thread, NULL, work, r) == 0, "no thread");
	r->stopped = !kt_wait_until(has_ended, r, PATIENCE_MS) && for_ever && atomic_load(&r->job);
	if (r->stopped)
		kd_job_stop(atomic_load(&r->job));
	kt_check(kt_wait_until(has_ended, r, RUN_MS), "the run without its allocation %ld%s hangs, 0x%lx", nth,
		for_ever ? " and all after it" : "", local_memory_failed_at());
	pthread_join(r->thread, NULL);
	kd_job_free(atomic_load(&r->job));
	kd_config_free(r->config);
	r->wall_ms = kt_now_ms() - began;
}

/* ---- a campaign ---- */

typedef struct campaign campaign;

/* What is the sink's own. */
typedef struct kind {
	const char *name;
	const kd_sink_ops *sink;
	void (*begin)(campaign *c);          /* a sink of its own, as every round finds it; sets c->keys */
	kt_oracle (*rows)(campaign *c);
	int64_t (*untiled)(campaign *c);     /* NULL: nothing to look at */
	void (*end)(campaign *c);
} kind;

struct campaign {
	const kind *kind;
	kt_mock *mock;
	kt_oracle kafka;
	char *dir;
	char *keys; /* of the sink, as JSON */
	char *text; /* the job's */
	kt_store store;
	char *out; /* the file sink's folder */
	int folders;
	int rounds, healed;
	int ended[CODES];
	unsigned random;
};

static char *text_of(const campaign *c)
{
	return kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			    " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\","
			    " \"retry_timeout_ms\": 300, \"batch\": {\"interval_ms\": 1, \"max_records_per_batch\": 4},"
			    " \"sink\": {%s}}",
		kt_mock_bootstrap(c->mock), c->keys);
}

static void begin(campaign *c)
{
	c->kind->begin(c);
	c->text = text_of(c);
}

static void end(campaign *c)
{
	c->kind->end(c);
	free(c->keys);
	free(c->text);
	c->keys = c->text = NULL;
}

static void must_hold(campaign *c, bool all, long nth, const char *when)
{
	kt_oracle rows = c->kind->rows(c);
	kt_verdict v = kt_judge(&c->kafka, &rows);

	kt_check(!v.doubled && !v.altered && !v.foreign && (!all || !v.missing), "%s, allocation %ld, %s: missing %" PRId64
		", double %" PRId64 ", altered %" PRId64 ", foreign %" PRId64, c->kind->name, nth, when, v.missing, v.doubled,
		v.altered, v.foreign);
	kt_check(!c->kind->untiled || c->kind->untiled(c) == 0, "%s, allocation %ld, %s: the ledger does not tile",
		c->kind->name, nth, when);
	kt_oracle_done(&rows);
}

/* One failing run and the clean one after it.  False: there are not that many allocations. */
static bool round_of(campaign *c, long nth, bool for_ever)
{
	run failing = {.text = c->text, .sink = c->kind->sink}, clean = {.sink = c->kind->sink};
	char when[128];

	begin(c);
	failing.text = clean.text = c->text;
	run_job(&failing, nth, for_ever);
	long left = local_memory_end(), failed = local_memory_failures();
	snprintf(when, sizeof(when), "%s, at 0x%lx", for_ever ? "for ever" : "once", local_memory_failed_at());
	if (getenv("KD_LOCAL_TELL"))
		fprintf(stderr, "%s %ld %s: %s %s, %d ms\n", c->kind->name, nth, when, kd_code_name(failing.code),
			failing.err.message, (int) failing.wall_ms);
	kt_check(left == 0, "%s, allocation %ld, %s: %ld blocks are kept", c->kind->name, nth, when, left);
	kt_check(failing.code == KD_OK || (failed > 0 && *failing.err.message), "%s, allocation %ld, %s: %s without a reason",
		c->kind->name, nth, when, kd_code_name(failing.code));
	bool done = failing.code == KD_OK && !failing.stopped;
	must_hold(c, done, nth, when);
	c->rounds += failed > 0;
	c->healed += failed > 0 && done;
	c->ended[failing.code]++;
	if (!done) {
		run_job(&clean, 0, false);
		left = local_memory_end();
		kt_check(clean.code == KD_OK, "%s, after allocation %ld, %s: %s", c->kind->name, nth, when, clean.err.message);
		kt_check(left == 0, "%s, after allocation %ld, %s: %ld blocks are kept", c->kind->name, nth, when, left);
		must_hold(c, true, nth, when);
	}
	end(c);
	return failed > 0;
}

static long allocations_of_a_run(campaign *c)
{
	run clean = {.sink = c->kind->sink};

	begin(c);
	clean.text = c->text;
	run_job(&clean, 0, false);
	kt_check(clean.code == KD_OK, "%s: %s", c->kind->name, clean.err.message);
	kt_check(local_memory_end() == 0, "%s: a run without a failure keeps memory", c->kind->name);
	end(c);
	return local_memory_allocations();
}

/* The next one to try: all of them, or a step of chance. */
static long step(campaign *c, long n)
{
	long most = getenv("KD_LOCAL_ALL") ? 1 : 1 + 2 * n / SAMPLES;

	c->random = c->random * 1103515245u + 12345u;
	return 1 + (long) (c->random >> 8) % most;
}

static void report(const campaign *c, long n, bool for_ever)
{
	printf("  memory: %s, %ld allocations, failing %s: %d runs, %d of them landed everything", c->kind->name, n,
		for_ever ? "for ever" : "once", c->rounds, c->healed);
	for (int code = 1; code < CODES; code++)
		if (c->ended[code])
			printf(", %d %s", c->ended[code], kd_code_name((kd_code) code));
	printf("\n");
	fflush(stdout);
}

static void open_campaign(campaign *c, const kind *of)
{
	const char *seed = getenv("KD_LOCAL_SEED");
	kt_producer *producer;

	*c = (campaign) {.kind = of, .mock = kt_mock_open(1), .dir = kt_tmpdir()};
	c->random = seed ? (unsigned) strtoul(seed, NULL, 10) : (unsigned) kt_now_ms();
	printf("  memory: %s: KD_LOCAL_SEED=%u\n", of->name, c->random);
	kt_mock_topic(c->mock, "topic", PARTITIONS);
	producer = kt_producer_open(kt_mock_bootstrap(c->mock), NULL);
	for (int p = 0; p < PARTITIONS; p++)
		kt_produce_many(producer, "topic", p, RECORDS, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	c->kafka = kt_oracle_read(kt_mock_bootstrap(c->mock), "topic", false);
}

static void close_campaign(campaign *c)
{
	kt_oracle_done(&c->kafka);
	kt_mock_close(c->mock);
	kt_tmpdir_remove(c->dir);
}

static void runs_out_of_memory(const kind *of, bool for_ever)
{
	campaign c;
	long n, nth;
	int before;

	open_campaign(&c, of);
	n = allocations_of_a_run(&c);
	before = descriptors();
	for (nth = step(&c, n); round_of(&c, nth, for_ever) || nth < n; nth += step(&c, n))
		kt_check(nth < 50 * n, "%s: more and more allocations", of->name);
	kt_check(descriptors() <= before, "%s: %d descriptors, %d before", of->name, descriptors(), before);
	report(&c, n, for_ever);
	cr_assert_gt(c.rounds, SAMPLES / 4);
	close_campaign(&c);
}

/* ---- SQLite ---- */

static void begin_sqlite(campaign *c)
{
	char *path = kt_path(c->dir, "sink.db");

	for (const char *const *end = (const char *const[]) {"", "-wal", "-shm", NULL}; *end; end++) {
		char *file = kt_format("%s%s", path, *end);
		remove(file);
		free(file);
	}
	kt_store_open(&c->store, KT_SQLITE, c->dir);
	c->keys = kt_format("%s, \"table\": \"t\"", c->store.sink);
	free(path);
}

static kt_oracle no_rows(void)
{
	return (kt_oracle) {0};
}

static kt_oracle rows_of_sqlite(campaign *c)
{
	return kt_store_is_made(&c->store) ? kt_store_rows(&c->store, "t", "topic") : no_rows();
}

static int64_t untiled_sqlite(campaign *c)
{
	return kt_store_is_made(&c->store) ? kt_judge_tiling(&c->store, "j") : 0;
}

static void end_sqlite(campaign *c)
{
	kt_store_close(&c->store);
}

static const kind sqlite = {.name = "sqlite", .sink = &kd_sqlite_sink, .begin = begin_sqlite, .rows = rows_of_sqlite,
	.untiled = untiled_sqlite, .end = end_sqlite};

/* F29 */
Test(local_memory, a_first_start_with_sqlite_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory(&sqlite, false);
}

/* F29 */
Test(local_memory, a_first_start_with_sqlite_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	runs_out_of_memory(&sqlite, true);
}

/* ---- files ---- */

static void begin_files(campaign *c)
{
	c->out = kt_format("%s/out%d", c->dir, ++c->folders);
	c->keys = kt_format("\"type\": \"file\", \"path\": \"%s\"", c->out);
}

static kt_oracle rows_of_files(campaign *c)
{
	return access(c->out, F_OK) == 0 ? kt_folder_oracle(c->out, "topic") : no_rows();
}

static void end_files(campaign *c)
{
	free(c->out);
}

static const kind files = {.name = "files", .sink = &kd_file_sink, .begin = begin_files, .rows = rows_of_files,
	.end = end_files};

/* F29 */
Test(local_memory, a_first_start_with_files_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory(&files, false);
}

/* F29 */
Test(local_memory, a_first_start_with_files_survives_allocations_that_fail_for_ever, .timeout = 900)
{
	runs_out_of_memory(&files, true);
}

/* ---- a plan that nobody committed, which the run takes over and replays ---- */

static kd_code refuse_begin(void *session, const kd_owner *me, const kd_batch_partition *id, kd_cas *ret_cas,
	kd_error *err)
{
	(void) session;
	(void) me;
	(void) id;
	(void) ret_cas;
	return kd_error_set(err, KD_ESINK, KD_STOP, "left before its first commit");
}

/* The first start is left before its first commit: its plan is durable. */
static const kd_sink_ops *fail_commits(void)
{
	static kd_sink_ops ops;

	ops = kd_sqlite_sink;
	ops.begin = refuse_begin;
	return &ops;
}

static void begin_replay(campaign *c)
{
	run first = {.sink = fail_commits()};

	begin_sqlite(c);
	c->text = text_of(c);
	first.text = c->text;
	run_job(&first, 0, false);
	kt_check(local_memory_end() == 0 && first.code == KD_ESINK, "the first start was not left: %s", first.err.message);
	kt_check(kt_store_int(&c->store, "select count(*) from @batch_partition where committed_at is null") > 0,
		"no plan was left");
	free(c->text);
}

static const kind replay = {.name = "sqlite, replay", .sink = &kd_sqlite_sink, .begin = begin_replay,
	.rows = rows_of_sqlite, .untiled = untiled_sqlite, .end = end_sqlite};

/* F29: take-over and recovery. */
Test(local_memory, a_recovery_with_sqlite_survives_an_allocation_that_fails, .timeout = 900)
{
	runs_out_of_memory(&replay, false);
}
