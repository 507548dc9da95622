/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy in a conversation with a broker: answers belong to their requests, which are told
 * apart by their kind. */
#include <criterion/criterion.h>
#include <string.h>

#include "wire.h"

Test(fault_proxy_kafka, kafka_answers_belong_to_their_requests)
{
	wire w = wire_open(FAULT_PROXY_KAFKA);
	wire_text metadata = wire_kafka_request(3, 7, "m"), fetch = wire_kafka_request(1, 8, "f"), both = metadata;
	wire_text to_metadata = wire_kafka_answer(7, "mm"), to_fetch = wire_kafka_answer(8, "ff");

	wire_put(&both, fetch.bytes, fetch.size);
	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .api_key = 1, .hit = 1});
	wire_must_pass_text(w.client, w.server, &both);
	wire_must_pass_text(w.server, w.client, &to_metadata);
	wire_say(w.server, to_fetch.bytes, to_fetch.size - 1);
	wire_must_be_silent(w.client);
	wire_say(w.server, "f", 1);
	wire_must_be_reset(w.client);
	wire_close(&w);
}

Test(fault_proxy_kafka, kafka_requests_are_told_apart_by_their_kind)
{
	wire w = wire_open(FAULT_PROXY_KAFKA);
	wire_text metadata = wire_kafka_request(3, 1, "m"), fetch = wire_kafka_request(1, 2, "f");
	wire_text to_fetch = wire_kafka_answer(2, "0123456789");

	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_REQUEST, .api_key = 2, .hit = 1});
	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT_ANSWER, .api_key = 1, .hit = 2, .bytes = 13});
	wire_must_pass_text(w.client, w.server, &metadata);
	wire_must_pass_text(w.client, w.server, &fetch);
	wire_must_pass_text(w.server, w.client, &to_fetch);
	wire_must_pass_text(w.client, w.server, &fetch);
	wire_say(w.server, to_fetch.bytes, to_fetch.size);
	wire_must_hear(w.client, to_fetch.bytes, 13);
	wire_must_end(w.client);
	wire_close(&w);
}

Test(fault_proxy_kafka, what_is_enciphered_passes_kafkas_ear_unread)
{
	static const char hello[] = "\x16\x03\x01\x02\x00 hello";
	wire w = wire_open(FAULT_PROXY_KAFKA);

	wire_arm(&w, (struct fault_order) {.deed = FAULT_CUT, .api_key = 1, .hit = 1});
	wire_must_pass(w.client, w.server, hello, sizeof hello);
	wire_must_pass(w.server, w.client, hello, sizeof hello);
	wire_arm(&w, (struct fault_order) {.deed = FAULT_DROP_ANSWER, .api_key = -1, .hit = 1});
	wire_must_pass(w.client, w.server, "x", 1);
	wire_say(w.server, "y", 1);
	wire_must_be_reset(w.client);
	wire_close(&w);
}
