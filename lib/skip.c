// SPDX-License-Identifier: Apache-2.0
// skip: the way out of a bad record, by hand: lands one partition's planned ranges up to the skipped offsets, with those
// recorded as a gap in the same transaction as the rows around them.  Nothing is ever passed over without a trace (I10).
#include <inttypes.h>
#include <string.h>

#include "job_private.h"

static const kd_part *skipped_part(const kd_job *job)
{
	for (size_t i = 0; i < job->n_parts; i++)
		if (job->parts[i].partition == job->skip->partition && !strcmp(job->parts[i].topic, job->skip->topic))
			return &job->parts[i];
	return NULL;
}

bool kd_job_skip_wants(const kd_job *job, const kd_part *part, kd_range range)
{
	return !job->skip || (part == skipped_part(job) && range.from < job->skip->range.until);
}

bool kd_job_apply_skip(const kd_job *job, kd_task *task)
{
	if (!job->skip)
		return true;
	kd_range gap = job->skip->range;
	gap.from = gap.from > task->id.range.from ? gap.from : task->id.range.from;
	gap.until = gap.until < task->id.range.until ? gap.until : task->id.range.until;
	return gap.from >= gap.until || kd_task_add_gap(task, gap, job->skip->reason, job->skip->who);
}

bool kd_job_skip_done(const kd_job *job)
{
	const kd_part *part = skipped_part(job);
	return part && part->committed_until >= job->skip->range.until;
}

static kd_code check_skip(const kd_job *job, const kd_part *part, kd_error *err)
{
	const kd_skip *skip = job->skip;
	if (!part)
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "%s/%d is not a partition of job \"%s\"", skip->topic,
			skip->partition, job->settings.name);
	if (skip->range.from < part->committed_until)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not skip %s/%d@%" PRId64 "..%" PRId64 ": the job is committed up to %" PRId64 " already", skip->topic,
			skip->partition, skip->range.from, skip->range.until, part->committed_until);
	if (part->end >= 0 && skip->range.until > part->end && skip->range.until > part->planned_until)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not skip %s/%d@%" PRId64 "..%" PRId64 ": the log ends at %" PRId64, skip->topic, skip->partition,
			skip->range.from, skip->range.until, part->end);
	if (job->settings.max_records != KD_UNLIMITED && skip->range.until - part->planned_until > job->settings.max_records)
		return kd_error_set(err, KD_ECONFIG, KD_STOP,
			"could not skip %s/%d@%" PRId64 "..%" PRId64 ": the job is planned up to %" PRId64
			" only, and what lies between is more than one batch; let it run up to there first", skip->topic,
			skip->partition, skip->range.from, skip->range.until, part->planned_until);
	return KD_OK;
}

kd_code kd_job_skip_plan(const kd_job *job, const kd_part **ret_part, kd_error *err)
{
	const kd_part *part = skipped_part(job);
	kd_code code = check_skip(job, part, err);
	*ret_part = code == KD_OK && part->planned_until < job->skip->range.until ? part : NULL;
	return code;
}
