/* SPDX-License-Identifier: Apache-2.0 */
/* demo_signals: see demo_signals.h. */
#include "demo_signals.h"

#include <stddef.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

const volatile sig_atomic_t *demo_signals_watch(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	return &interrupted;
}
