// SPDX-License-Identifier: Apache-2.0
// journal_apply: lines become state.  A line is read as a whole before anything is changed by it.
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal_state.h"
#include <kdirect/json.h>

/* ---- keys ---- */

typedef enum key_kind { KEY_JOB, KEY_INSTANCE, KEY_PARTITION, KEY_POSITION, KEY_BATCH, KEY_GAP } key_kind;

typedef struct parsed_key {
	key_kind kind;
	char job[JOURNAL_NAME_SIZE];
	int32_t index;
	int64_t number; /* batch time, from */
	kd_owner owner;
} parsed_key;

static bool read_number(const char *text, int64_t *ret_number)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	*ret_number = n;
	return errno == 0 && end != text && *end == '\0' && *text != ' ' && *text != '+';
}

static bool read_index(const char *text, int32_t *ret_index)
{
	int64_t n;
	bool ok = read_number(text, &n) && n >= 0 && n <= INT32_MAX;
	*ret_index = ok ? (int32_t) n : 0;
	return ok;
}

/* Cuts text at its slashes; how many pieces there are, `most` at most. */
static size_t cut(char *text, char **ret_piece, size_t most)
{
	size_t n = 0;
	for (char *rest = text, *piece; n < most && (piece = strsep(&rest, "/")); n++)
		ret_piece[n] = piece;
	return n;
}

static bool read_pieces(char **piece, size_t n, parsed_key *key)
{
	static const struct {
		const char *name;
		size_t n;
	} kinds[] = {[KEY_JOB] = {"job", 2}, [KEY_INSTANCE] = {"instance", 4}, [KEY_PARTITION] = {"partition", 3},
		[KEY_POSITION] = {"position", 3}, [KEY_BATCH] = {"batch", 4}, [KEY_GAP] = {"gap", 4}};
	size_t kind = 0;
	while (kind < sizeof kinds / sizeof *kinds && strcmp(piece[0], kinds[kind].name) != 0)
		kind++;
	if (kind == sizeof kinds / sizeof *kinds || n != kinds[kind].n || !*piece[1] || strlen(piece[1]) >= sizeof key->job)
		return false;
	key->kind = (key_kind) kind;
	strcpy(key->job, piece[1]);
	if (kind == KEY_JOB)
		return true;
	if (kind == KEY_INSTANCE) {
		if (strlen(piece[3]) >= sizeof key->owner.id || !read_number(piece[2], &key->owner.epoch))
			return false;
		strcpy(key->owner.id, piece[3]);
		return true;
	}
	return read_index(piece[2], &key->index) && (n < 4 || read_number(piece[3], &key->number));
}

static bool read_key(const char *text, size_t size, parsed_key *ret_key)
{
	char copy[256], *piece[5];
	*ret_key = (parsed_key) {0};
	if (size == 0 || size >= sizeof copy || memchr(text, '\0', size))
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	size_t n = cut(copy, piece, 5);
	return n >= 2 && n <= 4 && read_pieces(piece, n, ret_key);
}

/* ---- members; what is not there leaves *ok false ---- */

typedef struct reading {
	const json_t *state;
	bool ok;
	bool no_memory;
} reading;

static int64_t get_number(reading *r, const char *name)
{
	const json_t *value = json_object_get(r->state, name);
	r->ok = r->ok && json_is_integer(value);
	return json_integer_value(value);
}

static int64_t get_count(reading *r, const char *name)
{
	const json_t *value = json_object_get(r->state, name);
	r->ok = r->ok && (!value || json_is_integer(value));
	return json_integer_value(value);
}

static int32_t get_int(reading *r, const char *name)
{
	int64_t n = get_number(r, name);
	r->ok = r->ok && n >= 0 && n <= INT32_MAX;
	return (int32_t) n;
}

static int64_t get_element(reading *r, const char *name, size_t i)
{
	const json_t *value = json_array_get(json_object_get(r->state, name), i);
	r->ok = r->ok && json_is_integer(value);
	return json_integer_value(value);
}

static const char *get_text(reading *r, const char *name)
{
	const char *text = json_string_value(json_object_get(r->state, name));
	r->ok = r->ok && text;
	return text ? text : "";
}

static char *copy_text(reading *r, const char *name)
{
	char *copy = strdup(get_text(r, name));
	r->no_memory = r->no_memory || !copy;
	return copy;
}

static void get_into(reading *r, const char *name, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%s", get_text(r, name));
}

