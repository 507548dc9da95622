// SPDX-License-Identifier: Apache-2.0
// steady: the driver's loop: clock -> planner -> ledger -> hand-out, and what comes back from the workers.
//
// A batch is planned at every tick while there is news, and back to back while a plan was cut short by a limit; at most
// two batches per partition are planned and not committed: the running one and one ahead.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "job_private.h"
#include "kdirect/fault.h"

#define MOST_OPEN_BATCHES 2
#define LOOK_MS 5000     /* new partitions, log starts, high watermarks */
#define VERIFY_MS 1800   /* an idle owner notices a successor, or a restored database */
#define REFUSAL_MS 15000
#define PRUNE_MS 3600000
#define RATE_MS 1000
#define BLOCKED_MS 30000
#define MIRROR_MS 1000
#define BYTES_A_RECORD_AT_FIRST 256

/* ---- planning ---- */

static int64_t backpressure_records(const kd_job *job)
{
	if (!job->settings.backpressure || !job->rate.started)
		return KD_UNLIMITED;
	int64_t records = (int64_t) (job->rate.rate * (double) job->settings.interval_ms / 1000.0);
	return records < 1 ? 1 : records;
}

/* How many records a batch may have so that two of them can be encoded ahead.  A guess from the rows so far, good
 * enough: a range that turns out larger is landed while it is read. */
static int64_t memory_records(const kd_job *job)
{
	double most = 0;
	for (size_t i = 0; i < job->n_workers; i++) {
		kd_worker_counters counters;
		kd_worker_counters_get(job->workers[i], &counters);
		most = counters.bytes_per_record > most ? counters.bytes_per_record : most;
	}
	double size = most > 0 ? most : BYTES_A_RECORD_AT_FIRST;
	int64_t records = (int64_t) ((double) job->settings.budget_bytes / 2 / size);
	return records < 1 ? 1 : records;
}

static bool has_news(const kd_part *part)
{
	return part->end > part->planned_until;
}

/* Limits are meant for all partitions that have news; those that are full already use theirs up. */
static int64_t share_of(int64_t records, size_t with_room, size_t with_news)
{
	if (records == KD_UNLIMITED || with_room == with_news)
		return records;
	int64_t share = (int64_t) ((double) records * (double) with_room / (double) with_news);
	return share < 1 ? 1 : share;
}

static kd_code plan_ranges(kd_job *job, kd_planner_partition *ranges, int64_t *ret_total, kd_error *err)
{
	size_t with_news = 0, with_room = 0;
	for (size_t i = 0; i < job->n_parts; i++) {
		const kd_part *part = &job->parts[i];
		bool full = part->open_batches >= MOST_OPEN_BATCHES;
		ranges[i] = (kd_planner_partition) {.from = part->planned_until, .end = part->end, .high = part->high,
			.full = full};
		with_news += has_news(part) || full;
		with_room += has_news(part) && !full;
	}
	const kd_settings *s = &job->settings;
	kd_planner_limits limits = {
		.records_per_partition = kd_planner_rate_records(s->max_rate, s->interval_ms),
		.backpressure = backpressure_records(job),
		.records = share_of(s->max_records, with_room, with_news),
		.memory_records = share_of(memory_records(job), with_room, with_news)};
	*ret_total = kd_planner_plan(ranges, job->n_parts, &limits, job->turn);
	if (*ret_total < 0)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	return KD_OK;
}

/* Was the plan cut short by a limit that more planning at once can make up for? */
static bool more_waits(const kd_job *job, const kd_planner_partition *ranges)
{
	for (size_t i = 0; i < job->n_parts; i++)
		if (ranges[i].cap == KD_CAP_RECORDS || ranges[i].cap == KD_CAP_MEMORY || (ranges[i].full && has_news(&job->parts[i])))
			return true;
	return false;
}

