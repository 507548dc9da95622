/* SPDX-License-Identifier: Apache-2.0 */
/* Topics of a real cluster: see kafka_admin.h. */
#include "kafka_admin.h"

#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"
#include "tmpdir.h"
#include "wait.h"

#define TIMEOUT_MS 30000

struct kt_admin {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
};

kt_admin *kt_admin_open(const char *bootstrap)
{
	kt_admin *admin = calloc(1, sizeof(*admin));
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[512];

	kt_check(admin, "no memory");
	kt_check(rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap ? bootstrap : kt_env("KD_TEST_KAFKA"), reason,
			 sizeof(reason)) == RD_KAFKA_CONF_OK,
		"%s", reason);
	rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
	admin->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	kt_check(admin->rk, "could not make an admin handle: %s", reason);
	admin->queue = rd_kafka_queue_new(admin->rk);
	return admin;
}

void kt_admin_close(kt_admin *admin)
{
	if (!admin)
		return;
	rd_kafka_queue_destroy(admin->queue);
	rd_kafka_destroy(admin->rk);
	free(admin);
}

/* Waits for the one answer to an admin request and fails the test where the request failed as a whole. */
static rd_kafka_event_t *answer(kt_admin *admin, const char *what, const char *topic)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(admin->queue, TIMEOUT_MS);

	kt_check(event, "could not %s \"%s\": no answer", what, topic);
	kt_check(!rd_kafka_event_error(event), "could not %s \"%s\": %s", what, topic, rd_kafka_event_error_string(event));
	return event;
}

static void check_topic_results(const rd_kafka_topic_result_t **results, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		kt_check(!rd_kafka_topic_result_error(results[i]), "could not %s \"%s\": %s", what,
			rd_kafka_topic_result_name(results[i]), rd_kafka_topic_result_error_string(results[i]));
}

/* ---- metadata ---- */

/* Calls back with the topic's metadata; the topic is looked up without being created. */
static int metadata(kt_admin *admin, const char *topic, int (*fn)(const rd_kafka_metadata_topic_t *, int), int argument)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(admin->rk, topic, NULL);
	const struct rd_kafka_metadata *all;
	int value = -1;

	kt_check(rkt, "could not look at \"%s\"", topic);
	if (rd_kafka_metadata(admin->rk, 0, rkt, &all, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		value = fn(&all->topics[0], argument);
		rd_kafka_metadata_destroy(all);
	}
	rd_kafka_topic_destroy(rkt);
	return value;
}

static int led_partitions(const rd_kafka_metadata_topic_t *topic, int unused)
{
	int n = 0;

	(void) unused;
	if (topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
		return 0;
	for (int i = 0; i < topic->partition_cnt; i++)
		n += topic->partitions[i].leader >= 0 && !topic->partitions[i].err;
	return n;
}

static int leader_of(const rd_kafka_metadata_topic_t *topic, int partition)
{
	for (int i = 0; i < topic->partition_cnt; i++)
		if (topic->partitions[i].id == partition)
			return topic->partitions[i].leader;
	return -1;
}

int kt_topic_leader(kt_admin *admin, const char *topic, int partition)
{
	return metadata(admin, topic, leader_of, partition);
}

static int in_sync(const rd_kafka_metadata_topic_t *topic, int partition)
{
	for (int i = 0; i < topic->partition_cnt; i++)
		if (topic->partitions[i].id == partition)
			return topic->partitions[i].isr_cnt;
	return -1;
}

int kt_topic_in_sync(kt_admin *admin, const char *topic, int partition)
{
	return metadata(admin, topic, in_sync, partition);
}

static void await_partitions(kt_admin *admin, const char *topic, int partitions)
{
	int64_t end = kt_now_ms() + TIMEOUT_MS;

	while (metadata(admin, topic, led_partitions, 0) != partitions) {
		kt_check(kt_now_ms() < end, "topic \"%s\" does not show %d partitions", topic, partitions);
		kt_pause();
	}
}

void kt_topic_watermarks(kt_admin *admin, const char *topic, int partition, int64_t *ret_low, int64_t *ret_high)
{
	rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(admin->rk, topic, partition, ret_low, ret_high,
		TIMEOUT_MS);

	kt_check(!code, "could not ask for the offsets of \"%s\"/%d: %s", topic, partition, rd_kafka_err2str(code));
}

/* ---- changes ---- */

static void create(kt_admin *admin, rd_kafka_NewTopic_t *request, const char *topic, int partitions, va_list settings)
{
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	const char *name;
	size_t n;

	while ((name = va_arg(settings, const char *)))
		rd_kafka_NewTopic_set_config(request, name, va_arg(settings, const char *));
	rd_kafka_CreateTopics(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "create", topic);
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	check_topic_results(results, n, "create");
	rd_kafka_event_destroy(event);
	rd_kafka_NewTopic_destroy(request);
	await_partitions(admin, topic, partitions);
}

void kt_topic_create(kt_admin *admin, const char *topic, int partitions, ...)
{
	char reason[512];
	rd_kafka_NewTopic_t *request = rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof(reason));
	va_list args;

	kt_check(request, "could not create \"%s\": %s", topic, reason);
	va_start(args, partitions);
	create(admin, request, topic, partitions, args);
	va_end(args);
}

