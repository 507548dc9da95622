/* SPDX-License-Identifier: Apache-2.0 */
/* The records of a campaign. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

/* Keyed records of 8 to 192 bytes; a null key or a null value now and then. */
static void fill_any(void *opaque, int64_t i, kt_message *message)
{
	crash_source *source = opaque;
	int size = 8 + rand_r(&source->seed) % 184;

	(void) i;
	memset(message->value_space, 'a' + (int) (source->number % 26), (size_t) size);
	snprintf(message->value_space, sizeof(message->value_space), "%" PRId64 ":", source->number);
	message->value_space[strlen(message->value_space)] = '.';
	message->value = rand_r(&source->seed) % 50 ? message->value_space : NULL;
	message->value_size = message->value ? (size_t) size : 0;
	snprintf(message->key_space, sizeof(message->key_space), "key-%d", rand_r(&source->seed) % 5000);
	message->key = rand_r(&source->seed) % 50 ? message->key_space : NULL;
	message->key_size = message->key ? strlen(message->key_space) : 0;
	source->number++;
}

void crash_source_open(crash_campaign *campaign)
{
	crash_source *source = &campaign->source;

	source->seed = campaign->seed;
	source->plain = kt_producer_open(NULL, "compression.type", "lz4", "enable.idempotence", "true",
		"topic.metadata.refresh.interval.ms", "1000", NULL);
	source->txn = kt_producer_open(NULL, "compression.type", "zstd", "transactional.id", campaign->job.topic,
		"topic.metadata.refresh.interval.ms", "1000", NULL);
	source->notes = kt_notes_new();
	kt_producer_note(source->plain, source->notes);
	kt_producer_note(source->txn, source->notes);
}

void crash_source_close(crash_campaign *campaign)
{
	kt_notes_free(campaign->source.notes);
	kt_producer_close(campaign->source.plain);
	kt_producer_close(campaign->source.txn);
}

void crash_feed(crash_campaign *campaign, int64_t records)
{
	crash_source *source = &campaign->source;
	kt_fill_fn *fill = campaign->sink->fill ? campaign->sink->fill : fill_any;
	const char *topic = campaign->job.topic;

	kt_produce_many(source->plain, topic, KT_ANY_PARTITION, records - records / 2, fill, source);
	kt_producer_flush(source->plain);
	if (records < 2)
		return;
	kt_txn_begin(source->txn);
	kt_produce_many(source->txn, topic, KT_ANY_PARTITION, records / 2, fill, source);
	if (rand_r(&source->seed) % 4)
		kt_txn_commit(source->txn);
	else
		kt_txn_abort(source->txn);
}
