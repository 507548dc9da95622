// SPDX-License-Identifier: Apache-2.0
// kafka_ledger: the ledger's topic as this process knows it: what was committed there, applied to a journal in memory.
//
// Lines are read up to the last stable offset, so that a line of an open or an aborted transaction is never seen.  What
// this process commits itself it applies without reading it again.
//
// Somebody else's lines are noticed by the topic's end: behind the last line of this process stands its commit marker,
// which may come a moment after the commit was answered, and then nothing.  A successor's lines always come behind that
// marker, because its init_transactions completes whatever was open; so an end of at most one past the last line means
// that there is no successor.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

#define SHORT_MS 15000

kd_code kafka_ledger_open(kafka_ledger *ledger, const kafka_pairs *connection, const char *topic, const kd_logger *log,
	kd_error *err)
{
	*ledger = (kafka_ledger) {.topic = topic, .journal = journal_new()};
	if (!ledger->journal)
		return kafka_no_memory(err);
	kd_code code = kd_kafka_open((const char *const *) connection->name, (const char *const *) connection->value,
		connection->n, log, KAFKA_ANSWER_MS, &ledger->kafka, err);
	if (code)
		kafka_ledger_close(ledger);
	return code;
}

void kafka_ledger_close(kafka_ledger *ledger)
{
	kd_kafka_close(ledger->kafka);
	journal_free(ledger->journal);
	free(ledger->own);
	*ledger = (kafka_ledger) {0};
}

/* Forgets what was read. */
static kd_code start_anew(kafka_ledger *ledger, kd_error *err)
{
	journal *fresh = journal_new();
	if (!fresh)
		return kafka_no_memory(err);
	journal_free(ledger->journal);
	ledger->journal = fresh;
	ledger->next = 0;
	ledger->spoilt = false;
	return KD_OK;
}

static kd_code ask(kafka_ledger *ledger, int what, kd_offsets *row, kd_error *err)
{
	*row = (kd_offsets) {.topic = ledger->topic, .low = -1, .last_stable = -1, .high = -1};
	kd_code code = kd_kafka_offsets(ledger->kafka, row, 1, what, KAFKA_ANSWER_MS, err);
	if (code && err && err->code == KD_EBROKER && err->action == KD_RETRY)
		return kd_error_prefix(err, "could not look at the ledger's topic \"%s\"", ledger->topic);
	if (!code && row->native)
		code = kafka_error_set(err, (rd_kafka_resp_err_t) row->native, KAFKA_ASKING,
			"could not look at the ledger's topic \"%s\": %s", ledger->topic,
			rd_kafka_err2str((rd_kafka_resp_err_t) row->native));
	return code;
}

kd_code kafka_ledger_ends(kafka_ledger *ledger, int64_t *ret_stable, int64_t *ret_high, kd_error *err)
{
	kd_offsets row;
	kd_code code = ask(ledger, KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH, &row, err);
	*ret_stable = row.last_stable;
	*ret_high = row.high;
	return code;
}

/* ---- lines ---- */

/* The job in a line's key: what is between the first and the second "/". */
static const char *job_of(const char *key, size_t size, size_t *ret_size)
{
	const char *from = memchr(key, '/', size);
	if (!from)
		return NULL;
	from++;
	size_t left = size - (size_t) (from - key);
	const char *until = memchr(from, '/', left);
	*ret_size = until ? (size_t) (until - from) : left;
	return from;
}

static bool is_own(const kafka_ledger *ledger, const char *key, size_t size)
{
	size_t job_size;
	const char *job = job_of(key, size, &job_size);
	return job && ledger->own && strlen(ledger->own) == job_size && !memcmp(job, ledger->own, job_size);
}

typedef struct reading {
	kafka_ledger *ledger;
	const atomic_bool *stop;
	bool ended;
	kd_error err;
} reading;

static bool apply(void *opaque, int64_t offset, int64_t timestamp_ms, const void *key, size_t key_size,
	const void *value, size_t value_size)
{
	reading *r = opaque;
	(void) timestamp_ms;
	r->ended = atomic_load(r->stop);
	if (r->ended)
		return false;
	if (!key)
		kd_error_set(&r->err, KD_ELEDGER, KD_STOP, "a record without a key");
	else
		(void) !journal_apply(r->ledger->journal, key, key_size, value, value_size, &r->err);
	if (r->err.code)
		kd_error_prefix(&r->err, "could not read the ledger in \"%s\" at offset %" PRId64, r->ledger->topic, offset);
	else if (is_own(r->ledger, key, key_size))
		r->ledger->foreign = true;
	return !r->err.code;
}

