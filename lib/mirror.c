// SPDX-License-Identifier: Apache-2.0
// mirror: shows committed positions in a Kafka consumer group.  See mirror.h.
#include "mirror.h"

#include <stdlib.h>

#include "kafka_client.h"
#include "kdirect/fault.h"

struct kd_mirror {
	kd_client *client;
	kd_logger log;
	rd_kafka_topic_partition_list_t *noted;
};

kd_code kd_mirror_open(const kd_config *config, const char *group, const kd_logger *log, kd_mirror **ret_mirror,
	kd_error *err)
{
	kd_properties properties = {0};
	kd_mirror *mirror = calloc(1, sizeof *mirror);
	if (!mirror)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "no memory for the mirror group");
	mirror->log = *log;
	mirror->noted = rd_kafka_topic_partition_list_new(16);
	kd_properties_set_config(&properties, config);
	kd_properties_set(&properties, "group.id", group);
	kd_properties_set(&properties, "enable.auto.commit", "false");
	kd_code code = kd_client_open(&properties, log, &mirror->client, err);
	kd_properties_done(&properties);
	if (code != KD_OK) {
		kd_mirror_close(mirror);
		return kd_error_prefix(err, "could not open mirror_group \"%s\"", group);
	}
	*ret_mirror = mirror;
	return KD_OK;
}

void kd_mirror_note(kd_mirror *mirror, const char *topic, int32_t partition, int64_t offset)
{
	rd_kafka_topic_partition_t *row = rd_kafka_topic_partition_list_find(mirror->noted, topic, partition);
	if (!row)
		row = rd_kafka_topic_partition_list_add(mirror->noted, topic, partition);
	row->offset = offset;
}

static void tell(kd_mirror *mirror, rd_kafka_resp_err_t code)
{
	if (code && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
		kd_log(&mirror->log, KD_LOG_WARN, 0,
			"could not commit positions to mirror_group: %s; ignoring: they are safe in the sink",
			rd_kafka_err2str(code));
}

static void on_committed(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *offsets,
	void *opaque)
{
	(void) rk;
	(void) offsets;
	tell(opaque, code);
}

/* The last time the answer is waited for, for a while. */
static rd_kafka_resp_err_t commit(kd_mirror *mirror, bool last)
{
	if (KD_FAULT_FAILS("mirror.before"))
		return RD_KAFKA_RESP_ERR__TRANSPORT;
	if (!last)
		return rd_kafka_commit(mirror->client->rk, mirror->noted, 1);
	rd_kafka_queue_t *answers = rd_kafka_queue_new(mirror->client->rk);
	rd_kafka_resp_err_t code = rd_kafka_commit_queue(mirror->client->rk, mirror->noted, answers, on_committed, mirror);
	if (!code)
		rd_kafka_queue_poll_callback(answers, 2000);
	rd_kafka_queue_destroy(answers);
	return code;
}

void kd_mirror_send(kd_mirror *mirror, bool last)
{
	kd_client_serve(mirror->client);
	if (mirror->noted->cnt == 0)
		return;
	rd_kafka_resp_err_t code = commit(mirror, last);
	tell(mirror, !code && KD_FAULT_FAILS("mirror.after") ? RD_KAFKA_RESP_ERR__TIMED_OUT : code);
	rd_kafka_topic_partition_list_destroy(mirror->noted);
	mirror->noted = rd_kafka_topic_partition_list_new(16);
}

void kd_mirror_close(kd_mirror *mirror)
{
	if (!mirror)
		return;
	kd_client_close(mirror->client);
	if (mirror->noted)
		rd_kafka_topic_partition_list_destroy(mirror->noted);
	free(mirror);
}
