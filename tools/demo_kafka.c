/* SPDX-License-Identifier: Apache-2.0 */
/* demo_kafka: see demo_kafka.h.  The main thread opens, allows and closes; the producer's thread owns everything that
 * has no lock of its own, until demo_kafka_finish has joined it. */
#include "demo_kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo_random.h"

enum { TICK_MS = 5, ASK_MS = 10000, FLUSH_MS = 30000 };

struct demo_kafka {
	rd_kafka_t *rk; /* holds the brokers and is the producer */
	pthread_t thread;
	bool started;
	int64_t events;
	struct demo_random random;
	_Atomic int64_t allowed;
	_Atomic int64_t acknowledged;
	atomic_bool stop;
	int64_t failed, cents; /* of the thread that serves delivery reports: the producer's */
	char why[512];
};

/* ---- orders ---- */

/* What an order costs follows from its number, so that a delivery report can add it up. */
static int64_t cents_of(int64_t order)
{
	return 100 + (int64_t) ((uint64_t) order * 2654435761u % 99900);
}

static int write_order(struct demo_kafka *kafka, int64_t order, char *key, size_t key_size, char *text, size_t size)
{
	static const char *const items[] = {"espresso", "flat white", "tea", "croissant", "bagel", "cake", "juice"};
	uint64_t random = demo_random_next(&kafka->random);
	int customer = (int) (random % 5000);

	snprintf(key, key_size, "c-%04d", customer);
	return snprintf(text, size, "{\"order_id\":%lld,\"customer\":\"%s\",\"item\":\"%s\",\"amount_cents\":%lld}",
		(long long) order, key, items[random / 5000 % 7], (long long) cents_of(order));
}

/* ---- the producer ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	struct demo_kafka *kafka = opaque;

	(void) rk;
	if (message->err) {
		kafka->failed++;
		return;
	}
	kafka->cents += cents_of((intptr_t) message->_private);
	atomic_fetch_add(&kafka->acknowledged, 1);
}

/* False: the queue is full, try again later. */
static bool produce_one(struct demo_kafka *kafka, int64_t order)
{
	char key[16], text[160];
	struct demo_random before = kafka->random;
	int size = write_order(kafka, order, key, sizeof key, text, sizeof text);
	rd_kafka_resp_err_t code = rd_kafka_producev(kafka->rk, RD_KAFKA_V_TOPIC(DEMO_TOPIC),
		RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(text, (size_t) size),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE((void *) (intptr_t) order), RD_KAFKA_V_END);

	if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		kafka->random = before;
		return false;
	}
	if (code)
		kafka->failed++;
	return true;
}

static void *producer_main(void *opaque)
{
	struct demo_kafka *kafka = opaque;
	int64_t order = 1;

	while (order <= kafka->events && !atomic_load(&kafka->stop)) {
		int64_t allowed = atomic_load(&kafka->allowed);

		while (order <= allowed && order <= kafka->events && produce_one(kafka, order))
			order++;
		rd_kafka_poll(kafka->rk, TICK_MS);
	}
	if (!atomic_load(&kafka->stop))
		rd_kafka_flush(kafka->rk, FLUSH_MS);
	return NULL;
}

/* ---- brokers ---- */

/* The demo tells its own story. */
static void swallow_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void) rk;
	(void) level;
	(void) facility;
	(void) text;
}

static rd_kafka_conf_t *make_conf(struct demo_kafka *kafka)
{
	/* Idempotence: a retry of the producer's own must not look like a double of the job's.  Compression: what the
	 * brokers keep of a partition is bounded in bytes.  Linger: these brokers answer a fetch with one set of messages. */
	static const char *const settings[][2] = {
		{"enable.idempotence", "true"},
		{"compression.codec", "lz4"},
		{"linger.ms", "30"},
		{"client.id", "kdirect-demo"},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char brokers[16];

	snprintf(brokers, sizeof brokers, "%d", DEMO_BROKERS);
	rd_kafka_conf_set_opaque(conf, kafka);
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
	rd_kafka_conf_set_log_cb(conf, swallow_log);
	bool ok = rd_kafka_conf_set(conf, "test.mock.num.brokers", brokers, kafka->why, sizeof kafka->why) == RD_KAFKA_CONF_OK;
	for (size_t i = 0; ok && i < sizeof settings / sizeof settings[0]; i++)
		ok = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], kafka->why, sizeof kafka->why) == RD_KAFKA_CONF_OK;
	if (ok)
		return conf;
	rd_kafka_conf_destroy(conf);
	return NULL;
}

