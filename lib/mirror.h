/* SPDX-License-Identifier: Apache-2.0 */
/* mirror: shows committed positions in a Kafka consumer group, for the lag tools that people have.
 *
 * A shadow, not a source: positions are committed to the group after the sink's commit, are never read back, and a
 * failure is a warning (F33).  The group must have no members of its own. */
#ifndef KD_MIRROR_H
#define KD_MIRROR_H

#include "kdirect/config.h"
#include "kdirect/error.h"
#include "kdirect/log.h"

typedef struct kd_mirror kd_mirror;

kd_code kd_mirror_open(const kd_config *config, const char *group, const kd_logger *log, kd_mirror **ret_mirror,
	kd_error *err) KD_CHECK;

/* Notes a position; the last one per partition counts. */
void kd_mirror_note(kd_mirror *mirror, const char *topic, int32_t partition, int64_t offset);

/* Sends what was noted, without waiting; at the end (last) waits up to 2 s for the answer. */
void kd_mirror_send(kd_mirror *mirror, bool last);

void kd_mirror_close(kd_mirror *mirror);

#endif
