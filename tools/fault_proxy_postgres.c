/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy's ear for PostgreSQL's protocol, version 3.
 *
 * Answers are counted by their ends, ReadyForQuery: one for the start, one for every Query, every Sync and every
 * function call.  So a request, from its Query or Parse to that Query or the next Sync, knows its answer's number,
 * also where requests follow each other without waiting: what the server sends after number k - 1 belongs to number
 * k.  One Sync has no answer: that which came before the data of a COPY, and which the server passes over.
 *
 * Before the start come questions of four-byte codes; from a TLS or GSS session on there are only bytes. */
#include <stdlib.h>
#include <string.h>

#include "fault_proxy_private.h"

enum { CODE_CANCEL = 80877102, CODE_TLS = 80877103, CODE_GSS = 80877104 };

#define KIND_START '\1'  /* the start of a session */
#define KIND_OTHER '\2'  /* before it: a question with a one-byte answer */
#define KIND_CANCEL '\3'
#define KIND_IDLE '\4'   /* ReadyForQuery, out of a transaction */
#define KIND_BARE '\5'   /* a one-byte answer: no */
#define KIND_CIPHER '\6' /* a one-byte answer: yes */

static int64_t number_at(const char *at)
{
	const unsigned char *n = (const unsigned char *) at;
	return (int64_t) n[0] << 24 | n[1] << 16 | n[2] << 8 | n[3];
}

/* What cannot be, goes on as it is. */
static bool unknown(size_t n, struct fault_message *ret)
{
	*ret = (struct fault_message) {.size = (int64_t) n, .number = -1, .api_key = -1};
	return true;
}

static bool ask_before_start(const char *at, size_t n, struct fault_message *ret)
{
	if (n < 8)
		return false;
	int64_t code = number_at(at + 4);
	*ret = (struct fault_message) {.size = number_at(at), .number = 1, .api_key = -1};
	ret->kind = code == CODE_CANCEL ? KIND_CANCEL : code == CODE_TLS || code == CODE_GSS ? KIND_OTHER : KIND_START;
	return ret->size >= 8 || unknown(n, ret);
}

/* The query in a Query's body, or behind the name in a Parse's. */
static void find_text(char kind, const char *body, size_t n, struct fault_message *ret)
{
	const char *end = body + n, *text = body;
	if (kind == 'P') {
		const char *name = memchr(body, '\0', n);
		text = name ? name + 1 : end;
	}
	const char *stop = memchr(text, '\0', (size_t) (end - text));
	ret->text = text;
	ret->text_size = (size_t) ((stop ? stop : end) - text);
}

static bool postgres_ask(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret)
{
	if (link->raw)
		return fault_bytes.ask(link, at, n, all, ret);
	if (!link->started)
		return ask_before_start(at, n, ret);
	if (n < 5)
		return false;
	*ret = (struct fault_message) {.size = 1 + number_at(at + 1), .number = link->asked + 1, .kind = *at, .api_key = -1};
	if (ret->size < 5)
		return unknown(n, ret);
	ret->begins = *at == 'Q' || *at == 'P';
	ret->ends = *at == 'Q' || *at == 'S' || *at == 'F';
	if (*at == 'd' || *at == 'c' || *at == 'f')
		ret->number = link->copy_number;
	if (!ret->begins)
		return true;
	if (n < (size_t) ret->size && !all)
		return false;
	find_text(*at, at + 5, (n < (size_t) ret->size ? n : (size_t) ret->size) - 5, ret);
	return true;
}

static void postgres_asked(struct fault_link *link, const struct fault_message *message)
{
	if (link->raw) {
		fault_bytes.asked(link, message);
		return;
	}
	switch (message->kind) {
	case KIND_CANCEL: link->raw = true; break;
	case KIND_OTHER: link->bare = true; break;
	case KIND_START: link->started = true; link->asked = 1; break;
	case 'Q':
	case 'F':
	case 'S':
		link->asked++;
		link->by_sync = message->kind == 'S';
		break;
	default: break;
	}
}

static bool postgres_answer(const struct fault_link *link, const char *at, size_t n, bool all,
	struct fault_message *ret)
{
	if (link->raw)
		return fault_bytes.answer(link, at, n, all, ret);
	if (link->bare) {
		*ret = (struct fault_message) {.size = 1, .number = 0, .api_key = -1};
		ret->kind = *at == 'N' ? KIND_BARE : KIND_CIPHER;
		return true;
	}
	if (n < 5)
		return false;
	*ret = (struct fault_message) {.size = 1 + number_at(at + 1), .number = link->answered + 1, .kind = *at,
		.api_key = -1};
	if (ret->size < 5)
		return unknown(n, ret);
	ret->wants_more = *at == 'G';
	ret->ends = *at == 'Z';
	if (*at == 'Z' && n < 6)
		return false;
	if (*at == 'Z' && at[5] == 'I')
		ret->kind = KIND_IDLE;
	return true;
}

static void copy_in(struct fault_link *link)
{
	link->copy_number = link->answered + 1;
	if (link->by_sync && link->asked == link->copy_number)
		link->asked--; /* the server passes over that Sync */
}

static void postgres_answered(struct fault_link *link, const struct fault_message *message)
{
	if (link->raw) {
		fault_bytes.answered(link, message);
		return;
	}
	switch (message->kind) {
	case KIND_CIPHER: link->raw = true; break;
	case KIND_BARE: link->bare = false; break;
	case 'G': copy_in(link); break;
	case KIND_IDLE:
	case 'Z':
		link->answered++;
		if (message->kind == KIND_IDLE)
			link->history_size = 0;
		break;
	default: break;
	}
}

const struct fault_speaker fault_postgres = {postgres_ask, postgres_answer, postgres_asked, postgres_answered};
