/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy between two plain sockets: each deed does what it says, and nothing is left behind. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dirent.h>
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
#include "tools/fault_proxy.h"
#include "wait.h"

#define TIMEOUT_S 30
#define SHORT_MS 50 /* a silence that is looked at for so long */

typedef struct wire {
	struct fault_proxy *proxy;
	int listener, client, server;
} wire;

/* ---- sockets ---- */

static void limit(int fd)
{
	struct timeval timeout = {.tv_sec = TIMEOUT_S};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

static int dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	kt_check(fd >= 0 && connect(fd, (struct sockaddr *) &to, sizeof to) == 0, "could not connect: %s", strerror(errno));
	limit(fd);
	return fd;
}

static void join(wire *w)
{
	w->client = dial(fault_proxy_port(w->proxy));
	w->server = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	kt_check(w->server >= 0, "nobody came: %s", strerror(errno));
	limit(w->server);
}

static wire wire_open(enum fault_speech speech)
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
	join(&w);
	return w;
}

static void part(wire *w)
{
	close(w->client);
	close(w->server);
}

static void wire_close(wire *w)
{
	part(w);
	close(w->listener);
	fault_proxy_close(w->proxy);
}

static void say(int fd, const void *bytes, size_t size)
{
	kt_check(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size, "could not send: %s", strerror(errno));
}

static void must_hear(int fd, const void *bytes, size_t size)
{
	char *heard = malloc(size);
	ssize_t n = recv(fd, heard, size, MSG_WAITALL);

	cr_assert_eq(n, (ssize_t) size, "%zd of %zu bytes: %s", n, size, strerror(errno));
	cr_assert_arr_eq(heard, bytes, size);
	free(heard);
}

static void must_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert_eq(n, 0, "no end: %zd, %s", n, strerror(errno));
}

static void must_be_reset(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	cr_assert(n < 0 && errno == ECONNRESET, "no reset: %zd, %s", n, n < 0 ? strerror(errno) : "bytes or an end");
}

static void must_be_silent(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&one, 1, SHORT_MS), 0, "something came");
}

static void must_pass(int from, int to, const void *bytes, size_t size)
{
	say(from, bytes, size);
	must_hear(to, bytes, size);
}

/* ---- messages ---- */

typedef struct text {
	char bytes[512];
	size_t size;
} text;

