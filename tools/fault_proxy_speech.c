/* SPDX-License-Identifier: Apache-2.0 */
/* The fault proxy's ear for Kafka, and for what it does not know. */
#include <string.h>

#include "fault_proxy_private.h"

static int64_t number_at(const char *at, int bytes)
{
	uint64_t n = 0;
	for (int i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char) at[i];
	return bytes == 2 ? (int16_t) n : (int32_t) n;
}

/* ---- plain bytes: a request begins where the client speaks after the server did ---- */

static bool bytes_ask(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret)
{
	(void) at;
	(void) all;
	*ret = (struct fault_message) {.size = (int64_t) n, .begins = !link->talking, .ends = true, .api_key = -1};
	ret->number = link->asked + ret->begins;
	return true;
}

static bool bytes_answer(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret)
{
	(void) at;
	(void) all;
	*ret = (struct fault_message) {.size = (int64_t) n, .number = link->asked, .ends = true, .api_key = -1};
	return true;
}

static void bytes_asked(struct fault_link *link, const struct fault_message *message)
{
	link->asked = message->number;
	link->talking = true;
}

static void bytes_answered(struct fault_link *link, const struct fault_message *message)
{
	(void) message;
	link->talking = false;
}

const struct fault_speaker fault_bytes = {bytes_ask, bytes_answer, bytes_asked, bytes_answered};

/* ---- Kafka: four bytes of length; a request begins with kind, version and the number that its answer repeats ---- */

#define KIND_CIPHER '\1' /* a TLS session begins */

static bool is_cipher(const struct fault_link *link, const char *at, size_t n)
{
	return !link->started && n >= 2 && at[0] == 0x16 && at[1] == 3;
}

/* A message by its length; false: that is not there yet.  A negative one goes on as it is. */
static bool kafka_frame(const char *at, size_t n, struct fault_message *ret)
{
	*ret = (struct fault_message) {.size = (int64_t) n, .number = -1, .api_key = -1};
	if (n < 4)
		return false;
	int64_t size = number_at(at, 4);
	if (size >= 0)
		ret->size = 4 + size;
	return true;
}

static bool kafka_ask(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret)
{
	if (link->raw)
		return fault_bytes.ask(link, at, n, all, ret);
	if (!kafka_frame(at, n, ret))
		return false;
	if (is_cipher(link, at, n)) {
		*ret = (struct fault_message) {.size = (int64_t) n, .number = -1, .api_key = -1, .kind = KIND_CIPHER};
		return true;
	}
	if (ret->size < 12)
		return true;
	if (n < 12)
		return false;
	ret->begins = ret->ends = true;
	ret->api_key = (int) number_at(at + 4, 2);
	ret->number = number_at(at + 8, 4);
	return true;
}

static bool kafka_answer(const struct fault_link *link, const char *at, size_t n, bool all, struct fault_message *ret)
{
	if (link->raw)
		return fault_bytes.answer(link, at, n, all, ret);
	if (!kafka_frame(at, n, ret))
		return false;
	if (ret->size < 8)
		return true;
	if (n < 8)
		return false;
	ret->ends = true;
	ret->number = number_at(at + 4, 4);
	return true;
}

static void kafka_asked(struct fault_link *link, const struct fault_message *message)
{
	if (link->raw)
		fault_bytes.asked(link, message);
	link->raw = link->raw || message->kind == KIND_CIPHER;
	link->started = true;
}

static void kafka_answered(struct fault_link *link, const struct fault_message *message)
{
	if (link->raw)
		fault_bytes.answered(link, message);
}

const struct fault_speaker fault_kafka = {kafka_ask, kafka_answer, kafka_asked, kafka_answered};
