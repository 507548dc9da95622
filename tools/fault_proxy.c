/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy's thread: accepts, waits for sockets, times and commands, and ends.  See fault_proxy.h. */
#include "fault_proxy.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "fault_proxy_private.h"

#define EVENTS 64

int64_t fault_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- the thread ---- */

static void accept_one(struct fault_proxy *proxy)
{
	int fd = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (proxy->refuses) {
		struct linger at_once = {.l_onoff = 1};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		close(fd);
		return;
	}
	if (!fault_link_open(proxy, fd))
		close(fd);
}

static void watch_listener(struct fault_proxy *proxy, bool on)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = proxy};
	epoll_ctl(proxy->poll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, proxy->listener, &event);
}

static void freeze(struct fault_proxy *proxy, bool on)
{
	if (proxy->frozen == on)
		return;
	proxy->frozen = on;
	watch_listener(proxy, !on);
	for (struct fault_link *link = proxy->links; link; link = link->next)
		fault_link_pump(link);
}

/* Does what other threads asked for; false: the end. */
static bool obey(struct fault_proxy *proxy)
{
	pthread_mutex_lock(&proxy->lock);
	int64_t commands = proxy->commands;
	bool frozen = proxy->want_freeze, reset = proxy->want_reset, end = proxy->want_end;
	proxy->refuses = proxy->want_refuse;
	proxy->want_reset = false;
	pthread_mutex_unlock(&proxy->lock);
	if (commands == proxy->obeyed)
		return true;
	for (struct fault_link *link = proxy->links; link && (reset || end); link = link->next)
		fault_link_reset(link);
	if (!end)
		freeze(proxy, frozen);
	pthread_mutex_lock(&proxy->lock);
	proxy->obeyed = commands;
	pthread_cond_broadcast(&proxy->obeyed_more);
	pthread_mutex_unlock(&proxy->lock);
	return !end;
}

static void sweep(struct fault_proxy *proxy)
{
	for (struct fault_link **at = &proxy->links; *at;) {
		struct fault_link *link = *at;
		if (!link->over) {
			at = &link->next;
			continue;
		}
		*at = link->next;
		fault_link_free(link);
		atomic_fetch_sub(&proxy->connections, 1);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Runs what is due, and tells in how many milliseconds the next is; -1: nothing is waited for. */
static int run_timers(struct fault_proxy *proxy)
{
	int64_t now = fault_now_ms(), next = 0;
	for (struct fault_link *link = proxy->links; link && !proxy->frozen; link = link->next) {
		if (!link->over && link->act.on && link->act.due_ms && link->act.due_ms <= now)
			fault_relay_due(link);
		link->over = link->over || (link->closing_ms && link->closing_ms <= now);
		if (!link->over)
			next = earlier(next, earlier(link->act.on ? link->act.due_ms : 0, link->closing_ms));
	}
	return next == 0 ? -1 : next > now ? (int) (next - now) : 0;
}

static void *serve(void *opaque)
{
	struct fault_proxy *proxy = opaque;
	struct epoll_event events[EVENTS];
	do {
		int wait_ms = run_timers(proxy);
		sweep(proxy);
		int n = epoll_wait(proxy->poll, events, EVENTS, wait_ms);
		for (int i = 0; i < n; i++) {
			eventfd_t ignored;
			if (!events[i].data.ptr)
				eventfd_read(proxy->wake, &ignored);
			else if (events[i].data.ptr == proxy)
				accept_one(proxy);
			else
				fault_link_event(events[i].data.ptr, events[i].events);
		}
	} while (obey(proxy));
	sweep(proxy);
	return NULL;
}

/* ---- its commands ---- */

/* Under the lock: wakes the thread, and waits until it has obeyed. */
static void command(struct fault_proxy *proxy)
{
	int64_t mine = ++proxy->commands;
	eventfd_write(proxy->wake, 1);
	while (proxy->obeyed < mine)
		pthread_cond_wait(&proxy->obeyed_more, &proxy->lock);
	pthread_mutex_unlock(&proxy->lock);
}

void fault_proxy_refuse(struct fault_proxy *proxy, bool on)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->want_refuse = on;
	command(proxy);
}

void fault_proxy_freeze(struct fault_proxy *proxy, bool on)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->want_freeze = on;
	command(proxy);
}

void fault_proxy_reset(struct fault_proxy *proxy)
{
	pthread_mutex_lock(&proxy->lock);
	proxy->want_reset = true;
	command(proxy);
}

