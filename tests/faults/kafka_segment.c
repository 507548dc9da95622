/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's segment file: see kafka_segment.h. */
#include "kafka_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"

/* A batch: offset 8, length of the rest 4, epoch 4, magic 1, checksum 4, and from there what the checksum is of. */
enum { LENGTH = 8, START = 12, CHECKSUM = 17, CHECKED = 21 };

static uint64_t number(const unsigned char *bytes, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

static uint32_t crc_32c(const unsigned char *bytes, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

kf_batch kf_batch_open(const char *servers, int node, const char *topic, int partition, int64_t offset)
{
	char *path = kt_format("%s/node%d/data/%s-%d/%020d.log", servers, node, topic, partition, 0);
	unsigned char start[START];
	kf_batch batch = {.fd = open(path, O_RDWR | O_CLOEXEC)};

	kt_check(batch.fd >= 0, "could not open %s: %s", path, strerror(errno));
	for (;; batch.at += (int64_t) batch.size) {
		kt_check(pread(batch.fd, start, sizeof start, batch.at) == sizeof start, "no batch at %" PRId64 " in %s", offset,
			path);
		batch.size = START + number(start + LENGTH, 4);
		if ((int64_t) number(start, 8) == offset)
			break;
	}
	batch.bytes = malloc(batch.size);
	kt_check(batch.bytes && pread(batch.fd, batch.bytes, batch.size, batch.at) == (ssize_t) batch.size, "half a batch");
	free(path);
	return batch;
}

void kf_batch_close(kf_batch *batch)
{
	close(batch->fd);
	free(batch->bytes);
}

static void put(const kf_batch *batch, const unsigned char *bytes)
{
	kt_check(pwrite(batch->fd, bytes, batch->size, batch->at) == (ssize_t) batch->size, "could not write a batch");
}

void kf_batch_damage(const kf_batch *batch, size_t at, bool with_checksum)
{
	unsigned char *bytes = malloc(batch->size);

	kt_check(bytes && at < batch->size, "no memory, or no such byte");
	memcpy(bytes, batch->bytes, batch->size);
	bytes[at] = (unsigned char) ~bytes[at];
	if (with_checksum) {
		uint32_t crc = crc_32c(bytes + CHECKED, batch->size - CHECKED);
		for (int i = 0; i < 4; i++)
			bytes[CHECKSUM + i] = (unsigned char) (crc >> (24 - 8 * i));
	}
	put(batch, bytes);
	free(bytes);
}

void kf_batch_restore(const kf_batch *batch)
{
	put(batch, batch->bytes);
}
