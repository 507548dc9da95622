/* SPDX-License-Identifier: Apache-2.0 */
/* One connection through the fault proxy: two sockets, and what is on its way between them. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fault_proxy_private.h"

static struct fault_side *other(struct fault_side *side)
{
	struct fault_link *link = side->link;
	return side == &link->client ? &link->server : &link->client;
}

/* What comes from a side. */
static struct fault_stream *stream_of(struct fault_side *side)
{
	return side == &side->link->client ? &side->link->asks : &side->link->answers;
}

/* ---- ends ---- */

void fault_side_close(struct fault_side *side, bool reset)
{
	struct linger at_once = {.l_onoff = 1};
	if (side->fd < 0)
		return;
	if (reset)
		setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	/* Closing is not enough: a child between fork and exec has the socket, too, and so epoll still would. */
	if (side->watched)
		epoll_ctl(side->link->proxy->poll, EPOLL_CTL_DEL, side->fd, NULL);
	close(side->fd);
	side->fd = -1;
	side->watched = 0;
}

void fault_link_reset(struct fault_link *link)
{
	fault_side_close(&link->client, true);
	fault_side_close(&link->server, true);
	link->over = true;
}

static void drop_unseen(struct fault_stream *stream)
{
	stream->seen = stream->end = stream->ready;
	stream->left = 0;
	stream->ended = true;
}

void fault_link_cut(struct fault_link *link)
{
	drop_unseen(&link->asks);
	drop_unseen(&link->answers);
	link->closing_ms = fault_now_ms() + FAULT_LINGER_MS;
}

/* A side is gone.  What was on its way to it is lost; what came from it still arrives. */
static void side_lost(struct fault_side *side)
{
	struct fault_link *link = side->link;
	if (link->dead || link->closing_ms || other(side)->fd < 0) {
		fault_side_close(side, false);
		if (other(side)->fd < 0 && !(side == &link->server && fault_relay_lost(link)))
			link->over = true;
		return;
	}
	if (side != &link->server || !fault_relay_lost(link))
		fault_link_reset(link);
}

/* ---- bytes ---- */

static void make_room(struct fault_stream *s)
{
	if (s->start == s->end && s->seen == s->end)
		s->start = s->ready = s->seen = s->end = 0;
	if (s->end < s->size || s->start == 0)
		return;
	memmove(s->data, s->data + s->start, s->end - s->start);
	s->ready -= s->start;
	s->seen -= s->start;
	s->end -= s->start;
	s->start = 0;
}

static void source_ended(struct fault_side *side)
{
	struct fault_link *link = side->link;
	stream_of(side)->ended = true;
	if (link->dead || link->closing_ms || (side == &link->client && link->act.sent))
		fault_side_close(side, false);
	else if (side == &link->server)
		(void) fault_relay_lost(link);
	if (link->client.fd < 0 && link->server.fd < 0)
		link->over = true;
}

static void take_in(struct fault_side *side)
{
	char nowhere[4096];
	struct fault_link *link = side->link;
	struct fault_stream *s = stream_of(side);
	bool away = link->dead || link->closing_ms;
	make_room(s);
	if (!away && s->end == s->size)
		return;
	ssize_t n = away ? recv(side->fd, nowhere, sizeof nowhere, 0) : recv(side->fd, s->data + s->end, s->size - s->end, 0);
	if (n > 0)
		s->end += away ? 0 : (size_t) n;
	else if (n == 0)
		source_ended(side);
	else if (errno != EAGAIN && errno != EINTR)
		side_lost(side);
}

