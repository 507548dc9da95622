/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run: runs a job until it is stopped or cannot go on.  Three threads of the program touch a run: the main thread
 * is in kd_job_run; the teller shows the status line and the folded batch lines; a signal handler asks the job to
 * stop.  What they share is the job, whose progress and stop may be called from any thread. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <kdirect/job.h>

#include "advice.h"
#include "job_file.h"
#include "log_out.h"
#include "program.h"
#include "progress_line.h"
#include "rate_window.h"
#include "times.h"
#include "tool_log.h"
#include "verbs.h"

enum { STATUS_MS = 250, STOP_MS = 4500 /* within the 5 s that are promised */ };

struct run {
	const struct args *args;
	struct job_file file;
	struct log_out *log;
	kd_job *job;
	int64_t started_ms;
	int64_t stop_ms; /* when the teller saw that a stop was asked for; 0: not yet */
	pthread_t teller;
	pthread_mutex_t lock; /* guards over */
	pthread_cond_t wake;
	bool over;
};

/* ---- signals: the first asks for a clean end, the second ends at once ---- */

static _Atomic(kd_job *) running;
static atomic_int signals;

static void on_signal(int number)
{
	kd_job *job = atomic_load(&running);

	if (atomic_fetch_add(&signals, 1) > 0 || !job)
		_exit(128 + number);
	kd_job_stop(job);
}

static void watch_signals(kd_job *job)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, hangup;

	atomic_store(&running, job);
	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, NULL, &hangup);
	if (hangup.sa_handler != SIG_IGN) /* nohup */
		sigaction(SIGHUP, &action, NULL);
}

/* ---- telling ---- */

static void tell_committed(struct run *run, const kd_progress *now, const kd_progress *before)
{
	const struct log_field fields[] = {
		{.name = "batches", .number = now->batches - before->batches},
		{.name = "ranges", .number = now->batch_partitions - before->batch_partitions},
		{.name = "records", .number = now->records - before->records},
		{.name = "rows", .number = now->rows - before->rows},
		{.name = "dropped", .number = now->dropped - before->dropped},
		{.name = "gap", .number = now->gap - before->gap},
		{.name = "records_per_second", .number = (int64_t) now->records_per_second},
		{.name = "lag", .number = now->lag},
		{.name = "blocked", .number = now->blocked},
	};

	if (now->batch_partitions != before->batch_partitions)
		log_out_line(run->log, KD_LOG_INFO, now->batch_time_ms, "committed", fields, sizeof fields / sizeof fields[0]);
}

/* kd_job_observer, where every batch partition is to be told. */
static void tell_each(void *opaque, kd_job_event event, const kd_batch_partition *entries, size_t n)
{
	struct run *run = opaque;

	for (size_t i = 0; event == KD_JOB_COMMITTED && i < n; i++) {
		const struct log_field fields[] = {
			{.name = "topic", .text = entries[i].topic},
			{.name = "partition", .number = entries[i].partition},
			{.name = "from", .number = entries[i].range.from},
			{.name = "until", .number = entries[i].range.until},
		};

		log_out_line(run->log, KD_LOG_INFO, entries[i].batch_time_ms, "committed", fields, 4);
	}
}

static int terminal_width(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void show_status(struct run *run, const kd_progress *progress)
{
	char text[256];

	log_out_status(run->log, progress_line(progress, text, sizeof text, terminal_width()));
}

/* Waits a status period; false when the run is over. */
static bool wait_a_little(struct run *run)
{
	struct timespec until;
	bool over;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += STATUS_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&run->lock);
	while (!run->over && pthread_cond_timedwait(&run->wake, &run->lock, &until) != ETIMEDOUT)
		;
	over = run->over;
	pthread_mutex_unlock(&run->lock);
	return !over;
}

/* A stop that waits for a server that does not answer is cut short: a job may be ended at any moment, and the next
 * start repeats what was not committed. */
static void cut_short(struct run *run, int64_t at_ms)
{
	if (atomic_load(&signals) == 0)
		return;
	if (run->stop_ms == 0)
		run->stop_ms = at_ms;
	if (at_ms - run->stop_ms < STOP_MS)
		return;
	log_out_status(run->log, "");
	log_out_line(run->log, KD_LOG_WARN, 0, "a server does not answer: ended without waiting for it; nothing is lost",
		NULL, 0);
	_exit(0);
}

static void *teller_main(void *opaque)
{
	struct run *run = opaque;
	int64_t period_ms = run->args->log_every_s * 1000, told_ms = steady_ms();
	kd_progress now = {0}, told = {0};
	struct rate_window window = {0};

	(void) rate_window_add(&window, steady_ms(), 0);
	while (wait_a_little(run)) {
		int64_t at_ms = steady_ms();

		kd_job_progress(run->job, &now);
		now.records_per_second = rate_window_add(&window, at_ms, now.records);
		if (period_ms && at_ms - told_ms >= period_ms) {
			tell_committed(run, &now, &told);
			told = now;
			told_ms = at_ms;
		}
		log_out_tick(run->log);
		cut_short(run, at_ms);
		show_status(run, &now);
	}
	kd_job_progress(run->job, &now);
	now.records_per_second = rate_window_add(&window, steady_ms(), now.records);
	if (period_ms)
		tell_committed(run, &now, &told);
	return NULL;
}

static bool teller_start(struct run *run)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return pthread_create(&run->teller, NULL, teller_main, run) == 0;
}

