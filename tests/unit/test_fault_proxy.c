/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy between two plain sockets: what it leaves alone, and what it does to all at once; nothing is left
 * behind. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "holding.h"
#include "wait.h"
#include "wire.h"

typedef struct wanted {
	struct fault_proxy *proxy;
	int connections;
} wanted;

static bool has_connections(void *opaque)
{
	const wanted *w = opaque;

	return fault_proxy_connections(w->proxy) == w->connections;
}

/* ---- what is not touched ---- */

Test(fault_proxy, passes_everything_on_and_each_end_by_itself)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	wire_must_pass(w.client, w.server, "to the server", 13);
	wire_must_pass(w.server, w.client, "to the client", 13);
	shutdown(w.client, SHUT_WR);
	wire_must_end(w.server);
	wire_must_pass(w.server, w.client, "the rest", 8);
	close(w.server);
	wire_must_end(w.client);
	kt_await(has_connections, &(wanted) {.proxy = w.proxy, .connections = 0}, WIRE_TIMEOUT_S * 1000,
		"the connection ends");
	close(w.client);
	wire_join(&w);
	wire_close(&w);
}

Test(fault_proxy, a_reset_passes_as_a_reset)
{
	wire w = wire_open(FAULT_PROXY_BYTES);
	struct linger at_once = {.l_onoff = 1};

	wire_must_pass(w.client, w.server, "x", 1);
	setsockopt(w.server, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(w.server);
	wire_must_be_reset(w.client);
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
	wire_text head = {.size = 0};

	wire_put_number(&head, 1 << 30);
	wire_say(w.client, head.bytes, head.size);
	while (sent < MOST && poll(&one, 1, SILENCE_MS) == 1) {
		for (int i = 0; i < PIECE; i++)
			piece[i] = (unsigned char) ((sent + i) * 31 / 7);
		ssize_t n = send(w.client, piece, PIECE, MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? n : 0;
	}
	cr_assert_lt(sent, MOST, "it took everything");
	wire_must_hear(w.server, head.bytes, head.size);
	shutdown(w.client, SHUT_WR);
	for (ssize_t n; (n = recv(w.server, heard, PIECE, 0)) > 0; read += n)
		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(heard[i], (unsigned char) ((read + i) * 31 / 7));
	cr_assert_eq(read, sent);
	wire_close(&w);
}

/* ---- the whole proxy ---- */

Test(fault_proxy, an_order_may_be_for_every_request_and_be_taken_back)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .api_key = -1});
	for (int i = 1; i <= 3; i++) {
		wire_say(w.client, "x", 1);
		wire_must_be_reset(w.client);
		wire_must_end(w.server);
		cr_assert_eq(fault_proxy_done(w.proxy), i);
		wire_part(&w);
		wire_join(&w);
	}
	fault_proxy_disarm(w.proxy);
	wire_must_pass(w.client, w.server, "x", 1);
	wire_close(&w);
}

Test(fault_proxy, refuses_new_connections_until_told_otherwise)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	fault_proxy_refuse(w.proxy, true);
	int refused = wire_dial(fault_proxy_port(w.proxy));
	wire_must_be_reset(refused);
	wire_must_pass(w.client, w.server, "the old one", 11);
	fault_proxy_refuse(w.proxy, false);
	wire_part(&w);
	wire_join(&w);
	close(refused);
	wire_close(&w);
}

Test(fault_proxy, frozen_it_loses_nothing_and_says_nothing)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	fault_proxy_freeze(w.proxy, true);
	wire_say(w.client, "to the server", 13);
	wire_say(w.server, "to the client", 13);
	wire_must_be_silent(w.client);
	wire_must_be_silent(w.server);
	int late = wire_dial(fault_proxy_port(w.proxy));
	wire_say(late, "late", 4);
	fault_proxy_freeze(w.proxy, false);
	wire_must_hear(w.server, "to the server", 13);
	wire_must_hear(w.client, "to the client", 13);
	int server = accept4(w.listener, NULL, NULL, SOCK_CLOEXEC);
	wire_must_hear(server, "late", 4);
	close(server);
	close(late);
	wire_close(&w);
}

Test(fault_proxy, resets_all_there_are_and_takes_new_ones)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	wire_must_pass(w.client, w.server, "x", 1);
	fault_proxy_reset(w.proxy);
	wire_must_be_reset(w.client);
	wire_must_be_reset(w.server);
	wire_part(&w);
	wire_join(&w);
	wire_must_pass(w.client, w.server, "x", 1);
	wire_close(&w);
}

Test(fault_proxy, a_server_that_is_not_there_resets_its_client)
{
	wire w = wire_open(FAULT_PROXY_BYTES);

	wire_part(&w);
	close(w.listener);
	int alone = wire_dial(fault_proxy_port(w.proxy));
	wire_must_be_reset(alone);
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

/* Every deed in turn, with the connection left as it is then. */
Test(fault_proxy, I12_leaves_no_descriptor)
{
	int before = kt_holding_of(getpid()).descriptors;

	for (int deed = FAULT_DROP_REQUEST; deed <= FAULT_CUT_ANSWER; deed++) {
		wire w = wire_open_postgres();
		wire_text commit = wire_query("commit"), tag = wire_answer("COMMIT");

		wire_arm(&w, (struct fault_order) {.deed = (enum fault_deed) deed, .text = "commit", .hit = 1, .ms = 1, .bytes = 3});
		wire_say(w.client, commit.bytes, commit.size);
		if (deed == FAULT_DROP_ANSWER || deed == FAULT_HOLD_REQUEST || deed == FAULT_DELAY_REQUEST ||
		    deed == FAULT_DELAY_ANSWER || deed == FAULT_CUT_ANSWER) {
			wire_must_hear(w.server, commit.bytes, commit.size);
			wire_say(w.server, tag.bytes, tag.size);
		}
		wire_await_done(&w, 1);
		wire_close(&w);
	}
	cr_assert_eq(kt_holding_of(getpid()).descriptors, before);
}