int fault_proxy_port(const struct fault_proxy *proxy)
{
	return proxy->port;
}

int64_t fault_proxy_done(struct fault_proxy *proxy)
{
	return atomic_load(&proxy->done);
}

int64_t fault_proxy_begun(struct fault_proxy *proxy)
{
	return atomic_load(&proxy->begun);
}

int fault_proxy_connections(struct fault_proxy *proxy)
{
	return atomic_load(&proxy->connections);
}

/* ---- opening ---- */

/* A socket's path, or "host:port", where the host may be an IPv6 address in brackets. */
static const char *find_target(struct fault_proxy *proxy, const char *target)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	const char *colon = strrchr(target, ':');
	char host[256];
	if (strchr(target, '/')) {
		struct sockaddr_un *path = (struct sockaddr_un *) &proxy->target;
		if (strlen(target) >= sizeof path->sun_path)
			return "the socket's path is too long";
		path->sun_family = AF_UNIX;
		strcpy(path->sun_path, target);
		proxy->target_size = sizeof *path;
		return NULL;
	}
	bool bracketed = *target == '[' && colon > target + 1 && colon[-1] == ']';
	int size = colon ? (int) (colon - target) - 2 * bracketed : 0;
	if (size <= 0 || (size_t) size >= sizeof host)
		return "the target is not \"host:port\"";
	snprintf(host, sizeof host, "%.*s", size, target + bracketed);
	int rc = getaddrinfo(host, colon + 1, &hints, &found);
	if (rc != 0)
		return gai_strerror(rc);
	memcpy(&proxy->target, found->ai_addr, found->ai_addrlen);
	proxy->target_size = found->ai_addrlen;
	freeaddrinfo(found);
	return NULL;
}

static bool listen_at(struct fault_proxy *proxy, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int on = 1;
	proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (proxy->listener < 0 || setsockopt(proxy->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
	    bind(proxy->listener, (struct sockaddr *) &address, size) || listen(proxy->listener, SOMAXCONN) ||
	    getsockname(proxy->listener, (struct sockaddr *) &address, &size))
		return false;
	proxy->port = ntohs(address.sin_port);
	return true;
}

/* Signals are for the program's own threads. */
static int start_thread(struct fault_proxy *proxy)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&proxy->thread, NULL, serve, proxy);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static const char *start(struct fault_proxy *proxy, int port, const char *target)
{
	struct epoll_event wake = {.events = EPOLLIN};
	const char *why = find_target(proxy, target);
	if (why)
		return why;
	proxy->poll = epoll_create1(EPOLL_CLOEXEC);
	proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (proxy->poll < 0 || proxy->wake < 0 || !listen_at(proxy, port) ||
	    epoll_ctl(proxy->poll, EPOLL_CTL_ADD, proxy->wake, &wake))
		return strerror(errno);
	watch_listener(proxy, true);
	int rc = start_thread(proxy);
	return rc ? strerror(rc) : NULL;
}

static void free_proxy(struct fault_proxy *proxy)
{
	if (proxy->listener >= 0)
		close(proxy->listener);
	if (proxy->poll >= 0)
		close(proxy->poll);
	if (proxy->wake >= 0)
		close(proxy->wake);
	fault_orders_free(proxy->orders);
	pthread_cond_destroy(&proxy->obeyed_more);
	pthread_mutex_destroy(&proxy->lock);
	free(proxy);
}

struct fault_proxy *fault_proxy_open(enum fault_speech speech, int port, const char *target, const char **ret_why)
{
	struct fault_proxy *proxy = calloc(1, sizeof *proxy);
	*ret_why = "no memory";
	if (!proxy)
		return NULL;
	proxy->listener = proxy->poll = proxy->wake = -1;
	proxy->speaker = speech == FAULT_PROXY_POSTGRES ? &fault_postgres
	                 : speech == FAULT_PROXY_KAFKA  ? &fault_kafka
	                                                : &fault_bytes;
	pthread_mutex_init(&proxy->lock, NULL);
	pthread_cond_init(&proxy->obeyed_more, NULL);
	*ret_why = start(proxy, port, target);
	if (!*ret_why)
		return proxy;
	free_proxy(proxy);
	return NULL;
}

void fault_proxy_close(struct fault_proxy *proxy)
{
	if (!proxy)
		return;
	pthread_mutex_lock(&proxy->lock);
	proxy->want_end = true;
	command(proxy);
	pthread_join(proxy->thread, NULL);
	free_proxy(proxy);
}
