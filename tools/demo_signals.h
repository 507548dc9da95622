/* SPDX-License-Identifier: Apache-2.0 */
/* demo_signals: a person's wish to end a verb that has to put things away first. */
#ifndef TOOLS_DEMO_SIGNALS_H
#define TOOLS_DEMO_SIGNALS_H

#include <signal.h>

/* Catches SIGINT, SIGTERM and SIGHUP from here on.  What it points to is the last one's number; 0: none came. */
const volatile sig_atomic_t *demo_signals_watch(void);

#endif