static kd_owner get_owner(reading *r)
{
	kd_owner owner = {.epoch = get_number(r, "epoch")};
	get_into(r, "owner", owner.id, sizeof owner.id);
	return owner;
}

static bool complete(const reading *r)
{
	return r->ok && !r->no_memory;
}

/* Moves a text that is now owned in, and the old one out to be freed. */
static void swap(char **place, char **text)
{
	char *old = *place;
	*place = *text;
	*text = old;
}

/* ---- one function a kind of line ---- */

static void apply_job(journal *j, const parsed_key *key, reading *r)
{
	journal_job now = {.has_job = true, .owner = get_owner(r), .cluster_id = copy_text(r, "cluster"),
		.target = copy_text(r, "target"), .identity = copy_text(r, "identity"), .start_policy = copy_text(r, "start"),
		.isolation = copy_text(r, "isolation"), .created_at_ms = get_number(r, "created_at")};
	journal_job *job = complete(r) ? journal_make_job(j, key->job) : NULL;
	r->no_memory = r->no_memory || (r->ok && !job);
	if (job) {
		job->has_job = true;
		job->owner = now.owner;
		job->created_at_ms = now.created_at_ms;
		swap(&job->cluster_id, &now.cluster_id);
		swap(&job->target, &now.target);
		swap(&job->identity, &now.identity);
		swap(&job->start_policy, &now.start_policy);
		swap(&job->isolation, &now.isolation);
	}
	free(now.cluster_id);
	free(now.target);
	free(now.identity);
	free(now.start_policy);
	free(now.isolation);
}

static void apply_instance(journal_job *job, const parsed_key *key, reading *r)
{
	journal_start now = {.host = copy_text(r, "host"), .process = copy_text(r, "process"),
		.version = copy_text(r, "version"), .pid = get_number(r, "pid"), .started_at_ms = get_number(r, "started_at"),
		.taken_over_at_ms = get_number(r, "taken_over_at")};
	journal_start *start = complete(r) ? journal_make_start(job, &key->owner) : NULL;
	r->no_memory = r->no_memory || (r->ok && !start);
	if (start) {
		start->pid = now.pid;
		start->started_at_ms = now.started_at_ms;
		start->taken_over_at_ms = now.taken_over_at_ms;
		swap(&start->host, &now.host);
		swap(&start->process, &now.process);
		swap(&start->version, &now.version);
	}
	free(now.host);
	free(now.process);
	free(now.version);
}

static void apply_partition(journal_job *job, const parsed_key *key, reading *r)
{
	kd_segment now = {.topic = copy_text(r, "topic"), .partition = get_int(r, "partition"),
		.segment = get_int(r, "segment"), .start_offset = get_number(r, "start_offset"),
		.planned_until = get_number(r, "planned_until"), .last_batch_time_ms = get_number(r, "last_batch_time"),
		.owner = get_owner(r)};
	int64_t opened_at_ms = get_number(r, "opened_at"), closed_at_ms = get_count(r, "closed_at");
	char *closed_by = closed_at_ms ? copy_text(r, "closed_by") : NULL;
	now.closed_reason = closed_at_ms ? copy_text(r, "closed_reason") : NULL;
	journal_part *part = complete(r) ? journal_make_part(job, key->index) : NULL;
	r->no_memory = r->no_memory || (r->ok && !part);
	if (part) {
		kd_segment *s = &part->segment;
		part->has_partition = true;
		part->opened_at_ms = opened_at_ms;
		part->closed_at_ms = closed_at_ms;
		s->closed = closed_at_ms != 0;
		s->partition = now.partition;
		s->segment = now.segment;
		s->start_offset = now.start_offset;
		s->planned_until = now.planned_until;
		s->last_batch_time_ms = now.last_batch_time_ms;
		s->owner = now.owner;
		swap(&s->topic, &now.topic);
		swap(&s->closed_reason, &now.closed_reason);
		swap(&part->closed_by, &closed_by);
	}
	free(now.topic);
	free(now.closed_reason);
	free(closed_by);
}

