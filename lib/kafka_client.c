// SPDX-License-Identifier: Apache-2.0
// kafka_client: librdkafka handles from properties.  Log lines and errors come through callbacks on the thread that
// serves the handle (log.queue), so that nothing here needs a lock.
#include "kafka_client.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "kafka_error.h"

enum { LEAVE_SECONDS = 2 };

static kd_kafka_property *find(const kd_properties *properties, const char *name)
{
	for (size_t i = 0; i < properties->n; i++)
		if (strcmp(properties->rows[i].name, name) == 0)
			return &properties->rows[i];
	return NULL;
}

static kd_kafka_property *add(kd_properties *properties, const char *name)
{
	kd_kafka_property *rows = realloc(properties->rows, (properties->n + 1) * sizeof *rows);
	if (!rows)
		return NULL;
	properties->rows = rows;
	rows[properties->n] = (kd_kafka_property) {.name = strdup(name)};
	return rows[properties->n].name ? &rows[properties->n++] : NULL;
}

static void set(kd_properties *properties, const char *name, const char *value, bool optional)
{
	kd_kafka_property *row = find(properties, name);
	if (!row)
		row = add(properties, name);
	char *copy = row && value ? strdup(value) : NULL; // no value: it had no memory where it comes from
	if (!copy) {
		properties->out_of_memory = true;
		return;
	}
	free(row->value);
	row->value = copy;
	row->optional = optional;
}

void kd_properties_set(kd_properties *properties, const char *name, const char *value)
{
	set(properties, name, value, false);
}

void kd_properties_set_optional(kd_properties *properties, const char *name, const char *value)
{
	set(properties, name, value, true);
}

void kd_properties_set_int(kd_properties *properties, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, value);
	set(properties, name, text, false);
}

void kd_properties_set_arrays(kd_properties *properties, const char *const *names, const char *const *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		set(properties, names[i], values[i], false);
}

void kd_properties_set_config(kd_properties *properties, const kd_config *config)
{
	for (size_t i = 0; i < kd_config_kafka_count(config); i++) {
		const char *name, *value;
		kd_config_kafka(config, i, &name, &value);
		set(properties, name, value, false);
	}
}

void kd_properties_merge(kd_properties *properties, const kd_properties *from)
{
	for (size_t i = 0; i < from->n; i++)
		set(properties, from->rows[i].name, from->rows[i].value, from->rows[i].optional);
	properties->out_of_memory |= from->out_of_memory;
}

void kd_properties_unset(kd_properties *properties, const char *name)
{
	kd_kafka_property *row = find(properties, name);
	if (!row)
		return;
	free(row->name);
	free(row->value);
	*row = properties->rows[--properties->n];
}

const char *kd_properties_get(const kd_properties *properties, const char *name)
{
	const kd_kafka_property *row = find(properties, name);
	return row ? row->value : NULL;
}

void kd_properties_done(kd_properties *properties)
{
	for (size_t i = 0; i < properties->n; i++) {
		free(properties->rows[i].name);
		free(properties->rows[i].value);
	}
	free(properties->rows);
	*properties = (kd_properties) {0};
}

// syslog's levels.  librdkafka's errors are for us reasons to wait, not ends: nothing is above WARN.
static kd_log_level level_of(int syslog_level)
{
	return syslog_level <= 4 ? KD_LOG_WARN : syslog_level <= 5 ? KD_LOG_INFO : KD_LOG_DEBUG;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	const kd_client *client = rd_kafka_opaque(rk);
	kd_log(&client->log, level_of(level), 0, "kafka: %s: %s", facility, text);
}

static void on_error(rd_kafka_t *rk, int native, const char *reason, void *opaque)
{
	kd_client *client = opaque;
	(void) rk;
	// Positions are the sink's: the group is a name only, and rights on it are not asked for.
	if (native == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
		return;
	// That all brokers are down says less than why the last one is.
	if (native != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || !client->reason[0])
		snprintf(client->reason, sizeof client->reason, "%s", reason);
	if (native == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !client->down) {
		client->down = true;
		client->down_ms = kd_clock_mono_ms();
	}
	if (kd_kafka_judge(native).action == KD_STOP && !client->fault) {
		client->fault = native;
		client->fault_ms = kd_clock_mono_ms();
	}
	// It has no code of its own.
	if (strstr(reason, "receive.message.max.bytes"))
		client->too_large_ms = kd_clock_mono_ms();
	kd_log(&client->log, KD_LOG_DEBUG, 0, "kafka: %s: %s", rd_kafka_err2name(native), reason);
}

static kd_code apply(rd_kafka_conf_t *conf, const kd_kafka_property *property, kd_error *err)
{
	char text[512];
	const rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property->name, property->value, text, sizeof text);
	if (result == RD_KAFKA_CONF_OK || (result == RD_KAFKA_CONF_UNKNOWN && property->optional))
		return KD_OK;
	return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set \"kafka.%s\": %s", property->name, text);
}

static kd_code build_conf(const kd_properties *properties, kd_client *client, rd_kafka_conf_t **ret_conf, kd_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_opaque(conf, client);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_error_cb(conf, on_error);
	kd_code code = apply(conf, &(kd_kafka_property) {.name = "log.queue", .value = "true"}, err);
	for (size_t i = 0; code == KD_OK && i < properties->n; i++)
		code = apply(conf, &properties->rows[i], err);
	if (code != KD_OK)
		rd_kafka_conf_destroy(conf);
	else
		*ret_conf = conf;
	return code;
}

