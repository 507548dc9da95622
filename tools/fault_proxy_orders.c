/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy's orders: which one is due at a request. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fault_proxy_private.h"

static bool holds(const char *text, size_t size, const char *wanted)
{
	size_t n = strlen(wanted);
	for (size_t i = 0; i + n <= size; i++)
		if (!strncasecmp(text + i, wanted, n))
			return true;
	return false;
}

/* But for space around it and a semicolon. */
static bool is(const char *text, size_t size, const char *wanted)
{
	while (size > 0 && isspace((unsigned char) *text)) {
		text++;
		size--;
	}
	while (size > 0 && (isspace((unsigned char) text[size - 1]) || text[size - 1] == ';'))
		size--;
	return size == strlen(wanted) && !strncasecmp(text, wanted, size);
}

static bool matches(const struct fault_standing *s, const struct fault_link *link, const struct fault_message *message)
{
	bool by_key = link->proxy->speaker == &fault_kafka && s->order.api_key >= 0;
	if (!message->text)
		return !s->text && !s->in && (!by_key || s->order.api_key == message->api_key);
	if (s->text && !(s->order.whole ? is : holds)(message->text, message->text_size, s->text))
		return false;
	return !s->in || holds(link->history, link->history_size, s->in);
}

/* A query is remembered until its transaction ends: what no longer fits is not. */
static void remember(struct fault_link *link, const struct fault_message *message)
{
	size_t size = link->history_size + message->text_size + 1;
	char *more = message->text && size <= FAULT_HISTORY ? realloc(link->history, size) : NULL;
	if (!more)
		return;
	memcpy(more + link->history_size, message->text, message->text_size);
	more[size - 1] = '\0';
	link->history = more;
	link->history_size = size;
}

static void free_one(struct fault_standing *standing)
{
	free(standing->text);
	free(standing->in);
	free(standing);
}

bool fault_orders_due(struct fault_link *link, const struct fault_message *message, struct fault_order *ret)
{
	struct fault_proxy *proxy = link->proxy;
	struct fault_standing **due = NULL;
	pthread_mutex_lock(&proxy->lock);
	for (struct fault_standing **at = &proxy->orders; *at; at = &(*at)->next) {
		struct fault_standing *s = *at;
		if (matches(s, link, message) && ++s->hits >= s->order.hit && !due)
			due = at;
	}
	bool found = due && !link->act.on;
	if (found) {
		struct fault_standing *s = *due;
		*ret = s->order;
		if (s->order.hit > 0) {
			*due = s->next;
			free_one(s);
		}
	}
	pthread_mutex_unlock(&proxy->lock);
	remember(link, message);
	return found;
}

void fault_orders_free(struct fault_standing *orders)
{
	while (orders) {
		struct fault_standing *next = orders->next;
		free_one(orders);
		orders = next;
	}
}

bool fault_proxy_arm(struct fault_proxy *proxy, const struct fault_order *order)
{
	struct fault_standing *standing = calloc(1, sizeof *standing);
	if (!standing)
		return false;
	standing->order = *order;
	standing->text = order->text ? strdup(order->text) : NULL;
	standing->in = order->in ? strdup(order->in) : NULL;
	standing->order.text = standing->order.in = NULL; /* they are the caller's */
	if ((order->text && !standing->text) || (order->in && !standing->in)) {
		free_one(standing);
		return false;
	}
	pthread_mutex_lock(&proxy->lock);
	struct fault_standing **at = &proxy->orders;
	while (*at)
		at = &(*at)->next;
	*at = standing;
	pthread_mutex_unlock(&proxy->lock);
	return true;
}

void fault_proxy_disarm(struct fault_proxy *proxy)
{
	pthread_mutex_lock(&proxy->lock);
	struct fault_standing *orders = proxy->orders;
	proxy->orders = NULL;
	pthread_mutex_unlock(&proxy->lock);
	fault_orders_free(orders);
}
