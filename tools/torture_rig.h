/* SPDX-License-Identifier: Apache-2.0 */
/* torture_rig: what stands around a job that is tortured: brokers in this process, a relay to the database, the schema, and
 * the job itself as child processes of which one is meant to live. */
#ifndef TOOLS_TORTURE_RIG_H
#define TOOLS_TORTURE_RIG_H

#include <signal.h>
#include <sys/types.h>

#include "demo_folder.h"
#include "demo_kafka.h"
#include "demo_random.h"
#include "fault_proxy.h"
#include "torture_schema.h"
#include "torture_watch.h"

enum { TORTURE_RIVALS = 4 };

struct torture_rig {
	struct demo_folder folder;
	struct demo_kafka *kafka;
	struct torture_schema *schema;
	struct torture_watch *watch;
	struct fault_proxy *proxy;
	struct demo_random random;
	bool readable;  /* what passes the relay is no TLS */
	pid_t pid;      /* the owner; 0: none runs */
	int64_t starts, unexpected; /* unexpected: ends with a code that the fault does not explain */
	int64_t slowest_ms; /* until a commit was seen again after a fault */
	char note[160];     /* about the first unexpected end */
	const volatile sig_atomic_t *interrupted; /* a signal's number: everything ends soon */
	const char *why;    /* what went wrong, one line */
};

/* False: why says what could not be made. */
bool torture_rig_make(struct torture_rig *rig, const char *dsn, int64_t events, uint64_t seed);
/* Ends every child, and leaves nothing behind; keep: but the schema.  False: why says what is left. */
bool torture_rig_end(struct torture_rig *rig, bool keep);

/* One more child; -1: it could not be made. */
pid_t torture_rig_start(struct torture_rig *rig);
/* Waits for its end, for so long.  Its exit code, or 128 + the signal; -1: it still runs. */
int torture_rig_wait(struct torture_rig *rig, pid_t pid, int timeout_ms);
/* An end that must have been with this exit code; any other is noted. */
void torture_rig_expect(struct torture_rig *rig, const char *fault, int exit_code, int expected);

/* Rests, so long at the most; false: interrupted. */
bool torture_rig_rest(const struct torture_rig *rig, int64_t ms);
/* Waits until something was committed since `before`, or there is nothing to commit; false: nothing was for a minute, or
 * the owner ended. */
bool torture_rig_goes_on(struct torture_rig *rig, int64_t before);

#endif