static kd_code open_handle(kd_client *client, const kd_properties *properties, kd_error *err)
{
	rd_kafka_conf_t *conf = NULL;
	const kd_code code = build_conf(properties, client, &conf, err);
	if (code != KD_OK)
		return code;
	char text[512];
	client->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!client->rk) {
		rd_kafka_conf_destroy(conf);
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set up the Kafka client: %s", text);
	}
	rd_kafka_set_log_queue(client->rk, NULL);
	// With a group, the main queue is served through the consumer's.
	client->grouped = kd_properties_get(properties, "group.id") != NULL;
	if (client->grouped)
		rd_kafka_poll_set_consumer(client->rk);
	return KD_OK;
}

kd_code kd_client_open(const kd_properties *properties, const kd_logger *log, kd_client **ret_client, kd_error *err)
{
	kd_client *client = properties->out_of_memory ? NULL : calloc(1, sizeof *client);
	if (!client)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set up the Kafka client: out of memory");
	client->log = log ? *log : (kd_logger) {0};
	const kd_code code = open_handle(client, properties, err);
	if (code != KD_OK)
		free(client);
	else
		*ret_client = client;
	return code;
}

// A handle on its way out, shared by who closes it and the thread that destroys it; the last one frees it.
typedef struct leaving {
	kd_client *client;
	pthread_t thread;     /* known to who closes it */
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t changed;
	bool destroyed, abandoned;
} leaving;

static void free_leaving(leaving *it)
{
	pthread_mutex_destroy(&it->lock);
	pthread_cond_destroy(&it->changed);
	free(it->client);
	free(it);
}

static void *destroy_handle(void *opaque)
{
	leaving *it = opaque;
	// There is no group to leave and no offset to commit: positions are the sink's.
	rd_kafka_destroy_flags(it->client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	pthread_mutex_lock(&it->lock);
	it->destroyed = true;
	const bool abandoned = it->abandoned;
	pthread_cond_signal(&it->changed);
	pthread_mutex_unlock(&it->lock);
	if (abandoned)
		free_leaving(it);
	return NULL;
}

static leaving *start_leaving(kd_client *client)
{
	leaving *it = calloc(1, sizeof *it);
	if (!it)
		return NULL;
	it->client = client;
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&it->lock, NULL);
	pthread_cond_init(&it->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&it->thread, NULL, destroy_handle, it) == 0)
		return it;
	it->client = NULL;
	free_leaving(it);
	return NULL;
}

static bool has_left(leaving *it)
{
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += LEAVE_SECONDS;
	int late = 0;
	pthread_mutex_lock(&it->lock);
	while (!it->destroyed && !late)
		late = pthread_cond_timedwait(&it->changed, &it->lock, &deadline);
	it->abandoned = !it->destroyed;
	const bool destroyed = it->destroyed;
	const pthread_t thread = it->thread;
	pthread_mutex_unlock(&it->lock);
	if (destroyed)
		pthread_join(thread, NULL);
	else
		pthread_detach(thread);
	return destroyed;
}

// Several versions of librdkafka, 2.0.2 among them, hang in rd_kafka_destroy for ever after a topic that was read is
// deleted (its issues 4187 and 4724).  A job must end all the same, so the handle is then left to its thread.
void kd_client_close(kd_client *client)
{
	if (!client)
		return;
	const kd_logger log = client->log;
	leaving *it = start_leaving(client);
	if (!it) {
		rd_kafka_destroy_flags(client->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
		free(client);
	} else if (has_left(it)) {
		free_leaving(it);
	} else {
		kd_log(&log, KD_LOG_INFO, 0, "kafka: the client did not end within %d s and is left behind", LEAVE_SECONDS);
	}
}

void kd_client_serve(kd_client *client)
{
	if (!client->grouped) {
		rd_kafka_poll(client->rk, 0);
		return;
	}
	rd_kafka_message_t *message;
	while ((message = rd_kafka_consumer_poll(client->rk, 0))) {
		// Records come through queues of their own; what comes here is an error or an event of the group.
		client->group_refused |= message->err == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
		kd_log(&client->log, KD_LOG_DEBUG, 0, "kafka: %s", rd_kafka_message_errstr(message));
		rd_kafka_message_destroy(message);
	}
}

void kd_client_proved_well(kd_client *client)
{
	client->fault = RD_KAFKA_RESP_ERR_NO_ERROR;
	client->down = false;
	client->reason[0] = '\0';
}

kd_code kd_client_wait_contact(kd_client *client, int timeout_ms, kd_error *err)
{
	const int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	rd_kafka_resp_err_t native;
	do {
		const int64_t left_ms = deadline_ms - kd_clock_mono_ms();
		const struct rd_kafka_metadata *metadata = NULL;
		const int piece_ms = left_ms < 1 ? 1 : left_ms < 200 ? (int) left_ms : 200;
		native = rd_kafka_metadata(client->rk, 0, NULL, &metadata, piece_ms);
		if (native == RD_KAFKA_RESP_ERR_NO_ERROR) {
			rd_kafka_metadata_destroy(metadata);
			kd_client_proved_well(client);
			return KD_OK;
		}
		kd_client_serve(client);
		if (client->fault)
			return kd_kafka_error(client->fault, err, "could not connect to Kafka: %s", client->reason);
	} while (kd_clock_mono_ms() < deadline_ms);
	return kd_kafka_error(RD_KAFKA_RESP_ERR__TRANSPORT, err, "could not connect to Kafka: %s",
		client->reason[0] ? client->reason : rd_kafka_err2str(native));
}
