/* SPDX-License-Identifier: Apache-2.0 */
/* Campaigns of runs out of memory: see local_campaign.h. */
#include "local_campaign.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "holding.h"
#include "local_memory.h"
#include "tmpdir.h"
#include "wait.h"

enum { RUN_MS = 60000, PATIENCE_MS = 2000, PARTITIONS = 2, RECORDS = 4 /* of a partition */ };

/* ---- a job on this thread's side, from its text to its end ---- */

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

static kd_code configure(local_run *r)
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
	local_run *r = opaque;

	r->code = configure(r);
	if (r->code == KD_OK)
		r->code = kd_job_run(atomic_load(&r->job), &r->err);
	atomic_store(&r->ended, true);
	return NULL;
}

static bool has_ended(void *opaque)
{
	return atomic_load(&((local_run *) opaque)->ended);
}

/* Runs the job with its nth allocation failing.  One that tries again and again is asked to end: a start has 30 s. */
static void run_job(local_run *r, long nth, bool for_ever, bool late)
{
	int64_t began = kt_now_ms();

	local_memory_watch(nth, for_ever);
	if (late)
		local_memory_pause();
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

static char *text_of(const local_campaign *c)
{
	return kt_format("{\"job\": \"j\", \"kafka\": {\"bootstrap.servers\": \"%s\","
			    " \"isolation.level\": \"read_uncommitted\"}, \"topics\": [\"topic\"], \"start\": \"earliest\","
			    " \"retry_timeout_ms\": 300, \"batch\": {\"interval_ms\": 1, \"max_records_per_batch\": 4},"
			    " \"sink\": {%s}}",
		kt_mock_bootstrap(c->mock), c->keys);
}

static void begin(local_campaign *c)
{
	c->kind->begin(c);
	c->text = text_of(c);
}

static void end(local_campaign *c)
{
	c->kind->end(c);
	free(c->keys);
	free(c->text);
	c->keys = c->text = NULL;
}

static void must_hold(local_campaign *c, bool all, long nth, const char *when)
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
static bool round_of(local_campaign *c, long nth, bool for_ever)
{
	local_run failing = {.text = c->text, .sink = c->kind->sink}, clean = {.sink = c->kind->sink};
	char when[128];

	begin(c);
	failing.text = clean.text = c->text;
	run_job(&failing, nth, for_ever, c->kind->late);
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
		run_job(&clean, 0, false, c->kind->late);
		left = local_memory_end();
		kt_check(clean.code == KD_OK, "%s, after allocation %ld, %s: %s", c->kind->name, nth, when, clean.err.message);
		kt_check(left == 0, "%s, after allocation %ld, %s: %ld blocks are kept", c->kind->name, nth, when, left);
		must_hold(c, true, nth, when);
	}
	end(c);
	return failed > 0;
}

static long allocations_of_a_run(local_campaign *c)
{
	local_run clean = {.sink = c->kind->sink};

	begin(c);
	clean.text = c->text;
	run_job(&clean, 0, false, c->kind->late);
	kt_check(clean.code == KD_OK, "%s: %s", c->kind->name, clean.err.message);
	kt_check(local_memory_end() == 0, "%s: a run without a failure keeps memory", c->kind->name);
	end(c);
	return local_memory_allocations();
}

/* The next one to try: all of them, or a step of chance. */
static long step(local_campaign *c, long n)
{
	long most = getenv("KD_LOCAL_ALL") ? 1 : 1 + 2 * n / c->kind->samples;

	c->random = c->random * 1103515245u + 12345u;
	return 1 + (long) (c->random >> 8) % most;
}

static void report(const local_campaign *c, long n, bool for_ever)
{
	printf("  memory: %s, %ld allocations, failing %s: %d runs, %d of them landed everything", c->kind->name, n,
		for_ever ? "for ever" : "once", c->rounds, c->healed);
	for (int code = 1; code < LOCAL_CODES; code++)
		if (c->ended[code])
			printf(", %d %s", c->ended[code], kd_code_name((kd_code) code));
	printf("\n");
	fflush(stdout);
}

static void open_campaign(local_campaign *c, const local_kind *of)
{
	const char *seed = getenv("KD_LOCAL_SEED");

	*c = (local_campaign) {.kind = of, .mock = kt_mock_open(1), .dir = kt_tmpdir()};
	c->random = seed ? (unsigned) strtoul(seed, NULL, 10) : (unsigned) kt_now_ms();
	printf("  memory: %s: KD_LOCAL_SEED=%u\n", of->name, c->random);
	c->kafka = kt_mock_filled(c->mock, "topic", PARTITIONS, RECORDS);
}

static void close_campaign(local_campaign *c)
{
	kt_oracle_done(&c->kafka);
	if (c->kind->close)
		c->kind->close(c);
	kt_mock_close(c->mock);
	kt_tmpdir_remove(c->dir);
}

void local_campaign_run(const local_kind *of, bool for_ever)
{
	local_campaign c;
	long n, nth;
	int before, after;

	open_campaign(&c, of);
	n = allocations_of_a_run(&c);
	before = kt_holding_of(getpid()).descriptors;
	for (nth = step(&c, n); round_of(&c, nth, for_ever) || nth < n; nth += step(&c, n))
		kt_check(nth < 50 * n, "%s: more and more allocations", of->name);
	after = kt_holding_of(getpid()).descriptors;
	kt_check(after <= before, "%s: %d descriptors, %d before", of->name, after, before);
	report(&c, n, for_ever);
	cr_assert_gt(c.rounds, 0, "%s: no allocation failed", of->name);
	close_campaign(&c);
}

/* ---- for kinds ---- */

static kd_code refuse_begin(void *session, const kd_owner *me, const kd_batch_partition *id, kd_cas *ret_cas,
	kd_error *err)
{
	(void) session;
	(void) me;
	(void) id;
	(void) ret_cas;
	return kd_error_set(err, KD_ESINK, KD_STOP, "left before its first commit");
}

void local_campaign_leave_a_plan(local_campaign *c)
{
	kd_sink_ops leaving = *c->kind->sink;
	local_run first = {.sink = &leaving, .text = text_of(c)};

	leaving.begin = refuse_begin;
	run_job(&first, 0, false, false);
	kt_check(local_memory_end() == 0 && first.code == KD_ESINK, "the first start was not left: %s", first.err.message);
	kt_check(kt_store_int(&c->store, "select count(*) from @batch_partition where committed_at is null") > 0,
		"no plan was left");
	free((char *) first.text);
}

kt_oracle local_campaign_rows(local_campaign *c)
{
	return kt_store_is_made(&c->store) ? kt_store_rows(&c->store, "t", "topic") : (kt_oracle) {0};
}

int64_t local_campaign_untiled(local_campaign *c)
{
	return kt_store_is_made(&c->store) ? kt_judge_tiling(&c->store, "j") : 0;
}
