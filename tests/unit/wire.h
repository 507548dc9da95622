/* SPDX-License-Identifier: Apache-2.0 */
/* Two plain sockets and a fault proxy between them, and what PostgreSQL's and Kafka's clients and servers say. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "tools/fault_proxy.h"

#define WIRE_TIMEOUT_S 30
#define WIRE_SILENCE_MS 50 /* a silence that is looked at for so long */

typedef struct wire {
	struct fault_proxy *proxy;
	int listener, client, server;
} wire;

/* ---- sockets ---- */

wire wire_open(enum fault_speech speech);
/* A session with PostgreSQL as it stands after its start. */
wire wire_open_postgres(void);
void wire_close(wire *w);

/* One more pair, in the place of the one before. */
void wire_join(wire *w);
/* Both of the pair go. */
void wire_part(wire *w);
/* A client by itself. */
int wire_dial(int port);

void wire_say(int fd, const void *bytes, size_t size);
void wire_must_hear(int fd, const void *bytes, size_t size);
void wire_must_pass(int from, int to, const void *bytes, size_t size);
void wire_must_end(int fd);
void wire_must_be_reset(int fd);
void wire_must_be_silent(int fd);

void wire_arm(wire *w, struct fault_order order);
void wire_await_done(wire *w, int64_t done);

/* ---- messages ---- */

typedef struct wire_text {
	char bytes[512];
	size_t size;
} wire_text;

void wire_put(wire_text *t, const void *bytes, size_t size);
void wire_put_number(wire_text *t, uint32_t n);
void wire_must_pass_text(int from, int to, const wire_text *t);

/* One message of PostgreSQL's; kind 0: none, as at the start. */
wire_text wire_pg(char kind, const void *body, size_t size);
wire_text wire_query(const char *sql);
/* How a command ends. */
wire_text wire_answer(const char *tag);
/* One more message of PostgreSQL's. */
void wire_add(wire_text *t, char kind, const void *body, size_t size);
/* What libpq sends for one statement of a pipeline. */
void wire_add_extended(wire_text *t, const char *sql);

wire_text wire_kafka_request(int16_t key, uint32_t number, const char *body);
wire_text wire_kafka_answer(uint32_t number, const char *body);

#endif