static void teller_stop(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	run->over = true;
	pthread_cond_signal(&run->wake);
	pthread_mutex_unlock(&run->lock);
	pthread_join(run->teller, NULL);
	pthread_cond_destroy(&run->wake);
	pthread_mutex_destroy(&run->lock);
}

/* ---- the run ---- */

static void tell_end(struct run *run)
{
	kd_progress now = {0};
	int64_t span_ms = steady_ms() - run->started_ms;

	kd_job_progress(run->job, &now);
	const struct log_field fields[] = {
		{.name = "batches", .number = now.batches},
		{.name = "records", .number = now.records},
		{.name = "rows", .number = now.rows},
		{.name = "dropped", .number = now.dropped},
		{.name = "gap", .number = now.gap},
		{.name = "lag", .number = now.lag},
		{.name = "retries", .number = now.retries},
		{.name = "run_ms", .number = span_ms},
		{.name = "records_per_second", .number = span_ms > 0 ? now.records * 1000 / span_ms : 0},
	};

	log_out_line(run->log, KD_LOG_INFO, 0, "stopped", fields, sizeof fields / sizeof fields[0]);
}

static int tell_error(struct run *run, const kd_error *err)
{
	int exit_code = kd_exit_code(err->code, err);
	char advice[1024];
	struct log_field fields[3] = {
		{.name = "code", .text = kd_code_name(err->code)},
		{.name = "exit", .number = exit_code},
		{.name = "advice", .text = advice_text(err, run->file.path, advice, sizeof advice)},
	};
	bool json = strcmp(run->args->log_format, "json") == 0;

	log_out_line(run->log, KD_LOG_ERROR, 0, err->message, fields, json && advice[0] ? 3 : 2);
	/* A command to copy stands unescaped, in a line of its own. */
	if (!json && advice[0])
		fprintf(stderr, "%s run: %s\n", program_name(), advice);
	return exit_code;
}

static kd_code run_job(struct run *run, kd_error *err)
{
	kd_job_options options = job_file_options(&run->file, log_out_logger(run->log));

	options.until_latest = run->args->until_latest;
	options.observer = run->args->log_every_s == 0 ? tell_each : NULL;
	options.observer_opaque = run;
	kd_code code = kd_job_new(run->file.config, run->file.sink, &options, &run->job, err);

	if (code)
		return code;
	if (!teller_start(run))
		return kd_error_set(err, KD_EIO, KD_STOP, "could not start a thread: %s", strerror(errno));
	watch_signals(run->job);
	code = kd_job_run(run->job, err);
	teller_stop(run);
	log_out_status(run->log, "");
	log_out_flush(run->log);
	tell_end(run);
	return code;
}

static int run_file(const struct args *args)
{
	struct run run = {.args = args, .started_ms = steady_ms()};
	int exit_code = job_file_or_exit(args, "run", args->operands[0], &run.file);
	kd_error err = {0};

	if (exit_code == 0 && !(run.log = tool_log_open(args, KD_LOG_INFO))) {
		fprintf(stderr, "%s run: no memory\n", program_name());
		exit_code = 4;
	} else if (exit_code == 0) {
		log_out_job(run.log, kd_config_string(run.file.config, "job"));
		if (run_job(&run, &err))
			exit_code = tell_error(&run, &err);
		atomic_store(&running, NULL);
		kd_job_free(run.job);
		log_out_close(run.log);
	}
	job_file_done(&run.file);
	return exit_code;
}

/* ---- the verb ---- */

static const struct arg_option own[] = {
	{ARG_FLAG, 0, "until-latest", NULL, NULL, NULL, 0, 0,
	 "stop when everything is committed that was in the topics at the start", offsetof(struct args, until_latest)},
	{.type = ARG_END}};

static const struct arg_option *const options[] = {own, args_job, args_logs, args_common, NULL};

const struct verb verb_run = {
	.name = "run",
	.group = "Run a job",
	.summary = "run a job until it is stopped",
	.usage = "JOB [OPTION]...",
	.examples =
		"$0 run orders.json\n"
		"    until ctrl-C or SIGTERM; the next start goes on exactly behind the last commit\n"
		"$0 run orders.json --until-latest\n"
		"    land what is there now, then end: for a schedule such as cron\n"
		"$0 run orders.json --set start=earliest --set batch.interval_ms=200\n"
		"    keys of the job file, given here\n"
		"PGPASSWORD=... $0 run - <orders.json\n"
		"    the job from standard input\n",
	.text =
		"Reads the job's Kafka topics and lands every record in its sink exactly once: the rows of an offset range and "
		"the note that this range is done are one transaction. Kill it at any moment: the next start finds in the "
		"ledger what was committed and repeats what was not.\n\n"
		"A second start of the same job takes it over, and the first one ends with exit code 3. Lost brokers and "
		"databases are waited for (retry_timeout_ms). What cannot be delivered stops the job with the topic, partition "
		"and offset, the reason, and the command that gives the record up.\n\n"
		"The log goes to stderr. SIGTERM, SIGINT and SIGHUP end cleanly within seconds, a second one at once.",
	.options = options,
	.exits =
		"0  stopped on request, or --until-latest reached\n"
		"1  needs a person: a record that cannot be delivered, data loss, a refused target\n"
		"2  usage or configuration\n"
		"3  a newer instance took the job over: do not restart this one\n"
		"4  gave up on a fault that may heal: restart\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = cmd_run,
};

int cmd_run(int argc, char **argv)
{
	return args_run(&verb_run, argc, argv, run_file);
}
