/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy in a session with PostgreSQL: each deed does what it says to the requests and answers that it is
 * for. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wait.h"
#include "wire.h"

Test(fault_proxy_postgres, the_commit_that_never_arrives)
{
	wire w = wire_open_postgres();
	wire_text before = wire_query("update t set committed_at = now()"), tag = wire_answer("UPDATE 1");
	wire_text commit = wire_query("COMMIT;");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .text = "commit", .whole = true, .hit = 1});
	wire_must_pass_text(w.client, w.server, &before);
	wire_must_pass_text(w.server, w.client, &tag);
	wire_say(w.client, commit.bytes, commit.size);
	wire_must_be_reset(w.client);
	wire_must_end(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	wire_part(&w);
	wire_join(&w);
	wire_close(&w);
}

Test(fault_proxy_postgres, the_commit_whose_answer_is_lost)
{
	wire w = wire_open_postgres();
	wire_text commit = {.size = 0}, tag = wire_answer("COMMIT");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .whole = true, .hit = 1});
	wire_add_extended(&commit, "update t set committed_at = now()");
	wire_add_extended(&commit, "commit");
	wire_add(&commit, 'S', "", 0);
	wire_must_pass_text(w.client, w.server, &commit);
	wire_say(w.server, tag.bytes, tag.size - 1);
	wire_must_be_silent(w.client);
	cr_assert_eq(fault_proxy_done(w.proxy), 0);
	wire_say(w.server, tag.bytes + tag.size - 1, 1);
	wire_must_be_reset(w.client);
	wire_must_be_reset(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	wire_close(&w);
}

Test(fault_proxy_postgres, an_answer_is_lost_with_its_server_too)
{
	wire w = wire_open_postgres();
	wire_text commit = wire_query("commit");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .hit = 1});
	wire_must_pass_text(w.client, w.server, &commit);
	close(w.server);
	wire_must_be_reset(w.client);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	close(w.client);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

/* Only the request that is meant: what the pipeline still holds behind it is the client's, and that is gone. */
Test(fault_proxy_postgres, the_commit_that_arrives_when_its_client_is_long_gone)
{
	enum { HELD_MS = 300 };
	wire w = wire_open_postgres();
	wire_text held = {.size = 0}, after = wire_query("never"), tag = wire_answer("COMMIT");
	int64_t began = kt_now_ms();

	wire_arm(&w, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, .text = "commit", .hit = 1, .ms = HELD_MS});
	wire_add_extended(&held, "commit");
	wire_add(&held, 'S', "", 0);
	wire_say(w.client, held.bytes, 20); /* a request that is not whole is not there yet */
	wire_must_be_silent(w.client);
	wire_text rest = {.size = 0};
	wire_put(&rest, held.bytes + 20, held.size - 20);
	wire_put(&rest, after.bytes, after.size);
	wire_say(w.client, rest.bytes, rest.size);
	wire_must_be_reset(w.client);
	cr_assert_eq(fault_proxy_begun(w.proxy), 1);
	wire_must_hear(w.server, held.bytes, held.size);
	cr_assert_geq(kt_now_ms() - began, HELD_MS);
	wire_must_be_silent(w.server); /* open, until it has answered */
	cr_assert_eq(fault_proxy_done(w.proxy), 0);
	wire_say(w.server, tag.bytes, tag.size);
	wire_must_end(w.server);
	cr_assert_eq(fault_proxy_done(w.proxy), 1);
	wire_close(&w);
}

