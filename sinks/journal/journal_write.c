// SPDX-License-Identifier: Apache-2.0
// journal_write: state as lines.  Each line says all there is to say of its key.
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"

void journal_step_done(journal_step *step)
{
	for (size_t i = 0; i < step->n; i++) {
		free(step->line[i].key);
		free(step->line[i].state);
	}
	free(step->line);
	*step = (journal_step) {0};
}

kd_code journal_no_memory(journal_step *step, kd_error *err)
{
	journal_step_done(step);
	return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not change the ledger: no memory");
}

/* Takes key and state, also where it fails. */
static bool add_line(journal_step *step, char *key, char *state)
{
	if (step->n == step->capacity) {
		size_t more = step->capacity ? step->capacity * 2 : 4;
		journal_line *grown = reallocarray(step->line, more, sizeof *grown);
		if (!grown) {
			free(key);
			free(state);
			return false;
		}
		step->line = grown;
		step->capacity = more;
	}
	step->line[step->n++] = (journal_line) {key, state};
	return true;
}

/* Takes the object. */
static bool put(journal_step *step, json_t *state, const char *format, ...) KD_PRINTF(3, 4);
static bool put(journal_step *step, json_t *state, const char *format, ...)
{
	char *key, *text = state ? journal_text(state) : NULL;
	va_list args;
	va_start(args, format);
	if (vasprintf(&key, format, args) < 0)
		key = NULL;
	va_end(args);
	json_decref(state);
	if (!key || !text) {
		free(key);
		free(text);
		return false;
	}
	return add_line(step, key, text);
}

/* A JSON string of any bytes: what is not UTF-8 (a path, a reason from the command line) becomes question marks. */
static json_t *text_of(const char *bytes)
{
	if (!bytes)
		return json_string("");
	json_t *text = json_string(bytes);
	char *copy = text ? NULL : strdup(bytes);
	for (char *at = copy; at && *at; at++)
		if ((unsigned char) *at >= 0x80)
			*at = '?';
	if (copy)
		text = json_string(copy);
	free(copy);
	return text;
}

static json_t *number(int64_t n)
{
	return json_integer(n);
}

bool journal_put_job(journal_step *step, const journal_job *job)
{
	json_t *state = json_pack("{si, so, ss, so, so, so, so, so, so}",
		"version", JOURNAL_VERSION, "epoch", number(job->owner.epoch), "owner", job->owner.id,
		"cluster", text_of(job->cluster_id), "target", text_of(job->target), "identity", text_of(job->identity),
		"start", text_of(job->start_policy), "isolation", text_of(job->isolation),
		"created_at", number(job->created_at_ms));
	return put(step, state, "job/%s", job->name);
}

bool journal_put_start(journal_step *step, const char *job, const journal_start *start)
{
	json_t *state = json_pack("{so, so, so, so, so, so}",
		"host", text_of(start->host), "pid", number(start->pid), "process", text_of(start->process),
		"started_at", number(start->started_at_ms), "taken_over_at", number(start->taken_over_at_ms),
		"version", text_of(start->version));
	return put(step, state, "instance/%s/%" PRId64 "/%s", job, start->owner.epoch, start->owner.id);
}

bool journal_put_partition(journal_step *step, const char *job, const journal_part *part)
{
	const kd_segment *s = &part->segment;
	json_t *state = json_pack("{so, si, si, so, so, so, so, ss, so}",
		"topic", text_of(s->topic), "partition", (int) s->partition, "segment", (int) s->segment,
		"start_offset", number(s->start_offset), "planned_until", number(s->planned_until),
		"last_batch_time", number(s->last_batch_time_ms), "epoch", number(s->owner.epoch), "owner", s->owner.id,
		"opened_at", number(part->opened_at_ms));
	if (state && s->closed && (json_object_set_new(state, "closed_at", number(part->closed_at_ms)) ||
		json_object_set_new(state, "closed_reason", text_of(s->closed_reason)) ||
		json_object_set_new(state, "closed_by", text_of(part->closed_by)))) {
		json_decref(state);
		state = NULL;
	}
	return put(step, state, "partition/%s/%" PRId32, job, s->partition_index);
}

