/* SPDX-License-Identifier: Apache-2.0 */
/* demo_kafka: brokers inside this process and a producer that fills a topic with orders, in a thread of its own.
 *
 * The brokers are librdkafka's mock cluster: real sockets and the real protocol, so that a child process reads from
 * them as from any Kafka, but everything is kept in memory and little of it: 5 MB a partition.
 *
 * Order of calls: demo_kafka_open, demo_kafka_allow any number of times, demo_kafka_finish, demo_kafka_close. */
#ifndef TOOLS_DEMO_KAFKA_H
#define TOOLS_DEMO_KAFKA_H

#include <stdbool.h>
#include <stdint.h>

#define DEMO_TOPIC "orders"
enum { DEMO_BROKERS = 3, DEMO_PARTITIONS = 4 };

struct demo_kafka;

/* What the producer knows about what it has produced. */
struct demo_produced {
	int64_t events;     /* acknowledged by the brokers */
	int64_t failed;     /* given up */
	int64_t cents;      /* the sum of all orders acknowledged */
	int64_t end_offset; /* of all partitions, added up; known after finish */
};

/* Starts brokers and producer: `events` orders numbered from 1, as far as demo_kafka_allow lets them come.  NULL:
 * *ret_why says why, one line, not to be freed. */
struct demo_kafka *demo_kafka_open(int64_t events, uint64_t seed, const char **ret_why);
void demo_kafka_close(struct demo_kafka *kafka);

/* Borrowed. */
const char *demo_kafka_bootstrap(const struct demo_kafka *kafka);

/* Lets the producer go on until so many events are produced.  Any thread. */
void demo_kafka_allow(struct demo_kafka *kafka, int64_t events);

/* How many are acknowledged by now.  Any thread. */
int64_t demo_kafka_acknowledged(struct demo_kafka *kafka);

/* Waits for the end of the producer, then asks the brokers what they hold.  False where they dropped something or hold
 * something else than was acknowledged: then the demo would prove nothing; *ret_why says what. */
bool demo_kafka_finish(struct demo_kafka *kafka, struct demo_produced *ret_produced, const char **ret_why);

#endif
