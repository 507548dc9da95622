/* SPDX-License-Identifier: Apache-2.0 */
/* pg_check: what `kdirect check` tells about the server, the ledger and the target. */
#ifndef PG_CHECK_H
#define PG_CHECK_H

#include <kdirect/sink.h>

/* Reports everything it looked at; fails only where it could not look any further. */
kd_code pg_check(const kd_sink_context *context, kd_finding_fn *report, void *opaque, kd_error *err);

#endif
