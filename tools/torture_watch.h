/* SPDX-License-Identifier: Apache-2.0 */
/* torture_watch: somebody who looks at the tables all the time, from outside, one snapshot after another: what he sees must
 * be right at any moment (I3, I5, I6, I7, I9, I11), not only at the end. */
#ifndef TOOLS_TORTURE_WATCH_H
#define TOOLS_TORTURE_WATCH_H

#include "torture_schema.h"

struct torture_watch;

struct torture_seen {
	int64_t looks;
	struct torture_counts worst; /* of each finding the largest number seen at once; rows and sums of the last look */
};

/* Takes the session over.  NULL: no thread or no memory. */
struct torture_watch *torture_watch_start(struct torture_schema *session);
/* Any thread. */
void torture_watch_read(struct torture_watch *watch, struct torture_seen *ret_seen);
/* Ends it, with its session.  Accepts NULL. */
void torture_watch_end(struct torture_watch *watch);

#endif