static kd_code plan(kd_job *job, kd_error *err)
{
	kd_planner_partition *ranges = calloc(job->n_parts ? job->n_parts : 1, sizeof *ranges);
	if (!ranges)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	int64_t total = 0;
	kd_code code = KD_FAULT_ERROR("plan.before_offsets", KD_EBROKER, KD_RETRY, err);
	if (code == KD_OK)
		code = kd_job_read_ends(job, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("plan.after_offsets", KD_EBROKER, KD_RETRY, err);
	if (code == KD_OK)
		code = plan_ranges(job, ranges, &total, err);
	if (code == KD_OK && total > 0) {
		code = kd_job_plan_batch(job, ranges, err);
		job->turn++;
	}
	job->backlog = code == KD_OK && more_waits(job, ranges);
	free(ranges);
	return code;
}

/* Is there room for half of those that have news?  Then planning back to back is worth a transaction. */
static bool room_for_more(const kd_job *job)
{
	size_t news = 0, room = 0;
	for (size_t i = 0; i < job->n_parts; i++) {
		news += has_news(&job->parts[i]);
		room += has_news(&job->parts[i]) && job->parts[i].open_batches < MOST_OPEN_BATCHES;
	}
	return room > 0 && room * 2 >= news;
}

/* ---- now and then ---- */

static kd_code verify_part(kd_job *job, const kd_part *part, const kd_segment *found, kd_error *err)
{
	kd_reread row = {.found = found != NULL, .batch = KD_BATCH_COMMITTED};
	if (found) {
		row.owner = found->owner;
		row.position = found->committed_until;
		if (found->planned_until < part->planned_until)
			row.batch = KD_BATCH_ABSENT;
	}
	kd_batch_partition entry = {.job = job->settings.name, .topic = part->topic, .partition = part->partition,
		.partition_index = part->partition_index, .range = {part->committed_until, part->planned_until}};
	return kd_ledger_verify_row(&job->ledger, &entry, &row, err);
}

/* The database may have gone back in time, or be somebody else's, while nothing was written.  Both lists are in
 * partition_index order. */
static kd_code verify(kd_job *job, kd_error *err)
{
	size_t n = 0;
	kd_segment *rows = calloc(job->n_parts ? job->n_parts : 1, sizeof *rows);
	if (!rows)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to verify");
	kd_code code = kd_job_ensure_session(job, err);
	if (code == KD_OK)
		code = job->ops->verify(job->ledger.session, job->settings.name, rows, job->n_parts, &n, err);
	size_t k = 0;
	for (size_t i = 0; code == KD_OK && i < job->n_parts; i++) {
		while (k < n && k < job->n_parts && rows[k].partition_index < job->parts[i].partition_index)
			k++;
		bool found = k < n && k < job->n_parts && rows[k].partition_index == job->parts[i].partition_index;
		code = verify_part(job, &job->parts[i], found ? &rows[k] : NULL, err);
	}
	free(rows);
	return code;
}

static kd_code prune(kd_job *job, kd_error *err)
{
	bool more = true;
	int64_t removed = 0;
	kd_code code = KD_OK;
	while (code == KD_OK && more && !atomic_load(&job->stop)) {
		int64_t n = 0;
		code = kd_job_ensure_session(job, err);
		if (code == KD_OK)
			code = job->ops->prune(job->ledger.session, &job->ledger.me, job->settings.name, job->settings.keep_days, &n,
				&more, err);
		removed += n;
	}
	if (removed)
		kd_log(&job->options.log, KD_LOG_INFO, 0, "pruned %" PRId64 " batch partitions older than %" PRId64 " days",
			removed, job->settings.keep_days);
	return code;
}

/* The last stable offset was asked for after the high watermark: where it is lower, a transaction is open. */
static void tell_blocked(kd_job *job)
{
	const kd_part *first = NULL;
	int64_t partitions = 0, records = 0, now_ms = kd_clock_mono_ms();
	for (size_t i = 0; i < job->n_parts; i++) {
		const kd_part *part = &job->parts[i];
		if (part->end < 0 || part->high <= part->end || part->committed_until < part->end)
			continue;
		first = first ? first : part;
		partitions++;
		records += part->high - part->end;
	}
	if (!first || now_ms < job->next_blocked_ms)
		return;
	job->next_blocked_ms = now_ms + BLOCKED_MS;
	kd_log(&job->options.log, KD_LOG_WARN, 0,
		"open transactions hold %" PRId64 " partitions at their last stable offset, the first is %s/%d at %" PRId64 ": %"
		PRId64 " offsets wait for their end", partitions, first->topic, first->partition, first->end, records);
}

/* A broker that has just started may not know a topic yet: a refusal counts when it lasts. */
static bool lasts(kd_job *job, kd_code code)
{
	int64_t now_ms = kd_clock_mono_ms();
	if (code == KD_OK)
		job->refused_since_ms = 0;
	else if (!job->refused_since_ms)
		job->refused_since_ms = now_ms;
	return code != KD_OK && now_ms - job->refused_since_ms >= REFUSAL_MS;
}

static kd_code look(kd_job *job, kd_error *err)
{
	kd_code code = kd_job_find_partitions(job, NULL, 0, err);
	bool refused = code == KD_EBROKER && err->action == KD_STOP;
	if (!lasts(job, refused ? code : KD_OK) && refused) {
		kd_log(&job->options.log, KD_LOG_WARN, 0, "%s; asking again", err->message);
		kd_error_clear(err);
		return KD_OK;
	}
	if (code == KD_OK)
		code = kd_job_look_at_logs(job, err);
	if (code == KD_OK)
		code = kd_job_read_ends(job, err);
	if (code == KD_OK)
		tell_blocked(job);
	return code;
}

static kd_code when_due(kd_job *job, int64_t *next_ms, int64_t every_ms, kd_code (*action)(kd_job *, kd_error *),
	kd_error *err)
{
	int64_t now_ms = kd_clock_mono_ms();
	if (now_ms < *next_ms)
		return KD_OK;
	*next_ms = now_ms + every_ms;
	return action(job, err);
}

static kd_code tick(kd_job *job, kd_error *err)
{
	int64_t now_ms = kd_clock_mono_ms();
	bool due = now_ms >= job->next_tick_ms;
	if (!due && !(job->backlog && room_for_more(job)))
		return KD_OK;
	if (due)
		job->next_tick_ms = now_ms + job->settings.interval_ms;
	return job->skip ? KD_OK : plan(job, err);
}

static void mirror(kd_job *job)
{
	int64_t now_ms = kd_clock_mono_ms();
	if (!job->mirror || now_ms < job->next_mirror_ms)
		return;
	job->next_mirror_ms = now_ms + MIRROR_MS;
	kd_mirror_send(job->mirror, false);
}

static bool is_idle(const kd_job *job)
{
	return job->n_batches == 0;
}

static kd_code round_of_work(kd_job *job, kd_error *err)
{
	kd_code code = tick(job, err);
	if (code == KD_OK)
		code = when_due(job, &job->next_look_ms, LOOK_MS, look, err);
	if (code == KD_OK && is_idle(job))
		code = when_due(job, &job->next_verify_ms, VERIFY_MS, verify, err);
	if (code == KD_OK)
		code = when_due(job, &job->next_prune_ms, PRUNE_MS, prune, err);
	mirror(job);
	return code;
}

/* ---- the end ---- */

/* The goal is the end as first seen; a partition that appears later has none. */
static void set_goals(kd_job *job)
{
	bool all = job->n_parts > 0;
	for (size_t i = 0; !job->goals_set && i < job->n_parts; i++) {
		if (job->parts[i].goal < 0)
			job->parts[i].goal = job->parts[i].end;
		all &= job->parts[i].goal >= 0;
	}
	job->goals_set |= all;
}

/* Records a second, smoothed over a few seconds. */
static void tell_rate(kd_job *job)
{
	kd_progress *p = &job->progress;
	int64_t now_ms = kd_clock_mono_ms(), past_ms = now_ms - job->rate_at_ms;
	if (past_ms < RATE_MS)
		return;
	double now = (double) (p->records - job->rate_records) * 1000.0 / (double) past_ms;
	p->records_per_second = job->rate_at_ms ? 0.5 * now + 0.5 * p->records_per_second : 0;
	job->rate_at_ms = now_ms;
	job->rate_records = p->records;
}

static void tell_progress(kd_job *job)
{
	int64_t lag = 0, blocked = 0, target = 0;
	bool ends_known = true;
	for (size_t i = 0; i < job->n_parts; i++) {
		const kd_part *p = &job->parts[i];
		lag += p->end > p->committed_until ? p->end - p->committed_until : 0;
		blocked += p->end >= 0 && p->high > p->end ? p->high - p->end : 0;
		target += p->goal > p->committed_until ? p->goal - p->committed_until : 0;
		ends_known &= p->end >= 0;
	}
	kd_worker_counters sum = job->gone;
	for (size_t i = 0; i < job->n_workers; i++) {
		kd_worker_counters counters;
		kd_worker_counters_get(job->workers[i], &counters);
		sum.bytes += counters.bytes;
		sum.retries += counters.retries;
		sum.resolves += counters.resolves;
	}
	pthread_mutex_lock(&job->lock);
	job->progress.lag = lag;
	job->progress.blocked = blocked;
	job->progress.target = job->options.until_latest && ends_known ? target : -1;
	job->progress.bytes = sum.bytes;
	job->progress.retries = sum.retries;
	job->progress.resolves = sum.resolves;
	job->progress.partitions = (int32_t) job->n_parts;
	tell_rate(job);
	pthread_mutex_unlock(&job->lock);
}

/* A log that ends before what was planned of it is another one, or will be longer again: either way not the end. */
static bool is_reached(const kd_part *part)
{
	return part->committed_until >= part->goal && part->end >= part->planned_until;
}

static bool goals_reached(const kd_job *job)
{
	if (job->skip)
		return kd_job_skip_done(job);
	if (!job->options.until_latest || !job->goals_set)
		return false;
	for (size_t i = 0; i < job->n_parts; i++)
		if (!is_reached(&job->parts[i]))
			return false;
	return true;
}

static int64_t time_to_next(const kd_job *job)
{
	int64_t next_ms = job->next_tick_ms;
	if (job->next_look_ms < next_ms)
		next_ms = job->next_look_ms;
	if (is_idle(job) && job->next_verify_ms < next_ms)
		next_ms = job->next_verify_ms;
	int64_t left_ms = next_ms - kd_clock_mono_ms();
	return left_ms > 0 ? left_ms : 0;
}

static kd_code failure_of_worker(kd_job *job, kd_error *err)
{
	pthread_mutex_lock(&job->lock);
	kd_error failure = job->failure;
	int32_t index = job->failed_index;
	job->failure = (kd_error) {0};
	pthread_mutex_unlock(&job->lock);
	if (failure.code == KD_OK)
		return KD_OK;
	kd_part *part = kd_job_part(job, index);
	if (failure.code == KD_ELOSS && part && job->settings.record_loss && job->restarts == 0) {
		job->accused.topic = part->topic;
		job->accused.partition = part->partition;
		snprintf(job->accused.what, sizeof job->accused.what, "%.200s", failure.message);
		failure.code = KD_EWENTBACK;
	}
	if (err)
		*err = failure;
	return failure.code;
}

/* What may heal is waited for; everything else ends the loop. */
static kd_code outlast(kd_job *job, kd_code code, kd_error *err)
{
	if (code == KD_OK) {
		kd_retry_reset(&job->retry);
		return KD_OK;
	}
	return kd_job_try_again(job, job->settings.retry_timeout_ms, err) ? KD_OK : code;
}

/* Before until_latest ends: is all that was committed still there, and what was not to be had? */
static kd_code last_look(kd_job *job, kd_error *err)
{
	kd_code code = verify(job, err);
	if (code == KD_OK)
		code = look(job, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("progress.last_look", KD_ESINK, KD_RETRY, err);
	if (code == KD_OK || err->action == KD_STOP || err->code == KD_EWENTBACK || err->code == KD_ESINK)
		return code;
	kd_error_clear(err); /* brokers that went away in the meantime take nothing back */
	return KD_OK;
}

/* Is it over?  A sink that is away just now is asked again: all is committed, so nothing but patience is missing. */
static kd_code end_of_run(kd_job *job, bool *ret_over, kd_error *err)
{
	kd_code code = job->skip ? KD_OK : last_look(job, err);
	*ret_over = code == KD_OK;
	return outlast(job, code, err);
}

/* Instead of ticks: one plan that reaches to the end of what is skipped. */
static kd_code plan_skip(kd_job *job, kd_error *err)
{
	const kd_part *part = NULL;
	kd_code code = kd_job_read_ends(job, err);
	if (code == KD_OK)
		code = kd_job_skip_plan(job, &part, err);
	if (code != KD_OK || !part)
		return code;
	kd_planner_partition *ranges = calloc(job->n_parts, sizeof *ranges);
	if (!ranges)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory to plan");
	ranges[part - job->parts] = (kd_planner_partition) {.from = part->planned_until, .until = job->skip->range.until};
	code = kd_job_plan_batch(job, ranges, err);
	free(ranges);
	return code;
}

kd_code kd_job_steady(kd_job *job, kd_error *err)
{
	kd_code code = job->skip ? plan_skip(job, err) : KD_OK;
	int64_t now_ms = kd_clock_mono_ms();
	job->next_tick_ms = now_ms;
	job->next_look_ms = now_ms + LOOK_MS;
	job->next_verify_ms = now_ms + VERIFY_MS;
	job->next_prune_ms = job->next_prune_ms ? job->next_prune_ms : now_ms;
	job->backlog = false;
	job->was_up = true;
	bool over = false;
	while (code == KD_OK && !over && !atomic_load(&job->stop)) {
		code = outlast(job, round_of_work(job, err), err);
		set_goals(job);
		kd_job_drain_done(job);
		tell_progress(job);
		if (code == KD_OK)
			code = failure_of_worker(job, err);
		if (code != KD_OK)
			break;
		if (goals_reached(job))
			code = end_of_run(job, &over, err);
		if (code == KD_OK && !over && !(job->backlog && room_for_more(job)))
			kd_job_wait(job, time_to_next(job));
	}
	return code;
}
