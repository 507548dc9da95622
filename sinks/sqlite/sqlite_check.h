/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_check: what `kdirect check` asks of the sink. */
#ifndef KD_SQLITE_CHECK_H
#define KD_SQLITE_CHECK_H

#include "kdirect/sink.h"

/* Refuses what is not a file.  option: where the path is from. */
kd_code sqlite_check_path(const char *option, const char *path, kd_error *err) KD_CHECK;

kd_code sqlite_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err);
kd_code sqlite_ddl(const kd_sink_context *context, kd_buf *out, kd_error *err);

#endif
