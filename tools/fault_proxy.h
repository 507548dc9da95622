/* SPDX-License-Identifier: Apache-2.0 */
/* fault_proxy: a relay between clients and one server that does to the traffic what networks, poolers and failing
 * servers do: lost answers, requests that arrive late or never, cuts, resets, delays, half-open connections.
 *
 * It reads what it relays as far as it must: PostgreSQL's frontend messages (a simple query, or a parse, is a request
 * and its text is known), Kafka's length-prefixed requests (api key, correlation id: the answer belongs to it), or
 * plain bytes.  It changes no byte.  One thread of its own serves all connections; every function below may be called
 * by any thread.  TLS between client and server hides the requests: only the faults without `text` and `api_key` work
 * then.
 *
 *     struct fault_proxy *proxy = fault_proxy_open(FAULT_PROXY_POSTGRES, 0, "127.0.0.1:5432", &why);
 *     fault_proxy_arm(proxy, &(struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "COMMIT", .hit = 1});
 *     ... a client connects to 127.0.0.1:fault_proxy_port(proxy) ...
 *     fault_proxy_done(proxy) is 1 once a COMMIT was passed on, and its answer thrown away */
#ifndef TOOLS_FAULT_PROXY_H
#define TOOLS_FAULT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

enum fault_speech { FAULT_PROXY_BYTES, FAULT_PROXY_POSTGRES, FAULT_PROXY_KAFKA };

enum fault_deed {
	FAULT_DROP_REQUEST, /* it never arrives: the client's connection is reset, the server's is closed */
	FAULT_DROP_ANSWER,  /* it arrives and is answered; then both sides are reset, and the client got nothing of it */
	FAULT_HOLD_REQUEST, /* the client's connection is reset at once; the request arrives `ms` later, by the old one */
	FAULT_DELAY_REQUEST,
	FAULT_DELAY_ANSWER, /* by `ms` */
	FAULT_CUT,          /* both sides are closed in good order (FIN) instead of the request being passed */
	FAULT_HALF_OPEN,    /* from this request on nothing passes in either direction, and nothing is closed */
	FAULT_CUT_REQUEST,  /* after `bytes` bytes of it, what a COPY sends included; a shorter one: before the next */
	FAULT_CUT_ANSWER    /* after `bytes` bytes of its answer; a shorter one: after it */
};

struct fault_order {
	enum fault_deed deed;
	const char *text; /* PostgreSQL: the query holds this text, in any case of letters; NULL: any.  Copied */
	bool whole;       /* the query is that text, and does not only hold it: "commit" is in "committed_at", too */
	const char *in;   /* PostgreSQL: an earlier query of the same transaction holds this text; NULL: any.  Copied */
	int api_key;      /* Kafka: of this kind (KIP numbers them: 0 Produce, 1 Fetch, 2 ListOffsets, 3 Metadata); -1: any */
	int hit;          /* at the hit-th that matches, from 1, counted from now on; 0: at every one */
	int ms;
	int64_t bytes;
};

struct fault_proxy;

/* Listens on 127.0.0.1, port 0: a free one.  target: "host:port", or a socket's path.  NULL: *ret_why says why, one
 * line, not to be freed. */
struct fault_proxy *fault_proxy_open(enum fault_speech speech, int port, const char *target, const char **ret_why);
/* Ends every connection.  Accepts NULL. */
void fault_proxy_close(struct fault_proxy *proxy);

int fault_proxy_port(const struct fault_proxy *proxy);

/* One more order; orders stand beside each other, and the first that is due is done.  False: no memory. */
bool fault_proxy_arm(struct fault_proxy *proxy, const struct fault_order *order);
/* Takes back the orders that are not done yet. */
void fault_proxy_disarm(struct fault_proxy *proxy);
/* How many orders were done by now (one with hit 0 counts each time): a delay when it is over, a request that was held
 * when it was answered, too. */
int64_t fault_proxy_done(struct fault_proxy *proxy);
/* How many were begun: their request was seen. */
int64_t fault_proxy_begun(struct fault_proxy *proxy);
/* How many connections there are. */
int fault_proxy_connections(struct fault_proxy *proxy);

/* The following three have taken effect when they return.
 *
 * New connections are reset at once, until it is called with false. */
void fault_proxy_refuse(struct fault_proxy *proxy, bool on);
/* Nothing passes on any connection, in either direction, until it is called with false: a network that lost its way. */
void fault_proxy_freeze(struct fault_proxy *proxy, bool on);
/* Resets every connection that there is. */
void fault_proxy_reset(struct fault_proxy *proxy);

#endif