static void put(text *t, const void *bytes, size_t size)
{
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

static void put_number(text *t, uint32_t n)
{
	n = htonl(n);
	put(t, &n, 4);
}

/* One message of PostgreSQL's; kind 0: none, as at the start. */
static text pg(char kind, const void *body, size_t size)
{
	text t = {.size = 0};

	if (kind)
		put(&t, &kind, 1);
	put_number(&t, (uint32_t) size + 4);
	put(&t, body, size);
	return t;
}

static text query(const char *sql)
{
	return pg('Q', sql, strlen(sql) + 1);
}

static void add(text *t, char kind, const void *body, size_t size)
{
	text one = pg(kind, body, size);

	put(t, one.bytes, one.size);
}

/* What libpq sends for one statement of a pipeline. */
static void add_extended(text *t, const char *sql)
{
	char body[256] = "";

	memcpy(body + 1, sql, strlen(sql) + 1);
	add(t, 'P', body, strlen(sql) + 4);
	add(t, 'B', "\0\0\0\0\0\0\0", 8);
	add(t, 'E', "\0\0\0\0", 5);
}

static text answer(const char *tag)
{
	text t = pg('C', tag, strlen(tag) + 1);

	add(&t, 'Z', "I", 1);
	return t;
}

static void must_pass_text(int from, int to, const text *t)
{
	must_pass(from, to, t->bytes, t->size);
}

/* A session as it stands after its start. */
static wire pg_open(void)
{
	wire w = wire_open(FAULT_PROXY_POSTGRES);
	text start = pg(0, "\0\3\0\0user\0x\0", 12), ready = pg('R', "\0\0\0\0", 4);

	add(&ready, 'Z', "I", 1);
	must_pass_text(w.client, w.server, &start);
	must_pass_text(w.server, w.client, &ready);
	return w;
}

static text kafka_request(int16_t key, uint32_t number, const char *body)
{
	text t = {.size = 0};
	uint16_t head[] = {htons((uint16_t) key), 0};

	put_number(&t, 8 + (uint32_t) strlen(body));
	put(&t, head, 4);
	put_number(&t, number);
	put(&t, body, strlen(body));
	return t;
}

static text kafka_answer(uint32_t number, const char *body)
{
	text t = {.size = 0};

	put_number(&t, 4 + (uint32_t) strlen(body));
	put_number(&t, number);
	put(&t, body, strlen(body));
	return t;
}

static void arm(wire *w, struct fault_order order)
{
	kt_check(fault_proxy_arm(w->proxy, &order), "no memory");
}

typedef struct wanted {
	struct fault_proxy *proxy;
	int64_t done;
	int connections;
} wanted;

static bool is_done(void *opaque)
{
	const wanted *w = opaque;

	return fault_proxy_done(w->proxy) == w->done;
}

static bool has_connections(void *opaque)
{
	const wanted *w = opaque;

	return fault_proxy_connections(w->proxy) == w->connections;
}

static void await_done(wire *w, int64_t done)
{
	kt_await(is_done, &(wanted) {.proxy = w->proxy, .done = done}, TIMEOUT_S * 1000, "the order is done");
}

/* ---- what is not touched ---- */

Test(fault_proxy, passes_everything_on_and_each_end_by_itself)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	must_pass(w.client, w.server, "to the server", 13);
	must_pass(w.server, w.client, "to the client", 13);
	shutdown(w.client, SHUT_WR);
	must_end(w.server);
	must_pass(w.server, w.client, "the rest", 8);
	close(w.server);
	must_end(w.client);
	kt_await(has_connections, &(wanted) {.proxy = w.proxy, .connections = 0}, TIMEOUT_S * 1000, "the connection ends");
	close(w.client);
	join(&w);
	wire_close(&w);
}

Test(fault_proxy, a_reset_passes_as_a_reset)
{
	wire w = wire_open(FAULT_PROXY_BYTES);
	struct linger at_once = {.l_onoff = 1};

	must_pass(w.client, w.server, "x", 1);
	setsockopt(w.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(w.server);
	must_be_reset(w.client);
	close(w.client);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

/* What the proxy takes in without its being read is bounded by the kernel's buffers and its own. */
Test(fault_proxy, I12_a_reader_who_is_slow_makes_the_writer_wait)
{
	enum { PIECE = 65536, MOST = 64 << 20, SILENCE_MS = 500 };
	wire w = wire_open(FAULT_PROXY_KAFKA);
	static unsigned char piece[PIECE], heard[PIECE];
	struct pollfd one = {.fd = w.client, .events = POLLOUT};
	int64_t sent = 0, read = 0;
	text head = {.size = 0};

	put_number(&head, 1 << 30);
	say(w.client, head.bytes, head.size);
	while (sent < MOST && poll(&one, 1, SILENCE_MS) == 1) {
		for (int i = 0; i < PIECE; i++)
			piece[i] = (unsigned char) ((sent + i) * 31 / 7);
		ssize_t n = send(w.client, piece, PIECE, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? n : 0;
	}
	cr_assert_lt(sent, MOST, "it took everything");
	must_hear(w.server, head.bytes, head.size);
	shutdown(w.client, SHUT_WR);
	for (ssize_t n; (n = recv(w.server, heard, PIECE, 0)) > 0; read += n)
		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(heard[i], (unsigned char) ((read + i) * 31 / 7));
	cr_assert_eq(read, sent);
	wire_close(&w);
}

/* ---- PostgreSQL ---- */

Test(fault_proxy, the_commit_that_never_arrives)
{
	wire w = pg_open();
	text before = query("update t set committed_at = now()"), tag = answer("UPDATE 1"), commit = query("COMMIT;");

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .text = "commit", .whole = true, .hit = 1});
	must_pass_text(w.client, w.server, &before);
	must_pass_text(w.server, w.client, &tag);
	say(w.client, commit.bytes, commit.size);
	must_be_reset(w.client);
	must_end(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	part(&w);
	join(&w);
	wire_close(&w);
}

Test(fault_proxy, the_commit_whose_answer_is_lost)
{
	wire w = pg_open();
	text commit = {.size = 0}, tag = answer("COMMIT");

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .whole = true, .hit = 1});
	add_extended(&commit, "update t set committed_at = now()");
	add_extended(&commit, "commit");
	add(&commit, 'S', "", 0);
	must_pass_text(w.client, w.server, &commit);
	say(w.server, tag.bytes, tag.size - 1);
	must_be_silent(w.client);
	cr_assert_eq(fault_proxy_done(w.proxy), 0);
	say(w.server, tag.bytes + tag.size - 1, 1);
	must_be_reset(w.client);
	must_be_reset(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	wire_close(&w);
}

Test(fault_proxy, an_answer_is_lost_with_its_server_too)
{
	wire w = pg_open();
	text commit = query("commit");

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .hit = 1});
	must_pass_text(w.client, w.server, &commit);
	close(w.server);
	must_be_reset(w.client);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	close(w.client);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