/* False: the side that they go to is gone. */
static bool write_out(struct fault_side *to, struct fault_stream *s)
{
	while (s->start < s->ready && to->fd >= 0 && !to->connecting) {
		ssize_t n = send(to->fd, s->data + s->start, s->ready - s->start, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		s->start += (size_t) n;
	}
	return true;
}

/* What ended ends behind the proxy, too, once all of it went on. */
static void pass_end(struct fault_side *to, struct fault_stream *s)
{
	if (!s->ended || s->start < s->end || to->fd < 0 || to->shut || to->connecting || to->link->dead)
		return;
	shutdown(to->fd, SHUT_WR);
	to->shut = true;
	struct fault_link *link = to->link;
	if (link->asks.ended && link->answers.ended && link->client.shut && link->server.shut && !link->closing_ms) {
		fault_side_close(&link->client, false);
		fault_side_close(&link->server, false);
		link->over = true;
	}
}

void fault_link_flush(struct fault_link *link)
{
	if (!write_out(&link->server, &link->asks))
		side_lost(&link->server);
	if (!link->over && !write_out(&link->client, &link->answers))
		side_lost(&link->client);
	if (!link->over)
		pass_end(&link->server, &link->asks);
	if (!link->over)
		pass_end(&link->client, &link->answers);
}

/* ---- waiting ---- */

static void watch(struct fault_side *side, uint32_t events)
{
	struct fault_link *link = side->link;
	if (side->fd < 0 || side->watched == events)
		return;
	struct epoll_event event = {.events = events, .data.ptr = side};
	/* Without anything to wait for it is not watched at all: errors are told of even then. */
	int what = !events ? EPOLL_CTL_DEL : side->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(link->proxy->poll, what, side->fd, &event) == 0)
		side->watched = events;
	else
		fault_link_reset(link);
}

static uint32_t wanted(struct fault_side *side)
{
	const struct fault_link *link = side->link;
	struct fault_stream *in = stream_of(side), *out = stream_of(other(side));
	if (link->proxy->frozen)
		return 0;
	if (side->connecting)
		return EPOLLOUT;
	make_room(in);
	bool reads = link->dead || link->closing_ms || (!in->ended && in->end < in->size);
	return (reads ? (uint32_t) EPOLLIN : 0) | (out->start < out->ready ? (uint32_t) EPOLLOUT : 0);
}

void fault_link_pump(struct fault_link *link)
{
	if (!link->over && !link->proxy->frozen)
		fault_relay(link);
	if (!link->over && !link->proxy->frozen)
		fault_link_flush(link);
	if (!link->over)
		watch(&link->client, wanted(&link->client));
	if (!link->over)
		watch(&link->server, wanted(&link->server));
}

static void connected(struct fault_side *side)
{
	int error = 0;
	socklen_t size = sizeof error;
	if (getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
		fault_link_reset(side->link);
	else
		side->connecting = false;
}

void fault_link_event(struct fault_side *side, uint32_t events)
{
	struct fault_link *link = side->link;
	if (link->over || side->fd < 0)
		return;
	if (side->connecting)
		connected(side);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		take_in(side);
	fault_link_pump(link);
}

/* ---- opening ---- */

static bool connect_server(struct fault_link *link)
{
	struct fault_proxy *proxy = link->proxy;
	int on = 1, fd = socket(proxy->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	link->server.fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* not for a path: refused, and no matter */
	setsockopt(link->client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	int rc = connect(fd, (const struct sockaddr *) &proxy->target, proxy->target_size);
	link->server.connecting = rc != 0;
	return rc == 0 || errno == EINPROGRESS;
}

static bool open_stream(struct fault_stream *s)
{
	s->data = malloc(FAULT_BUFFER);
	s->size = FAULT_BUFFER;
	return s->data != NULL;
}

void fault_link_free(struct fault_link *link)
{
	fault_side_close(&link->client, false);
	fault_side_close(&link->server, false);
	free(link->asks.data);
	free(link->answers.data);
	free(link->history);
	free(link);
}

bool fault_link_open(struct fault_proxy *proxy, int take_fd)
{
	struct fault_link *link = calloc(1, sizeof *link);
	if (!link || !open_stream(&link->asks) || !open_stream(&link->answers)) {
		if (link) {
			free(link->asks.data);
			free(link);
		}
		return false;
	}
	link->proxy = proxy;
	link->client = (struct fault_side) {.link = link, .fd = take_fd};
	link->server = (struct fault_side) {.link = link, .fd = -1};
	link->next = proxy->links;
	proxy->links = link;
	atomic_fetch_add(&proxy->connections, 1);
	if (connect_server(link))
		fault_link_pump(link);
	else
		fault_link_reset(link);
	return true;
}
