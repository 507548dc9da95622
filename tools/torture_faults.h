/* SPDX-License-Identifier: Apache-2.0 */
/* torture_faults: what is done to the job, all of it from outside: signals, the network, the server's sessions. */
#ifndef TOOLS_TORTURE_FAULTS_H
#define TOOLS_TORTURE_FAULTS_H

#include "torture_rig.h"

struct torture_fault {
	const char *name;  /* one word, for --json */
	const char *text;  /* what it is, for people */
	bool reads;        /* only where the relay can read what passes */
	/* Does it once, and leaves one job running.  False: the job cannot go on, rig->why says why. */
	bool (*run)(struct torture_rig *rig);
};

/* The i-th, from 0; NULL past the last. */
const struct torture_fault *torture_fault_at(size_t i);

#endif
