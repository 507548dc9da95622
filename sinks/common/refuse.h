/* SPDX-License-Identifier: Apache-2.0 */
/* refuse: a record that an encoder cannot store, named. */
#ifndef SINKS_REFUSE_H
#define SINKS_REFUSE_H

#include <kdirect/error.h>
#include <kdirect/types.h>

/* KD_ERECORD, STOP: 'could not store "topic/partition@offset": reason', with err->offset unless err holds an error. */
kd_code refuse_record(const kd_batch_partition *batch, const kd_record *record, kd_error *err, const char *format, ...)
	KD_PRINTF(4, 5);

#endif
