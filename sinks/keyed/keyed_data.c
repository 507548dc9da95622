// SPDX-License-Identifier: Apache-2.0
// keyed_data: put, flush, then move: what stands in for a data transaction (I1, I2 by key, I3, I6).
//
// keyed_sink.h tells why this order, and what a miss in the middle of it means.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kdirect/sinks.h"
#include "keyed_sink.h"

#define MOST_BYTES (1 << 20) /* of keys and values in one put; a larger record goes alone */
#define OFFSET_BITS 48       /* of a version; the segment is above */
#define FIRST_PAUSE_MS 20    /* before a put is tried again; doubled each time */

/* ---- the ledger's word ---- */

/* Would the identifier commit now?  The compare-and-set itself, taken back: no other rule, and no lock that stays. */
static kd_code ask_ledger(keyed_session *s, kd_cas *ret_cas, kd_error *err)
{
	kd_code code = kd_sqlite_sink.begin(s->ledger, &s->me, &s->entry, ret_cas, err);
	if (!code && *ret_cas == KD_CAS_DONE)
		kd_sqlite_sink.abort(s->ledger);
	return code;
}

static kd_code no_longer_mine(const keyed_session *s, kd_error *err)
{
	return kd_error_set(err, KD_ESINK, KD_REPLAY,
		"could not put \"%s/%" PRId32 "\" [%" PRId64 ", %" PRId64 "): the ledger says that it is not for this instance to do",
		s->topic, s->entry.partition, s->entry.range.from, s->entry.range.until);
}

/* ---- the target's session ---- */

static void set_target(keyed_session *s, bool connected, void *target)
{
	pthread_mutex_lock(&s->lock);
	s->connected = connected;
	s->target = target;
	pthread_mutex_unlock(&s->lock);
}

void keyed_disconnect_target(keyed_session *s)
{
	void *target = s->target;
	bool connected = s->connected;
	set_target(s, false, NULL);
	if (connected)
		s->sink->ops->disconnect(target);
	s->broken = false;
}

void keyed_interrupt(void *session)
{
	keyed_session *s = session;
	kd_sqlite_sink.interrupt(s->ledger);
	pthread_mutex_lock(&s->lock);
	if (s->connected && s->sink->ops->interrupt)
		s->sink->ops->interrupt(s->target);
	pthread_mutex_unlock(&s->lock);
}

/* What the author's function said, in the library's terms.  Repeating the batch partition is what settles anything that
 * may heal; a code without an error would be taken for success further out. */
static kd_code pass_on(keyed_session *s, const char *verb, kd_code code, kd_error *said, kd_error *err)
{
	s->broken = true;
	if (!said->code)
		return kd_error_set(err, code, KD_STOP, "could not %s: sink \"%s\" did not say why", verb, s->sink->ops->name);
	if (said->code == KD_ERECORD)
		said->action = KD_STOP;
	else if (said->action != KD_STOP)
		said->action = KD_REPLAY;
	if (err && !err->code)
		*err = *said;
	return said->code;
}

static kd_code ensure_target(keyed_session *s, kd_error *err)
{
	kd_error said = {0};
	void *target = NULL;
	if (s->connected)
		return KD_OK;
	kd_code code = s->sink->ops->connect(s->sink->target, &target, &said);
	if (code)
		return pass_on(s, "connect", code, &said, err);
	set_target(s, true, target);
	return KD_OK;
}

/* ---- puts ---- */

/* A refusal that names no row still says where to look; a named row is the library's to find. */
static void say_where(const keyed_session *s, kd_error *said)
{
	kd_error where = *said;
	where.code = KD_OK;
	kd_error_set(&where, said->code, said->action,
		"could not put \"%s/%" PRId32 "\" [%" PRId64 ", %" PRId64 "): %s (the sink named no row)", s->topic,
		s->entry.partition, s->entry.range.from, s->entry.range.until, said->message);
	*said = where;
}

/* One try, from the put numbered `first` on.  Asks the ledger before: it may have been long since. */
static kd_code put_once(keyed_session *s, size_t first, size_t n, kd_error *said, kd_error *err)
{
	kd_cas cas = KD_CAS_MISS;
	kd_code code = ask_ledger(s, &cas, err);
	if (code)
		return code;
	if (cas == KD_CAS_MISS)
		return no_longer_mine(s, err);
	code = ensure_target(s, err);
	return code ? code : s->sink->ops->put(s->target, &s->entry, s->puts + first, n - first, said);
}

static void pause_ms(int ms)
{
	struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	nanosleep(&span, NULL);
}

/* Sends the rows gathered.  A target that is busy for a moment is asked again, from where it got to: to begin the batch
 * partition anew for that would never end where every so many-th request fails. */