Test(fault_proxy_postgres, a_request_that_is_held_may_be_larger_than_the_proxys_buffer)
{
	enum { SIZE = 1 << 20 };
	wire w = wire_open_postgres();
	char *sql = malloc(SIZE);
	uint32_t size = htonl(SIZE - 1);

	memset(sql, 'x', SIZE);
	sql[0] = 'Q';
	memcpy(sql + 1, &size, 4);
	memcpy(sql + 5, "commit", 6);
	sql[SIZE - 1] = '\0';
	wire_arm(&w, (struct fault_order) {.deed = FAULT_HOLD_REQUEST, .text = "commit", .hit = 1, .ms = 1});
	wire_say(w.client, sql, SIZE);
	wire_must_be_reset(w.client);
	wire_must_hear(w.server, sql, SIZE);
	free(sql);
	close(w.server);
	wire_await_done(&w, 1);
	close(w.client);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

Test(fault_proxy_postgres, requests_and_answers_may_be_late)
{
	enum { LATE_MS = 200 };
	wire w = wire_open_postgres();
	wire_text one = wire_query("select 1"), tag = wire_answer("SELECT 1");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DELAY_REQUEST, .text = "SELECT", .hit = 1, .ms = LATE_MS});
	wire_arm(&w, (struct fault_order) {.deed = FAULT_DELAY_ANSWER, .text = "select", .hit = 2, .ms = LATE_MS});
	int64_t began = kt_now_ms();
	wire_must_pass_text(w.client, w.server, &one);
	cr_assert_geq(kt_now_ms() - began, LATE_MS);
	wire_must_pass_text(w.server, w.client, &tag);
	began = kt_now_ms();
	wire_must_pass_text(w.client, w.server, &one);
	wire_must_pass_text(w.server, w.client, &tag);
	cr_assert_geq(kt_now_ms() - began, LATE_MS);
	cr_assert_eq(fault_proxy_done(w.proxy), 2);
	wire_must_pass_text(w.client, w.server, &one);
	wire_must_pass_text(w.server, w.client, &tag);
	wire_close(&w);
}

Test(fault_proxy_postgres, a_cut_is_a_good_end_for_both)
{
	wire w = wire_open_postgres();
	wire_text one = wire_query("one"), two = wire_query("two"), both = one;

	wire_put(&both, two.bytes, two.size);
	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "two", .hit = 1});
	wire_say(w.client, both.bytes, both.size);
	wire_must_hear(w.server, one.bytes, one.size);
	wire_must_end(w.server);
	wire_must_end(w.client);
	wire_close(&w);
}

/* The server learns nothing of its client's end. */
Test(fault_proxy_postgres, half_open_means_that_nothing_passes_and_nothing_ends)
{
	wire w = wire_open_postgres();
	wire_text one = wire_query("one");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_HALF_OPEN, .text = "one", .hit = 1});
	wire_say(w.client, one.bytes, one.size);
	wire_await_done(&w, 1);
	wire_say(w.server, "anything", 8);
	wire_must_be_silent(w.client);
	close(w.client);
	wire_must_be_silent(w.server);
	wire_join(&(wire) {.proxy = w.proxy, .listener = w.listener}); /* others pass */
	fault_proxy_reset(w.proxy);
	wire_must_be_reset(w.server);
	close(w.server);
	close(w.listener);
	fault_proxy_close(w.proxy);
}

/* A COPY's data belong to its request; so every byte of it can be the last. */
Test(fault_proxy_postgres, cut_after_n_bytes_of_a_copy)
{
	wire_text copy = wire_query("copy t from stdin"), in = wire_pg('G', "\0\0\0", 3);
	wire_text data = wire_pg('d', "a row\n", 6), whole = copy;

	wire_put(&whole, data.bytes, data.size);
	wire_add(&whole, 'c', "", 0);
	for (size_t n = 0; n <= whole.size; n++) {
		wire w = wire_open_postgres();

		wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT_REQUEST, .text = "copy", .hit = 1, .bytes = (int64_t) n});
		wire_say(w.client, whole.bytes, copy.size);
		if (n > copy.size) {
			wire_must_hear(w.server, whole.bytes, copy.size);
			wire_must_pass_text(w.server, w.client, &in);
			wire_say(w.client, whole.bytes + copy.size, whole.size - copy.size);
			wire_must_hear(w.server, whole.bytes + copy.size, n - copy.size);
		} else {
			wire_must_hear(w.server, whole.bytes, n);
		}
		wire_must_end(w.server);
		wire_must_end(w.client);
		wire_close(&w);
	}
}