static bool start_brokers(struct demo_kafka *kafka)
{
	rd_kafka_conf_t *conf = make_conf(kafka);

	if (!conf)
		return false;
	kafka->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, kafka->why, sizeof kafka->why);
	if (!kafka->rk) {
		rd_kafka_conf_destroy(conf);
		return false;
	}
	rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(rd_kafka_handle_mock_cluster(kafka->rk), DEMO_TOPIC,
		DEMO_PARTITIONS, 1);
	if (code)
		snprintf(kafka->why, sizeof kafka->why, "could not create the topic: %s", rd_kafka_err2str(code));
	return !code;
}

struct demo_kafka *demo_kafka_open(int64_t events, uint64_t seed, const char **ret_why)
{
	static char why[512];
	struct demo_kafka *kafka = calloc(1, sizeof *kafka);

	*ret_why = why;
	if (!kafka) {
		snprintf(why, sizeof why, "no memory");
		return NULL;
	}
	kafka->events = events;
	kafka->random = demo_random_from(seed);
	if (!start_brokers(kafka)) {
		snprintf(why, sizeof why, "%s", kafka->why);
		demo_kafka_close(kafka);
		return NULL;
	}
	kafka->started = pthread_create(&kafka->thread, NULL, producer_main, kafka) == 0;
	if (!kafka->started) {
		snprintf(why, sizeof why, "could not start a thread");
		demo_kafka_close(kafka);
		return NULL;
	}
	return kafka;
}

static void join_producer(struct demo_kafka *kafka)
{
	if (kafka->started)
		pthread_join(kafka->thread, NULL);
	kafka->started = false;
}

void demo_kafka_close(struct demo_kafka *kafka)
{
	if (!kafka)
		return;
	atomic_store(&kafka->stop, true);
	join_producer(kafka);
	if (kafka->rk) {
		rd_kafka_purge(kafka->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		rd_kafka_destroy(kafka->rk);
	}
	free(kafka);
}

const char *demo_kafka_bootstrap(const struct demo_kafka *kafka)
{
	return rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(kafka->rk));
}

void demo_kafka_allow(struct demo_kafka *kafka, int64_t events)
{
	atomic_store(&kafka->allowed, events);
}

int64_t demo_kafka_acknowledged(struct demo_kafka *kafka)
{
	return atomic_load(&kafka->acknowledged);
}

/* Adds up what the brokers hold. */
static bool ask_offsets(struct demo_kafka *kafka, int64_t *ret_low, int64_t *ret_high)
{
	*ret_low = *ret_high = 0;
	for (int32_t partition = 0; partition < DEMO_PARTITIONS; partition++) {
		int64_t low, high;
		rd_kafka_resp_err_t code =
			rd_kafka_query_watermark_offsets(kafka->rk, DEMO_TOPIC, partition, &low, &high, ASK_MS);

		if (code) {
			snprintf(kafka->why, sizeof kafka->why, "could not read the offsets of the brokers in this process: %s",
				rd_kafka_err2str(code));
			return false;
		}
		*ret_low += low;
		*ret_high += high;
	}
	return true;
}

bool demo_kafka_finish(struct demo_kafka *kafka, struct demo_produced *ret_produced, const char **ret_why)
{
	int64_t low, high;

	*ret_why = kafka->why;
	join_producer(kafka);
	*ret_produced = (struct demo_produced){.events = demo_kafka_acknowledged(kafka), .failed = kafka->failed,
		.cents = kafka->cents};
	if (!ask_offsets(kafka, &low, &high))
		return false;
	ret_produced->end_offset = high;
	if (low > 0)
		snprintf(kafka->why, sizeof kafka->why, "the brokers in this process have dropped %lld events: they keep 5 MB a "
			"partition, so try fewer --events", (long long) low);
	else if (kafka->failed || high != ret_produced->events)
		snprintf(kafka->why, sizeof kafka->why, "could not produce all events: %lld acknowledged, %lld failed, %lld in the "
			"topic", (long long) ret_produced->events, (long long) kafka->failed, (long long) high);
	else
		return true;
	return false;
}
