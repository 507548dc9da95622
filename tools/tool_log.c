/* SPDX-License-Identifier: Apache-2.0 */
/* tool_log: see tool_log.h. */
#include "tool_log.h"

#include <string.h>
#include <unistd.h>

enum { PERIOD_MS = 10000 }; /* of verbs without --log-every */

static kd_log_level level_of(const struct args *args, kd_log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	for (int i = 0; args->log_level && i < 4; i++)
		if (strcmp(args->log_level, names[i]) == 0)
			level = (kd_log_level) i;
	if (args->quiet)
		level = KD_LOG_ERROR;
	return args->verbose ? KD_LOG_DEBUG : level;
}

struct log_out *tool_log_open(const struct args *args, kd_log_level level)
{
	struct log_options options = {
		.to = stderr,
		.json = args->log_format && strcmp(args->log_format, "json") == 0,
		.level = level_of(args, level),
		.period_ms = args->log_format ? args->log_every_s * 1000 : PERIOD_MS,
	};

	options.status = !args->quiet && !options.json && isatty(STDERR_FILENO);
	return log_out_open(&options);
}
