/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_client: a librdkafka consumer handle made from properties, with its log and its broker-wide errors.
 *
 * Order of calls: gather kd_properties (defaults first, then the user's, then what is not negotiable: the last one
 * set wins), kd_client_open, use client->rk, kd_client_serve now and then, kd_client_close.  One thread at a time. */
#ifndef KD_KAFKA_CLIENT_H
#define KD_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"

typedef struct kd_kafka_property {
	char *name;
	char *value;
	bool optional; /* left out where this version of librdkafka does not know it */
} kd_kafka_property;

typedef struct kd_properties {
	kd_kafka_property *rows;
	size_t n;
	bool out_of_memory; /* kd_client_open reports it: callers need not check each kd_properties_set */
} kd_properties;

void kd_properties_set(kd_properties *properties, const char *name, const char *value);
void kd_properties_set_int(kd_properties *properties, const char *name, int64_t value);
void kd_properties_set_optional(kd_properties *properties, const char *name, const char *value);
void kd_properties_set_arrays(kd_properties *properties, const char *const *names, const char *const *values, size_t n);
/* A job's kafka.* keys. */
void kd_properties_set_config(kd_properties *properties, const kd_config *config);
/* Sets all of `from`. */
void kd_properties_merge(kd_properties *properties, const kd_properties *from);
void kd_properties_unset(kd_properties *properties, const char *name);
/* NULL: not set. */
const char *kd_properties_get(const kd_properties *properties, const char *name);
void kd_properties_done(kd_properties *properties);

typedef struct kd_client {
	rd_kafka_t *rk;
	kd_logger log;
	bool grouped; /* has a group.id, and so can assign */
	/* Broker-wide errors, as told by librdkafka since the last kd_client_proved_well. */
	rd_kafka_resp_err_t fault; /* the first that no repetition heals (authentication); 0: none */
	int64_t fault_ms;          /* monotonic */
	bool down;                 /* all brokers are */
	int64_t down_ms;
	char reason[512];          /* of the last one */
	int64_t too_large_ms;      /* when a response was last refused for its size; 0: never */
	bool group_refused;        /* no right on the group: of no matter unless its offsets are asked for */
} kd_client;

/* Connects in the background: an unreachable broker is no error here. */
kd_code kd_client_open(const kd_properties *properties, const kd_logger *log, kd_client **ret_client,
	kd_error *err) KD_CHECK;
/* Accepts NULL.  All queues and messages of the handle were destroyed before. */
void kd_client_close(kd_client *client);

/* Runs librdkafka's callbacks that are due; never blocks. */
void kd_client_serve(kd_client *client);

/* The brokers answered: what was told before is history. */
void kd_client_proved_well(kd_client *client);

/* Waits until a broker answers, at most timeout_ms.  Authentication that fails is told at once. */
kd_code kd_client_wait_contact(kd_client *client, int timeout_ms, kd_error *err) KD_CHECK;

#endif