static void apply_position(journal_job *job, const parsed_key *key, reading *r)
{
	kd_owner owner = get_owner(r);
	kd_segment now = {.committed_until = get_number(r, "committed_until"), .committed_at_ms = get_number(r, "committed_at"),
		.log_start = get_number(r, "log_start"), .log_from = get_number(r, "log_from"),
		.witness = {get_element(r, "witness", 0), get_element(r, "witness", 1), (uint32_t) get_element(r, "witness", 2)},
		.pruned_batches = get_element(r, "pruned", 0), .pruned_records = get_element(r, "pruned", 1),
		.pruned_rows = get_element(r, "pruned", 2), .pruned_dropped = get_element(r, "pruned", 3),
		.pruned_gap = get_element(r, "pruned", 5)};
	int64_t pruned_dead_letters = get_element(r, "pruned", 4);
	journal_part *part = complete(r) ? journal_make_part(job, key->index) : NULL;
	r->no_memory = r->no_memory || (r->ok && !part);
	if (!part)
		return;
	kd_segment *s = &part->segment;
	part->has_position = true;
	part->position_owner = owner;
	part->pruned_dead_letters = pruned_dead_letters;
	s->committed_until = now.committed_until;
	s->committed_at_ms = now.committed_at_ms;
	s->log_start = now.log_start;
	s->log_from = now.log_from;
	s->witness = now.witness;
	s->pruned_batches = now.pruned_batches;
	s->pruned_records = now.pruned_records;
	s->pruned_rows = now.pruned_rows;
	s->pruned_dropped = now.pruned_dropped;
	s->pruned_gap = now.pruned_gap;
}

static kd_batch_state state_of(const kd_batch_row *row)
{
	if (row->committed_at_ms)
		return KD_BATCH_COMMITTED;
	return row->withdrawn_at_ms ? KD_BATCH_WITHDRAWN : KD_BATCH_PLANNED;
}

static void apply_batch(journal_job *job, const parsed_key *key, reading *r)
{
	kd_batch_row now = {.partition_index = key->index, .batch_time_ms = key->number,
		.range = {get_number(r, "from"), get_number(r, "until")}, .planned_at_ms = get_number(r, "planned_at"),
		.committed_at_ms = get_count(r, "committed_at"), .withdrawn_at_ms = get_count(r, "withdrawn_at"),
		.records = get_count(r, "records"), .rows = get_count(r, "rows"), .dropped = get_count(r, "dropped"),
		.dead_letters = get_count(r, "dead_letters"), .gap = get_count(r, "gap")};
	get_into(r, "instance", now.instance, sizeof now.instance);
	now.state = state_of(&now);
	r->ok = r->ok && now.range.from < now.range.until;
	const json_t *noted = json_object_get(r->state, "note");
	char *note = noted ? journal_text(noted) : NULL;
	r->no_memory = r->no_memory || (noted && !note);
	journal_part *part = complete(r) && !r->no_memory ? journal_make_part(job, key->index) : NULL;
	journal_identifier *identifier = part ? journal_make_identifier(part, key->number) : NULL;
	r->no_memory = r->no_memory || (r->ok && !identifier);
	if (identifier) {
		identifier->row = now;
		swap(&identifier->note, &note);
	}
	free(note);
}

static void apply_gap(journal_job *job, const parsed_key *key, reading *r)
{
	kd_gap now = {.partition_index = key->index, .range = {key->number, get_number(r, "until")},
		.batch_time_ms = get_number(r, "batch_time"), .at_ms = get_number(r, "at")};
	get_into(r, "reason", now.reason, sizeof now.reason);
	get_into(r, "who", now.who, sizeof now.who);
	r->ok = r->ok && now.range.from < now.range.until;
	kd_gap *gap = complete(r) ? journal_make_gap(job, key->index, key->number) : NULL;
	r->no_memory = r->no_memory || (r->ok && !gap);
	if (gap)
		*gap = now;
}

static void remove_key(journal *j, const parsed_key *key)
{
	journal_job *job = journal_find_job(j, key->job);
	journal_part *part = job ? journal_find_part(job, key->index) : NULL;
	if (!job)
		return;
	switch (key->kind) {
	case KEY_JOB:
		job->has_job = false;
		return;
	case KEY_INSTANCE:
		journal_remove_start(job, &key->owner);
		return;
	case KEY_GAP:
		journal_remove_gap(job, key->index, key->number);
		return;
	case KEY_PARTITION:
		if (part)
			part->has_partition = false;
		return;
	case KEY_POSITION:
		if (part)
			part->has_position = false;
		return;
	case KEY_BATCH:
		if (part)
			journal_remove_identifier(part, key->number);
		return;
	}
}

