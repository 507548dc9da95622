/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_private: what the files behind kdirect/kafka.h share: offsets.c, kafka_topics.c, kafka_scan.c. */
#ifndef KD_KAFKA_PRIVATE_H
#define KD_KAFKA_PRIVATE_H

#include "kafka_client.h"
#include "kdirect/kafka.h"
#include "reader.h"

struct kd_kafka {
	kd_properties properties; /* as the user gave them, and what questions need */
	kd_logger log;
	kd_client *client;
	kd_client *uncommitted; /* NULL until the high watermark is asked for */
	kd_reader *scanner;     /* NULL until something is scanned */
	char *cluster_id;
	/* Of either handle: its last question left a partition without an answer.  Each has metadata of its own to heal. */
	bool client_is_careful, uncommitted_is_careful;
};

#endif
