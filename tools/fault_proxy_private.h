/* SPDX-License-Identifier: Apache-2.0 */
/* fault_proxy, inside: a connection is a link of two sides and two streams.  Only the proxy's own thread touches links;
 * orders and commands come from others and are under the proxy's lock.
 *
 *     fault_proxy.c           the thread: accepts, waits, obeys
 *     fault_proxy_link.c      sockets: connects, reads, writes, ends
 *     fault_proxy_relay.c     what of a stream may pass: here the orders are carried out
 *     fault_proxy_orders.c    which order is due at a request
 *     fault_proxy_postgres.c, fault_proxy_speech.c    where requests and answers begin and end */
#ifndef TOOLS_FAULT_PROXY_PRIVATE_H
#define TOOLS_FAULT_PROXY_PRIVATE_H

#include "fault_proxy.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FAULT_BUFFER 65536             /* of a stream: who sends more waits until it went on */
#define FAULT_HELD_MOST (16 << 20)     /* of a request that is held; a larger one is dropped */
#define FAULT_HISTORY 65536            /* of a transaction's queries */
#define FAULT_LINGER_MS 2000           /* a connection closed in good order waits so long for the other's FIN */

/* One message, or a piece of what has none. */
struct fault_message {
	int64_t size;      /* its head included */
	int64_t number;    /* of the answer that it asks for, or is a part of */
	char kind;         /* the speech's own */
	bool begins;       /* a request begins with it */
	bool ends;         /* the request, or the answer, ends with it */
	bool wants_more;   /* of an answer: now the server waits for data */
	const char *text;  /* of a query; not NUL-ended */
	size_t text_size;
	int api_key;
};

/* [start, ready) may be written, [ready, seen) is held back, [seen, end) was not looked at. */
struct fault_stream {
	char *data;
	size_t size, start, ready, seen, end;
	struct fault_message now; /* being relayed */
	int64_t left;             /* bytes of it */
	bool judged;              /* orders were asked about the message that stands first */
	bool ended;               /* the source sends no more */
};

struct fault_side {
	struct fault_link *link;
	int fd; /* -1: closed */
	uint32_t watched;
	bool connecting, shut; /* shut: it was sent our FIN */
};

/* The order that is carried out on a link: from its request on. */
struct fault_act {
	bool on;
	struct fault_order order;
	int64_t number; /* of the request's answer */
	int64_t bytes;  /* that may still pass */
	int64_t due_ms; /* 0: nothing is waited for */
	bool sent;      /* a request that was held is on its way */
};

struct fault_link {
	struct fault_proxy *proxy;
	struct fault_link *next;
	struct fault_side client, server;
	struct fault_stream asks, answers;
	struct fault_act act;
	bool over;           /* to be freed */
	bool dead;           /* half open: what comes is thrown away */
	int64_t closing_ms;  /* both sides were sent FIN; then it is closed; 0: no */
	/* the speech's own: */
	int64_t asked, answered, copy_number;
	bool started, bare, raw, talking, by_sync;
	char *history; /* of the open transaction: its queries, NUL-ended each */
	size_t history_size;
};

struct fault_speaker {
	/* What stands first in the n > 0 bytes; false: too little to tell.  all: no more comes before these went. */
	bool (*ask)(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret);
	bool (*answer)(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret);
	/* It is being relayed. */
	void (*asked)(struct fault_link *link, const struct fault_message *message);
	void (*answered)(struct fault_link *link, const struct fault_message *message);
};

extern const struct fault_speaker fault_bytes, fault_postgres, fault_kafka;

struct fault_standing {
	struct fault_standing *next;
	struct fault_order order;
	char *text, *in;
	int hits;
};

struct fault_proxy {
	const struct fault_speaker *speaker;
	int listener, poll, wake, port;
	struct sockaddr_storage target;
	socklen_t target_size;
	pthread_t thread;
	atomic_int_fast64_t done, begun;
	atomic_int connections;

	pthread_mutex_t lock; /* of what follows, down to the empty line */
	pthread_cond_t obeyed_more;
	struct fault_standing *orders;
	bool want_refuse, want_freeze, want_reset, want_end;
	int64_t commands, obeyed;

	struct fault_link *links; /* the thread's own, from here on */
	bool refuses, frozen;
};

int64_t fault_now_ms(void);

/* The order that is due at this request, if any: it is no longer standing, then, unless it is for every one. */
bool fault_orders_due(struct fault_link *link, const struct fault_message *message, struct fault_order *ret);
void fault_orders_free(struct fault_standing *orders);

/* Takes what may pass from `seen` on, and does what the act says. */
void fault_relay(struct fault_link *link);
/* The act's time has come. */
void fault_relay_due(struct fault_link *link);
/* The server's connection ended while an act waited for an answer: true where that settles it. */
bool fault_relay_lost(struct fault_link *link);

/* take_fd: the client's.  False: no memory. */
bool fault_link_open(struct fault_proxy *proxy, int take_fd);
void fault_link_free(struct fault_link *link);
/* epoll's events. */
void fault_link_event(struct fault_side *side, uint32_t events);
/* Relays, writes, and watches what there is to wait for. */
void fault_link_pump(struct fault_link *link);
/* Closes a side: with RST, or in good order. */
void fault_side_close(struct fault_side *side, bool reset);
void fault_link_reset(struct fault_link *link);
/* Both sides get FIN, after what may pass. */
void fault_link_cut(struct fault_link *link);
/* Writes what may pass, as far as the socket takes it. */
void fault_link_flush(struct fault_link *link);

#endif
