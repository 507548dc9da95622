/* SPDX-License-Identifier: Apache-2.0 */
/* tool_log: a verb's log, as its options ask for it. */
#ifndef TOOLS_TOOL_LOG_H
#define TOOLS_TOOL_LOG_H

#include "args.h"
#include "log_out.h"

/* level: what the verb tells unless --log-level, -q or -v say otherwise.  On stderr.  NULL without memory. */
struct log_out *tool_log_open(const struct args *args, kd_log_level level);

#endif