Test(fault_proxy_postgres, cut_after_n_bytes_of_an_answer)
{
	wire_text one = wire_query("one"), tag = wire_answer("ONE");

	for (size_t n = 0; n <= tag.size + 1; n++) {
		wire w = wire_open_postgres();

		wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .text = "one", .hit = 1, .bytes = (int64_t) n});
		wire_must_pass_text(w.client, w.server, &one);
		wire_say(w.server, tag.bytes, tag.size);
		wire_must_hear(w.client, tag.bytes, n < tag.size ? n : tag.size);
		wire_must_end(w.client);
		wire_must_end(w.server);
		wire_close(&w);
	}
}

Test(fault_proxy_postgres, an_order_may_name_what_its_transaction_did_before)
{
	wire w = wire_open_postgres();
	wire_text insert = wire_query("insert into plan"), commit = wire_query("commit");
	wire_text update = wire_query("update position");
	wire_text open = wire_pg('Z', "T", 1), closed = wire_pg('Z', "I", 1);

	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "commit", .whole = true, .in = "INTO plan", .hit = 2});
	for (int i = 0; i < 2; i++) {
		wire_must_pass_text(w.client, w.server, &update);
		wire_must_pass_text(w.server, w.client, &open);
		wire_must_pass_text(w.client, w.server, &commit);
		wire_must_pass_text(w.server, w.client, &closed);
		wire_must_pass_text(w.client, w.server, &insert);
		wire_must_pass_text(w.server, w.client, &open);
		if (i == 0) {
			wire_must_pass_text(w.client, w.server, &commit);
			wire_must_pass_text(w.server, w.client, &closed);
		}
	}
	wire_say(w.client, commit.bytes, commit.size);
	wire_must_end(w.server);
	wire_must_end(w.client);
	wire_close(&w);
}

/* Its data may be sent by the extended protocol, too: the Sync before them has no answer. */
Test(fault_proxy_postgres, a_copy_by_the_extended_protocol_does_not_confuse_the_count)
{
	wire w = wire_open_postgres();
	wire_text copy = {.size = 0}, in = wire_pg('G', "\0\0\0", 3);
	wire_text data = wire_pg('d', "a row\n", 6), tag = wire_answer("COPY 1");
	wire_text commit = wire_query("commit");

	wire_add_extended(&copy, "copy t from stdin");
	wire_add(&copy, 'S', "", 0);
	wire_add(&data, 'c', "", 0);
	wire_add(&data, 'S', "", 0);
	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .text = "commit", .hit = 1});
	wire_must_pass_text(w.client, w.server, &copy);
	wire_must_pass_text(w.server, w.client, &in);
	wire_must_pass_text(w.client, w.server, &data);
	wire_must_pass_text(w.server, w.client, &tag);
	wire_must_pass_text(w.client, w.server, &commit);
	wire_say(w.server, tag.bytes, tag.size);
	wire_must_be_reset(w.client);
	wire_close(&w);
}

Test(fault_proxy_postgres, what_is_enciphered_passes_unread)
{
	wire w = wire_open(FAULT_PROXY_POSTGRES);
	wire_text ask = wire_pg(0, "\4\xd2\x16\x2f", 4), commit = wire_query("commit");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT, .text = "commit", .hit = 1});
	wire_must_pass_text(w.client, w.server, &ask);
	wire_must_pass(w.server, w.client, "N", 1);
	wire_must_pass_text(w.client, w.server, &ask);
	wire_must_pass(w.server, w.client, "S", 1);
	wire_must_pass_text(w.client, w.server, &commit);
	wire_must_pass_text(w.server, w.client, &commit);
	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT, .hit = 2}); /* but bytes are bytes */
	wire_must_pass_text(w.client, w.server, &commit);
	wire_must_pass_text(w.server, w.client, &commit);
	wire_say(w.client, commit.bytes, commit.size);
	wire_must_end(w.server);
	wire_must_end(w.client);
	wire_close(&w);
}

Test(fault_proxy_postgres, a_message_may_come_byte_by_byte)
{
	wire w = wire_open_postgres();
	wire_text commit = wire_query("commit");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .text = "COMMIT", .hit = 2});
	wire_must_pass_text(w.client, w.server, &commit);
	for (size_t i = 0; i < commit.size; i++)
		wire_say(w.client, commit.bytes + i, 1);
	wire_must_be_reset(w.client);
	wire_must_end(w.server);
	wire_close(&w);
}
