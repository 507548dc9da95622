/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers in this process: see kafka_mock.h. */
#include "kafka_mock.h"

#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "kafka_producer.h"

struct kt_mock {
	rd_kafka_t *rk;
	rd_kafka_mock_cluster_t *cluster;
};

kt_mock *kt_mock_open(int brokers)
{
	kt_mock *mock = calloc(1, sizeof(*mock));
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char count[16], reason[512];

	kt_check(mock, "no memory");
	snprintf(count, sizeof(count), "%d", brokers);
	rd_kafka_conf_set(conf, "log_level", "2", NULL, 0);
	rd_kafka_conf_set(conf, "test.mock.num.brokers", count, NULL, 0);
	mock->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	kt_check(mock->rk, "could not start mock brokers: %s", reason);
	mock->cluster = rd_kafka_handle_mock_cluster(mock->rk);
	kt_check(mock->cluster, "the handle has no mock cluster");
	return mock;
}

void kt_mock_close(kt_mock *mock)
{
	if (!mock)
		return;
	rd_kafka_destroy(mock->rk);
	free(mock);
}

const char *kt_mock_bootstrap(const kt_mock *mock)
{
	return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

rd_kafka_mock_cluster_t *kt_mock_cluster(const kt_mock *mock)
{
	return mock->cluster;
}

void kt_mock_topic(kt_mock *mock, const char *topic, int partitions)
{
	rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1);

	kt_check(!code, "could not create \"%s\": %s", topic, rd_kafka_err2str(code));
}

kt_oracle kt_mock_filled(kt_mock *mock, const char *topic, int partitions, int64_t records)
{
	kt_producer *producer;

	kt_mock_topic(mock, topic, partitions);
	producer = kt_producer_open(kt_mock_bootstrap(mock), NULL);
	for (int p = 0; p < partitions; p++)
		kt_produce_many(producer, topic, p, records, kt_fill_numbers, NULL);
	kt_producer_flush(producer);
	kt_producer_close(producer);
	return kt_oracle_read(kt_mock_bootstrap(mock), topic, false);
}
