// SPDX-License-Identifier: Apache-2.0
// kafka_offsets: which records of the source the target holds, by the headers that sink.coordinates adds: for audit
// --deep.  The target's topics are read once a snapshot, from their beginning to their last stable offset; a place takes
// 16 bytes of memory.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_sink.h"

#define QUIET_MS 30000 /* without a record or an end */

struct kafka_places {
	char **topic; /* of the source */
	size_t n_topics;
	struct place {
		int32_t topic, partition;
		int64_t offset;
	} *place;
	size_t n, capacity;
};

void kafka_places_free(kafka_places *places)
{
	if (!places)
		return;
	for (size_t i = 0; i < places->n_topics; i++)
		free(places->topic[i]);
	free(places->topic);
	free(places->place);
	free(places);
}

/* ---- what a record says ---- */

/* The number of a source's name; -1 without memory. */
static int32_t number_of(kafka_places *places, const char *name, size_t size)
{
	for (size_t i = 0; i < places->n_topics; i++)
		if (strlen(places->topic[i]) == size && !memcmp(places->topic[i], name, size))
			return (int32_t) i;
	char **topics = realloc(places->topic, (places->n_topics + 1) * sizeof *topics);
	places->topic = topics ? topics : places->topic;
	char *copy = topics ? strndup(name, size) : NULL;
	if (!copy)
		return -1;
	topics[places->n_topics] = copy;
	return (int32_t) places->n_topics++;
}

/* A decimal number in a header; false where there is none. */
static bool read_number(const rd_kafka_headers_t *headers, const char *name, int64_t *ret_number)
{
	const void *value;
	size_t size;
	char text[24] = "", *end;
	if (rd_kafka_header_get_last(headers, name, &value, &size) || !value || !size || size >= sizeof text)
		return false;
	memcpy(text, value, size);
	*ret_number = strtoll(text, &end, 10);
	return *end == '\0';
}

static bool add(kafka_places *places, struct place place)
{
	if (places->n == places->capacity) {
		size_t capacity = places->capacity ? 2 * places->capacity : 1024;
		struct place *more = realloc(places->place, capacity * sizeof *more);
		if (!more)
			return false;
		places->place = more;
		places->capacity = capacity;
	}
	places->place[places->n++] = place;
	return true;
}

/* A record without coordinates is somebody else's, and none of the audit's business. */
static bool note(kafka_places *places, const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const void *name;
	size_t size;
	int64_t partition, offset;
	if (rd_kafka_message_headers(message, &headers) ||
		rd_kafka_header_get_last(headers, "kafka_topic", &name, &size) || !name ||
		!read_number(headers, "kafka_partition", &partition) || !read_number(headers, "kafka_offset", &offset))
		return true;
	int32_t topic = number_of(places, name, size);
	return topic >= 0 && add(places, (struct place) {topic, (int32_t) partition, offset});
}

/* ---- reading the target ---- */

static kd_code open_consumer(const kafka_sink *sink, rd_kafka_t **ret_rk, kd_error *err)
{
	static const char *const fixed[][2] = {{"group.id", "kdirect-scan"}, {"enable.auto.commit", "false"},
		{"enable.partition.eof", "true"}, {"auto.offset.reset", "error"}, {"isolation.level", "read_committed"}};
	char text[256];
	rd_kafka_conf_t *conf = kafka_properties_conf(&sink->connection, err);
	if (!conf)
		return err ? err->code : KD_ECONFIG;
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		(void) rd_kafka_conf_set(conf, fixed[i][0], fixed[i][1], text, sizeof text);
	*ret_rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (!*ret_rk) {
		rd_kafka_conf_destroy(conf);
		return kd_error_set(err, KD_ECONFIG, KD_STOP, "could not set up a Kafka client: %s", text);
	}
	rd_kafka_poll_set_consumer(*ret_rk);
	return KD_OK;
}

static int assign_all(rd_kafka_t *rk, const kafka_target *target)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	for (size_t t = 0; t < target->n_topics; t++)
		for (int32_t p = 0; p < target->topic[t].partitions; p++)
			rd_kafka_topic_partition_list_add(list, target->topic[t].name, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
	int n = list->cnt;
	if (rd_kafka_assign(rk, list))
		n = -1;
	rd_kafka_topic_partition_list_destroy(list);
	return n;
}

/* Until every partition has told its end once. */
static kd_code read_all(kafka_session *session, rd_kafka_t *rk, kd_error *err)
{
	int left = assign_all(rk, &session->sink->target);
	int64_t heard_ms = kafka_mono_ms();
	bool fits = left >= 0;
	while (left > 0 && fits) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, KAFKA_PIECE_MS);
		if (message && message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			left--;
		else if (message && !message->err)
			fits = note(session->places, message);
		if (message)
			heard_ms = message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF ? heard_ms : kafka_mono_ms();
		if (message)
			rd_kafka_message_destroy(message);
		if (kafka_mono_ms() - heard_ms > QUIET_MS || atomic_load(&session->interrupted))
			return kd_error_set(err, KD_ESINK, KD_RETRY, "could not read topic \"%s\": no answer", session->sink->info.target);
	}
	return fits ? KD_OK : kafka_no_memory(err);
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->topic != y->topic)
		return x->topic < y->topic ? -1 : 1;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static kd_code read_places(kafka_session *session, kd_error *err)
{
	rd_kafka_t *rk = NULL;
	session->places = calloc(1, sizeof *session->places);
	kd_code code = session->places ? open_consumer(session->sink, &rk, err) : kafka_no_memory(err);
	if (!code)
		code = read_all(session, rk, err);
	if (rk)
		rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	if (!code && session->places->n)
		qsort(session->places->place, session->places->n, sizeof *session->places->place, by_place);
	if (code) {
		kafka_places_free(session->places);
		session->places = NULL;
	}
	return code;
}

/* The first place at or after this one. */
static size_t lower_bound(const kafka_places *places, struct place wanted)
{
	size_t from = 0, until = places->n;
	while (from < until) {
		size_t middle = from + (until - from) / 2;
		if (by_place(&places->place[middle], &wanted) < 0)
			from = middle + 1;
		else
			until = middle;
	}
	return from;
}

kd_code kafka_scan_offsets(void *opaque, const char *topic, int32_t partition, kd_range range,
	bool (*row)(void *opaque, int64_t offset), void *row_opaque, kd_error *err)
{
	kafka_session *session = opaque;
	if (!session->sink->target.coordinates)
		return kd_error_set(err, KD_EINVAL, KD_STOP, "could not read offsets: sink.coordinates is not set");
	kd_code code = session->places ? KD_OK : read_places(session, err);
	if (code)
		return code;
	const kafka_places *places = session->places;
	int32_t number = 0;
	while ((size_t) number < places->n_topics && strcmp(places->topic[number], topic) != 0)
		number++;
	for (size_t i = lower_bound(places, (struct place) {number, partition, range.from}); i < places->n; i++) {
		const struct place *p = &places->place[i];
		if (p->topic != number || p->partition != partition || p->offset >= range.until || !row(row_opaque, p->offset))
			break;
	}
	if (!session->view.journal) /* outside of a snapshot each call looks anew */
		kafka_snapshot_end(session);
	return KD_OK;
}
