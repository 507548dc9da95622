/* SPDX-License-Identifier: Apache-2.0 */
/* Where the hunt takes place: a job, its producers, a proxy before its database, and the judge.  See hunt.h. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "hunt.h"
#include "observer.h"
#include "pg_proxy.h"
#include "tmpdir.h"
#include "wait.h"

enum {
	PARTITIONS = 2,
	REACH_MS = 60000, /* to a fault point, on a busy machine */
	END_MS = 150000,  /* a run that has nothing to wait for; a wedge is found when this is over */
};

/* ---- the job ---- */

static unsigned int choose_seed(void)
{
	const char *given = getenv("KD_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return given ? (unsigned int) strtoul(given, NULL, 10) : (unsigned int) (now.tv_sec ^ now.tv_nsec) % 1000000;
}

/* tests/wrong/build.sh puts them beside the right program's folder. */
static void use_wrong(const char *wrong)
{
	const char *right = kt_env("KD_BIN"), *end = strstr(right, "/bin/kdirect");

	kt_check(end, "\"%s\" is not where the Makefile puts it", right);
	char *path = kt_format("%.*s/wrong/%s/kdirect", (int) (end - right), right, wrong);
	setenv("KD_BIN", path, 1);
	free(path);
}

void hunt_open(hunt *h, const char *wrong)
{
	*h = (hunt) {.chance = choose_seed(), .notes = kt_notes_new()};
	printf("%s: KD_SEED=%u\n", wrong ? wrong : "the right protocol", h->chance);
	kt_job_open(&h->job, KT_POSTGRES, PARTITIONS);
	h->proxy = kt_pg_proxy_open(&h->job, NULL);
	kt_watch_table(&h->job.store);
	kt_job_catch_up(&h->job, NULL); /* makes the ledger: not what is judged here */
	kt_watch_ledger(&h->job.store);
	h->plain = kt_producer_open(NULL, NULL);
	h->txn = kt_producer_open(NULL, "transactional.id", h->job.topic, NULL);
	kt_producer_note(h->plain, h->notes);
	kt_producer_note(h->txn, h->notes);
	if (wrong)
		use_wrong(wrong);
}

void hunt_close(hunt *h)
{
	kt_producer_close(h->plain);
	kt_producer_close(h->txn);
	kt_notes_free(h->notes);
	fault_proxy_close(h->proxy);
	kt_job_close(&h->job);
}

void hunt_feed(hunt *h, int records)
{
	kt_produce_many(h->plain, h->job.topic, KT_ANY_PARTITION, records, kt_fill_numbers, NULL);
	kt_producer_flush(h->plain);
	for (int committed = 1; committed >= 0; committed--) {
		kt_txn_begin(h->txn);
		kt_produce_many(h->txn, h->job.topic, KT_ANY_PARTITION, records / 4 + 1, kt_fill_numbers, NULL);
		if (committed)
			kt_txn_commit(h->txn);
		else
			kt_txn_abort(h->txn);
	}
}

/* ---- processes ---- */

kt_process *hunt_start(hunt *h, const char *fault, bool until_latest)
{
	return kt_job_start(&h->job, fault, "--set", "batch.max_records_per_batch=60", "--set", "retry_timeout_ms=60000",
		until_latest ? "--until-latest" : NULL, NULL);
}

static bool has_ended(void *process)
{
	return !kt_process_running(process);
}

/* What it said last, for a finding. */
static const char *last_line(kt_process *process)
{
	const char *said = kt_process_stderr(process), *end = said + strlen(said);

	while (end > said && end[-1] == '\n')
		end--;
	while (end > said && end[-1] != '\n')
		end--;
	return end;
}

void hunt_must_end(hunt *h, kt_process *take_process, int code, int invariant)
{
	if (!kt_wait_until(has_ended, take_process, END_MS)) {
		kt_found(&h->told, 8, "it did not end: %.180s", last_line(take_process));
		kt_process_signal(take_process, SIGKILL);
	}
	int ended = kt_process_wait(take_process, END_MS);
	if (ended != code && ended != 128 + SIGKILL)
		kt_found(&h->told, invariant, "it ended with %d, not %d: %.160s", ended, code, last_line(take_process));
	kt_process_free(take_process);
}

void hunt_catch_up(hunt *h)
{
	hunt_must_end(h, hunt_start(h, NULL, true), 0, 8);
}

static bool is_stopped_or_gone(void *process)
{
	return !kt_process_running(process) || kt_process_is_stopped(process);
}

kt_process *hunt_freeze(hunt *h, const char *fault)
{
	kt_process *process = hunt_start(h, fault, false);
	bool reached = kt_wait_until(is_stopped_or_gone, process, REACH_MS);

	if (reached && kt_process_running(process)) {
		h->faults++;
		return process;
	}
	kt_found(&h->told, 8, "%s was not reached: %.180s", fault, last_line(process));
	kt_process_free(process);
	return NULL;
}

/* ---- runs ---- */

static void add_told(kt_judgement *verdict, const kt_judgement *told)
{
	for (int i = 1; i <= KT_INVARIANTS; i++)
		for (int64_t n = 0; n < told->of[i].count; n++)
			kt_found(verdict, i, "%s", told->of[i].first);
}

bool hunt_run(hunt *h, hunt_scene *scene, int invariant, int most_runs)
{
	for (int run = 0; run < most_runs; run++) {
		kt_evidence e = {.caught_up = true};
		kt_observer *observer = kt_observer_start(&h->job.store, "t", "j", true);

		h->told = (kt_judgement) {0};
		h->runs++;
		scene(h, run);
		fault_proxy_disarm(h->proxy);
		hunt_catch_up(h);
		kt_evidence_read_kafka(&e, NULL, h->job.topic);
		kt_evidence_read_store(&e, &h->job.store, "t", h->job.topic, "j");
		kt_observer_stop(observer, &e);
		h->verdict = kt_judge_all(&e, h->notes);
		add_told(&h->verdict, &h->told);
		kt_evidence_done(&e);
		if (invariant ? h->verdict.of[invariant].count : kt_judgement_findings(&h->verdict))
			return true;
	}
	return false;
}
