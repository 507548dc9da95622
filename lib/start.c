// SPDX-License-Identifier: Apache-2.0
// start: from nothing, or from a database that went back in time, to running workers: take over, read what the ledger
// says, find the partitions, replay what was planned and not committed (I6, I8).
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "job_private.h"
#include "kdirect/fault.h"
#include "recover.h"

#define FIRST_CONTACT_MS 30000 /* so long brokers and database may take to answer a start */
#define ONE_TRY_MS 5000

/* ---- first contact ---- */

static kd_code open_kafka(kd_job *job, kd_error *err)
{
	if (job->kafka)
		return KD_OK;
	return kd_kafka_open_config(job->config, &job->options.log, ONE_TRY_MS, &job->kafka, err);
}

static kd_code open_sink(kd_job *job, kd_error *err)
{
	kd_sink_context context = {.ops = job->ops, .config = job->config, .log = &job->options.log};
	if (job->sink)
		return KD_OK;
	kd_code code = job->ops->open(&context, &job->sink, err);
	if (code != KD_OK)
		return code;
	const kd_sink_info *info = job->ops->info(job->sink);
	kd_log(&job->options.log, KD_LOG_INFO, 0, "target %s, layout %s: %s", info->target, info->layout, info->summary);
	return KD_OK;
}

static kd_code open_mirror(kd_job *job, kd_error *err)
{
	const char *group = kd_config_string(job->config, "mirror_group");
	if (!group || job->mirror)
		return KD_OK;
	return kd_mirror_open(job->config, group, &job->options.log, &job->mirror, err);
}

/* ---- take-over ---- */

/* A start that was held up in its take-over, frozen say, tries again; but it does not take the job back from one that
 * started later and finished in between (I7).  Two that race are told apart by their start, too, so the later one
 * stays.  Only who came after this start's own look at the epoch counts: a host whose clock is wrong keeps nobody from
 * taking over.  Who has owned the job needs no clock: an epoch from its own on, with another owner, came after it.  After
 * a restore there is none, but that of a later start. */
static bool is_overtaken(const kd_job *job, const kd_incumbent *now)
{
	int64_t mine = job->ledger.me.epoch;
	if (!strcmp(now->owner.id, job->owner_id))
		return false;
	if (mine > 0)
		return now->owner.epoch >= mine;
	return now->owner.epoch > job->found_epoch && now->started_at_ms > job->started_at_ms;
}

/* The sink calls it with the job's lock held, so that nobody comes in between; and it remembers what it found. */
static kd_code refuse_if_overtaken(void *opaque, const kd_incumbent *now, kd_error *err)
{
	kd_job *job = opaque;
	if (job->found_epoch < 0)
		job->found_epoch = now->owner.epoch;
	if (!is_overtaken(job, now))
		return KD_OK;
	return kd_error_set(err, KD_EFENCED, KD_STOP,
		"job \"%s\" was taken over by a newer instance (epoch %" PRId64 ") while this one was starting",
		job->settings.name, now->owner.epoch);
}

static const char *start_policy(const kd_config *config)
{
	switch (kd_config_start(config)) {
	case KD_START_LATEST: return "latest";
	case KD_START_EARLIEST: return "earliest";
	case KD_START_TIMESTAMP: return "timestamp";
	case KD_START_OFFSETS: return "offsets";
	}
	return "?";
}

