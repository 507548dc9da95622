// SPDX-License-Identifier: Apache-2.0
// reader: fetches exactly the planned ranges of a set of partitions through one librdkafka consumer.
//
// What makes it exact: partitions are assigned at the offsets that the ledger names (no group membership, no stored
// offsets, auto.offset.reset=error), each has a queue of its own, and range.c judges each record (I1, I2, I5).
// What makes it fast: nothing is sought or paused; records are handed out straight from the fetched buffers; and the
// broker threads of librdkafka before 2.2, which sleep for up to a second when they found all queues full and are not
// woken by emptying one, are woken from kd_reader_wait.
// What bounds its memory: reader_limits.c.
#include "reader.h"

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "kafka_error.h"
#include "kdirect/fault.h"
#include "reader_limits.h"
#include "reader_private.h"

enum {
	WAKE_FIRST_MS = 2,    /* between two wakes */
	WAKE_MOST_MS = 1000,  /* doubles up to this while nothing comes */
	WAKE_PARTITIONS = 16, /* asked for in one wake; one per broker would do */
	FAULT_LASTS_MS = 5000, /* a broker that restarts also refuses a login for a moment */
	DOWN_LASTS_MS = 10000,
	CONTACT_MS = 1000,
};

static void set_defaults(kd_properties *properties, const char *group, const kd_reader_limits *limits)
{
	kd_properties_set(properties, "group.id", group);
	kd_properties_set(properties, "isolation.level", "read_committed");
	kd_properties_set(properties, "check.crcs", "true");
	kd_properties_set_int(properties, "fetch.wait.max.ms", limits->wait_ms);
	kd_properties_set_int(properties, "queued.min.messages", limits->queued_messages);
	kd_properties_set_int(properties, "queued.max.messages.kbytes", limits->queued_kbytes);
	kd_properties_set_int(properties, "fetch.message.max.bytes", limits->partition_fetch_bytes);
	kd_properties_set(properties, "fetch.error.backoff.ms", "50");
	kd_properties_set_optional(properties, "fetch.queue.backoff.ms", "2");
	kd_properties_set(properties, "reconnect.backoff.max.ms", "2000");
	kd_properties_set(properties, "topic.metadata.refresh.interval.ms", "30000");
	kd_properties_set(properties, "socket.nagle.disable", "true");
	kd_properties_set(properties, "socket.keepalive.enable", "true");
	kd_properties_set(properties, "log.connection.close", "false");
}

// The promise hangs on these.
static void set_fixed(kd_properties *properties)
{
	kd_properties_set(properties, "enable.auto.commit", "false");
	kd_properties_set(properties, "enable.auto.offset.store", "false");
	kd_properties_set(properties, "auto.offset.reset", "error");
	kd_properties_set(properties, "enable.partition.eof", "true");
	kd_properties_set(properties, "allow.auto.create.topics", "false");
}

static void raise_to(int64_t *bytes, const char *text)
{
	const int64_t asked = text ? strtoll(text, NULL, 10) : 0;
	if (asked > *bytes)
		*bytes = asked;
}

// fetch.max.bytes must hold whatever else the user allowed, unless he set it himself.
static void set_fetch_max(kd_properties *properties, int64_t fetch_bytes)
{
	if (kd_properties_get(properties, "fetch.max.bytes"))
		return;
	raise_to(&fetch_bytes, kd_properties_get(properties, "message.max.bytes"));
	raise_to(&fetch_bytes, kd_properties_get(properties, "fetch.message.max.bytes"));
	raise_to(&fetch_bytes, kd_properties_get(properties, "max.partition.fetch.bytes"));
	kd_properties_set_int(properties, "fetch.max.bytes", fetch_bytes);
}

static kd_code open_client(kd_reader *reader, const kd_properties *user, const char *group, const kd_logger *log,
	size_t n_partitions, kd_error *err)
{
	const kd_reader_limits limits = kd_reader_limits_for(n_partitions);
	kd_properties properties = {0};
	set_defaults(&properties, group, &limits);
	kd_properties_merge(&properties, user);
	set_fixed(&properties);
	set_fetch_max(&properties, limits.fetch_bytes);
	const char *queued = kd_properties_get(&properties, "queued.min.messages");
	reader->queued_messages = queued ? strtoull(queued, NULL, 10) : 0; // none: no memory, which kd_client_open says
	reader->needs_wakes = rd_kafka_version() < 0x02020000;
	const kd_code code = kd_client_open(&properties, log, &reader->client, err);
	kd_properties_done(&properties);
	return code;
}

