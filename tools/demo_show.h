/* SPDX-License-Identifier: Apache-2.0 */
/* demo_show: the demo's story. On a terminal a live line with a bar stands below what has happened so far; anywhere
 * else there are only the lines of what happened. */
#ifndef TOOLS_DEMO_SHOW_H
#define TOOLS_DEMO_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct demo_show {
	FILE *to;
	bool live, color, utf8;
	int64_t started_ms;
};

struct demo_state {
	int64_t events, produced, stored;
	int64_t kills, kills_planned;
};

enum demo_tone { DEMO_PLAIN, DEMO_BOLD, DEMO_DIM, DEMO_GOOD, DEMO_BAD };

struct demo_show demo_show_on(FILE *to);

/* A line of its own. */
void demo_show_text(const struct demo_show *show, enum demo_tone tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with the time since the start before it. */
void demo_show_event(const struct demo_show *show, enum demo_tone tone, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Draws the live line; nothing where there is none. */
void demo_show_state(const struct demo_show *show, const struct demo_state *state);

#endif
