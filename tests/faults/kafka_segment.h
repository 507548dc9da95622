/* SPDX-License-Identifier: Apache-2.0 */
/* A segment file on a broker's disk, to be damaged: the record batches of a partition's first one, written over in
 * place while the broker serves them. */
#ifndef KF_KAFKA_SEGMENT_H
#define KF_KAFKA_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kf_batch {
	int fd;
	int64_t at;           /* of the batch in the file */
	size_t size;
	unsigned char *bytes; /* as they were */
} kf_batch;

enum { KF_BATCH_HEADER = 61 };

/* The batch that begins with this offset; servers: the folder of a cluster of kafka.sh.  kf_batch_close frees it. */
kf_batch kf_batch_open(const char *servers, int node, const char *topic, int partition, int64_t offset);
void kf_batch_close(kf_batch *batch);

/* Turns over the bits of one byte, counted from the batch's beginning.  with_checksum: and makes its checksum right for
 * what it holds then. */
void kf_batch_damage(const kf_batch *batch, size_t at, bool with_checksum);
/* All as it was. */
void kf_batch_restore(const kf_batch *batch);

#endif