void kd_reader_signal(kd_reader *reader)
{
	if (atomic_exchange(&reader->signalled, true))
		return;
	const uint64_t one = 1;
	// An eventfd takes a write of 1 unless its counter is at its end, when the reader is awake anyway.
	(void) !write(reader->event_fd, &one, sizeof one);
}

static void on_main_queue(rd_kafka_t *rk, void *opaque)
{
	(void) rk;
	kd_reader_signal(opaque);
}

kd_code kd_reader_open_with(const kd_properties *properties, const char *group, const kd_logger *log,
	size_t n_partitions, kd_reader **ret_reader, kd_error *err)
{
	kd_reader *reader = calloc(1, sizeof *reader);
	if (!reader)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not set up a reader: out of memory");
	reader->wake_after_ms = WAKE_FIRST_MS;
	reader->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kd_code code = reader->event_fd >= 0 ? KD_OK :
		kd_error_set(err, KD_EIO, KD_STOP, "could not set up a reader: no file descriptor");
	if (code == KD_OK)
		code = open_client(reader, properties, group, log, n_partitions, err);
	if (code != KD_OK) {
		kd_reader_close(reader);
		return code;
	}
	reader->dump = rd_kafka_queue_new(reader->client->rk);
	reader->main_queue = rd_kafka_queue_get_consumer(reader->client->rk);
	if (reader->main_queue)
		rd_kafka_queue_cb_event_enable(reader->main_queue, on_main_queue, reader);
	*ret_reader = reader;
	return KD_OK;
}

kd_code kd_reader_open(const kd_config *config, const kd_logger *log, size_t n_partitions, kd_reader **ret_reader,
	kd_error *err)
{
	kd_properties properties = {0};
	kd_properties_set_config(&properties, config);
	const kd_code code = kd_reader_open_with(&properties, kd_config_string(config, "job"), log, n_partitions,
		ret_reader, err);
	kd_properties_done(&properties);
	return code;
}

void kd_reader_close(kd_reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->n_slots; i++)
		kd_slot_free(reader->slots[i]);
	if (reader->main_queue) {
		rd_kafka_queue_cb_event_enable(reader->main_queue, NULL, NULL);
		rd_kafka_queue_destroy(reader->main_queue);
	}
	// From here on what comes for a partition is dropped by librdkafka itself.
	if (reader->dump)
		rd_kafka_queue_destroy(reader->dump);
	kd_client_close(reader->client);
	if (reader->event_fd >= 0)
		close(reader->event_fd);
	free(reader->slots);
	free(reader->active);
	free(reader);
}

// A free number, or one more.
static kd_code find_place(kd_reader *reader, size_t *ret_i, kd_error *err)
{
	for (size_t i = 0; i < reader->n_slots; i++) {
		if (!reader->slots[i]) {
			*ret_i = i;
			return KD_OK;
		}
	}
	const size_t n = reader->n_slots ? reader->n_slots * 2 : 16;
	kd_slot **slots = realloc(reader->slots, n * sizeof *slots);
	if (slots)
		reader->slots = slots;
	kd_slot **active = slots ? realloc(reader->active, n * sizeof *active) : NULL;
	if (!active)
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read one more partition: out of memory");
	reader->active = active;
	*ret_i = reader->n_slots;
	while (reader->n_slots < n)
		reader->slots[reader->n_slots++] = NULL;
	return KD_OK;
}

kd_code kd_reader_add(kd_reader *reader, const char *topic, int32_t partition, int64_t position, int *ret_slot,
	kd_error *err)
{
	size_t i = 0;
	const kd_code code = find_place(reader, &i, err);
	if (code != KD_OK)
		return code;
	reader->slots[i] = kd_slot_new(reader, topic, partition, position);
	if (!reader->slots[i])
		return kd_error_set(err, KD_ENOMEM, KD_STOP, "could not read \"%s/%d\": out of memory", topic, partition);
	*ret_slot = (int) i;
	return KD_OK;
}

static kd_slot *slot_at(kd_reader *reader, int slot)
{
	assert(slot >= 0 && (size_t) slot < reader->n_slots && reader->slots[slot]);
	return reader->slots[slot];
}