bool journal_put_position(journal_step *step, const char *job, const journal_part *part)
{
	const kd_segment *s = &part->segment;
	json_t *witness = json_pack("[o, o, o]", number(s->witness.offset), number(s->witness.timestamp_ms),
		number(s->witness.checksum));
	json_t *pruned = json_pack("[o, o, o, o, o, o]", number(s->pruned_batches), number(s->pruned_records),
		number(s->pruned_rows), number(s->pruned_dropped), number(part->pruned_dead_letters), number(s->pruned_gap));
	json_t *state = json_pack("{so, so, so, ss, so, so, so, so}",
		"committed_until", number(s->committed_until), "committed_at", number(s->committed_at_ms),
		"epoch", number(part->position_owner.epoch), "owner", part->position_owner.id,
		"log_start", number(s->log_start), "log_from", number(s->log_from), "witness", witness, "pruned", pruned);
	return put(step, state, "position/%s/%" PRId32, job, s->partition_index);
}

/* Only what is not zero: there are many of them. */
static bool add_counts(json_t *state, const kd_batch_row *row)
{
	const struct {
		const char *name;
		int64_t value;
	} counts[] = {{"committed_at", row->committed_at_ms}, {"withdrawn_at", row->withdrawn_at_ms},
		{"records", row->records}, {"rows", row->rows}, {"dropped", row->dropped},
		{"dead_letters", row->dead_letters}, {"gap", row->gap}};
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		if (counts[i].value && json_object_set_new(state, counts[i].name, number(counts[i].value)))
			return false;
	return true;
}

bool journal_put_identifier(journal_step *step, const char *job, const journal_identifier *identifier)
{
	const kd_batch_row *row = &identifier->row;
	json_t *state = json_pack("{so, so, so, ss}", "from", number(row->range.from), "until", number(row->range.until),
		"planned_at", number(row->planned_at_ms), "instance", row->instance);
	bool ok = state && add_counts(state, row);
	bool no_memory;
	if (ok && identifier->note)
		ok = json_object_set_new(state, "note", journal_load(identifier->note, strlen(identifier->note), &no_memory)) == 0;
	if (!ok) {
		json_decref(state);
		state = NULL;
	}
	return put(step, state, "batch/%s/%" PRId32 "/%" PRId64, job, row->partition_index, row->batch_time_ms);
}

bool journal_put_gap(journal_step *step, const char *job, const kd_gap *gap)
{
	json_t *state = json_pack("{so, so, so, so, so}", "until", number(gap->range.until),
		"batch_time", number(gap->batch_time_ms), "at", number(gap->at_ms), "reason", text_of(gap->reason),
		"who", text_of(gap->who));
	return put(step, state, "gap/%s/%" PRId32 "/%" PRId64, job, gap->partition_index, gap->range.from);
}

bool journal_put_removal(journal_step *step, const char *job, int32_t index, int64_t batch_time_ms)
{
	char *key;
	if (asprintf(&key, "batch/%s/%" PRId32 "/%" PRId64, job, index, batch_time_ms) < 0)
		return false;
	return add_line(step, key, NULL);
}

static bool dump_part(journal_step *step, const char *job, const journal_part *part)
{
	bool ok = !part->has_partition || journal_put_partition(step, job, part);
	ok = ok && (!part->has_position || journal_put_position(step, job, part));
	for (size_t i = 0; ok && i < part->n; i++)
		ok = journal_put_identifier(step, job, &part->identifier[part->first + i]);
	return ok;
}

static bool dump_job(journal_step *step, const journal_job *job)
{
	bool ok = !job->has_job || journal_put_job(step, job);
	for (size_t i = 0; ok && i < job->n_starts; i++)
		ok = journal_put_start(step, job->name, &job->start[i]);
	for (size_t i = 0; ok && i < job->n_parts; i++)
		ok = dump_part(step, job->name, &job->part[i]);
	for (size_t i = 0; ok && i < job->n_gaps; i++)
		ok = journal_put_gap(step, job->name, &job->gap[i]);
	return ok;
}

kd_code journal_dump(const journal *j, journal_step *ret_step, kd_error *err)
{
	*ret_step = (journal_step) {0};
	for (size_t i = 0; i < j->n; i++)
		if (!dump_job(ret_step, &j->job[i]))
			return journal_no_memory(ret_step, err);
	return KD_OK;
}

size_t journal_size(const journal *j)
{
	size_t size = 0;
	for (size_t i = 0; i < j->n; i++) {
		const journal_job *job = &j->job[i];
		size += job->has_job + job->n_starts + job->n_gaps;
		for (size_t p = 0; p < job->n_parts; p++)
			size += (size_t) job->part[p].has_partition + job->part[p].has_position + job->part[p].n;
	}
	return size;
}
