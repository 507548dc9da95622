/* SPDX-License-Identifier: Apache-2.0 */
/* What of a stream may pass the fault proxy, message by message: here its orders are carried out. */
#include <stdlib.h>
#include <string.h>

#include "fault_proxy_private.h"

/* Counted before anybody can see it: who is reset finds it done. */
static void done(struct fault_link *link)
{
	link->act.on = false;
	atomic_fetch_add(&link->proxy->done, 1);
}

static bool acts(const struct fault_link *link, enum fault_deed deed)
{
	return link->act.on && link->act.order.deed == deed;
}

/* Takes n bytes as relayed: they may pass, are kept back, or are thrown away. */
static void let(struct fault_stream *s, size_t n)
{
	s->seen += n;
	s->ready = s->seen;
	s->left -= (int64_t) n;
}

static void keep(struct fault_stream *s, size_t n)
{
	s->seen += n;
	s->left -= (int64_t) n;
}

static void throw_away(struct fault_stream *s, size_t n)
{
	memmove(s->data + s->seen, s->data + s->seen + n, s->end - s->seen - n);
	s->end -= n;
	s->left -= (int64_t) n;
}

/* How much of the message is there. */
static size_t there(const struct fault_stream *s)
{
	size_t n = s->end - s->seen;
	return s->left < (int64_t) n ? (size_t) s->left : n;
}

/* What ended in the middle of a message goes on as it is. */
static void let_rest(struct fault_stream *s)
{
	if (s->ended)
		s->ready = s->seen = s->end;
}

/* ---- requests ---- */

static void start_waiting(struct fault_link *link)
{
	link->act.due_ms = fault_now_ms() + link->act.order.ms;
}

/* The client's connection goes at once; its request is all that is left of it. */
static void hold(struct fault_link *link)
{
	struct fault_stream *s = &link->asks;
	s->end = s->seen;
	fault_side_close(&link->client, true);
	start_waiting(link);
}

static void drop_request(struct fault_link *link)
{
	done(link);
	fault_link_flush(link); /* those before it do arrive */
	fault_side_close(&link->client, true);
	fault_side_close(&link->server, false);
	link->over = true;
}

static void cut(struct fault_link *link)
{
	fault_link_cut(link);
	done(link);
}

static void begin_act(struct fault_link *link, const struct fault_message *message, const struct fault_order *order)
{
	link->act = (struct fault_act) {.on = true, .order = *order, .number = message->number, .bytes = order->bytes};
	atomic_fetch_add(&link->proxy->begun, 1);
	switch (order->deed) {
	case FAULT_DROP_REQUEST: drop_request(link); break;
	case FAULT_CUT: cut(link); break;
	case FAULT_HALF_OPEN:
		link->dead = true;
		done(link);
		break;
	case FAULT_DELAY_REQUEST: start_waiting(link); break;
	default: break;
	}
}

/* Takes the next message; false: it is not there yet, or may not begin. */
static bool next_ask(struct fault_link *link)
{
	struct fault_stream *s = &link->asks;
	bool all = s->end == s->size && s->start == 0 && s->seen == 0;
	struct fault_message message;
	if (s->seen == s->end)
		return false;
	if (!link->proxy->speaker->ask(link, s->data + s->seen, s->end - s->seen, all, &message)) {
		let_rest(s);
		return false;
	}
	struct fault_order order;
	if (message.begins && !s->judged && fault_orders_due(link, &message, &order))
		begin_act(link, &message, &order);
	s->judged = true;
	if (link->over || link->closing_ms || link->dead || acts(link, FAULT_DELAY_REQUEST))
		return false;
	if (acts(link, FAULT_CUT_REQUEST) && (link->act.bytes == 0 || message.number != link->act.number)) {
		cut(link);
		return false;
	}
	s->judged = false;
	s->now = message;
	s->left = message.size;
	link->proxy->speaker->asked(link, &message);
	return true;
}

/* A request that is held needs a place. */
static void grow(struct fault_link *link)
{
	struct fault_stream *s = &link->asks;
	if (s->end < s->size || s->start > 0)
		return;
	char *more = s->size < FAULT_HELD_MOST ? realloc(s->data, s->size * 2) : NULL;
	if (!more) {
		drop_request(link);
		return;
	}
	s->data = more;
	s->size *= 2;
}