/* Only the request that is meant: what the pipeline still holds behind it is the client's, and that is gone. */
Test(fault_proxy, the_commit_that_arrives_when_its_client_is_long_gone)
{
	enum { HELD_MS = 300 };
	wire w = pg_open();
	text held = {.size = 0}, after = query("never"), tag = answer("COMMIT");
	int64_t began = kt_now_ms();

	arm(&w, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, .text = "commit", .hit = 1, .ms = HELD_MS});
	add_extended(&held, "commit");
	add(&held, 'S', "", 0);
	say(w.client, held.bytes, 20); /* a request that is not whole is not there yet */
	must_be_silent(w.client);
	text rest = {.size = 0};
	put(&rest, held.bytes + 20, held.size - 20);
	put(&rest, after.bytes, after.size);
	say(w.client, rest.bytes, rest.size);
	must_be_reset(w.client);
	cr_assert_eq(fault_proxy_begun(w.proxy), 1);
	must_hear(w.server, held.bytes, held.size);
	cr_assert_geq(kt_now_ms() - began, HELD_MS);
	must_be_silent(w.server); /* open, until it has answered */
	cr_assert_eq(fault_proxy_done(w.proxy), 0);
	say(w.server, tag.bytes, tag.size);
	must_end(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	wire_close(&w);
}

Test(fault_proxy, a_request_that_is_held_may_be_larger_than_the_proxys_buffer)
{
	enum { SIZE = 1 << 20 };
	wire w = pg_open();
	char *sql = malloc(SIZE);
	uint32_t size = htonl(SIZE - 1);

	memset(sql, 'x', SIZE);
	sql[0] = 'Q';
	memcpy(sql + 1, &size, 4);
	memcpy(sql + 5, "commit", 6);
	sql[SIZE - 1] = '\0';
	arm(&w, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, .text = "commit", .hit = 1, .ms = 1});
	say(w.client, sql, SIZE);
	must_be_reset(w.client);
	must_hear(w.server, sql, SIZE);
	free(sql);
	close(w.server);
	await_done(&w, 1);
	close(w.client);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

Test(fault_proxy, requests_and_answers_may_be_late)
{
	enum { LATE_MS = 200 };
	wire w = pg_open();
	text one = query("select 1"), tag = answer("SELECT 1");

	arm(&w, (struct fault_order) {.deed = FAULT_DELAY_REQUEST, .text = "SELECT", .hit = 1, .ms = LATE_MS});
	arm(&w, (struct fault_order) {.deed = FAULT_DELAY_ANSWER, .text = "select", .hit = 2, .ms = LATE_MS});
	int64_t began = kt_now_ms();
	must_pass_text(w.client, w.server, &one);
	cr_assert_geq(kt_now_ms() - began, LATE_MS);
	must_pass_text(w.server, w.client, &tag);
	began = kt_now_ms();
	must_pass_text(w.client, w.server, &one);
	must_pass_text(w.server, w.client, &tag);
	cr_assert_geq(kt_now_ms() - began, LATE_MS);
	cr_assert_eq(fault_proxy_done(w.proxy), 2);
	must_pass_text(w.client, w.server, &one);
	must_pass_text(w.server, w.client, &tag);
	wire_close(&w);
}

