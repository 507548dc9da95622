// SPDX-License-Identifier: Apache-2.0
// kafka_topics: which topics a cluster has, and how many partitions each.
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka_error.h"
#include "kafka_private.h"

enum { TRY_MS = 5000, UNKNOWN_LASTS_MS = 500, PAUSE_MS = 50 };

void kd_topics_free(kd_topic *topics, size_t n)
{
	for (size_t i = 0; topics && i < n; i++)
		free(topics[i].name);
	free(topics);
}

static kd_code out_of_memory(kd_error *err)
{
	return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not list topics: out of memory");
}

// What one topic's metadata say; 0 with its partitions' number in *ret_partitions.
static rd_kafka_resp_err_t look_at_topic(kd_client *client, const char *name, int timeout_ms, int32_t *ret_partitions)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(client->rk, name, NULL);
	if (!topic)
		return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
	const struct rd_kafka_metadata *metadata = NULL;
	rd_kafka_resp_err_t native = rd_kafka_metadata(client->rk, 0, topic, &metadata, timeout_ms);
	if (!native) {
		native = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
		*ret_partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
		rd_kafka_metadata_destroy(metadata);
	}
	if (!native && *ret_partitions == 0)
		native = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
	rd_kafka_topic_destroy(topic);
	return native;
}

static int piece_of(int64_t deadline_ms)
{
	const int64_t left_ms = deadline_ms - kd_clock_mono_ms();
	return left_ms < 1 ? 1 : left_ms < TRY_MS ? (int) left_ms : TRY_MS;
}

// A topic that was just created is unknown to some brokers for a moment.
static bool may_heal(rd_kafka_resp_err_t native, int64_t since_ms)
{
	if (kd_kafka_is_unknown_topic(native))
		return kd_clock_mono_ms() - since_ms < UNKNOWN_LASTS_MS;
	return kd_kafka_judge(native).action == KD_RETRY;
}

static kd_code count_partitions(kd_client *client, const char *name, int64_t deadline_ms, int32_t *ret_partitions,
	kd_error *err)
{
	const int64_t since_ms = kd_clock_mono_ms();
	rd_kafka_resp_err_t native;
	while ((native = look_at_topic(client, name, piece_of(deadline_ms), ret_partitions))) {
		kd_client_serve(client);
		if (client->fault || !may_heal(native, since_ms) || kd_clock_mono_ms() >= deadline_ms)
			break;
		rd_kafka_poll(client->rk, PAUSE_MS);
	}
	if (!native)
		return KD_OK;
	if (kd_kafka_is_unknown_topic(native)) {
		kd_error_set(err, KD_EBROKER, KD_STOP, "could not find topic \"%s\": the cluster has no such topic", name);
		if (err)
			err->native = native;
		return KD_EBROKER;
	}
	return kd_kafka_error(native, err, "could not look at topic \"%s\": %s", name,
		client->reason[0] ? client->reason : rd_kafka_err2str(native));
}

static kd_code list_named(kd_client *client, const char *const *names, size_t n, int64_t deadline_ms, kd_topic *topics,
	kd_error *err)
{
	kd_code code = KD_OK;
	for (size_t i = 0; i < n && code == KD_OK; i++) {
		topics[i].name = strdup(names[i]);
		if (!topics[i].name)
			return out_of_memory(err);
		code = count_partitions(client, names[i], deadline_ms, &topics[i].partitions, err);
	}
	return code;
}

static bool is_internal(const char *name)
{
	return strcmp(name, "__consumer_offsets") == 0 || strcmp(name, "__transaction_state") == 0 ||
		strcmp(name, "__share_group_state") == 0 || strcmp(name, "__cluster_metadata") == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const kd_topic *) a)->name, ((const kd_topic *) b)->name);
}

static kd_code copy_all(const struct rd_kafka_metadata *metadata, kd_topic *topics, size_t *ret_n, kd_error *err)
{
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *it = &metadata->topics[i];
		if (is_internal(it->topic) || it->err)
			continue;
		topics[*ret_n] = (kd_topic) {strdup(it->topic), it->partition_cnt};
		if (!topics[*ret_n].name)
			return out_of_memory(err);
		++*ret_n;
	}
	qsort(topics, *ret_n, sizeof *topics, by_name);
	return KD_OK;
}

static kd_code list_all(kd_client *client, int timeout_ms, kd_topic **ret_topics, size_t *ret_n, kd_error *err)
{
	const struct rd_kafka_metadata *metadata = NULL;
	const rd_kafka_resp_err_t native = rd_kafka_metadata(client->rk, 1, NULL, &metadata, timeout_ms);
	kd_client_serve(client);
	if (native)
		return kd_kafka_error(client->fault ? client->fault : native, err, "could not list topics: %s",
			client->reason[0] ? client->reason : rd_kafka_err2str(native));
	size_t n = 0;
	kd_topic *topics = calloc((size_t) metadata->topic_cnt + 1, sizeof *topics);
	const kd_code code = topics ? copy_all(metadata, topics, &n, err) : out_of_memory(err);
	rd_kafka_metadata_destroy(metadata);
	if (code != KD_OK) {
		kd_topics_free(topics, n);
		return code;
	}
	*ret_topics = topics;
	*ret_n = n;
	return KD_OK;
}

kd_code kd_kafka_topics(kd_kafka *kafka, const char *const *names, size_t n, int timeout_ms, kd_topic **ret_topics,
	size_t *ret_n, kd_error *err)
{
	if (n == 0)
		return list_all(kafka->client, timeout_ms, ret_topics, ret_n, err);
	kd_topic *topics = calloc(n, sizeof *topics);
	if (!topics)
		return out_of_memory(err);
	const kd_code code = list_named(kafka->client, names, n, kd_clock_mono_ms() + timeout_ms, topics, err);
	if (code != KD_OK) {
		kd_topics_free(topics, n);
		return code;
	}
	kd_client_proved_well(kafka->client);
	*ret_topics = topics;
	*ret_n = n;
	return KD_OK;
}