static void activate(kd_slot *slot)
{
	kd_reader *reader = slot->reader;
	if (slot->active)
		return;
	slot->active = true;
	slot->active_at = reader->n_active;
	reader->active[reader->n_active++] = slot;
}

static void deactivate(kd_slot *slot)
{
	kd_reader *reader = slot->reader;
	if (!slot->active)
		return;
	slot->active = false;
	kd_slot *last = reader->active[--reader->n_active];
	reader->active[slot->active_at] = last;
	last->active_at = slot->active_at;
}

void kd_reader_remove(kd_reader *reader, int slot)
{
	deactivate(slot_at(reader, slot));
	kd_slot_free(reader->slots[slot]);
	reader->slots[slot] = NULL;
}

kd_code kd_reader_begin(kd_reader *reader, int slot, kd_range range, kd_error *err)
{
	kd_slot *it = slot_at(reader, slot);
	const bool follows = kd_range_begin(&it->tracker, range);
	if (!follows || it->state == KD_SLOT_BROKEN) {
		const kd_code code = kd_slot_restart(it, range.from, err);
		if (code != KD_OK)
			return code;
	}
	it->empty_since_ms = 0;
	activate(it);
	reader->more = true;
	return KD_OK;
}

kd_code kd_reader_assign_pending(kd_reader *reader, kd_error *err)
{
	if (!reader->pending)
		return KD_OK;
	if (KD_FAULT_FAILS("fetch.assign"))
		return kd_kafka_error(RD_KAFKA_RESP_ERR__TRANSPORT, err, "could not assign partitions: told to fail");
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int) reader->n_slots);
	for (size_t i = 0; i < reader->n_slots; i++) {
		const kd_slot *slot = reader->slots[i];
		if (slot && slot->state == KD_SLOT_PENDING)
			rd_kafka_topic_partition_list_add(list, slot->topic, slot->partition)->offset = slot->tracker.cursor;
	}
	rd_kafka_error_t *error = list->cnt > 0 ? rd_kafka_incremental_assign(reader->client->rk, list) : NULL;
	rd_kafka_topic_partition_list_destroy(list);
	if (error) {
		const kd_code code = kd_kafka_error(rd_kafka_error_code(error), err, "could not assign partitions: %s",
			rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
		return code;
	}
	for (size_t i = 0; i < reader->n_slots; i++)
		if (reader->slots[i] && reader->slots[i]->state == KD_SLOT_PENDING)
			reader->slots[i]->state = KD_SLOT_ASSIGNED;
	reader->pending = false;
	return KD_OK;
}

static kd_code poll_active(kd_slot *slot, size_t max, kd_reader_fn *fn, void *opaque, kd_reader_status *ret_status,
	kd_error *err)
{
	kd_reader *reader = slot->reader;
	kd_code code = KD_OK;
	if (slot->state == KD_SLOT_BROKEN)
		code = kd_slot_restart(slot, slot->tracker.cursor, err);
	if (code == KD_OK)
		code = kd_reader_assign_pending(reader, err);
	if (code == KD_OK)
		code = kd_slot_poll(slot, max, fn, opaque, ret_status, err);
	if (ret_status->delivered > 0 || ret_status->complete)
		reader->wake_after_ms = WAKE_FIRST_MS;
	if (ret_status->complete)
		deactivate(slot);
	else if (ret_status->delivered >= max)
		reader->more = true;
	return code;
}

kd_code kd_reader_poll(kd_reader *reader, int slot, size_t max, kd_reader_fn *fn, void *opaque,
	kd_reader_status *ret_status, kd_error *err)
{
	kd_slot *it = slot_at(reader, slot);
	*ret_status = (kd_reader_status) {.next = it->tracker.next, .log_start = it->log_start};
	if (!it->active) {
		ret_status->complete = true;
		return KD_OK;
	}
	return poll_active(it, max, fn, opaque, ret_status, err);
}

// A due range whose queue is empty.
static bool is_hungry(const kd_slot *slot)
{
	return slot->state == KD_SLOT_ASSIGNED && slot->stash_at == slot->stash_n && !atomic_load(&slot->ready);
}