static kd_code take_over(kd_job *job, kd_ledger_image *image, kd_error *err)
{
	size_t n = kd_config_topic_count(job->config);
	const char **topics = calloc(n ? n : 1, sizeof *topics);
	char host[256] = "";
	if (!topics)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for topics");
	for (size_t i = 0; i < n; i++)
		topics[i] = kd_config_topic(job->config, i);
	gethostname(host, sizeof host - 1);
	kd_take_over request = {.job = job->settings.name, .owner_id = job->owner_id,
		.cluster_id = kd_kafka_cluster_id(job->kafka), .start_policy = start_policy(job->config),
		.isolation = job->settings.read_committed ? "read_committed" : "read_uncommitted", .topics = topics,
		.n_topics = n, .host = host, .pid = getpid(), .started_at_ms = job->started_at_ms,
		.version = job->options.version ? job->options.version : kd_version(), .judge = refuse_if_overtaken,
		.opaque = job, .had_epoch = job->ledger.me.epoch};
	kd_code code = kd_job_ensure_session(job, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("start.before_take_over", KD_ESINK, KD_RETRY, err);
	if (code == KD_OK)
		code = job->ops->take_over(job->ledger.session, &request, image, err);
	free(topics);
	return code;
}

/* One step of the start, repeated while what hinders it may heal.  A lost answer of take-over's commit is met by a
 * fresh take-over: the same loop. */
static kd_code insist(kd_job *job, kd_code (*step)(kd_job *, kd_ledger_image *, kd_error *), kd_ledger_image *image,
	kd_error *err)
{
	int64_t timeout_ms = job->was_up ? job->settings.retry_timeout_ms : FIRST_CONTACT_MS;
	for (;;) {
		kd_code code = step(job, image, err);
		if (code == KD_OK) {
			kd_retry_reset(&job->retry);
			return KD_OK;
		}
		if (!kd_job_try_again(job, timeout_ms, err))
			return err->code ? err->code : code;
		if (atomic_load(&job->stop))
			return kd_error_set(err, KD_ESTOPPED, KD_STOP, "stopped");
	}
}

static kd_code contact(kd_job *job, kd_ledger_image *image, kd_error *err)
{
	(void) image;
	kd_code code = KD_FAULT_ERROR("start.contact", KD_EBROKER, KD_RETRY, err);
	if (code == KD_OK)
		code = open_kafka(job, err);
	if (code == KD_OK)
		code = open_sink(job, err);
	if (code == KD_OK)
		code = open_mirror(job, err);
	return code;
}

/* ---- what is planned and not committed ---- */

static kd_code withdraw_plans(kd_job *job, kd_part *part, const kd_batch_row *plans, size_t n, size_t *ret_left,
	kd_error *err)
{
	size_t back = job->skip ? 0 : kd_recover_withdraw(plans, n, job->settings.max_records);
	*ret_left = n;
	while (back-- > 0) {
		const kd_batch_row *row = &plans[*ret_left - 1];
		kd_batch_partition id = kd_job_identify(job, part, row->batch_time_ms, row->range);
		kd_code code = kd_job_ensure_session(job, err);
		if (code == KD_OK)
			code = kd_ledger_withdraw(&job->ledger, &id, err);
		if (code != KD_OK && kd_job_try_again(job, job->settings.retry_timeout_ms, err)) {
			back++;
			continue;
		}
		if (code != KD_OK)
			return code;
		kd_log(&job->options.log, KD_LOG_INFO, row->batch_time_ms,
			"%s/%d [%" PRId64 ", %" PRId64 ") is withdrawn: it exceeds batch.max_records_per_batch", part->topic,
			part->partition, row->range.from, row->range.until);
		part->planned_until = row->range.from;
		--*ret_left;
	}
	return KD_OK;
}

static kd_code replay(kd_job *job, const kd_ledger_image *image, kd_error *err)
{
	int64_t records = 0, batch_partitions = 0;
	for (size_t i = 0; i < job->n_parts; i++) {
		kd_part *part = &job->parts[i];
		size_t n;
		const kd_batch_row *plans = kd_recover_plans(image, part->partition_index, &n);
		kd_code code = withdraw_plans(job, part, plans, n, &n, err);
		for (size_t k = 0; code == KD_OK && k < n && kd_job_skip_wants(job, part, plans[k].range); k++) {
			code = kd_job_give_task(job, part, plans[k].batch_time_ms, plans[k].range, err);
			records += plans[k].range.until - plans[k].range.from;
			batch_partitions++;
		}
		if (code != KD_OK)
			return code;
	}
	if (batch_partitions)
		kd_log(&job->options.log, KD_LOG_INFO, 0,
			"%" PRId64 " batch partitions with %" PRId64 " offsets were planned and not committed: replayed as planned",
			batch_partitions, records);
	return KD_OK;
}

/* ---- workers ---- */

/* What turns records into rows.  A transform without a decoder of its own gets one that suits the sink. */
static void set_parts(const kd_job *job, kd_worker_conf *conf)
{
	const char *layout = job->ops->info(job->sink)->layout;
	conf->decoder = job->options.decoder;
	conf->transform = job->options.transform;
	conf->raw_layout = !strcmp(layout, "raw");
	if (!conf->decoder && conf->transform)
		conf->decoder = strcmp(layout, "fields") ? &kd_raw_decoder : &kd_json_decoder;
	if (conf->decoder == &kd_raw_decoder && !conf->transform)
		conf->decoder = NULL;
}

static kd_code start_workers(kd_job *job, kd_error *err)
{
	size_t n = (size_t) job->settings.workers;
	if (n > job->n_parts && job->n_parts)
		n = job->n_parts;
	job->workers = calloc(n, sizeof *job->workers);
	if (!job->workers)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for workers");
	for (job->n_workers = 0; job->n_workers < n; job->n_workers++) {
		kd_worker_conf conf = {.config = job->config, .log = &job->options.log, .ops = job->ops, .sink = job->sink,
			.job = job->settings.name, .me = job->ledger.me, .number = (int) job->n_workers,
			.n_partitions = job->n_parts, .budget_bytes = (size_t) job->settings.budget_bytes / n,
			.record_loss = job->settings.record_loss, .retry_timeout_ms = job->settings.retry_timeout_ms,
			.opaque = job, .done = kd_job_task_done, .failed = kd_job_worker_failed};
		set_parts(job, &conf);
		kd_code code = kd_worker_start(&conf, &job->workers[job->n_workers], err);
		if (code != KD_OK)
			return code;
	}
	return KD_OK;
}

void kd_job_stop_workers(kd_job *job)
{
	for (size_t i = 0; i < job->n_workers; i++)
		kd_worker_stop(job->workers[i]);
	kd_worker_counters sum = {0};
	for (size_t i = 0; i < job->n_workers; i++) {
		kd_worker_counters counters;
		kd_worker_counters_get(job->workers[i], &counters);
		sum.retries += counters.retries;
		sum.resolves += counters.resolves;
		sum.bytes += counters.bytes;
		kd_worker_free(job->workers[i]);
	}
	free(job->workers);
	job->workers = NULL;
	job->n_workers = 0;
	job->gone.retries += sum.retries;
	job->gone.resolves += sum.resolves;
	job->gone.bytes += sum.bytes;
	kd_job_drain_done(job);
	free(job->batches);
	job->batches = NULL;
	job->n_batches = 0;
}

/* ---- the start as a whole ---- */

static void forget_parts(kd_job *job)
{
	free(job->parts);
	job->parts = NULL;
	job->n_parts = 0;
}

/* A worker found another log behind a partition's name: by policy its segment ends here. */
static kd_code close_accused(kd_job *job, kd_error *err)
{
	if (!job->accused.topic)
		return KD_OK;
	for (size_t i = 0; i < job->n_parts; i++) {
		kd_part *part = &job->parts[i];
		if (part->partition != job->accused.partition || strcmp(part->topic, job->accused.topic) != 0)
			continue;
		job->accused.topic = NULL;
		return kd_job_new_log(job, part, job->accused.what, err);
	}
	return KD_OK;
}

/* Where the start policy says "latest", a new beginning in mid-run would pass over what came since (I10). */
static kd_code refuse_a_new_beginning(const kd_job *job, kd_error *err)
{
	return kd_error_set(err, KD_ELEDGER, KD_STOP,
		"job \"%s\" is not in the ledger any more: the database went back to before its first start, or the job was "
		"deleted there; it begins anew, where \"start\" says, when it is started again", job->settings.name);
}

static kd_code own(kd_job *job, kd_ledger_image *image, kd_error *err)
{
	kd_ledger_image_done(image);
	forget_parts(job);
	kd_code code = take_over(job, image, err);
	if (code != KD_OK)
		return code;
	job->ledger.me = image->owner;
	code = KD_FAULT_ERROR("start.owned", KD_ESINK, KD_RETRY, err);
	if (code == KD_OK && image->created && job->was_up)
		code = refuse_a_new_beginning(job, err);
	if (code == KD_OK)
		code = kd_recover_check(image, err);
	if (code == KD_OK)
		code = kd_job_find_partitions(job, image->segments, image->n_segments, err);
	if (code == KD_OK)
		code = close_accused(job, err);
	return code;
}

kd_code kd_job_start(kd_job *job, kd_error *err)
{
	kd_ledger_image image = {0};
	job->goals_set = false;
	job->found_epoch = -1;
	job->ledger = (kd_ledger) {.ops = job->ops, .session = job->ledger.session, .job = job->settings.name,
		.me = job->ledger.me}; /* who it was, if this is not the first take-over */
	kd_code code = insist(job, contact, NULL, err);
	if (code == KD_OK)
		code = insist(job, own, &image, err);
	if (code == KD_OK) {
		kd_log(&job->options.log, KD_LOG_INFO, 0, "owner of job \"%s\" with epoch %" PRId64 ": %zu partitions",
			job->settings.name, job->ledger.me.epoch, job->n_parts);
		pthread_mutex_lock(&job->lock);
		job->progress.epoch = job->ledger.me.epoch;
		job->progress.partitions = (int32_t) job->n_parts;
		pthread_mutex_unlock(&job->lock);
		code = start_workers(job, err);
	}
	if (code == KD_OK)
		code = replay(job, &image, err);
	if (code == KD_OK)
		code = KD_FAULT_ERROR("start.replayed", KD_EWENTBACK, KD_REPLAY, err);
	kd_ledger_image_done(&image);
	return code;
}