void kt_topic_create_on(kt_admin *admin, const char *topic, int partitions, const int32_t *brokers, size_t n, ...)
{
	char reason[512];
	rd_kafka_NewTopic_t *request = rd_kafka_NewTopic_new(topic, partitions, -1, reason, sizeof(reason));
	va_list args;

	kt_check(request, "could not create \"%s\": %s", topic, reason);
	for (int p = 0; p < partitions; p++)
		kt_check(!rd_kafka_NewTopic_set_replica_assignment(request, p, (int32_t *) brokers, n, reason, sizeof(reason)),
			"could not place \"%s\": %s", topic, reason);
	va_start(args, n);
	create(admin, request, topic, partitions, args);
	va_end(args);
}

void kt_topic_delete(kt_admin *admin, const char *topic)
{
	rd_kafka_DeleteTopic_t *request = rd_kafka_DeleteTopic_new(topic);
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t n;

	rd_kafka_DeleteTopics(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "delete", topic);
	results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &n);
	check_topic_results(results, n, "delete");
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteTopic_destroy(request);
	await_partitions(admin, topic, 0);
}

void kt_topic_grow(kt_admin *admin, const char *topic, int total)
{
	char reason[512];
	rd_kafka_NewPartitions_t *request = rd_kafka_NewPartitions_new(topic, (size_t) total, reason, sizeof(reason));
	rd_kafka_event_t *event;
	const rd_kafka_topic_result_t **results;
	size_t n;

	kt_check(request, "could not grow \"%s\": %s", topic, reason);
	rd_kafka_CreatePartitions(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "grow", topic);
	results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event), &n);
	check_topic_results(results, n, "grow");
	rd_kafka_event_destroy(event);
	rd_kafka_NewPartitions_destroy(request);
	await_partitions(admin, topic, total);
}

void kt_topic_alter(kt_admin *admin, const char *topic, ...)
{
	rd_kafka_ConfigResource_t *request = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
	rd_kafka_event_t *event;
	const rd_kafka_ConfigResource_t **results;
	const char *name;
	size_t n;
	va_list args;

	va_start(args, topic);
	while ((name = va_arg(args, const char *)))
		rd_kafka_ConfigResource_set_config(request, name, va_arg(args, const char *));
	va_end(args);
	rd_kafka_AlterConfigs(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "alter", topic);
	results = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &n);
	for (size_t i = 0; i < n; i++)
		kt_check(!rd_kafka_ConfigResource_error(results[i]), "could not alter \"%s\": %s", topic,
			rd_kafka_ConfigResource_error_string(results[i]));
	rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy(request);
}

void kt_records_delete(kt_admin *admin, const char *topic, int partition, int64_t before)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_DeleteRecords_t *request;
	const rd_kafka_topic_partition_list_t *results;
	rd_kafka_event_t *event;

	rd_kafka_topic_partition_list_add(list, topic, partition)->offset = before;
	request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_DeleteRecords(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "delete records of", topic);
	results = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
	kt_check(!results->elems[0].err, "could not delete records of \"%s\"/%d: %s", topic, partition,
		rd_kafka_err2str(results->elems[0].err));
	rd_kafka_event_destroy(event);
	rd_kafka_DeleteRecords_destroy(request);
}

/* ---- rights ---- */

static void allow(kt_admin *admin, const char *topic, const char *user, rd_kafka_AclOperation_t operation)
{
	char *principal = kt_format("User:%s", user), reason[512];
	rd_kafka_AclBinding_t *request = rd_kafka_AclBinding_new(RD_KAFKA_RESOURCE_TOPIC, topic,
		RD_KAFKA_RESOURCE_PATTERN_LITERAL, principal, "*", operation, RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW, reason,
		sizeof(reason));
	const rd_kafka_acl_result_t **results;
	rd_kafka_event_t *event;
	size_t n;

	kt_check(request, "could not allow \"%s\": %s", topic, reason);
	rd_kafka_CreateAcls(admin->rk, &request, 1, NULL, admin->queue);
	event = answer(admin, "allow", topic);
	results = rd_kafka_CreateAcls_result_acls(rd_kafka_event_CreateAcls_result(event), &n);
	for (size_t i = 0; i < n; i++)
		kt_check(!rd_kafka_acl_result_error(results[i]), "could not allow \"%s\": %s", topic,
			rd_kafka_error_string(rd_kafka_acl_result_error(results[i])));
	rd_kafka_event_destroy(event);
	rd_kafka_AclBinding_destroy(request);
	free(principal);
}

void kt_topic_allow(kt_admin *admin, const char *topic, const char *user, bool read)
{
	allow(admin, topic, user, RD_KAFKA_ACL_OPERATION_DESCRIBE);
	if (read)
		allow(admin, topic, user, RD_KAFKA_ACL_OPERATION_READ);
}
