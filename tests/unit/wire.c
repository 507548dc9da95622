/* SPDX-License-Identifier: Apache-2.0 */
/* Two plain sockets and a fault proxy between them: see wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

/* ---- sockets ---- */

static void limit(int fd)
{
	struct timeval timeout = {.tv_sec = WIRE_TIMEOUT_S};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

int wire_dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	kt_check(fd >= 0 && connect(fd, (struct sockaddr *) &to, sizeof to) == 0, "could not connect: %s", strerror(errno));
	limit(fd);
	return fd;
}

void wire_join(wire *w)
{
	w->client = wire_dial(fault_proxy_port(w->proxy));
	w->server = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	kt_check(w->server >= 0, "nobody came: %s", strerror(errno));
	limit(w->server);
}

wire wire_open(enum fault_speech speech)
{
	wire w = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	const char *why;

	kt_check(bind(w.listener, (struct sockaddr *) &at, size) == 0 && listen(w.listener, 10) == 0 &&
		getsockname(w.listener, (struct sockaddr *) &at, &size) == 0, "could not listen: %s", strerror(errno));
	limit(w.listener);
	char *target = kt_format("127.0.0.1:%d", ntohs(at.sin_port));
	w.proxy = fault_proxy_open(speech, 0, target, &why);
	kt_check(w.proxy, "no proxy: %s", why);
	free(target);
	wire_join(&w);
	return w;
}

void wire_part(wire *w)
{
	close(w->client);
	close(w->server);
}

void wire_close(wire *w)
{
	wire_part(w);
	close(w->listener);
	fault_proxy_close(w->proxy);
}

void wire_say(int fd, const void *bytes, size_t size)
{
	kt_check(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size, "could not send: %s", strerror(errno));
}

void wire_must_hear(int fd, const void *bytes, size_t size)
{
	char *heard = malloc(size);
	ssize_t n = recv(fd, heard, size, MSG_WAITALL);

	cr_assert_eq(n, (ssize_t) size, "%zd of %zu bytes: %s", n, size, strerror(errno));
	cr_assert_arr_eq(heard, bytes, size);
	free(heard);
}

void wire_must_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert_eq(n, 0, "no end: %zd, %s", n, strerror(errno));
}

void wire_must_be_reset(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert(n < 0 && errno == ECONNRESET, "no reset: %zd, %s", n, n < 0 ? strerror(errno) : "bytes or an end");
}

void wire_must_be_silent(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&one, 1, WIRE_SILENCE_MS), 0, "something came");
}

void wire_must_pass(int from, int to, const void *bytes, size_t size)
{
	wire_say(from, bytes, size);
	wire_must_hear(to, bytes, size);
}

/* ---- messages ---- */

void wire_put(wire_text *t, const void *bytes, size_t size)
{
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

void wire_put_number(wire_text *t, uint32_t n)
{
	n = htonl(n);
	wire_put(t, &n, 4);
}

wire_text wire_pg(char kind, const void *body, size_t size)
{
	wire_text t = {.size = 0};

	if (kind)
		wire_put(&t, &kind, 1);
	wire_put_number(&t, (uint32_t) size + 4);
	wire_put(&t, body, size);
	return t;
}

wire_text wire_query(const char *sql)
{
	return wire_pg('Q', sql, strlen(sql) + 1);
}

void wire_add(wire_text *t, char kind, const void *body, size_t size)
{
	wire_text one = wire_pg(kind, body, size);

	wire_put(t, one.bytes, one.size);
}

void wire_add_extended(wire_text *t, const char *sql)
{
	char body[256] = "";

	memcpy(body + 1, sql, strlen(sql) + 1);
	wire_add(t, 'P', body, strlen(sql) + 4);
	wire_add(t, 'B', "\0\0\0\0\0\0\0", 8);
	wire_add(t, 'E', "\0\0\0\0", 5);
}

wire_text wire_answer(const char *tag)
{
	wire_text t = wire_pg('C', tag, strlen(tag) + 1);

	wire_add(&t, 'Z', "I", 1);
	return t;
}

void wire_must_pass_text(int from, int to, const wire_text *t)
{
	wire_must_pass(from, to, t->bytes, t->size);
}

wire wire_open_postgres(void)
{
	wire w = wire_open(FAULT_PROXY_POSTGRES);
	wire_text start = wire_pg(0, "\0\3\0\0user\0x\0", 12), ready = wire_pg('R', "\0\0\0\0", 4);

	wire_add(&ready, 'Z', "I", 1);
	wire_must_pass_text(w.client, w.server, &start);
	wire_must_pass_text(w.server, w.client, &ready);
	return w;
}

wire_text wire_kafka_request(int16_t key, uint32_t number, const char *body)
{
	wire_text t = {.size = 0};
	uint16_t head[] = {htons((uint16_t) key), 0};

	wire_put_number(&t, 8 + (uint32_t) strlen(body));
	wire_put(&t, head, 4);
	wire_put_number(&t, number);
	wire_put(&t, body, strlen(body));
	return t;
}

wire_text wire_kafka_answer(uint32_t number, const char *body)
{
	wire_text t = {.size = 0};

	wire_put_number(&t, 4 + (uint32_t) strlen(body));
	wire_put_number(&t, number);
	wire_put(&t, body, strlen(body));
	return t;
}

void wire_arm(wire *w, struct fault_order order)
{
	kt_check(fault_proxy_arm(w->proxy, &order), "no memory");
}

typedef struct wanted {
	struct fault_proxy *proxy;
	int64_t done;
} wanted;

static bool is_done(void *opaque)
{
	const wanted *w = opaque;

	return fault_proxy_done(w->proxy) == w->done;
}

void wire_await_done(wire *w, int64_t done)
{
	kt_await(is_done, &(wanted) {.proxy = w->proxy, .done = done}, WIRE_TIMEOUT_S * 1000, "the order is done");
}