static kd_code send_puts(keyed_session *s, kd_error *err)
{
	size_t n = s->n_puts, first = 0;
	s->n_puts = s->puts_bytes = 0;
	for (int tries = 0; first < n;) {
		kd_error said = {0}, own = {0};
		kd_code code = put_once(s, first, n, &said, &own);
		if (own.code && err && !err->code)
			*err = own;
		if (!code || own.code)
			return code;
		bool named = said.row >= 1 && said.row <= (int64_t) (n - first);
		size_t done = named ? (size_t) said.row - 1 : 0;
		first += done;
		tries = done ? 1 : tries + 1;
		if (code == KD_ERECORD || said.action != KD_RETRY || tries > KD_KEYED_TRIES) {
			said.row = named ? s->rows - (int64_t) (n - first) + 1 : 0;
			if (said.code == KD_ERECORD && !named)
				say_where(s, &said);
			return pass_on(s, "put", code, &said, err);
		}
		pause_ms(FIRST_PAUSE_MS << (tries - 1));
	}
	return KD_OK;
}

static void identify(keyed_session *s, kd_put *put)
{
	char *identifier = s->identifiers + s->n_puts * s->identifier_size;
	s->row_number = put->offset == s->last_offset ? s->row_number + 1 : 0;
	s->last_offset = put->offset;
	snprintf(identifier, s->identifier_size, "%s/%s/%" PRId32 "/%" PRId32 "/%" PRId64 "/%" PRId32, s->job, s->topic,
		s->entry.partition, s->entry.segment, put->offset, s->row_number);
	put->identifier = identifier;
	put->version = ((int64_t) s->entry.segment << OFFSET_BITS) + put->offset;
}

kd_code keyed_write(void *session, const void *bytes, size_t size, kd_error *err)
{
	keyed_session *s = session;
	if (!s->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not write: no batch partition is open");
	const char *cursor = bytes, *end = cursor + size;
	kd_code code = KD_OK;
	while (cursor < end && !code) {
		kd_put *put = &s->puts[s->n_puts];
		keyed_row_take(&cursor, put);
		identify(s, put);
		s->n_puts++;
		s->rows++;
		s->puts_bytes += put->key_size + put->value_size;
		if (s->n_puts == KD_KEYED_MOST_PUTS || s->puts_bytes >= MOST_BYTES)
			code = send_puts(s, err);
	}
	return code ? code : send_puts(s, err); /* the bytes are borrowed: nothing waits for the next call */
}

/* ---- begin, commit, abort ---- */

static void forget(keyed_session *s)
{
	s->in_data = false;
	free(s->job);
	free(s->topic);
	free(s->identifiers);
	s->job = s->topic = s->identifiers = NULL;
	s->n_puts = s->puts_bytes = 0;
}

static bool remember(keyed_session *s, const kd_owner *me, const kd_batch_partition *entry)
{
	forget(s);
	s->job = strdup(entry->job);
	s->topic = strdup(entry->topic);
	s->identifier_size = strlen(entry->job) + strlen(entry->topic) + sizeof "//-2147483648/-2147483648//-2147483648" + 20;
	s->identifiers = calloc(KD_KEYED_MOST_PUTS, s->identifier_size);
	s->me = *me;
	s->entry = *entry;
	s->entry.job = s->job;
	s->entry.topic = s->topic;
	s->rows = 0;
	s->last_offset = -1;
	return s->job && s->topic && s->identifiers;
}

kd_code keyed_begin(void *session, const kd_owner *me, const kd_batch_partition *entry, kd_cas *ret_cas, kd_error *err)
{
	keyed_session *s = session;
	*ret_cas = KD_CAS_MISS;
	kd_code code = KD_OK;
	if (!remember(s, me, entry))
		code = kd_error_set(err, KD_ENOMEM, KD_RETRY, "could not begin a batch partition: no memory");
	if (!code)
		code = ask_ledger(s, ret_cas, err);
	s->in_data = !code && *ret_cas == KD_CAS_DONE;
	if (!s->in_data)
		forget(s);
	return code;
}

static kd_code flush_target(keyed_session *s, kd_error *err)
{
	kd_error said = {0};
	if (!s->connected || !s->sink->ops->flush)
		return KD_OK;
	kd_code code = s->sink->ops->flush(s->target, &said);
	said.row = 0;
	return code ? pass_on(s, "flush", code, &said, err) : KD_OK;
}

kd_code keyed_commit(void *session, const kd_batch_result *result, kd_durability *ret_durability, kd_error *err)
{
	keyed_session *s = session;
	kd_cas cas = KD_CAS_MISS;
	*ret_durability = KD_DURABLE;
	if (!s->in_data)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not commit: no batch partition is open");
	if (s->rows != result->rows)
		return kd_error_set(err, KD_ESINK, KD_STOP,
			"could not commit: %" PRId64 " of the batch partition's %" PRId64 " rows were put", s->rows, result->rows);
	kd_code code = flush_target(s, err);
	if (!code)
		code = kd_sqlite_sink.begin(s->ledger, &s->me, &s->entry, &cas, err);
	if (!code && cas == KD_CAS_MISS)
		code = no_longer_mine(s, err);
	if (!code)
		code = kd_sqlite_sink.commit(s->ledger, result, ret_durability, err);
	if (!code)
		forget(s);
	return code;
}

/* What was put stays: it is put again, or it was not for this instance to put. */
void keyed_abort(void *session)
{
	keyed_session *s = session;
	kd_sqlite_sink.abort(s->ledger);
	forget(s);
	if (s->broken)
		keyed_disconnect_target(s);
}