Test(fault_proxy, a_cut_is_a_good_end_for_both)
{
	wire w = pg_open();
	text one = query("one"), two = query("two"), both = one;

	put(&both, two.bytes, two.size);
	arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "two", .hit = 1});
	say(w.client, both.bytes, both.size);
	must_hear(w.server, one.bytes, one.size);
	must_end(w.server);
	must_end(w.client);
	wire_close(&w);
}

/* The server learns nothing of its client's end. */
Test(fault_proxy, half_open_means_that_nothing_passes_and_nothing_ends)
{
	wire w = pg_open();
	text one = query("one");

	arm(&w, (struct fault_order) {.deed = FAULT_HALF_OPEN, .text = "one", .hit = 1});
	say(w.client, one.bytes, one.size);
	await_done(&w, 1);
	say(w.server, "anything", 8);
	must_be_silent(w.client);
	close(w.client);
	must_be_silent(w.server);
	join(&(wire) {.proxy = w.proxy, .listener = w.listener}); /* others pass */
	fault_proxy_reset(w.proxy);
	must_be_reset(w.server);
	close(w.server);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

/* A COPY's data belong to its request; so every byte of it can be the last. */
Test(fault_proxy, cut_after_n_bytes_of_a_copy)
{
	text copy = query("copy t from stdin"), in = pg('G', "\0\0\0", 3), data = pg('d', "a row\n", 6), whole = copy;

	put(&whole, data.bytes, data.size);
	add(&whole, 'c', "", 0);
	for (size_t n = 0; n <= whole.size; n++) {
		wire w = pg_open();

		arm(&w, (struct fault_order) {.deed = FAULT_CUT_REQUEST, .text = "copy", .hit = 1, .bytes = (int64_t) n});
		say(w.client, whole.bytes, copy.size);
		if (n > copy.size) {
			must_hear(w.server, whole.bytes, copy.size);
			must_pass_text(w.server, w.client, &in);
			say(w.client, whole.bytes + copy.size, whole.size - copy.size);
			must_hear(w.server, whole.bytes + copy.size, n - copy.size);
		} else {
			must_hear(w.server, whole.bytes, n);
		}
		must_end(w.server);
		must_end(w.client);
		wire_close(&w);
	}
}

Test(fault_proxy, cut_after_n_bytes_of_an_answer)
{
	text one = query("one"), tag = answer("ONE");

	for (size_t n = 0; n <= tag.size + 1; n++) {
		wire w = pg_open();

		arm(&w, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .text = "one", .hit = 1, .bytes = (int64_t) n});
		must_pass_text(w.client, w.server, &one);
		say(w.server, tag.bytes, tag.size);
		must_hear(w.client, tag.bytes, n < tag.size ? n : tag.size);
		must_end(w.client);
		must_end(w.server);
		wire_close(&w);
	}
}

Test(fault_proxy, an_order_may_name_what_its_transaction_did_before)
{
	wire w = pg_open();
	text insert = query("insert into plan"), commit = query("commit"), update = query("update position");
	text open = pg('Z', "T", 1), closed = pg('Z', "I", 1);

	arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "commit", .whole = true, .in = "INTO plan", .hit = 2});
	for (int i = 0; i < 2; i++) {
		must_pass_text(w.client, w.server, &update);
		must_pass_text(w.server, w.client, &open);
		must_pass_text(w.client, w.server, &commit);
		must_pass_text(w.server, w.client, &closed);
		must_pass_text(w.client, w.server, &insert);
		must_pass_text(w.server, w.client, &open);
		if (i == 0) {
			must_pass_text(w.client, w.server, &commit);
			must_pass_text(w.server, w.client, &closed);
		}
	}
	say(w.client, commit.bytes, commit.size);
	must_end(w.server);
	must_end(w.client);
	wire_close(&w);
}

