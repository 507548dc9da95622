// SPDX-License-Identifier: Apache-2.0
// reader_limits: shares out the prefetch budget.
//
// A fetched record costs its size and about 320 bytes more.  A partition's queue holds up to queued.min.messages and,
// because a fetch is sent when it holds fewer, one fetch on top: half of a partition's share goes to each.  Small
// records are the dear ones (a fetch of 100-byte records grows by four), so they are what is reckoned with.
#include "reader_limits.h"

enum {
	BUDGET_BYTES = 16 << 20,
	RECORD_COST = 450, /* a small record in memory */
	FETCH_GROWTH = 4,  /* fetched bytes of small records, once they are messages */
	// A broker adds no batch to a response that is larger than this, but for the response's first one: below the size
	// of the batches each fetch brings a single one, which with 1,000 partitions was 30 times slower.
	LEAST_FETCH = 64 << 10,
};

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
	return value < min ? min : value > max ? max : value;
}

kd_reader_limits kd_reader_limits_for(size_t n_partitions)
{
	const int64_t n = n_partitions > 0 ? (int64_t) n_partitions : 1;
	const int64_t share = BUDGET_BYTES / n;
	const int64_t fetch = clamp(share / 2 / FETCH_GROWTH, LEAST_FETCH, 512 << 10);
	return (kd_reader_limits) {
		.queued_messages = clamp(share / 2 / RECORD_COST, 20, 4000),
		.queued_kbytes = clamp(share / 2 / 1024, 64, 4096),
		.partition_fetch_bytes = fetch,
		// librdkafka takes no less than message.max.bytes, whose default is a million.
		.fetch_bytes = clamp(fetch * n, 1000000, 2 << 20),
		// Each fetch lists each partition: with many, long polls keep an idle job cheap.
		.wait_ms = n <= 16 ? 20 : n <= 200 ? 50 : 100,
	};
}
