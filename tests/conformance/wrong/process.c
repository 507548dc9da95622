// SPDX-License-Identifier: Apache-2.0
// process: what the store takes from the SQLite sink, for sinks that are built without it (test_judge.c).
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "sqlite/sqlite_sink.h"
#include "sqlite/sqlite_text.h"

void sqlite_process_mark(int64_t pid, char *ret_mark, size_t size)
{
	snprintf(ret_mark, size, "%s", kill((pid_t) pid, 0) == 0 ? "alive" : "");
}

void sqlite_instance_describe(int64_t pid, const char *host, int64_t started_at_ms, char *ret_who, size_t size)
{
	snprintf(ret_who, size, "pid %" PRId64 " on host %s since %" PRId64, pid, host, started_at_ms);
}