static kd_code read_range(kafka_ledger *ledger, int64_t from, int64_t until, const atomic_bool *stop, kd_error *err)
{
	reading r = {.ledger = ledger, .stop = stop};
	kd_code code = kd_kafka_scan(ledger->kafka, ledger->topic, 0, from, until, apply, &r, KAFKA_ANSWER_MS, err);
	if (!code && r.err.code) {
		if (err && !err->code)
			*err = r.err;
		code = r.err.code;
	}
	if (!code && r.ended)
		code = kd_error_set(err, KD_ESTOPPED, KD_RETRY, "could not read the ledger: interrupted");
	ledger->spoilt |= code != KD_OK;
	if (!code)
		ledger->next = until;
	return code;
}

/* A topic that ends before what was read of it was deleted, or has lost records that it acknowledged.  The rows that it
 * knew are still in the target and would land again: that is for a person to decide.  A broker that has just become the
 * leader may tell an end that is too low, so it counts when it lasts. */
static kd_code complain_of_loss(kafka_ledger *ledger, int64_t end, kd_error *err)
{
	int64_t now_ms = kafka_mono_ms();
	ledger->short_since_ms = ledger->short_since_ms ? ledger->short_since_ms : now_ms;
	if (now_ms - ledger->short_since_ms < SHORT_MS)
		return kd_error_set(err, KD_ESINK, KD_RETRY, "the ledger's topic \"%s\" ends at offset %" PRId64
			", and was read up to %" PRId64 ": looking again", ledger->topic, end, ledger->next);
	return kd_error_set(err, KD_ELEDGER, KD_STOP, "the ledger's topic \"%s\" ends at offset %" PRId64
		", and was read up to %" PRId64 ": it was deleted or has lost records; what it knew as committed would be written "
		"again by the next start", ledger->topic, end, ledger->next);
}

kd_code kafka_ledger_read(kafka_ledger *ledger, const atomic_bool *stop, kd_error *err)
{
	kd_offsets row;
	kd_code code = ask(ledger, KD_OFFSETS_LOW | KD_OFFSETS_LAST_STABLE | KD_OFFSETS_HIGH, &row, err);
	if (code)
		return code;
	if (row.high < ledger->next)
		return complain_of_loss(ledger, row.high, err);
	ledger->short_since_ms = 0;
	bool anew = ledger->spoilt || row.low > ledger->next;
	/* behind this process's own last commit, as long as its marker is not there */
	if (row.last_stable < ledger->next)
		return anew ? kd_error_set(err, KD_EBUSY, KD_RETRY, "the ledger's topic \"%s\" is still being committed to",
			ledger->topic) : KD_OK;
	if (anew)
		code = start_anew(ledger, err);
	if (!code && ledger->next < row.low)
		ledger->next = row.low;
	return code ? code : read_range(ledger, ledger->next, row.last_stable, stop, err);
}

/* Until all that was written when it began is decided, or the time is over. */
static kd_code await_decisions(kafka_ledger *ledger, int wait_ms, const atomic_bool *stop, bool *ret_decided,
	kd_error *err)
{
	int64_t stable, high, target, end_ms = kafka_mono_ms() + wait_ms;
	kd_code code = kafka_ledger_ends(ledger, &stable, &target, err);
	while (!code && stable < target && !atomic_load(stop) && kafka_mono_ms() < end_ms) {
		kafka_pause(5);
		code = kafka_ledger_ends(ledger, &stable, &high, err);
	}
	*ret_decided = !code && stable >= target;
	return code;
}

kd_code kafka_ledger_look(kafka_ledger *ledger, int wait_ms, const atomic_bool *stop, kd_error *err)
{
	kd_offsets row;
	bool decided;
	kd_code code = ask(ledger, KD_OFFSETS_HIGH, &row, err);
	if (code)
		return code;
	if (!ledger->spoilt && row.high >= ledger->next && row.high <= ledger->next + 1)
		return KD_OK;
	code = await_decisions(ledger, wait_ms, stop, &decided, err);
	return code ? code : kafka_ledger_read(ledger, stop, err);
}

kd_code kafka_ledger_settle(kafka_ledger *ledger, const atomic_bool *stop, kd_error *err)
{
	bool decided;
	kd_code code = await_decisions(ledger, KAFKA_ANSWER_MS, stop, &decided, err);
	if (!code && !decided)
		code = kd_error_set(err, KD_EBUSY, KD_RETRY,
			"could not read the ledger's topic \"%s\" to its end: another job's transaction is open there; a topic of the "
			"job's own (sink.ledger_topic) would not wait for it", ledger->topic);
	return code ? code : kafka_ledger_read(ledger, stop, err);
}

void kafka_ledger_took(kafka_ledger *ledger, const journal_step *step, int64_t last_line)
{
	kd_error err = {0};
	if (journal_take(ledger->journal, step, &err))
		ledger->spoilt = true; /* it is committed, so it is to be read */
	else
		ledger->next = last_line + 1;
	size_t size;
	const char *job = step->n && !ledger->own ? job_of(step->line[0].key, strlen(step->line[0].key), &size) : NULL;
	if (job)
		ledger->own = strndup(job, size);
}