/* Its data may be sent by the extended protocol, too: the Sync before them has no answer. */
Test(fault_proxy, a_copy_by_the_extended_protocol_does_not_confuse_the_count)
{
	wire w = pg_open();
	text copy = {.size = 0}, in = pg('G', "\0\0\0", 3), data = pg('d', "a row\n", 6), tag = answer("COPY 1");
	text commit = query("commit");

	add_extended(&copy, "copy t from stdin");
	add(&copy, 'S', "", 0);
	add(&data, 'c', "", 0);
	add(&data, 'S', "", 0);
	arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .hit = 1});
	must_pass_text(w.client, w.server, &copy);
	must_pass_text(w.server, w.client, &in);
	must_pass_text(w.client, w.server, &data);
	must_pass_text(w.server, w.client, &tag);
	must_pass_text(w.client, w.server, &commit);
	say(w.server, tag.bytes, tag.size);
	must_be_reset(w.client);
	wire_close(&w);
}

Test(fault_proxy, what_is_enciphered_passes_unread)
{
	wire w = wire_open(FAULT_PROXY_POSTGRES);
	text ask = pg(0, "\4\xd2\x16\x2f", 4), commit = query("commit");

	arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "commit", .hit = 1});
	must_pass_text(w.client, w.server, &ask);
	must_pass(w.server, w.client, "N", 1);
	must_pass_text(w.client, w.server, &ask);
	must_pass(w.server, w.client, "S", 1);
	must_pass_text(w.client, w.server, &commit);
	must_pass_text(w.server, w.client, &commit);
	arm(&w, (struct fault_order) {.deed = FAULT_CUT, .hit = 2}); /* but bytes are bytes */
	must_pass_text(w.client, w.server, &commit);
	must_pass_text(w.server, w.client, &commit);
	say(w.client, commit.bytes, commit.size);
	must_end(w.server);
	must_end(w.client);
	wire_close(&w);
}

Test(fault_proxy, what_is_enciphered_passes_kafkas_ear_unread)
{
	static const char hello[] = "\x16\x03\x01\x02\x00 hello";
	wire w = wire_open(FAULT_PROXY_KAFKA);

	arm(&w, (struct fault_order) {.deed = FAULT_CUT, .api_key = 1, .hit = 1});
	must_pass(w.client, w.server, hello, sizeof hello);
	must_pass(w.server, w.client, hello, sizeof hello);
	arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .api_key = -1, .hit = 1});
	must_pass(w.client, w.server, "x", 1);
	say(w.server, "y", 1);
	must_be_reset(w.client);
	wire_close(&w);
}

Test(fault_proxy, a_message_may_come_byte_by_byte)
{
	wire w = pg_open();
	text commit = query("commit");

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .text = "COMMIT", .hit = 2});
	must_pass_text(w.client, w.server, &commit);
	for (size_t i = 0; i < commit.size; i++)
		say(w.client, commit.bytes + i, 1);
	must_be_reset(w.client);
	must_end(w.server);
	wire_close(&w);
}

/* ---- Kafka ---- */

Test(fault_proxy, kafka_answers_belong_to_their_requests)
{
	wire w = wire_open(FAULT_PROXY_KAFKA);
	text metadata = kafka_request(3, 7, "m"), fetch = kafka_request(1, 8, "f"), both = metadata;
	text to_metadata = kafka_answer(7, "mm"), to_fetch = kafka_answer(8, "ff");

	put(&both, fetch.bytes, fetch.size);
	arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .api_key = 1, .hit = 1});
	must_pass_text(w.client, w.server, &both);
	must_pass_text(w.server, w.client, &to_metadata);
	say(w.server, to_fetch.bytes, to_fetch.size - 1);
	must_be_silent(w.client);
	say(w.server, "f", 1);
	must_be_reset(w.client);
	wire_close(&w);
}

Test(fault_proxy, kafka_requests_are_told_apart_by_their_kind)
{
	wire w = wire_open(FAULT_PROXY_KAFKA);
	text metadata = kafka_request(3, 1, "m"), fetch = kafka_request(1, 2, "f");
	text to_fetch = kafka_answer(2, "0123456789");

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .api_key = 2, .hit = 1});
	arm(&w, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .api_key = 1, .hit = 2, .bytes = 13});
	must_pass_text(w.client, w.server, &metadata);
	must_pass_text(w.client, w.server, &fetch);
	must_pass_text(w.server, w.client, &to_fetch);
	must_pass_text(w.client, w.server, &fetch);
	say(w.server, to_fetch.bytes, to_fetch.size);
	must_hear(w.client, to_fetch.bytes, 13);
	must_end(w.client);
	wire_close(&w);
}