static kd_code refuse_version(const json_t *state, kd_error *err)
{
	int64_t version = json_integer_value(json_object_get(state, "version"));
	if (version <= JOURNAL_VERSION)
		return KD_OK;
	return kd_error_set(err, KD_ETARGET, KD_STOP,
		"could not use the ledger: its version is %" PRId64 ", this program knows %d; use the newer program", version,
		JOURNAL_VERSION);
}

static void apply_state(journal *j, const parsed_key *key, reading *r)
{
	if (key->kind == KEY_JOB) {
		apply_job(j, key, r);
		return;
	}
	journal_job *job = journal_make_job(j, key->job);
	if (!job)
		r->no_memory = true;
	else if (key->kind == KEY_INSTANCE)
		apply_instance(job, key, r);
	else if (key->kind == KEY_PARTITION)
		apply_partition(job, key, r);
	else if (key->kind == KEY_POSITION)
		apply_position(job, key, r);
	else if (key->kind == KEY_BATCH)
		apply_batch(job, key, r);
	else
		apply_gap(job, key, r);
}

json_t *journal_load(const char *text, size_t size, bool *ret_no_memory)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	kd_json json;
	kd_json_value value;
	json_error_t err = {0};
	json_t *first = json_loadb(text, size, flags, &err);
	json_t *second = first ? json_loadb(text, size, flags, NULL) : NULL;
	if (first)
		*ret_no_memory = !second || !json_equal(first, second);
	else
		*ret_no_memory = json_error_code(&err) != json_error_duplicate_key &&
			json_error_code(&err) != json_error_numeric_overflow && kd_json_whole(&json, text, size, &value);
	json_decref(second);
	if (!*ret_no_memory)
		return first;
	json_decref(first);
	return NULL;
}

char *journal_text(const json_t *value)
{
	bool no_memory;
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	json_t *back = text ? journal_load(text, strlen(text), &no_memory) : NULL;
	bool same = back && json_equal(back, value);
	json_decref(back);
	if (same)
		return text;
	free(text);
	return NULL;
}

kd_code journal_apply(journal *j, const char *text, size_t size, const char *state, size_t state_size, kd_error *err)
{
	parsed_key key;
	if (!read_key(text, size, &key))
		return kd_error_set(err, KD_ELEDGER, KD_STOP, "could not read the ledger: \"%.*s\" is no key of it",
			(int) (size < 200 ? size : 200), text);
	if (!state) {
		remove_key(j, &key);
		return KD_OK;
	}
	reading r = {0};
	json_t *object = journal_load(state, state_size, &r.no_memory);
	r.state = object;
	r.ok = json_is_object(object);
	kd_code code = r.ok && key.kind == KEY_JOB ? refuse_version(object, err) : KD_OK;
	if (!code && r.ok && !r.no_memory)
		apply_state(j, &key, &r);
	json_decref(object);
	if (!code && r.no_memory)
		return kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not read the ledger: no memory");
	if (!code && !r.ok)
		return kd_error_set(err, KD_ELEDGER, KD_STOP, "could not read the ledger: the state of \"%.*s\" makes no sense",
			(int) size, text);
	return code;
}

kd_code journal_take(journal *j, const journal_step *step, kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t i = 0; i < step->n && !code; i++) {
		const journal_line *line = &step->line[i];
		code = journal_apply(j, line->key, strlen(line->key), line->state, line->state ? strlen(line->state) : 0, err);
	}
	return code;
}

static kd_code missing(const journal_job *job, const char *what, int32_t index, kd_error *err)
{
	return kd_error_set(err, KD_ELEDGER, KD_STOP, "could not read the ledger of job \"%s\": \"%s/%s/%" PRId32
		"\" is missing; was a part of the ledger lost?", job->name, what, job->name, index);
}

static kd_code check_job(const journal_job *job, kd_error *err)
{
	for (size_t i = 0; i < job->n_parts; i++) {
		const journal_part *part = &job->part[i];
		if (!part->has_partition && !part->has_position && part->n == 0)
			continue; /* removed for good */
		if (!part->has_partition)
			return missing(job, "partition", part->segment.partition_index, err);
		if (!part->has_position)
			return missing(job, "position", part->segment.partition_index, err);
		if (!job->has_job)
			return kd_error_set(err, KD_ELEDGER, KD_STOP,
				"could not read the ledger: \"job/%s\" is missing; was a part of the ledger lost?", job->name);
	}
	return KD_OK;
}

kd_code journal_check(const journal *j, kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t i = 0; i < j->n && !code; i++)
		code = check_job(&j->job[i], err);
	return code;
}