static rd_kafka_topic_partition_list_t *list_hungry(kd_reader *reader)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(WAKE_PARTITIONS);
	for (size_t i = 0; i < reader->n_active && list->cnt < WAKE_PARTITIONS; i++) {
		const kd_slot *slot = reader->active[(reader->wake_from + i) % reader->n_active];
		if (is_hungry(slot))
			rd_kafka_topic_partition_list_add(list, slot->topic, slot->partition)->offset = RD_KAFKA_OFFSET_END;
	}
	reader->wake_from++;
	return list;
}

// The request, not its answer, is what wakes a broker thread: nothing is waited for.
static void wake_broker_threads(kd_reader *reader, rd_kafka_topic_partition_list_t *list)
{
	if (list->cnt == 0)
		return;
	(void) rd_kafka_offsets_for_times(reader->client->rk, list, 0);
	reader->wakes++;
	reader->woken_ms = kd_clock_mono_ms();
}

static void wake_for_hungry(kd_reader *reader)
{
	rd_kafka_topic_partition_list_t *list = list_hungry(reader);
	wake_broker_threads(reader, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (reader->wake_after_ms < WAKE_MOST_MS)
		reader->wake_after_ms *= 2;
}

void kd_reader_wake_early(kd_slot *slot, int64_t now_ms)
{
	kd_reader *reader = slot->reader;
	const size_t here = rd_kafka_queue_length(slot->queue);
	const int64_t due = slot->tracker.range.until - slot->tracker.next;
	if (!reader->needs_wakes || now_ms - reader->woken_ms < WAKE_FIRST_MS)
		return;
	if (here > reader->queued_messages / 2 || due <= (int64_t) here)
		return;
	slot->position->elems[0].offset = RD_KAFKA_OFFSET_END;
	wake_broker_threads(reader, slot->position);
}

static bool some_hungry(const kd_reader *reader)
{
	for (size_t i = 0; i < reader->n_active; i++)
		if (is_hungry(reader->active[i]))
			return true;
	return false;
}

static bool wait_for_event(kd_reader *reader, int64_t timeout_ms)
{
	struct pollfd fd = {.fd = reader->event_fd, .events = POLLIN};
	if (poll(&fd, 1, timeout_ms > 0 ? (int) timeout_ms : 0) <= 0)
		return false;
	// In this order: an event before the exchange is seen by the caller, who looks at everything now, and one after it
	// writes again.  The other way round, an event in between is read here and stays noted as signalled: no later one
	// would ever write.
	uint64_t count;
	(void) !read(reader->event_fd, &count, sizeof count);
	(void) atomic_exchange(&reader->signalled, false);
	return true;
}

static void wait_and_wake(kd_reader *reader, int64_t timeout_ms)
{
	const int64_t deadline_ms = kd_clock_mono_ms() + timeout_ms;
	const bool hungry = timeout_ms > 0 && reader->needs_wakes && some_hungry(reader);
	while (hungry && reader->wake_after_ms < deadline_ms - kd_clock_mono_ms()) {
		if (kd_clock_mono_ms() - reader->woken_ms >= reader->wake_after_ms)
			wake_for_hungry(reader);
		if (wait_for_event(reader, reader->wake_after_ms))
			return;
	}
	wait_for_event(reader, deadline_ms - kd_clock_mono_ms());
}

// Errors of the whole cluster, once they have lasted while something was due.
static kd_code judge_cluster(kd_reader *reader, kd_error *err)
{
	kd_client *client = reader->client;
	const int64_t now_ms = kd_clock_mono_ms();
	if (reader->n_active == 0)
		return KD_OK;
	if (client->fault && now_ms - client->fault_ms >= FAULT_LASTS_MS) {
		const kd_code code = kd_kafka_error(client->fault, err, "could not read from Kafka: %s", client->reason);
		kd_client_proved_well(client);
		return code;
	}
	if (!client->down || now_ms - client->down_ms < DOWN_LASTS_MS)
		return KD_OK;
	client->down_ms = now_ms;
	return kd_client_wait_contact(client, CONTACT_MS, err);
}

kd_code kd_reader_wait(kd_reader *reader, int timeout_ms, kd_error *err)
{
	kd_code code = kd_reader_assign_pending(reader, err);
	if (code != KD_OK)
		return code;
	if (reader->more)
		timeout_ms = 0;
	reader->more = false;
	wait_and_wake(reader, timeout_ms);
	kd_client_serve(reader->client);
	return judge_cluster(reader, err);
}

void kd_reader_wake(kd_reader *reader)
{
	kd_reader_signal(reader);
}