/* ---- the whole proxy ---- */

Test(fault_proxy, an_order_may_be_for_every_request_and_be_taken_back)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .api_key = -1});
	for (int i = 1; i <= 3; i++) {
		say(w.client, "x", 1);
		must_be_reset(w.client);
		must_end(w.server);
		cr_assert_eq(fault_proxy_done(w.proxy), i);
		part(&w);
		join(&w);
	}
	fault_proxy_disarm(w.proxy);
	must_pass(w.client, w.server, "x", 1);
	wire_close(&w);
}

Test(fault_proxy, refuses_new_connections_until_told_otherwise)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	fault_proxy_refuse(w.proxy, true);
	int refused = dial(fault_proxy_port(w.proxy));
	must_be_reset(refused);
	must_pass(w.client, w.server, "the old one", 11);
	fault_proxy_refuse(w.proxy, false);
	part(&w);
	join(&w);
	close(refused);
	wire_close(&w);
}

Test(fault_proxy, frozen_it_loses_nothing_and_says_nothing)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	fault_proxy_freeze(w.proxy, true);
	say(w.client, "to the server", 13);
	say(w.server, "to the client", 13);
	must_be_silent(w.client);
	must_be_silent(w.server);
	int late = dial(fault_proxy_port(w.proxy));
	say(late, "late", 4);
	fault_proxy_freeze(w.proxy, false);
	must_hear(w.server, "to the server", 13);
	must_hear(w.client, "to the client", 13);
	int server = accept4(w.listener, NULL, NULL, SOCK_CLOEXEC);
	must_hear(server, "late", 4);
	close(server);
	close(late);
	wire_close(&w);
}

Test(fault_proxy, resets_all_there_are_and_takes_new_ones)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	must_pass(w.client, w.server, "x", 1);
	fault_proxy_reset(w.proxy);
	must_be_reset(w.client);
	must_be_reset(w.server);
	part(&w);
	join(&w);
	must_pass(w.client, w.server, "x", 1);
	wire_close(&w);
}

Test(fault_proxy, a_server_that_is_not_there_resets_its_client)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	part(&w);
	close(w.listener);
	int alone = dial(fault_proxy_port(w.proxy));
	must_be_reset(alone);
	close(alone);
	fault_proxy_close(w.proxy);
}

Test(fault_proxy, says_why_it_cannot_be_opened)
{
	const char *why;

	cr_assert_null(fault_proxy_open(FAULT_PROXY_BYTES, 0, "nonsense", &why));
	cr_assert_str_eq(why, "the target is not \"host:port\"");
	cr_assert_null(fault_proxy_open(FAULT_PROXY_BYTES, 0, "127.0.0.1:no such port", &why));
	cr_assert_not_null(why);
	fault_proxy_close(NULL);
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Every deed in turn, with the connection left as it is then. */
Test(fault_proxy, I12_leaves_no_descriptor)
{
	int before = descriptors();

	for (int deed = FAULT_DROP_REQUEST; deed <= FAULT_CUT_ANSWER; deed++) {
		wire w = pg_open();
		text commit = query("commit"), tag = answer("COMMIT");

		arm(&w, (struct fault_order) {.deed = (enum fault_deed) deed, .text = "commit", .hit = 1, .ms = 1, .bytes = 3});
		say(w.client, commit.bytes, commit.size);
		if (deed == FAULT_DROP_ANSWER || deed == FAULT_HOLD_REQUEST || deed == FAULT_DELAY_REQUEST ||
		    deed == FAULT_DELAY_ANSWER || deed == FAULT_CUT_ANSWER) {
			must_hear(w.server, commit.bytes, commit.size);
			say(w.server, tag.bytes, tag.size);
		}
		await_done(&w, 1);
		wire_close(&w);
	}
	cr_assert_eq(descriptors(), before);
}