static void relay_asks(struct fault_link *link)
{
	struct fault_stream *s = &link->asks;
	while (!link->over && !link->closing_ms && !link->dead && link->client.fd >= 0) {
		if (s->left == 0 && !next_ask(link))
			return;
		bool holds = acts(link, FAULT_HOLD_REQUEST), cuts = acts(link, FAULT_CUT_REQUEST);
		size_t n = there(s);
		if (cuts && link->act.bytes < (int64_t) n)
			n = (size_t) link->act.bytes;
		(holds ? keep : let)(s, n);
		link->act.bytes -= cuts ? (int64_t) n : 0;
		if (cuts && link->act.bytes == 0)
			cut(link);
		else if (holds && s->left == 0 && s->now.ends)
			hold(link);
		if (n == 0)
			return;
	}
}

/* ---- answers ---- */

/* Nobody is there for it; when it is whole, the connection ends. */
static void ends_unheard(struct fault_link *link)
{
	bool held = acts(link, FAULT_HOLD_REQUEST);
	done(link);
	if (held) {
		fault_side_close(&link->server, false);
		link->over = true;
	} else {
		fault_link_reset(link);
	}
}

static bool next_answer(struct fault_link *link)
{
	struct fault_stream *s = &link->answers;
	struct fault_act *act = &link->act;
	struct fault_message message;
	if (s->seen == s->end)
		return false;
	bool all = s->end == s->size && s->start == 0 && s->seen == 0;
	if (!link->proxy->speaker->answer(link, s->data + s->seen, s->end - s->seen, all, &message)) {
		let_rest(s);
		return false;
	}
	bool meant = message.number == act->number;
	if (acts(link, FAULT_DELAY_ANSWER) && meant) {
		if (!act->due_ms)
			start_waiting(link);
		return false;
	}
	if (acts(link, FAULT_CUT_ANSWER) && meant && act->bytes == 0) {
		cut(link);
		return false;
	}
	s->now = message;
	s->left = message.size;
	link->proxy->speaker->answered(link, &message);
	return true;
}

/* n bytes of the answer that the act means. */
static void relay_meant(struct fault_link *link, size_t n)
{
	struct fault_stream *s = &link->answers;
	struct fault_act *act = &link->act;
	if (act->order.deed != FAULT_CUT_ANSWER) {
		throw_away(s, n);
		if (s->left == 0 && (s->now.ends || s->now.wants_more))
			ends_unheard(link);
		return;
	}
	if (act->bytes < (int64_t) n)
		n = (size_t) act->bytes;
	let(s, n);
	act->bytes -= (int64_t) n;
	if (act->bytes == 0 || (s->left == 0 && s->now.ends))
		cut(link);
}

static void relay_answers(struct fault_link *link)
{
	struct fault_stream *s = &link->answers;
	while (!link->over && !link->closing_ms && !link->dead) {
		if (s->left == 0 && !next_answer(link))
			return;
		size_t n = there(s);
		if (n == 0 && s->left > 0)
			return;
		bool swallows = acts(link, FAULT_DROP_ANSWER) || acts(link, FAULT_HOLD_REQUEST);
		bool meant = s->now.number == link->act.number && (swallows || acts(link, FAULT_CUT_ANSWER));
		if (meant)
			relay_meant(link, n);
		else if (link->client.fd < 0)
			throw_away(s, n);
		else
			let(s, n);
	}
}

/* ---- both ---- */

void fault_relay(struct fault_link *link)
{
	relay_asks(link);
	if (!link->over && acts(link, FAULT_HOLD_REQUEST) && link->client.fd >= 0)
		grow(link);
	relay_answers(link);
}

void fault_relay_due(struct fault_link *link)
{
	link->act.due_ms = 0;
	if (acts(link, FAULT_HOLD_REQUEST)) {
		link->act.sent = true;
		link->asks.ready = link->asks.seen;
	} else {
		done(link);
	}
	fault_link_pump(link);
}

bool fault_relay_lost(struct fault_link *link)
{
	bool held = acts(link, FAULT_HOLD_REQUEST) && link->client.fd < 0;
	if (!held && !acts(link, FAULT_DROP_ANSWER))
		return false;
	ends_unheard(link);
	return true;
}
